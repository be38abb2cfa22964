"""graphkit.function: traced once for each signature, differentiable, stateful, and eager where numbers are needed."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, losses, metrics, models, ops, optimizers
from graphkit.errors import InvalidTypeError, ShapeError
from graphkit.ir.eager_tensor import EagerTensor
from graphkit.ir.spec import spec

X = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")


def test_function_is_traced_once_for_each_signature() -> None:
    traced: list[Any] = []

    @graphkit.function  # type: ignore[untyped-decorator]
    def twice(x: Any, factor: float = 2.0) -> Any:
        traced.append(x.shape)
        return x * factor

    np.testing.assert_allclose(twice(X), 2 * X)
    np.testing.assert_allclose(twice(X + 1), 2 * (X + 1))
    np.testing.assert_allclose(twice(X[:2]), 2 * X[:2])
    np.testing.assert_allclose(twice(X, factor=3.0), 3 * X)
    np.testing.assert_allclose(twice(X.astype("float64")), 2 * X.astype("float64"))

    assert len(traced) == 4
    assert twice.experimental_get_tracing_count() == 4
    assert isinstance(twice(X), EagerTensor)
    assert twice.python_function.__name__ == "twice"


def test_results_keep_their_structure() -> None:
    @graphkit.function(jit_compile=True)  # type: ignore[untyped-decorator]
    def several(x: Any) -> Any:
        return {"a": x, "b": [ops.sum(x), None, "text"], "c": ops.ones(2)}

    made = several(X)
    np.testing.assert_allclose(made["a"], X)
    np.testing.assert_allclose(made["b"][0], X.sum(), rtol=1e-5)
    assert made["b"][1:] == [None, "text"]
    np.testing.assert_array_equal(made["c"], [1, 1])


def test_assignments_take_effect_in_each_call() -> None:
    count = graphkit.Variable(0.0)

    @graphkit.function  # type: ignore[untyped-decorator]
    def step() -> Any:
        count.assign_add(1.0)
        return count * 2.0

    assert [float(step()) for _ in range(3)] == [2.0, 4.0, 6.0]
    assert float(count) == 3.0


def test_random_numbers_differ_from_call_to_call() -> None:
    seeds = graphkit.random.SeedGenerator(3)

    @graphkit.function  # type: ignore[untyped-decorator]
    def draw() -> Any:
        return graphkit.random.normal((3,), seed=seeds)

    assert not np.array_equal(draw(), draw())


def _net() -> Any:
    made = models.Sequential([graphkit.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
    for weight in made.weights:
        weight.assign(np.random.default_rng(weight.array.size).normal(size=weight.shape))
    return made


def test_training_step_with_a_tape_an_optimizer_and_a_metric() -> None:
    results = []
    for compiled in (False, True):
        model, optimizer, metric = _net(), optimizers.Adam(0.01), metrics.MeanSquaredError()
        loss = losses.MeanSquaredError()

        def step(x: Any, y: Any, net: Any = model, adam: Any = optimizer, mean: Any = metric, loss: Any = loss) -> Any:
            with graphkit.GradientTape() as tape:
                made = net(x, training=True)
                value = loss(y, made)
            gradients = tape.gradient(value, net.trainable_weights)
            adam.apply_gradients(zip(gradients, net.trainable_weights, strict=True))
            mean.update_state(y, made)
            return value

        run = graphkit.function(step) if compiled else step
        values = [float(run(X, X[:, :1])) for _ in range(4)]
        results.append((values, float(metric.result()), int(optimizer.iterations), model.get_weights()))
    (first, mean, count, weights), (values, result, iterations, others) = results
    np.testing.assert_allclose(values, first, rtol=1e-5)
    np.testing.assert_allclose(result, mean, rtol=1e-5)
    assert count == iterations == 4
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_call_inside_a_tape_is_differentiable_twice() -> None:
    w = graphkit.Variable(np.array([1.0, 2.0]))

    @graphkit.function  # type: ignore[untyped-decorator]
    def cube(x: Any) -> Any:
        return ops.sum(x**3 * w**2)

    x = ops.convert_to_tensor(np.array([3.0, 4.0]))
    with graphkit.GradientTape() as outer:
        outer.watch(x)
        with graphkit.GradientTape() as inner:
            inner.watch(x)
            y = cube(x)
        gx, gw = inner.gradient(y, [x, w])
        total = ops.sum(gx) + ops.sum(gw)
    np.testing.assert_allclose(gx, 3 * np.array([9.0, 16.0]) * [1, 4])
    np.testing.assert_allclose(gw, 2 * np.array([27.0, 64.0]) * [1, 2])
    np.testing.assert_allclose(
        outer.gradient(total, x), 6 * np.array([3.0, 4.0]) * [1, 4] + 6 * np.array([9.0, 16.0]) * [1, 2]
    )


def test_function_that_needs_numbers_runs_eagerly_after_one_warning() -> None:
    @graphkit.function  # type: ignore[untyped-decorator]
    def positive(x: Any) -> Any:
        if ops.sum(x) > 0:
            return x
        return -x

    pattern = r"positive runs eagerly.*in positive\(\), line \d+ of test_functions.py"
    with pytest.warns(UserWarning, match=pattern):
        np.testing.assert_allclose(positive(np.abs(X)), np.abs(X))
    np.testing.assert_allclose(positive(-np.abs(X)), np.abs(X))


def test_shape_that_depends_on_values_runs_eagerly() -> None:
    @graphkit.function  # type: ignore[untyped-decorator]
    def chosen(x: Any) -> Any:
        return ops.nonzero(x > 0)[0]

    with pytest.warns(UserWarning, match="chosen runs eagerly"):
        np.testing.assert_array_equal(chosen(np.array([1.0, -1.0, 2.0])), [0, 2])


class Counter:
    """An object with a compiled method."""

    def __init__(self, by: float) -> None:
        self.by = by
        self.total: Any = None

    @graphkit.function  # type: ignore[untyped-decorator]
    def add(self, x: Any) -> Any:
        """Add to the total, in a variable that the first call creates."""
        if self.total is None:
            self.total = graphkit.Variable(0.0)
        self.total.assign_add(self.by * ops.sum(x))
        return self.total.value


def test_methods_are_compiled_for_each_object() -> None:
    one, two = Counter(1.0), Counter(2.0)
    assert [float(one.add(np.ones(3))) for _ in range(2)] == [3.0, 6.0]
    assert float(two.add(np.ones(3))) == 6.0
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None


def test_input_signature_casts_and_is_checked() -> None:
    @graphkit.function(input_signature=[spec("batch", 3)])  # type: ignore[untyped-decorator]
    def total(x: Any) -> Any:
        assert x.dtype == "float32"
        return ops.sum(x)

    class Spec:
        shape, dtype = (None, 3), "float32"

    assert float(total(np.ones((2, 3), "int32"))) == 6.0
    checked = graphkit.function(lambda x: ops.sum(x), input_signature=[Spec])
    assert float(checked(x=np.ones((2, 3)))) == 6.0
    with pytest.raises(ShapeError, match="input_signature"):
        checked(np.ones((2, 4)))
    with pytest.raises(InvalidTypeError, match="input_signature"):
        checked(np.ones((2, 3)), np.ones(3))


def test_function_called_in_a_traced_function_is_part_of_it() -> None:
    inner = graphkit.function(lambda x: x * 2.0)
    outer = graphkit.function(lambda x: inner(x) + 1.0)
    np.testing.assert_allclose(outer(X), 2 * X + 1)
    assert inner.experimental_get_tracing_count() == 0


def test_many_traces_are_warned_of() -> None:
    scaled = graphkit.function(lambda x, factor: x * factor)
    for i in range(19):
        scaled(X, float(i))
    with pytest.warns(UserWarning, match="was traced 20 times"):
        scaled(X, 19.0)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidTypeError, match="expects a function"):
        graphkit.function(3)


def test_arrays_that_change_later_do_not_change_the_gradient() -> None:
    scaled = graphkit.function(lambda x, w: x * w)
    x, w = np.ones(3, "float32"), graphkit.Variable([1.0, 2.0, 3.0])
    with graphkit.GradientTape() as tape:
        y = scaled(x, w)
    x[:] = 0
    np.testing.assert_array_equal(tape.gradient(y, w), [1, 1, 1])
