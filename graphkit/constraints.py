"""Constraints: projections of weights after each update. Source: keras.constraints (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.serialization import Configurable, custom_object_scope, keras_class, resolve
from graphkit.core.serialization import serialize as to_config

_HOME = "keras.constraints"


class Constraint(Configurable):
    """Base of constraints: a call projects a weight; the base returns it unchanged. Source: keras.constraints.Constraint."""

    def __call__(self, w: Any) -> Any:
        """Return the projected weight."""
        return ops.convert_to_tensor(w)


def _norm(w: Any, axis: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


@keras_class(_HOME, "max_norm")
class MaxNorm(Constraint):
    """Limits norms along `axis` to `max_value`."""

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        """Return the projected weight."""
        norms = _norm(w, self.axis)
        return w * (ops.clip(norms, 0, self.max_value) / (dtypes.epsilon() + norms))


@keras_class(_HOME, "non_neg")
class NonNeg(Constraint):
    """Sets negative elements to 0."""

    def __call__(self, w: Any) -> Any:
        """Return the projected weight."""
        return ops.maximum(w, 0.0)


@keras_class(_HOME, "unit_norm")
class UnitNorm(Constraint):
    """Scales norms along `axis` to 1."""

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        """Return the projected weight."""
        return w / (dtypes.epsilon() + _norm(w, self.axis))


@keras_class(_HOME, "min_max_norm")
class MinMaxNorm(Constraint):
    """Moves norms along `axis` into [min_value, max_value]; `rate` is the fraction of the way, 1.0 for all of it."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        """Return the projected weight."""
        norms = _norm(w, self.axis)
        desired = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (dtypes.epsilon() + norms))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
maxnorm, nonneg, unitnorm = MaxNorm, NonNeg, UnitNorm


def get(identifier: Any) -> Any:
    """Return a constraint for a name, config, class, function or object; None stays None.

    Raises:
        UnknownClassError: The name is unknown.
        InvalidArgumentError: `identifier` is of an unsupported type.
    """
    return resolve(identifier, _HOME, "constraint")


def serialize(constraint: Any) -> Any:
    """Return the config of a constraint."""
    return to_config(constraint)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """Return a constraint for its config; see `get`."""
    with custom_object_scope(custom_objects):
        return get(config)
