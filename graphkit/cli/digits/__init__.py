"""The scanned digits that `graphkit demo` and the examples train on. README.md beside this file states source and licence."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

from graphkit.core.errors import SerializationError

Array = np.ndarray[Any, Any]


def load_digits() -> tuple[Array, Array]:
    """Return 1797 images, float32 of shape (n, 8, 8, 1) from 0 to 1, and their digits, int64. Source: README.md.

    Raises:
        SerializationError: The installation lacks the file.
    """
    source = resources.files(__name__) / "optdigits.npz"
    if not source.is_file():
        raise SerializationError(f"The digits of the demo are missing: {source}. Reinstall graphkit.")
    with source.open("rb") as file, np.load(file) as data:
        return data["images"].astype("float32")[..., None] / 16, data["labels"].astype("int64")
