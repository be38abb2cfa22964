"""clone_model: the same graph, with new layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers, models
from graphkit.errors import InvalidArgumentError, InvalidTypeError

X = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")


def net() -> Any:
    x = layers.Input((4,), name="x")
    shared = layers.Dense(4, name="shared", activation="tanh")
    inner = models.Sequential([layers.Input((4,)), layers.Dense(3)], name="inner")
    return models.Model(x, inner(shared(shared(x)) * 2.0), name="net")


def test_a_clone_has_the_graph_and_new_weights() -> None:
    model = net()
    clone: Any = models.clone_model(model)

    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert set(clone.graph.nodes) == set(model.graph.nodes)
    assert not any(a is b for a, b in zip(clone.layers, model.layers, strict=True))
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(X), model(X))


def test_a_sequential_stays_one() -> None:
    clone = models.clone_model(models.Sequential([layers.Input((4,)), layers.Dense(3)]))

    assert isinstance(clone, models.Sequential)
    assert clone(X).shape == (2, 3)


def test_a_lambda_keeps_its_function() -> None:
    x = layers.Input((4,))
    model: Any = models.Model(x, layers.Lambda(lambda t, k: t * k, arguments={"k": 3.0})(x))

    np.testing.assert_array_equal(models.clone_model(model)(X), 3 * X)


def test_a_function_makes_the_copies() -> None:
    def wider(layer: Any) -> Any:
        return layers.Dense(7, name=layer.name) if layer.name == "head" else type(layer).from_config(layer.get_config())

    x = layers.Input((4,))
    model = models.Model(x, layers.Dense(2, name="head")(x))

    assert models.clone_model(model, clone_function=wider)(X).shape == (2, 7)


def test_a_clone_on_other_tensors() -> None:
    y = layers.Input((4,), name="y")
    clone: Any = models.clone_model(net(), input_tensors=y * 1.0)

    assert clone(X).shape == (2, 3)


def test_other_things_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match="expects a model, got Dense"):
        models.clone_model(layers.Dense(2))
    with pytest.raises(InvalidArgumentError, match=r"same structure as model.input. Expected: .* of 1 inputs"):
        models.clone_model(net(), input_tensors=[layers.Input((4,)), layers.Input((4,))])
