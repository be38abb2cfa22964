"""Regularizers and constraints at zero, at their limits, and along other axes; expected values are computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import constraints, layers, optimizers, regularizers
from tests.signatures import differing

W = np.array([[3.0, 0.0, 0.3], [4.0, 0.0, -0.4]], "float32")  # columns of length 5, 0 and 0.5; rows of about 3.01 and 4.02


def test_arguments_and_defaults_are_those_of_keras() -> None:
    assert differing("regularizers", "constraints") == []


def test_max_norm_leaves_short_columns_and_zeros() -> None:
    np.testing.assert_allclose(constraints.MaxNorm(2.0)(W), [[1.2, 0, 0.3], [1.6, 0, -0.4]], rtol=1e-5)
    np.testing.assert_allclose(constraints.MaxNorm(10.0)(W), W, rtol=1e-5)
    rows = np.sqrt((W**2).sum(1, keepdims=True))
    np.testing.assert_allclose(constraints.MaxNorm(2.0, axis=1)(W), W * 2 / rows, rtol=1e-5)
    np.testing.assert_allclose(constraints.MaxNorm(2.0, axis=[0, 1])(W), W * 2 / np.sqrt((W**2).sum()), rtol=1e-5)


def test_unit_norm_makes_columns_of_length_one_but_for_zeros() -> None:
    np.testing.assert_allclose(constraints.UnitNorm()(W), [[0.6, 0, 0.6], [0.8, 0, -0.8]], rtol=1e-5)
    np.testing.assert_allclose((np.asarray(constraints.UnitNorm(axis=1)(W)) ** 2).sum(1), [1, 1], rtol=1e-5)


def test_min_max_norm_draws_lengths_into_its_limits_by_its_rate() -> None:
    lengths = lambda w: np.sqrt((np.asarray(w) ** 2).sum(0))  # noqa: E731
    np.testing.assert_allclose(lengths(constraints.MinMaxNorm(1.0, 2.0)(W)), [2, 0, 1], rtol=1e-5)
    np.testing.assert_allclose(lengths(constraints.MinMaxNorm(1.0, 2.0, rate=0.25)(W)), [4.25, 0, 0.625], rtol=1e-5)
    np.testing.assert_allclose(constraints.MinMaxNorm(0.1, 9.0)(W), W, rtol=1e-5)


def test_non_neg_cuts_negative_numbers_off() -> None:
    np.testing.assert_allclose(constraints.NonNeg()(W), [[3, 0, 0.3], [4, 0, 0]])


@pytest.mark.parametrize(
    ("penalty", "value"),
    [
        (regularizers.L1(0.5), 0.5 * 7.7),
        (regularizers.L2(0.5), 0.5 * 25.25),
        (regularizers.L1L2(0.5, 0.25), 0.5 * 7.7 + 0.25 * 25.25),
        (regularizers.L1L2(l2=0.25), 0.25 * 25.25),
        (regularizers.L1(), 0.01 * 7.7),
        (regularizers.L2(), 0.01 * 25.25),
        (regularizers.L1L2(), 0.0),
    ],
)
def test_penalties_sum_over_all_elements(penalty: Any, value: float) -> None:
    assert float(np.asarray(penalty(W))) == pytest.approx(value, rel=1e-5)


def test_orthogonal_penalties_are_of_pairs_of_rows_or_of_columns() -> None:
    rows = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], "float32")  # cosines: 1/sqrt 2, 0, 1/sqrt 2
    half = np.sqrt(0.5)
    assert float(regularizers.OrthogonalRegularizer(0.3)(rows)) == pytest.approx(0.3 * 2 * half / 3, rel=1e-5)
    assert float(regularizers.OrthogonalRegularizer(0.3, "columns")(rows)) == pytest.approx(0.3 / np.sqrt(10), rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_constraints_hold_after_each_step_of_training(optimizer: str) -> None:
    made: Any = graphkit.Sequential(
        [
            graphkit.Input((4,)),
            layers.Dense(3, kernel_constraint=constraints.MaxNorm(0.1), bias_constraint="non_neg"),
            layers.Dense(3, kernel_constraint=constraints.UnitNorm(axis=1)),
            layers.Dense(2),
        ]
    )
    made.compile(optimizers.get(optimizer), "mse")
    x, y = np.random.default_rng(0).normal(size=(2, 16, 4)).astype("float32")
    made.fit(x, y[:, :2] - 3, epochs=2, batch_size=8, verbose=0)

    first, bias, second = made.get_weights()[:3]
    assert np.sqrt((first**2).sum(0)).max() <= 0.1 + 1e-5
    assert (bias >= 0).all()
    np.testing.assert_allclose((second**2).sum(1), 1, rtol=1e-4)
