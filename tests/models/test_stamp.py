"""After any change of what a model computes, every method of running it uses the new computation immediately.

The matrix: each kind of change x each method. The expected result is that of a new model with the change.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers, models, ops, regularizers
from graphkit.runtime import Predictor

X = np.array([[1.0, -2.0, 3.0], [0.5, 1.5, -1.0]], "float32")
Y = np.zeros((2, 2), "float32")
SCALE = [2.0]  # read by a function and modified in place


class Scaled(layers.Layer):
    """A user-defined layer with constants of all kinds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = 2.0
        self.factors = [1.0, 2.0]
        self.table = {"add": 0.5}
        self.array = np.ones(2, "float32")
        self.inner = [layers.Dense(2, kernel_initializer="ones", name="first")]

    def call(self, x: Any) -> Any:
        for layer in self.inner:
            x = layer(x)
        return x * self.factor * self.factors[1] + self.table["add"] + self.array


class Change(NamedTuple):
    """A change of a model that `make` builds."""

    make: Callable[[], Any]
    change: Callable[[Any], Any]
    x: Any = X
    trains: bool = True


def _dense(**arguments: Any) -> Any:
    return models.Sequential(
        [
            gk.Input((3,)),
            layers.Dense(2, kernel_initializer="ones", name="d", **arguments),
            layers.Dropout(0.0, name="drop"),
        ]
    )


def _own() -> Any:
    return models.Sequential([gk.Input((3,)), Scaled(name="own")])


def _closing() -> Any:
    SCALE[0] = 2.0
    return models.Sequential([gk.Input((3,)), layers.Lambda(lambda v: v[:, :2] * SCALE[0])])


def _texts() -> Any:
    look = layers.StringLookup(vocabulary=["a", "b"], name="look", output_mode="multi_hot")
    return models.Sequential([gk.Input((1,), dtype="string"), look])


def _normalized() -> Any:
    layer = layers.Normalization(name="n")
    layer.adapt(np.array([[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]], "float32"))
    return models.Sequential([gk.Input((3,)), layer, layers.Dense(2, kernel_initializer="ones")])


def _frozen_norm() -> Any:
    x = gk.Input((3,))
    y = layers.BatchNormalization(name="bn")(layers.Dense(2, kernel_initializer="ones")(x), training=True)
    return models.Model(x, y)


def _functional() -> Any:
    x = gk.Input((3,))
    return models.Model(x, layers.Dense(2, kernel_initializer="ones", name="d")(x))


def _replace_kernel(model: Any) -> None:
    layer = model.get_layer("d")
    layer.kernel = gk.Variable(np.full((3, 2), 0.25, "float32"), name="kernel")


def _freeze(model: Any) -> None:
    """Freeze the batch normalization, which then uses its moving statistics, and set those, which earlier calls have updated."""
    model.get_layer("bn").trainable = False
    model.get_layer("bn").set_weights([np.full(2, v, "float32") for v in (1.0, 0.0, 0.5, 4.0)])


def _set(name: str, attribute: str, value: Any) -> Callable[[Any], None]:
    return lambda model: setattr(model.get_layer(name), attribute, value)


TEXTS = np.array([["a"], ["c"]], object)
CHANGES = {
    "activation": Change(_dense, _set("d", "activation", lambda v: v * 0)),
    "activation of ours": Change(_functional, _set("d", "activation", gk.activations.get("tanh"))),
    "use_bias": Change(lambda: _dense(bias_initializer="ones"), _set("d", "bias", None)),
    "replaced kernel": Change(_functional, _replace_kernel),
    "weights": Change(_dense, lambda m: m.set_weights([w + 1 for w in m.get_weights()])),
    "one weight": Change(_dense, lambda m: m.get_layer("d").kernel.assign(np.full((3, 2), 3.0))),
    "added layer": Change(_dense, lambda m: m.add(layers.Dense(2, kernel_initializer="ones", name="more"))),
    "popped layer": Change(lambda: (m := _dense(), m.add(layers.Rescaling(5.0)))[0], lambda m: m.pop()),
    "constant of an own layer": Change(_own, _set("own", "factor", 7.0)),
    "list of an own layer": Change(_own, lambda m: m.get_layer("own").factors.__setitem__(1, 7.0)),
    "dict of an own layer": Change(_own, lambda m: m.get_layer("own").table.update(add=7.0)),
    "array of an own layer": Change(_own, lambda m: m.get_layer("own").array.__setitem__(0, 7.0)),
    "deleted attribute of an own layer": Change(
        _own, lambda m: setattr(m.get_layer("own"), "inner", m.get_layer("own").inner * 1)
    ),
    "what a Lambda closes over": Change(_closing, lambda m: SCALE.__setitem__(0, 7.0), trains=False),
    "vocabulary": Change(_texts, lambda m: m.get_layer("look").set_vocabulary(["c", "b"]), TEXTS, trains=False),
    "adapt": Change(_normalized, lambda m: m.get_layer("n").adapt(np.array([[0.0] * 3, [20.0] * 3], "float32"))),
    "quantize": Change(_dense, lambda m: m.get_layer("d").quantize("int8"), trains=False),
    "dtype policy": Change(_functional, lambda m: setattr(m.get_layer("d"), "dtype_policy", "mixed_bfloat16")),
    "trainable": Change(_frozen_norm, _freeze),
}


def _exported(model: Any, x: Any) -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        model.export(path)
        return Predictor(path)(x)


def _evaluated(model: Any, x: Any) -> Any:
    target = np.zeros(np.shape(np.asarray(model(x))), "float32")
    return model.evaluate(x, target, verbose=0)


def _own_call(model: Any, x: Any) -> Any:
    for layer in model.layers:
        x = x if isinstance(layer, layers.InputLayer) else layer(x)
    return x


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "layer": _own_call,
    "call": lambda m, x: m(x),
    "predict": lambda m, x: m.predict(x, verbose=0),
    "predict_on_batch": lambda m, x: m.predict_on_batch(x),
    "evaluate": _evaluated,
    "test_on_batch": lambda m, x: m.test_on_batch(x, np.zeros((len(x), 2), "float32")),
    "fit": lambda m, x: m.fit(x, Y, epochs=1, verbose=0).history["loss"][0],
    "train_on_batch": lambda m, x: m.train_on_batch(x, Y),
    "export": _exported,
    "Predictor": lambda m, x: Predictor(m)(x),
}
_TRAINING = ("fit", "train_on_batch")
_NEW_VARIABLES = ("replaced kernel", "added layer")  # unknown to the optimizer: an error, as in Keras
_OF_TARGETS = ("evaluate", "test_on_batch")


def _pairs() -> list[tuple[str, str]]:
    return [
        (change, way)
        for change, entry in CHANGES.items()
        for way in WAYS
        if (entry.trains or way not in (*_TRAINING, *_OF_TARGETS)) and not (change == "trainable" and way == "layer")
    ]


def _compiled(entry: Change) -> Any:
    model = entry.make()
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = (
        0.0 if entry.trains else 0.01
    )  # the weights are unchanged, so one model is enough for comparison
    return model


@pytest.mark.filterwarnings("ignore:predict runs on the NumPy engine")
@pytest.mark.parametrize(("change", "way"), _pairs())
def test_a_change_counts_at_once(change: str, way: str) -> None:
    entry, run = CHANGES[change], WAYS[way]
    model = _compiled(entry)
    before = np.array(run(model, entry.x))

    entry.change(model)
    if way in _TRAINING and change in _NEW_VARIABLES:
        with pytest.raises(gk.errors.GraphKitError, match="create a new optimizer, or compile"):
            run(model, entry.x)
        return
    after = np.array(run(model, entry.x))

    fresh = _compiled(entry)  # nothing of it has been compiled before the change
    entry.change(fresh)
    expected = np.array(run(fresh, entry.x))
    np.testing.assert_allclose(after, expected, rtol=1e-5, atol=1e-6)
    if not (
        change.startswith(("deleted", "quantize", "dtype policy")) or (change == "trainable" and way in _OF_TARGETS)
    ):
        assert before.shape != after.shape or not np.allclose(before, after, atol=1e-4)


def test_regularizers_and_rates_count_at_once_in_training() -> None:
    model = _dense(kernel_regularizer=regularizers.L2(0.0))
    model.compile(gk.optimizers.SGD(0.0), "mse")
    first = model.train_on_batch(X, Y)

    model.get_layer("d").kernel_regularizer.l2 = 1.0
    assert model.train_on_batch(X, Y) == pytest.approx(first + 6.0, rel=1e-5)
    model.get_layer("d").kernel.regularizer = None
    assert model.train_on_batch(X, Y) == pytest.approx(first, rel=1e-5)


def test_the_optimizers_own_attributes_count_at_once() -> None:
    model = _functional()
    model.compile(gk.optimizers.SGD(1.0), "mse")
    model.train_on_batch(X, Y)
    model.set_weights([np.ones((3, 2), "float32"), np.zeros(2, "float32")])
    model.optimizer.clipvalue = 1e-3

    model.train_on_batch(X, Y)

    assert np.abs(model.get_weights()[0] - 1).max() == pytest.approx(1e-3, rel=1e-3)


def test_freezing_between_two_steps_holds() -> None:
    model = models.Sequential([gk.Input((3,)), layers.Dense(4, name="a"), layers.Dense(2, name="b")])
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    model.get_layer("a").trainable = False
    kept = model.get_layer("a").get_weights()[0]

    model.train_on_batch(X, Y)

    np.testing.assert_array_equal(model.get_layer("a").get_weights()[0], kept)


def test_a_callback_changes_what_the_next_batch_computes() -> None:
    seen: list[float] = []

    class Off(gk.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs["loss"])
            self.model.get_layer("d").activation = lambda v: v * 0

    model = _functional()
    model.compile(gk.optimizers.SGD(0.0), "mse")
    model.fit(np.concatenate([X, X]), np.concatenate([Y, Y]), batch_size=2, shuffle=False, verbose=0, callbacks=[Off()])

    assert seen[0] > 0
    assert seen[1] == pytest.approx(seen[0] / 2)  # the running mean after a second batch of zeros


def test_switching_trainable_to_and_fro_compiles_each_state_once() -> None:
    model = _functional()
    model.compile("sgd", "mse")
    for _ in range(3):
        for trainable in (True, False):
            model.get_layer("d").kernel.trainable = trainable
            model.train_on_batch(X, Y)

    assert len(model.train_function.steps) == 2


def test_training_moves_no_stamp() -> None:
    model = models.Sequential(
        [gk.Input((4, 3)), layers.LSTM(3), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    x = np.ones((8, 4, 3), "float32")
    model.fit(x, np.zeros((8, 2)), batch_size=4, epochs=1, verbose=0)
    before = (model.stamp(), model.compile_state.stamp(model.optimizer))

    model.fit(x, np.zeros((8, 2)), batch_size=4, epochs=2, verbose=0, validation_split=0.5)
    model.predict(x, verbose=0)
    model(x)

    assert (model.stamp(), model.compile_state.stamp(model.optimizer)) == before


def test_a_predictor_is_a_snapshot() -> None:
    model = _functional()
    predictor = Predictor(model)
    before = predictor(X)

    model.get_layer("d").activation = lambda v: v * 0

    np.testing.assert_array_equal(predictor(X), before)
    assert not np.any(model.predict(X, verbose=0))


def test_arguments_that_cannot_be_hashed_are_not_mixed_up() -> None:
    class Options:
        __hash__ = None  # type: ignore[assignment]

        def __init__(self, k: float) -> None:
            self.k = k

    class Times(layers.Layer):
        def call(self, x: Any, options: Any = None) -> Any:
            return x * options.k

    layer = Times()
    assert [float(layer(np.ones(1, "float32"), options=Options(k))[0]) for k in (1.0, 2.0, 3.0, 4.0)] == [1, 2, 3, 4]
    options = Options(1.0)
    layer(np.ones(1, "float32"), options=options)
    options.k = 9.0
    assert float(layer(np.ones(1, "float32"), options=options)[0]) == 9.0


def test_own_code_may_look_at_the_numbers_on_arrays() -> None:
    class Branch(layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2 if float(ops.sum(x)) > 0 else x

    layer = Branch()
    assert np.asarray(layer(np.ones(1, "float32"))).tolist() == [2.0]
    assert np.asarray(layer(-np.ones(1, "float32"))).tolist() == [-1.0]


def test_own_code_cannot_change_the_callers_arrays() -> None:
    class Adds(layers.Layer):
        def call(self, x: Any) -> Any:
            x += 1
            return x

    x = np.zeros(2, "float32")
    assert np.asarray(Adds()(x)).tolist() == [1.0, 1.0]
    assert x.tolist() == [0.0, 0.0]


def test_settings_of_the_process_count_at_once() -> None:
    layer = layers.Lambda(lambda x: x * 0 + gk.backend.epsilon())
    model = models.Sequential([gk.Input((3,)), layer])
    before = gk.backend.epsilon()
    model.predict(X, verbose=0)
    try:
        gk.backend.set_epsilon(0.5)
        for made in (model(X), model.predict(X, verbose=0)):
            assert np.asarray(made).ravel().tolist() == [0.5] * 6
    finally:
        gk.backend.set_epsilon(before)


def test_a_callback_that_changes_a_list_in_place_counts_for_the_next_batch() -> None:
    seen: list[float] = []

    class Off(gk.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs["loss"])
            self.model.get_layer("own").factors[1] = 0.0
            self.model.get_layer("own").table["add"] = -1.0

    model = _own()
    model.compile(gk.optimizers.SGD(0.0), "mse")
    model.fit(np.concatenate([X, X]), np.concatenate([Y, Y]), batch_size=2, shuffle=False, verbose=0, callbacks=[Off()])

    assert seen[0] > 0
    assert seen[1] == pytest.approx(seen[0] / 2)  # 0 * ... - 1 + 1 = 0 in the second batch
