"""Metrics that are means of losses, and the root mean squared error. Source: keras.metrics (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit import losses, ops
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.losses.loss import same_rank
from graphkit.losses.probabilistic import ignored_mask
from graphkit.losses.regression import _cosine
from graphkit.metrics.metric import HOME, FunctionMetric, Mean
from graphkit.ops._convert import tensor


@keras_class(HOME)
class MeanSquaredError(FunctionMetric):
    """Mean of squared errors. Source: keras.metrics.MeanSquaredError."""

    function, default_name = staticmethod(losses.mean_squared_error), "mean_squared_error"


@keras_class(HOME)
class MeanAbsoluteError(FunctionMetric):
    """Mean of absolute errors. Source: keras.metrics.MeanAbsoluteError."""

    function, default_name = staticmethod(losses.mean_absolute_error), "mean_absolute_error"


@keras_class(HOME)
class MeanAbsolutePercentageError(FunctionMetric):
    """Mean of percentage errors. Source: keras.metrics.MeanAbsolutePercentageError."""

    function, default_name = staticmethod(losses.mean_absolute_percentage_error), "mean_absolute_percentage_error"


@keras_class(HOME)
class MeanSquaredLogarithmicError(FunctionMetric):
    """Mean of squared logarithmic errors. Source: keras.metrics.MeanSquaredLogarithmicError."""

    function, default_name = staticmethod(losses.mean_squared_logarithmic_error), "mean_squared_logarithmic_error"


@keras_class(HOME)
class LogCoshError(FunctionMetric):
    """Mean of log(cosh(error)). Source: keras.metrics.LogCoshError."""

    function, default_name = staticmethod(losses.log_cosh), "logcosh"


@keras_class(HOME)
class KLDivergence(FunctionMetric):
    """Mean Kullback-Leibler divergence. Source: keras.metrics.KLDivergence."""

    function, default_name = staticmethod(losses.kl_divergence), "kl_divergence"


@keras_class(HOME)
class Poisson(FunctionMetric):
    """Mean Poisson loss. Source: keras.metrics.Poisson."""

    function, default_name = staticmethod(losses.poisson), "poisson"


@keras_class(HOME)
class Hinge(FunctionMetric):
    """Mean hinge loss. Source: keras.metrics.Hinge."""

    function, default_name = staticmethod(losses.hinge), "hinge"


@keras_class(HOME)
class SquaredHinge(FunctionMetric):
    """Mean squared hinge loss. Source: keras.metrics.SquaredHinge."""

    function, default_name = staticmethod(losses.squared_hinge), "squared_hinge"


@keras_class(HOME)
class CategoricalHinge(FunctionMetric):
    """Mean categorical hinge loss. Source: keras.metrics.CategoricalHinge."""

    function, default_name = staticmethod(losses.categorical_hinge), "categorical_hinge"


@keras_class(HOME)
class CosineSimilarity(FunctionMetric):
    """Mean cosine of the angle between both, along `axis`. Source: keras.metrics.CosineSimilarity."""

    _direction = "up"
    function, default_name = staticmethod(_cosine), "cosine_similarity"

    axis: int = argument(default=-1)


@keras_class(HOME)
class BinaryCrossentropy(FunctionMetric):
    """Mean binary cross-entropy. Source: keras.metrics.BinaryCrossentropy."""

    function, default_name = staticmethod(losses.binary_crossentropy), "binary_crossentropy"

    from_logits: bool = argument(default=False)
    label_smoothing: float = argument(default=0)


@keras_class(HOME)
class CategoricalCrossentropy(FunctionMetric):
    """Mean categorical cross-entropy. Source: keras.metrics.CategoricalCrossentropy."""

    function, default_name = staticmethod(losses.categorical_crossentropy), "categorical_crossentropy"

    from_logits: bool = argument(default=False)
    label_smoothing: float = argument(default=0)
    axis: int = argument(default=-1)


@keras_class(HOME)
class SparseCategoricalCrossentropy(FunctionMetric):
    """Mean sparse categorical cross-entropy. Source: keras.metrics.SparseCategoricalCrossentropy."""

    function, default_name = staticmethod(losses.sparse_categorical_crossentropy), "sparse_categorical_crossentropy"

    from_logits: bool = argument(default=False)
    ignore_class: Any = argument(default=None)
    axis: int = argument(default=-1)

    def own_mask(self, y_true: Any, values: Any) -> Any:
        """Samples of the class to ignore do not count."""
        return ignored_mask(y_true, values, self.ignore_class)


@keras_class(HOME)
class RootMeanSquaredError(Mean):
    """The root of the mean of squared errors. Source: keras.metrics.RootMeanSquaredError."""

    _direction = "down"
    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Add a batch."""
        y_true, y_pred = same_rank(tensor(tensor(y_true), self.dtype), tensor(tensor(y_pred), self.dtype))
        super().update_state(ops.square(ops.subtract(y_pred, y_true)), sample_weight)

    def result(self) -> Any:
        """The root of the mean."""
        return ops.sqrt(super().result())
