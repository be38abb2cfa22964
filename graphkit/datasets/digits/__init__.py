"""Scanned digits that come with graphkit. README.md beside this file states their source and licence."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

from graphkit.core.errors import SerializationError

Array = np.ndarray[Any, Any]
_TEST = 360  # images held out: the last ones

__all__ = ["load_data", "load_digits"]


def load_data() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)): 1,437 and 360 images of digits. Real Keras has no such data set.

    Returns:
        Images, uint8 of shape (n, 8, 8) with values from 0 to 16; and their digits, uint8 of shape (n,).

    Raises:
        SerializationError: The installation lacks the file.
    """
    images, labels = _arrays()
    images, labels = images.astype("uint8"), labels.astype("uint8")
    return (images[:-_TEST], labels[:-_TEST]), (images[-_TEST:], labels[-_TEST:])


def load_digits() -> tuple[Array, Array]:
    """Return 1797 images, float32 of shape (n, 8, 8, 1) from 0 to 1, and their digits, int64. Source: README.md.

    Raises:
        SerializationError: The installation lacks the file.
    """
    images, labels = _arrays()
    return images.astype("float32")[..., None] / 16, labels.astype("int64")


def _arrays() -> tuple[Array, Array]:
    source = resources.files(__name__) / "optdigits.npz"
    if not source.is_file():
        raise SerializationError(f"The digits of the demo are missing: {source}. Reinstall graphkit.")
    with source.open("rb") as file, np.load(file) as data:
        return data["images"], data["labels"]
