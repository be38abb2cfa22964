"""Models as estimators of scikit-learn."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers
from graphkit.errors import InvalidArgumentError, NotCompiledError


def _model(outputs: int, activation: str | None, loss: str) -> Any:
    model = graphkit.Sequential([graphkit.Input((4,)), layers.Dense(outputs, activation, kernel_initializer="ones")])
    model.compile("sgd", loss)
    return model


@pytest.fixture
def samples() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4))
    return x, np.where(x[:, 0] > 0, "right", "left")


@pytest.fixture
def wrappers() -> Any:
    pytest.importorskip("sklearn")
    from graphkit import wrappers

    return wrappers


def test_without_scikit_learn_an_estimator_names_the_package() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None\nfrom graphkit.wrappers import SKLearnRegressor\n"
        "try: SKLearnRegressor(None)\nexcept ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "pip install scikit-learn" in done.stdout


@pytest.mark.slow
class TestWithScikitLearn:
    def test_a_classifier_predicts_labels(self, wrappers: Any, samples: Any) -> None:
        x, y = samples
        estimator = wrappers.SKLearnClassifier(
            _model(2, "softmax", "categorical_crossentropy"), fit_kwargs={"epochs": 40, "verbose": 0}
        )

        assert estimator.fit(x, y).score(x, y) > 0.9
        assert list(estimator.classes_) == ["left", "right"]
        assert estimator.decision_function(x).shape == (120, 2)
        assert estimator.predict(x[:3]).shape == (3,)

    def test_each_fit_trains_a_copy_of_the_model(self, wrappers: Any, samples: Any) -> None:
        x, _ = samples
        model = _model(1, None, "mse")
        first = wrappers.SKLearnRegressor(model).fit(x, x[:, 0], verbose=0)
        again = wrappers.SKLearnRegressor(model).fit(x, x[:, 0], verbose=0)

        np.testing.assert_array_equal(model.get_weights()[0], np.ones((4, 1)))
        assert first.model_ is not again.model_
        assert first.predict(x).shape == (120,)

    def test_a_warm_start_goes_on(self, wrappers: Any, samples: Any) -> None:
        x, _ = samples
        estimator = wrappers.SKLearnRegressor(_model(1, None, "mse"), warm_start=True, fit_kwargs={"verbose": 0})
        losses = [estimator.fit(x, x[:, 0]).history_.history["loss"][0] for _ in range(3)]

        assert losses[0] > losses[1] > losses[2]

    def test_a_function_gets_the_data_and_its_arguments(self, wrappers: Any, samples: Any) -> None:
        from sklearn.model_selection import cross_val_score

        x, y = samples

        def made(X: Any, y: Any, units: int) -> Any:  # noqa: N803
            model = graphkit.Sequential(
                [graphkit.Input(X.shape[1:]), layers.Dense(units), layers.Dense(y.shape[1], "softmax")]
            )
            model.compile("adam", "categorical_crossentropy")
            return model

        estimator = wrappers.SKLearnClassifier(made, model_kwargs={"units": 3}, fit_kwargs={"verbose": 0, "epochs": 3})

        assert cross_val_score(estimator, x, y, cv=2).shape == (2,)

    def test_a_transformer_is_part_of_a_pipeline(self, wrappers: Any, samples: Any) -> None:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        x, _ = samples
        pipeline = make_pipeline(
            StandardScaler(), wrappers.SKLearnTransformer(_model(2, None, "mse"), fit_kwargs={"verbose": 0})
        )

        assert pipeline.fit(x, x[:, :2]).transform(x).shape == (120, 2)

    def test_what_cannot_be_trained_is_refused(self, wrappers: Any, samples: Any) -> None:
        x, _ = samples
        with pytest.raises(NotCompiledError, match="needs to be compiled"):
            wrappers.SKLearnRegressor(graphkit.Sequential([graphkit.Input((4,)), layers.Dense(1)])).fit(x, x[:, 0])
        classifier = wrappers.SKLearnClassifier(_model(2, "softmax", "categorical_crossentropy"))
        with pytest.raises(InvalidArgumentError, match="only one class"):
            classifier.fit(x, np.zeros(120, int))
        with pytest.raises(InvalidArgumentError, match="Only binary and multiclass"):
            classifier.fit(x, x[:, 0])

    def test_metadata_routing_must_be_enabled(self, wrappers: Any) -> None:
        import sklearn

        estimator = wrappers.SKLearnRegressor(_model(1, None, "mse"))
        with pytest.raises(RuntimeError, match="metadata routing"):
            estimator.set_fit_request(sample_weight=True)
        with sklearn.config_context(enable_metadata_routing=True):
            assert estimator.set_fit_request(sample_weight=True) is estimator
            assert estimator.get_metadata_routing().fit.requests == {"sample_weight": True}
