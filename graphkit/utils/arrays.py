"""Prepare arrays of labels and vectors for training."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError

Array = np.ndarray[Any, Any]


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Convert class indices to one-hot rows of dtype `floatx()`.

    Args:
        x: integers of any shape; a last axis of size 1 is dropped.
        num_classes: the length of the rows; by default the largest class plus 1.

    Raises:
        InvalidArgumentError: a class does not fit `num_classes`.

    Source: keras.utils.to_categorical.
    """
    classes = np.asarray(x, dtype="int64")
    shape = classes.shape[:-1] if classes.ndim > 1 and classes.shape[-1] == 1 else classes.shape
    flat = classes.reshape(-1)
    count = int(num_classes) if num_classes else int(flat.max(initial=-1)) + 1
    if flat.size and (flat.min() < -count or flat.max() >= count):
        raise InvalidArgumentError(f"to_categorical: class {flat.max()} does not fit num_classes={count}.")
    made = np.zeros((flat.size, count), dtypes.floatx())
    made[np.arange(flat.size), flat] = 1
    return made.reshape((*shape, count))


def normalize(x: Any, axis: int = -1, order: int = 2) -> Array:
    """Divide the vectors along `axis` by their norm of the given order; zero vectors stay. Source: keras.utils.normalize."""
    array = np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    made: Array = array / np.expand_dims(np.where(norm == 0, 1, norm), axis)
    return made
