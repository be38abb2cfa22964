"""A session is replaced when weights, attributes or layers of its model change, and only then."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphkit
from graphkit import layers
from graphkit.runtime import session_for

X = np.array([[1.0, -2.0], [3.0, 0.5]], "float32")


def model() -> Any:
    return graphkit.Sequential([graphkit.Input((2,)), layers.Dense(2, kernel_initializer="identity", name="d")])


def test_predict_follows_a_changed_activation() -> None:
    made = model()
    np.testing.assert_allclose(made.predict(X, verbose=0), X)
    made.get_layer("d").activation = graphkit.activations.relu
    np.testing.assert_allclose(made.predict(X, verbose=0), np.maximum(X, 0))
    made.get_layer("d").activation = graphkit.activations.tanh
    np.testing.assert_allclose(made.predict(X, verbose=0), np.tanh(X), rtol=1e-5)


def test_predict_follows_weights_that_are_set_assigned_and_trained() -> None:
    made = model()
    made.predict(X, verbose=0)
    made.set_weights([2 * np.eye(2), np.zeros(2)])
    np.testing.assert_allclose(made.predict(X, verbose=0), 2 * X)
    made.get_layer("d").bias.assign([1.0, 2.0])
    np.testing.assert_allclose(made.predict(X, verbose=0), 2 * X + [1, 2])
    made.compile("sgd", "mse")
    made.train_on_batch(X, X)
    kernel, bias = made.get_weights()
    np.testing.assert_allclose(made.predict(X, verbose=0), X @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_predict_follows_layers_that_are_added_and_popped() -> None:
    made = model()
    made.predict(X, verbose=0)
    made.add(layers.Rescaling(3.0))
    np.testing.assert_allclose(made.predict(X, verbose=0), 3 * X)
    made.pop()
    np.testing.assert_allclose(made.predict(X, verbose=0), X)


def test_an_unchanged_model_keeps_its_session_and_another_request_has_its_own() -> None:
    made = model()
    first = session_for(made)
    assert session_for(made) is first
    assert session_for(made, providers="CPU") is not first
    assert session_for(made, threads=1) is not first
    assert session_for(model()) is not first
