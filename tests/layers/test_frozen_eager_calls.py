"""Setting `trainable` affects calls on arrays at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers

X = np.array([[1.0], [3.0]], "float32")


def alone() -> Any:
    return layers.BatchNormalization(epsilon=1e-7)


def in_a_model() -> Any:
    return graphkit.Sequential([graphkit.Input((1,)), alone()])


def nested() -> Any:
    return graphkit.Sequential([graphkit.Input((1,)), graphkit.Sequential([alone()])])


@pytest.mark.parametrize("made", [alone, in_a_model, nested])
def test_batch_normalization_in_training_uses_the_batch_unless_frozen(made: Callable[[], Any]) -> None:
    layer = made()
    by_batch, by_moving = [[-1.0], [1.0]], X

    np.testing.assert_allclose(layer(X, training=True), by_batch, rtol=1e-5)
    moved = [w.copy() for w in layer.get_weights()]
    layer.set_weights([np.ones(1), np.zeros(1), np.zeros(1), np.ones(1)])
    layer.trainable = False
    np.testing.assert_allclose(layer(X, training=True), by_moving, rtol=1e-5)
    np.testing.assert_array_equal(layer.get_weights()[2], [0.0])
    layer.trainable = True
    np.testing.assert_allclose(layer(X, training=True), by_batch, rtol=1e-5)
    for found, wanted in zip(layer.get_weights(), moved, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_moving_statistics_move_by_the_momentum() -> None:
    layer = layers.BatchNormalization(momentum=0.75)
    layer(X, training=True)

    np.testing.assert_allclose(layer.moving_mean.numpy(), [0.5], rtol=1e-6)  # 0.75 * 0 + 0.25 * 2
    np.testing.assert_allclose(layer.moving_variance.numpy(), [1.0], rtol=1e-6)  # 0.75 * 1 + 0.25 * 1
    layer(X)
    np.testing.assert_allclose(layer.moving_mean.numpy(), [0.5], rtol=1e-6)
