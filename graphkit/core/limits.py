"""How much of a training is run, whatever it is told: for trying scripts out. Source: keras.config (Keras 3)."""

from __future__ import annotations

from graphkit.core.errors import InvalidArgumentError

max_epochs: int | None = None
max_steps_per_epoch: int | None = None


def checked(name: str, value: int | None) -> int | None:
    """A limit. Raises InvalidArgumentError unless it is a positive int or None."""
    if value is not None and (not isinstance(value, int) or value < 1):
        raise InvalidArgumentError(f"`{name}` must be a positive integer or None, got {value!r}.")
    return value


def at_most(wanted: int | None, limit: int | None) -> int | None:
    """The smaller of a number and its limit, either of which may be None."""
    return limit if wanted is None else wanted if limit is None else min(wanted, limit)
