"""Archives of TensorFlow's functions, which graphkit does not write. Source: keras.export."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import UnsupportedError

__all__ = ["ExportArchive"]


class ExportArchive:
    """A SavedModel of several functions; creating one raises UnsupportedError. `model.export("model.onnx")` writes a model.

    Args:
        format: The archive's format.
    """

    def __init__(self, format: str = "saved_model") -> None:
        raise UnsupportedError(
            "keras.export.ExportArchive writes archives that TensorFlow runs; use model.export('model.onnx'), which "
            "onnxruntime runs, once for each model."
        )

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
