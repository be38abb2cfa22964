"""What the ONNX export cannot express, and where it uses operators beyond the standard: a section of docs/keras-coverage.md.

The limits of primitives come from the exporter itself; those of layers are listed here, each with a model that shows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from graphkit import Model, layers
from graphkit.converters.onnx.driver import load_lowerings
from graphkit.converters.onnx.registry import LOWERINGS

OPSET, FOREIGN, FREE = "opset", "onnxruntime's operators", "free sizes in ONNX"


class Note(NamedTuple):
    """A layer, a note on its export, the kind of note, and a model that shows it."""

    names: str
    what: str
    kind: str
    model: Callable[[], Any]


def _of(layer: Callable[[], Any], shape: tuple[int | None, ...] = (1,), dtype: str = "string") -> Callable[[], Any]:
    def build() -> Any:
        x = layers.Input(shape, dtype=dtype)
        return Model(x, layer()(x))

    return build


_HASHED = "hashes use onnxruntime's `Tokenizer` (com.microsoft), since ONNX has no access to characters; "
NOTES = [
    Note(
        "Hashing", f"{_HASHED}characters above U+FFFF other than emoji end the run with an error", FOREIGN,
        _of(lambda: layers.Hashing(9)),
    ),
    Note(
        "StringLookup", f"with several OOV indices, {_HASHED}with one, tables are enough", FOREIGN,
        _of(lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=2)),
    ),
    Note(
        "TextVectorization", "splits into characters with onnxruntime's `Tokenizer` (com.microsoft)", FOREIGN,
        _of(lambda: layers.TextVectorization(vocabulary=["a"], split="character")),
    ),
    Note("TextVectorization", "needs opset 20 (StringSplit)", OPSET, _of(lambda: layers.TextVectorization(vocabulary=["a"]))),
    Note("Hashing", "needs opset 18 (BitwiseXor)", OPSET, _of(lambda: layers.Hashing(9))),
    Note(
        "Resizing", "`crop_to_aspect_ratio` and `pad_to_aspect_ratio` require known heights and widths", FREE,
        _of(lambda: layers.Resizing(3, 4, crop_to_aspect_ratio=True), (None, None, 3), "float32"),
    ),
    Note(
        "CenterCrop", "requires known heights and widths, since smaller images are resized and larger ones cropped", FREE,
        _of(lambda: layers.CenterCrop(3, 4), (None, None, 3), "float32"),
    ),
]  # fmt: skip
"""Rows of the page. A model of kind OPSET is refused at opset 17, one of FOREIGN has nodes of com.microsoft, one of FREE cannot be
exported."""


def section() -> list[str]:
    """The lines of the section."""
    load_lowerings()
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for name, entry in LOWERINGS.items():
        if entry.limitation is not None:
            by_reason[entry.limitation.reason].append(name)
    return [
        "\n## ONNX\n\nWhat these tables do not list is exported. A primitive that cannot be exported raises `ExportError`, which names "
        "layer, primitive and reason.",
        "\n| primitives | reason |\n|---|---|",
        *(f"| {', '.join(f'`{n}`' for n in sorted(names))} | {why} |" for why, names in sorted(by_reason.items())),
        "\n| layers | note |\n|---|---|",
        *(f"| `keras.layers.{note.names}` | {note.what} |" for note in NOTES),
    ]
