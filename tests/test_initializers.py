"""What initializers draw: means, standard deviations, limits, and the role of seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from graphkit import initializers
from graphkit.core.seeds import set_session_seed
from tests.signatures import differing

SHAPES = {  # shape -> inputs and outputs of one unit
    (300, 200): (300, 200),
    (3, 3, 20, 60): (180, 540),
    (5, 40, 30): (200, 150),
    (40_000,): (40_000, 40_000),
}
CUT = 0.8796256610342398  # the standard deviation of a standard normal truncated at two standard deviations
SCALED = {  # class -> scale, its divisor (of inputs, outputs), distribution
    "GlorotUniform": (1, lambda i, o: (i + o) / 2, "uniform"),
    "GlorotNormal": (1, lambda i, o: (i + o) / 2, "truncated"),
    "HeUniform": (2, lambda i, o: i, "uniform"),
    "HeNormal": (2, lambda i, o: i, "truncated"),
    "LecunUniform": (1, lambda i, o: i, "uniform"),
    "LecunNormal": (1, lambda i, o: i, "truncated"),
}
VARIANCES = {
    "fan_in": lambda i, o: i,
    "fan_out": lambda i, o: o,
    "fan_avg": lambda i, o: (i + o) / 2,
}


def assert_drawn(values: Any, deviation: float, distribution: str, mean: float = 0.0) -> None:
    """Assert that values have this mean and standard deviation, and follow this distribution."""
    values = np.asarray(values, "float64").ravel() - mean
    assert abs(values.mean()) < 5 * deviation / math.sqrt(values.size)
    assert values.std() == pytest.approx(deviation, rel=0.03)
    furthest = {"uniform": math.sqrt(3), "truncated": 2 / CUT, "normal": math.inf}[distribution] * deviation
    assert np.abs(values).max() <= furthest * (1 + 1e-5)
    within = {"uniform": 1 / math.sqrt(3), "truncated": 0.6427, "normal": 0.6827}[distribution]
    assert (np.abs(values) < deviation).mean() == pytest.approx(within, abs=0.015)
    if distribution == "normal":
        assert np.abs(values).max() > 3 * deviation
    else:
        assert np.abs(values).max() > 0.98 * furthest
        assert np.isclose(np.abs(values), furthest, rtol=1e-6, atol=0).mean() < 1e-3  # no values accumulate there


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SCALED)
def test_a_scaled_initializer_has_its_variance_and_distribution(name: str, shape: tuple[int, ...]) -> None:
    scale, divisor, distribution = SCALED[name]
    deviation = math.sqrt(scale / divisor(*SHAPES[shape]))

    assert_drawn(getattr(initializers, name)(seed=1)(shape), deviation, distribution)


@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform", "normal"])
@pytest.mark.parametrize("mode", VARIANCES)
def test_variance_scaling_divides_by_what_the_mode_says(mode: str, distribution: str) -> None:
    shape = (300, 200)
    drawn = initializers.VarianceScaling(3.0, mode, distribution, seed=2)(shape)

    deviation = math.sqrt(3 / VARIANCES[mode](*shape))
    kind = {"truncated_normal": "truncated", "normal": "truncated", "untruncated_normal": "normal"}
    assert_drawn(drawn, deviation, kind.get(distribution, "uniform"))


def test_variance_scaling_may_be_told_its_axes() -> None:
    drawn = initializers.VarianceScaling(1.0, "fan_in", "uniform", seed=3, input_axes=[0, 1], output_axes=[2])(
        (30, 20, 50)
    )
    assert_drawn(drawn, math.sqrt(1 / 600), "uniform")


def test_variance_scaling_of_few_inputs_does_not_divide_by_less_than_one() -> None:
    assert initializers.VarianceScaling(1.0, "fan_in", "uniform", seed=3)(()) == pytest.approx(0, abs=math.sqrt(3))


def test_random_normal_has_its_mean_and_deviation() -> None:
    assert_drawn(initializers.RandomNormal(2.0, 0.5, seed=1)((300, 200)), 0.5, "normal", mean=2.0)
    assert_drawn(initializers.RandomNormal(seed=1)((300, 200)), 0.05, "normal")


def test_truncated_normal_has_its_mean_and_deviation_before_the_cut() -> None:
    assert_drawn(initializers.TruncatedNormal(2.0, 0.5, seed=1)((300, 200)), 0.5 * CUT, "truncated", mean=2.0)
    assert_drawn(initializers.TruncatedNormal(seed=1)((300, 200)), 0.05 * CUT, "truncated")


def test_random_uniform_has_its_limits() -> None:
    for low, high, drawn in (
        (1.0, 3.0, initializers.RandomUniform(1.0, 3.0, seed=1)((300, 200))),
        (-0.05, 0.05, initializers.RandomUniform(seed=1)((300, 200))),
    ):
        assert_drawn(drawn, (high - low) / math.sqrt(12), "uniform", mean=(low + high) / 2)


@pytest.mark.parametrize("shape", [(6, 6), (8, 3), (3, 8), (3, 3, 2, 5), (2, 2, 3, 40)], ids=str)
def test_orthogonal_columns_or_rows_have_the_length_of_the_gain(shape: tuple[int, ...]) -> None:
    made = np.asarray(initializers.Orthogonal(2.0, seed=1)(shape), "float64").reshape(-1, shape[-1])
    product = made.T @ made if made.shape[0] >= made.shape[1] else made @ made.T

    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_matrices_turn_both_ways() -> None:
    corners = [initializers.Orthogonal(seed=seed)((3, 3))[0, 0] for seed in range(40)]
    assert 8 < sum(c > 0 for c in corners) < 32


RANDOM = ["RandomNormal", "TruncatedNormal", "RandomUniform", "VarianceScaling", "Orthogonal", *SCALED]


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_decides_the_numbers(name: str) -> None:
    kind = getattr(initializers, name)
    drawn = kind(seed=5)((4, 3))

    np.testing.assert_array_equal(kind(seed=5)((4, 3)), drawn)
    again = kind(seed=5)
    np.testing.assert_array_equal(again((4, 3)), again((4, 3)))
    assert not np.array_equal(kind(seed=6)((4, 3)), drawn)
    assert kind.from_config(kind(seed=5).get_config()).seed == 5


@pytest.mark.parametrize("name", RANDOM)
def test_without_seeds_each_draws_numbers_of_its_own_that_the_session_seed_decides(name: str) -> None:
    kind = getattr(initializers, name)

    def drawn() -> list[Any]:
        set_session_seed(7)
        return [kind()((4, 3)) for _ in range(2)]

    first, second = drawn()
    assert not np.array_equal(first, second)
    for one, other in zip((first, second), drawn(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_plain_ones() -> None:
    np.testing.assert_array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.Ones()((2, 3)), np.ones((2, 3)))
    np.testing.assert_array_equal(initializers.Constant(1.5)((2, 3)), np.full((2, 3), 1.5))
    np.testing.assert_array_equal(initializers.Constant([1.0, 2.0])((3, 2)), [[1, 2]] * 3)
    np.testing.assert_array_equal(initializers.Identity(2.0)((2, 3)), [[2, 0, 0], [0, 2, 0]])
    assert initializers.Zeros()((2,), dtype="int32").dtype == np.int32
    assert initializers.HeNormal(seed=1)((2, 2)).dtype == np.float32
    assert initializers.HeNormal(seed=1)((2, 2), dtype="float16").dtype == np.float16


@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("window", ["hann", "hamming", None])
def test_stft_kernels_give_the_fourier_transform_of_a_windowed_frame(window: str | None, scaling: str | None) -> None:
    frame = np.random.default_rng(0).normal(size=12)
    weights = np.ones(12) if window is None else {"hann": np.hanning, "hamming": np.hamming}[window](12)
    divisor = {"density": np.sqrt((weights**2).sum()), "spectrum": weights.sum(), None: 1.0}[scaling] if window else 1.0
    wanted = np.fft.rfft(frame * weights / divisor, 16)

    for side, part in (("real", wanted.real), ("imag", wanted.imag)):
        kernel = np.asarray(initializers.STFT(side, window, scaling)((12, 1, 9)))
        np.testing.assert_allclose(frame @ kernel[:, 0], part, atol=1e-5)


def test_a_layer_starts_from_its_initializers() -> None:
    from graphkit import layers

    dense = layers.Dense(2000, kernel_initializer=initializers.HeNormal(seed=3), bias_initializer="ones")
    dense.build((None, 50))
    assert_drawn(dense.kernel.numpy(), math.sqrt(2 / 50), "truncated")
    np.testing.assert_array_equal(dense.bias.numpy(), np.ones(2000))
    plain = layers.Dense(2000)
    plain.build((None, 50))
    assert_drawn(plain.kernel.numpy(), math.sqrt(2 / 2050), "uniform")
    np.testing.assert_array_equal(plain.bias.numpy(), np.zeros(2000))


def test_arguments_and_defaults_are_those_of_keras() -> None:
    assert differing("initializers", "regularizers", "constraints") == []
