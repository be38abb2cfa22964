"""Handwritten digits: 60,000 training and 10,000 test images. Source: keras.datasets.mnist."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.datasets.reading import load_npz
from graphkit.datasets.sources import GOOGLE, Source, found

Array = np.ndarray[Any, Any]
__all__ = ["load_data"]

_FILE = Source(
    "mnist.npz", f"{GOOGLE}mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1", "11 MB"
)


def load_data(path: str = "mnist.npz") -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)).

    Args:
        path: the name of the file in the cache, or its path.

    Returns:
        Images, uint8 of shape (n, 28, 28), and their digits, uint8 of shape (n,).

    Raises:
        MissingDataSetError: the file is not there.
    """
    x_train, y_train, x_test, y_test = load_npz(found(_FILE, path), "x_train", "y_train", "x_test", "y_test")
    return (x_train, y_train), (x_test, y_test)
