"""Small photos of 100 classes in 20 groups: 50,000 training and 10,000 test images. Source: keras.datasets.cifar100."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError
from graphkit.datasets.cifar import load_batches
from graphkit.datasets.sources import TORONTO, Source

Array = np.ndarray[Any, Any]
__all__ = ["load_data"]

_FOLDER = "cifar-100-python"
_FILE = Source(
    "cifar-100-python-target",
    f"{TORONTO}cifar-100-python.tar.gz",
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    "161 MB",
    others=("cifar-100-python-target_archive", _FOLDER, f"{_FOLDER}.tar.gz"),
)


def load_data(label_mode: str = "fine") -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)).

    Args:
        label_mode: "fine" for the 100 classes, "coarse" for the 20 groups.

    Returns:
        Images, uint8 of shape (n, 32, 32, 3), or (n, 3, 32, 32) with channels first; and classes, int64 of shape (n, 1).

    Raises:
        InvalidArgumentError: another `label_mode`.
        MissingDataSetError: the data are not there.
        SerializationError: a file is damaged.
    """
    if label_mode not in ("fine", "coarse"):
        raise InvalidArgumentError(
            f'`label_mode` must be one of `"fine"`, `"coarse"`. Received: label_mode={label_mode}.'
        )
    train, test = (load_batches(_FILE, _FOLDER, [name], f"{label_mode}_labels") for name in ("train", "test"))
    return train, test
