"""Limits on the weights that a config may request, since a few bytes of config can request terabytes.

If a weights file is being read, weights need no initial values, and their total is bounded by what the file holds. A config alone
gets newly initialized weights, up to a fixed limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from graphkit.core.errors import SerializationError

_SLACK = 1 << 24  # bytes a model may need beyond its file: states, and shared weights that the file stores once


class WeightBudget:
    """The number of bytes of weights that may still be allocated, and whether a file supplies their values."""

    def __init__(self, limit: int, what: str, limited_by: str, from_file: bool) -> None:
        self._left, self._what, self._limited_by, self._from_file = limit, what, limited_by, from_file

    def first_values(self, initializer: Any, shape: Sequence[int], dtype: np.dtype[Any], path: str) -> Any:
        """Return the initializer, or zeros if a file supplies the values and the initializer cannot be deferred.

        Args:
            initializer: The initializer of the weight.
            shape: The shape of the weight; every axis is an int.
            dtype: The NumPy dtype of the weight.
            path: The path of the weight, for messages.

        Raises:
            SerializationError: The weight exceeds what is left of the budget.
        """
        size = dtype.itemsize
        for axis in shape:
            size *= int(axis)
        self._left -= size
        if self._left < 0:
            raise SerializationError(
                f"The config of {self._what} requests a weight {path!r} of shape {tuple(shape)} ({size:,} bytes), but {self._limited_by}."
            )
        waits = getattr(initializer, "may_wait", None)
        if not self._from_file or (waits is not None and waits(shape)):
            return initializer
        return np.zeros(tuple(shape), dtype)


_budget: ContextVar[WeightBudget | None] = ContextVar("graphkit_weight_budget", default=None)


def weight_budget() -> WeightBudget | None:
    """Return the budget of the file that is being read, or None."""
    return _budget.get()


@contextmanager
def weights_from_file(declared_bytes: int, what: str) -> Iterator[None]:
    """Run no initializers inside the block: the values come from a file whose arrays take `declared_bytes` in all."""
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
    """Allow `limit` bytes of newly initialized weights inside the block. An outer budget stays in force."""
    if _budget.get() is not None:
        yield
        return
    reason = f"without a weights file at most {limit:,} bytes are allocated; build a model of this size in Python"
    token = _budget.set(WeightBudget(limit, what, reason, from_file=False))
    try:
        yield
    finally:
        _budget.reset(token)
