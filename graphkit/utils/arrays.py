"""Arrays of labels and vectors made ready for training."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError

Array = np.ndarray[Any, Any]


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Class numbers as one-hot rows of `floatx()`; a last axis of size 1 is dropped. Raises InvalidArgumentError for a class beyond."""
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
    """Vectors along `axis` divided by their norm; zero vectors stay. Source: keras.utils.normalize."""
    array = np.asarray(x)
    norm = np.atleast_1d(np.linalg.norm(array, order, axis))
    made: Array = array / np.expand_dims(np.where(norm == 0, 1, norm), axis)
    return made
