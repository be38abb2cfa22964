"""Ops where a small mistake changes the result: equal values, the bounds of an interval, halves, zeros, negative numbers.

The expected values are those of Keras 3.15.1 (JAX) on the same inputs, or NumPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops
from graphkit.engine import compile_program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace

KINKS = np.array([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 7.0], "float32")
ROWS = np.array([[1, 3, 3, 2], [5, 5, 5, 5]], "float32")
TWOS = np.full(9, 2, "float32")

# op, its values at KINKS, its derivatives there
POINTS: dict[str, tuple[Callable[[Any], Any], list[float], list[float]]] = {
    "relu": (ops.relu, [0, 0, 0, 0.5, 1, 2, 3, 6, 7], [0, 0, 0, 1, 1, 1, 1, 1, 1]),
    "clip": (lambda x: ops.clip(x, -1.0, 2.0), [-1, -1, 0, 0.5, 1, 2, 2, 2, 2], [0, 0.5, 1, 1, 1, 0.5, 0, 0, 0]),
    "maximum": (lambda x: ops.maximum(x, TWOS), [2, 2, 2, 2, 2, 2, 3, 6, 7], [0, 0, 0, 0, 0, 0.5, 1, 1, 1]),
    "maximum, swapped": (lambda x: ops.maximum(TWOS, x), [2, 2, 2, 2, 2, 2, 3, 6, 7], [0, 0, 0, 0, 0, 0.5, 1, 1, 1]),
    "minimum": (lambda x: ops.minimum(x, TWOS), [-2, -1, 0, 0.5, 1, 2, 2, 2, 2], [1, 1, 1, 1, 1, 0.5, 0, 0, 0]),
    "minimum, swapped": (lambda x: ops.minimum(TWOS, x), [-2, -1, 0, 0.5, 1, 2, 2, 2, 2], [1, 1, 1, 1, 1, 0.5, 0, 0, 0]),
    "hard_tanh": (ops.hard_tanh, [-1, -1, 0, 0.5, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 0, 0, 0, 0]),
    "leaky_relu": (lambda x: ops.leaky_relu(x, 0.2), [-0.4, -0.2, 0, 0.5, 1, 2, 3, 6, 7], [0.2, 0.2, 1, 1, 1, 1, 1, 1, 1]),
    "soft_shrink": (lambda x: ops.soft_shrink(x, 1.0), [-1, 0, 0, 0, 0, 1, 2, 5, 6], [1, 0, 0, 0, 0, 1, 1, 1, 1]),
    "hard_shrink": (lambda x: ops.hard_shrink(x, 1.0), [-2, 0, 0, 0, 0, 2, 3, 6, 7], [1, 0, 0, 0, 0, 1, 1, 1, 1]),
    "threshold": (lambda x: ops.threshold(x, 1.0, 0.25), [0.25] * 5 + [2, 3, 6, 7], [0, 0, 0, 0, 0, 1, 1, 1, 1]),
    "sparse_plus": (ops.sparse_plus, [0, 0, 0.25, 0.5625, 1, 2, 3, 6, 7], [0, 0, 0.5, 0.75, 1, 1, 1, 1, 1]),
    "elu": (ops.elu, [-0.86466, -0.63212, 0, 0.5, 1, 2, 3, 6, 7], [0.13534, 0.36788, 1, 1, 1, 1, 1, 1, 1]),
    "selu": (
        ops.selu,
        [-1.52017, -1.11133, 0, 0.52535, 1.0507, 2.1014, 3.1521, 6.30421, 7.35491],
        [0.23793, 0.64677, 1.7581, 1.0507, 1.0507, 1.0507, 1.0507, 1.0507, 1.0507],
    ),
    "relu with a threshold": (
        lambda x: graphkit.activations.relu(x, negative_slope=0.1, max_value=5.0, threshold=1.5),
        [-0.35, -0.25, -0.15, -0.1, -0.05, 2, 3, 5, 5],
        [0.1, 0.1, 0.1, 0.1, 0.1, 1, 1, 0, 0],
    ),
}  # fmt: skip

# op, its values for ROWS, the derivatives of their sum
REDUCED: dict[str, tuple[Callable[[Any], Any], list[float], list[list[float]]]] = {
    "max": (lambda v: ops.max(v, axis=1), [3, 5], [[0, 0.5, 0.5, 0], [0.25] * 4]),
    "min": (lambda v: ops.min(v, axis=1), [1, 5], [[1, 0, 0, 0], [0.25] * 4]),
    "sort": (lambda v: ops.sum(ops.sort(v, axis=1) * np.arange(4.0), axis=1), [17, 30], [[0, 2, 3, 1], [0, 1, 2, 3]]),
    "top_k": (lambda v: ops.sum(ops.top_k(v, 2)[0], axis=1), [6, 10], [[0, 1, 1, 0], [1, 1, 0, 0]]),
    "median": (lambda v: ops.median(v, axis=1), [2.5, 5], [[0, 0.5, 0, 0.5], [0, 0.5, 0.5, 0]]),
    "logsumexp": (
        lambda v: ops.logsumexp(v, axis=1),
        [3.917576, 6.386294],
        [[0.05406459, 0.39948627, 0.39948627, 0.14696277], [0.25] * 4],
    ),
}


def derivatives(function: Callable[[Any], Any], x: np.ndarray) -> Any:
    variable = graphkit.Variable(x)
    return graphkit.value_and_grad(lambda: ops.sum(function(ops.convert_to_tensor(variable))), [variable])()[1][0]


@pytest.mark.parametrize("name", POINTS)
def test_a_function_with_kinks_has_the_right_values_and_slopes_at_them(name: str) -> None:
    function, values, slopes = POINTS[name]

    np.testing.assert_allclose(function(KINKS), values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        compile_program(trace(function, TensorSpec.of(KINKS)))(KINKS)[0], values, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(derivatives(function, KINKS), slopes, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", REDUCED)
def test_equal_values_share_the_gradient_of_a_reduction(name: str) -> None:
    function, values, slopes = REDUCED[name]

    np.testing.assert_allclose(function(ROWS), values, rtol=1e-6)
    np.testing.assert_allclose(derivatives(function, ROWS), slopes, rtol=1e-6)


F, N = np.float32, np.int32
EXACT: dict[str, tuple[Callable[[], Any], Any]] = {
    "argsort": (lambda: ops.argsort(ROWS), [[0, 3, 1, 2], [0, 1, 2, 3]]),
    "argmax": (lambda: ops.argmax(ROWS, axis=1), [1, 0]),
    "argmin": (lambda: ops.argmin(ROWS, axis=1), [0, 0]),
    "argmax over columns": (lambda: ops.argmax(F([[1, 3], [1, 2]]), axis=0), [0, 0]),
    "top_k indices": (lambda: ops.top_k(ROWS, 2)[1], [[1, 2], [0, 1]]),
    "in_top_k": (lambda: ops.in_top_k(N([1, 2, 3, 0]), F([[1, 3, 3, 2]] * 4), 2), [True, True, False, False]),
    "in_top_k of ties": (lambda: ops.in_top_k(N([1, 2, 3]), F([[1, 3, 3, 2]] * 3), 1), [True, True, False]),
    "round": (lambda: ops.round(F([0.5, 1.5, 2.5, -0.5, -1.5])), [0, 2, 2, 0, -2]),
    "sign": (lambda: ops.sign(F([-2, 0, 3])), [-1, 0, 1]),
    "mod": (lambda: ops.mod(F([-3, 3, -3, 5]), F([2, -2, 3, 3])), [1, -1, 0, 2]),
    "mod of ints": (lambda: ops.mod(N([-3, 3, -3, 5]), N([2, -2, 3, 3])), [1, -1, 0, 2]),
    "floor_divide": (lambda: ops.floor_divide(F([-3, 3, 7]), F([2, -2, 2])), [-2, -2, 3]),
    "floor_divide of ints": (lambda: ops.floor_divide(N([-3, 3, 7]), N([2, -2, 2])), [-2, -2, 3]),
    "searchsorted": (lambda: ops.searchsorted(F([1, 2, 2, 3]), F([2, 0, 4, 3])), [1, 0, 4, 3]),
    "searchsorted, right": (lambda: ops.searchsorted(F([1, 2, 2, 3]), F([2, 0, 4, 3]), side="right"), [3, 0, 4, 4]),
    "digitize": (lambda: ops.digitize(F([1, 2, 0, 1.5, 3]), F([1, 2])), [1, 2, 0, 1, 2]),
    "heaviside": (lambda: ops.heaviside(F([-1, 0, 1]), F(0.5)), [0, 0.5, 1]),
    "greater": (lambda: ops.greater(F([1, 2, 3]), F(2)), [False, False, True]),
    "greater_equal": (lambda: ops.greater_equal(F([1, 2, 3]), F(2)), [False, True, True]),
    "less": (lambda: ops.less(F([1, 2, 3]), F(2)), [True, False, False]),
    "less_equal": (lambda: ops.less_equal(F([1, 2, 3]), F(2)), [True, True, False]),
    "maximum of NaN": (lambda: ops.maximum(F([1, np.nan, 1]), F([2, 1, np.nan])), [2, np.nan, np.nan]),
    "minimum of NaN": (lambda: ops.minimum(F([1, np.nan, 1]), F([2, 1, np.nan])), [1, np.nan, np.nan]),
    "maximum of ints": (lambda: ops.maximum(N([1, 5, 3]), N([2, 2, 3])), [2, 5, 3]),
    "clip of ints": (lambda: ops.clip(N([-5, -1, 0, 2, 9]), -1, 2), [-1, -1, 0, 2, 2]),
    "clip by arrays": (lambda: ops.clip(F([0, 5, 9]), F([1, 1, 1]), F([4, 6, 8])), [1, 5, 8]),
    "nan_to_num": (lambda: ops.nan_to_num(F([np.nan, 1, np.inf]), nan=7.0, posinf=8.0), [7, 1, 8]),
    "isclose": (lambda: ops.isclose(F([1, 1, 0]), F([1.000001, 1.1, 1e-9])), [True, False, True]),
    "trunc": (lambda: ops.trunc(F([-1.7, 1.7, -0.2])), [-1, 1, 0]),
    "ceil": (lambda: ops.ceil(F([-1.7, 1.2, 2])), [-1, 2, 2]),
    "floor": (lambda: ops.floor(F([-1.2, 1.7, 2])), [-2, 1, 2]),
    "sort descending by minus": (lambda: -ops.sort(-ROWS, axis=1), [[3, 3, 2, 1], [5, 5, 5, 5]]),
    "bincount": (lambda: ops.bincount(N([0, 2, 2, 5]), minlength=4), [1, 0, 2, 0, 0, 1]),
    "one_hot of what is outside": (lambda: ops.one_hot(N([-1, 0, 2, 3]), 3), [[0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]),
    "sum of int8": (lambda: ops.sum(np.int8([100, 100])), 200),
    "sum of int16": (lambda: ops.sum(np.int16([30000, 30000])), 60000),
    "sum of uint8": (lambda: ops.sum(np.uint8([200, 100])), 300),
    "sum of bools": (lambda: ops.sum(np.array([True, True, False])), 2),
    "prod of int8": (lambda: ops.prod(np.int8([100, 2])), 200),
    "cumsum": (lambda: ops.cumsum(N([1, 2, 3])), [1, 3, 6]),
    "var": (lambda: ops.var(F([1, 2, 3, 4])), 1.25),
    "std": (lambda: ops.std(F([1, 2, 3, 4])), np.sqrt(F(1.25))),
    "count_nonzero": (lambda: ops.count_nonzero(F([0, -1, 2, 0])), 2),
    "relu6": (lambda: ops.relu6(F([-1, 0, 6, 7])), [0, 0, 6, 6]),
    "log1p of a small number": (lambda: ops.log1p(F([1e-8])), F([1e-8])),
    "expm1 of a small number": (lambda: ops.expm1(F([1e-8])), F([1e-8])),
    "softplus of large numbers": (lambda: ops.softplus(F([-200, 200])), [0, 200]),
    "sigmoid of large numbers": (lambda: ops.sigmoid(F([-200, 200])), [0, 1]),
    "logsumexp of large numbers": (lambda: ops.logsumexp(F([1000, 1000])), F(1000.69314718)),
    "logaddexp of large numbers": (lambda: ops.logaddexp(F(1000), F(1000)), F(1000.69314718)),
    "softmax of large numbers": (lambda: ops.softmax(F([1000, 1000, -1000])), [0.5, 0.5, 0]),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_an_op_is_exact_at_the_edges_of_its_cases(name: str) -> None:
    made, wanted = EXACT[name]

    np.testing.assert_allclose(made(), wanted, rtol=1e-7)


def test_quantiles_between_and_at_elements_by_each_method() -> None:
    x = F([1, 2, 4, 8, 16])
    for method, at, between in (
        ("linear", 2, 3),
        ("lower", 2, 2),
        ("higher", 2, 4),
        ("midpoint", 2, 3),
        ("nearest", 2, 2),
    ):
        assert ops.quantile(x, 0.25, method=method) == at
        assert ops.quantile(x, 0.375, method=method) == between


def test_axes_move_to_their_places_in_whatever_order_they_are_given() -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    for source, target in (([0, 1], [2, 0]), ([2, 0], [0, 1]), ([3, 1], [0, 2]), ([0, 3], [3, 0]), (1, -1)):
        np.testing.assert_array_equal(ops.moveaxis(x, source, target), np.moveaxis(x, source, target))


def test_extremes_of_nothing_but_nan_are_nan() -> None:
    x = F([[np.nan, np.nan], [1, np.nan]])
    np.testing.assert_array_equal(ops.nanmax(x, axis=1), [np.nan, 1])
    np.testing.assert_array_equal(ops.nanmin(x, axis=1), [np.nan, 1])
    np.testing.assert_array_equal(ops.nansum(x, axis=1), [0, 1])


def test_a_slice_may_begin_where_a_traced_number_says() -> None:
    x = np.arange(12.0, dtype="float32").reshape(4, 3)
    program = trace(lambda start: ops.slice(x, (start, 1), (2, 2)), TensorSpec((), "int32"))
    for start in (0, 1, 2):
        np.testing.assert_array_equal(compile_program(program)(np.int32(start))[0], x[start : start + 2, 1:3])


def test_rms_scaling_divides_by_the_deviation_and_keeps_the_mean() -> None:
    x = F([[1, 2, 6]])
    wanted = x * F([1, 2, 3]) / np.sqrt(x.var() + 0.5)
    np.testing.assert_allclose(ops.layer_normalization(x, F([1, 2, 3]), epsilon=0.5, rms_scaling=True), wanted, rtol=1e-6)


@pytest.mark.parametrize("other", [65537, 1 + 2**20, 1 + 2**31])
def test_seeds_that_differ_in_high_bits_give_other_numbers(other: int) -> None:
    assert not np.array_equal(graphkit.random.normal((4,), seed=1), graphkit.random.normal((4,), seed=other))
