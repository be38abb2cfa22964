"""Activations with learned parameters from Keras 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphkit import initializers, ops
from graphkit.core.declared import Declared, argument
from graphkit.core.errors import ShapeError
from graphkit.core.serialization import graphkit_class
from graphkit.layers.declared import BuiltInLayer, initializer

__all__ = ["ParametricSoftplus", "SReLU"]
_HOME = "layers"


def _listed(value: Any) -> Any:
    return value if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


class SharingArguments(Declared, kw_only=True):
    """The axes along which parameters are shared."""

    shared_axes: Any = argument(default=None, convert=_listed)


class _Parametric(SharingArguments, BuiltInLayer):
    """An activation whose parameters have the inputs' shape without the batch axis, with size 1 along `shared_axes`."""

    supports_masking = True

    def _parameter(self, name: str, input_shape: Sequence[Any], first: Any) -> Any:
        rank = len(input_shape)
        shared = {axis % rank for axis in self.shared_axes or ()}
        shape = tuple(1 if axis in shared else input_shape[axis] for axis in range(1, rank))
        if None in shape:
            raise ShapeError(
                f"All axes of the inputs to layer {self.name!r} that are not in `shared_axes` must be known, got shape "
                f"{tuple(input_shape)}, shared_axes={self.shared_axes}."
            )
        return self.add_weight(name=name, shape=shape, initializer=first)


@graphkit_class(_HOME)
class ParametricSoftplus(_Parametric):
    """alpha * softplus(beta * x) with learned alpha and beta per feature. Source: keras 1 ParametricSoftplus."""

    alpha_init: float = argument(default=0.2)
    beta_init: float = argument(default=5.0)

    def build(self, input_shape: Any) -> None:
        """Create alpha and beta.

        Raises:
            ShapeError: the size of an axis that is not shared is unknown.
        """
        self.alpha = self._parameter("alpha", input_shape, initializers.Constant(self.alpha_init))
        self.beta = self._parameter("beta", input_shape, initializers.Constant(self.beta_init))

    def call(self, inputs: Any) -> Any:
        """Return the activated inputs."""
        return self.alpha * ops.softplus(self.beta * inputs)


@graphkit_class(_HOME)
class SReLU(_Parametric):
    """x between two learned thresholds, linear with learned slopes outside them (arXiv:1512.07030). Source: keras 1 SReLU.

    The right threshold is t_left + |t_right|. Below the left one the slope is a_left, above the right one a_right.
    """

    t_left_init: Any = initializer("zeros")
    a_left_init: Any = initializer("glorot_uniform")
    t_right_init: Any = initializer("glorot_uniform")
    a_right_init: Any = initializer("ones")

    def build(self, input_shape: Any) -> None:
        """Create t_left, a_left, t_right and a_right.

        Raises:
            ShapeError: the size of an axis that is not shared is unknown.
        """
        self.t_left = self._parameter("t_left", input_shape, self.t_left_init)
        self.a_left = self._parameter("a_left", input_shape, self.a_left_init)
        self.t_right = self._parameter("t_right", input_shape, self.t_right_init)
        self.a_right = self._parameter("a_right", input_shape, self.a_right_init)

    def call(self, inputs: Any) -> Any:
        """Return the activated inputs."""
        width = ops.absolute(self.t_right)
        x = inputs - self.t_left
        middle = ops.minimum(ops.relu(x), width) - self.a_left * ops.relu(-x)
        return self.t_left + middle + self.a_right * ops.relu(x - width)
