"""Small photos of 10 classes: 50,000 training and 10,000 test images. Source: keras.datasets.cifar10."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.datasets.cifar import load_batches
from graphkit.datasets.sources import TORONTO, Source

Array = np.ndarray[Any, Any]
__all__ = ["load_data"]

_FOLDER = "cifar-10-batches-py"
_FILE = Source(
    "cifar-10-batches-py-target",
    f"{TORONTO}cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    "163 MB",
    others=("cifar-10-batches-py-target_archive", _FOLDER, f"{_FOLDER}.tar.gz", "cifar-10-python.tar.gz"),
)


def load_data() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)).

    Returns:
        Images, uint8 of shape (n, 32, 32, 3), or (n, 3, 32, 32) with channels first; and classes, uint8 of shape (n, 1).

    Raises:
        MissingDataSetError: the data are not there.
        SerializationError: a file is damaged.
    """
    x_train, y_train = load_batches(_FILE, _FOLDER, [f"data_batch_{k}" for k in range(1, 6)], "labels")
    x_test, y_test = load_batches(_FILE, _FOLDER, ["test_batch"], "labels")
    return (x_train, y_train.astype("uint8")), (x_test, y_test.astype("uint8"))
