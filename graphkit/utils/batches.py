"""Data sets of batches: `Batches`, which loads samples by index, and `PyDataset`, which loads batches by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.utils.dataset import Dataset


class Batches(Dataset):
    """A `Dataset` of batches whose samples are loaded on demand, several at once.

    Args:
        count: the number of samples.
        load: returns the samples for an array of indices, stacked: an array, or a structure of arrays such as `(x, y)`.
        batch_size: samples per batch (the last batch may be smaller); None for single samples.
        shuffle: whether each iteration has a new order.
        seed: of the orders.
        buffer_size: the number of samples that are shuffled together; all by default.

    Raises:
        InvalidArgumentError: `batch_size` is not a positive integer.
    """

    def __init__(
        self,
        count: int,
        load: Callable[[Any], Any],
        batch_size: int | None = 32,
        shuffle: bool = False,
        seed: int | None = None,
        buffer_size: int | None = None,
    ) -> None:
        if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
            raise InvalidArgumentError(f"batch_size must be a positive integer or None, got {batch_size!r}.")
        data = Dataset.from_rows(count, load)
        if shuffle:
            data = data.shuffle(buffer_size or max(count, 1), seed)
        if batch_size is not None:
            data = data.batch(batch_size)
        super().__init__(data._start, data._count, data._spec, data._rows)
        self.batched = data.batched


class PyDataset:
    """Base of user-defined data sets: a subclass defines `__getitem__(index)`, and `__len__` or `num_batches`.

    It may override `on_epoch_begin` and `on_epoch_end`.

    Args:
        workers: accepted for compatibility; batches are made one at a time.
        use_multiprocessing: accepted for compatibility.
        max_queue_size: accepted for compatibility.

    Source: keras.utils.PyDataset.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __len__(self) -> int:
        count = None if type(self).num_batches is PyDataset.num_batches else self.num_batches
        if count is None:
            raise UnsupportedError(f"{type(self).__name__} defines no __len__()")
        return count

    def __getitem__(self, index: int) -> Any:
        raise UnsupportedError(f"{type(self).__name__} defines no __getitem__(index)")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None for endless data."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


Sequence = PyDataset  # Keras 2's name
