"""TensorBoard's event files: records of protocol buffers, written without TensorFlow.

A record consists of its length, a checksum of the length, the data, and a checksum of the data. Sources: TensorFlow's TFRecord
format, event.proto, summary.proto.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.core.checksums import masked_crc32c
from graphkit.core.files import make_folder, open_log


def record(data: bytes) -> bytes:
    """Return a TFRecord with this data."""
    length = struct.pack("<Q", len(data))
    checksums = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
    return length + next(checksums) + data + next(checksums)


# ----- protocol buffers -----


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append((number & 0x7F) | 0x80)
        number >>= 7
    return bytes([*made, number])


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def event(wall_time: float, step: int, content: bytes) -> bytes:
    """Return an Event: its time in seconds, its step, and one encoded field."""
    return _double(1, wall_time) + (_int(2, step) if step else b"") + content


def version_content() -> bytes:
    """Return the content of the first event of a file."""
    return _bytes(3, b"brain.Event:2")


def scalar_content(tag: str, value: float) -> bytes:
    """Return a Summary with a single number."""
    number = _varint(2 << 3 | 5) + struct.pack("<f", value)
    return _bytes(5, _bytes(1, _bytes(1, tag.encode()) + number))


def histogram_content(tag: str, values: Any, bins: int = 30) -> bytes:
    """Return a Summary with a histogram of the values."""
    flat = np.asarray(values, "float64").ravel()
    counts, edges = np.histogram(flat, bins)
    numbers = (flat.min(), flat.max(), flat.size, flat.sum(), np.square(flat).sum())
    proto = b"".join(_double(i + 1, float(n)) for i, n in enumerate(numbers))
    proto += _bytes(6, struct.pack(f"<{bins}d", *edges[1:])) + _bytes(7, struct.pack(f"<{bins}d", *counts))
    return _bytes(5, _bytes(1, _bytes(1, tag.encode()) + _bytes(5, proto)))


def model_content(text: str) -> bytes:
    """Return a Summary with a Keras model's JSON, which TensorBoard draws as its conceptual graph."""
    tensor = _int(1, 7) + _bytes(2, b"") + _bytes(8, text.encode())  # DT_STRING, no axes, string_val
    metadata = _bytes(1, _bytes(1, b"graph_keras_model") + _bytes(2, b"1"))
    return _bytes(5, _bytes(1, _bytes(1, b"keras") + _bytes(8, tensor) + _bytes(9, metadata)))


class EventFile:
    """An event file in a folder, created at the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: Any = None

    def write(self, step: int, contents: Sequence[bytes]) -> None:
        """Append events for one step."""
        if self._file is None:
            make_folder(self.folder)
            name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{id(self) % 10**6}.v2"
            self._file = open_log(self.folder / name, "ab")
            self._file.write(record(event(time.time(), 0, version_content())))
        for content in contents:
            self._file.write(record(event(time.time(), step, content)))

    def flush(self) -> None:
        """Make what was written visible to readers."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
