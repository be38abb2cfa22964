"""Hinge losses, for targets of -1 and 1 (0 and 1 are converted)."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.serialization import keras_class
from graphkit.losses.loss import HOME, FunctionLoss, dtype_of, like


def _signed(y_true: Any) -> Any:
    """Convert targets that are all 0 or 1 to -1 and 1."""
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.where(binary, ops.subtract(ops.multiply(y_true, 2.0), 1.0), y_true)


def _margin(y_true: Any, y_pred: Any) -> Any:
    y_true, y_pred = like(y_true, y_pred)
    return ops.maximum(ops.subtract(1.0, ops.multiply(_signed(y_true), y_pred)), 0.0)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """Return mean(max(1 - y_true * y_pred, 0)) over the last axis. Source: keras.losses.hinge."""
    return ops.mean(_margin(y_true, y_pred), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """Return mean(max(1 - y_true * y_pred, 0)^2) over the last axis. Source: keras.losses.squared_hinge."""
    return ops.mean(ops.square(_margin(y_true, y_pred)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """Return max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0). Source: keras.losses.categorical_hinge."""
    y_true, y_pred = like(y_true, y_pred)
    right = ops.sum(ops.multiply(y_true, y_pred), axis=-1)
    wrong = ops.max(ops.multiply(ops.subtract(1.0, y_true), y_pred), axis=-1)
    return ops.maximum(ops.add(ops.subtract(wrong, right), 1.0), ops.cast(0.0, dtype_of(right)))


@keras_class(HOME)
class Hinge(FunctionLoss):
    """The loss `hinge`, reduced over the batch. Source: keras.losses.Hinge."""

    function, default_name = staticmethod(hinge), "hinge"


@keras_class(HOME)
class SquaredHinge(FunctionLoss):
    """The loss `squared_hinge`, reduced over the batch. Source: keras.losses.SquaredHinge."""

    function, default_name = staticmethod(squared_hinge), "squared_hinge"


@keras_class(HOME)
class CategoricalHinge(FunctionLoss):
    """The loss `categorical_hinge`, reduced over the batch. Source: keras.losses.CategoricalHinge."""

    function, default_name = staticmethod(categorical_hinge), "categorical_hinge"
