"""Models as estimators of scikit-learn, which must be installed. Source: keras.wrappers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphkit.core.errors import GraphKitError, InvalidArgumentError, MissingPackageError, NotCompiledError
from graphkit.models import Model, clone_model

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
except ImportError:  # the classes are there, so that they can be imported, and refuse to be created

    class BaseEstimator:  # type: ignore[no-redef]
        """Takes the place of scikit-learn's base class."""

    class ClassifierMixin:  # type: ignore[no-redef]
        """Takes the place of scikit-learn's class."""

    RegressorMixin = TransformerMixin = ClassifierMixin

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]


class MetadataRoutingError(GraphKitError, RuntimeError):
    """scikit-learn's metadata routing is not enabled."""


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """The part that the estimators share. A model is trained by `fit`, on a copy unless `warm_start` is set."""

    def __init__(
        self,
        model: Model | Callable[..., Model],
        warm_start: bool = False,
        model_kwargs: Mapping[str, Any] | None = None,
        fit_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        if BaseEstimator.__module__ == __name__:
            raise MissingPackageError(
                f"{type(self).__name__} requires scikit-learn. Install it with `pip install scikit-learn`."
            )
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        for part in (tags.classifier_tags, tags.regressor_tags):
            if part is not None:
                part.poor_score = True
        return tags

    def __sklearn_clone__(self) -> Any:
        """Return an estimator that is not fitted; a model is copied with its weights."""
        model = copy.deepcopy(self.model) if isinstance(self.model, Model) else self.model
        return type(self)(model, self.warm_start, self.model_kwargs, self.fit_kwargs)

    @property
    def epoch_(self) -> Any:
        """The epochs of the last `fit`."""
        return self.history_.epoch if hasattr(self, "history_") else 0

    def _new_model(self, X: Any, y: Any) -> Model:  # noqa: N803 - scikit-learn's name
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if not isinstance(self.model, Model):
            model = self.model(X=X, y=y, **(self.model_kwargs or {}))
        elif self.warm_start:
            model = self.model
        else:
            model = clone_model(self.model)
            if self.model.compiled:
                model.compile_from_config(self.model.get_compile_config())
        if not model.compiled or not model.loss or not model.optimizer:
            raise NotCompiledError("Given model needs to be compiled, and have a loss and an optimizer.")
        return model

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:  # noqa: N803
        """Train the model.

        Args:
            X: (samples, features).
            y: (samples,) or (samples, outputs).
            **kwargs: Arguments of the model's `fit`, which override `fit_kwargs`.

        Raises:
            NotCompiledError: The model is not compiled.
        """
        from sklearn.utils.validation import validate_data

        samples, targets = validate_data(self, X, y, multi_output=True)
        targets = self._encoded(targets)
        model = self._new_model(samples, targets)
        self.history_ = model.fit(samples, targets, **{**(self.fit_kwargs or {}), **kwargs})
        self.model_ = model
        return self

    def set_fit_request(self, **kwargs: Any) -> Any:
        """Request metadata of `fit` in pipelines; see scikit-learn's metadata routing, which must be enabled.

        Args:
            **kwargs: For each parameter of `fit`: True, False, None or another name.

        Raises:
            RuntimeError: Metadata routing is not enabled.
        """
        import sklearn
        from sklearn.utils.metadata_routing import MetadataRequest

        if not sklearn.get_config().get("enable_metadata_routing"):
            raise MetadataRoutingError(
                "This method is only available when metadata routing is enabled. You can enable it using "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        self._metadata_request = MetadataRequest(owner=type(self).__name__)
        for parameter, alias in kwargs.items():
            self._metadata_request.fit.add_request(param=parameter, alias=alias)
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Return the outputs of the model."""
        return self._outputs(X)

    def _outputs(self, X: Any) -> Any:  # noqa: N803
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self, "model_")
        return self.model_.predict(validate_data(self, X, reset=False))

    def _encoded(self, y: Any) -> Any:
        """Return the targets as the model learns them: with an axis of outputs."""
        from sklearn.utils.multiclass import type_of_target

        type_of_target(y, raise_unknown=True)
        self._ndim = y.ndim
        return y.reshape(len(y), -1)


class SKLearnClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A classifier. The model has one output per class; targets are one-hot encoded.

    Args:
        model: A compiled model, of which each `fit` trains a copy; or a function `(X, y, **model_kwargs)` that returns one.
        warm_start: Whether `fit` continues with the model of the last `fit`.
        model_kwargs: Arguments of the function `model`.
        fit_kwargs: Arguments of the model's `fit`.

    Attributes:
        model_: The fitted model.
        history_: The History of the last `fit`.
        classes_: The labels, in the order of the outputs.

    Raises:
        MissingPackageError: scikit-learn is not installed.

    Source: keras.wrappers.SKLearnClassifier.
    """

    def _encoded(self, y: Any) -> Any:
        from sklearn.utils.multiclass import type_of_target

        kind = type_of_target(y, raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise InvalidArgumentError(f"Only binary and multiclass target types are supported. Target type: {kind}")
        column = super()._encoded(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) == 1:
            raise InvalidArgumentError("Classifier can't train when only one class is present.")
        return (column == self.classes_).astype("float64")

    def decision_function(self, X: Any) -> Any:  # noqa: N803
        """Return the outputs of the model, one per class."""
        return self._outputs(X)

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Return the class of each sample."""
        classes = self.classes_[np.argmax(self._outputs(X), axis=1)]
        return classes if self._ndim == 1 else classes[:, None]


class SKLearnRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A regressor.

    Args:
        model: A compiled model, of which each `fit` trains a copy; or a function `(X, y, **model_kwargs)` that returns one.
        warm_start: Whether `fit` continues with the model of the last `fit`.
        model_kwargs: Arguments of the function `model`.
        fit_kwargs: Arguments of the model's `fit`.

    Attributes:
        model_: The fitted model.
        history_: The History of the last `fit`.

    Raises:
        MissingPackageError: scikit-learn is not installed.

    Source: keras.wrappers.SKLearnRegressor.
    """

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Return the prediction for each sample, in the shape of the targets."""
        made = self._outputs(X)
        return made[:, 0] if self._ndim == 1 and made.ndim == 2 and made.shape[1] == 1 else made


class SKLearnTransformer(TransformerMixin, _Estimator):  # type: ignore[misc]
    """A transformer, in the sense of scikit-learn: the outputs of the model are new features.

    Args:
        model: A compiled model, of which each `fit` trains a copy; or a function `(X, y, **model_kwargs)` that returns one.
        warm_start: Whether `fit` continues with the model of the last `fit`.
        model_kwargs: Arguments of the function `model`.
        fit_kwargs: Arguments of the model's `fit`.

    Attributes:
        model_: The fitted model.
        history_: The History of the last `fit`.

    Raises:
        MissingPackageError: scikit-learn is not installed.

    Source: keras.wrappers.SKLearnTransformer.
    """

    def transform(self, X: Any) -> Any:  # noqa: N803
        """Return the outputs of the model."""
        return self._outputs(X)
