"""Weights that a file will fill: while a model is made from a file, they start as zeros, and no more of them than the file holds.

A config of a few bytes can ask for weights of terabytes; the file's own size says what can be meant.
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
    """How many bytes of weights may still be made."""

    def __init__(self, limit: int, what: str) -> None:
        self._left, self._limit, self._what = limit, limit, what

    def zeros(self, shape: Sequence[int], dtype: np.dtype[Any], path: str) -> np.ndarray[Any, Any]:
        """An array of zeros. Raises SerializationError where the model asks for more than the file can hold."""
        size = dtype.itemsize
        for axis in shape:
            size *= int(axis)
        self._left -= size
        if self._left < 0:
            raise SerializationError(
                f"The config of {self._what} asks for a weight {path!r} of shape {tuple(shape)} ({size:,} bytes), but its weights file has "
                f"only {self._limit:,} bytes in all."
            )
        return np.zeros(tuple(shape), dtype)


_budget: ContextVar[WeightBudget | None] = ContextVar("graphkit_weight_budget", default=None)


def weight_budget() -> WeightBudget | None:
    """The budget of the file that is being read, or None."""
    return _budget.get()


@contextmanager
def weights_from_file(declared_bytes: int, what: str) -> Iterator[None]:
    """Inside, weights start as zeros: their numbers come from a file whose arrays have `declared_bytes` in all."""
    token = _budget.set(WeightBudget(2 * declared_bytes + _SLACK, what))
    try:
        yield
    finally:
        _budget.reset(token)
