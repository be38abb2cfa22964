"""Metrics, by Keras' names. Source: keras.metrics (Keras 3)."""

from __future__ import annotations

from typing import Any

from graphkit.core.names import to_snake_case
from graphkit.core.serialization import classes_of, custom_object, custom_object_scope, resolve
from graphkit.core.serialization import serialize as _serialize
from graphkit.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)  # fmt: skip
from graphkit.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)  # fmt: skip
from graphkit.metrics.confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)  # fmt: skip
from graphkit.metrics.means import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)  # fmt: skip
from graphkit.metrics.metric import Mean, MeanMetricWrapper, Metric, Sum
from graphkit.metrics.scores import (
    BinaryIoU,
    ConcordanceCorrelation,
    F1Score,
    FBetaScore,
    IoU,
    MeanIoU,
    OneHotIoU,
    OneHotMeanIoU,
    PearsonCorrelation,
    R2Score,
    concordance_correlation,
    pearson_correlation,
)  # fmt: skip

# fmt: off
__all__ = [
    "AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU", "CategoricalAccuracy",
    "CategoricalCrossentropy", "CategoricalHinge", "ConcordanceCorrelation", "CosineSimilarity", "F1Score",
    "FBetaScore", "FalseNegatives", "FalsePositives", "Hinge", "IoU", "KLDivergence", "LogCoshError", "Mean",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU", "MeanMetricWrapper", "MeanSquaredError",
    "MeanSquaredLogarithmicError", "Metric", "OneHotIoU", "OneHotMeanIoU", "PearsonCorrelation", "Poisson",
    "Precision", "PrecisionAtRecall", "R2Score", "Recall", "RecallAtPrecision", "RootMeanSquaredError",
    "SensitivityAtSpecificity", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy", "SpecificityAtSensitivity", "SquaredHinge", "Sum", "TopKCategoricalAccuracy",
    "TrueNegatives", "TruePositives", "binary_accuracy", "binary_crossentropy", "binary_focal_crossentropy",
    "categorical_accuracy", "categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge",
    "concordance_correlation", "deserialize", "get", "hinge", "huber", "kl_divergence", "log_cosh",
    "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "pearson_correlation", "poisson", "serialize",
    "sparse_categorical_accuracy", "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy",
    "squared_hinge", "top_k_categorical_accuracy",
]
# fmt: on

_SHORT: dict[str, type[Metric]] = {
    "bce": BinaryCrossentropy, "mse": MeanSquaredError, "mae": MeanAbsoluteError, "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError, "rmse": RootMeanSquaredError, "kld": KLDivergence,
    "kullback_leibler_divergence": KLDivergence, "logcosh": LogCoshError, "log_cosh": LogCoshError,
    "cosine_proximity": CosineSimilarity, "cosine": CosineSimilarity,
}  # fmt: skip


def get(identifier: Any) -> Any:
    """Return a metric (object or function) for a name, config, class, function or object; None stays None.

    Raises:
        UnknownClassError: The name is unknown.
        InvalidArgumentError: `identifier` is of an unsupported type.

    Source: keras.metrics.get.
    """
    if isinstance(identifier, str):
        found = custom_object(identifier)
        cls = _SHORT.get(identifier.lower()) or _by_snake_case().get(identifier.lower())
        if found is None and cls is not None:
            return cls()
    return resolve(identifier, "keras.metrics", "metric", _SHORT)


def _by_snake_case() -> dict[str, Any]:
    return {to_snake_case(name): cls for name, cls in classes_of("keras.metrics").items()}


def serialize(metric: Any) -> Any:
    """Return a metric as JSON data."""
    return _serialize(metric)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """Return a metric for its config or name; see `get`."""
    with custom_object_scope(custom_objects):
        return get(config)
