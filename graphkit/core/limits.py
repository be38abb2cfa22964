"""Global limits on how long training runs, for trying out scripts. Source: keras.config (Keras 3)."""

from __future__ import annotations

from graphkit.core.errors import InvalidArgumentError

max_epochs: int | None = None
max_steps_per_epoch: int | None = None


def checked(name: str, value: int | None) -> int | None:
    """Return the limit `value`.

    Args:
        name: The name of the setting, for the message.
        value: The limit.

    Raises:
        InvalidArgumentError: `value` is neither a positive int nor None.
    """
    if value is not None and (not isinstance(value, int) or value < 1):
        raise InvalidArgumentError(f"`{name}` must be a positive integer or None, got {value!r}.")
    return value


def at_most(wanted: int | None, limit: int | None) -> int | None:
    """Return the smaller of `wanted` and `limit`; None stands for no limit."""
    return limit if wanted is None else wanted if limit is None else min(wanted, limit)
