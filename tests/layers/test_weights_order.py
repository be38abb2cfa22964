"""The order of `weights`, `trainable_weights` and `non_trainable_weights` does not depend on what is frozen later."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphkit
from graphkit import layers


def names(variables: Any) -> list[str]:
    return [v.path.split("/")[-1] for v in variables]


def places(variables: Any) -> list[str]:
    """Return `layer/weight` for each."""
    return ["/".join(v.path.split("/")[-2:]) for v in variables]


def test_a_variable_that_is_frozen_by_itself_keeps_its_place() -> None:
    dense = layers.Dense(2)
    dense.build((None, 3))
    dense.kernel.trainable = False

    assert names(dense.weights) == ["kernel", "bias"]
    assert names(dense.trainable_weights) == ["bias"]
    assert names(dense.non_trainable_weights) == ["kernel"]
    assert [w.shape for w in dense.get_weights()] == [(3, 2), (2,)]


def test_a_frozen_layer_keeps_the_places_of_its_weights() -> None:
    norm = layers.BatchNormalization()
    norm.build((None, 3))
    norm.trainable = False

    assert names(norm.weights) == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert names(norm.trainable_weights) == []
    assert names(norm.non_trainable_weights) == ["gamma", "beta", "moving_mean", "moving_variance"]


def test_trainable_weights_of_a_layer_come_before_its_others() -> None:
    class Mixed(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.a = self.add_weight(shape=(1,), name="a", trainable=False)
            self.b = self.add_weight(shape=(1,), name="b")
            self.c = self.add_weight(shape=(1,), name="c", trainable=False)

        def call(self, x: Any) -> Any:
            return x + self.a + self.b + self.c

    layer = Mixed()
    layer(np.zeros((1, 1), "float32"))

    assert names(layer.weights) == ["b", "a", "c"]
    layer.c.trainable = True
    assert names(layer.weights) == ["b", "a", "c"]
    assert sorted(names(layer.trainable_weights)) == ["b", "c"]


def test_a_model_lists_the_weights_of_its_layers_in_turn() -> None:
    model: Any = graphkit.Sequential(
        [
            graphkit.Input((3,)),
            layers.Dense(2, name="d"),
            layers.BatchNormalization(name="n"),
            layers.Dense(1, name="e"),
        ]
    )
    model.layers[0].trainable = False

    assert places(model.weights) == [
        "d/kernel", "d/bias", "n/gamma", "n/beta", "n/moving_mean", "n/moving_variance", "e/kernel", "e/bias"
    ]  # fmt: skip
    assert places(model.trainable_weights) == ["n/gamma", "n/beta", "e/kernel", "e/bias"]
    assert places(model.non_trainable_weights) == ["d/kernel", "d/bias", "n/moving_mean", "n/moving_variance"]


def test_setting_weights_goes_by_the_same_order() -> None:
    dense = layers.Dense(2)
    dense.build((None, 2))
    dense.kernel.trainable = False
    dense.set_weights([np.eye(2), np.array([5.0, 6.0])])

    np.testing.assert_array_equal(dense(np.ones((1, 2), "float32")), [[6.0, 7.0]])
