"""A compiled step marks its variables as changed, so that what was computed from the old values is not reused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, optimizers
from graphkit.engine import compile_program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace

X = np.random.default_rng(0).normal(size=(8, 200)).astype("float32")


def test_a_step_raises_the_versions_of_the_variables_that_it_writes() -> None:
    written, read = graphkit.Variable([1.0], name="written"), graphkit.Variable([2.0], name="read")
    plan = compile_program(trace(lambda x: written.assign_add(x * read), TensorSpec.of(np.ones(1, "float32"))))
    before = written.version, read.version

    plan(np.ones(1, "float32"))
    plan(np.ones(1, "float32"))

    assert (written.version, read.version) == (before[0] + 2, before[1])
    np.testing.assert_array_equal(written.numpy(), [5.0])


@pytest.mark.parametrize("units", [3, 100], ids=["small weights", "a large kernel"])
@pytest.mark.parametrize("way", ["fit", "train_on_batch"])
def test_predict_export_and_calls_see_what_a_training_step_changed(units: int, way: str) -> None:
    model: Any = graphkit.Sequential([graphkit.Input((200,)), layers.Dense(units)])
    model.compile(optimizers.SGD(0.1), "mse")
    y = np.ones((8, units), "float32")
    versions = [w.version for w in model.weights]
    for _ in range(3):
        if way == "fit":
            model.fit(X, y, verbose=0)
        else:
            model.train_on_batch(X, y)
        kernel, bias = model.get_weights()
        np.testing.assert_allclose(model.predict(X, verbose=0), X @ kernel + bias, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(model(X), X @ kernel + bias, rtol=1e-3, atol=1e-4)
    assert all(w.version > v for w, v in zip(model.weights, versions, strict=True))


def test_predict_sees_moving_statistics_that_training_changed() -> None:
    model: Any = graphkit.Sequential([graphkit.Input((200,)), layers.BatchNormalization(momentum=0.5)])
    model.compile(optimizers.SGD(0.0), "mse")
    for _ in range(2):
        model.train_on_batch(X + 5.0, X)
        gamma, beta, mean, variance = model.get_weights()
        wanted = gamma * (X - mean) / np.sqrt(variance + 1e-3) + beta
        np.testing.assert_allclose(model.predict(X, verbose=0), wanted, rtol=1e-3, atol=1e-3)
