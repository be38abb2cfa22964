"""Regularizers: penalties on weights and outputs. Source: keras.regularizers (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import Configurable, custom_object_scope, keras_class, resolve
from graphkit.core.serialization import serialize as to_config

_HOME = "keras.regularizers"


class Regularizer(Configurable):
    """Base of regularizers: a call with a tensor returns a scalar penalty."""

    def __call__(self, x: Any) -> Any:
        """Return the penalty; 0 unless overridden, as in Keras."""
        return 0.0


def _factor(value: Any, name: str) -> float:
    if value is None:
        return 0.0
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= float(value) < float("inf"):
        raise InvalidArgumentError(
            f"Invalid value for argument {name}: expected a non-negative float. Received: {name}={value}"
        )
    return float(value)


@keras_class(_HOME, "l1_l2", earlier=("L1L2Regularizer",))
class L1L2(Regularizer):
    """l1 * sum(|x|) + l2 * sum(x^2).

    Raises:
        InvalidArgumentError: A factor is not a non-negative float.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _factor(l1, "l1"), _factor(l2, "l2")

    def __call__(self, x: Any) -> Any:
        """Return the penalty."""
        total: Any = 0.0
        if self.l1:
            total = total + self.l1 * ops.sum(ops.absolute(x))
        if self.l2:
            total = total + self.l2 * ops.sum(ops.square(x))
        return total


@keras_class(_HOME, "l1")
class L1(Regularizer):
    """l1 * sum(|x|).

    Raises:
        InvalidArgumentError: `l1` is not a non-negative float.
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor(0.01 if l1 is None else l1, "l1")

    def __call__(self, x: Any) -> Any:
        """Return the penalty."""
        return self.l1 * ops.sum(ops.absolute(x))


@keras_class(_HOME, "l2")
class L2(Regularizer):
    """l2 * sum(x^2).

    Raises:
        InvalidArgumentError: `l2` is not a non-negative float.
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor(0.01 if l2 is None else l2, "l2")

    def __call__(self, x: Any) -> Any:
        """Return the penalty."""
        return self.l2 * ops.sum(ops.square(x))


@keras_class(_HOME, "orthogonal_regularizer")
class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean absolute cosine similarity between different rows (or columns) of a matrix.

    Args:
        factor: The strength.
        mode: "rows" or "columns": which vectors to make orthogonal.

    Raises:
        InvalidArgumentError: An argument has an invalid value.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise InvalidArgumentError(
                f"Invalid value for argument mode: expected 'rows' or 'columns'. Received: mode={mode!r}"
            )
        self.factor, self.mode = _factor(factor, "factor"), mode

    def __call__(self, x: Any) -> Any:
        """Return the penalty.

        Raises:
            ShapeError: `x` does not have two axes.
        """
        if len(x.shape) != 2:
            raise ShapeError(
                f"Inputs to OrthogonalRegularizer must have rank 2. Received: inputs.shape={tuple(x.shape)}"
            )
        axis = 1 if self.mode == "rows" else 0
        unit = x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))
        product = ops.matmul(unit, ops.transpose(unit)) if axis else ops.matmul(ops.transpose(unit), unit)
        size = int(x.shape[0 if axis else 1])
        off_diagonal = product * (1.0 - ops.eye(size))
        return self.factor * 0.5 * ops.sum(ops.absolute(off_diagonal)) / (size * (size - 1) / 2)


l1, l2, l1_l2, l1l2, orthogonal_regularizer = L1, L2, L1L2, L1L2, OrthogonalRegularizer


def get(identifier: Any) -> Any:
    """Return a regularizer for a name, config, class, function or object; None stays None.

    Raises:
        UnknownClassError: The name is unknown.
        InvalidArgumentError: `identifier` is of an unsupported type.
    """
    return resolve(identifier, _HOME, "regularizer")


def serialize(regularizer: Any) -> Any:
    """Return the config of a regularizer."""
    return to_config(regularizer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """Return a regularizer for its config; see `get`."""
    with custom_object_scope(custom_objects):
        return get(config)
