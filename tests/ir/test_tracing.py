"""Tracing: a function of tensors becomes a program, which can be replayed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit.ops as ops
from graphkit.core.dims import Dim
from graphkit.errors import GraphError, InvalidTypeError, ShapeError
from graphkit.ir.program import Equation, Program, Value
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import infer_specs, replay, specialize, trace, trace_body, trace_structured
from graphkit.ir.variable import Variable


def _names(program: Program) -> list[str]:
    return [e.primitive.name for e in program.equations]


def test_ops_on_tracers_become_equations() -> None:
    program = trace(lambda x, y: ops.exp(x + y), spec(2, 3), spec(3))
    assert _names(program) == ["add", "exp"]
    assert program.outputs[0].spec == spec(2, 3)


def test_ops_on_arrays_inside_a_trace_compute_at_once() -> None:
    program = trace(lambda x: x * ops.exp(np.zeros(3, np.float32)), spec(3))
    assert _names(program) == ["multiply"]


def test_a_replayed_program_gives_the_same_numbers() -> None:
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    program = trace(lambda a: ops.softmax(ops.tanh(a) * 2), spec(2, 3))
    np.testing.assert_allclose(replay(program, [x])[0], ops.softmax(ops.tanh(x) * 2), rtol=1e-6)


def test_a_program_with_unknown_sizes_is_specialized_to_known_ones() -> None:
    program = trace(lambda x: ops.reshape(x, (-1, 6)), spec("batch", 2, 3))
    assert program.outputs[0].spec.shape == (Dim.named("batch"), 6)
    assert specialize(program, [spec(4, 2, 3)]).outputs[0].spec.shape == (4, 6)


def test_sizes_in_params_follow_the_arguments_of_a_replay() -> None:
    program = trace(lambda x: ops.zeros((ops.shape(x)[0], 2)), spec("batch", 3))
    assert replay(program, [np.zeros((5, 3), np.float32)])[0].shape == (5, 2)


def test_nested_structures_of_specs_are_traced_and_packed() -> None:
    program, structure = trace_structured(
        lambda d: {"sum": d["a"] + d["b"], "pair": [d["a"]]}, {"a": spec(2), "b": spec(2)}
    )
    assert len(program.inputs) == 2
    assert structure == {"sum": 1, "pair": [0]}


def test_variables_are_state_that_is_read_and_written() -> None:
    weight = Variable(np.ones(2, np.float32), name="w")

    def step(x: Any) -> Any:
        weight.assign(weight + x)
        return weight * 2

    program = trace(step, spec(2))
    assert [s.variable for s in program.state] == [weight]
    np.testing.assert_array_equal(weight.numpy(), [1, 1])  # tracing changes nothing
    (out,) = replay(program, [np.array([1, 2], np.float32)])
    np.testing.assert_array_equal(out, [4, 6])
    np.testing.assert_array_equal(weight.numpy(), [2, 3])


def test_assigning_another_shape_while_tracing_names_the_variable() -> None:
    weight = Variable(np.ones(2, np.float32), name="w")
    with pytest.raises(ShapeError, match=r"Variable 'w' has shape \(2,\); a value of shape \(3,\)"):
        trace(lambda x: weight.assign(x), spec(3))


def test_the_truth_of_a_tracer_is_not_known() -> None:
    with pytest.raises(InvalidTypeError, match=r"Use ops\.where or ops\.cond instead of `if`"):
        trace(lambda x: x if x > 0 else -x, spec())


def test_numpy_refuses_a_tracer() -> None:
    with pytest.raises(InvalidTypeError, match=r"Use graphkit\.ops"):
        trace(lambda x: np.asarray(x), spec(2))


def test_numpy_ufuncs_go_to_ops() -> None:
    assert _names(trace(lambda x: np.exp(x), spec(2))) == ["exp"]


def test_a_tensor_of_an_earlier_trace_is_refused() -> None:
    kept: list[Any] = []
    trace(lambda x: kept.append(x) or x, spec(2))
    with pytest.raises(InvalidTypeError, match="of a function traced earlier"):
        trace(lambda y: y + kept[0], spec(2))


def test_a_body_captures_what_it_reads_of_the_outer_trace() -> None:
    found: list[Any] = []

    def outer(x: Any, y: Any) -> Any:
        found.append(trace_body(lambda z: z * y, [spec(2)]))
        return x + y

    trace(outer, spec(2), spec(2))
    assert len(found[0].program.inputs) == 2
    assert len(found[0].captured) == 1


def test_specs_are_inferred_without_keeping_the_trace() -> None:
    assert infer_specs(lambda x, axis: ops.sum(x, axis=axis), [spec("n", 3)], {"axis": 0}) == spec(3)


# ----- Program.check -----


def test_a_sound_program_passes_its_check() -> None:
    trace(lambda x: ops.softmax(x @ np.ones((3, 4), np.float32)), spec("n", 3)).check()


def test_a_value_that_is_read_before_it_is_made_is_found() -> None:
    program = trace(lambda x: ops.exp(ops.tanh(x)), spec(2))
    swapped = Program(program.inputs, program.state, program.equations[::-1], program.outputs)
    with pytest.raises(GraphError, match=r"reads .* before it is computed"):
        swapped.check()


def test_a_value_that_is_made_twice_is_found() -> None:
    program = trace(lambda x: ops.exp(x), spec(2))
    doubled = Program(program.inputs, program.state, program.equations * 2, program.outputs)
    with pytest.raises(GraphError, match=r"computes .* a second time"):
        doubled.check()


def test_a_spec_that_the_rule_contradicts_is_found() -> None:
    program = trace(lambda x: ops.exp(x), spec(2))
    (equation,) = program.equations
    wrong = Equation(equation.primitive, equation.inputs, equation.params, (Value(TensorSpec((3,), "float32")),))
    with pytest.raises(GraphError, match="its rule"):
        Program(program.inputs, (), [wrong], wrong.outputs).check()


def test_a_result_that_is_never_made_is_found() -> None:
    with pytest.raises(GraphError, match="is never computed"):
        Program([], [], [], [Value(spec(2))]).check()


def test_a_program_prints_as_text() -> None:
    text = str(trace(lambda x: ops.sum(x * 2), spec("n", 3)))
    assert "inputs %0:float32[n, 3]" in text
    assert "reduce_sum[axes=(0, 1), keepdims=False]" in text
