"""Normalisations: what they make of the numbers, and their statistics over long axes."""

from __future__ import annotations

import numpy as np
import pytest

import graphkit.ops as ops
from graphkit.errors import InvalidArgumentError, ShapeError
from graphkit.ops import batch_normalization_training

R = np.random.Generator(np.random.Philox(9))


@pytest.mark.parametrize(("shape", "axis"), [((6, 5, 4, 3), 3), ((6, 5, 4, 3), 1), ((7, 3), 1), ((8, 3), -1)])
def test_a_batch_normalised_by_itself_has_mean_offset_and_deviation_scale(shape: tuple[int, ...], axis: int) -> None:
    x = R.standard_normal(shape) * 3 + 2
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    channels = shape[axis]
    scale, offset = R.uniform(1, 2, channels), R.standard_normal(channels)
    y, mean, variance = batch_normalization_training(x, axis, offset=offset, scale=scale, epsilon=1e-12)
    np.testing.assert_allclose(mean, x.mean(others))
    np.testing.assert_allclose(variance, x.var(others))
    np.testing.assert_allclose(y.mean(others), offset, atol=1e-9)
    np.testing.assert_allclose(y.std(others), scale, rtol=1e-9)


def test_it_is_what_moments_and_batch_normalization_give() -> None:
    x = R.standard_normal((4, 5, 3)).astype(np.float32)
    mean, variance = ops.moments(x, axes=(0, 1))
    wanted = ops.batch_normalization(x, mean, variance, axis=2)
    np.testing.assert_allclose(batch_normalization_training(x, 2)[0], wanted, atol=1e-5)


def test_statistics_of_many_float32_numbers_keep_their_digits() -> None:
    x = (R.standard_normal((200_000, 3)) + 100).astype(np.float32)
    _, mean, variance = batch_normalization_training(x, 1)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(0), rtol=1e-6)
    np.testing.assert_allclose(variance, x.astype(np.float64).var(0), rtol=1e-5)


def test_statistics_that_do_not_fit_the_channels_are_named() -> None:
    with pytest.raises(
        ShapeError, match=r"variance must have shape \(3,\), one value for each channel of axis 1 .*got \(2,\)"
    ):
        ops.batch_normalization(np.zeros((2, 3)), np.zeros(3), np.ones(2), axis=1)


@pytest.mark.parametrize("axis", [-1, (1, 2), 1, (0, 2)])
def test_layer_normalization_over_any_axes(axis: int | tuple[int, ...]) -> None:
    x = R.standard_normal((3, 4, 5)) * 2 + 1
    y = ops.layer_normalization(x, axis=axis, epsilon=1e-12)
    np.testing.assert_allclose(y.mean(axis), 0, atol=1e-9)
    np.testing.assert_allclose(y.std(axis), 1, rtol=1e-9)


def test_gain_and_shift_of_a_middle_axis_are_broadcast() -> None:
    x, gamma, beta = R.standard_normal((3, 4, 5)), R.uniform(1, 2, 4), R.standard_normal(4)
    plain = ops.layer_normalization(x, axis=1)
    found = ops.layer_normalization(x, gamma, beta, axis=1)
    np.testing.assert_allclose(found, plain * gamma[:, None] + beta[:, None])


def test_rms_normalization_divides_by_the_root_mean_square() -> None:
    x, scale = R.standard_normal((3, 4)), R.uniform(1, 2, 4)
    np.testing.assert_allclose(
        ops.rms_normalization(x, scale), x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-7) * scale
    )


def test_halves_are_normalised_in_float32() -> None:
    x = np.full((1, 1000), 60000, np.float16)
    x[0, ::2] = -60000
    y = ops.layer_normalization(x)
    assert y.dtype == np.float16
    np.testing.assert_allclose(np.abs(y), 1, rtol=1e-3)


def test_normalize_by_a_norm() -> None:
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(ops.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(ops.normalize(x, order=1), [[3 / 7, 4 / 7], [0, 0]])
    with pytest.raises(InvalidArgumentError, match="order must be an int of at least 1, got 0"):
        ops.normalize(x, order=0)
