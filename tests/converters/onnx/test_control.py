"""Branches and loops, on arrays and traced, beside onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

from graphkit.converters.onnx.operators import Evaluator
from graphkit.engine import run
from graphkit.errors import UnsupportedError
from graphkit.ir.gradient import grad
from graphkit.ir.spec import spec
from graphkit.ir.tracing import specialize, trace
from graphkit.ops import sum as total
from tests.converters.onnx.one_node import by_onnxruntime, by_trace, differs

HEAD = '<ir_version: 8, opset_import: ["" : 17]>'
X = np.array([0.5, -0.25, 2.0], np.float32)


def model(text: str) -> onnx.ModelProto:
    return parser.parse_model(HEAD + text)


def counting(steps: str) -> str:
    """Return a loop of a number of steps that collects what it carries."""
    return f"""
    agraph (float[3] x) => (float[3] y, float[n, 3] ys) {{
        steps = Constant <value = int64 {{{steps}}}>()
        yes = Constant <value = bool {{1}}>()
        y, ys = Loop (steps, yes, x) <body = b (int64 i, bool c, float[3] v) => (bool d, float[3] w, float[3] r) {{
            d = Identity(c)
            half = Constant <value = float {{0.5}}>()
            f = Cast <to = 1> (i)
            s = Mul(v, half)
            u = Add(s, x)
            w = Sin(u)
            r = Add(w, f)
        }}>
    }}"""


UNTIL = """
    agraph (float[3] x) => (float[3] y) {
        steps = Constant <value = int64 {LIMIT}>()
        yes = Constant <value = bool {1}>()
        y = Loop (steps, yes, x) <body = b (int64 i, bool c, float[3] v) => (bool d, float[3] w) {
            w = Add(v, v)
            m = ReduceMax <keepdims = 0> (w)
            ten = Constant <value = float {10.0}>()
            d = Less(m, ten)
        }>
    }"""
UNTIL_COLLECTED = """
    agraph (float[3] x) => (float[3] y, float[n, 3] ys) {
        steps = Constant <value = int64 {LIMIT}>()
        yes = Constant <value = bool {1}>()
        y, ys = Loop (steps, yes, x) <body = b (int64 i, bool c, float[3] v) => (bool d, float[3] w, float[3] r) {
            w = Add(v, v)
            m = ReduceMax <keepdims = 0> (w)
            ten = Constant <value = float {10.0}>()
            d = Less(m, ten)
            r = Identity(w)
        }>
    }"""
OF_SIZE = """
    agraph (float[batch, 3] x) => (float[3] y) {
        sizes = Shape <start = 0, end = 1> (x)
        steps = Squeeze(sizes)
        yes = Constant <value = bool {1}>()
        first = Constant <value = float[3] {0.0, 0.0, 0.0}>()
        y = Loop (steps, yes, first) <body = b (int64 i, bool c, float[3] v) => (bool d, float[3] w) {
            d = Identity(c)
            row = Gather(x, i)
            u = Add(v, row)
            w = Tanh(u)
        }>
    }"""
COUNTED = """
    agraph (float[3] x, int64 steps) => (float[3] y) {
        yes = Constant <value = bool {1}>()
        y = Loop (steps, yes, x) <body = b (int64 i, bool c, float[3] v) => (bool d, float[3] w) {
            d = Identity(c)
            w = Add(v, x)
        }>
    }"""
GROWING = """
    agraph (float[3] x) => (float[n] y) {
        steps = Constant <value = int64 {20}>()
        yes = Constant <value = bool {1}>()
        y = Loop (steps, yes, x) <body = b (int64 i, bool c, float[n] v) => (bool d, float[n] w) {
            d = Identity(c)
            w = Concat <axis = 0> (v, x)
        }>
    }"""
BRANCH = """
    agraph (float[3] x) => (float[3] y) {
        s = ReduceSum <keepdims = 0> (x)
        zero = Constant <value = float {0.0}>()
        positive = Greater(s, zero)
        y = If (positive) <then_branch = a () => (float[3] t) { t = Mul(x, x) }, else_branch = b () => (float[3] e) { e = Neg(x) }>
    }"""
SCAN = """
    agraph (float[3] s, float[3, 4] x) => (float[3] y, float[3, 4] ys) {
        y, ys = Scan (s, x) <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1], scan_input_directions = [1],
            body = b (float[3] v, float[3] r) => (float[3] w, float[3] o) {
            w = Mul(v, r)
            o = Add(w, r)
        }>
    }"""
CASES: dict[str, tuple[str, list[Any], bool]] = {
    "a few steps": (counting("5"), [X], True),
    "many steps": (counting("40"), [X], True),
    "no steps": (counting("0"), [X], True),
    "a condition, with a bound": (UNTIL.replace("LIMIT", "30"), [X], True),
    "a condition that holds throughout": (UNTIL.replace("LIMIT", "3"), [X], True),
    "a condition, unbounded": (UNTIL.replace("LIMIT", str(2**63 - 1)), [X], True),
    "results up to a condition": (UNTIL_COLLECTED.replace("LIMIT", "30"), [X], False),
    "steps of a size": (OF_SIZE, [np.linspace(-1, 1, 60, dtype=np.float32).reshape(20, 3)], True),
    "steps of an input": (COUNTED, [X, np.array(7)], True),
    "a value that grows": (GROWING, [X], True),
    "a branch": (BRANCH, [X], True),
    "the other branch": (BRANCH, [-X], True),
    "a scan": (SCAN, [X, np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)], True),
}


@pytest.mark.parametrize("name", CASES)
def test_a_loop_or_branch_agrees_with_onnxruntime(name: str) -> None:
    text, inputs, traced = CASES[name]
    made = model(text)
    feeds = dict(zip([i.name for i in made.graph.input], inputs, strict=True))
    want, evaluate = by_onnxruntime(made, feeds), Evaluator(made)

    ways = [evaluate(feeds), *([by_trace(evaluate, feeds)] if traced else [])]

    assert [differs(g, w, 1e-5, 1e-6) for way in ways for g, w in zip(way, want, strict=True)] == [None] * len(
        ways
    ) * len(want)


@pytest.mark.parametrize(
    "name", ["a few steps", "many steps", "a condition, with a bound", "a branch", "steps of a size"]
)
def test_the_gradient_of_a_loop_or_branch_agrees_with_differences(name: str) -> None:
    text, (x, *_), _ = CASES[name]
    evaluate = Evaluator(model(text))
    program = trace(lambda v: total(evaluate({"x": v})[0]), spec(*x.shape))

    (gradient,) = run(grad(program), x)[-1:]

    small = np.float32(1e-2)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = small
        slope = (np.sum(evaluate({"x": x + step})[0]) - np.sum(evaluate({"x": x - step})[0])) / (2 * small)
        assert abs(float(slope) - float(gradient[place])) < 1e-2 * max(1.0, abs(float(slope)))


def test_many_steps_become_one_equation() -> None:
    evaluate = Evaluator(model(counting("40")))
    program = trace(lambda v: evaluate({"x": v})[0], spec(3))

    assert [e.primitive.name for e in program.equations].count("scan") == 1


def test_a_loop_over_an_unknown_size_is_traced() -> None:
    evaluate = Evaluator(model(OF_SIZE))
    program = trace(lambda v: evaluate({"x": v})[0], spec("batch", 3))
    x = np.linspace(-1, 1, 21, dtype=np.float32).reshape(7, 3)

    assert np.allclose(run(specialize(program, [spec(7, 3)]), x)[0], evaluate({"x": x})[0])


def test_an_unbounded_loop_that_collects_results_is_refused() -> None:
    evaluate = Evaluator(model(UNTIL_COLLECTED.replace("LIMIT", str(2**63 - 1))))

    with pytest.raises(UnsupportedError, match="has no bound"):
        trace(lambda v: evaluate({"x": v}), spec(3))
