"""A check of the global heaps of an HDF5 file, where strings of variable length are stored.

The HDF5 library walks a heap by the sizes that its objects declare, and never returns if a free object declares 0 bytes. It
allocates the length that a reference to a string declares before it compares it with the heap. So the heaps of a file, and the
references to them, are checked before the library reads the first string.
Source: HDF5 file format specification, version 3.0, III.E and IV.A.2.d.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from graphkit.core.errors import SerializationError

_SIGNATURE = b"GCOL\x01\0\0\0"  # with the version and the reserved bytes
_HEADER = struct.Struct("<8sQ")  # _SIGNATURE, size of the heap
_OBJECT = struct.Struct("<HHIQ")  # index (0: free space), references, reserved, size
_LENGTH = struct.Struct("<I")  # of a string, before the address of its heap, which its index follows
_ALIGNMENT = 8


class HeapCheck:
    """The check of the heaps of one file, made once.

    Args:
        source: the file, or a seekable stream of its bytes.
        size: the size of the file, in bytes.
        what: the file, as messages name it.
    """

    def __init__(self, source: Path | BinaryIO, size: int, what: str) -> None:
        self._source, self._size, self._what = source, size, what
        self._arrays: list[tuple[int, int]] = []
        self._is_done = False

    def leave_out(self, offset: int, nbytes: int) -> None:
        """Exclude the elements of an array from the search; offset and size are in bytes."""
        self._arrays.append((offset, nbytes))

    def check(self) -> None:
        """Raise SerializationError if a heap is damaged in a way that the HDF5 library does not notice."""
        if self._is_done:
            return
        self._is_done = True
        if isinstance(self._source, Path):
            with self._source.open("rb") as file:
                self._check(file)
        else:
            place = self._source.tell()
            self._check(self._source)
            self._source.seek(place)

    def _check(self, file: BinaryIO) -> None:
        gaps = []
        for start, end in self._gaps():
            file.seek(start)
            gaps.append((start, file.read(end - start)))
        parts = [data for _, data in gaps]
        for start, data in gaps:
            at = data.find(_SIGNATURE)
            while at >= 0:
                indices = _indices(data[at:])
                if indices is None:
                    raise SerializationError(
                        f"{self._what} is damaged: the sizes of the strings at byte {start + at} are wrong."
                    )
                self._check_references(start + at, indices, parts)
                at = data.find(_SIGNATURE, at + 1)

    def _check_references(self, heap: int, indices: set[int], parts: list[bytes]) -> None:
        """Raise SerializationError for a reference to a string that would be longer than the file.

        References (length, address of the heap, index) are found by the address.
        """
        address = struct.pack("<Q", heap)
        for data in parts:
            at = data.find(address, _LENGTH.size)
            while at >= 0:
                length = _LENGTH.unpack_from(data, at - _LENGTH.size)[0]
                if length > self._size and int.from_bytes(data[at + 8 : at + 12], "little") in indices:
                    raise SerializationError(f"{self._what} is damaged: a string declares more bytes than the file has.")
                at = data.find(address, at + 1)

    def _gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the file between the arrays, as (start, end)."""
        at = 0
        for offset, nbytes in sorted(self._arrays):
            if offset > at:
                yield at, offset
            at = max(at, offset + nbytes)
        if at < self._size:
            yield at, self._size


def _indices(data: bytes) -> set[int] | None:
    """Return the indices of the objects of the heap at the start of `data`; None if their sizes do not fill the heap."""
    if len(data) < _HEADER.size:
        return None
    end = _HEADER.unpack_from(data)[1]
    if end > len(data):
        return None
    found = set()
    at = _HEADER.size
    while at + _OBJECT.size <= end:
        index, _, _, size = _OBJECT.unpack_from(data, at)
        step = size if index == 0 else _OBJECT.size + -(-size // _ALIGNMENT) * _ALIGNMENT
        if step == 0 or step > end - at:
            return None
        found.add(index)
        at += step
    return found - {0}
