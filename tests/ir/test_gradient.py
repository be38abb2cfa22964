"""Reverse mode: what the chain rule does between the VJPs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit.ops as ops
from graphkit.errors import GraphError, InvalidArgumentError, NotDifferentiableError, ShapeError
from graphkit.ir.gradient import grad, gradients
from graphkit.ir.simplify import simplify
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import replay, trace
from graphkit.ir.variable import Variable


def _grads(function: Callable[..., Any], *inputs: Any) -> list[Any]:
    """Return the gradients of a scalar function at these arrays."""
    program = grad(trace(function, *(TensorSpec.of(x) for x in inputs)))
    program.check()
    return replay(program, inputs)[1:]


X = np.array([1.0, 2.0, 3.0])


def test_a_value_that_is_used_twice_gets_both_cotangents() -> None:
    (g,) = _grads(lambda x: ops.sum(x * x + x), X)
    np.testing.assert_allclose(g, 2 * X + 1)


def test_broadcast_axes_are_summed() -> None:
    ga, gb = _grads(lambda a, b: ops.sum(a * b), np.ones((2, 3)), X)
    np.testing.assert_allclose(ga, np.broadcast_to(X, (2, 3)))
    np.testing.assert_allclose(gb, [2, 2, 2])


def test_axes_of_size_one_that_were_broadcast_are_summed_and_kept() -> None:
    _, g = _grads(lambda a, b: ops.sum(a * b), np.full((2, 3), 2.0), np.ones((2, 1)))
    np.testing.assert_allclose(g, [[6], [6]])


def test_no_gradient_flows_through_stop_gradient() -> None:
    (g,) = _grads(lambda x: ops.sum(x * ops.stop_gradient(x)), X)
    np.testing.assert_allclose(g, X)


def test_an_input_that_the_target_does_not_depend_on_gets_zeros() -> None:
    _, g = _grads(lambda x, y: ops.sum(x), X, np.ones((2, 2)))
    np.testing.assert_array_equal(g, np.zeros((2, 2)))


def test_a_constant_target_gives_zeros() -> None:
    (g,) = _grads(lambda x: np.float64(3.0), X)
    np.testing.assert_array_equal(g, np.zeros(3))


def test_an_integer_input_gets_zeros_and_blocks_nothing() -> None:
    gx, gi = _grads(lambda x, i: ops.sum(ops.take(x, i, axis=0)), X, np.array([0, 0, 2], np.int32))
    np.testing.assert_array_equal(gx, [2, 0, 1])
    np.testing.assert_array_equal(gi, [0, 0, 0])


def test_gradients_come_in_the_dtype_of_the_input() -> None:
    (g,) = _grads(lambda x: ops.sum(ops.cast(x, "float64") * 2), X.astype(np.float32))
    assert g.dtype == np.float32


def test_the_gradient_of_a_gradient() -> None:
    first = trace(lambda x: gradients(ops.sum(x * x * x), [x])[0][1], spec(3, dtype="float64"))
    _, second = replay(grad(first), [X])
    np.testing.assert_allclose(second, [0, 12, 0])


def test_gradients_of_variables_are_those_of_their_first_value() -> None:
    weight = Variable(np.array([2.0, 3.0], np.float32))

    def step(x: Any) -> Any:
        found = gradients(ops.sum(weight * weight * x), [weight])[0]
        weight.assign(weight - found)
        return found

    (found,) = replay(trace(step, spec(2)), [np.ones(2, np.float32)])
    np.testing.assert_allclose(found, [4, 6])
    np.testing.assert_allclose(weight.numpy(), [-2, -3])


def test_unknown_sizes_stay_unknown_in_the_gradient() -> None:
    program = grad(trace(lambda x, w: ops.mean(ops.square(x @ w)), spec("batch", 3), spec(3, 2)))
    program.check()
    x, w = np.ones((5, 3), np.float32), np.full((3, 2), 0.5, np.float32)
    loss, gx, gw = replay(simplify(program), [x, w])
    np.testing.assert_allclose(loss, 2.25)
    np.testing.assert_allclose(gx, np.full((5, 3), 0.3), rtol=1e-6)
    np.testing.assert_allclose(gw, np.full((3, 2), 1.5), rtol=1e-6)


def test_the_target_must_be_a_scalar() -> None:
    with pytest.raises(ShapeError, match="wants a scalar target, got shape"):
        grad(trace(lambda x: x * 2, spec(3)))


def test_an_input_that_is_not_there_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidArgumentError, match="names inputs beyond the program's 1"):
        grad(trace(lambda x: ops.sum(x), spec(3)), wrt=[1])


def test_gradients_outside_of_a_trace_say_what_to_use() -> None:
    with pytest.raises(GraphError, match=r"use graphkit\.value_and_grad"):
        gradients(np.zeros(()), [])  # type: ignore[arg-type]


def test_a_primitive_without_a_gradient_says_why() -> None:
    with pytest.raises(NotDifferentiableError, match=r"no gradient through 'nextafter'.*one float to the next"):
        grad(trace(lambda x: ops.sum(ops.nextafter(x, 2.0)), spec(3)))


def test_only_what_lies_on_the_path_is_differentiated() -> None:
    (g,) = _grads(lambda x: ops.sum(x * ops.cast(ops.argsort(ops.stop_gradient(x)), "float64")), X)
    np.testing.assert_allclose(g, [0, 1, 2])
