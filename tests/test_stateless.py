"""StatelessScope and the stateless methods: variables as arguments, which a call leaves as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, metrics, models, ops, optimizers
from graphkit.errors import InvalidArgumentError, InvalidTypeError

X = np.arange(12, dtype="float32").reshape(4, 3)
Y = X[:, :2]


def _model() -> Any:
    made = models.Sequential([graphkit.Input((3,)), layers.Dense(2), layers.BatchNormalization(), layers.Dropout(0.1)])
    made.compile("adam", "mse")
    return made


def _values(variables: Any) -> list[Any]:
    return [v.value for v in variables]


def test_stateless_call_returns_the_new_state_and_changes_nothing() -> None:
    model, other = _model(), _model()
    other.set_weights(model.get_weights())
    before = model.get_weights()

    outputs, state = model.stateless_call(
        _values(model.trainable_variables), _values(model.non_trainable_variables), X, training=True
    )
    wanted = other(X, training=True)

    np.testing.assert_allclose(np.mean(outputs), np.mean(wanted), atol=0.2)
    for one, two in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, two)
    moved = [v.path for v in other.non_trainable_variables if "moving" in v.path]
    found = [s for v, s in zip(model.non_trainable_variables, state, strict=True) if "moving" in v.path]
    for one, path in zip(found, moved, strict=True):
        np.testing.assert_allclose(one, next(v.numpy() for v in other.variables if v.path == path), rtol=1e-5)


def test_training_step_of_pure_functions_is_that_of_fit() -> None:
    model, by_fit = (models.Sequential([graphkit.Input((3,)), layers.Dense(2)]) for _ in range(2))
    by_fit.set_weights(model.get_weights())
    by_fit.compile(optimizers.Adam(0.1), "mse")
    by_fit.fit(X, Y, epochs=3, batch_size=4, shuffle=False, verbose=0)
    optimizer = optimizers.Adam(0.1)
    optimizer.build(model.trainable_variables)
    start = model.get_weights()

    def loss(trainable: Any, fixed: Any, x: Any, y: Any) -> Any:
        made, fixed = model.stateless_call(trainable, fixed, x, training=True)
        return ops.mean(ops.square(made - y)), fixed

    differentiate = graphkit.value_and_grad(loss, has_aux=True)
    trainable, fixed, slots = (
        _values(v) for v in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    )
    for _ in range(3):
        (_, fixed), gradients = differentiate(trainable, fixed, X, Y)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)

    for one, two in zip(trainable, by_fit.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    for one, two in zip(model.get_weights(), start, strict=True):
        np.testing.assert_array_equal(one, two)
    assert int(optimizer.iterations) == 0


def test_stateless_metric() -> None:
    metric = metrics.MeanSquaredError()
    state = metric.stateless_reset_state()
    for offset in (1.0, 3.0):
        state = metric.stateless_update_state(state, Y, Y + offset)
    assert float(metric.stateless_result(state)) == 5.0
    assert float(metric.result()) == 0.0


@pytest.mark.parametrize("compiled", [False, True])
def test_scope_keeps_what_is_assigned(compiled: bool) -> None:
    v, w = graphkit.Variable([1.0, 2.0]), graphkit.Variable([3.0])

    def run(value: Any) -> Any:
        with graphkit.StatelessScope([(v, value)]) as scope:
            v.assign_add([1.0, 1.0])
            made = v * 2.0
            assert scope.get_current_value(w) is None
        return made, scope.get_current_value(v)

    made, after = (graphkit.function(run) if compiled else run)(ops.convert_to_tensor([10.0, 20.0]))
    np.testing.assert_array_equal(made, [22.0, 42.0])
    np.testing.assert_array_equal(after, [11.0, 21.0])
    np.testing.assert_array_equal(v.numpy(), [1.0, 2.0])


@pytest.mark.parametrize(
    ("use", "error"),
    [
        (lambda: _model().stateless_call([], [], X), InvalidArgumentError),
        (lambda: layers.Dense(2).stateless_call([], [], X), InvalidArgumentError),
        (lambda: optimizers.SGD().stateless_apply([], [], []), InvalidArgumentError),
        (lambda: metrics.Mean().stateless_update_state([], 1.0), InvalidArgumentError),
        (lambda: graphkit.StatelessScope([(1, 2)]), InvalidTypeError),
        (lambda: graphkit.StatelessScope([(graphkit.Variable([1.0]), np.ones(3))]), InvalidArgumentError),
    ],
)
def test_values_that_do_not_fit_are_refused(use: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        use()
