"""Buffers and variables are not overwritten while something still reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops
from graphkit.engine import compile_program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.5], [3.0, 1.0, -2.0]], "float32")
ROW = np.array([1.0, 2.0, 3.0], "float32")


def compiled(function: Any, *arrays: Any) -> Any:
    plan = compile_program(trace(function, *(TensorSpec.of(a) for a in arrays)))
    plan(*arrays)
    return plan(*arrays)


def test_results_on_the_way_keep_their_numbers() -> None:
    def function(x: Any) -> Any:
        a = ops.exp(x)
        b = ops.sin(a)
        c = ops.cos(b)
        return a, b, ops.tanh(ops.sqrt(ops.absolute(c))), ops.transpose(a)

    a, b, d, turned = compiled(function, X)
    np.testing.assert_allclose(a, np.exp(X), rtol=1e-5)
    np.testing.assert_allclose(b, np.sin(np.exp(X)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(d, np.tanh(np.sqrt(np.abs(np.cos(np.sin(np.exp(X)))))), rtol=1e-4)
    np.testing.assert_allclose(turned, np.exp(X).T, rtol=1e-5)


@pytest.mark.parametrize("swapped", [False, True])
def test_a_result_larger_than_its_first_operand_has_a_place_of_its_own(swapped: bool) -> None:
    def function(row: Any, x: Any) -> Any:
        small, large = ops.exp(row), ops.exp(x)
        return ops.add(large, small) if swapped else ops.add(small, large)

    np.testing.assert_allclose(compiled(function, ROW, X)[0], np.exp(ROW) + np.exp(X), rtol=1e-5)


def test_a_view_of_an_operand_is_read_whole() -> None:
    def function(x: Any) -> Any:
        e = ops.exp(x)
        return ops.add(ops.multiply(e, ops.transpose(e)), ops.reshape(ops.transpose(e), (3, 3)))

    e = np.exp(X)
    np.testing.assert_allclose(compiled(function, X)[0], e * e.T + e.T, rtol=1e-5)


def test_the_value_before_an_assignment_stays_readable() -> None:
    variable = graphkit.Variable(np.zeros(3, "float32"))

    def function(x: Any) -> Any:
        before = ops.convert_to_tensor(variable.value)
        variable.assign(variable + x)
        return before, ops.multiply(before, 3.0), variable + 0.0

    plan = compile_program(trace(function, TensorSpec.of(ROW)))
    for count in range(3):
        before, tripled, after = plan(ROW)
        np.testing.assert_allclose(before, count * ROW)
        np.testing.assert_allclose(tripled, 3 * count * ROW)
        np.testing.assert_allclose(after, (count + 1) * ROW)
    np.testing.assert_allclose(variable.numpy(), 3 * ROW)


def test_the_value_before_an_assignment_may_be_read_later() -> None:
    variable = graphkit.Variable(np.ones(3, "float32"))

    def function(x: Any) -> Any:
        before = variable.value
        variable.assign(variable + x)
        return ops.multiply(before, 3.0)

    plan = compile_program(trace(function, TensorSpec.of(ROW)))
    for count in range(3):
        np.testing.assert_allclose(plan(ROW)[0], 3 * (1 + count * ROW))


def test_variables_may_swap_their_values() -> None:
    a, b = graphkit.Variable([1.0, 2.0, 3.0]), graphkit.Variable([4.0, 5.0, 6.0])

    def function(x: Any) -> Any:
        first, second = a.value, b.value
        a.assign(second)
        b.assign(first)
        return x

    compile_program(trace(function, TensorSpec.of(ROW)))(ROW)
    np.testing.assert_array_equal(a.numpy(), [4, 5, 6])
    np.testing.assert_array_equal(b.numpy(), [1, 2, 3])


def test_outputs_of_two_calls_are_arrays_of_their_own() -> None:
    plan = compile_program(trace(lambda x: ops.multiply(x, 2.0), TensorSpec.of(ROW)))
    (first,) = plan(ROW)
    (second,) = plan(10 * ROW)
    np.testing.assert_array_equal(first, 2 * ROW)
    np.testing.assert_array_equal(second, 20 * ROW)


def test_a_plan_whose_variables_have_moved_says_that_it_is_not_current() -> None:
    variable = graphkit.Variable([1.0, 2.0, 3.0])
    plan = compile_program(trace(lambda x: x + variable, TensorSpec.of(ROW)))
    assert plan.is_current
    variable.share(np.empty(3, "float32"))
    assert not plan.is_current
