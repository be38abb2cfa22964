"""Loops and branches: values, gradients, unknown sizes, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, NotDifferentiableError, ShapeError
from graphkit.engine import run
from graphkit.ir.gradient import grad
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import specialize, trace

RNG = np.random.default_rng(5)
X, W, H = RNG.normal(size=(6, 2, 3)), RNG.normal(size=(3, 3)) * 0.5, RNG.normal(size=(2, 3))


def _recurrence(w: Any, x: Any, h: Any, **options: Any) -> tuple[Any, Any]:
    def step(carry: Any, slices: Any) -> Any:
        new = ops.tanh(slices + ops.matmul(carry, w))
        return new, {"twice": 2 * new, "before": carry}

    last, ys = ops.scan(step, h, x, **options)
    return last, ys


def _score(w: Any, x: Any, h: Any, **options: Any) -> Any:
    last, ys = _recurrence(w, x, h, **options)
    return ops.sum(last) + ops.sum(ys["twice"] * ys["before"])


def _differences(function: Any, arrays: list[Any], which: int, step: float = 1e-6) -> Any:
    x, made = arrays[which], np.zeros_like(arrays[which])
    for place in np.ndindex(x.shape):
        kept = x[place]
        x[place] = kept + step
        up = float(function(*arrays))
        x[place] = kept - step
        made[place] = (up - float(function(*arrays))) / (2 * step)
        x[place] = kept
    return made


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_runs_step_by_step(reverse: bool) -> None:
    state, twice = H, np.zeros_like(X)
    for t in range(6)[::-1] if reverse else range(6):
        state = np.tanh(X[t] + state @ W)
        twice[t] = 2 * state
    program = trace(
        lambda *a: [_recurrence(*a, reverse=reverse)[0], _recurrence(*a, reverse=reverse)[1]["twice"]],
        *map(TensorSpec.of, (W, X, H)),
    )

    last, ys = run(program, W, X, H)

    np.testing.assert_allclose(last, state)
    np.testing.assert_allclose(ys, twice)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_gradient_of_scan_is_that_of_differences(reverse: bool) -> None:
    arrays = [W.copy(), X.copy(), H.copy()]
    program = grad(trace(lambda *a: _score(*a, reverse=reverse), *map(TensorSpec.of, arrays)))
    program.check()
    _, *found = run(program, *arrays)

    for which, mine in enumerate(found):
        np.testing.assert_allclose(mine, _differences(lambda *a: _score(*a, reverse=reverse), arrays, which), atol=1e-7)


def test_the_gradient_of_scan_is_a_scan_that_keeps_only_what_it_needs() -> None:
    program = grad(trace(_score, *map(TensorSpec.of, (W, X, H))))
    scans = [e for e in program.equations if e.primitive.name == "scan"]

    assert len(scans) == 2
    assert "tanh" not in {e.primitive.name for e in scans[1].params["body"].equations}


def test_second_derivatives_pass_through_scan() -> None:
    def curve(x: Any) -> Any:
        return ops.scan(lambda c, _: (c * x, None), ops.ones(()), length=3)[0]

    first = grad(trace(curve, spec(dtype="float64")))
    second = grad(trace(lambda x: specialize_and_take(first, x), spec(dtype="float64")))

    np.testing.assert_allclose(run(second, np.array(2.0))[1], 12.0, rtol=1e-6)


def specialize_and_take(program: Any, x: Any) -> Any:
    from graphkit.ir.tracing import replay

    return replay(program, [x])[1]


def test_a_scan_over_unknown_sizes_is_specialised() -> None:
    free = grad(
        trace(
            _score,
            TensorSpec((3, 3), "float64"),
            spec("time", "batch", 3, dtype="float64"),
            spec("batch", 3, dtype="float64"),
        )
    )
    free.check()
    fitted = specialize(free, [TensorSpec.of(a) for a in (W, X, H)])
    fitted.check()

    for mine, wanted in zip(
        run(fitted, W, X, H), run(grad(trace(_score, *map(TensorSpec.of, (W, X, H)))), W, X, H), strict=True
    ):
        np.testing.assert_allclose(mine, wanted)


def test_a_body_may_make_tensors_of_an_unknown_size() -> None:
    def function(x: Any) -> Any:
        rows = ops.shape(x)[1]
        return ops.scan(
            lambda c, s: (c + s + ops.sum(ops.ones((rows,), "float64")), None),
            ops.zeros((), "float64"),
            ops.sum(x, axis=1),
        )[0]

    program = specialize(trace(function, spec("time", "rows", dtype="float64")), [TensorSpec((2, 5), "float64")])

    np.testing.assert_allclose(run(program, np.ones((2, 5))), [20.0])


def test_scan_on_arrays_computes_at_once() -> None:
    last, ys = ops.scan(lambda c, x: (c + x, c), np.float32(0), np.arange(4, dtype="float32"))

    assert float(last) == 6
    np.testing.assert_array_equal(ys, [0, 0, 1, 3])


def test_swapped_carries_do_not_overwrite_each_other() -> None:
    program = trace(lambda a, b: ops.scan(lambda c, _: ((c[1], c[0]), None), (a, b), length=3)[0], spec(2), spec(2))

    first, second = run(program, np.array([1, 2], "float32"), np.array([3, 4], "float32"))

    np.testing.assert_array_equal(first, [3, 4])
    np.testing.assert_array_equal(second, [1, 2])


def test_scan_refuses_sequences_of_different_length() -> None:
    with pytest.raises(ShapeError, match="must be equal"):
        ops.scan(lambda c, x: (c, None), np.zeros(2), [np.zeros((3, 2)), np.zeros((4, 2))])


def test_scan_wants_to_know_the_number_of_steps() -> None:
    with pytest.raises(InvalidArgumentError, match="length"):
        ops.scan(lambda c, x: (c, None), np.zeros(2))


def test_scan_refuses_a_carry_that_changes_its_shape() -> None:
    with pytest.raises(ShapeError, match="must keep its shape"):
        trace(lambda x: ops.scan(lambda c, s: (ops.concatenate([c, s]), None), x[0], x)[0], spec(3, 2))


def _collatz(n: Any) -> Any:
    return ops.while_loop(
        lambda n, count: n > 1,
        lambda n, count: (ops.where(ops.equal(n % 2, 0), n // 2, 3 * n + 1), count + 1),
        (n, np.int32(0)),
    )[1]


def test_while_loop_runs_until_the_condition_fails() -> None:
    program = trace(_collatz, spec(dtype="int32"))

    assert [int(run(program, np.int32(n))[0]) for n in (1, 6, 27)] == [0, 8, 111]
    assert int(_collatz(np.int32(27))) == 111


def test_while_loop_stops_at_the_limit() -> None:
    program = trace(
        lambda x: ops.while_loop(lambda x: x < 100, lambda x: (x + 1,), (x,), maximum_iterations=5)[0], spec()
    )

    assert float(run(program, np.float32(1))[0]) == 6


def test_while_loop_has_no_gradient() -> None:
    with pytest.raises(NotDifferentiableError, match="number of steps"):
        grad(trace(lambda x: ops.while_loop(lambda x: x < 9, lambda x: (x * x,), (x,))[0], spec()))


def test_fori_loop_between_known_bounds_has_a_gradient() -> None:
    program = grad(
        trace(
            lambda x: ops.fori_loop(1, 4, lambda i, v: v * x * ops.cast(i, "float64"), ops.ones((), "float64")),
            spec(dtype="float64"),
        )
    )

    np.testing.assert_allclose(run(program, np.array(2.0)), [48.0, 72.0])


def test_fori_loop_takes_bounds_that_are_tensors() -> None:
    program = trace(lambda n: ops.fori_loop(0, n, lambda i, v: v + i, np.int32(0)), spec(dtype="int32"))

    assert int(run(program, np.int32(5))[0]) == 10


@pytest.mark.parametrize(("x", "value", "slope"), [(2.0, 8.0, 12.0), (-2.0, -6.0, 3.0)])
def test_cond_takes_one_branch_and_its_gradient(x: float, value: float, slope: float) -> None:
    program = grad(trace(lambda x: ops.cond(x > 0, lambda: x * x * x, lambda: 3 * x), spec(dtype="float64")))

    np.testing.assert_allclose(run(program, np.array(x)), [value, slope])


def test_cond_refuses_branches_that_give_different_shapes() -> None:
    with pytest.raises(ShapeError, match="same shapes and dtypes"):
        trace(lambda x: ops.cond(ops.sum(x) > 0, lambda: x, lambda: ops.sum(x)), spec(3))


def test_cond_refuses_branches_of_different_structure() -> None:
    with pytest.raises(InvalidTypeError, match="different structures"):
        trace(lambda x: ops.cond(ops.sum(x) > 0, lambda: x, lambda: (x, x)), spec(3))


def test_cond_wants_a_scalar() -> None:
    with pytest.raises(ShapeError, match="scalar predicate"):
        trace(lambda x: ops.cond(x > 0, lambda: x, lambda: -x), spec(3))


@pytest.mark.parametrize(("index", "wanted"), [(0, 3.0), (1, 6.0), (2, 9.0), (7, 9.0), (-1, 3.0)])
def test_switch_takes_the_nearest_branch(index: int, wanted: float) -> None:
    branches = [lambda x: x, lambda x: 2 * x, lambda x: 3 * x]
    program = trace(lambda i, x: ops.switch(i, branches, x), spec(dtype="int32"), spec())

    assert float(run(program, np.int32(index), np.float32(3))[0]) == wanted


def test_map_applies_a_function_to_each_slice() -> None:
    program = trace(lambda x: ops.map(lambda row: ops.sum(row * row), x), spec(4, 3, dtype="float64"))
    x = RNG.normal(size=(4, 3))

    np.testing.assert_allclose(run(program, x)[0], (x * x).sum(1))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size", [1, 5, 8])
def test_associative_scan_gives_running_results(size: int, reverse: bool) -> None:
    x = RNG.normal(size=(size, 2))
    wanted = np.cumsum(x[::-1], 0)[::-1] if reverse else np.cumsum(x, 0)

    np.testing.assert_allclose(ops.associative_scan(ops.add, x, reverse=reverse), wanted)
