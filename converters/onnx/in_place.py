"""Opening of ONNX files with their weights in memory only once.

Protobuf copies what it parses, and NumPy what it gets from protobuf, so a file's weights would be in memory two or three times.
Here the data of large initializers is cut out of the bytes that protobuf parses. The tensors refer to the file itself, in the form
that ONNX has for external data, and `tensor_array` reads them like other external data, directly into arrays. Large external
tensors are mapped instead. A mapped array may be written to: the changed pages are copied, and the file stays as it is.

Source of the encoding: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import mmap
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from graphkit.core.errors import SerializationError

from .document import field_start

_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_RAW_DATA = 7, 5, 9  # numbers of the fields that hold the data
_VARINT, _LENGTH_DELIMITED = 0, 2
_FIXED = {1: 8, 5: 4}  # wire type -> bytes
_LARGE = 1 << 14  # bytes: smaller tensors are parsed as usual
_MAPPED = 1 << 20  # bytes: larger external tensors are mapped into memory, not read
HERE = f"the file itself {secrets.token_hex(8)}"  # a location that no file can name: data in the model file


class _UnexpectedError(Exception):
    """The bytes are not the encoding of a message."""


def parsed(path: Path) -> onnx.ModelProto:
    """Return the message of a file. The data of its large initializers is not read: they refer to the file.

    Raises:
        google.protobuf.message.DecodeError: the file is no ONNX model.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if file.seek(0, 2) < 4 * _LARGE:
            return onnx.load_from_string(path.read_bytes())
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                shortened, places = _without_data(data)
            except _UnexpectedError:
                return onnx.load_from_string(data[:])
    message = onnx.load_from_string(shortened)
    for tensor, place in zip(message.graph.initializer, places, strict=True):
        if place is not None:
            _refer(tensor, *place)
    return message


def _refer(tensor: onnx.TensorProto, offset: int, length: int) -> None:
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", HERE), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))


def is_here(tensor: onnx.TensorProto) -> bool:
    """Return whether the data of a tensor is in the model file itself, as `parsed` found it."""
    return any(entry.key == "location" and entry.value == HERE for entry in tensor.external_data)


def _without_data(data: Any) -> tuple[bytes, list[tuple[int, int] | None]]:
    """Return the bytes of a model without the data of its large initializers, and where each initializer's data is."""
    pieces: list[bytes] = []
    places: list[tuple[int, int] | None] = []
    for number, start, body, end in _fields(data, 0, len(data)):
        if number != _MODEL_GRAPH or body is None:
            pieces.append(data[start:end])
            continue
        graph = [
            _shortened(data, inner, places)
            if inner[0] == _GRAPH_INITIALIZER and inner[2] is not None
            else data[inner[1] : inner[3]]
            for inner in _fields(data, body, end)
        ]
        pieces.append(_field(_MODEL_GRAPH, b"".join(graph)))
    return b"".join(pieces), places


_Field = tuple[int, int, "int | None", int]  # number, start, start of the payload (if it is length-delimited), end


def _shortened(data: Any, field: _Field, places: list[tuple[int, int] | None]) -> bytes:
    """Return an initializer without its data if that is large, and append where the data is, or None."""
    _, start, body, end = field
    assert body is not None
    kept: list[bytes] = []
    place: tuple[int, int] | None = None
    for number, first, payload, last in _fields(data, body, end):
        if number == _TENSOR_RAW_DATA and payload is not None and last - payload >= _LARGE:
            place = payload, last - payload
        else:
            kept.append(data[first:last])
    places.append(place)
    return _field(_GRAPH_INITIALIZER, b"".join(kept)) if place is not None else bytes(data[start:end])


def _fields(data: Any, start: int, end: int) -> Iterator[_Field]:
    """Yield the fields of a message."""
    at = start
    while at < end:
        first = at
        tag, at = _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        body: int | None = None
        if kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind == _LENGTH_DELIMITED:
            length, body = _varint(data, at, end)
            at = body + length
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise _UnexpectedError
        if at > end or number == 0:
            raise _UnexpectedError
        yield number, first, body, at


def _varint(data: Any, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _UnexpectedError


def _field(number: int, payload: bytes) -> bytes:
    return field_start(number, len(payload)) + payload


# ----- arrays -----


def tensor_array(tensor: onnx.TensorProto, path: Path | None = None) -> Any:
    """Return the values of a tensor; external data is mapped, not read.

    Args:
        tensor: the message.
        path: the model file, which the locations of external data are relative to. They have been checked.

    Raises:
        SerializationError: the tensor is damaged, or has external data and there is no file.
    """
    try:
        if min(tensor.dims, default=0) < 0:  # NumPy would compute it from the others
            raise ValueError(f"its size {tuple(tensor.dims)} is negative")
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            return numpy_helper.to_array(tensor)
        return _stored(tensor, path)
    except SerializationError:
        raise
    except Exception as error:
        raise SerializationError(f"The tensor {tensor.name!r} cannot be read: {error}") from None


def _stored(tensor: onnx.TensorProto, path: Path | None) -> Any:
    file, offset, length = _place(tensor, path)
    dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    shape = tuple(tensor.dims)
    if (
        length != int(np.prod(shape, dtype=object)) * dtype.itemsize or min(shape, default=1) < 1
    ):  # such as packed numbers
        whole = onnx.TensorProto(data_type=tensor.data_type, dims=shape, raw_data=stored_bytes(tensor, path))
        return numpy_helper.to_array(whole)
    stored = dtype.newbyteorder("<")
    if length < _MAPPED or is_here(tensor):
        array = np.fromfile(file, dtype=stored, count=length // dtype.itemsize, offset=offset).reshape(shape)
    else:
        array = np.memmap(file, dtype=stored, mode="c", offset=offset, shape=shape).view(np.ndarray)
    return array if array.flags.aligned and array.dtype.isnative else array.astype(dtype)


def stored_bytes(tensor: onnx.TensorProto, path: Path | None) -> bytes:
    """Return the data of a tensor with external data. The arguments and errors are those of `tensor_array`."""
    file, offset, length = _place(tensor, path)
    with file.open("rb") as opened:
        opened.seek(offset)
        return opened.read(length)


def _place(tensor: onnx.TensorProto, path: Path | None) -> tuple[Path, int, int]:
    """Return the file that holds a tensor's data, and where it is."""
    if path is None:
        raise SerializationError(
            f"The data of the tensor {tensor.name!r} is in another file. Open the model by its path, so that the file is found."
        )
    keys = {entry.key: entry.value for entry in tensor.external_data}
    file = path if keys.get("location") == HERE else path.parent / keys["location"]
    offset = int(keys.get("offset") or 0)
    length = int(keys.get("length") or 0) or file.stat().st_size - offset
    if length < 0 or offset + length > file.stat().st_size:
        raise SerializationError(
            f"The tensor {tensor.name!r} ends past the end of {file.name!r}: the file is truncated."
        )
    return file, offset, length
