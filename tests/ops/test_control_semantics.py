"""Loops and branches: what a body may do and what is refused, as in Keras 3.15.1 on JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, ops, random
from graphkit.core.errors import DTypeError, GraphKitError, InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.engine import run
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from tests.converters.onnx.comparing import parity

X = np.array([0.5, 0.5, 0.5], "float32")
INTEGER = np.int32(1)


def _name(dtype: Any) -> str:
    return str(np.asarray(dtype).dtype)


# ----- Python numbers: seen from Keras 3.15.1 on JAX 0.10.2 -----


@pytest.mark.parametrize(
    ("function", "value", "dtype"),
    [
        (lambda: ops.fori_loop(0, 3, lambda i, a: a + X[0], 1), 2.5, "float32"),
        (lambda: ops.fori_loop(0, 3, lambda i, a: a + 0.5, 1), 2.5, "float32"),
        (lambda: ops.scan(lambda c, v: (c + v, None), 0, X)[0], 1.5, "float32"),
        (lambda: ops.scan(lambda c, v: (c + v, None), 0.0, X.astype("float16"))[0], 1.5, "float16"),
        (lambda: ops.while_loop(lambda a: a < 3, lambda a: a + X[0], 1), 3.0, "float32"),
        (lambda: ops.while_loop(lambda a, b: a < 3, lambda a, b: (a + 1, b * 1.5), (0, 1))[1], 3.375, "float32"),
        (lambda: ops.while_loop(lambda a: a < 3, lambda a: a + 1, 0, maximum_iterations=2.5), 3, "int32"),
        (lambda: ops.while_loop(lambda a: True, lambda a: a + 1, 0, maximum_iterations=4), 4, "int32"),
    ],
)
def test_a_python_number_takes_the_dtype_that_the_body_gives(function: Any, value: float, dtype: str) -> None:
    made = function()

    assert (float(made), _name(made)) == (value, dtype)


def test_a_python_number_becomes_a_float_through_two_carries() -> None:
    made = ops.scan(lambda c, v: ((c[1], c[0] + v), None), (0, 0), X)[0]

    assert [(float(m), _name(m)) for m in made] == [(0.5, "float32"), (1.0, "float32")]


def test_numbers_of_32_bits_become_64_where_the_body_makes_them_so() -> None:
    made = ops.scan(lambda c, v: (c + v, None), np.int32(2**31 - 1), np.array([1], "int64"))[0]

    assert (int(made), _name(made)) == (2**31, "int64")


# ----- refusals -----

_GROWN = ops.concatenate


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda x: ops.fori_loop(0, 3, lambda i, a: a + x[0], INTEGER), DTypeError, "fori_loop.*int32.*float32"),
        (lambda x: ops.fori_loop(0, 3, lambda i, a: a + 0.5, INTEGER), DTypeError, "int32.*float32"),
        (lambda x: ops.fori_loop(0, 3, lambda i, a: i, x[0]), DTypeError, "float32.*int32"),
        (lambda x: ops.fori_loop(0, 3, lambda i, a: 2, x[0]), DTypeError, "float32.*int32"),
        (lambda x: ops.fori_loop(0, 3, lambda i, a: a + 1, np.bool_(True)), DTypeError, "bool.*int32"),
        (lambda x: ops.fori_loop(0, 3, lambda i, a: _GROWN([a, a]), x), ShapeError, r"float32\[3\].*float32\[6\]"),
        (lambda x: ops.fori_loop(3, 3, lambda i, a: _GROWN([a, a]), x), ShapeError, "keep its shape"),
        (lambda x: ops.fori_loop(0, 3, lambda i, a: a + x, np.float32(0)), ShapeError, "keep its shape"),
        (lambda x: ops.fori_loop(0, 3, lambda i, a: (a[0], a[1]), [x, x]), InvalidTypeError, "same structure"),
        (lambda x: ops.fori_loop(0, 3.5, lambda i, a: a, x), DTypeError, "`upper` must be an integer"),
        (lambda x: ops.fori_loop(np.zeros(1, "int32"), 3, lambda i, a: a, x), ShapeError, "`lower` must be a scalar"),
        (lambda x: ops.scan(lambda c, v: (c + v, None), np.int32(0), x), DTypeError, "scan.*int32.*float32"),
        (lambda x: ops.scan(lambda c, v: c + v, 0.0, x), InvalidTypeError, "a pair"),
        (lambda x: ops.scan(lambda c, v: ([c], v), 0.0, x), InvalidTypeError, "same structure"),
        (lambda x: ops.scan(3, 0.0, x), InvalidTypeError, "expects a function"),
        (lambda x: ops.scan(lambda c, v: (c, v), 0.0, x, unroll="a"), InvalidArgumentError, "`unroll`"),
        (lambda x: ops.scan(lambda c, v: (c, v), 0.0, x, length=5), ShapeError, "must be equal"),
        (lambda x: ops.while_loop(lambda a: ops.sum(a) < 3, lambda a: _GROWN([a, a]), x), ShapeError, "keep its shape"),
        (
            lambda x: ops.while_loop(lambda a: a < 9, lambda a: a + x[0], INTEGER),
            DTypeError,
            "while_loop.*int32.*float32",
        ),
        (lambda x: ops.while_loop(lambda a: 3 - a, lambda a: a + 1, x[0]), DTypeError, "must return a bool"),
        (lambda x: ops.while_loop(lambda a: a < 3, lambda a: a, x), ShapeError, "one bool scalar"),
        (lambda x: ops.while_loop(lambda a: a < 3, lambda a: a + 1, (x[0],)), InvalidTypeError, "a tuple of 1"),
        (lambda x: ops.while_loop(lambda a: a < 3, lambda a: (a + 1,), x[0]), InvalidTypeError, "same structure"),
        (
            lambda x: ops.cond(ops.sum(x) > 0, lambda: ops.cast(x, "int32"), lambda: x),
            DTypeError,
            "cond.*int32.*float32",
        ),
        (lambda x: ops.cond(True, lambda: ops.cast(x, "int32"), lambda: x), DTypeError, "cond.*int32.*float32"),
        (lambda x: ops.cond(True, lambda: 1, lambda: 2.5), DTypeError, "int32.*float32"),
        (lambda x: ops.cond(True, lambda: x, lambda: x[:2]), ShapeError, "same shapes"),
        (lambda x: ops.cond(True, lambda: x, lambda: None), InvalidTypeError, "different structures"),
        (lambda x: ops.cond([True], lambda: x, lambda: x), InvalidTypeError, "scalar predicate"),
        (lambda x: ops.cond(None, lambda: x, lambda: x), InvalidTypeError, "scalar predicate"),
        (lambda x: ops.cond(np.array([True]), lambda: x, lambda: x), ShapeError, "scalar predicate"),
        (lambda x: ops.switch(1, [lambda a: a, lambda a: ops.cast(a, "int32")], x), DTypeError, "switch"),
        (lambda x: ops.switch(1.0, [lambda a: a, lambda a: -a], x), InvalidTypeError, "integer scalar"),
        (lambda x: ops.switch(0, [], x), InvalidArgumentError, "at least one branch"),
        (lambda x: ops.map(lambda v: v, 1.0), ShapeError, "map.*at least one axis"),
        (lambda x: ops.vectorized_map(lambda v: v[0] + v[1], [x, x[:2]]), ShapeError, "must be equal"),
        (lambda x: ops.associative_scan(lambda a, b: a + b * 0.5, np.arange(4)), DTypeError, "associative_scan"),
        (lambda x: ops.associative_scan(lambda a, b: ops.sum(a + b), x), ShapeError, "associative_scan"),
        (lambda x: ops.associative_scan(lambda a, b: (a[0],), (x, x)), InvalidTypeError, "as it is given, 2, got 1"),
        (lambda x: ops.associative_scan(lambda a, b: a, (x, x[:2])), ShapeError, "the same size along axis 0"),
    ],
)
def test_what_keras_refuses_is_refused_on_arrays_and_traced(
    function: Callable[[Any], Any], error: type[GraphKitError], words: str
) -> None:
    with pytest.raises(error, match=words):
        function(X)
    with pytest.raises(error, match=words):
        trace(function, spec(3))


def test_an_error_of_the_body_comes_through_as_it_is() -> None:
    def body(i: Any, a: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ops.fori_loop(0, 3, body, X)


@pytest.mark.parametrize(
    "loop",
    [
        lambda x: ops.fori_loop(0, 3, lambda i, a: a + x[i], 0.0),
        lambda x: ops.fori_loop(0, 3, lambda i, a: a + x[i, ...] * (i >= 0), 0.0),
        lambda x: ops.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a + x[i]), (0, 0.0))[1],
        lambda x: ops.scan(lambda c, i: (c + x[i], None), 0.0, np.arange(3))[0],
        lambda x: ops.sum(ops.map(lambda i: x[i], np.arange(3))),
    ],
)
def test_a_tensor_from_outside_is_indexed_by_the_number_of_the_step(loop: Callable[[Any], Any]) -> None:
    x = ops.convert_to_tensor(np.array([1.0, 2.0, 4.0], "float32"))

    assert float(loop(x)) == 7.0
    assert float(run(trace(loop, spec(3)), x)[0]) == 7.0


def test_results_in_a_dict_are_tensors_like_others() -> None:
    made = ops.scan(lambda c, v: (c, {"a": v}), 0.0, X)[1]["a"]

    assert type(made) is type(ops.add(X, X))


def test_numbers_that_a_body_would_need_in_python_are_refused() -> None:
    with pytest.raises(InvalidTypeError, match=r"ops\.take\(array, i, axis=0\)"):
        ops.fori_loop(0, 3, lambda i, a: a + X[i], 0.0)
    with pytest.raises(InvalidTypeError, match=r"ops\.cond instead of `if`"):
        ops.fori_loop(0, 3, lambda i, a: a if i > 1 else a + 1, 0.0)


def test_a_symbolic_tensor_inside_a_branch_is_refused_by_name() -> None:
    x = layers.Input((3,))
    with pytest.raises(InvalidTypeError, match="reads a symbolic tensor of the graph around it"):
        ops.cond(ops.sum(x) > 0, lambda: x, lambda: -x)


# ----- structures, lengths -----


def test_none_and_dicts_keep_their_places() -> None:
    last, ys = ops.scan(lambda c, v: ({"b": c["b"] + v, "a": None}, {"y": v, "n": None}), {"a": None, "b": 0.0}, X)

    assert last["a"] is None
    assert ys["n"] is None
    assert float(last["b"]) == 1.5
    np.testing.assert_array_equal(ys["y"], X)


def test_no_steps_leave_the_carry_and_give_empty_results() -> None:
    last, ys = ops.scan(lambda c, v: (c + v, (c, v)), 1.0, X[:0])

    assert float(last) == 1.0
    assert [y.shape for y in ys] == [(0,), (0,)]
    assert ops.map(lambda row: row[:2], np.zeros((0, 3))).shape == (0, 2)
    assert float(ops.fori_loop(3, 1, lambda i, a: a + 1, 1.0)) == 1.0


def test_a_loop_of_an_unknown_number_of_steps_may_have_none_in_onnx() -> None:
    program = trace(lambda x: ops.scan(lambda c, row: (c + row, c), ops.zeros((2,)), x), spec("n", 2))

    for rows in (0, 1, 3):
        assert parity(program, [np.ones((rows, 2), "float32")]) == []


def test_an_associative_scan_over_an_unknown_size() -> None:
    program = trace(lambda x: ops.associative_scan(ops.multiply, x, axis=1, reverse=True), spec(2, "n"))
    x = np.arange(1, 9, dtype="float32").reshape(2, 4)
    wanted = np.cumprod(x[:, ::-1], 1)[:, ::-1]

    assert parity(program, [x]) == []
    np.testing.assert_allclose(ops.associative_scan(ops.multiply, x, axis=1, reverse=True), wanted)


def test_equality_is_element_by_element_in_a_body() -> None:
    made = ops.fori_loop(0, 4, lambda i, a: ops.where(i == 2, a + 10, a), 0.0)

    assert float(made) == 10.0


def test_switch_on_symbolic_tensors_takes_the_branch_of_the_data() -> None:
    x = layers.Input((3,))
    y = ops.switch(ops.cast(ops.sum(x) > 0, "int32"), [lambda a: a, lambda a: a * 2], x)
    model = graphkit.Model(x, y)

    for sign, factor in ((1.0, 2.0), (-1.0, 1.0)):
        data = np.full((2, 3), sign, "float32")
        np.testing.assert_array_equal(model(data), data * factor)
        np.testing.assert_array_equal(model.predict(data, verbose=0), data * factor)


SYMBOLIC: dict[str, Callable[[Any], Any]] = {
    "scan": lambda x: ops.scan(lambda c, v: (c + v, c * 2), ops.zeros((3,)), x)[1],
    "scan from the end": lambda x: ops.scan(lambda c, v: (c + v, c * 2), x[0], x, reverse=True)[1],
    "map": lambda x: ops.map(lambda v: v * 2, x),
    "vectorized_map": lambda x: ops.vectorized_map(lambda v: v["a"] * v["b"], {"a": x, "b": x}),
    "associative_scan": lambda x: ops.associative_scan(ops.add, x),
    "associative_scan from the end": lambda x: ops.associative_scan(ops.add, x, axis=1, reverse=True),
    "fori_loop": lambda x: ops.fori_loop(0, 3, lambda i, a: a * 2, x),
    "fori_loop to a tensor": lambda x: ops.fori_loop(0, ops.cast(ops.sum(x), "int32"), lambda i, a: a * 2, x),
    "while_loop": lambda x: ops.while_loop(lambda a: ops.sum(a) < 100, lambda a: a * 2, x),
    "while_loop of two": lambda x: ops.while_loop(
        lambda i, a: i < 4, lambda i, a: (i + 1, a * 2), [ops.cast(ops.sum(x), "int32"), x]
    )[1],
    "cond": lambda x: x * ops.cond(ops.sum(x) > 1, lambda: ops.ones((3,)), lambda: ops.zeros((3,))),
}


@pytest.mark.parametrize("name", SYMBOLIC)
def test_a_loop_on_symbolic_tensors_is_the_loop_on_arrays(name: str) -> None:
    x = layers.Input((3,))
    model = graphkit.Model(x, SYMBOLIC[name](x))
    data = np.arange(6, dtype="float32").reshape(2, 3) / 6
    wanted = SYMBOLIC[name](ops.convert_to_tensor(data))

    np.testing.assert_allclose(model(data), wanted, rtol=1e-6)
    np.testing.assert_allclose(model.predict(data, verbose=0), wanted, rtol=1e-6)


# ----- state: what a body assigns is carried from step to step -----


STATEFUL: dict[str, Callable[[Callable[[Any], Any], Any], Any]] = {
    "scan": lambda add, x: ops.scan(lambda c, v: (c, add(v)), 0.0, x)[1],
    "map": lambda add, x: ops.map(add, x),
    "fori_loop": lambda add, x: ops.fori_loop(0, 3, lambda i, a: add(x[0]) * 1.0, np.float32(0)),
    "while_loop": lambda add, x: ops.while_loop(lambda i: i < 3, lambda i: (add(x[0]), i + 1)[1], 0),
    "cond": lambda add, x: ops.cond(ops.sum(x) > 0, lambda: add(ops.sum(x)), lambda: ops.sum(x)),
    "switch": lambda add, x: ops.switch(1, [lambda v: v, lambda v: add(v)], ops.sum(x)),
    "scan in cond": lambda add, x: ops.cond(ops.sum(x) > 0, lambda: ops.map(add, x), lambda: x),
}


@pytest.mark.parametrize("loop", STATEFUL)
def test_what_a_body_assigns_stays_assigned(loop: str) -> None:
    function, variable = STATEFUL[loop], graphkit.Variable(1.0)
    eager = function(lambda v: variable.assign_add(v), X)
    assert float(variable.numpy()) == 2.5

    variable.assign(1.0)
    program = trace(lambda x: function(lambda v: variable.assign_add(v), x), spec(3))
    traced = run(program, X)[0]
    assert float(variable.numpy()) == 2.5
    np.testing.assert_array_equal(traced, eager)


def test_the_condition_of_a_while_loop_sees_what_the_body_assigns() -> None:
    variable = graphkit.Variable(0.0)
    steps = ops.while_loop(lambda n: variable.value < 3, lambda n: (variable.assign_add(1.0), n + 1)[1], 0)

    assert (int(steps), float(variable.numpy())) == (3, 3.0)


def test_the_condition_of_a_while_loop_may_not_assign() -> None:
    variable = graphkit.Variable(0.0)
    with pytest.raises(InvalidTypeError, match="cannot be assigned in the condition"):
        ops.while_loop(lambda n: variable.assign_add(1.0) < 3, lambda n: n + 1, 0)


def test_an_old_value_outside_and_a_new_value_inside_are_kept_apart() -> None:
    variable = graphkit.Variable(1.0)

    def function(x: Any) -> Any:
        before = variable.value + 0.0 * x[0]
        kept = variable.value
        return ops.scan(lambda c, v: (c, (variable.assign_add(v), before * kept)), 0.0, x)[1]

    now, old = run(trace(function, spec(3)), X)

    np.testing.assert_array_equal(now, [1.5, 2.0, 2.5])
    np.testing.assert_array_equal(old, [1.0, 1.0, 1.0])


def test_each_step_draws_its_own_random_numbers() -> None:
    one, other = random.SeedGenerator(7), random.SeedGenerator(7)
    made = ops.map(lambda v: random.uniform((), seed=one), X)

    np.testing.assert_array_equal(made, [random.uniform((), seed=other) for _ in range(3)])


def test_layers_work_inside_a_body() -> None:
    layer, norm = layers.Dense(2), layers.BatchNormalization()
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype("float32")

    made = ops.map(lambda rows: norm(layer(rows), training=True), x)

    means = np.mean(layer(x), axis=1)
    wanted = np.zeros(2)
    for mean in means:
        wanted = 0.99 * wanted + 0.01 * mean
    assert made.shape == (3, 4, 2)
    np.testing.assert_allclose(norm.moving_mean.numpy(), wanted, rtol=1e-4)
