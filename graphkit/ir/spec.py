"""Tensor specs: shape and dtype without values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, is_static


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Shape (ints, or `Dim` where a size is not known) and dtype (Keras' name) of a tensor."""

    shape: Shape
    dtype: str

    @staticmethod
    def of(value: Any) -> TensorSpec:
        """Return the spec of an array, or of any object with a `spec`."""
        spec = getattr(value, "spec", None)
        if isinstance(spec, TensorSpec):
            return spec
        array = np.asarray(value)
        return TensorSpec(array.shape, dtypes.of_array(array))

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_static(self) -> bool:
        """Whether every size is known."""
        return is_static(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(str(s) for s in self.shape)}]"


def spec(*shape: int | str | Dim, dtype: str = "float32") -> TensorSpec:
    """Create a spec in one line: `spec("batch", 3)`; strings become unknown sizes."""
    return TensorSpec(tuple(Dim.named(s) if isinstance(s, str) else s for s in shape), dtype)
