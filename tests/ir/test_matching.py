"""The matcher, on programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops
from graphkit.core.errors import InvalidArgumentError
from graphkit.ir.matching import (
    Bound,
    Match,
    Matcher,
    Maybe,
    Number,
    OneOf,
    P,
    Pattern,
    ProgramGraph,
    Rest,
    Through,
    Weight,
)
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import trace

X = spec("batch", 4)


def variable(*shape: int) -> Any:
    return graphkit.Variable(np.ones(shape, "float32"))


def found(function: Callable[..., Any], *patterns: Pattern, inputs: tuple[TensorSpec, ...] = (X,)) -> list[Match]:
    return Matcher(ProgramGraph(trace(function, *inputs))).find(patterns)


DENSE = Pattern("dense", Maybe("add", P("matmul", "x", Weight("kernel")), Weight("bias")))


def test_a_match_gives_the_values_and_the_nodes() -> None:
    kernel, bias = variable(4, 2), variable(2)
    (match,) = found(lambda x: ops.relu(x @ kernel + bias), DENSE)

    assert [e.primitive.name for e in match.nodes] == ["matmul", "add"]
    assert match.spec("kernel").shape == (4, 2)
    assert match.spec("bias").shape == (2,)
    assert match.outputs == match.nodes[-1].outputs


def test_inputs_of_commutative_operations_may_be_exchanged() -> None:
    kernel, bias = variable(4, 2), variable(2)
    (match,) = found(lambda x: bias + x @ kernel, DENSE)
    assert "bias" in match


def test_inputs_of_other_operations_may_not_be_exchanged() -> None:
    kernel = variable(4, 4)
    assert found(lambda x: kernel @ ops.transpose(x), DENSE) == []


def test_an_optional_node_may_be_missing() -> None:
    kernel = variable(4, 2)
    (match,) = found(lambda x: x @ kernel, DENSE)
    assert match.get("bias") is None
    assert len(match.nodes) == 1


def test_weights_may_be_computed_from_weights() -> None:
    kernel = variable(2, 4)
    (match,) = found(lambda x: x @ ops.transpose(kernel), DENSE)
    assert match.spec("kernel").shape == (4, 2)


def test_a_repeated_name_stands_for_one_value() -> None:
    square = Pattern("square", P("multiply", "x", "x"))
    assert len(found(lambda x: ops.tanh(x) * x, square)) == 0
    assert len(found(lambda x: x * x, square)) == 1


def test_inner_values_may_not_be_read_from_outside() -> None:
    silu = Pattern("silu", P("multiply", "x", P("sigmoid", "x")))

    def read_twice(x: Any) -> Any:
        gate = ops.sigmoid(x)
        return x * gate + gate

    assert found(read_twice, silu) == []
    assert len(found(lambda x: x * ops.sigmoid(x), silu)) == 1


def test_an_output_of_the_program_is_read_from_outside() -> None:
    silu = Pattern("silu", P("multiply", "x", P("sigmoid", "x")))

    def both(x: Any) -> Any:
        gate = ops.sigmoid(x)
        return x * gate, gate

    program = trace(lambda x: both(x), X)
    assert Matcher(ProgramGraph(program)).find([silu]) == []


def test_params_and_predicates_are_conditions() -> None:
    last = Pattern("last", P("reduce_mean", "x", params={"axes": lambda axes: tuple(axes) == (1,)}))
    assert len(found(lambda x: ops.mean(x, axis=1), last)) == 1
    assert found(lambda x: ops.mean(x, axis=0), last) == []

    wide = Pattern("wide", P("tanh", Bound("x", lambda s: s.shape[-1] > 4)))
    assert found(ops.tanh, wide) == []
    narrow = Pattern("narrow", P("tanh", "x", where=lambda site: site.outputs[0].shape[-1] == 4))
    assert len(found(ops.tanh, narrow)) == 1


def test_numbers_are_compared_or_given() -> None:
    halved = Pattern("halved", P("multiply", "x", Number(0.5)))
    assert len(found(lambda x: x * 0.5, halved)) == 1
    assert found(lambda x: x * 0.25, halved) == []

    (match,) = found(lambda x: x * 0.25, Pattern("scaled", P("multiply", "x", Number("factor"))))
    assert float(match["factor"].array) == 0.25


def test_alternatives_are_tried_in_order() -> None:
    activation = Pattern("activation", OneOf(P("tanh", "x"), P("sigmoid", "x")))
    assert [m.nodes[0].primitive.name for m in found(lambda x: ops.tanh(ops.sigmoid(x)), activation)] == [
        "sigmoid",
        "tanh",
    ]


def test_chains_of_operations_may_stand_between_nodes() -> None:
    pattern = Pattern("p", P("tanh", Through(["reshape", "transpose"], P("sigmoid", "x"))))
    (match,) = found(lambda x: ops.tanh(ops.transpose(ops.reshape(ops.sigmoid(x), (2, -1)))), pattern)
    assert len(match.nodes) == 4


def test_a_rest_takes_all_further_inputs() -> None:
    joined = Pattern("joined", P("concatenate", "first", Rest("others")))
    (match,) = found(lambda x: ops.concatenate([x, ops.tanh(x), x]), joined)
    assert len(match["others"]) == 2


def test_a_pattern_may_have_several_outputs() -> None:
    pattern = Pattern("pair", P("tanh", "x"), P("sigmoid", "x"))

    def both(x: Any) -> Any:
        return ops.tanh(x), ops.sigmoid(x)

    (match,) = found(both, pattern)
    assert len(match.outputs) == 2


def test_a_match_that_would_depend_on_itself_is_refused() -> None:
    pattern = Pattern("pair", P("add", "x", "y"), P("tanh", "x"))

    def circular(x: Any) -> Any:
        t = ops.tanh(x)
        return x + ops.exp(t), t

    assert found(circular, pattern) == []


def test_earlier_patterns_are_preferred_and_matches_share_no_node() -> None:
    kernel = variable(4, 4)
    whole = Pattern("whole", P("relu", P("matmul", "x", Weight("kernel"))))
    names = [m.pattern.name for m in found(lambda x: ops.relu(x @ kernel) @ kernel, whole, DENSE)]
    assert names == ["whole", "dense"]


def test_a_pattern_needs_a_term() -> None:
    with pytest.raises(InvalidArgumentError):
        Pattern("empty")
