"""keras.optimizers.legacy: the names of Keras 2's optimizers, which Keras 3 does not have any more either."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import InvalidArgumentError

__all__ = ["SGD", "Adagrad", "Adam", "Ftrl", "Optimizer", "RMSprop"]


class _Gone:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        raise InvalidArgumentError(
            f"`keras.optimizers.legacy` is not supported in Keras 3, nor here. Use graphkit.optimizers.{name}."
        )


class Adagrad(_Gone):
    """Refused with an error, as in Keras 3."""


class Adam(_Gone):
    """Refused with an error, as in Keras 3."""


class Ftrl(_Gone):
    """Refused with an error, as in Keras 3."""


class RMSprop(_Gone):
    """Refused with an error, as in Keras 3."""


class SGD(_Gone):
    """Refused with an error, as in Keras 3."""


class Optimizer(_Gone):
    """Refused with an error, as in Keras 3."""
