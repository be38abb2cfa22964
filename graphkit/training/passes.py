"""Passes over sources of batches: data sets, PyDatasets, generators and other iterables, split into epochs as Keras does."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from graphkit.core import limits
from graphkit.core.errors import InvalidArgumentError

_PEEKED = 2  # batches that Keras takes from a generator before training, and which each new pass over it repeats
_INFINITE = -1  # the cardinality of endless data sets


def is_iterated(x: Any) -> bool:
    """Return whether `x` is a source of batches rather than arrays."""
    if (
        x is None
        or isinstance(x, (np.ndarray, list, tuple, Mapping, str, bytes))
        or hasattr(x, "__array__")
        or hasattr(x, "to_numpy")
    ):
        return False
    return hasattr(x, "__next__") or hasattr(x, "__iter__") or is_numbered(x)


def is_numbered(data: Any) -> bool:
    """Return whether batches are read by number, as those of a PyDataset."""
    return hasattr(data, "__getitem__") and (hasattr(data, "__len__") or hasattr(data, "num_batches"))


def refuse_beside(x: Any, **given: Any) -> None:
    """Refuse arguments that must be part of the batches of `x`.

    Raises:
        InvalidArgumentError: one of them is given.
    """
    for name, value in given.items():
        if value is not None:
            what = {"y": "the targets", "sample_weight": "the sample weights"}[name]
            kind = kind_of(x)
            raise InvalidArgumentError(
                f"When providing `x` as a {kind}, `{name}` should not be passed. Instead, {what} should be included as part of the "
                f"{kind}: let it yield (x, y) or (x, y, sample_weight)."
            )


def kind_of(data: Any) -> str:
    """Return the name of a kind of data for messages."""
    if hasattr(data, "as_numpy_iterator"):
        return "tf.data.Dataset"
    if is_numbered(data):
        return "PyDataset"
    return "Python generator" if hasattr(data, "__next__") else f"{type(data).__name__} of batches"


def length_of(data: Any) -> int | None:
    """Return the number of batches of a pass; None if it is not known or infinite."""
    if hasattr(data, "cardinality"):
        count = int(data.cardinality())
        return count if count >= 0 else None
    if is_numbered(data) and hasattr(data, "num_batches"):
        number = data.num_batches
        return None if number is None else int(number)
    try:
        return len(data) if hasattr(data, "__len__") else None
    except (TypeError, NotImplementedError):
        return None


def is_endless(data: Any) -> bool:
    """Return whether a pass is known to have no end."""
    if hasattr(data, "cardinality"):
        return int(data.cardinality()) == _INFINITE
    return is_numbered(data) and length_of(data) is None


class Passes:
    """Passes over a source of batches, split into epochs.

    An epoch of a given number of steps continues where the previous one ended. A generator cannot start again: as in Keras, a new
    pass over one repeats the batches that Keras reads in advance, and then continues.

    Args:
        data: The source of batches.
        steps: The number of batches per epoch; a whole pass by default.
        shuffle: Whether batches that are read by number come in random order.
        seed: The seed for shuffling.
        resumes: Whether an epoch continues where the previous one ended.

    Attributes:
        steps: The number of batches per epoch; None before it is known.

    Raises:
        InvalidArgumentError: The data have no end, and `steps` is not given.
    """

    def __init__(
        self, data: Any, steps: int | None, shuffle: bool = False, seed: int | None = None, resumes: bool = False
    ) -> None:
        self._data, self._shuffle, self._resumes = data, shuffle, resumes
        self._random = np.random.default_rng(seed)
        self._given = limits.at_most(None if steps is None else int(steps), limits.max_steps_per_epoch)
        self._length = length_of(data)
        if self._given is None and is_endless(data):
            raise InvalidArgumentError(
                "When passing an infinitely repeating dataset, you must specify the number of batches: `steps_per_epoch` of fit, "
                "`validation_steps`, or `steps` of evaluate and predict."
            )
        self._expected: int | None = None  # the length from the next epoch on
        self._counted: int | None = None  # the batches of an earlier pass, which need not be those of the next
        self._peeked: list[Any] = []
        self._open: Iterator[Any] | None = None
        self._seen = 0

    @property
    def steps(self) -> int | None:
        """The number of batches per epoch; None before it is known."""
        return self._given or self._length or self._counted

    def epoch(self) -> Iterator[Any]:
        """Yield the batches of the next epoch; fewer if the data end."""
        self._call("on_epoch_begin")
        if self._length is None:
            self._length = self._expected
        if not self._resumes or self._given is None:
            self._open = None
        steps = self._given or self._length
        for _ in itertools.count() if steps is None else range(steps):
            if self._length is not None and self._seen >= self._length and self._open is not None:
                _warn_of_end()
                break
            if self._open is None:
                self._open, self._seen = self._start(), 0
            item = next(self._open, _END)
            self._seen += 1
            if item is _END:
                self._ended()
                break
            yield item
        if self._length is not None and self._seen >= self._length and self._open is not None:
            self._open, self._seen = self._start(), 0  # as Keras: a data set that is shuffled draws its next order
        self._call("on_epoch_end")

    def _ended(self) -> None:
        """Note the length of a pass that ended. Warn if batches are missing, and as Keras does whenever a generator ends."""
        if self._seen > 1 and (self._is_generator or self._given is not None or self._length is not None):
            _warn_of_end()
        self._open = None
        if self._length is None and (self._is_generator or self._given is not None):
            self._expected = self._seen  # with the batch that was missing, as Keras counts
        self._counted = self._seen - 1

    @property
    def _is_generator(self) -> bool:
        return hasattr(self._data, "__next__")

    def _start(self) -> Iterator[Any]:
        if self._is_generator:
            return itertools.chain(self._peeked, self._recorded()) if self._peeked else self._recorded()
        if not is_numbered(self._data):
            return iter(self._data)
        length = length_of(self._data)
        order: Iterable[Any] = itertools.count() if length is None else range(length)
        if self._shuffle and length is not None:
            order = self._random.permutation(length)
        return (self._data[int(i)] for i in order)

    def _recorded(self) -> Iterator[Any]:
        for item in self._data:
            if len(self._peeked) < _PEEKED:
                self._peeked.append(item)
            yield item

    def _call(self, hook: str) -> None:
        function = getattr(self._data, hook, None)
        if callable(function):
            function()


def _warn_of_end() -> None:
    warnings.warn(
        "Your input ran out of data; interrupting training. Make sure that your dataset or generator can generate at least "
        "`steps_per_epoch * epochs` batches. You may need to use the `.repeat()` function when building your dataset.",
        stacklevel=3,
    )


_END = object()
