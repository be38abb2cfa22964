"""A check of the strings of variable length in an HDF5 file, before the HDF5 library reads the first one.

They are stored in global heaps. The library walks a heap by the sizes that its objects declare, and never returns if a free object
declares 0 bytes. It allocates the length that a reference to a string declares before it compares it with the heap.
Source: HDF5 file format specification, version 3.0: III.E (heaps), IV.A.2.b and m (dataspaces, attributes).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from graphkit.core.errors import SerializationError

_SIGNATURE = b"GCOL\x01\0\0\0"  # with the version and the reserved bytes
_HEADER = struct.Struct("<8sQ")  # _SIGNATURE, size of the heap
_OBJECT = struct.Struct("<HHIQ")  # index (0: free space), references, reserved, size
_REFERENCE = struct.Struct("<I12x")  # length of the string; address of its heap and index there
_SIZES = struct.Struct("<HHH")  # of the name, the datatype and the dataspace of an attribute
_ATTRIBUTE_HEADERS = ((1, 8, 8), (2, 8, 1), (3, 9, 1))  # version, bytes before the name, alignment of what follows
_VARIABLE_LENGTH = 9  # a class of datatypes
_ALIGNMENT = 8
_MAX_KEPT = 1 << 26  # bytes of the file that are kept for further checks


class HeapCheck:
    """The check of one file.

    Args:
        source: the file, or a seekable stream of its bytes.
        size: the size of the file, in bytes.
        what: the file, as messages name it.
    """

    def __init__(self, source: Path | BinaryIO, size: int, what: str) -> None:
        self._source, self._size, self._what = source, size, what
        self._arrays: list[tuple[int, int]] = []
        self._kept: list[tuple[int, bytes]] | None = None
        self._checked: set[str] = set()
        self._are_heaps_checked = False

    def leave_out(self, offset: int, nbytes: int) -> None:
        """Exclude the elements of an array from the search; offset and size are in bytes."""
        self._arrays.append((offset, nbytes))

    def check_attribute(self, name: str) -> None:
        """Raise SerializationError if reading an attribute of this name, of whatever object, would hang or allocate too much."""
        if name in self._checked:
            return
        self._check_heaps()
        key = name.encode("utf-8", "surrogateescape") + b"\0"
        for _, data in self._parts():
            at = data.find(key)
            while at >= 0:
                self._check_lengths(_lengths_of_attribute(data, at, len(key)))
                at = data.find(key, at + 1)
        self._checked.add(name)

    def check_array(self, offset: int | None, nbytes: int) -> None:
        """Raise SerializationError if reading an array of strings would. `offset` is None if it is not stored in one piece."""
        self._check_heaps()
        if offset is not None:
            with self._opened() as file:
                file.seek(offset)
                data = file.read(nbytes)
            self._check_lengths(length for (length,) in _REFERENCE.iter_unpack(data[: len(data) // 16 * 16]))

    def _check_heaps(self) -> None:
        if self._are_heaps_checked:
            return
        for start, data in self._parts():
            at = data.find(_SIGNATURE)
            while at >= 0:
                if not _is_walkable(data[at:]):
                    raise SerializationError(
                        f"{self._what} is damaged: the sizes of the strings at byte {start + at} are wrong."
                    )
                at = data.find(_SIGNATURE, at + 1)
        self._are_heaps_checked = True

    def _check_lengths(self, lengths: Iterator[int]) -> None:
        if any(length > self._size for length in lengths):
            raise SerializationError(f"{self._what} is damaged: a string declares more bytes than the file has.")

    def _parts(self) -> Iterator[tuple[int, bytes]]:
        """Yield the ranges of the file between the arrays, as (start, bytes)."""
        if self._kept is not None:
            yield from self._kept
            return
        kept, total = [], 0
        with self._opened() as file:
            for start, end in self._gaps():
                file.seek(start)
                part = (start, file.read(end - start))
                total += end - start
                kept.append(part) if total <= _MAX_KEPT else kept.clear()
                yield part
        self._kept = kept if total <= _MAX_KEPT else None

    def _gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the file between the arrays, as (start, end)."""
        at = 0
        for offset, nbytes in sorted(self._arrays):
            if offset > at:
                yield at, offset
            at = max(at, offset + nbytes)
        if at < self._size:
            yield at, self._size

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """Open the file, or use the stream and leave its position as it was."""
        if isinstance(self._source, Path):
            with self._source.open("rb") as file:
                yield file
            return
        position = self._source.tell()
        try:
            yield self._source
        finally:
            self._source.seek(position)


def _is_walkable(data: bytes) -> bool:
    """Whether the sizes of the objects fill the heap at the start of `data`."""
    if len(data) < _HEADER.size:
        return False
    end = _HEADER.unpack_from(data)[1]
    if end > len(data):
        return False
    at = _HEADER.size
    while at + _OBJECT.size <= end:
        index, _, _, size = _OBJECT.unpack_from(data, at)
        step = size if index == 0 else _OBJECT.size + -(-size // _ALIGNMENT) * _ALIGNMENT
        if step == 0 or step > end - at:
            return False
        at += step
    return True


def _lengths_of_attribute(data: bytes, at: int, name_size: int) -> Iterator[int]:
    """Yield the lengths of the strings of an attribute whose name is at `at`; none if it is not an attribute of such strings."""
    for version, header, alignment in _ATTRIBUTE_HEADERS:
        start = at - header
        if start < 0 or data[start] != version:
            continue
        sizes = _SIZES.unpack_from(data, start + 2)
        if sizes[0] != name_size:
            continue
        kind, space, first = _ends(at, sizes, alignment)
        if first <= len(data) and data[kind] & 0x0F == _VARIABLE_LENGTH:
            count = min(_elements(data[space : space + sizes[2]]), (len(data) - first) // _REFERENCE.size)
            yield from (_REFERENCE.unpack_from(data, first + _REFERENCE.size * i)[0] for i in range(count))


def _ends(at: int, sizes: tuple[int, ...], alignment: int) -> list[int]:
    """Return where each of some parts that follow each other ends."""
    ends = []
    for size in sizes:
        at += -(-size // alignment) * alignment
        ends.append(at)
    return ends


def _elements(space: bytes) -> int:
    """Return the number of elements of a dataspace."""
    if len(space) < 4:
        return 0
    rank, first = space[1], 8 if space[0] == 1 else 4
    dims = space[first : first + 8 * rank]
    return math.prod(struct.unpack(f"<{len(dims) // 8}Q", dims[: len(dims) // 8 * 8]))
