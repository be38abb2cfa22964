"""GradientTape, inside traced functions and outside of them, with the same results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops
from graphkit.engine import run
from graphkit.errors import InvalidArgumentError, InvalidTypeError, NotDifferentiableError, ShapeError, TapeError
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace_structured
from graphkit.ir.variable import Variable

X = np.array([1.0, 2.0, 3.0])


Run = Callable[..., Any]


def _run_traced(function: Callable[..., Any], *arrays: Any) -> Any:
    """Trace a function, compile it and run it on these arrays."""
    program, structure = trace_structured(function, *(TensorSpec.of(a) for a in arrays))
    program.check()
    results = run(program, *arrays)
    return graphkit.tree.map_structure(lambda place: results[place], structure)


def _run_eagerly(function: Callable[..., Any], *arrays: Any) -> Any:
    return function(*map(ops.convert_to_tensor, arrays))


@pytest.fixture(params=[_run_traced, _run_eagerly], ids=["traced", "eager"])
def run_step(request: pytest.FixtureRequest) -> Run:
    """Run a function of tensors on arrays: traced and compiled, or with the tensors' numbers."""
    made: Run = request.param
    return made


def test_gradient_of_a_variable_that_is_read(run_step: Run) -> None:
    w = Variable(X)

    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            loss = ops.sum(w * w * x)
        return tape.gradient(loss, w)

    np.testing.assert_allclose(run_step(step, X), 2 * X * X)


def test_gradients_have_the_structure_of_the_sources(run_step: Run) -> None:
    a, b = Variable(X), Variable(2 * X)

    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            loss = ops.sum(a * b * x)
        return tape.gradient(loss, {"weights": [a, b], "x": x})

    found = run_step(step, X)
    np.testing.assert_allclose(found["weights"][0], 2 * X * X)
    np.testing.assert_allclose(found["weights"][1], X * X)
    np.testing.assert_allclose(found["x"], 2 * X * X)


def test_target_that_is_no_scalar_is_summed(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        return tape.gradient(y, x)

    np.testing.assert_allclose(run_step(step, X), 2 * X)


def test_output_gradients_weigh_the_targets(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            targets = {"square": x * x, "cube": x * x * x}
        return tape.gradient(targets, x, output_gradients={"square": ops.ones(3), "cube": 2 * ops.ones(3)})

    np.testing.assert_allclose(run_step(step, X), 2 * X + 6 * X**2)


def test_output_gradient_of_another_shape_is_refused(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        return tape.gradient(y, x, output_gradients=ops.ones(2))

    with pytest.raises(ShapeError, match="output_gradients"):
        run_step(step, X)


@pytest.mark.parametrize("choice", ["none", "zero"])
def test_unconnected_source(choice: str, run_step: Run) -> None:
    w, unused = Variable(X), Variable(X)
    seen: list[Any] = []

    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            loss = ops.sum(w * x)
        seen[:] = tape.gradient(loss, [w, unused], unconnected_gradients=choice)
        return [g for g in seen if g is not None]

    found = run_step(step, X)
    if choice == "none":
        assert seen[1] is None
    else:
        np.testing.assert_array_equal(found[1], np.zeros(3))


def test_tensor_that_is_not_watched_has_no_gradient(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            y = x * x
        assert tape.gradient(y, x) is None
        return y

    run_step(step, X)


def test_what_was_computed_before_the_tape_is_constant(run_step: Run) -> None:
    def step(x: Any) -> Any:
        before = x * x
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = before * x
        return tape.gradient(y, x)

    np.testing.assert_allclose(run_step(step, X), X**2)


def test_what_stop_recording_encloses_is_constant(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = x * x
            with tape.stop_recording():
                z = x * x
            total = y * z
        return tape.gradient(total, x)

    np.testing.assert_allclose(run_step(step, X), 2 * X**3)


def test_gradient_of_a_gradient_with_nested_tapes(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as outer:
            outer.watch(x)
            with graphkit.GradientTape() as inner:
                inner.watch(x)
                y = x * x * x
            first = inner.gradient(y, x)
        return first, outer.gradient(first, x)

    first, second = run_step(step, X)
    np.testing.assert_allclose(first, 3 * X**2)
    np.testing.assert_allclose(second, 6 * X)


def test_gradient_is_that_of_the_value_which_was_read(run_step: Run) -> None:
    w = Variable(X)

    def step(x: Any) -> Any:
        found = []
        for _ in range(2):
            with graphkit.GradientTape() as tape:
                loss = ops.sum(w * w * x)
            found.append(tape.gradient(loss, w))
            w.assign_sub(0.1 * found[-1])
        return found

    first, second = run_step(step, X)
    np.testing.assert_allclose(first, 2 * X * X)
    np.testing.assert_allclose(second, 2 * (X - 0.1 * first) * X)


def test_no_gradient_flows_through_an_assignment_in_the_block(run_step: Run) -> None:
    w = Variable(X)

    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            before = ops.sum(w * x)
            w.assign(w * 3.0)
            after = ops.sum(w * w)
        return tape.gradient([before, after], w)

    np.testing.assert_allclose(run_step(step, X), X + 2 * 3 * X)


def test_variable_that_was_assigned_a_constant_has_a_gradient(run_step: Run) -> None:
    w = Variable(np.ones(3))

    def step(x: Any) -> Any:
        w.assign(2 * np.ones(3))
        with graphkit.GradientTape() as tape:
            loss = ops.sum(w * w * x)
        return tape.gradient(loss, w)

    np.testing.assert_allclose(run_step(step, X), 4 * X)


def test_persistent_tape_gives_several_gradients(run_step: Run) -> None:
    w = Variable(X)

    def step(x: Any) -> Any:
        with graphkit.GradientTape(persistent=True) as tape:
            loss = ops.sum(w * w * x)
            twice = 2 * loss
        return tape.gradient(loss, w), tape.gradient(twice, w)

    one, two = run_step(step, X)
    np.testing.assert_allclose(two, 2 * one)


def test_second_gradient_of_a_tape_that_is_not_persistent_is_refused(run_step: Run) -> None:
    w = Variable(X)

    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            loss = ops.sum(w * x)
        tape.gradient(loss, w)
        return tape.gradient(loss, w)

    with pytest.raises(TapeError, match="A non-persistent GradientTape can only be used to compute one set"):
        run_step(step, X)


def test_composite_of_layers_is_expanded_inside_the_recorded_stretch(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = ops.sum(ops.layer_normalization(x) * x)
            z = ops.sum(ops.logsumexp(x))
        return tape.gradient(y, x), tape.gradient(z, x)

    eps = 1e-6
    value = lambda x: float(ops.sum(ops.layer_normalization(x) * x))  # noqa: E731
    wanted = [(value(X + eps * e) - value(X - eps * e)) / (2 * eps) for e in np.eye(3)]
    norm, log = run_step(step, X)
    np.testing.assert_allclose(norm, wanted, rtol=1e-5)
    np.testing.assert_allclose(log, np.exp(X) / np.exp(X).sum())


def test_integer_tensors_are_not_watched(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            with pytest.warns(UserWarning, match="must be floating"):
                tape.watch(x)
            y = x * 2
        assert tape.gradient(y, x) is None
        return y

    run_step(step, np.arange(3))


def test_watch_accessed_variables_false_records_only_what_is_watched(run_step: Run) -> None:
    a, b = Variable(X), Variable(X)

    def step(x: Any) -> Any:
        with graphkit.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(a)
            loss = ops.sum(a * b * x)
        assert tape.watched_variables() == (a,)
        found = tape.gradient(loss, [a, b])
        assert found[1] is None
        return found[0]

    np.testing.assert_allclose(run_step(step, X), X * X)


def test_variables_that_are_not_trainable_are_not_watched(run_step: Run) -> None:
    a, b = Variable(X), Variable(X, trainable=False)

    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            loss = ops.sum(a * b * x)
        assert tape.gradient(loss, b) is None
        return loss

    run_step(step, X)


def test_reset_forgets_what_was_recorded(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = x * x
            tape.reset()
            tape.watch(x)
            z = y * x
        return tape.gradient(z, x)

    np.testing.assert_allclose(run_step(step, X), X**2)


@pytest.mark.parametrize("target", [None, "loss"])
def test_target_that_is_no_tensor_is_refused(target: Any, run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        tape.gradient(target, x)
        return y

    with pytest.raises(InvalidTypeError, match="target"):
        run_step(step, X)


def test_unknown_choice_of_unconnected_gradients_is_refused(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        tape.gradient(y, x, unconnected_gradients="zeros")
        return y

    with pytest.raises(InvalidArgumentError, match="unconnected_gradients"):
        run_step(step, X)


def test_op_without_gradient_is_named(run_step: Run) -> None:
    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = ops.while_loop(lambda v: ops.sum(v) < 10, lambda v: (v * 2,), (x,))[0]
        return tape.gradient(y, x)

    with pytest.raises(NotDifferentiableError, match="while_loop"):
        run_step(step, X)


def test_tape_inside_the_body_of_a_scan(run_step: Run) -> None:
    w = Variable(X)

    def step(x: Any) -> Any:
        def body(carry: Any, row: Any) -> Any:
            with graphkit.GradientTape() as tape:
                loss = ops.sum(w * w * row)
            gradient = tape.gradient(loss, w)
            return carry + loss, gradient

        return ops.scan(body, ops.zeros((), "float64"), x)

    rows = np.stack([X, 2 * X])
    total, found = run_step(step, rows)
    np.testing.assert_allclose(found, 2 * X * rows)
    np.testing.assert_allclose(total, np.sum(X * X * rows))


def test_tape_around_a_scan_that_reads_a_variable(run_step: Run) -> None:
    w = Variable(X)

    def step(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            total, _ = ops.scan(lambda c, row: (c * row + ops.sum(w * row), None), ops.ones(3, "float64"), x)
            loss = ops.sum(total)
        return tape.gradient(loss, w)

    rows = np.stack([X, 2 * X])
    eps = 1e-6

    def value(v: Any) -> float:
        carry = np.ones(3)
        for row in rows:
            carry = carry * row + np.sum(v * row)
        return float(carry.sum())

    wanted = [(value(X + eps * e) - value(X - eps * e)) / (2 * eps) for e in np.eye(3)]
    np.testing.assert_allclose(run_step(step, rows), wanted, rtol=1e-5)
