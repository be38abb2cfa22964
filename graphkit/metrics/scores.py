"""F-scores, R2, correlations, intersection over union. Source: keras.metrics (Keras 3)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.ir.variable import Variable
from graphkit.losses.loss import count, known_shape, same_rank
from graphkit.metrics.metric import HOME, BuiltInMetric, FunctionMetric, Metric
from graphkit.ops._convert import shape_of, tensor


def _two_axes(metric: Metric, y_true: Any, y_pred: Any) -> None:
    if len(shape_of(y_true)) != 2 or len(shape_of(y_pred)) != 2:
        raise ShapeError(
            f"{type(metric).__name__} expects 2D inputs with shape (batch_size, output_dim), got y_pred of shape {shape_of(y_pred)} and "
            f"y_true of shape {shape_of(y_true)}."
        )


@keras_class(HOME)
class FBetaScore(BuiltInMetric):
    """The weighted harmonic mean of precision and recall, for targets and predictions of shape (batch, classes).

    Args:
        average: None for a score per class; "micro" over all predictions; "macro" or "weighted" (by the number of positives) for a mean
            over classes.
        beta: The weight of recall; 1.0 for the F1 score.
        threshold: Predictions above it are positive; by default only the largest of each sample is.
        name, dtype: As for `Metric`.

    Raises:
        InvalidArgumentError: An argument has an invalid value.

    Source: keras.metrics.FBetaScore.
    """

    _direction = "up"
    _names = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")

    average: Any = argument(default=None)
    beta: float = argument(default=1.0)
    threshold: Any = argument(default=None)
    name: Any = argument(default="fbeta_score", for_base=True)

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.average not in (None, "micro", "macro", "weighted"):
            raise InvalidArgumentError(
                f"Invalid `average`: expected None, 'micro', 'macro' or 'weighted', got {self.average!r}."
            )
        if not isinstance(self.beta, float) or self.beta <= 0:
            raise InvalidArgumentError(f"Invalid `beta`: expected a float > 0, got {self.beta!r}.")
        if self.threshold is not None and not (isinstance(self.threshold, float) and 0 < self.threshold <= 1):
            raise InvalidArgumentError(f"Invalid `threshold`: expected a float in ]0, 1], got {self.threshold!r}.")
        self._sums: list[Variable] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the counts with a batch."""
        y_true, y_pred = (tensor(tensor(y), self.dtype) for y in (y_true, y_pred))
        _two_axes(self, y_true, y_pred)
        axis = None if self.average == "micro" else 0
        if not self._sums:
            shape = () if axis is None else known_shape(y_pred)[1:]
            self._sums = [self.add_variable(shape, name=n) for n in self._names]
        chosen = self._chosen(y_pred)
        weight = None if sample_weight is None else ops.reshape(tensor(tensor(sample_weight), self.dtype), (-1, 1))
        wrong, missed = ops.multiply(chosen, ops.subtract(1.0, y_true)), ops.multiply(ops.subtract(1.0, chosen), y_true)
        for variable, part in zip(self._sums, (ops.multiply(chosen, y_true), wrong, missed, y_true), strict=True):
            part = part if weight is None else ops.multiply(part, weight)
            variable.assign(ops.add(variable, ops.sum(part, axis=axis)))

    def _chosen(self, y_pred: Any) -> Any:
        """Return 1 for positive predictions: those above the threshold, or the largest of each sample."""
        if self.threshold is not None:
            return ops.cast(ops.greater(y_pred, self.threshold), self.dtype)
        top = ops.greater_equal(y_pred, ops.max(y_pred, axis=-1, keepdims=True))
        return ops.cast(ops.logical_and(top, ops.greater(ops.absolute(y_pred), 1e-9)), self.dtype)

    def result(self) -> Any:
        """Return the score, or one per class."""
        if not self._sums:
            return 0.0
        hits, wrong, missed, weights = (v.value for v in self._sums)
        fuzz, square = dtypes.epsilon(), self.beta**2
        precision = ops.true_divide(hits, ops.add(ops.add(hits, wrong), fuzz))
        recall = ops.true_divide(hits, ops.add(ops.add(hits, missed), fuzz))
        under = ops.add(ops.add(ops.multiply(precision, square), recall), fuzz)
        score = ops.multiply(ops.true_divide(ops.multiply(precision, recall), under), 1 + square)
        if self.average == "weighted":
            return ops.sum(ops.multiply(score, ops.true_divide(weights, ops.add(ops.sum(weights), fuzz))))
        return score if self.average is None else ops.mean(score)


@keras_class(HOME)
class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; for the arguments see `FBetaScore`. Source: keras.metrics.F1Score."""

    argument_order = "average threshold name dtype"
    name: Any = argument(default="f1_score", for_base=True)


@keras_class(HOME)
class R2Score(BuiltInMetric):
    """The coefficient of determination, 1 - residual sum of squares / total sum of squares, for data of shape (batch, outputs).

    Args:
        class_aggregation: "uniform_average" or "variance_weighted_average" over the outputs, or None for a score per output.
        num_regressors: The number of independent variables, for the adjusted score; 0 for the plain one.
        name, dtype: As for `Metric`.

    Raises:
        InvalidArgumentError: An argument has an invalid value.

    Source: keras.metrics.R2Score.
    """

    _direction = "up"
    class_aggregation: Any = argument(default="uniform_average")
    num_regressors: int = argument(default=0)
    name: Any = argument(default="r2_score", for_base=True)

    def __post_init__(self) -> None:
        """Check the arguments and create the counter of samples."""
        known = (None, "uniform_average", "variance_weighted_average")
        if self.class_aggregation not in known or self.num_regressors < 0:
            raise InvalidArgumentError(
                f"R2Score: class_aggregation={self.class_aggregation!r} or num_regressors={self.num_regressors} is not valid."
            )
        self.num_samples = self.add_variable((), name="num_samples")
        self._sums: list[Variable] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the sums with a batch."""
        y_true, y_pred = same_rank(*(tensor(tensor(y), self.dtype) for y in (y_true, y_pred)))
        _two_axes(self, y_true, y_pred)
        if not self._sums:
            self._sums = [
                self.add_variable(known_shape(y_pred)[1:], name=n) for n in ("squared_sum", "sum", "residual", "count")
            ]
        weight = tensor(tensor(1.0 if sample_weight is None else sample_weight), self.dtype)
        weight = ops.reshape(weight, (-1, 1)) if len(shape_of(weight)) == 1 else weight
        weight = ops.broadcast_to(weight, shape_of(y_true))
        scaled = ops.multiply(y_true, weight)
        residual = ops.multiply(ops.square(ops.subtract(y_true, y_pred)), weight)
        for variable, part in zip(self._sums, (ops.multiply(y_true, scaled), scaled, residual, weight), strict=True):
            variable.assign(ops.add(variable, ops.sum(part, axis=0)))
        self.num_samples.assign(ops.add(self.num_samples, count(y_true, self.dtype)))

    def result(self) -> Any:
        """Return the score."""
        if not self._sums:
            return 0.0
        squares, total, residual, number = (v.value for v in self._sums)
        spread = ops.subtract(squares, ops.multiply(total, ops.true_divide(total, number)))
        raw = ops.subtract(1.0, ops.true_divide(residual, spread))
        raw = ops.where(ops.isinf(raw), 0.0, raw)
        if self.class_aggregation == "variance_weighted_average":
            score = ops.true_divide(ops.sum(ops.multiply(spread, raw)), ops.sum(spread))
        else:
            score = raw if self.class_aggregation is None else ops.mean(raw)
        rest = float(self.num_samples.array) - self.num_regressors - 1
        if self.num_regressors and rest > 0:
            score = ops.subtract(
                1.0, ops.multiply(ops.subtract(1.0, score), (float(self.num_samples.array) - 1) / rest)
            )
        return score


def _centred(x: Any, axis: Any) -> Any:
    return ops.subtract(x, ops.mean(x, axis=axis, keepdims=True))


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return Pearson's correlation coefficient along `axis`. Source: keras.metrics.pearson_correlation."""
    first, second = (_normalized(_centred(tensor(y), axis), axis) for y in (y_true, y_pred))
    return ops.sum(ops.multiply(first, second), axis=axis)


def _normalized(x: Any, axis: Any) -> Any:
    return ops.true_divide(x, ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12)))


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Any:
    """Return Lin's concordance correlation coefficient along `axis`. Source: keras.metrics.concordance_correlation."""
    y_true, y_pred = tensor(y_true), tensor(y_pred)
    true, pred = _centred(y_true, axis), _centred(y_pred, axis)
    apart = ops.square(
        ops.subtract(ops.mean(y_true, axis=axis, keepdims=True), ops.mean(y_pred, axis=axis, keepdims=True))
    )
    spread = ops.add(
        ops.mean(ops.square(true), axis=axis, keepdims=True), ops.mean(ops.square(pred), axis=axis, keepdims=True)
    )
    return ops.mean(
        ops.true_divide(ops.multiply(ops.multiply(true, pred), 2.0), ops.add(ops.add(spread, apart), dtypes.epsilon())),
        axis=axis,
    )


@keras_class(HOME)
class PearsonCorrelation(FunctionMetric):
    """The mean of `pearson_correlation`. Source: keras.metrics.PearsonCorrelation."""

    _direction = "up"
    function, default_name = staticmethod(pearson_correlation), "pearson_correlation"

    axis: int = argument(default=-1)


@keras_class(HOME)
class ConcordanceCorrelation(FunctionMetric):
    """The mean of `concordance_correlation`. Source: keras.metrics.ConcordanceCorrelation."""

    _direction = "up"
    function, default_name = staticmethod(concordance_correlation), "concordance_correlation"

    axis: int = argument(default=-1)


class _Overlap(BuiltInMetric, kw_only=True):
    """Base of metrics computed from the confusion matrix of classes."""

    _direction = "up"
    num_classes: int = argument()
    target_class_ids: Any = argument()
    ignore_class: Any = argument(default=None)
    sparse_y_true: bool = argument(default=True)
    sparse_y_pred: bool = argument(default=True)
    axis: int = argument(default=-1)

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        """Count in int32 by default."""
        given["dtype"] = "int32" if given["dtype"] in (None, "int") else given["dtype"]

    def __post_init__(self) -> None:
        """Check the classes and create the confusion matrix."""
        wanted = range(self.num_classes) if self.target_class_ids is None else self.target_class_ids
        self.target_class_ids = list(wanted)
        if max(self.target_class_ids) >= self.num_classes:
            raise InvalidArgumentError(
                f"Target class id {max(self.target_class_ids)} is out of range, which is [0, {self.num_classes})."
            )
        shape = (self.num_classes, self.num_classes)
        self.total_cm = self.add_variable(shape, name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the confusion matrix with a batch."""
        true = self._classes(y_true, self.sparse_y_true)
        pred = self._classes(y_pred, self.sparse_y_pred)
        inside = ops.logical_and(self._inside(true), self._inside(pred))
        if self.ignore_class is not None:
            inside = ops.logical_and(inside, ops.not_equal(true, self.ignore_class))
        weight = ops.cast(inside, "float32")
        if sample_weight is not None:
            own = ops.reshape(ops.cast(ops.cast(sample_weight, self.dtype), "float32"), (-1,))
            weight = ops.multiply(weight, own)
        rows, columns = (ops.one_hot(ops.where(inside, c, ops.zeros_like(c)), self.num_classes) for c in (true, pred))
        rows = ops.multiply(ops.cast(rows, "float32"), ops.expand_dims(weight, -1))
        found = ops.matmul(ops.transpose(rows), ops.cast(columns, "float32"))
        self.total_cm.assign(ops.add(self.total_cm, ops.cast(found, self.dtype)))

    def _classes(self, y: Any, sparse: bool) -> Any:
        y = tensor(y)
        y = y if sparse else ops.argmax(y, axis=self.axis)
        return ops.reshape(ops.cast(y, "int32"), (-1,))

    def _inside(self, classes: Any) -> Any:
        return ops.logical_and(ops.greater_equal(classes, 0), ops.less(classes, self.num_classes))

    def result(self) -> Any:
        """Return the mean over the target classes that occur."""
        matrix = ops.cast(self.total_cm, "float32")
        hits = ops.sum(ops.multiply(matrix, np.eye(self.num_classes, dtype="float32")), axis=0)
        union = ops.subtract(ops.add(ops.sum(matrix, axis=0), ops.sum(matrix, axis=1)), hits)
        hits, union = (ops.take(t, np.asarray(self.target_class_ids, "int32"), axis=0) for t in (hits, union))
        there, fuzz = ops.greater(union, 1e-9), dtypes.epsilon()
        parts = ops.where(there, ops.true_divide(hits, ops.add(union, fuzz)), 0.0)
        return ops.true_divide(ops.sum(parts), ops.add(ops.sum(ops.cast(there, "float32")), fuzz))


@keras_class(HOME)
class IoU(_Overlap):
    """The mean intersection over union of the target classes.

    Args:
        num_classes: The number of classes.
        target_class_ids: The classes to average over.
        name: As for `Metric`.
        dtype: The dtype of the confusion matrix, int32 by default.
        ignore_class: A class of the target whose samples do not count.
        sparse_y_true, sparse_y_pred: Whether the arguments hold class indices, instead of a score or one-hot element per class.
        axis: The axis of the classes if they are not sparse.

    Raises:
        InvalidArgumentError: A target class is out of range.

    Source: keras.metrics.IoU.
    """

    argument_order = "num_classes target_class_ids name dtype ignore_class sparse_y_true sparse_y_pred axis"


@keras_class(HOME)
class BinaryIoU(_Overlap):
    """The mean intersection over union of two classes separated by a threshold. Source: keras.metrics.BinaryIoU."""

    argument_order = "target_class_ids threshold name dtype"
    num_classes: int = argument(default=2)
    target_class_ids: Any = argument(default=(0, 1))
    threshold: float = argument(default=0.5)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the confusion matrix with a batch."""
        above = ops.greater_equal(ops.cast(y_pred, "float32"), self.threshold)
        super().update_state(y_true, ops.cast(above, "int32"), sample_weight)


@keras_class(HOME)
class MeanIoU(_Overlap):
    """The mean intersection over union of all classes; for the arguments see `IoU`. Source: keras.metrics.MeanIoU."""

    argument_order = "num_classes name dtype ignore_class sparse_y_true sparse_y_pred axis"
    target_class_ids: Any = argument(default=None)


@keras_class(HOME)
class OneHotIoU(_Overlap):
    """`IoU` for one-hot targets. Source: keras.metrics.OneHotIoU."""

    argument_order = "num_classes target_class_ids name dtype ignore_class sparse_y_pred axis"
    sparse_y_true: bool = argument(default=False)
    sparse_y_pred: bool = argument(default=False)


@keras_class(HOME)
class OneHotMeanIoU(OneHotIoU):
    """`MeanIoU` for one-hot targets. Source: keras.metrics.OneHotMeanIoU."""

    argument_order = "num_classes name dtype ignore_class sparse_y_pred axis"
    target_class_ids: Any = argument(default=None)
