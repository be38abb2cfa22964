"""GradientTape outside of traced functions: over layers, models, losses and optimizers, with Python control flow on numbers."""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, losses, models, ops, optimizers
from graphkit.engine import run
from graphkit.errors import InvalidArgumentError, InvalidTypeError, TapeError
from graphkit.ir.eager_tensor import EagerTensor
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace

X = np.random.default_rng(3).normal(size=(5, 6)).astype("float32")
IMAGES = np.random.default_rng(4).normal(size=(2, 6, 6, 3)).astype("float32")
STEPS = np.random.default_rng(5).normal(size=(3, 5, 4)).astype("float32")
IDS = np.array([[1, 2, 3, 0], [4, 5, 0, 0]])


def _model(*parts: Any) -> Any:
    return models.Sequential(list(parts))


_NETS: dict[str, tuple[Callable[[], Any], Any]] = {
    "dense": (lambda: _model(layers.Dense(4, activation="gelu"), layers.Dense(2)), X),
    "batch normalization": (lambda: _model(layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)), X),
    "layer normalization": (lambda: _model(layers.LayerNormalization(), layers.Dense(2, activation="softmax")), X),
    "convolution": (
        lambda: _model(
            layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), layers.Dense(2)
        ),
        IMAGES,
    ),
    "separable convolution": (lambda: _model(layers.SeparableConv2D(4, 3), layers.GlobalAveragePooling2D()), IMAGES),
    "lstm": (lambda: _model(layers.LSTM(3, return_sequences=True), layers.LSTM(2)), STEPS),
    "gru both ways": (lambda: _model(layers.Bidirectional(layers.GRU(3)), layers.Dense(1)), STEPS),
    "rnn of a cell": (lambda: _model(layers.RNN(layers.SimpleRNNCell(3)), layers.Dense(1)), STEPS),
    "time distributed": (lambda: _model(layers.TimeDistributed(layers.Dense(3)), layers.Flatten()), STEPS),
    "masked embedding": (lambda: _model(layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3)), IDS),
    "penalties": (
        lambda: _model(layers.Dense(4, kernel_regularizer="l2", activity_regularizer="l1"), layers.Dense(2)),
        X,
    ),
}


def _values(layer: Any, x: Any) -> Any:
    made = layer(x, training=True)
    return ops.sum(ops.square(made)) + sum(layer.losses, ops.zeros(()))


@pytest.mark.parametrize("net", _NETS)
def test_gradients_of_a_model_are_those_of_the_traced_function(net: str) -> None:
    build, x = _NETS[net]
    model = build()
    model(x)
    variables = model.trainable_variables
    value, wanted = graphkit.value_and_grad(lambda x: _values(model, x), variables)(x)

    with graphkit.GradientTape() as tape:
        found_value = _values(model, x)
    found = tape.gradient(found_value, variables)

    np.testing.assert_allclose(float(found_value), value, rtol=1e-5)
    for one, other in zip(found, wanted, strict=True):
        assert isinstance(one, EagerTensor)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("net", [n for n in _NETS if n != "masked embedding"])
def test_gradient_with_respect_to_the_input(net: str) -> None:
    build, x = _NETS[net]
    model = build()
    model(x)
    given = graphkit.Variable(x)
    _, (wanted,) = graphkit.value_and_grad(lambda: _values(model, given), [given])()

    tensor = ops.convert_to_tensor(x)
    with graphkit.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(tensor)
        value = _values(model, tensor)

    np.testing.assert_allclose(tape.gradient(value, tensor), wanted, rtol=1e-4, atol=1e-5)


def _smooth_net(inputs: int) -> Any:
    """Return a net in float64, with weights that are not small."""
    made = models.Sequential(
        [
            graphkit.Input((inputs,), dtype="float64"),
            layers.Dense(8, activation="tanh", dtype="float64"),
            layers.Dense(1, dtype="float64"),
        ]
    )
    for variable in made.variables:
        variable.assign(np.random.default_rng(variable.array.size).normal(size=variable.shape))
    return made


def test_gradient_penalty_is_that_of_differences() -> None:
    model, x = _smooth_net(6), ops.convert_to_tensor(X.astype("float64"))
    kernel = model.layers[0].kernel

    def penalty() -> Any:
        with graphkit.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(x)
            score = model(x, training=True)
        slope = inner.gradient(score, x)
        return ops.mean(ops.square(ops.sqrt(ops.sum(ops.square(slope), axis=1)) - 1.0))

    with graphkit.GradientTape() as outer:
        value = penalty()
    found = outer.gradient(value, kernel)

    start, eps = kernel.numpy(), 1e-6
    direction = np.random.default_rng(1).normal(size=start.shape)
    kernel.assign(start + eps * direction)
    above = float(penalty())
    kernel.assign(start - eps * direction)
    numeric = (above - float(penalty())) / (2 * eps)
    np.testing.assert_allclose(np.sum(np.asarray(found) * direction), numeric, rtol=1e-6)


def test_third_derivative_of_a_network() -> None:
    model, t = _smooth_net(1), ops.convert_to_tensor(np.linspace(-1, 1, 7).reshape(-1, 1))

    def derivative(order: int, t: Any) -> Any:
        if order == 0:
            return model(t)
        with graphkit.GradientTape() as tape:
            tape.watch(t)
            below = derivative(order - 1, t)
        return tape.gradient(below, t)

    eps = 1e-5
    numeric = (np.asarray(derivative(2, t + eps)) - np.asarray(derivative(2, t - eps))) / (2 * eps)
    np.testing.assert_allclose(derivative(3, t), numeric, rtol=1e-6, atol=1e-8)


def test_a_loop_by_hand_trains_as_fit_does() -> None:
    build = _NETS["batch normalization"][0]
    by_fit, by_hand = build(), build()
    y = np.random.default_rng(8).integers(0, 2, 5)
    by_fit(X)
    by_hand(X)
    by_hand.set_weights(by_fit.get_weights())
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    by_fit.compile(optimizers.Adam(0.01), loss)
    by_fit.fit(X, y, epochs=4, batch_size=5, shuffle=False, verbose=0)

    optimizer = optimizers.Adam(0.01)
    for _ in range(4):
        with graphkit.GradientTape() as tape:
            value = loss(y, by_hand(X, training=True))
        gradients = tape.gradient(value, by_hand.trainable_variables)
        optimizer.apply_gradients(zip(gradients, by_hand.trainable_variables, strict=True))

    for one, other in zip(by_hand.get_weights(), by_fit.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


class Gated(layers.Layer):  # type: ignore[misc]
    """Branches on numbers, as code outside of traced functions may."""

    def build(self, shape: Any) -> None:
        """Create the weights."""
        self.kernel = self.add_weight((shape[-1], 2), name="kernel")

    def call(self, x: Any) -> Any:
        """Return the product, or twice the product."""
        y = ops.matmul(x, self.kernel)
        return y if float(ops.sum(x)) > 0 else 2 * y


def test_python_control_flow_on_numbers() -> None:
    gated = Gated()
    gated(X)
    for sign, factor in ((1.0, 1.0), (-1.0, 2.0)):
        x = sign * np.abs(X)
        with graphkit.GradientTape() as tape:
            value = ops.sum(layers.Activation("tanh")(gated(x)))
        y = np.tanh(factor * x @ gated.kernel.numpy())
        np.testing.assert_allclose(tape.gradient(value, gated.kernel), factor * x.T @ (1 - y**2), rtol=1e-4)


class Doubled(models.Model):  # type: ignore[misc]
    """A model of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = layers.Dense(1, use_bias=False, kernel_initializer="ones")

    def call(self, x: Any) -> Any:
        """Return twice the sum."""
        return 2 * self.inner(x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ops.sum(x * 2.0),
        lambda x: ops.sum(2.0 * x),
        lambda x: ops.sum(x[:, :] + x[:, :]),
        lambda x: x[0, 0] * 2.0,
        lambda x: losses.MeanSquaredError()(X, x),
        lambda x: losses.MeanAbsoluteError()(x, X + 1),
        lambda x: ops.sum(_model(layers.Dense(2))(x)),
        lambda x: ops.sum(Doubled()(x)),
        lambda x: ops.sum(layers.Add()([x, x])),
        lambda x: ops.sum(layers.Activation("tanh")(x)),
        lambda x: ops.sum(graphkit.activations.relu(x) + graphkit.activations.sigmoid(x)),
        lambda x: graphkit.regularizers.L2(0.1)(x),
        lambda x: ops.sum(ops.stack([x, x]) + ops.concatenate([x, x])[:1]),
        lambda x: ops.sum(ops.scan(lambda c, r: (c + r, None), ops.zeros(6), x)[0]),
        lambda x: ops.sum(ops.convert_to_tensor(x) * 2.0),
        lambda x: ops.sum(ops.cast(x, "float64")),
        lambda x: ops.norm(x),
        lambda x: abs(x)[0, 0] + (-x)[0, 1] + (x**2)[0, 2] + (x @ ops.transpose(x))[0, 0],
    ],
)
def test_watched_tensor_is_recorded_wherever_it_goes(function: Any) -> None:
    x = ops.convert_to_tensor(X)
    with graphkit.GradientTape(persistent=True) as tape:
        tape.watch(x)
        graphkit.utils.set_random_seed(1)
        value = function(x)
        graphkit.utils.set_random_seed(1)
        same = function(x * 1.0)
    found = tape.gradient(value, x)
    assert found is not None
    np.testing.assert_allclose(found, tape.gradient(same, x), rtol=1e-5, atol=1e-6)


def test_numbers_of_recorded_tensors() -> None:
    w = graphkit.Variable([1.0, 2.0])
    with graphkit.GradientTape() as tape:
        y = w * w
        total = ops.sum(y)
        assert total > 4
        assert float(total) == 5.0
        assert int(total) == 5
        assert f"{total:.2f}" == "5.00"
        assert total.numpy() == 5.0
        assert y.numpy().tolist() == [1.0, 4.0]
        assert len(y) == 2
        assert [float(v) for v in y] == [1.0, 4.0]
        assert np.mean(y) == 2.5
        assert y.shape == (2,)
        assert y.dtype == "float32"
        assert isinstance(ops.argmax(y), EagerTensor)
    np.testing.assert_array_equal(tape.gradient(total, w), [2.0, 4.0])


def test_results_are_tensors_after_the_block_as_well() -> None:
    w = graphkit.Variable([1.0, 2.0])
    dense = layers.Dense(1)
    with graphkit.GradientTape() as tape:
        y = w * w
    np.testing.assert_array_equal(np.asarray(y + 1), [2.0, 5.0])
    assert isinstance(ops.mean(y), EagerTensor)
    assert dense(ops.reshape(y, (1, 2))).shape == (1, 1)
    assert dense(y[None]).shape == (1, 1)
    np.testing.assert_array_equal(np.array([y, y]), [[1, 4], [1, 4]])
    np.testing.assert_array_equal(tape.gradient(y, w), [2.0, 4.0])


def test_result_passes_from_one_tape_to_the_next_as_a_constant() -> None:
    w = graphkit.Variable([1.0, 2.0])
    with graphkit.GradientTape():
        first = w * 3.0
    with graphkit.GradientTape() as tape:
        second = first * w
    np.testing.assert_array_equal(tape.gradient(second, w), [3.0, 6.0])


def test_weights_that_change_later_do_not_change_the_gradient() -> None:
    model = _NETS["dense"][0]()
    model(X)
    variables = model.trainable_variables
    plain = graphkit.Variable([1.0, 2.0])
    with graphkit.GradientTape(persistent=True) as tape:
        value = ops.sum(ops.square(model(X))) + ops.sum(plain * plain * plain)
    before = tape.gradient(value, [*variables, plain])
    for variable in (*variables, plain):
        variable.assign(variable + 1.0)
    for one, other in zip(tape.gradient(value, [*variables, plain]), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_arrays_that_change_later_do_not_change_the_gradient() -> None:
    w = graphkit.Variable([1.0, 2.0])
    x = np.array([3.0, 4.0], "float32")
    with graphkit.GradientTape() as tape:
        y = w * x
    x[:] = 0
    np.testing.assert_array_equal(tape.gradient(y, w), [3.0, 4.0])


def test_moving_statistics_and_seeds_advance_once_for_each_call() -> None:
    taped, plain = (_model(layers.BatchNormalization(), layers.Dropout(0.5, seed=7)) for _ in range(2))
    for model in (taped, plain):
        model(X)
    for _ in range(3):
        with graphkit.GradientTape() as tape:
            one = taped(X, training=True)
        tape.gradient(one, taped.trainable_variables)
        np.testing.assert_allclose(np.asarray(one), plain(X, training=True), rtol=1e-6)
    for a, b in zip(taped.variables, plain.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_gradient_of_dropout_is_that_of_the_mask_which_was_drawn() -> None:
    x = ops.ones((50,))
    layer = layers.Dropout(0.5, seed=2)
    with graphkit.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), np.asarray(y))


def test_mixed_precision() -> None:
    model = _model(layers.Dense(4, dtype="mixed_float16"), layers.Dense(2, dtype="mixed_float16"))
    model(X)
    with graphkit.GradientTape() as tape:
        y = model(X)
        value = ops.sum(ops.cast(y, "float32"))
    assert y.dtype == "float16"
    for gradient in tape.gradient(value, model.trainable_variables):
        assert gradient.dtype == "float32"


def test_custom_gradient_is_called_with_numbers() -> None:
    seen: list[float] = []

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def cubed(x: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            (upstream,) = args
            seen.append(float(ops.sum(upstream)))
            return ops.multiply(upstream, 10.0 * x)

        return x**3, gradient

    w = graphkit.Variable([1.0, 2.0])
    with graphkit.GradientTape() as tape:
        y = cubed(w * 1.0)
    np.testing.assert_array_equal(tape.gradient(y, w), [10.0, 20.0])
    assert seen == [2.0]


def test_stop_gradient() -> None:
    w = graphkit.Variable([1.0, 2.0])
    with graphkit.GradientTape() as tape:
        y = w * ops.stop_gradient(w)
    np.testing.assert_array_equal(tape.gradient(y, w), [1.0, 2.0])


@pytest.mark.parametrize(
    "function",
    [
        lambda w, x: ops.scan(lambda c, r: (c * w + r, c), ops.ones(2), x)[0],
        lambda w, x: ops.fori_loop(0, 3, lambda i, c: c * w + ops.take(x, i, axis=0), ops.ones(2)),
        lambda w, x: ops.cond(ops.sum(x) > 0, lambda: w * w, lambda: w * 3.0),
        lambda w, x: ops.map(lambda r: r * w, x),
        lambda w, x: ops.switch(1, [lambda v: v, lambda v: v * w], ops.ones(2)),
        lambda w, x: ops.associative_scan(lambda a, b: a * b, x * w),
    ],
)
def test_loops_and_branches(function: Any) -> None:
    w = graphkit.Variable(np.array([1.5, 0.5]))
    x = np.array([[1.0, 2.0], [3.0, 4.0], [0.5, 0.25]])
    weights = np.array([1.0, 3.0])
    value, (wanted,) = graphkit.value_and_grad(lambda x: ops.sum(function(w, x) * weights), [w])(x)
    with graphkit.GradientTape() as tape:
        found = ops.sum(function(w, x) * weights)
    np.testing.assert_allclose(float(found), value)
    np.testing.assert_allclose(tape.gradient(found, w), wanted)


def test_gradient_with_respect_to_the_value_of_a_variable_is_that_of_the_variable() -> None:
    w = graphkit.Variable([1.0, 2.0])
    value = w.value
    with graphkit.GradientTape() as tape:
        y = w * w
    np.testing.assert_array_equal(tape.gradient(y, [value])[0], [2.0, 4.0])


def test_tapes_of_two_threads_do_not_meet() -> None:
    w = graphkit.Variable([1.0, 2.0])
    results: dict[int, Any] = {}
    barrier = threading.Barrier(2)

    def work(number: int) -> None:
        with graphkit.GradientTape() as tape:
            barrier.wait()
            y = w * float(number + 1)
            barrier.wait()
        results[number] = tape.gradient(y, w)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(results[0], [1.0, 1.0])
    np.testing.assert_array_equal(results[1], [2.0, 2.0])


def test_kept_results_do_not_keep_the_recording() -> None:
    w = graphkit.Variable(np.ones(10))
    with graphkit.GradientTape() as tape:
        big = ops.ones((1000,)) * ops.sum(w)
        loss = ops.sum(big)
    kept = weakref.ref(tape._trace)  # type: ignore[arg-type]
    assert kept() is not None
    tape.gradient(loss, w)
    gc.collect()
    assert kept() is None
    assert float(loss) == 10000.0


def test_apply_gradients_in_the_block_and_with_clipped_gradients() -> None:
    w = graphkit.Variable([3.0, 4.0])
    optimizer = optimizers.SGD(1.0)
    with graphkit.GradientTape() as tape:
        loss = ops.sum(w * w)
        gradient = tape.gradient(loss, w)
        optimizer.apply_gradients([(ops.clip(gradient, -1.0, 1.0), w)])
    np.testing.assert_array_equal(w.numpy(), [2.0, 3.0])


def test_recorded_losses_after_the_block() -> None:
    model = _NETS["penalties"][0]()
    with graphkit.GradientTape():
        model(X)
    assert len(model.losses) == 2
    assert all(float(loss) > 0 for loss in model.losses)


def test_exception_in_the_block_ends_the_recording() -> None:
    w = graphkit.Variable([1.0])
    with pytest.raises(RuntimeError, match="mine"), graphkit.GradientTape():
        raise RuntimeError("mine")
    assert isinstance(w * 2.0, EagerTensor)


def test_tape_that_is_recording_cannot_be_entered() -> None:
    with graphkit.GradientTape() as tape, pytest.raises(InvalidArgumentError, match="Tape is still recording"):
        tape.__enter__()


def test_tape_that_was_never_entered_has_no_gradient() -> None:
    with pytest.raises(TapeError):
        graphkit.GradientTape().gradient(ops.ones(()), graphkit.Variable([1.0]))


@pytest.mark.parametrize("item", ["x", 3.0, X, graphkit.Input((2,))])
def test_what_cannot_be_watched_is_refused(item: Any) -> None:
    with graphkit.GradientTape() as tape, pytest.raises(InvalidTypeError, match="watch expects tensors and variables"):
        tape.watch(item)


def test_recorded_tensors_are_copied_as_eager_tensors() -> None:
    w = graphkit.Variable([1.0, 2.0])
    with graphkit.GradientTape():
        y = w * 2.0
    np.testing.assert_array_equal(copy.deepcopy(y), [2.0, 4.0])


def test_jacobian_in_a_traced_function() -> None:
    x = np.array([1.0, 2.0, 3.0])

    def jacobian(x: Any) -> Any:
        with graphkit.GradientTape() as tape:
            tape.watch(x)
            y = x * x
        return tape.jacobian(y, x)

    np.testing.assert_array_equal(run(trace(jacobian, TensorSpec.of(x)), x)[0], np.diag(2 * x))
