"""Normalization over the batch, the layer, groups and singular values."""

from __future__ import annotations

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers, ops
from graphkit.core.errors import ShapeError

RNG = np.random.default_rng(2)


def _randomized(layer: layers.Layer, shape: tuple[int | None, ...]) -> layers.Layer:
    layer.build(shape)
    layer.set_weights([RNG.uniform(0.5, 1.5, w.shape) for w in layer.weights])
    return layer


def test_batch_normalization_uses_moving_statistics_at_inference() -> None:
    layer = _randomized(layers.BatchNormalization(), (None, 3))
    gamma, beta, mean, variance = layer.get_weights()
    x = RNG.normal(size=(5, 3)).astype("float32")

    np.testing.assert_allclose(layer(x), (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, rtol=1e-5, atol=1e-6)


def test_batch_normalization_uses_and_moves_the_statistics_in_training() -> None:
    layer = layers.BatchNormalization(momentum=0.8)
    x = RNG.normal(2, 3, size=(64, 5, 3)).astype("float32")

    y = layer(x, training=True)

    mean, variance = x.mean((0, 1)), x.var((0, 1))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.2 * mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.8 + 0.2 * variance, rtol=1e-4)


def test_frozen_batch_normalization_does_not_move() -> None:
    layer = layers.BatchNormalization(trainable=False)
    x = RNG.normal(size=(8, 3)).astype("float32")

    layer(x, training=True)

    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.zeros(3))


def test_a_mask_takes_steps_out_of_the_statistics() -> None:
    layer = layers.BatchNormalization(momentum=0.0)
    x = RNG.normal(size=(4, 6, 3)).astype("float32")
    mask = RNG.uniform(size=(4, 6)) > 0.4

    layer(x, training=True, mask=mask)

    np.testing.assert_allclose(layer.moving_mean.numpy(), x[mask].mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), x[mask].var(0), rtol=1e-4)


def test_layer_normalization_over_several_axes() -> None:
    layer = _randomized(layers.LayerNormalization(axis=(1, 2)), (None, 4, 3))
    gamma, beta = layer.get_weights()
    x = RNG.normal(size=(5, 4, 3)).astype("float32")
    centred = x - x.mean((1, 2), keepdims=True)

    want = centred / np.sqrt(x.var((1, 2), keepdims=True) + 1e-3) * gamma + beta
    np.testing.assert_allclose(layer(x), want, rtol=1e-4, atol=1e-5)


def test_training_gradients_flow_through_the_statistics() -> None:
    layer = layers.BatchNormalization(scale=False, center=False)
    x = gk.Variable(RNG.normal(size=(6, 2)).astype("float32"))
    weights = RNG.normal(size=(6, 2)).astype("float32")

    _, (gradient,) = gk.value_and_grad(lambda: ops.sum(layer(x, training=True) * weights), [x])()

    np.testing.assert_allclose(gradient.sum(0), 0, atol=1e-4)  # shifting a batch changes nothing


def test_spectral_normalization_brings_the_largest_singular_value_to_one() -> None:
    layer = layers.SpectralNormalization(layers.Dense(4, kernel_initializer="glorot_normal"), power_iterations=50)
    x = RNG.normal(size=(2, 6)).astype("float32")
    layer(x, training=True)

    np.testing.assert_allclose(np.linalg.svd(layer.layer.kernel.numpy())[1][0], 1, rtol=1e-4)
    assert [v.path.split("/", 1)[1] for v in layer.weights] == ["dense/kernel", "vector_u", "dense/bias"]


def test_spectral_normalization_leaves_a_kernel_of_zeros() -> None:
    layer = layers.SpectralNormalization(layers.Dense(4, kernel_initializer="zeros"))
    np.testing.assert_array_equal(layer(np.ones((2, 6), "float32"), training=True), np.zeros((2, 4)))


def test_groups_must_divide_the_channels() -> None:
    with pytest.raises(ShapeError, match="groups of equal size"):
        layers.GroupNormalization(4).build((None, 6))
