"""Models as estimators of scikit-learn, which graphkit does not provide. Source: keras.wrappers."""

from __future__ import annotations

from typing import Any

from graphkit.core.errors import UnsupportedError

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]


class _Estimator:
    """Creating one raises UnsupportedError.

    Args:
        model: A compiled model, or a function that returns one.
        warm_start: Whether fitting again continues the training.
        model_kwargs: Arguments of that function.
        fit_kwargs: Arguments of `fit`.
    """

    def __init__(self, model: Any, warm_start: bool = False, model_kwargs: Any = None, fit_kwargs: Any = None) -> None:
        raise UnsupportedError(
            f"keras.wrappers.{type(self).__name__} makes an estimator of scikit-learn, which graphkit does not provide; train the "
            "model with fit, and call model.predict in a class of your own with the methods fit and predict."
        )


class SKLearnClassifier(_Estimator):
    """A classifier; creating one raises UnsupportedError."""


class SKLearnRegressor(_Estimator):
    """A regressor; creating one raises UnsupportedError."""


class SKLearnTransformer(_Estimator):
    """A transformer; creating one raises UnsupportedError."""
