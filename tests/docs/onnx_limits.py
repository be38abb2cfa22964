"""What the ONNX export cannot say, and what it says with more than the standard's operators: a section of docs/keras-coverage.md.

The primitives' limits come from the exporter itself; what is particular to layers stands here, each with a model that shows it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, NamedTuple

from graphkit import Model, layers
from graphkit.converters.onnx.driver import load_lowerings
from graphkit.converters.onnx.registry import LOWERINGS

OPSET, FOREIGN, FREE, FREE_IN_ONNX = "opset", "onnxruntime's operators", "free sizes", "free sizes in ONNX"


class Note(NamedTuple):
    """Layers, what is to be known of their export, the kind of it, and a model that shows it."""

    names: str
    what: str
    kind: str
    model: Callable[[], Any]


def _of(layer: Callable[[], Any], shape: tuple[int | None, ...] = (1,), dtype: str = "string") -> Callable[[], Any]:
    def build() -> Any:
        x = layers.Input(shape, dtype=dtype)
        return Model(x, layer()(x))

    return build


_HASHED = "hashes are written with onnxruntime's `Tokenizer` (com.microsoft), since ONNX cannot look at characters; "
NOTES = [
    Note("Hashing", f"{_HASHED}characters above U+FFFF other than emoji stop the run", FOREIGN, _of(lambda: layers.Hashing(9))),
    Note(
        "StringLookup", f"with several OOV indices {_HASHED}with one, tables are enough", FOREIGN,
        _of(lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=2)),
    ),
    Note(
        "TextVectorization", "split into characters by onnxruntime's `Tokenizer` (com.microsoft)", FOREIGN,
        _of(lambda: layers.TextVectorization(vocabulary=["a"], split="character")),
    ),
    Note("TextVectorization", "needs opset 20 (StringSplit)", OPSET, _of(lambda: layers.TextVectorization(vocabulary=["a"]))),
    Note("Hashing", "needs opset 18 (BitwiseXor)", OPSET, _of(lambda: layers.Hashing(9))),
    Note(
        "Resizing", "`crop_to_aspect_ratio` and `pad_to_aspect_ratio` want known heights and widths", FREE,
        _of(lambda: layers.Resizing(3, 4, crop_to_aspect_ratio=True), (None, None, 3), "float32"),
    ),
    Note(
        "CenterCrop", "wants known heights and widths: smaller images are resized, larger ones cropped", FREE_IN_ONNX,
        _of(lambda: layers.CenterCrop(3, 4), (None, None, 3), "float32"),
    ),
]  # fmt: skip
"""Rows for the page. A model of kind OPSET is refused at opset 17, one of FOREIGN has nodes of com.microsoft, one of FREE is not built,
and one of FREE_IN_ONNX not exported."""


def section() -> list[str]:
    """The lines of the section."""
    load_lowerings()
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for name, entry in LOWERINGS.items():
        if entry.limitation is not None:
            by_reason[entry.limitation.reason].append(name)
    return [
        "\n## ONNX\n\nEverything else is exported. What cannot be raises `ExportError`, which names layer, primitive and reason.",
        "\n| primitives | why not |\n|---|---|",
        *(f"| {', '.join(f'`{n}`' for n in sorted(names))} | {why} |" for why, names in sorted(by_reason.items())),
        "\n| layers | to know |\n|---|---|",
        *(f"| `keras.layers.{note.names}` | {note.what} |" for note in NOTES),
    ]
