"""graphkit.load and graphkit.convert: models and weights of any format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.saving.api import load_usual


def load(
    path: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    placeholders: bool = False,
    **options: Any,
) -> Any:
    """Open a model file of any format, which is detected from its content.

    Args:
        path: A file or folder (`.keras`, HDF5 of any Keras version, a JSON config, ONNX, ...), the content of a file as bytes, or an
            onnx.ModelProto.
        custom_objects: Custom classes and functions by the names that the file uses.
        compile: Whether a compiled model is compiled again.
        placeholders: Replace layers of unknown classes by placeholders, to inspect the model; it cannot be called then.
        **options: Options of the file's format.

    Raises:
        SerializationError: The format is unknown, or the file cannot be read.
        InvalidArgumentError: The format has no such option.
    """
    return load_usual(path, custom_objects=custom_objects, compile=compile, placeholders=placeholders, **options)


def convert(
    source: Any,
    target: Any,
    custom_objects: Mapping[str, Any] | None = None,
    weights: Any = None,
    strict: bool = False,
    lost: list[str] | None = None,
    overwrite: bool = True,
    load_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Open `source`, write it in the format of `target`'s suffix, and return the model.

    Args:
        source: A file of any format, or a model.
        target: `.keras`, `.h5`, `.json`, `.onnx`, or weights alone: `.weights.h5`, `.weights.json`, `.npz`, `.safetensors`.
        custom_objects: Custom classes and functions by the names that the file uses.
        weights: A weights file, for a source without weights (JSON).
        strict: Whether to raise LossyConversionError, and write nothing, if the target cannot hold all of the source.
        lost: A list to which descriptions of what the target cannot hold are appended.
        overwrite: Whether an existing target may be replaced.
        load_options: Options of the source's format.
        **options: Options of the target format (`opset` for ONNX, `keras_version=2` for HDF5).

    Raises:
        InvalidArgumentError: The suffix or an option is unknown, or the target exists and `overwrite` is False.
        SerializationError: The source cannot be read.
    """
    from graphkit.saving import conversion

    return conversion.convert(source, target, custom_objects, weights, strict, lost, overwrite, load_options, **options)
