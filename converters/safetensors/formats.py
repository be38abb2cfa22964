"""The format of `.safetensors` files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphkit.saving import formats
from graphkit.saving.keras_formats import WeightsFormat
from graphkit.saving.source import Source


class SafetensorsWeights(WeightsFormat):
    """Weights by the paths of Keras 3's weights files. Source: the format's published description."""

    name = "safetensors weights"
    suffixes = (".safetensors",)

    def recognizes(self, source: Source) -> int:
        """By the length of the header and the brace that follow each other."""
        from .tensors import looks_like_safetensors

        return formats.LIKELY if looks_like_safetensors(source.head) else formats.NO

    @contextmanager
    def open(self, source: Source) -> Iterator[Any]:
        """Open the file, and yield the table of its arrays."""
        from .tensors import safetensors_table

        with source.path.open("rb") as file:
            yield safetensors_table(file, source.what)

    def save(self, model: Any, path: Path, *, overwrite: bool = True, **_: Any) -> None:
        """Write the weights and the optimizer's state."""
        from graphkit.core.files import replacing
        from graphkit.saving.archive import KERAS_VERSION
        from graphkit.saving.stores import flat_names
        from graphkit.saving.weights import state_of

        from .tensors import write_safetensors

        arrays, _names = state_of(model)
        with replacing(path, overwrite) as part:
            write_safetensors(part, flat_names(arrays), {"format": "keras", "keras_version": KERAS_VERSION})
