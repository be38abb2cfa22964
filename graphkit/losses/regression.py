"""Regression losses: squared, absolute, percentage and logarithmic errors, Huber, log-cosh, cosine similarity."""

from __future__ import annotations

from math import log
from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.losses.loss import HOME, FunctionLoss, like, same_rank


def _both(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    return same_rank(*like(y_true, y_pred))


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Return mean((y_true - y_pred)^2) over the last axis. Source: keras.losses.mean_squared_error."""
    y_true, y_pred = _both(y_true, y_pred)
    return ops.mean(ops.square(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Return mean(|y_true - y_pred|) over the last axis. Source: keras.losses.mean_absolute_error."""
    y_true, y_pred = _both(y_true, y_pred)
    return ops.mean(ops.absolute(ops.subtract(y_true, y_pred)), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """Return 100 * mean(|y_true - y_pred| / |y_true|) over the last axis. Source: keras.losses.mean_absolute_percentage_error."""
    y_true, y_pred = _both(y_true, y_pred)
    relative = ops.true_divide(ops.subtract(y_true, y_pred), ops.maximum(ops.absolute(y_true), dtypes.epsilon()))
    return ops.multiply(ops.mean(ops.absolute(relative), axis=-1), 100.0)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """Return mean((log(y_true + 1) - log(y_pred + 1))^2) over the last axis. Source: keras.losses.mean_squared_logarithmic_error."""
    first, second = (ops.log(ops.add(ops.maximum(y, dtypes.epsilon()), 1.0)) for y in _both(y_true, y_pred))
    return ops.mean(ops.square(ops.subtract(first, second)), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Return the mean over the last axis of error^2 / 2 up to `delta`, and of a linear function beyond. Source: keras.losses.huber."""
    y_true, y_pred = _both(y_true, y_pred)
    error = ops.absolute(ops.subtract(y_pred, y_true))
    linear = ops.subtract(ops.multiply(error, delta), 0.5 * delta * delta)
    return ops.mean(ops.where(ops.less_equal(error, delta), ops.multiply(ops.square(error), 0.5), linear), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Any:
    """Return mean(log(cosh(y_pred - y_true))) over the last axis. Source: keras.losses.log_cosh."""
    y_true, y_pred = _both(y_true, y_pred)
    error = ops.subtract(y_pred, y_true)
    return ops.mean(ops.subtract(ops.add(error, ops.softplus(ops.multiply(error, -2.0))), log(2.0)), axis=-1)


def _unit(x: Any, axis: Any) -> Any:
    squares = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return ops.multiply(x, ops.rsqrt(ops.maximum(squares, 1e-12)))


def _cosine(y_true: Any, y_pred: Any, axis: Any = -1) -> Any:
    y_true, y_pred = _both(y_true, y_pred)
    return ops.sum(ops.multiply(_unit(y_true, axis), _unit(y_pred, axis)), axis=axis)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return the negative cosine similarity along `axis`: -1 for equal directions. Source: keras.losses.cosine_similarity."""
    return ops.negative(_cosine(y_true, y_pred, axis))


@keras_class(HOME)
class MeanSquaredError(FunctionLoss):
    """The loss `mean_squared_error`, reduced over the batch. Source: keras.losses.MeanSquaredError."""

    function, default_name = staticmethod(mean_squared_error), "mean_squared_error"


@keras_class(HOME)
class MeanAbsoluteError(FunctionLoss):
    """The loss `mean_absolute_error`, reduced over the batch. Source: keras.losses.MeanAbsoluteError."""

    function, default_name = staticmethod(mean_absolute_error), "mean_absolute_error"


@keras_class(HOME)
class MeanAbsolutePercentageError(FunctionLoss):
    """The loss `mean_absolute_percentage_error`, reduced over the batch. Source: keras.losses.MeanAbsolutePercentageError."""

    function, default_name = staticmethod(mean_absolute_percentage_error), "mean_absolute_percentage_error"


@keras_class(HOME)
class MeanSquaredLogarithmicError(FunctionLoss):
    """The loss `mean_squared_logarithmic_error`, reduced over the batch. Source: keras.losses.MeanSquaredLogarithmicError."""

    function, default_name = staticmethod(mean_squared_logarithmic_error), "mean_squared_logarithmic_error"


@keras_class(HOME)
class LogCosh(FunctionLoss):
    """The loss `log_cosh`, reduced over the batch. Source: keras.losses.LogCosh."""

    function, default_name = staticmethod(log_cosh), "log_cosh"


@keras_class(HOME)
class Huber(FunctionLoss):
    """The loss `huber`, reduced over the batch. Source: keras.losses.Huber."""

    function, default_name = staticmethod(huber), "huber_loss"

    argument_order = "delta reduction name dtype"
    delta: float = argument(default=1.0)


@keras_class(HOME)
class CosineSimilarity(FunctionLoss):
    """The loss `cosine_similarity`, reduced over the batch. Source: keras.losses.CosineSimilarity."""

    function, default_name = staticmethod(cosine_similarity), "cosine_similarity"

    argument_order = "axis reduction name dtype"
    axis: int = argument(default=-1)
