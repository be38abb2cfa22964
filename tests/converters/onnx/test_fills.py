"""Sums over zeros and ones in the place of sizes become constants, sizes and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.converters.onnx import program_to_onnx
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from tests.converters.onnx.comparing import parity

X = np.random.default_rng(0).standard_normal((3, 5)).astype("float32")
TABLE = np.arange(12, dtype=np.float32).reshape(1, 12)


def zeros(x: Any) -> Any:
    """Return whole zeros with the shape of a tensor."""
    return ops.cast(ops.zeros_like(x), "int32")


def time_range(x: Any) -> Any:
    """Return 0, 1, ... along the last axis, without its size."""
    return ops.cumsum(ops.sum(zeros(x), axis=0) + 1) - 1


CASES = {
    "a sum of zeros is a constant": (lambda x: ops.take(TABLE, ops.sum(zeros(x)) + 0, axis=0), []),
    "a range": (lambda x: time_range(x), ["Shape", "Squeeze", "Range", "Cast"]),
    "a range is not negative": (
        lambda x: ops.where(time_range(x) < 0, 7, time_range(x)),
        ["Shape", "Squeeze", "Range", "Cast"],
    ),
    "all of an axis": (lambda x: ops.take(x * 2.0, time_range(x), axis=1), ["Mul"]),
    "places that are all elements in order": (
        lambda x: (
            ops.take(
                ops.reshape(x, (-1,)), ops.cumsum(ops.sum(zeros(x), axis=1) + 1)[:, None] * 5 - 5 + np.arange(5), axis=0
            )
            * 2.0
        ),
        ["Mul"],
    ),
    "zeros that are added": (lambda x: ops.cast(x, "int32") + zeros(x), ["Cast"]),
    "filled tensors that are combined": (lambda x: (zeros(x) + 3) * 2, ["Shape", "Shape", "Concat", "Expand"]),
}


@pytest.mark.parametrize("name", CASES)
def test_fills_are_computed_at_export(name: str) -> None:
    function, wanted = CASES[name]
    program = trace(function, spec("b", 5 if name.startswith("places") else "t"))
    nodes = [n.op_type for n in program_to_onnx(program).graph.node if n.op_type != "Identity"]
    assert parity(program, [X]) == []
    assert nodes == wanted


def test_what_only_looks_like_a_fill_stays() -> None:
    def function(x: Any) -> Any:
        ones = ops.cast(ops.ones_like(x), "int32")
        return (
            ops.cumsum(ones, axis=1) - 1,
            ops.sum(ones),
            ops.cumsum(ops.sum(ones, axis=0)),
            ops.take(x, [1, 0], axis=0),
        )

    assert parity(trace(function, spec("b", "t")), [X]) == []


def test_negative_starts_are_compared() -> None:
    program = trace(lambda x: ops.where(time_range(x) - 2 < 0, 100, time_range(x)), spec("b", "t"))
    assert parity(program, [X]) == []
