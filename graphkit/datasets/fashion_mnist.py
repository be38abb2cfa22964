"""Pictures of clothes: 60,000 training and 10,000 test images of 10 classes. Source: keras.datasets.fashion_mnist."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.core.errors import SerializationError
from graphkit.datasets.sources import GOOGLE, Source, found

Array = np.ndarray[Any, Any]
__all__ = ["load_data"]

_FOLDER = "datasets/fashion-mnist"
_SIDE = 28
_LARGEST = 1 << 28  # bytes when unpacked


def _read(name: str, header: int) -> Array:
    path = found(Source(name, f"{GOOGLE}{name}", folder=_FOLDER))
    return np.frombuffer(bytearray(_unpacked(path)), np.uint8, offset=header)


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            data = file.read(_LARGEST + 1)
    except (OSError, EOFError) as error:
        raise SerializationError(f"{path} cannot be unpacked: {error}") from error
    if len(data) > _LARGEST:
        raise SerializationError(f"{path} has more than {_LARGEST} bytes when unpacked.")
    return data


def load_data() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)).

    Returns:
        Images, uint8 of shape (n, 28, 28), and their classes, uint8 of shape (n,).

    Raises:
        MissingDataSetError: a file is not there.
        SerializationError: a file is damaged.
    """
    parts = []
    for part in ("train", "t10k"):
        labels = _read(f"{part}-labels-idx1-ubyte.gz", 8)
        images = _read(f"{part}-images-idx3-ubyte.gz", 16)
        if images.size != len(labels) * _SIDE * _SIDE:
            raise SerializationError(
                f"fashion_mnist: {images.size} pixels do not make {len(labels)} images of 28 x 28."
            )
        parts.append((images.reshape(len(labels), _SIDE, _SIDE), labels))
    return parts[0], parts[1]
