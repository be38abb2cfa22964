"""simplify: what it removes, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphkit.ops as ops
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Literal, Program
from graphkit.ir.simplify import expand_composites, simplify
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import current_trace, replay, trace
from graphkit.ir.variable import Variable


def _simple(function: Callable[..., Any], *specs: TensorSpec, **options: Any) -> list[str]:
    program = simplify(trace(function, *specs), **options)
    program.check()
    return [e.primitive.name for e in program.equations]


def test_what_no_result_needs_is_taken_out() -> None:
    def function(x: Any) -> Any:
        ops.exp(x)
        return ops.tanh(x)

    assert _simple(function, spec(3)) == ["tanh"]


def test_what_is_computed_twice_is_computed_once() -> None:
    assert _simple(lambda x: ops.exp(x) + ops.exp(x), spec(3)) == ["exp", "add"]


def test_the_same_primitive_with_other_params_is_another_computation() -> None:
    assert _simple(lambda x: ops.sum(x, axis=0)[0] + ops.sum(x, axis=1)[0], spec(3, 3)).count("reduce_sum") == 2


def _exp_of_zeros(size: int) -> Any:
    """An equation on constants, which ops would compute immediately."""
    trace_now = current_trace()
    assert trace_now is not None
    return trace_now.emit(PRIMITIVES["exp"], [np.zeros(size, np.float32)], {})


def test_what_is_constant_is_computed() -> None:
    program = simplify(trace(lambda x: x + _exp_of_zeros(3), spec(3)))
    assert [e.primitive.name for e in program.equations] == ["add"]
    assert any(isinstance(a, Literal) and a.array.tolist() == [1, 1, 1] for a in program.equations[0].inputs)


def test_large_constants_stay_as_the_equations_that_make_them() -> None:
    assert _simple(lambda x: x + _exp_of_zeros(100), spec(100), fold_limit=16) == ["exp", "add"]


def test_neutral_elements_vanish() -> None:
    assert _simple(lambda x: ((x + 0) * 1 - 0) / 1, spec(3)) == []


def test_a_neutral_element_that_broadcasts_stays() -> None:
    assert _simple(lambda x: x + np.zeros((2, 1), np.float32), spec(3)) == ["add"]


def test_reshapes_and_transposes_join_or_vanish() -> None:
    assert _simple(lambda x: ops.reshape(ops.reshape(x, (6,)), (3, 2)), spec(2, 3)) == ["reshape"]
    assert _simple(lambda x: ops.transpose(ops.transpose(x)), spec(2, 3)) == []
    assert _simple(lambda x: ops.transpose(ops.transpose(x, (1, 2, 0)), (1, 2, 0)), spec(2, 3, 4)) == ["transpose"]


def test_a_cast_to_its_own_dtype_vanishes() -> None:
    assert _simple(lambda x: ops.cast(ops.cast(x, "float32") * 2, "float32"), spec(3)) == ["multiply"]


def test_an_assignment_is_a_result() -> None:
    weight = Variable(np.zeros(3, np.float32))

    def step(x: Any) -> Any:
        weight.assign(ops.exp(x))
        return x

    assert _simple(step, spec(3)) == ["exp"]


def test_state_that_nothing_reads_or_writes_is_taken_out() -> None:
    weight = Variable(np.zeros(3, np.float32))

    def function(x: Any) -> Any:
        ops.exp(weight)
        return x

    assert simplify(trace(function, spec(3))).state == ()


def test_random_draws_of_one_seed_state_are_one_and_of_two_states_two() -> None:
    def draws(seed: Any) -> Any:
        first = ops.random.uniform((2,), seed=seed)
        return first + ops.random.uniform((2,), seed=seed) + ops.random.uniform((2,), seed=seed + 1)

    assert _simple(draws, TensorSpec((2,), "uint32")).count("random_uniform") == 2


def _names(program: Program) -> list[str]:
    return [e.primitive.name for e in program.equations]


def test_composites_expand_where_the_reader_does_not_know_them() -> None:
    program = trace(lambda x: ops.softmax(ops.gelu(x, approximate=False)), spec(2, 3))
    expanded = expand_composites(program, keep=lambda p: p.name == "softmax")
    expanded.check()
    assert "softmax" in _names(expanded)
    assert "gelu" not in _names(expanded)
    assert "erf" in _names(expanded)
    x = np.linspace(-2, 2, 6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_allclose(replay(expanded, [x])[0], replay(program, [x])[0], rtol=1e-5)


def test_nested_composites_expand_down_to_primitives() -> None:
    program = expand_composites(trace(lambda x: ops.mish(x), spec(3)), keep=lambda p: False)
    assert not any(e.primitive.is_composite for e in program.equations)
