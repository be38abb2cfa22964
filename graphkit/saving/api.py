"""Saving and loading models and weights. `Model`'s methods and `graphkit.models` call these functions."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from graphkit.core.collection import collection_paused
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, SerializationError
from graphkit.core.files import check_target, scratch_file
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import custom_object_scope, reading_from
from graphkit.saving import formats
from graphkit.saving.formats import Format
from graphkit.saving.source import Source
from graphkit.saving.tensor_shapes import allowing_placeholders

_IGNORED = ("save_format",)  # an argument of Keras; here the suffix selects the format


class MissingFileError(SerializationError, FileNotFoundError):
    """The file to open does not exist. Also a ValueError, which Keras raises for `.keras` files."""

    def __str__(self) -> str:
        return str(self.args[0])


def load_model(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    placeholders: bool = False,
    **options: Any,
) -> Any:
    """Open a model file of any format, detected from its content: `.keras` (also unpacked), Keras HDF5, JSON, ONNX, ...

    Args:
        filepath: the file or folder, the content of a file as bytes, or an onnx.ModelProto.
        custom_objects: user-defined classes and functions by the names that the file uses; for a `Lambda` that was saved as
            code, its function by the layer's name.
        compile: whether a model that was compiled is compiled again, with its optimizer's state.
        safe_mode: False lets a layer open the vocabulary file that the model names by its path. Code in files is never run.
        placeholders: put placeholders in the place of layers whose class (or Lambdas whose function) is unknown, with their names
            and configs: the model can be summarized, drawn and searched, but calling it raises UnknownClassError.
        options: further options of the format.

    Raises:
        MissingFileError: the file does not exist.
        SerializationError: the file is of no known format, or is damaged; a ValueError that names file and entry.
        InvalidArgumentError: the format does not have an option.

    Source: keras.saving.load_model.
    """
    return _opened(filepath, custom_objects, compile, safe_mode, placeholders, options)


def load_usual(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    placeholders: bool = False,
    **options: Any,
) -> Any:
    """Open a file as `graphkit.load` does: like `load_model`, with the format's usual options where none are given."""
    return _opened(filepath, custom_objects, compile, True, placeholders, options, usual=True)


def _opened(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None,
    compile: bool,
    safe_mode: bool,
    placeholders: bool,
    options: Mapping[str, Any],
    usual: bool = False,
) -> Any:
    with _as_path(filepath) as path:
        source = existing(path)
        with reading_from(source.what):
            format = formats.format_of(source)
            formats.check_options(format, options, format.load_options, "load_model")
        given = {**(format.usual_options if usual else {}), **options}
        return load_from(source, format, custom_objects, compile, safe_mode, placeholders, **given)


@contextmanager
def _as_path(given: Any) -> Iterator[Any]:
    """Give the content of a file, or a protobuf message such as an onnx.ModelProto, a path while it is read."""
    content = given.SerializeToString() if hasattr(given, "SerializeToString") else given
    if not isinstance(content, (bytes, bytearray, memoryview)):
        yield given
        return
    with scratch_file(content) as path:
        yield path


def load_from(
    source: Source,
    format: Format,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    placeholders: bool = False,
    **options: Any,
) -> Any:
    """Open a file whose format is known. The arguments and errors are those of `load_model`."""
    allowing = allowing_placeholders() if placeholders else nullcontext()
    with reading_from(source.what, safe_mode), custom_object_scope(custom_objects), allowing, collection_paused():
        model = format.load(
            source,
            custom_objects=custom_objects,
            compile=compile and not placeholders,
            placeholders=placeholders,
            **options,
        )
    _warn_of_missing_vocabularies(model, source)
    return model


def _warn_of_missing_vocabularies(model: Any, source: Source) -> None:
    """Warn of layers whose learned vocabulary is not in the file: to them every token is unknown."""
    from graphkit.layers.preprocessing.lookup import IndexLookup, TextVectorization

    if not hasattr(model, "_walk_layers"):
        return
    layers = list(model._walk_layers())
    owners = {id(layer._lookup_layer): layer.name for layer in layers if isinstance(layer, TextVectorization)}
    silent = [layer for layer in layers if isinstance(layer, IndexLookup) and layer.lacks_vocabulary]
    names = [owners.get(id(layer), layer.name) for layer in silent]
    if names:
        warnings.warn(
            f"{source.what} does not hold the vocabulary of {', '.join(map(repr, names))}: set it with set_vocabulary().",
            stacklevel=3,
        )


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **options: Any) -> None:
    """Write a whole model, in the format that the suffix names; a path without a suffix and `zipped=False` give a folder.

    The file is written beside the target and renamed over it when it is complete.

    Args:
        model: a model.
        filepath: `.keras`, `.h5`, `.json`, `.onnx`, or the suffix of another registered format.
        overwrite: False raises InvalidArgumentError if the file exists.
        zipped: False writes the members of a `.keras` archive into a folder.
        options: options of the format: `weights_format` ("h5" or "npz", in the archive), `keras_version` (2 writes an `.h5` file
            that tf.keras and Keras 2 open), `include_optimizer` (False leaves the compile settings out of an `.h5` file), ...

    Raises:
        InvalidArgumentError: the suffix names no format, or `overwrite` is False and the file exists.
        InvalidTypeError: the format does not have an option.
        FileWriteError: the file cannot be written; an existing one is kept.

    Source: keras.saving.save_model.
    """
    given = {key: value for key, value in options.items() if key not in _IGNORED}
    if zipped is not None:
        given["zipped"] = zipped
    path = Path(filepath)
    format = formats.format_for(path, given, formats.MODEL)
    check_target(path, overwrite, folder=format.writes_folder(given) if format is not None else zipped is False)
    if format is None:
        raise InvalidArgumentError(
            f"Invalid filepath extension for saving: {str(filepath)!r}. Please add a `.keras` extension; the known formats are "
            f"{formats.written_formats(formats.MODEL)}."
        )
    _check_known(format, given, "save_model")
    format.save(model, path, overwrite=overwrite, **given)


def export_model(model: Any, filepath: Any, format_name: str, overwrite: bool = True, **options: Any) -> None:
    """Write a model in the format of a name, whatever the suffix.

    Args:
        model: a model.
        filepath: the file or folder to write.
        format_name: the name of a format of models.
        overwrite: False raises InvalidArgumentError if the target exists.
        options: what the format takes.

    Raises:
        InvalidArgumentError: there is no such format, or the target exists.
        InvalidTypeError: the format does not take an option.
    """
    format = formats.format_named(str(format_name))
    if format is None or not format.is_written or formats.MODEL not in format.holds:
        known = [other.name for other in formats.all_formats() if other.is_written and formats.MODEL in other.holds]
        raise InvalidArgumentError(
            f"export: format must be the name of a format of models, one of {known}, got {format_name!r}."
            f"{did_you_mean(format_name, known)}"
        )
    _check_known(format, options, "export")
    check_target(filepath, overwrite, folder=format.writes_folder(options))
    format.save(model, Path(filepath), overwrite=overwrite, **options)


def _check_known(format: Format, options: Mapping[str, Any], caller: str) -> None:
    unknown = sorted(set(options) - set(format.options))
    if unknown:
        raise InvalidTypeError(
            f"{caller}: {format.name} has no option {unknown[0]!r}; its options are {list(format.options)}."
            f"{did_you_mean(unknown[0], format.options)}"
        )


def save_weights(
    model: Any, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None, **options: Any
) -> None:
    """Write the weights, and the optimizer's state, of a model (or layer).

    Args:
        model: a model or layer.
        filepath: `.weights.h5`, `.npz`, `.safetensors`; `.weights.json` for sharded weights.
        overwrite: False raises InvalidArgumentError if the file exists.
        max_shard_size: size of one shard at most, in GiB (`.weights.json` only).
        options: further options of the format.

    Raises:
        InvalidArgumentError: the suffix names no format of weights, or `overwrite` is False and the file exists.
        InvalidTypeError: the format does not have an option.
        FileWriteError: the file cannot be written; an existing one is kept.

    Source: keras.Model.save_weights.
    """
    if hasattr(model, "fit") and not model.built and not model.weights:
        raise InvalidArgumentError(
            "You are saving a model that has not yet been built. Try building the model first by calling it on some data or by using "
            "`build()`."
        )
    path = Path(filepath)
    given = dict(options) if max_shard_size is None else {**options, "max_shard_size": max_shard_size}
    format = formats.format_for(path, given, formats.WEIGHTS)
    if max_shard_size is not None and (format is None or "max_shard_size" not in format.options):
        raise InvalidArgumentError(
            "The filename must end in `.weights.json` when `max_shard_size` is specified. Received: "
            f"filepath={str(filepath)!r}"
        )
    if format is None:
        raise InvalidArgumentError(
            f"The filename must end in `.weights.h5`. Received: filepath={str(filepath)!r}. Known formats of weights: "
            f"{formats.written_formats(formats.WEIGHTS)}."
        )
    _check_known(format, given, "save_weights")
    check_target(path, overwrite, folder=format.writes_folder(given))
    format.save(model, path, overwrite=overwrite, **given)


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, by_name: bool = False, **kwargs: Any) -> None:
    """Load weights from a file. Either all are assigned, or none.

    Args:
        model: a built model (or layer).
        filepath: `.weights.h5`, `.npz`, `.safetensors`, `.weights.json`, a `.keras` archive, an HDF5 file of older Keras, or another
            registered format.
        skip_mismatch: skip layers whose weights do not fit, with a warning.
        by_name: match layers by name; the others keep their weights (older HDF5 files only).

    Raises:
        MissingFileError: the file does not exist.
        SerializationError: the file is damaged, or a weight does not fit; names layer, weight and shapes.
        InvalidTypeError: an argument is unknown.

    Source: keras.Model.load_weights.
    """
    if kwargs:
        raise InvalidTypeError(f"load_weights got unknown arguments: {sorted(kwargs)}.")
    source = existing(filepath)
    with reading_from(source.what):
        formats.format_of(source).load_weights(model, source, skip_mismatch=skip_mismatch, by_name=by_name)


def existing(filepath: Any) -> Source:
    """Return a file or folder as a source. Raises MissingFileError if it does not exist."""
    path = Path(filepath)
    if not path.exists():
        raise MissingFileError(f"File not found: filepath={str(filepath)!r}. Please ensure that the file exists.")
    return Source(path)
