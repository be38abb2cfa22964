"""Data sets of batches: `Batches`, which loads samples by index, and `PyDataset`, which loads batches by index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Numbers
from typing import Any

import numpy as np

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError


class Batches:
    """An iterable of batches that are loaded on demand; `fit`, `evaluate`, `predict` and `adapt` accept it.

    It replaces Keras' `tf.data.Dataset`. Every iteration yields all batches, with `shuffle` in a new order.

    Args:
        count: the number of samples.
        load: returns the samples for an array of indices, stacked: an array, or a structure of arrays such as `(x, y)`.
        batch_size: samples per batch (the last batch may be smaller); None for single samples.
        shuffle: whether each iteration has a new order.
        seed: of the orders.

    Attributes:
        class_names: the names of the classes, where the samples are files in folders.
        file_paths: the path of each sample, where the samples are files.

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
    ) -> None:
        if batch_size is not None and (not isinstance(batch_size, (int, np.integer)) or batch_size < 1):
            raise InvalidArgumentError(f"batch_size must be a positive integer or None, got {batch_size!r}.")
        self.count, self.batch_size, self.shuffle = count, batch_size, shuffle
        self.class_names: list[str] | None = None
        self.file_paths: list[str] | None = None
        self._load, self._random = load, np.random.default_rng(seed)

    def __len__(self) -> int:
        """Return the number of batches (of samples, if batch_size is None)."""
        return -(-self.count // (self.batch_size or 1))

    def __iter__(self) -> Iterator[Any]:
        order = self._random.permutation(self.count) if self.shuffle else np.arange(self.count)
        size = self.batch_size or 1
        for start in range(0, self.count, size):
            batch = self._load(order[start : start + size])
            yield batch if self.batch_size else nest.map_structure(lambda a: a[0], batch)

    def map(self, function: Callable[..., Any]) -> Batches:
        """Apply a function to every batch; it takes the parts of a tuple as arguments: `lambda x, y: (augment(x), y)`."""
        return self._with(load=lambda index: _applied(function, self._load(index)))

    def batch(self, batch_size: int) -> Batches:
        """Return the same samples in batches of another size."""
        return self._with(batch_size=batch_size)

    def unbatch(self) -> Batches:
        """Return the same samples one by one."""
        return self._with(batch_size=None)

    def take(self, count: int) -> Batches:
        """Return the first `count` batches."""
        return self.chosen(np.arange(min(count * (self.batch_size or 1), self.count)))

    def skip(self, count: int) -> Batches:
        """Return all but the first `count` batches."""
        return self.chosen(np.arange(min(count * (self.batch_size or 1), self.count), self.count))

    def chosen(self, index: Numbers[int] | np.ndarray[Any, Any]) -> Batches:
        """Return the samples with these indices, in this order."""
        numbers = np.asarray(index)
        made = self._with(count=len(numbers), load=lambda rows: self._load(numbers[rows]))
        if self.file_paths is not None:
            made.file_paths = [self.file_paths[i] for i in numbers]
        return made

    def _with(self, **parts: Any) -> Batches:
        """Return a copy with some of the constructor's arguments replaced."""
        arguments = {"count": self.count, "load": self._load, "batch_size": self.batch_size, "shuffle": self.shuffle}
        made = Batches(**{**arguments, **parts}, seed=int(self._random.integers(2**31)))
        made.class_names, made.file_paths = self.class_names, self.file_paths
        return made


def _applied(function: Callable[..., Any], batch: Any) -> Any:
    made = function(*batch) if isinstance(batch, tuple) else function(batch)
    return nest.map_structure(np.asarray, made)


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
            raise NotImplementedError(f"{type(self).__name__} defines no __len__()")
        return count

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__(index)")

    @property
    def num_batches(self) -> int | None:
        """The number of batches; None for endless data."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


Sequence = PyDataset  # Keras 2's name
