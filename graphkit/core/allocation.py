"""How much weight a config may ask for: of a few bytes it can ask for terabytes.

Where a file has the numbers, weights need no first ones, and there are no more of them than the file holds. A config alone gets
newly initialised weights, up to what a machine may have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from graphkit.core.errors import SerializationError

_SLACK = 1 << 24  # what a model may have beyond the file: states, shared weights that were written once


class WeightBudget:
    """How many bytes of weights may still be made, and whether a file has their numbers."""

    def __init__(self, limit: int, what: str, limited_by: str, from_file: bool) -> None:
        self._left, self._what, self._limited_by, self._from_file = limit, what, limited_by, from_file

    def first_values(self, initializer: Any, shape: Sequence[int], dtype: np.dtype[Any], path: str) -> Any:
        """The initializer, or zeros where a file has the numbers and it would run at once. Raises SerializationError for too much."""
        size = dtype.itemsize
        for axis in shape:
            size *= int(axis)
        self._left -= size
        if self._left < 0:
            raise SerializationError(
                f"The config of {self._what} asks for a weight {path!r} of shape {tuple(shape)} ({size:,} bytes), but {self._limited_by}."
            )
        waits = getattr(initializer, "may_wait", None)
        if not self._from_file or (waits is not None and waits(shape)):
            return initializer
        return np.zeros(tuple(shape), dtype)


_budget: ContextVar[WeightBudget | None] = ContextVar("graphkit_weight_budget", default=None)


def weight_budget() -> WeightBudget | None:
    """The budget of the file that is being read, or None."""
    return _budget.get()


@contextmanager
def weights_from_file(declared_bytes: int, what: str) -> Iterator[None]:
    """Inside, no initializer runs: the weights' numbers come from a file whose arrays have `declared_bytes` in all."""
    limit = 2 * declared_bytes + _SLACK
    token = _budget.set(
        WeightBudget(limit, what, f"its weights file has only {declared_bytes:,} bytes in all", from_file=True)
    )
    try:
        yield
    finally:
        _budget.reset(token)


@contextmanager
def initial_weights_within(limit: int, what: str) -> Iterator[None]:
    """Inside, a config may ask for `limit` bytes of newly initialised weights; a budget that is there already holds on."""
    if _budget.get() is not None:
        yield
        return
    said = f"without a weights file at most {limit:,} bytes are made; build a model of this size in Python"
    token = _budget.set(WeightBudget(limit, what, said, from_file=False))
    try:
        yield
    finally:
        _budget.reset(token)
