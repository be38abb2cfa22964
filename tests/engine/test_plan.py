"""Compiled programs: correct results with reused buffers, variables updated in place, no large allocations in a step."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

from graphkit import ops
from graphkit.engine import compile_program, run
from graphkit.errors import ShapeError
from graphkit.ir.gradient import gradients
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ir.variable import Variable

RNG = np.random.default_rng(0)


def test_views_are_made_once_and_show_new_inputs() -> None:
    plan = compile_program(trace(lambda x: ops.reshape(ops.transpose(x), (6,))[1:4] * 2.0, spec(2, 3)))

    for _ in range(2):
        x = RNG.normal(size=(2, 3)).astype("float32")
        np.testing.assert_array_equal(plan(x)[0], x.T.reshape(6)[1:4] * 2)


def test_outputs_are_the_callers_own() -> None:
    plan = compile_program(trace(lambda x: [x, x + 1.0], spec(3)))
    first = plan(np.zeros(3))

    plan(np.ones(3))

    np.testing.assert_array_equal(first[0], np.zeros(3))
    np.testing.assert_array_equal(first[1], np.ones(3))


def test_a_value_is_not_overwritten_while_a_view_of_it_is_still_read() -> None:
    def function(x: object) -> object:
        y = ops.exp(x)
        part = y[1:]
        z = y * 2.0  # the last use of y, except for its view
        return ops.sum(z) + ops.sum(part)

    x = RNG.normal(size=5).astype("float32")
    want = 2 * np.exp(x).sum() + np.exp(x)[1:].sum()
    np.testing.assert_allclose(run(trace(function, spec(5)), x)[0], want, rtol=1e-5)


def test_variables_swap_through_each_other() -> None:
    a, b = Variable(np.array([1.0, 2.0]), name="a"), Variable(np.array([3.0, 4.0]), name="b")

    def swap() -> list[object]:
        old_a, old_b = a.value, b.value
        a.assign(old_b)
        b.assign(old_a)
        return []

    compile_program(trace(swap)).step()

    np.testing.assert_array_equal(a.numpy(), [3, 4])
    np.testing.assert_array_equal(b.numpy(), [1, 2])


def test_an_output_may_show_the_old_value_of_a_variable() -> None:
    v = Variable(np.array([1.0, 2.0]), name="v")

    def step() -> object:
        old = v.value
        v.assign(old + 1.0)
        return old

    assert run(trace(step))[0].tolist() == [1, 2]
    assert v.numpy().tolist() == [2, 3]


def test_one_new_value_for_two_variables() -> None:
    a, b = Variable(np.zeros(2), name="a"), Variable(np.ones(2), name="b")

    def step() -> object:
        new = a.value + b.value
        a.assign(new)
        b.assign(new)
        return []

    plan = compile_program(trace(step))
    plan.step()
    plan.step()

    assert a.numpy().tolist() == b.numpy().tolist() == [2, 2]


def test_descent_step_is_what_numpy_computes() -> None:
    w = Variable(RNG.normal(size=(4, 2)).astype("float32"), name="w")
    x, y = RNG.normal(size=(8, 4)).astype("float32"), RNG.normal(size=(8, 2)).astype("float32")

    def step(x: object, y: object) -> object:
        loss = ops.mean(ops.square(ops.tanh(ops.matmul(x, w)) - y))
        (gradient,) = gradients(loss, [w])
        w.assign(w - gradient * 0.5)
        return loss

    plan = compile_program(trace(step, spec(8, 4), spec(8, 2)))
    want = w.numpy().astype("float64")
    for _ in range(3):
        t = np.tanh(x @ want)
        want = want - 0.5 * x.T @ (2 * (t - y) / 16 * (1 - t * t))
        plan(x, y)

    np.testing.assert_allclose(w.numpy(), want, rtol=1e-4, atol=1e-6)


def test_a_steady_step_allocates_nothing_large() -> None:
    w = Variable(RNG.normal(size=(256, 256)).astype("float32"), name="w")

    def step(x: object) -> object:
        loss = ops.mean(ops.square(ops.tanh(ops.matmul(x, w))))
        (gradient,) = gradients(loss, [w])
        w.assign(w - gradient * 0.1)
        return loss

    plan = compile_program(trace(step, spec(256, 256)))
    plan.load([RNG.normal(size=(256, 256))])
    plan.step()
    tracemalloc.start()
    plan.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 64 * 1024, f"{peak} bytes; one tensor of this program has {256 * 256 * 4}"


def test_buffers_are_reused() -> None:
    def deep(x: object) -> object:
        for _ in range(20):
            x = ops.tanh(ops.matmul(x, np.eye(64, dtype="float32")))
        return x

    assert compile_program(trace(deep, spec(64, 64))).workspace_bytes <= 4 * 64 * 64 * 4


def test_calls_from_threads_wait_for_each_other() -> None:
    plan = compile_program(trace(lambda x: ops.exp(x) * 2.0, spec(1000)))
    wrong = []

    def work(number: float) -> None:
        for _ in range(50):
            if not np.allclose(plan(np.full(1000, number))[0], 2 * np.exp(number)):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n / 4,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong


def test_unknown_sizes_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="known sizes"):
        compile_program(trace(lambda x: x + 1.0, spec("batch", 2)))
    with pytest.raises(ShapeError, match=r"Input 0 .* \(3, 2\)"):
        compile_program(trace(lambda x: x + 1.0, spec(3, 2)))(np.zeros((2, 2)))
