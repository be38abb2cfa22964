"""Statistics of dropout and noise layers on large inputs: dropped shares, means, deviations, and what is dropped together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers, ops, random

ONES = np.ones((200, 20, 30), "float32")


def trained(layer: Any, x: Any = ONES) -> Any:
    return np.asarray(layer(x, training=True))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_drops_its_share_and_scales_the_rest(rate: float) -> None:
    made = trained(layers.Dropout(rate, seed=1))

    assert (made == 0).mean() == pytest.approx(rate, abs=0.01)
    np.testing.assert_allclose(made[made != 0], 1 / (1 - rate), rtol=1e-5)


def test_dropout_drops_together_what_its_noise_shape_says() -> None:
    made = trained(layers.Dropout(0.5, noise_shape=(None, 1, 30), seed=1))
    np.testing.assert_array_equal(made, np.broadcast_to(made[:, :1], made.shape))
    assert 0.4 < (made[:, 0] == 0).mean() < 0.6
    assert not (made == made[:1]).all()


@pytest.mark.parametrize(
    ("kind", "shape", "data_format", "axes"),
    [
        ("SpatialDropout1D", (50, 8, 40), None, (1,)),
        ("SpatialDropout2D", (50, 4, 5, 40), "channels_last", (1, 2)),
        ("SpatialDropout2D", (50, 40, 4, 5), "channels_first", (2, 3)),
        ("SpatialDropout3D", (50, 2, 3, 2, 40), "channels_last", (1, 2, 3)),
        ("SpatialDropout3D", (50, 40, 2, 3, 2), "channels_first", (2, 3, 4)),
    ],
)
def test_spatial_dropout_drops_whole_channels(kind: str, shape: Any, data_format: Any, axes: Any) -> None:
    options = {} if data_format is None else {"data_format": data_format}
    made = trained(getattr(layers, kind)(0.25, seed=1, **options), np.ones(shape, "float32"))

    np.testing.assert_array_equal(made.min(axes), made.max(axes))
    channels = made.min(axes)
    assert (channels == 0).mean() == pytest.approx(0.25, abs=0.04)
    np.testing.assert_allclose(channels[channels != 0], 4 / 3, rtol=1e-5)


def test_gaussian_noise_has_its_deviation() -> None:
    made = trained(layers.GaussianNoise(0.3, seed=1)) - 1
    assert made.std() == pytest.approx(0.3, rel=0.02)
    assert abs(made.mean()) < 0.01


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_gaussian_dropout_multiplies_by_noise_of_its_deviation(rate: float) -> None:
    made = trained(layers.GaussianDropout(rate, seed=1), 2 * ONES) / 2
    assert made.mean() == pytest.approx(1, abs=0.02)
    assert made.std() == pytest.approx(np.sqrt(rate / (1 - rate)), rel=0.02)


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_alpha_dropout_keeps_mean_and_deviation(rate: float) -> None:
    x = np.random.default_rng(0).normal(size=(300, 400)).astype("float32")
    made = trained(layers.AlphaDropout(rate, seed=1), x)
    assert made.mean() == pytest.approx(0, abs=0.02)
    assert made.std() == pytest.approx(1, abs=0.02)
    _, counts = np.unique(made, return_counts=True)
    assert counts.max() / made.size == pytest.approx(rate, abs=0.01)  # all dropped ones have one value


@pytest.mark.parametrize("kind", ["Dropout", "GaussianDropout", "AlphaDropout", "GaussianNoise", "SpatialDropout1D"])
def test_nothing_is_disturbed_outside_of_training(kind: str) -> None:
    layer = getattr(layers, kind)(0.5)
    for training in (False, None):
        np.testing.assert_array_equal(layer(ONES, training=training), ONES)
    np.testing.assert_array_equal(layer(ONES), ONES)
    assert not np.array_equal(trained(layer), ONES)
    np.testing.assert_array_equal(trained(getattr(layers, kind)(0.0)), ONES)


def test_each_call_draws_anew_and_a_seed_repeats_them() -> None:
    layer = layers.Dropout(0.5, seed=3)
    first, second = trained(layer), trained(layer)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(trained(layers.Dropout(0.5, seed=3)), first)
    assert not np.array_equal(trained(layers.Dropout(0.5, seed=4)), first)


def test_random_numbers_have_their_statistics() -> None:
    normal = np.asarray(random.normal((300, 300), 2.0, 0.5, seed=1))
    assert (normal.mean(), normal.std()) == (pytest.approx(2, abs=0.01), pytest.approx(0.5, rel=0.02))
    cut = np.asarray(random.truncated_normal((300, 300), 2.0, 0.5, seed=1))
    assert (cut.mean(), cut.std()) == (pytest.approx(2, abs=0.01), pytest.approx(0.44, rel=0.02))
    assert np.abs(cut - 2).max() <= 1.0 + 1e-5
    even = np.asarray(random.uniform((300, 300), 1.0, 4.0, seed=1))
    assert even.min() >= 1
    assert even.max() < 4
    assert even.std() == pytest.approx(3 / np.sqrt(12), rel=0.02)
    whole = np.asarray(random.randint((300, 300), -1, 3, seed=1))
    assert sorted(np.unique(whole)) == [-1, 0, 1, 2]
    dropped = np.asarray(random.dropout(ops.ones((300, 300)), 0.3, seed=1))
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert not np.array_equal(random.normal((4,), seed=1), random.normal((4,), seed=65537))
    generator = random.SeedGenerator(5)
    assert not np.array_equal(random.normal((4,), seed=generator), random.normal((4,), seed=generator))
