"""ONNX files: written beside the target and renamed over it, with weights over 2 GB in a data file; and read with their data files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]

from graphkit.core.errors import ExportError, SerializationError
from graphkit.core.file_kinds import not_binary
from graphkit.core.files import Staged, check_target, replacing_group
from graphkit.saving.sibling_files import file_beside

from .document import Document, document_of
from .in_place import is_here, parsed, stored_bytes


def write_model(
    model: onnx.ModelProto | Document,
    path: Path,
    *,
    external_data: bool | None = None,
    check: bool = True,
    overwrite: bool = True,
) -> Path:
    """Write a model; a crash leaves the old file complete, with its data file.

    Args:
        model: the message, or a document.
        path: the file to write.
        external_data: whether the weights go into a data file; by default only if the model is larger than 2 GB.
        check: whether to run `onnx.checker` first.
        overwrite: False raises InvalidArgumentError if the file exists.

    Returns:
        `path`.

    Raises:
        ExportError: the checker rejects the model.
        FileWriteError: the file cannot be written.
    """
    check_target(path, overwrite)
    document = model if isinstance(model, Document) else document_of(model)
    has_data_file = document.is_too_large if external_data is None else external_data
    if check:
        check_model(document)
    with replacing_group(path, overwrite) as staged:
        data = _write_data(document, staged) if has_data_file else None
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
    """Raise ExportError, with the checker's message, for a model that is invalid or whose shapes are inconsistent."""
    document = model if isinstance(model, Document) else document_of(model)
    try:
        onnx.checker.check_model(document.for_checking(), full_check=True)
    except Exception as error:
        raise ExportError(
            f"onnx.checker rejects the exported model; this is a defect of graphkit, please report it: {error}"
        ) from error


def is_too_large(model: onnx.ModelProto | Document) -> bool:
    """Whether a model exceeds protobuf's limit of 2 GB for one file."""
    return (model if isinstance(model, Document) else document_of(model)).is_too_large


def _write_data(document: Document, staged: Staged) -> str:
    """Write the weights into a file named by their checksum, so that the data file of an older version is not overwritten."""
    scratch = staged.part.with_name("data")
    with scratch.open("wb") as file:
        digest = document.write_data(file.write)
    name = f"{staged.target.name}.{digest:08x}.data"
    scratch.rename(staged.companion(name))
    return name


def _data_files(path: Path) -> list[Path]:
    """Return the data files of a model's older versions (and of this one)."""
    named = re.compile(rf"{re.escape(path.name)}\.[0-9a-f]{{8}}\.data")
    return [found for found in path.parent.iterdir() if named.fullmatch(found.name)]


def check_locations(message: onnx.ModelProto, path: Path) -> None:
    """Raise UnsafePathError for external weights that are not beside the model, SerializationError for a file that is too short."""
    what = repr(str(path))
    for tensor in external_tensors(message):
        if is_here(tensor):
            continue
        keys = {entry.key: entry.value for entry in tensor.external_data}
        where = f"{what}: the weight {tensor.name!r}"
        file = file_beside(path, keys.get("location"), where, folders=True)
        numbers = [keys.get("offset") or "0", keys.get("length") or "0"]
        if not all(number.isascii() and number.isdecimal() for number in numbers):
            raise SerializationError(f"{where} has the offset and length {numbers}, which are not numbers.")
        if sum(map(int, numbers)) > file.stat().st_size:
            raise SerializationError(f"{where} ends past the end of {keys['location']!r}: the file is truncated.")


def external_tensors(message: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Return the tensors of a message, at any depth, whose values are in other files."""
    return [
        part
        for part in _parts(message)
        if isinstance(part, onnx.TensorProto)
        and (part.data_location == onnx.TensorProto.EXTERNAL or part.external_data)
    ]


def _parts(message: onnx.ModelProto) -> Iterator[Message]:
    """Yield a message and the messages in it, at any depth; nothing of what tensors hold."""
    stack: list[Any] = [message]
    while stack:
        part = stack.pop()
        yield part
        if not isinstance(part, onnx.TensorProto):
            for field, value in part.ListFields():
                if field.message_type is not None:
                    stack += [value] if isinstance(value, Message) else value


def _check_texts(message: onnx.ModelProto, what: str) -> None:
    """Raise SerializationError for a text that is not UTF-8, which protobuf gives as bytes."""
    for part in _parts(message):
        if isinstance(part, onnx.TensorProto):
            texts: list[Any] = [part.name]
        else:
            found = (v for f, v in part.ListFields() if f.type == FieldDescriptor.TYPE_STRING)
            texts = [text for value in found for text in ([value] if isinstance(value, (str, bytes)) else value)]
        for text in texts:
            if isinstance(text, bytes):
                raise SerializationError(f"{what} is damaged: the text {text[:40]!r} in it is not UTF-8.")


def opened_message(path: Path) -> onnx.ModelProto:
    """Return the message of a file, whose large tensors stay where they are; `in_place.tensor_array` gives their values.

    Raises SerializationError for a file that is not an ONNX model or is incomplete, UnsafePathError for weights elsewhere.
    """
    message = _parsed_by(parsed, path)
    check_locations(message, path)
    return message


def read_message(path: Path) -> onnx.ModelProto:
    """Read a message with all of its weights. The errors are those of `opened_message`."""
    message = opened_message(path)
    for tensor in external_tensors(message):
        tensor.raw_data = stored_bytes(tensor, path)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    return message


def read_structure(path: Path) -> onnx.ModelProto:
    """Read a message without opening its data files. Raises SerializationError for a file that is not an ONNX model."""
    return _parsed_by(lambda file: onnx.load(str(file), "protobuf", load_external_data=False), path)


def _parsed_by(parse: Callable[[Path], onnx.ModelProto], path: Path) -> onnx.ModelProto:
    try:
        message = parse(path)
    except Exception as error:
        with path.open("rb") as file:
            kind = not_binary(file.read(4096))
        fault = f"is not an ONNX model but {kind}" if kind else f"is not an ONNX model, or is truncated: {error}"
        raise SerializationError(f"{str(path)!r} {fault}.") from error
    if not message.HasField("graph"):
        raise SerializationError(f"{str(path)!r} is not an ONNX model: it holds no graph.")
    _check_texts(message, repr(str(path)))
    return message
