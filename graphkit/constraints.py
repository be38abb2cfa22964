"""Constraints: what weights are projected to after each update. Source: keras.constraints (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.serialization import Configurable, custom_object_scope, keras_class, resolve
from graphkit.core.serialization import serialize as to_config

_HOME = "keras.constraints"


class Constraint(Configurable):
    """Called with a weight, gives the projected weight. The base changes nothing. Source: keras.constraints.Constraint."""

    def __call__(self, w: Any) -> Any:
        """The projected weight."""
        return ops.convert_to_tensor(w)


def _norm(w: Any, axis: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(w), axis=axis, keepdims=True))


@keras_class(_HOME, "max_norm")
class MaxNorm(Constraint):
    """Norms along `axis` at most `max_value`."""

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        """The projected weight."""
        norms = _norm(w, self.axis)
        return w * (ops.clip(norms, 0, self.max_value) / (dtypes.epsilon() + norms))


@keras_class(_HOME, "non_neg")
class NonNeg(Constraint):
    """No negative elements."""

    def __call__(self, w: Any) -> Any:
        """The projected weight."""
        return ops.maximum(w, 0.0)


@keras_class(_HOME, "unit_norm")
class UnitNorm(Constraint):
    """Norms along `axis` are 1."""

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        """The projected weight."""
        return w / (dtypes.epsilon() + _norm(w, self.axis))


@keras_class(_HOME, "min_max_norm")
class MinMaxNorm(Constraint):
    """Norms along `axis` drawn by `rate` into [min_value, max_value]."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0) -> None:
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        """The projected weight."""
        norms = _norm(w, self.axis)
        desired = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (dtypes.epsilon() + norms))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm
maxnorm, nonneg, unitnorm = MaxNorm, NonNeg, UnitNorm


def get(identifier: Any) -> Any:
    """A constraint from a name, config, class, function or object. Raises UnknownClassError for an unknown name."""
    return resolve(identifier, _HOME, "constraint")


def serialize(constraint: Any) -> Any:
    """The config of a constraint."""
    return to_config(constraint)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """A constraint from its config."""
    with custom_object_scope(custom_objects):
        return get(config)
