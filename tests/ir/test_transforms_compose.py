"""Composed transforms: a simplified, retraced or differentiated program has the derivatives of the original."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops
from graphkit.engine import run
from graphkit.ir.gradient import grad, gradients
from graphkit.ir.program import Program
from graphkit.ir.simplify import REWRITES, simplify
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import replay, trace
from graphkit.ops.custom_gradient import custom_gradient

X = np.array([1.0, 2.0, 3.0])
stop = ops.stop_gradient


@custom_gradient
def _doubled(x: Any) -> Any:
    """Return x, with a gradient twice too large."""
    return x * 1.0, lambda upstream: upstream * 2.0


def _complex_product(x: Any) -> Any:
    one = ops.cast(np.array(1.0), "complex128") + 0 * ops.cast(ops.sum(x), "complex128")
    return ops.real(ops.scan(lambda c, v: (c * ops.cast(v, "complex128"), None), one, x)[0])


def _complex_branch(x: Any) -> Any:
    z = ops.cast(x, "complex128")
    return ops.real(ops.cond(ops.sum(x) > 0, lambda: ops.sum(z * z), lambda: ops.sum(z)))


def _nested(x: Any) -> Any:
    def outer(c: Any, v: Any) -> Any:
        inner = ops.scan(lambda d, w: (d + stop(v) * w * v, d), c, x)[0]
        return inner, stop(inner) * v

    last, ys = ops.scan(outer, ops.sum(x) * 0, x)
    return last + ops.sum(ys)


# function, its gradient at [1, 2, 3] computed by hand, and the gradient of sum(gradient * [1, 10, 100])
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], list[float], list[float]]] = {
    "stop(x) x": (lambda x: ops.sum(stop(x) * x), [1, 2, 3], [0, 0, 0]),
    "x^2 + e^stop(3x)": (lambda x: ops.sum(x * x + ops.exp(stop(x * 3.0))), [2, 4, 6], [2, 20, 200]),
    "x^3 - stop(x) x^2": (lambda x: ops.sum(x**3 - stop(x) * x * x), [1, 4, 9], [4, 80, 1200]),
    "custom gradient": (lambda x: ops.sum(_doubled(x * x)), [4, 8, 12], [4, 40, 400]),
    "scan of stop(v) v": (
        lambda x: ops.scan(lambda c, v: (c + stop(v) * v, None), ops.sum(x) * 0, x)[0], [1, 2, 3], [0, 0, 0]
    ),
    "scan from the end of stop(v) v^2": (
        lambda x: ops.scan(lambda c, v: (c + stop(v) * v * v, c), ops.sum(x) * 0, x, reverse=True)[0],
        [2, 8, 18], [2, 40, 600],
    ),
    "results of a scan of stop(c) v": (
        lambda x: ops.sum(ops.scan(lambda c, v: (c + v, stop(c) * v * v), ops.sum(x) * 0, x)[1]), [0, 4, 18], [0, 20, 600]
    ),
    "map of stop(v) v^2": (lambda x: ops.sum(ops.map(lambda v: stop(v) * v * v, x)), [2, 8, 18], [2, 40, 600]),
    "vectorized_map of stop(v) v^2": (
        lambda x: ops.sum(ops.vectorized_map(lambda v: stop(v) * v * v, x)), [2, 8, 18], [2, 40, 600]
    ),
    "fori_loop of stop(a) x": (
        lambda x: ops.fori_loop(0, 2, lambda i, a: a + stop(x[0]) * ops.sum(x * x), ops.sum(x) * 0), [4, 8, 12], [4, 40, 400]
    ),
    "cond of stop(x) x^2": (
        lambda x: ops.cond(ops.sum(x) > 0, lambda: ops.sum(stop(x) * x * x), lambda: ops.sum(x)), [2, 8, 18], [2, 40, 600]
    ),
    "switch of stop(x) x": (
        lambda x: ops.switch(1, [lambda v: ops.sum(v), lambda v: ops.sum(stop(v) * v)], x), [1, 2, 3], [0, 0, 0]
    ),
    "associative scan of stop(a) b": (
        lambda x: ops.associative_scan(lambda a, b: stop(a) * b, x)[2], [0, 0, 2], [0, 0, 0]
    ),
    "product in a complex carry": (_complex_product, [6, 3, 2], [230, 103, 12]),
    "square in a complex branch": (_complex_branch, [2, 4, 6], [2, 20, 200]),
    "scans in a scan": (_nested, [], []),
    "custom gradient in a scan": (
        lambda x: ops.scan(lambda c, v: (c + _doubled(v * v), None), ops.sum(x) * 0, x)[0], [4, 8, 12], [4, 40, 400]
    ),
    "stopped loop without gradient": (
        lambda x: ops.sum(x * x) * stop(ops.while_loop(lambda a: a < 3, lambda a: a + x[0], x[0])), [6, 12, 18], [6, 60, 600]
    ),
}  # fmt: skip
WEIGHTS = np.array([1.0, 10.0, 100.0])


def _program(function: Callable[[Any], Any]) -> Program:
    return trace(function, TensorSpec.of(X))


def _second(program: Program, between: Callable[[Program], Program]) -> Program:
    """Compute the gradient of sum(gradient * WEIGHTS), transforming the program of the first gradient in between."""
    first = between(grad(program))

    def weighed(x: Any) -> Any:
        return ops.sum(replay(first, [x])[1] * WEIGHTS)

    return grad(trace(weighed, TensorSpec.of(X)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_gradient_of_a_simplified_program_is_that_of_the_program(name: str) -> None:
    function, first, _ = FUNCTIONS[name]
    program = _program(function)
    plain = run(grad(program), X)[1]

    for other in (
        grad(simplify(program)),
        simplify(grad(simplify(simplify(program)))),
        grad(_program(lambda x: replay(program, [x])[0])),
    ):
        np.testing.assert_allclose(run(other, X)[1], plain, rtol=1e-12)
    if first:
        np.testing.assert_allclose(plain, first, rtol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_second_derivatives_do_not_depend_on_what_is_simplified(name: str) -> None:
    function, _, second = FUNCTIONS[name]
    program = _program(function)
    plain = run(_second(program, lambda p: p), X)[1]

    np.testing.assert_allclose(run(_second(program, simplify), X)[1], plain, rtol=1e-12)
    np.testing.assert_allclose(run(_second(simplify(program), lambda p: p), X)[1], plain, rtol=1e-12)
    if second:
        np.testing.assert_allclose(plain, second, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_numbers_are_those_of_the_function_on_arrays(name: str) -> None:
    function = FUNCTIONS[name][0]

    np.testing.assert_allclose(run(simplify(_program(function)), X)[0], function(X), rtol=1e-12)


def test_the_gradient_of_a_gradient_within_one_trace() -> None:
    def slope(x: Any) -> Any:
        (first,) = gradients(FUNCTIONS["scan of stop(v) v"][0](x), [x])
        (second,) = gradients(ops.sum(first * WEIGHTS), [x])
        return ops.zeros_like(x) if second is None else second

    np.testing.assert_array_equal(run(_program(slope), X)[0], [0, 0, 0])


def test_a_variable_read_in_a_loop_has_its_gradient() -> None:
    variable = graphkit.Variable(2.0, dtype="float64")

    def score(x: Any) -> Any:
        value = ops.scan(lambda c, v: (c * variable + v, None), ops.sum(x) * 0, x)[0]
        return gradients(value, [variable])[0]

    program = _program(score)
    for version in (program, simplify(program)):
        np.testing.assert_allclose(run(version, X)[0], 1 * 2 * 2.0 + 2)  # d/dv (x0 v^2 + x1 v + x2)


def test_each_rewrite_says_whether_it_keeps_derivatives() -> None:
    changing = {name for name, rules in REWRITES.items() if any(not rule.keeps_derivatives for rule in rules)}

    assert changing == {"stop_gradient"}


def test_the_last_simplification_takes_stop_gradient_out() -> None:
    program = _program(lambda x: ops.sum(stop(x) * x))

    assert "stop_gradient" in {e.primitive.name for e in simplify(program).equations}
    assert "stop_gradient" not in {e.primitive.name for e in simplify(program, last=True).equations}
