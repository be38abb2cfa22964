"""A check of the global heaps of an HDF5 file, where texts of variable length are kept.

The HDF5 library walks through a heap by the sizes that its objects declare, and never ends where a free object declares 0 bytes. So the
heaps of a file are looked at before the library reads the first text. Source: HDF5 file format specification, version 3.0, III.E.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from graphkit.core.errors import SerializationError

_SIGNATURE = b"GCOL\x01\0\0\0"  # with the version and the reserved bytes
_HEADER = struct.Struct("<8sQ")  # signature and so on, size of the heap
_OBJECT = struct.Struct("<HHIQ")  # index (0: free space), references, reserved, size
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
        for start, end in self._gaps():
            file.seek(start)
            data = file.read(end - start)
            at = data.find(_SIGNATURE)
            while at >= 0:
                if _never_ends(data[at:]):
                    raise SerializationError(
                        f"{self._what} is damaged: the heap of texts at {start + at} has an object of 0 bytes."
                    )
                at = data.find(_SIGNATURE, at + 1)

    def _gaps(self) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the file between the arrays, as (start, end)."""
        at = 0
        for offset, nbytes in sorted(self._arrays):
            if offset > at:
                yield at, offset
            at = max(at, offset + nbytes)
        if at < self._size:
            yield at, self._size


def _never_ends(data: bytes) -> bool:
    """Whether the walk through the heap at the start of `data` comes to a free object of no size."""
    if len(data) < _HEADER.size:
        return False
    end = min(_HEADER.unpack_from(data)[1], len(data))
    at = _HEADER.size
    while at + _OBJECT.size <= end:
        index, _, _, size = _OBJECT.unpack_from(data, at)
        step = size if index == 0 else _OBJECT.size + -(-size // _ALIGNMENT) * _ALIGNMENT
        step %= 1 << 64  # as the library adds: a size near the limit wraps round
        if step == 0:
            return True
        at += step
    return False
