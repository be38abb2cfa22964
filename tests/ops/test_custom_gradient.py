"""Functions with user-defined gradients, and forward-mode derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.gradient import grad
from graphkit.ir.spec import spec
from graphkit.ir.tracing import replay, trace

X = np.array([-1.0, 0.5, 90.0], np.float32)


@ops.custom_gradient
def log1pexp(x: Any) -> Any:
    """log(1 + exp(x)), whose plain gradient is inf / inf for large x."""
    e = ops.exp(x)

    def gradient(*args: Any, upstream: Any = None) -> Any:
        (upstream,) = args if upstream is None else (upstream,)
        return ops.multiply(upstream, 1.0 - 1.0 / ops.add(1, e))

    return ops.log(ops.add(1, e)), gradient


def _gradients(function: Any, *arrays: Any) -> list[Any]:
    program = grad(trace(lambda *xs: ops.sum(function(*xs)), *(spec(*a.shape) for a in arrays)))
    return replay(program, list(arrays))[1:]


def test_the_gradient_is_what_the_function_says() -> None:
    (found,) = _gradients(log1pexp, X)
    np.testing.assert_allclose(found, 1 - 1 / (1 + np.exp(X.astype(np.float64))), rtol=1e-6)


def test_the_values_are_the_functions_at_once_and_traced() -> None:
    (traced,) = replay(trace(log1pexp, spec(2)), [X[:2]])
    np.testing.assert_allclose(traced, log1pexp(X[:2]), rtol=1e-6)
    np.testing.assert_allclose(traced, np.log1p(np.exp(X[:2].astype(np.float64))), rtol=1e-6)


def test_each_argument_gets_its_own_cotangent() -> None:
    swapped = ops.custom_gradient(
        lambda a, b: (ops.multiply(a, b), lambda g: (ops.multiply(g, 2.0), ops.multiply(g, 3.0)))
    )
    first, second = _gradients(swapped, X, X)
    np.testing.assert_array_equal(first, np.full(3, 2, np.float32))
    np.testing.assert_array_equal(second, np.full(3, 3, np.float32))


def test_a_gradient_of_too_few_cotangents_is_refused() -> None:
    @ops.custom_gradient
    def product(a: Any, b: Any) -> Any:
        return ops.multiply(a, b), lambda upstream: upstream

    with pytest.raises(InvalidArgumentError, match="the gradient of product returned 1 cotangents, expected 2"):
        trace(product, spec(3), spec(3))


def test_the_derivative_forwards_is_that_of_differences() -> None:
    x, direction = np.array([0.3, -0.7]), np.array([1.5, 2.0])

    def function(v: Any) -> Any:
        return ops.concatenate([ops.sin(v), ops.multiply(v[:1], v[1:])])

    value, derivative = ops.jvp(function, (x,), (direction,))
    step = 1e-6
    np.testing.assert_allclose(value, function(x), rtol=1e-12)
    np.testing.assert_allclose(
        derivative, (function(x + step * direction) - function(x - step * direction)) / (2 * step), rtol=1e-8
    )


def test_the_derivative_of_a_constant_is_zero() -> None:
    _, derivative = ops.jvp(lambda v: np.ones(2, np.float32), (X,), (X,))
    np.testing.assert_array_equal(derivative, np.zeros(2, np.float32))


def test_a_direction_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match="`tangents` must have the shape of its primal"):
        ops.jvp(ops.sin, (X,), (X[:2],))
