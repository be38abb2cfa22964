"""Losses, by Keras' names: classes that reduce over a batch, and functions that return a value per sample. Source: keras.losses.

Unless stated otherwise, a function takes `y_true` and `y_pred` of shape (batch, ..., features) and returns (batch, ...). The
target is cast to the output's dtype, or to `floatx()` if that is not a float.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.core.serialization import custom_object, resolve
from graphkit.core.serialization import serialize as _serialize
from graphkit.losses.hinge import CategoricalHinge, Hinge, SquaredHinge, categorical_hinge, hinge, squared_hinge
from graphkit.losses.loss import Loss, LossFunctionWrapper
from graphkit.losses.probabilistic import (
    CTC,
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_generalized_cross_entropy,
    ctc,
    kl_divergence,
    poisson,
    sparse_categorical_crossentropy,
)  # fmt: skip
from graphkit.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
)  # fmt: skip
from graphkit.losses.segmentation import Circle, Dice, Tversky, circle, dice, tversky

# fmt: off
__all__ = [
    "CTC",
    "KLD",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "Circle",
    "CosineSimilarity",
    "Dice",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "Tversky",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "kld",
    "kullback_leibler_divergence",
    "log_cosh",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]
# fmt: on

mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence = kl_divergence
logcosh = log_cosh

_OWN: tuple[Callable[..., Any], ...] = (
    binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy, categorical_focal_crossentropy,
    categorical_generalized_cross_entropy, categorical_hinge, circle, cosine_similarity, ctc, dice, hinge, huber, kl_divergence,
    log_cosh, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error, poisson,
    sparse_categorical_crossentropy, squared_hinge, tversky,
)  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f.__name__: f for f in _OWN},
    "bce": binary_crossentropy, "BCE": binary_crossentropy, "kld": kl_divergence, "KLD": kl_divergence,
    "kullback_leibler_divergence": kl_divergence, "logcosh": log_cosh, "cosine_proximity": cosine_similarity,
    "cosine": cosine_similarity, "huber_loss": huber,
    "mse": mse, "MSE": mse, "mae": mae, "MAE": mae, "mape": mape, "MAPE": mape, "msle": msle, "MSLE": msle,
}  # fmt: skip


def get(identifier: Any) -> Any:
    """Return a loss (object or function) for a name, config, class, function or object; None stays None.

    Raises:
        UnknownClassError: The name is unknown.
        InvalidArgumentError: `identifier` is of an unsupported type.

    Source: keras.losses.get.
    """
    if isinstance(identifier, str):
        return (
            custom_object(identifier)
            or FUNCTIONS.get(identifier)
            or resolve(identifier, "keras.losses", "loss", FUNCTIONS)
        )
    if (
        isinstance(identifier, dict)
        and identifier.get("class_name") == "function"
        and identifier.get("config") in FUNCTIONS
    ):
        return FUNCTIONS[identifier["config"]]
    return resolve(identifier, "keras.losses", "loss", FUNCTIONS)


def serialize(loss: Any) -> Any:
    """Return a loss as JSON data: the name of a built-in function, else the envelope."""
    if callable(loss) and getattr(loss, "__name__", "") in FUNCTIONS and not isinstance(loss, Loss):
        return loss.__name__
    return _serialize(loss)


def deserialize(name: Any, custom_objects: Any = None) -> Any:
    """Return a loss for its config or name; see `get`."""
    from graphkit.core.serialization import custom_object_scope

    with custom_object_scope(custom_objects):
        return get(name)
