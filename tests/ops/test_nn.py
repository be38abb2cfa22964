"""Activations and special functions: their numbers, their limits, their errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphkit
import graphkit.ops as ops
from graphkit.errors import DTypeError, InvalidArgumentError, ShapeError
from graphkit.ops.special import erf_float64, erfc_float64

X = np.linspace(-4, 4, 33)
EXTREME = np.array([-1e4, -100.0, 0.0, 100.0, 1e4], np.float32)


def _by_math(function: Any, x: Any) -> Any:
    return np.array([function(float(v)) for v in np.ravel(x)]).reshape(np.shape(x))


def test_erf_is_exact_to_a_few_last_digits() -> None:
    x = np.concatenate([np.linspace(-7, 7, 2001), [0.46875, 4.0, 1e-300, -1e-9]])
    wanted = _by_math(math.erf, x)
    assert np.max(np.abs(erf_float64(x) - wanted) / np.maximum(np.spacing(np.abs(wanted)), 1e-323)) <= 4


def test_erfc_keeps_its_digits_in_the_tail() -> None:
    x = np.linspace(-5, 26, 2001)
    np.testing.assert_allclose(erfc_float64(x), _by_math(math.erfc, x), rtol=5e-15)


def test_erf_of_float32_is_good_to_its_last_digits() -> None:
    x = np.linspace(-6, 6, 20001, dtype=np.float32)
    np.testing.assert_allclose(ops.erf(x), _by_math(math.erf, x), rtol=5e-7)


def test_erf_of_nan_is_nan_and_of_infinity_one() -> None:
    np.testing.assert_array_equal(ops.erf(np.array([np.nan, np.inf, -np.inf], np.float32)), [np.nan, 1, -1])


def test_erfinv_undoes_erf() -> None:
    y = np.concatenate([np.linspace(-0.999999, 0.999999, 501), [1e-12, 1 - 1e-12]])
    np.testing.assert_allclose(_by_math(math.erf, ops.erfinv(y)), y, rtol=1e-14)
    np.testing.assert_array_equal(ops.erfinv(np.array([1.0, -1.0, 2.0])), [np.inf, -np.inf, np.nan])


FORMULAS: dict[str, tuple[Any, Any]] = {
    "relu6": (ops.relu6, lambda x: min(max(x, 0), 6)),
    "leaky_relu": (ops.leaky_relu, lambda x: x if x > 0 else 0.2 * x),
    "elu": (lambda x: ops.elu(x, alpha=0.5), lambda x: x if x > 0 else 0.5 * math.expm1(x)),
    "selu": (ops.selu, lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x))),
    "celu": (lambda x: ops.celu(x, alpha=2.0), lambda x: x if x > 0 else 2 * math.expm1(x / 2)),
    "gelu": (lambda x: ops.gelu(x, approximate=False), lambda x: 0.5 * x * math.erfc(-x / math.sqrt(2))),
    "gelu by tanh": (ops.gelu, lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    "silu": (ops.silu, lambda x: x / (1 + math.exp(-x))),
    "softplus": (ops.softplus, lambda x: math.log1p(math.exp(x))),
    "softsign": (ops.softsign, lambda x: x / (1 + abs(x))),
    "log_sigmoid": (ops.log_sigmoid, lambda x: -math.log1p(math.exp(-x))),
    "hard_sigmoid": (ops.hard_sigmoid, lambda x: min(max(x / 6 + 0.5, 0), 1)),
    "hard_silu": (ops.hard_silu, lambda x: x * min(max(x / 6 + 0.5, 0), 1)),
    "hard_tanh": (ops.hard_tanh, lambda x: min(max(x, -1), 1)),
    "hard_shrink": (ops.hard_shrink, lambda x: x if abs(x) > 0.5 else 0),
    "soft_shrink": (ops.soft_shrink, lambda x: math.copysign(max(abs(x) - 0.5, 0), x)),
    "tanh_shrink": (ops.tanh_shrink, lambda x: x - math.tanh(x)),
    "threshold": (lambda x: ops.threshold(x, 1.0, -3.0), lambda x: x if x > 1 else -3),
    "mish": (ops.mish, lambda x: x * math.tanh(math.log1p(math.exp(x)))),
    "squareplus": (ops.squareplus, lambda x: (x + math.sqrt(x * x + 4)) / 2),
    "sparse_plus": (ops.sparse_plus, lambda x: 0 if x <= -1 else x if x >= 1 else (x + 1) ** 2 / 4),
    "sparse_sigmoid": (ops.sparse_sigmoid, lambda x: min(max((x + 1) / 2, 0), 1)),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_activation_follows_its_formula(name: str) -> None:
    function, formula = FORMULAS[name]
    np.testing.assert_allclose(function(X), _by_math(formula, X), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "name", ["softplus", "silu", "log_sigmoid", "elu", "selu", "sigmoid", "gelu", "mish", "softsign"]
)
def test_extreme_inputs_stay_finite(name: str) -> None:
    assert np.all(np.isfinite(getattr(ops, name)(EXTREME)))


def test_an_empty_tensor_passes_through() -> None:
    assert ops.gelu(np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_large_tensors_are_worked_on_in_blocks_without_seams() -> None:
    x = np.linspace(-3, 3, 40_001)
    np.testing.assert_allclose(ops.silu(x), x / (1 + np.exp(-x)), rtol=1e-12)


def test_glu_halves_an_axis() -> None:
    x = np.arange(8.0).reshape(2, 4)
    np.testing.assert_allclose(ops.glu(x), x[:, :2] / (1 + np.exp(-x[:, 2:])))


def test_softmax_does_not_overflow_and_sums_to_one() -> None:
    np.testing.assert_allclose(ops.softmax(np.array([[1e4, 1e4, -1e4]])), [[0.5, 0.5, 0]])
    np.testing.assert_allclose(ops.sum(ops.softmax(np.ones((2, 3, 4)), axis=(0, 2)), axis=(0, 2)), np.ones(3))


def test_log_softmax_does_not_underflow() -> None:
    np.testing.assert_allclose(ops.log_softmax(np.array([0.0, -1e4])), [0, -1e4])


# ----- cross-entropies -----

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
ONE_HOT = np.array([[1.0, 0, 0], [0, 1, 0]])


def test_categorical_crossentropy_is_the_mean_surprise() -> None:
    np.testing.assert_allclose(ops.categorical_crossentropy(ONE_HOT, PROBABILITIES), -np.log([0.7, 0.1]))


def test_probabilities_are_normalised_first() -> None:
    np.testing.assert_allclose(ops.categorical_crossentropy(ONE_HOT, PROBABILITIES * 3), -np.log([0.7, 0.1]))


def test_probabilities_are_clipped_by_epsilon() -> None:
    np.testing.assert_allclose(ops.categorical_crossentropy(np.array([1.0, 0]), np.array([0.0, 1.0])), -np.log(1e-7))
    np.testing.assert_allclose(ops.binary_crossentropy(np.array([1.0]), np.array([0.0])), [-np.log(1e-7)])


def test_sparse_and_one_hot_targets_agree() -> None:
    logits = np.log(PROBABILITIES) + 5
    sparse = ops.sparse_categorical_crossentropy(np.array([0, 1]), logits, from_logits=True)
    np.testing.assert_allclose(sparse, ops.categorical_crossentropy(ONE_HOT, logits, from_logits=True))
    np.testing.assert_allclose(sparse, -np.log([0.7, 0.1]))


def test_logits_of_any_size_give_finite_losses() -> None:
    np.testing.assert_allclose(
        ops.binary_crossentropy(np.array([0.0, 1.0]), np.array([1e4, 1e4]), from_logits=True), [1e4, 0]
    )


def test_a_target_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"same shape, got \(2, 2\) and \(2, 3\)"):
        ops.categorical_crossentropy(ONE_HOT[:, :2], PROBABILITIES)


def test_a_class_number_beyond_the_classes_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Index 3 is out of range for an axis of 3"):
        ops.sparse_categorical_crossentropy(np.array([0, 3]), PROBABILITIES)


# ----- indexing -----


def test_top_k_gives_the_first_of_equal_elements_first() -> None:
    values, indices = ops.top_k(np.array([[1, 3, 3, 2], [0, 0, 0, 0]]), 3)
    np.testing.assert_array_equal(values, [[3, 3, 2], [0, 0, 0]])
    np.testing.assert_array_equal(indices, [[1, 2, 3], [0, 1, 2]])


def test_indices_must_be_integers() -> None:
    with pytest.raises(DTypeError, match="expects integer indices, got float64"):
        ops.take(X, np.array([0.5]))


def test_an_index_out_of_range_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Index -4 is out of range for an axis of 3"):
        ops.take(np.zeros((3, 2)), np.array([-4]), axis=0)


def test_one_hot_of_a_number_outside_is_zeros() -> None:
    np.testing.assert_array_equal(ops.one_hot(np.array([-1, 1, 5]), 3), [[0, 0, 0], [0, 1, 0], [0, 0, 0]])


def test_scatter_adds_what_goes_to_one_place() -> None:
    np.testing.assert_array_equal(
        ops.scatter(np.array([[0, 1], [0, 1]]), np.array([2.0, 3.0]), (2, 2)), [[0, 5], [0, 0]]
    )


def test_scatter_update_replaces_and_the_last_wins() -> None:
    found = ops.scatter_update(np.zeros((3, 2)), np.array([[0], [0]]), np.array([[1.0, 1], [2, 2]]))
    np.testing.assert_array_equal(found, [[2, 2], [0, 0], [0, 0]])


def test_slice_update_writes_a_block() -> None:
    found = ops.slice_update(np.zeros((3, 3)), (1, 1), np.ones((2, 2)))
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 1, 1], [0, 1, 1]])


def test_segments_are_summed_and_empty_ones_are_zero() -> None:
    np.testing.assert_array_equal(ops.segment_sum(np.array([1.0, 2, 3]), np.array([0, 2, 0]), 4), [4, 0, 2, 0])
    np.testing.assert_array_equal(ops.segment_max(np.array([1, 2, 3]), np.array([0, 1, 0]), 2), [3, 2])


# ----- products -----


def test_sizes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ShapeError, match=r"last axis of \(2, 3\) and the second to last of \(4, 2\)"):
        ops.matmul(np.zeros((2, 3)), np.zeros((4, 2)))


def test_a_broadcast_operand_is_multiplied_all_the_same() -> None:
    a = np.broadcast_to(np.float32(2), (3, 4))
    np.testing.assert_allclose(ops.matmul(a, np.ones((4, 2), np.float32)), np.full((3, 2), 8))


def test_products_of_halves_are_summed_in_float32() -> None:
    a = np.full((1, 4096), 0.01, np.float16)
    np.testing.assert_allclose(ops.matmul(a, np.ones((4096, 1), np.float16)), [[40.97]], rtol=1e-3)


def test_einsum_says_which_letter_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="letter 'j' has sizes 3 and 4"):
        ops.einsum("ij,jk->ik", np.zeros((2, 3)), np.zeros((4, 5)))
    with pytest.raises(InvalidArgumentError, match=r"has 1 term\(s\), but got 2 tensor\(s\)"):
        ops.einsum("ij->i", np.zeros((2, 3)), np.zeros((4, 5)))


def test_attention_over_one_key_is_its_value() -> None:
    query, key = np.ones((1, 3, 2, 4), np.float32), np.ones((1, 1, 2, 4), np.float32)
    np.testing.assert_allclose(ops.dot_product_attention(query, key, key * 5), np.full((1, 3, 2, 4), 5.0))


def test_causal_attention_does_not_look_ahead() -> None:
    x = np.random.Generator(np.random.Philox(1)).standard_normal((1, 4, 1, 3)).astype(np.float32)
    whole = ops.dot_product_attention(x, x, x, is_causal=True)
    part = ops.dot_product_attention(x[:, :2], x[:, :2], x[:, :2], is_causal=True)
    np.testing.assert_allclose(whole[:, :2], part, rtol=1e-5)


@pytest.mark.parametrize(("name", "slope"), [("elu", 1.0), ("selu", 1.7580993), ("celu", 1.0)])
def test_the_gradient_at_zero_is_that_of_the_curve(name: str, slope: float) -> None:
    x = graphkit.Variable(np.zeros(2, np.float32))
    _, (gradient,) = graphkit.value_and_grad(lambda: ops.sum(getattr(ops, name)(x)), [x])()
    np.testing.assert_allclose(gradient, [slope, slope], rtol=1e-6)
