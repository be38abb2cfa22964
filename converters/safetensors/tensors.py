"""`.safetensors` files: a JSON header and the bytes of tensors. docs/architecture.md gives the reasons for not using the package.

The file has 8 bytes with the length of the header; the header, name -> dtype, shape, data_offsets; and the data. Names are the paths of
Keras 3's weights files (`layers/dense/vars/0`). Source: the format's published description.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import SerializationError
from graphkit.saving import bounds
from graphkit.saving.stores import Array, Entry, Table

MAX_HEADER_BYTES = 100_000_000  # the format's own limit
_CODES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16", "bfloat16": "BF16",
    "uint32": "U32", "int32": "I32", "float32": "F32", "uint64": "U64", "int64": "I64", "float64": "F64",
    "complex64": "C64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip
_DTYPES = {code: name for name, code in _CODES.items()}


def looks_like_safetensors(head: bytes) -> bool:
    """Whether the first bytes of a file are a length and the beginning of a JSON object."""
    return len(head) >= 10 and head[8:9] == b"{" and 2 <= struct.unpack("<Q", head[:8])[0] <= MAX_HEADER_BYTES


def write_safetensors(target: Path, arrays: Mapping[str, Array], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays by name.

    Args:
        target: the file to write.
        arrays: the arrays by name.
        metadata: strings by key, for the entry `__metadata__` of the header.

    Raises:
        SerializationError: the format does not have the dtype of an array.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, array in arrays.items():
        code = _CODES.get(dtypes.of_array(array))
        if code is None:
            raise SerializationError(f"{name!r} has the dtype {array.dtype}, which .safetensors files do not have.")
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with target.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            little = array.astype(array.dtype.newbyteorder("<")) if array.dtype.byteorder == ">" else array
            file.write(np.ascontiguousarray(little).tobytes())


def safetensors_table(file: BinaryIO, what: str) -> Table:
    """Return the arrays of an open file as a table. Raises SerializationError if header, offsets and size do not agree."""
    size = file.seek(0, 2)
    file.seek(0)
    length = struct.unpack("<Q", file.read(8))[0] if size >= 8 else 0
    if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        raise SerializationError(
            f"{what} is not a complete .safetensors file: its header has {length:,} bytes, the file {size:,}."
        )
    header = bounds.parse_json(file.read(length), f"the header of {what}")
    if not isinstance(header, dict):
        raise SerializationError(f"The header of {what} holds a {type(header).__name__}, not an object.")
    start = 8 + length
    rows = {name: row for name, row in header.items() if name != "__metadata__"}
    entries = {name: _entry(file, name, row, start, f"{what}: {name!r}") for name, row in rows.items()}
    spans = sorted(tuple(row["data_offsets"]) for row in rows.values())
    ends = [0, *(end for _, end in spans)]
    if any(begin != before for (begin, _), before in zip(spans, ends, strict=False)) or start + ends[-1] != size:
        raise SerializationError(f"{what}: its tensors overlap, leave gaps, or do not end with the file.")
    return Table(entries, {})


def _entry(file: BinaryIO, name: str, row: Any, start: int, what: str) -> Entry:
    try:
        dtype, shape, (begin, end) = row["dtype"], row["shape"], row["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise SerializationError(
            f"{what} has no dtype, shape and data_offsets in the header, but {row!s:.100}."
        ) from None
    numbers = [*shape, begin, end] if isinstance(shape, list) else [None]
    if not all(type(n) is int and 0 <= n < 1 << 62 for n in numbers):
        raise SerializationError(f"{what} has the shape {shape!s:.60} and the offsets {begin!s:.30}, {end!s:.30}.")
    if dtype not in _DTYPES:
        raise SerializationError(f"{what} has the dtype {dtype!r}; the known dtypes are {list(_DTYPES)}.")
    kind = np.dtype(dtypes.to_numpy(_DTYPES[dtype]))
    if end - begin != math.prod(shape) * kind.itemsize:
        raise SerializationError(f"{what} of shape {shape} and dtype {dtype} has {end - begin:,} bytes.")

    def read() -> Array:
        file.seek(start + begin)
        data = file.read(end - begin)
        if len(data) != end - begin:
            raise SerializationError(f"{what}: the file ends before the end of its data.")
        return np.frombuffer(data, kind).reshape(shape)

    return Entry(name, tuple(shape), end - begin, read)
