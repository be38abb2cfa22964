"""ONNX messages written to disk: beside the target and renamed over it; weights over 2 GB in a file of their own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx.external_data_helper import load_external_data_for_model

from graphkit.core.errors import ExportError, SerializationError
from graphkit.core.file_kinds import not_binary
from graphkit.core.files import Staged, check_target, replacing_group
from graphkit.saving.sibling_files import file_beside

from .document import Document, document_of


def write_model(
    model: onnx.ModelProto | Document,
    path: Path,
    *,
    external_data: bool | None = None,
    check: bool = True,
    overwrite: bool = True,
) -> Path:
    """Write a model to `path`; a crash leaves the old file whole, with its data file.

    Raises ExportError for what the checker refuses, FileWriteError where nothing can be written.
    """
    check_target(path, overwrite)
    document = model if isinstance(model, Document) else document_of(model)
    apart = document.is_too_large if external_data is None else external_data
    if check:
        check_model(document)
    with replacing_group(path, overwrite) as staged:
        data = _write_data(document, staged) if apart else None
        _write_message(document, staged.part, data)
        staged.remove_afterwards(_data_files(staged.target))
    return path


def _write_message(document: Document, part: Path, data: str | None) -> None:
    with part.open("wb") as file:
        if data is None:
            file.writelines(document.pieces())
        else:
            file.write(document.pointing_to(data).SerializeToString())


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


def _write_data(document: Document, staged: Staged) -> str:
    """Write the weights into a file whose name follows from their numbers, so that an older model keeps its own."""
    scratch = staged.part.with_name("data")
    with scratch.open("wb") as file:
        digest = document.write_data(file.write)
    name = f"{staged.target.name}.{digest:08x}.data"
    scratch.rename(staged.companion(name))
    return name


def _data_files(path: Path) -> list[Path]:
    """The data files of a model's older versions (and of this one)."""
    named = re.compile(rf"{re.escape(path.name)}\.[0-9a-f]{{8}}\.data")
    return [found for found in path.parent.iterdir() if named.fullmatch(found.name)]


def _check_locations(message: onnx.ModelProto, path: Path) -> None:
    """Raise UnsafePathError for weights that are to stand anywhere but beside the model."""
    what = repr(str(path))
    for tensor in external_tensors(message):
        said = {entry.key: entry.value for entry in tensor.external_data}
        where = f"{what}: the weight {tensor.name!r}"
        file = file_beside(path, said.get("location"), where, folders=True)
        numbers = [said.get("offset") or "0", said.get("length") or "0"]
        if not all(number.isascii() and number.isdecimal() for number in numbers):
            raise SerializationError(f"{where} has the offset and length {numbers}, which are no numbers.")
        if sum(map(int, numbers)) > file.stat().st_size:
            raise SerializationError(f"{where} ends behind the end of {said['location']!r}: the file was cut short.")


def external_tensors(message: onnx.ModelProto) -> list[onnx.TensorProto]:
    """The tensors of a message, at any depth, whose numbers stand in other files."""
    found: list[onnx.TensorProto] = []
    stack: list[Any] = [message]
    while stack:
        part = stack.pop()
        if isinstance(part, onnx.TensorProto):
            found += [part] if part.data_location == onnx.TensorProto.EXTERNAL or part.external_data else []
            continue
        for field, value in part.ListFields():
            if field.message_type is not None:
                stack += [value] if isinstance(value, Message) else value
    return found


def read_message(path: Path) -> onnx.ModelProto:
    """A message with its external weights. Raises SerializationError for what is no ONNX model, or lacks a part."""
    try:
        message = onnx.load(str(path), "protobuf", load_external_data=False)
    except Exception as error:
        with path.open("rb") as file:
            kind = not_binary(file.read(4096))
        told = f"is no ONNX model but {kind}" if kind else f"is no ONNX model, or its end is missing: {error}"
        raise SerializationError(f"{str(path)!r} {told}.") from error
    if not message.HasField("graph"):
        raise SerializationError(f"{str(path)!r} is no ONNX model: it holds no graph.")
    _check_locations(message, path)
    try:
        load_external_data_for_model(message, str(path.parent))
    except Exception as error:
        raise SerializationError(f"The weights beside {str(path)!r} cannot be read: {error}") from error
    return message
