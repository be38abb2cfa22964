"""graphkit.load and graphkit.convert: any format in, any format out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.saving.api import load_model


def load(
    path: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, placeholders: bool = False
) -> Any:
    """Open a model file of any format, told by its content and not by its name.

    Args:
        path: a `.keras` file or folder, an HDF5 file of any Keras, a JSON config, an ONNX file.
        custom_objects: classes and functions of your own by the names that the file uses.
        compile: whether a model that was compiled is compiled again.
        placeholders: let layers of unknown classes keep their place, to look at the model; it cannot be called then.

    Raises SerializationError for what is of no known format; it lists the known ones.
    """
    return load_model(path, custom_objects=custom_objects, compile=compile, placeholders=placeholders)


def convert(
    source: Any,
    target: Any,
    custom_objects: Mapping[str, Any] | None = None,
    weights: Any = None,
    strict: bool = False,
    lost: list[str] | None = None,
    overwrite: bool = True,
    **options: Any,
) -> Any:
    """Open `source`, write it in the format that the suffix of `target` names, and give the model.

    Args:
        source: a file of any format, or a model.
        target: `.keras`, `.h5`, `.json`, `.onnx`, or weights alone: `.weights.h5`, `.weights.json`, `.npz`, `.safetensors`.
        custom_objects: classes and functions of your own by the names that the file uses.
        weights: a file of weights for a source without (JSON).
        strict: raise LossyConversionError, and write nothing, where the target does not hold all of the source.
        lost: a list that takes, in words, what is not in the target.
        overwrite: False raises InvalidArgumentError where the target is there.
        options: what the writer of the target takes (`opset` for ONNX, `keras_version=2` for HDF5).

    Raises InvalidArgumentError for a suffix or option that is not known.
    """
    from graphkit.saving import conversion

    return conversion.convert(source, target, custom_objects, weights, strict, lost, overwrite, **options)
