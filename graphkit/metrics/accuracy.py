"""Accuracies: how often the output predicts the target's class. Source: keras.metrics (Keras 3).

The functions return 1.0 per sample for a correct prediction and 0.0 for a wrong one, in `floatx()`. The metrics are their means.
"""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.losses.loss import dtype_of, same_rank
from graphkit.metrics.metric import HOME, FunctionMetric
from graphkit.ops._convert import promote, shape_of, tensor


def _matches(a: Any, b: Any) -> Any:
    return ops.cast(ops.equal(*promote(a, b)), dtypes.floatx())


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where both are equal. Source: keras.metrics.Accuracy."""
    return _matches(*same_rank(tensor(y_true), tensor(y_pred)))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """Return 1 where `y_pred > threshold` agrees with `y_true` (0 or 1). Source: keras.metrics.binary_accuracy."""
    y_true, y_pred = same_rank(tensor(y_true), tensor(y_pred))
    return _matches(y_true, ops.cast(ops.greater(y_pred, threshold), dtype_of(y_true)))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where both have their largest element at the same index. Source: keras.metrics.categorical_accuracy."""
    y_true, y_pred = ops.argmax(tensor(y_true), axis=-1), tensor(y_pred)
    return _matches(y_true, ops.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Return 1 where the largest element of `y_pred` is at index `y_true`. Source: keras.metrics.sparse_categorical_accuracy."""
    y_true, y_pred = tensor(y_true), tensor(y_pred)
    shape = shape_of(y_true)
    if len(shape) == len(shape_of(y_pred)) and shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    found = ops.argmax(y_pred, axis=-1)
    matches = _matches(ops.cast(y_true, dtype_of(found)), found)
    return ops.squeeze(matches, -1) if len(shape_of(matches)) > 1 and shape_of(matches)[-1] == 1 else matches


def _in_top(y_true: Any, y_pred: Any, k: int) -> Any:
    """Return 1 where the class is among the k best, for tensors of any rank."""
    shape, classes = shape_of(y_true), shape_of(y_pred)[-1]
    flat = ops.reshape(y_pred, (-1, classes)) if len(shape_of(y_pred)) > 2 else y_pred
    rows = ops.reshape(y_true, (-1,)) if len(shape) > 1 else y_true
    matches = ops.cast(ops.in_top_k(ops.cast(rows, "int32"), flat, k=k), dtypes.floatx())
    return ops.reshape(matches, shape) if len(shape) > 1 else matches


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Return 1 where the class is among the k best, for one-hot targets. Source: keras.metrics.top_k_categorical_accuracy."""
    return _in_top(ops.argmax(tensor(y_true), axis=-1), tensor(y_pred), k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Any:
    """Return 1 where the class is among the k best, for class indices.

    Args:
        y_true: Class indices of shape (batch, ...).
        y_pred: Scores of shape (batch, ..., classes), or class indices in order of rank with `from_sorted_ids`.
        k: The number of best classes.
        from_sorted_ids: Whether `y_pred` holds class indices of shape (batch, ids), best first.

    Source: keras.metrics.sparse_top_k_categorical_accuracy.
    """
    y_true, y_pred = tensor(y_true), tensor(y_pred)
    if from_sorted_ids:
        y_true = ops.cast(y_true, dtype_of(y_pred))
        return ops.cast(ops.any(ops.equal(ops.expand_dims(y_true, 1), y_pred[:, :k]), axis=1), dtypes.floatx())
    return _in_top(y_true, y_pred, k)


@keras_class(HOME)
class Accuracy(FunctionMetric):
    """The mean of `accuracy`. Source: keras.metrics.Accuracy."""

    _direction = "up"
    function, default_name = staticmethod(accuracy), "accuracy"


@keras_class(HOME)
class BinaryAccuracy(FunctionMetric):
    """The mean of `binary_accuracy`. Source: keras.metrics.BinaryAccuracy."""

    _direction = "up"
    function, default_name = staticmethod(binary_accuracy), "binary_accuracy"

    threshold: float = argument(default=0.5)


@keras_class(HOME)
class CategoricalAccuracy(FunctionMetric):
    """The mean of `categorical_accuracy`. Source: keras.metrics.CategoricalAccuracy."""

    _direction = "up"
    function, default_name = staticmethod(categorical_accuracy), "categorical_accuracy"


@keras_class(HOME)
class SparseCategoricalAccuracy(FunctionMetric):
    """The mean of `sparse_categorical_accuracy`. Source: keras.metrics.SparseCategoricalAccuracy."""

    _direction = "up"
    function, default_name = staticmethod(sparse_categorical_accuracy), "sparse_categorical_accuracy"


@keras_class(HOME)
class TopKCategoricalAccuracy(FunctionMetric):
    """The mean of `top_k_categorical_accuracy`. Source: keras.metrics.TopKCategoricalAccuracy."""

    _direction = "up"
    function, default_name = staticmethod(top_k_categorical_accuracy), "top_k_categorical_accuracy"

    argument_order = "k name dtype"
    k: int = argument(default=5)


@keras_class(HOME)
class SparseTopKCategoricalAccuracy(FunctionMetric):
    """The mean of `sparse_top_k_categorical_accuracy`. Source: keras.metrics.SparseTopKCategoricalAccuracy."""

    _direction = "up"
    function, default_name = staticmethod(sparse_top_k_categorical_accuracy), "sparse_top_k_categorical_accuracy"

    argument_order = "k name dtype from_sorted_ids"
    k: int = argument(default=5)
    from_sorted_ids: bool = argument(default=False)
