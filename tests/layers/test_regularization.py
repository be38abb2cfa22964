"""Noise layers: no effect at inference, correct statistics in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers
from graphkit.core.errors import InvalidArgumentError

ONES = np.ones((200, 10, 20), "float32")
NOISE = [
    layers.GaussianNoise(0.5, seed=1), layers.GaussianDropout(0.2, seed=1), layers.AlphaDropout(0.2, seed=1),
    layers.SpatialDropout1D(0.2, seed=1),
]  # fmt: skip


@pytest.mark.parametrize("layer", NOISE, ids=lambda layer: type(layer).__name__)
def test_nothing_happens_at_inference(layer: Any) -> None:
    np.testing.assert_array_equal(layer(ONES), ONES)
    np.testing.assert_array_equal(layer(ONES, training=False), ONES)


def _moments(layer: Any, x: Any) -> tuple[float, float]:
    made = np.asarray(layer(x, training=True), "float64")
    return float(made.mean()), float(made.std())


def test_gaussian_noise_is_added() -> None:
    assert _moments(layers.GaussianNoise(0.5, seed=1), ONES) == pytest.approx((1.0, 0.5), abs=0.01)


def test_gaussian_dropout_multiplies() -> None:
    assert _moments(layers.GaussianDropout(0.2, seed=1), 3 * ONES) == pytest.approx((3.0, 1.5), abs=0.03)


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    x = np.random.default_rng(0).normal(size=ONES.shape).astype("float32")
    assert _moments(layers.AlphaDropout(0.3, seed=1), x) == pytest.approx((0.0, 1.0), abs=0.02)


@pytest.mark.parametrize(
    ("layer", "shape", "same"),
    [
        (layers.SpatialDropout1D(0.5, seed=2), (8, 5, 16), (1,)),
        (layers.SpatialDropout2D(0.5, seed=2), (8, 3, 4, 16), (1, 2)),
        (layers.SpatialDropout2D(0.5, data_format="channels_first", seed=2), (8, 16, 3, 4), (2, 3)),
        (layers.SpatialDropout3D(0.5, seed=2), (8, 2, 3, 2, 16), (1, 2, 3)),
    ],
)
def test_spatial_dropout_takes_whole_maps(layer: Any, shape: tuple[int, ...], same: tuple[int, ...]) -> None:
    made = np.asarray(layer(np.ones(shape, "float32"), training=True))
    maps = made.max(same)
    np.testing.assert_array_equal(maps, made.min(same))
    assert set(np.unique(maps)) == {0.0, 2.0}


def test_the_config_of_spatial_dropout_is_keras_short_one() -> None:
    layer = layers.SpatialDropout2D(0.5, name="maps")
    config = {"rate": 0.5, "seed": None, "name": "maps", "dtype": "float32", "data_format": "channels_last"}
    assert layer.get_config() == config
    assert layers.SpatialDropout2D.from_config(config).get_config() == config


@pytest.mark.parametrize(
    "make", [lambda: layers.GaussianNoise(2.0), lambda: layers.AlphaDropout(-0.1), lambda: layers.SpatialDropout1D(3)]
)
def test_rates_outside_of_0_to_1_are_refused(make: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="between 0 and 1"):
        make()
