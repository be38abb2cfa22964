"""keras.optimizers.legacy: names of Keras 2's optimizers, which Keras 3 does not support either."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import InvalidArgumentError

__all__ = ["SGD", "Adagrad", "Adam", "Ftrl", "Optimizer", "RMSprop"]


class _Gone:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        raise InvalidArgumentError(
            f"`keras.optimizers.legacy` is not supported, as in Keras 3. Use graphkit.optimizers.{name}."
        )


class Adagrad(_Gone):
    """Raises InvalidArgumentError, as in Keras 3."""


class Adam(_Gone):
    """Raises InvalidArgumentError, as in Keras 3."""


class Ftrl(_Gone):
    """Raises InvalidArgumentError, as in Keras 3."""


class RMSprop(_Gone):
    """Raises InvalidArgumentError, as in Keras 3."""


class SGD(_Gone):
    """Raises InvalidArgumentError, as in Keras 3."""


class Optimizer(_Gone):
    """Raises InvalidArgumentError, as in Keras 3."""
