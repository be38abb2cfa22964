"""Metrics based on true and false positives and negatives at thresholds: counts, precision, recall, AUC. Source: keras.metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.ir.variable import Variable
from graphkit.losses.loss import known_shape, ratio, same_rank
from graphkit.metrics.metric import HOME, BuiltInMetric
from graphkit.ops._convert import shape_of, tensor

_BELOW_ALL = -1e10
_SUMMATIONS = ("interpolation", "minoring", "majoring")
_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


def parse_thresholds(thresholds: Any, default: float) -> list[float]:
    """Return the thresholds as a list.

    Args:
        thresholds: A number, a sequence of them, or None.
        default: The threshold for None.

    Raises:
        InvalidArgumentError: A threshold is outside [0, 1].
    """
    if thresholds is None:
        return [default]
    made = [float(t) for t in (thresholds if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds])]
    wrong = [t for t in made if not 0 <= t <= 1]
    if wrong:
        raise InvalidArgumentError(f"Threshold values must be in [0, 1]. Received: {wrong}")
    return made


def even_thresholds(count: int, beyond: float) -> list[float]:
    """Return `count` evenly spaced thresholds; the first is `beyond` below 0, so that 0 counts as above it, the last as far above 1."""
    return [-beyond, *((i + 1) / (count - 1) for i in range(count - 2)), 1.0 + beyond]


def _rate_argument(metric: Any, name: str, value: Any) -> Any:
    if not 0 <= value <= 1:
        raise InvalidArgumentError(f"Argument `{name}` must be in the range [0, 1]. Received: {name}={value}")
    return value


def _positive(metric: Any, name: str, value: Any) -> Any:
    if value <= 0:
        raise InvalidArgumentError(f"Argument `{name}` must be an integer > 0. Received: {name}={value}")
    return value


def _kept_count(name: str) -> Any:
    """Return a property for one of the four counts."""

    def get(metric: _Confusion) -> Variable:
        if name not in metric._kept:
            raise AttributeError(f"{type(metric).__name__} has no counter {name!r}; it has {list(metric._kept)}.")
        return metric._kept[name]

    return property(get, doc=f"The variable that counts {name.replace('_', ' ')}, per threshold.")


class _Confusion(BuiltInMetric, kw_only=True):
    """Base of metrics that keep some of the four counts, per threshold (and label)."""

    true_positives, false_positives = _kept_count("true_positives"), _kept_count("false_positives")
    true_negatives, false_negatives = _kept_count("true_negatives"), _kept_count("false_negatives")

    def _keep(
        self, names: Sequence[str], thresholds: Sequence[float], labels: int | None = None, shown: str | None = None
    ) -> None:
        self._cuts = np.asarray(thresholds, "float32")
        shape = (len(self._cuts),) if labels is None else (len(self._cuts), labels)
        self._kept: dict[str, Variable] = {n: self.add_variable(shape, name=shown or n) for n in names}

    def _count(
        self,
        y_true: Any,
        y_pred: Any,
        weight: Any,
        top_k: int | None = None,
        class_id: int | None = None,
        by_label: bool = False,
    ) -> None:
        """Update the counts with a batch."""
        y_true, y_pred = same_rank(tensor(tensor(y_true), self.dtype), tensor(tensor(y_pred), self.dtype))
        if shape_of(y_true) != shape_of(y_pred):
            raise ShapeError(
                f"Metric {self.name!r}: target of shape {shape_of(y_true)} and output of shape {shape_of(y_pred)} must have the same shape."
            )
        weight = None if weight is None else _spread(tensor(tensor(weight), self.dtype), shape_of(y_pred))
        if class_id is not None and len(shape_of(y_pred)) < 2:
            raise ShapeError(
                f"Metric {self.name!r}: with class_id={class_id} y_pred must have an axis of classes after the batch axis, got shape "
                f"{shape_of(y_pred)}."
            )
        if top_k is not None:
            y_pred = _only_top(y_pred, top_k)
        if class_id is not None:
            y_true, y_pred = y_true[..., class_id], y_pred[..., class_id]
            weight = None if weight is None else weight[..., class_id]
        positive = ops.cast(ops.cast(y_true, "bool"), self.dtype)
        whole = ops.ones_like(positive) if weight is None else weight
        positive = positive if weight is None else ops.multiply(positive, weight)
        self._add(positive, ops.subtract(whole, positive), y_pred, by_label)

    def _add(self, positive: Any, negative: Any, y_pred: Any, by_label: bool) -> None:
        if by_label:
            above = ops.cast(ops.greater(ops.expand_dims(y_pred, 0), self._cuts[:, None, None]), self.dtype)
            over: Callable[[Any], Any] = lambda t: ops.sum(ops.multiply(above, ops.expand_dims(t, 0)), axis=1)  # noqa: E731
            total: Callable[[Any], Any] = lambda t: ops.sum(t, axis=0)  # noqa: E731
        else:
            above = ops.cast(ops.greater(ops.reshape(y_pred, (1, -1)), self._cuts[:, None]), self.dtype)
            over = lambda t: ops.squeeze(ops.matmul(above, ops.reshape(t, (-1, 1))), -1)  # noqa: E731
            total = ops.sum
        found = {"true_positives": over(positive), "false_positives": over(negative)}
        found["false_negatives"] = ops.subtract(total(positive), found["true_positives"])
        found["true_negatives"] = ops.subtract(total(negative), found["false_positives"])
        for name, variable in self._kept.items():
            variable.assign(ops.add(variable, found[name]))

    def _values(self, *names: str) -> list[Any]:
        return [self._kept[n].value for n in names]

    def _rate(self, part: str, rest: str) -> Any:
        """Return part / (part + rest)."""
        a, b = self._values(part, rest)
        return ratio(a, ops.add(a, b))

    def _single(self, value: Any) -> Any:
        return value[0] if len(self._cuts) == 1 else value


def _spread(weight: Any, shape: tuple[Any, ...]) -> Any:
    rank = len(shape_of(weight))
    if rank < len(shape):
        weight = ops.reshape(weight, (*shape_of(weight), *([1] * (len(shape) - rank))))
    return ops.broadcast_to(weight, shape)


def _only_top(y_pred: Any, k: int) -> Any:
    """Move everything but the k largest of each row below all thresholds; among equal values the first ones are kept."""
    places = ops.one_hot(ops.top_k(y_pred, k)[1], shape_of(y_pred)[-1])
    return ops.where(ops.greater(ops.sum(places, axis=-2), 0), y_pred, _BELOW_ALL)


class _OneCount(_Confusion):
    thresholds: Any = argument(default=None)

    def __post_init__(self) -> None:
        """Create the counters."""
        self._keep([self._condition], parse_thresholds(self.thresholds, 0.5), shown="accumulator")

    _condition = ""

    @property
    def accumulator(self) -> Variable:
        """The counter, of shape (thresholds,)."""
        return self._kept[self._condition]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the counts with a batch."""
        self._count(y_true, y_pred, sample_weight)

    def result(self) -> Any:
        """Return the count, or one per threshold."""
        return self._single(self._values(self._condition)[0])


@keras_class(HOME)
class TruePositives(_OneCount):
    """The number of true positives, per threshold (0.5 by default). Source: keras.metrics.TruePositives."""

    _condition = "true_positives"


@keras_class(HOME)
class FalsePositives(_OneCount):
    """The number of false positives, per threshold (0.5 by default). Source: keras.metrics.FalsePositives."""

    _condition = "false_positives"


@keras_class(HOME)
class TrueNegatives(_OneCount):
    """The number of true negatives, per threshold (0.5 by default). Source: keras.metrics.TrueNegatives."""

    _condition = "true_negatives"


@keras_class(HOME)
class FalseNegatives(_OneCount):
    """The number of false negatives, per threshold (0.5 by default). Source: keras.metrics.FalseNegatives."""

    _condition = "false_negatives"


class _Fraction(_Confusion):
    _direction = "up"
    _rest = ""

    thresholds: Any = argument(default=None)
    top_k: Any = argument(default=None)
    class_id: Any = argument(default=None)

    def __post_init__(self) -> None:
        """Create the counters."""
        cuts = parse_thresholds(self.thresholds, 0.5 if self.top_k is None else _BELOW_ALL)
        self._keep(["true_positives", self._rest], cuts)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the counts with a batch."""
        self._count(y_true, y_pred, sample_weight, self.top_k, self.class_id)

    def result(self) -> Any:
        """Return the fraction, or one per threshold."""
        return self._single(self._rate("true_positives", self._rest))


@keras_class(HOME)
class Precision(_Fraction):
    """True positives / all predicted positives.

    Args:
        thresholds: A threshold, or several; 0.5 by default, or with `top_k` no threshold at all.
        top_k: Count only the k largest predictions of each sample as positive.
        class_id: Count only this class.
        name, dtype: As for `Metric`.

    Raises:
        InvalidArgumentError: A threshold is outside [0, 1].

    Source: keras.metrics.Precision.
    """

    _rest = "false_positives"


@keras_class(HOME)
class Recall(_Fraction):
    """True positives / all actual positives; for the arguments see `Precision`. Source: keras.metrics.Recall."""

    _rest = "false_negatives"


class _BestAt(_Confusion, kw_only=True):
    """Base of metrics that report the best value of one rate where another rate reaches a given value.

    `num_thresholds` evenly spaced thresholds are compared; `class_id` restricts the counts to a class.
    """

    _direction = "up"
    _wanted: tuple[str, str] = ("", "")
    _given: tuple[str, str] = ("", "")

    num_thresholds: int = argument(default=200, check=_positive)
    class_id: Any = argument(default=None)

    def __post_init__(self) -> None:
        """Create the counters."""
        self._value = getattr(self, self.declaration.order[0])
        self._keep(_COUNTS, [0.5] if self.num_thresholds == 1 else even_thresholds(self.num_thresholds, 0.0))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the counts with a batch."""
        self._count(y_true, y_pred, sample_weight, class_id=self.class_id)

    def result(self) -> Any:
        """Return the best rate, or 0 if the given value is never reached."""
        reached = ops.greater_equal(self._rate(*self._given), self._value)
        return ops.max(ops.where(reached, self._rate(*self._wanted), 0.0))


_RECALL = ("true_positives", "false_negatives")
_PRECISION = ("true_positives", "false_positives")
_SPECIFICITY = ("true_negatives", "false_positives")


@keras_class(HOME)
class SensitivityAtSpecificity(_BestAt):
    """The best sensitivity where the specificity reaches `specificity`. Source: keras.metrics.SensitivityAtSpecificity."""

    _wanted, _given = _RECALL, _SPECIFICITY

    argument_order = "specificity num_thresholds class_id name dtype"
    specificity: float = argument(check=_rate_argument)


@keras_class(HOME)
class SpecificityAtSensitivity(_BestAt):
    """The best specificity where the sensitivity reaches `sensitivity`. Source: keras.metrics.SpecificityAtSensitivity."""

    _wanted, _given = _SPECIFICITY, _RECALL

    argument_order = "sensitivity num_thresholds class_id name dtype"
    sensitivity: float = argument(check=_rate_argument)


@keras_class(HOME)
class PrecisionAtRecall(_BestAt):
    """The best precision where the recall reaches `recall`. Source: keras.metrics.PrecisionAtRecall."""

    _wanted, _given = _PRECISION, _RECALL

    argument_order = "recall num_thresholds class_id name dtype"
    recall: float = argument(check=_rate_argument)


@keras_class(HOME)
class RecallAtPrecision(_BestAt):
    """The best recall where the precision reaches `precision`. Source: keras.metrics.RecallAtPrecision."""

    _wanted, _given = _RECALL, _PRECISION

    argument_order = "precision num_thresholds class_id name dtype"
    precision: float = argument(check=_rate_argument)


def _sorted_or_none(thresholds: Any) -> list[float] | None:
    return None if thresholds is None else sorted(float(t) for t in thresholds)


@keras_class(HOME)
class AUC(_Confusion):
    """The area under the ROC or precision-recall curve, approximated by a sum over thresholds.

    Args:
        num_thresholds: The number of evenly spaced thresholds; ignored if `thresholds` is given.
        curve: "ROC", "PR" (precision-recall) or "PRGAIN".
        summation_method: "interpolation", "minoring" (lower bound) or "majoring" (upper bound).
        name, dtype: As for `Metric`.
        thresholds: Thresholds between 0 and 1, instead of evenly spaced ones.
        multi_label: Whether the last axis holds independent labels, whose areas are averaged.
        num_labels: The number of labels; by default that of the first batch.
        label_weights: A weight per label, for the average of the areas, or without `multi_label` for the predictions.
        from_logits: Whether predictions are logits.

    Attributes:
        thresholds: All thresholds, including one below 0 and one above 1.

    Raises:
        InvalidArgumentError: An argument has an invalid value.

    Source: keras.metrics.AUC.
    """

    _direction = "up"
    argument_order = (
        "num_thresholds curve summation_method name dtype thresholds multi_label num_labels label_weights from_logits"
    )
    num_thresholds: int = argument(default=200)
    curve: str = argument(default="ROC")
    summation_method: str = argument(default="interpolation")
    _own_thresholds: Any = argument(default=None, alias="thresholds", convert=_sorted_or_none)
    multi_label: bool = argument(default=False)
    num_labels: Any = argument(default=None)
    label_weights: Any = argument(default=None)
    from_logits: bool = argument(default=False)

    def __post_init__(self) -> None:
        """Check the arguments and create the counters."""
        if self.curve not in ("ROC", "PR", "PRGAIN") or self.summation_method not in _SUMMATIONS:
            raise InvalidArgumentError(
                f"AUC: unknown curve={self.curve!r} or summation_method={self.summation_method!r}."
            )
        if self._own_thresholds is None and self.num_thresholds <= 1:
            raise InvalidArgumentError(
                f"Argument `num_thresholds` must be an integer > 1. Received: num_thresholds={self.num_thresholds}"
            )
        if self.num_labels and not self.multi_label:
            raise InvalidArgumentError("`num_labels` is needed only when `multi_label` is True.")
        if self._own_thresholds is not None:
            self.num_thresholds = len(self._own_thresholds) + 2
        self._kept = {}
        if not self.multi_label or self.num_labels:
            self._build(self.num_labels)

    @property
    def thresholds(self) -> list[float]:
        """All thresholds, in order."""
        fuzz, own = dtypes.epsilon(), self._own_thresholds
        return even_thresholds(self.num_thresholds, fuzz) if own is None else [-fuzz, *own, 1.0 + fuzz]

    def get_config(self) -> dict[str, Any]:
        """Return the config; thresholds only if they were given, without the two outer ones."""
        config = {k: v for k, v in super().get_config().items() if k != "thresholds"}
        return config if self._own_thresholds is None else {**config, "thresholds": self._own_thresholds}

    def _build(self, labels: int | None) -> None:
        self._keep(_COUNTS, self.thresholds, labels if self.multi_label else None)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Update the counts with a batch."""
        if not self._kept:
            self._build(known_shape(y_pred)[1])
        y_pred = ops.sigmoid(y_pred) if self.from_logits else y_pred
        if self.label_weights is not None and not self.multi_label:
            labels = tensor(np.asarray(self.label_weights, self.dtype))
            weight = _spread(labels[None], shape_of(y_pred))
            if sample_weight is not None:
                own = _spread(tensor(tensor(sample_weight), self.dtype), shape_of(y_pred))
                weight = ops.multiply(weight, own)
            sample_weight = weight
        self._count(y_true, y_pred, sample_weight, by_label=self.multi_label)

    def result(self) -> Any:
        """Return the area."""
        if not self._kept:
            return 0.0
        if self.curve == "PR" and self.summation_method == "interpolation":
            return self.interpolate_pr_auc()
        x, y = self._points()
        heights = {
            "interpolation": lambda: ops.true_divide(ops.add(y[:-1], y[1:]), 2.0),
            "minoring": lambda: ops.minimum(y[:-1], y[1:]),
            "majoring": lambda: ops.maximum(y[:-1], y[1:]),
        }[self.summation_method]()
        return self._over_labels(ops.multiply(ops.subtract(x[:-1], x[1:]), heights))

    def _points(self) -> tuple[Any, Any]:
        recall = self._rate(*_RECALL)
        if self.curve == "ROC":
            return self._rate("false_positives", "true_negatives"), recall
        if self.curve == "PR":
            return recall, self._rate(*_PRECISION)
        tp, fp, tn, fn = self._values(*_COUNTS)
        scale, none = ratio(ops.add(tp, fn), ops.add(tn, fp)), ops.equal(tp, 0.0)
        gains = [ops.subtract(1.0, ops.multiply(scale, ratio(part, tp))) for part in (fn, fp)]
        return ops.maximum(ops.where(none, 0.0, gains[0]), 0.0), ops.where(none, 1.0, gains[1])

    def interpolate_pr_auc(self) -> Any:
        """Return the area under the precision-recall curve, with interpolated precision. Source: keras.metrics.AUC."""
        return self._over_labels(self._interpolated())

    def _interpolated(self) -> Any:
        """Interpolate the precision between thresholds as Davis and Goadrich do; returns the area of each interval."""
        tp, fp, fn = self._values("true_positives", "false_positives", "false_negatives")
        p = ops.add(tp, fp)
        gained = ops.subtract(tp[:-1], tp[1:])
        slope = ratio(gained, ops.maximum(ops.subtract(p[:-1], p[1:]), 0.0))
        intercept = ops.subtract(tp[1:], ops.multiply(slope, p[1:]))
        both = ops.logical_and(ops.greater(p[:-1], 0.0), ops.greater(p[1:], 0.0))
        growth = ops.where(both, ratio(p[:-1], ops.maximum(p[1:], 0.0)), 1.0)
        area = ops.multiply(slope, ops.add(gained, ops.multiply(intercept, ops.log(growth))))
        return ratio(area, ops.maximum(ops.add(tp[1:], fn[1:]), 0.0))

    def _over_labels(self, parts: Any) -> Any:
        if not self.multi_label:
            return ops.sum(parts)
        areas = ops.sum(parts, axis=0)
        if self.label_weights is None:
            return ops.mean(areas)
        weights = tensor(np.asarray(self.label_weights, self.dtype))
        return ratio(ops.sum(ops.multiply(areas, weights)), ops.sum(weights))
