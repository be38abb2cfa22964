"""What gradient tapes give, for real TensorFlow (fixtures/make_tape_answers.py) and graphkit (test_tape_as_tensorflow.py)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Scenario = Callable[["Library"], Any]
SCENARIOS: dict[str, Scenario] = {}


class Library(NamedTuple):
    """What a scenario is written with."""

    keras: Any
    tape: Any
    constant: Callable[[Any], Any]


def scenario(function: Scenario) -> Scenario:
    """Add a scenario under the function's name."""
    SCENARIOS[function.__name__] = function
    return function


def outcome(library: Library, run: Scenario) -> Any:
    """Return a scenario's result as JSON data, or what kind of error it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(run(library))
        except Exception as error:
            return next(kind.__name__ for kind in (RuntimeError, TypeError, ValueError) if isinstance(error, kind))


def plain(made: Any) -> Any:
    """Return tensors as nested lists of numbers with six digits."""
    if made is None or isinstance(made, (str, bool, int)):
        return made
    if isinstance(made, (list, tuple)):
        return [plain(m) for m in made]
    if isinstance(made, dict):
        return {k: plain(v) for k, v in made.items()}
    return np.vectorize(lambda n: float(f"{n:.6g}"))(np.asarray(made)).tolist() if np.size(made) else []


def _xy(lib: Library) -> tuple[Any, Any]:
    return lib.constant([1.0, 2.0, 3.0]), lib.constant([2.0, 2.0, 2.0])


@scenario
def tensor_that_is_not_watched(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        z = x * x
    return tape.gradient(z, x)


@scenario
def unconnected_zero(lib: Library) -> Any:
    x, y = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = x * y
    return tape.gradient(z, {"a": x, "b": [y]}, unconnected_gradients="zero")


@scenario
def gradient_inside_the_block(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = x * x
        return tape.gradient(z, x)


@scenario
def second_gradient(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = x * x
    tape.gradient(z, x)
    return tape.gradient(z, x)


@scenario
def gradient_of_a_gradient_of_one_persistent_tape(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape(persistent=True) as tape:
        tape.watch(x)
        z = x * x
        first = tape.gradient(z, x)
        total = lib.keras.ops.sum(first * x)
    return first, tape.gradient(total, x), tape.gradient(z, x)


@scenario
def inner_tape_that_does_not_watch(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as outer:
        outer.watch(x)
        with lib.tape() as inner:
            z = x * x
        return inner.gradient(z, x)


@scenario
def outer_tape_that_does_not_watch(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as outer:
        with lib.tape() as inner:
            inner.watch(x)
            z = x * x
        first = inner.gradient(z, x)
    return first, outer.gradient(first, x)


@scenario
def integer_target(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = lib.keras.ops.cast(x * 2, "int32")
    return tape.gradient(z, x)


@scenario
def target_that_is_the_source(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
    return tape.gradient(x, x)


@scenario
def source_that_was_computed(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = x * 2
        w = z * z
    return tape.gradient(w, [x, z])


@scenario
def several_targets(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = [x * 2, {"square": x * x}]
    return tape.gradient(z, x)


@scenario
def target_computed_after_the_block(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = x * x
    return tape.gradient(z * 2, x)


@scenario
def stopped_recording(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        with tape.stop_recording():
            z = x * x
        w = z * x
    return tape.gradient(w, x)


@scenario
def block_entered_again(lib: Library) -> Any:
    x, _ = _xy(lib)
    tape = lib.tape()
    with tape:
        tape.watch(x)
        z = x * x
    with tape:
        w = z * x
    return tape.gradient(w, x)


@scenario
def block_entered_inside_itself(lib: Library) -> Any:
    with lib.tape() as tape, tape:
        return None


@scenario
def target_none(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
    return tape.gradient(None, x)


@scenario
def weighted_target(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = x * x
    return tape.gradient(z, x, output_gradients=lib.constant([1.0, 0.0, 2.0]))


@scenario
def reset_tape(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
        z = x * x
        tape.reset()
        tape.watch(x)
        w = z * 3.0
    return tape.gradient([w], x)


@scenario
def unknown_choice(lib: Library) -> Any:
    x, _ = _xy(lib)
    with lib.tape() as tape:
        tape.watch(x)
    return tape.gradient(x, x, unconnected_gradients="zeros")


@scenario
def variables(lib: Library) -> Any:
    v, u = lib.keras.Variable([1.0, 2.0]), lib.keras.Variable([3.0, 4.0], trainable=False)
    with lib.tape() as tape:
        z = v * u
    return tape.gradient(z, [v, u])


@scenario
def variable_assigned_in_the_block(lib: Library) -> Any:
    v = lib.keras.Variable([1.0, 2.0])
    with lib.tape() as tape:
        z = lib.keras.ops.sum(v * v)
        v.assign(v * 2.0)
        w = lib.keras.ops.sum(v * v)
    return tape.gradient([z, w], v)


@scenario
def jacobians(lib: Library) -> Any:
    x, _ = _xy(lib)
    v = lib.keras.Variable([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    with lib.tape(persistent=True) as tape:
        tape.watch(x)
        z = lib.keras.ops.matmul(v, lib.keras.ops.reshape(x * x, (3, 1)))
    return tape.jacobian(z, x), tape.jacobian(z, {"v": v, "x": [x]}), tape.jacobian(x, v)


@scenario
def jacobian_of_each_row(lib: Library) -> Any:
    a = lib.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with lib.tape() as tape:
        tape.watch(a)
        z = lib.keras.ops.concatenate([a * a, lib.keras.ops.sum(a * a * a, axis=1, keepdims=True)], axis=1)
    return tape.batch_jacobian(z, a)


@scenario
def jacobian_of_rows_that_differ_in_number(lib: Library) -> Any:
    a = lib.constant([[1.0, 2.0], [3.0, 4.0]])
    with lib.tape() as tape:
        tape.watch(a)
        z = a[:1] * 2.0
    return tape.batch_jacobian(z, a)


# ----- models -----


def _filled(model: Any, *shape: int, dtype: str = "float32") -> Any:
    model(np.zeros(shape, dtype))
    random = np.random.default_rng(11)
    for weight in model.weights:
        if not weight.path.endswith("seed_generator_state"):
            scale = 0.1 if "variance" not in weight.path else 0.0
            weight.assign((scale * random.normal(size=weight.shape) + (scale == 0)).astype(weight.dtype))
    return model


def _trained(lib: Library, model: Any, x: Any, y: Any, loss: Any, optimizer: str = "Adam", steps: int = 3) -> Any:
    optimizer = lib.keras.optimizers.get(optimizer)
    optimizer.learning_rate = 0.01
    values = []
    for _ in range(steps):
        with lib.tape() as tape:
            value = loss(y, model(x, training=True)) + sum(model.losses)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        values.append(value)
    return values, [w for w in model.weights if "seed" not in w.path]


X = np.random.default_rng(3).normal(size=(6, 4)).astype("float32")
IMAGES = np.random.default_rng(4).normal(size=(2, 6, 6, 2)).astype("float32")
IDS = np.array([[1, 2, 3, 0], [4, 5, 0, 0], [6, 1, 1, 1]])


@scenario
def loop_over_a_net_with_batch_normalization(lib: Library) -> Any:
    k = lib.keras
    model = k.Sequential([k.layers.Dense(5, "relu"), k.layers.BatchNormalization(), k.layers.Dense(3)])
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _trained(lib, _filled(model, 6, 4), X, np.array([0, 1, 2, 0, 1, 2]), loss)


@scenario
def loop_over_a_net_with_penalties(lib: Library) -> Any:
    k = lib.keras
    hidden = k.layers.Dense(5, "tanh", kernel_regularizer="l2", activity_regularizer=k.regularizers.L1(0.01))
    return _trained(lib, _filled(k.Sequential([hidden, k.layers.Dense(1)]), 6, 4), X, X[:, :1], k.losses.Huber())


@scenario
def loop_over_a_convolution(lib: Library) -> Any:
    k = lib.keras
    layers = [k.layers.Conv2D(3, 3, activation="elu"), k.layers.MaxPooling2D(2), k.layers.Flatten(), k.layers.Dense(2)]
    loss = k.losses.BinaryCrossentropy(from_logits=True)
    return _trained(lib, _filled(k.Sequential(layers), 2, 6, 6, 2), IMAGES, np.array([[0, 1], [1, 1]]), loss)


@scenario
def loop_over_masked_texts(lib: Library) -> Any:
    k = lib.keras
    model = k.Sequential([k.layers.Embedding(8, 3, mask_zero=True), k.layers.LSTM(3), k.layers.Dense(1, "sigmoid")])
    loss = k.losses.BinaryCrossentropy()
    y = np.array(
        [[0.0], [1.0], [1.0]]
    )  # TensorFlow's gradients of embeddings are sparse, which Adam treats in a way of its own
    return _trained(lib, _filled(model, 3, 4, dtype="int32"), IDS, y, loss, optimizer="SGD")


@scenario
def loop_with_attention(lib: Library) -> Any:
    k = lib.keras
    given = k.Input((4, 3))
    made = k.layers.MultiHeadAttention(2, 2)(given, given)
    model = k.Model(given, k.layers.LayerNormalization()(made + given))
    steps = np.random.default_rng(6).normal(size=(2, 4, 3)).astype("float32")
    return _trained(lib, _filled(model, 2, 4, 3), steps, np.ones((2, 4, 3), "float32"), k.losses.MeanSquaredError())


@scenario
def gradient_penalty(lib: Library) -> Any:
    k = lib.keras
    critic = _filled(k.Sequential([k.layers.Dense(8, "tanh"), k.layers.Dense(1)]), 6, 4)
    x = lib.constant(X)
    with lib.tape() as outer:
        with lib.tape() as inner:
            inner.watch(x)
            score = critic(x, training=True)
        slope = inner.gradient(score, x)
        norm = k.ops.sqrt(k.ops.sum(k.ops.square(slope), axis=1))
        value = k.ops.mean((norm - 1.0) ** 2) + k.ops.mean(score)
    return value, outer.gradient(value, critic.trainable_variables)


@scenario
def second_derivatives_of_a_net(lib: Library) -> Any:
    k = lib.keras
    net = _filled(k.Sequential([k.layers.Dense(8, "tanh"), k.layers.Dense(8, "tanh"), k.layers.Dense(1)]), 6, 1)
    t = lib.constant(np.linspace(-1, 1, 5, dtype="float32").reshape(-1, 1))
    with lib.tape() as weights:
        with lib.tape() as second:
            second.watch(t)
            with lib.tape() as first:
                first.watch(t)
                u = net(t)
            du = first.gradient(u, t)
        ddu = second.gradient(du, t)
        residual = k.ops.mean((ddu + u) ** 2)
    return du, ddu, weights.gradient(residual, net.trainable_variables)


@scenario
def two_losses_and_two_optimizers(lib: Library) -> Any:
    k = lib.keras
    one, two = (_filled(k.Sequential([k.layers.Dense(3, "tanh"), k.layers.Dense(4)]), 6, 4) for _ in range(2))
    first, second = k.optimizers.SGD(0.1), k.optimizers.Adam(0.1)
    for _ in range(2):
        with lib.tape(persistent=True) as tape:
            made = one(X)
            back = two(made)
            a, b = k.ops.mean(made**2), k.ops.mean((back - X) ** 2)
        first.apply_gradients(zip(tape.gradient(a, one.trainable_variables), one.trainable_variables, strict=True))
        second.apply_gradients(zip(tape.gradient(b, two.trainable_variables), two.trainable_variables, strict=True))
        del tape
    return a, b, one.weights, two.weights
