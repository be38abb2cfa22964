"""Conversion from one format to another, and the list of what a model loses by it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphkit.core.errors import InvalidArgumentError, SerializationError
from graphkit.core.files import check_target
from graphkit.core.serialization import reading_from
from graphkit.saving import formats
from graphkit.saving.api import existing, load_from
from graphkit.saving.formats import Format
from graphkit.saving.keras3_differences import NotInKerasWarning, optimizer_differences


class LossyConversionError(SerializationError):
    """The target cannot hold everything of the source, and `strict` is True. No file is written."""


def target_format(path: Any, options: Mapping[str, Any]) -> Format:
    """Return the format that a path's suffix names. Raises InvalidArgumentError, listing all formats, if there is none."""
    found = formats.format_for(Path(path), options)
    if found is None:
        raise InvalidArgumentError(
            f"The suffix of {str(path)!r} names no format that graphkit writes; the known formats are {formats.written_formats()}, "
            "and a folder with zipped=False."
        )
    return found


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
    """Open `source`, write it as `target`, and return the model.

    Args:
        source: a file of any format, or a model.
        target: the file to write; its suffix names the format.
        custom_objects: user-defined classes and functions by the names that the file uses.
        weights: a weights file for a source that has none (JSON).
        strict: raise LossyConversionError, and write nothing, if anything is lost.
        lost: a list to which descriptions of what the target cannot hold are appended.
        overwrite: False raises InvalidArgumentError if the target exists.
        load_options: options of the source's format.
        options: options of the target's format: `opset` (ONNX), `keras_version` (HDF5), `zipped`, `max_shard_size`, ...

    Raises:
        InvalidArgumentError: the suffix or an option is unknown, or `overwrite` is False and the target exists.
        MissingFileError: the source does not exist.
        SerializationError: the source cannot be read.
        LossyConversionError: something is lost and `strict` is True.
    """
    format = target_format(target, options)
    formats.check_options(format, options, format.options, "convert")
    check_target(target, overwrite, folder=format.writes_folder(options))
    model, found = _opened(source, custom_objects, weights, format, load_options or {})
    found += losses(model, format, options)
    if strict and found:
        raise LossyConversionError(f"{str(target)!r} ({format.name}) was not written: {'; '.join(found)}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotInKerasWarning)  # it is in `found`
        write = model.save if formats.MODEL in format.holds else model.save_weights
        write(target, overwrite=overwrite, **options)
    if lost is not None:
        lost += found
    return model


def _opened(
    source: Any, custom_objects: Any, weights: Any, target: Format, load_options: Mapping[str, Any]
) -> tuple[Any, list[str]]:
    bare = False
    if hasattr(source, "to_json"):
        model = source
    else:
        found = existing(source)
        with reading_from(found.what):
            format = formats.format_of(found)
        formats.check_options(format, load_options, format.load_options, "convert")
        usual = format.usual_options if format.name != target.name else {}
        model = load_from(found, format, custom_objects, **{**usual, **load_options})
        bare = formats.WEIGHTS not in format.holds
    if weights is not None:
        model.load_weights(weights)
    elif bare and formats.WEIGHTS in target.holds:
        return model, ["the source has no weights: those written are newly initialized"]
    return model, []


def losses(model: Any, format: Format, options: Mapping[str, Any] | None = None) -> list[str]:
    """Describe each part of a model that files of a format cannot hold."""
    given = options or {}
    return [*_parts(model, format, given), *_older_formulas(model, format), *format.losses(model, given)]


def _parts(model: Any, format: Format, options: Mapping[str, Any]) -> Iterator[str]:
    holds = format.held(options)
    if formats.MODEL not in holds:
        yield "the layers and their connections: only weights are written"
    if formats.WEIGHTS not in holds and model.weights:
        yield f"the weights ({model.count_params():,} parameters): write them beside it with save_weights"
    if not model.compiled:
        return
    if formats.COMPILE not in holds:
        yield "the compile settings (optimizer, loss, metrics)"
    if model.optimizer is None or not model.optimizer.built:
        return
    if formats.STATE not in holds:
        yield f"the state of the optimizer {model.optimizer.name!r}"


def _older_formulas(model: Any, format: Format) -> Iterator[str]:
    if formats.COMPILE in format.holds:
        yield from optimizer_differences(model)
