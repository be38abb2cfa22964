"""Loops and branches agree on arrays, traced and run by the engine, and exported and run by onnxruntime.

Each example draws a loop, a body, dtypes, a length and an initial value. Either all three give the same values in the same
dtypes, or the call raises a typed error on arrays and in a trace alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphkit import ops
from graphkit.converters.onnx import program_to_onnx
from graphkit.core import nest
from graphkit.core.errors import GraphKitError
from graphkit.engine import run
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace
from tests.converters.onnx.comparing import run_onnx

BODIES: dict[str, Callable[[Any, Any], Any]] = {
    "sum": ops.add,  # not operators: NumPy's arrays follow other dtype rules
    "product": ops.multiply,
    "half": lambda c, v: ops.add(ops.multiply(c, 0.5), v),
    "larger": ops.maximum,
    "float32 sum": lambda c, v: ops.add(ops.cast(c, "float32"), ops.cast(v, "float32")),
    "whole": lambda c, v: ops.cast(ops.add(c, v), "int32"),
    "flag": ops.greater,
    "grown": lambda c, v: ops.concatenate([ops.reshape(c, (-1,)), ops.reshape(v, (-1,))]),
    "kept": lambda c, v: c,
    "replaced": lambda c, v: v,
}


def _scan(body: Any, x: Any, first: Any) -> Any:
    return ops.scan(lambda c, v: (body(c, v), {"before": c, "none": None, "now": body(c, v)}), first, x)


def _scan_reversed(body: Any, x: Any, first: Any) -> Any:
    return ops.scan(lambda c, v: ([body(c[0], v), c[0]], c[1]), [first, first], x, reverse=True)


def _scan_counted(body: Any, x: Any, first: Any) -> Any:
    return ops.scan(lambda c, _: (body(c, ops.sum(x)), c), first, length=3)


def _fori(body: Any, x: Any, first: Any) -> Any:
    return ops.fori_loop(0, 3, lambda i, c: body(c, ops.sum(x) * ops.cast(i, x.dtype)), first)


def _while(body: Any, x: Any, first: Any) -> Any:
    return ops.while_loop(lambda i, c: i < 3, lambda i, c: (i + 1, body(c, ops.sum(x))), (0, first))


def _while_limited(body: Any, x: Any, first: Any) -> Any:
    test = lambda c: ops.less(ops.sum(c), 1000)  # noqa: E731
    return ops.while_loop(test, lambda c: body(c, ops.sum(x)), first, maximum_iterations=4)


def _while_in_scan(body: Any, x: Any, first: Any) -> Any:
    def step(c: Any, v: Any) -> Any:
        return ops.while_loop(lambda i, c: i < 2, lambda i, c: (i + 1, body(c, v)), (0, c))[1], v

    return ops.scan(step, first, x)


def _cond(body: Any, x: Any, first: Any) -> Any:
    total = ops.sum(x)
    return ops.cond(ops.greater(total, 1), lambda: body(total, total), lambda: ops.convert_to_tensor(first))


def _switch(body: Any, x: Any, first: Any) -> Any:
    place = ops.cast(ops.sum(x), "int32")
    return ops.switch(place, [lambda c, v: c, body, lambda c, v: v], ops.convert_to_tensor(first), ops.sum(x))


def _map(body: Any, x: Any, first: Any) -> Any:
    return ops.map(lambda v: body(first, v), x)


def _vectorized_map(body: Any, x: Any, first: Any) -> Any:
    return ops.vectorized_map(lambda p: (body(p["a"], p["b"]), p["a"]), {"a": x, "b": x})


def _associative_scan(body: Any, x: Any, first: Any) -> Any:
    return ops.associative_scan(body, x)


def _associative_scan_reversed(body: Any, x: Any, first: Any) -> Any:
    return ops.associative_scan(lambda a, b: {"p": body(a["p"], b["p"])}, {"p": x}, reverse=True)


LOOPS: dict[str, Callable[..., Any]] = {
    function.__name__.lstrip("_"): function
    for function in (
        _scan, _scan_reversed, _scan_counted, _fori, _while, _while_limited, _while_in_scan, _cond, _switch, _map,
        _vectorized_map, _associative_scan, _associative_scan_reversed,
    )
}  # fmt: skip

numbers = st.sampled_from([0, 1, 2, 0.5, 1.5, True])
firsts = st.one_of(
    numbers,  # Python numbers, whose dtype is not settled
    st.builds(np.array, numbers, st.sampled_from(["int32", "float32", "float64", "bool"])),
)
sequences = st.builds(
    lambda values, dtype: np.array(values, dtype),
    st.lists(st.sampled_from([0, 0.5, 1, 2, -1]), min_size=0, max_size=4),
    st.sampled_from(["float32", "float64", "int32", "int64"]),
)


def _leaves(result: Any) -> list[Any]:
    return [np.asarray(leaf) for leaf in nest.flatten(result) if leaf is not None]


def _answers(ways: dict[str, Callable[[], list[Any]]]) -> dict[str, Any]:
    """Return the result of each way to run it, or the type of its error."""
    found: dict[str, Any] = {}
    for name, way in ways.items():
        try:
            found[name] = way()
        except GraphKitError as error:
            found[name] = type(error)
    return found


def _assert_equal(name: str, made: list[Any], wanted: list[Any]) -> None:
    assert [(a.shape, a.dtype) for a in made] == [(a.shape, a.dtype) for a in wanted], name
    for a, b in zip(made, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("loop", LOOPS)
@settings(max_examples=20, deadline=None, derandomize=True)
@given(body=st.sampled_from(sorted(BODIES)), x=sequences, first=firsts)
def test_a_loop_says_the_same_on_arrays_traced_and_exported(loop: str, body: str, x: Any, first: Any) -> None:
    def function(x: Any) -> Any:
        return LOOPS[loop](BODIES[body], x, first)

    def traced() -> Program:
        return trace(lambda x: [leaf for leaf in nest.flatten(function(x)) if leaf is not None], TensorSpec.of(x))

    def exported() -> list[Any]:
        return list(run_onnx(program_to_onnx(traced()), [x]).values())

    found = _answers({"eager": lambda: _leaves(function(x)), "traced": lambda: run(traced(), x), "onnx": exported})

    if isinstance(found["eager"], type):
        assert found["traced"] is found["eager"], found
        return
    _assert_equal("traced", found["traced"], found["eager"])
    _assert_equal("onnx", found["onnx"], found["eager"])


@pytest.mark.parametrize("loop", [name for name in LOOPS if name not in ("cond", "switch", "map", "scan_counted")])
@pytest.mark.parametrize("first", [0, np.int32(0), np.float32(0), 0.0], ids=["0", "int32", "float32", "0.0"])
def test_no_fraction_is_lost(loop: str, first: Any) -> None:
    """A sum of halves is not truncated to integers: it is right, or the loop is refused."""
    x = np.array([0.5, 0.5, 0.5], "float32")
    exact = {0.0, 0.5, 1.0, 1.5, 3.0, 4.5, 6.0}
    try:
        made = _leaves(LOOPS[loop](ops.add, x, first))
    except GraphKitError:
        assert isinstance(first, np.int32), "only a tensor of integers fixes the dtype"
        return
    assert {float(v) for a in made for v in a.ravel() if a.dtype.kind == "f"} <= exact
    assert made[-1].dtype == np.float32
