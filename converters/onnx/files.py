"""ONNX messages written to disk: beside the target and renamed over it; weights over 2 GB in a file of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_model

from graphkit.core.errors import ExportError, SerializationError

from .document import Document, document_of


def write_model(
    model: onnx.ModelProto | Document, path: Path, *, external_data: bool | None = None, check: bool = True
) -> Path:
    """Write a model to `path`; a crash leaves the old file whole. Raises ExportError for what the checker refuses."""
    document = model if isinstance(model, Document) else document_of(model)
    apart = document.is_too_large if external_data is None else external_data
    if not path.parent.is_dir():
        raise ExportError(f"Cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist.")
    if check:
        check_model(document)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        beside = Path(folder) / path.name
        data = _write_data(document, Path(folder), path.name) if apart else None
        with beside.open("wb") as file:
            if data is None:
                file.writelines(document.pieces())
            else:
                file.write(document.pointing_to(data).SerializeToString())
        if data is not None:
            os.replace(Path(folder) / data, path.parent / data)
        os.replace(beside, path)
    _remove_stale_data(path, data)
    return path


def check_model(model: onnx.ModelProto | Document) -> None:
    """Raise ExportError with the checker's words for a model that is not valid, or whose shapes contradict themselves."""
    document = model if isinstance(model, Document) else document_of(model)
    try:
        onnx.checker.check_model(document.for_checking(), full_check=True)
    except Exception as error:
        raise ExportError(
            f"onnx.checker refuses the exported model; this is a defect of graphkit, please report it: {error}"
        ) from error


def is_too_large(model: onnx.ModelProto | Document) -> bool:
    """Whether a model cannot be one file: protobuf ends at 2 GB."""
    return (model if isinstance(model, Document) else document_of(model)).is_too_large


def _write_data(document: Document, folder: Path, name: str) -> str:
    """Write the weights into a file whose name follows from their numbers, so that an older model keeps its own."""
    part = folder / "data"
    with part.open("wb") as file:
        digest = document.write_data(file.write)
    data = f"{name}.{digest:08x}.data"
    part.rename(folder / data)
    return data


def _remove_stale_data(path: Path, kept: str | None) -> None:
    for old in path.parent.glob(f"{path.name}.????????.data"):
        if old.name != kept and all(c in "0123456789abcdef" for c in old.name[-13:-5]):
            old.unlink(missing_ok=True)


def read_message(path: Path) -> onnx.ModelProto:
    """A message with its external weights. Raises SerializationError for what is no ONNX model, or lacks a part."""
    try:
        message = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        raise SerializationError(f"{str(path)!r} is no ONNX model: {error}") from error
    if not message.HasField("graph"):
        raise SerializationError(f"{str(path)!r} is no ONNX model: it holds no graph.")
    try:
        load_external_data_for_model(message, str(path.parent))
    except Exception as error:
        raise SerializationError(f"The weights beside {str(path)!r} cannot be read: {error}") from error
    return message
