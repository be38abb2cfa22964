"""Pack and unpack x, y and sample weights; split data sets."""

from __future__ import annotations

import random
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.utils.dataset import Dataset


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Return x, (x, y) or (x, y, sample_weight), as `fit` takes them. Source: keras.utils.pack_x_y_sample_weight."""
    if y is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
    """Return (x, y, sample_weight), the inverse of `pack_x_y_sample_weight`; missing parts are None.

    Raises:
        InvalidArgumentError: a tuple of more than three parts, or of none.

    Source: keras.utils.unpack_x_y_sample_weight.
    """
    data = tuple(data) if isinstance(data, list) else data
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise InvalidArgumentError(
            f"Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`, found a tuple of {len(data)} parts."
        )
    x, y, weight = (*data, None, None)[:3]
    return x, y, weight


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Dataset, Dataset]:
    """Split a data set in two.

    Args:
        dataset: an array, a list, tuple or dict of arrays of equal length, or a `Dataset`, of whose batches the samples are split.
        left_size: a fraction (float) or number of samples (int); may be omitted if the other is given.
        right_size: in the same form.
        shuffle: whether samples are shuffled first.
        seed: of the shuffling.
        preferred_backend: accepted for compatibility.

    Returns:
        Two `Dataset` of samples, in batches if `dataset` is.

    Raises:
        InvalidArgumentError: the sizes do not fit the data.
        InvalidTypeError: another kind of data, or a size that is not a number.
        ShapeError: the arrays differ in length.

    Source: keras.utils.split_dataset.
    """
    samples, size = _samples(dataset)
    listed, made = samples.listed()
    left, right = _sizes(left_size, right_size, len(listed))
    if shuffle:
        random.Random(random.randint(0, 10**6) if seed is None else seed).shuffle(listed)
    parts = [made(part) for part in (listed[:left], listed[len(listed) - right :])]
    first, second = (part if size is None else part.batch(size) for part in parts)
    return first, second


def _samples(dataset: Any) -> tuple[Dataset, int | None]:
    """Return the samples of a data set, and the size of its batches if it has batches."""
    if isinstance(dataset, Dataset):
        return (dataset, None) if dataset.batched is None else dataset.batched
    leaves = nest.flatten(dataset)
    if not leaves or any(not hasattr(leaf, "shape") for leaf in leaves):
        raise InvalidTypeError(
            "The `dataset` argument must be a Dataset, an array, or a list, tuple or dict of arrays. Received: "
            f"{type(dataset).__name__}."
        )
    rows = {len(leaf) if leaf.ndim else 0 for leaf in leaves}
    if len(rows) != 1:
        raise ShapeError(f"split_dataset: the arrays must have the same number of samples, got {sorted(rows)}.")
    return Dataset.from_tensor_slices(tuple(dataset) if isinstance(dataset, list) else dataset), None


def _sizes(left: Any, right: Any, total: int) -> tuple[int, int]:
    """Return both sizes as numbers of samples."""
    if left is None and right is None:
        raise InvalidArgumentError(
            "At least one of the `left_size` or `right_size` must be specified. Received: left_size=None and right_size=None"
        )
    counts = [_count(size, name, total) for size, name in ((left, "left_size"), (right, "right_size"))]
    if isinstance(left, float) and isinstance(right, float) and left + right > 1:
        raise InvalidArgumentError(
            "The sum of `left_size` and `right_size` is greater than 1. It must be less than or equal to 1."
        )
    first = counts[0] if counts[0] is not None else total - (counts[1] or 0)
    second = counts[1] if counts[1] is not None else total - first
    if first + second > total or 0 in (first, second):
        raise InvalidArgumentError(
            f"With `dataset` of length={total}, `left_size`={left} and `right_size`={right} give parts of {first} and {second} samples; "
            "neither may be empty, and together they may not exceed the data."
        )
    return first, second


def _count(size: Any, name: str, total: int) -> int | None:
    if size is None:
        return None
    if not isinstance(size, (int, float)) or isinstance(size, bool):
        raise InvalidTypeError(f"Invalid `{name}` Type. Expected: int or float or None, Received: {type(size)}.")
    if not 0 < size < (1 if isinstance(size, float) else total):
        raise InvalidArgumentError(
            f"`{name}` should be either a positive integer smaller than {total}, or a float within the range `[0, 1]`. "
            f"Received: {name}={size}"
        )
    return round(size * total) if isinstance(size, float) else size
