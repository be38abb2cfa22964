"""Pickle and deepcopy: models, their training state and related objects are restored and compute the same."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import (
    Input,
    Model,
    Sequential,
    Variable,
    callbacks,
    constraints,
    dtype_policies,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    random,
    regularizers,
)  # fmt: skip

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = X[:, :1]
WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda obj: pickle.loads(pickle.dumps(obj)),
    "protocol 5 with buffers": lambda obj: pickle_with_buffers(obj),
    "protocol 2": lambda obj: pickle.loads(pickle.dumps(obj, protocol=2)),
    "deepcopy": copy.deepcopy,
}


def pickle_with_buffers(obj: Any) -> Any:
    """Pickle arrays separately, as joblib does."""
    buffers: list[Any] = []
    data = pickle.dumps(obj, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[bytearray(b.raw()) for b in buffers])


class Subclassed(Model):
    """A model with its own `call`."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.more = layers.Dense(3), {"x": [layers.Dense(1)]}

    def call(self, x: Any) -> Any:
        return self.more["x"][0](self.dense(x))


def sequential() -> Any:
    return Sequential(
        [
            Input((4,)),
            layers.Dense(3, activation="relu"),
            layers.Dropout(0.2),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    )


def shared() -> Any:
    """Return a model with a layer and a nested model that are called twice, ops, and a Lambda of an anonymous function."""
    x = Input((4,), name="x")
    dense = layers.Dense(4, name="dense")
    inner = Sequential([Input((4,)), layers.Dense(4, activation="tanh")], name="inner")
    h = layers.Lambda(lambda t: t * 2.0 + 1.0, name="own")(dense(dense(x)))
    return Model(x, layers.Dense(1)(inner(inner(h)) + ops.exp(-ops.square(h))))


def masked() -> Any:
    x = Input((None,), dtype="int32")
    return Model(x, layers.Dense(1)(layers.LSTM(3)(layers.Embedding(5, 4, mask_zero=True)(x))))


def subclassed() -> Any:
    model = Subclassed()
    model(X)
    return model


MODELS: dict[str, tuple[Callable[[], Any], Any]] = {
    "sequential": (sequential, X),
    "shared": (shared, X),
    "masked": (masked, np.array([[1, 2, 0], [3, 0, 0]] * 4)),
    "subclassed": (subclassed, X),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MODELS)
def test_a_model_computes_the_same(kind: str, way: str) -> None:
    make, x = MODELS[kind]
    model = make()
    wanted = model.predict(x, verbose=0), np.asarray(model(x))

    again = WAYS[way](model)

    assert [w.path for w in again.weights] == [w.path for w in model.weights]
    np.testing.assert_array_equal(again.predict(x, verbose=0), wanted[0])
    np.testing.assert_array_equal(np.asarray(again(x)), wanted[1])
    if kind not in ("subclassed", "shared"):  # a Lambda's ops get new names each time
        assert again.to_json() == model.to_json()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", MODELS)
def test_training_goes_on_where_it_stood(kind: str, way: str) -> None:
    make, x = MODELS[kind]
    model = make()
    model.compile(optimizers.Adam(0.01, use_ema=True), "mse", metrics=["mae", metrics.RootMeanSquaredError()])
    model.fit(x, Y, epochs=2, verbose=0, shuffle=False)
    model.predict(x, verbose=0)

    again = WAYS[way](model)
    assert again.evaluate(x, Y, verbose=0) == model.evaluate(x, Y, verbose=0)
    histories = [m.fit(x, Y, epochs=3, verbose=0, shuffle=False).history for m in (model, again)]

    assert histories[0] == histories[1]
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
        assert one is not other


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_leaves_the_original_alone(way: str) -> None:
    model = shared()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    before, weights = model.predict(X, verbose=0), model.get_weights()

    again = WAYS[way](model)
    again.fit(X, 1 - Y, epochs=3, verbose=0)
    again.layers[1].trainable = False

    assert model.layers[1].trainable
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)
    for one, other in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_shared_stays_shared(way: str) -> None:
    model = shared()

    again, dense = WAYS[way]((model, model.get_layer("dense")))

    assert again.get_layer("dense") is dense
    dense.set_weights([np.zeros((4, 4)), np.zeros(4)])
    assert not np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert len(dense.nodes) == 2
    assert dense.get_output_at(1) is not dense.get_output_at(0)
    assert sorted(again.graph.nodes) == sorted(model.graph.nodes)


def test_deep_graphs_are_pickled() -> None:
    x = h = Input((4,))
    dense = layers.Dense(4)
    for _ in range(300):
        h = dense(h)
    chained = Model(x, h)
    for _ in range(500):
        h = layers.ReLU()(h)
    deep = Model(x, h)

    for model in (chained, deep):
        for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            np.testing.assert_array_equal(again(X), model(X))


def test_a_changed_layer_counts_after_unpickling_in_a_young_process(tmp_path: Path) -> None:
    """The clock of a new process starts at 0, and the stamps of the old process are ahead of it."""
    model = sequential()
    for layer in model.layers:
        layer.trainable = False
    for _ in range(200):
        model.layers[0].activation = np.tanh
    model.layers[0].activation = ops.relu
    (tmp_path / "m.pickle").write_bytes(pickle.dumps(model))
    code = (
        "import pickle, sys, graphkit, numpy as np\n"
        "m = pickle.load(open(sys.argv[1], 'rb'))\n"
        "x = np.ones((2, 4), 'float32')\n"
        "a, p = np.array(m(x)), m.predict(x, verbose=0)\n"
        "m.layers[-1].activation = graphkit.activations.softplus\n"
        "b, q = np.array(m(x)), m.predict(x, verbose=0)\n"
        "assert not np.array_equal(a, b) and not np.array_equal(p, q), (a, b, p, q)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.pickle")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("way", WAYS)
def test_a_model_without_input_shape_comes_back(way: str) -> None:
    for model in (Sequential([layers.Dense(2)]), Sequential([Input((4,))]), Sequential()):
        again = WAYS[way](model)
        again.add(layers.Dense(3))
        assert again(X).shape == (8, 3)


@pytest.mark.parametrize("way", WAYS)
def test_history_comes_back(way: str) -> None:
    model = sequential()
    model.compile("adam", "mse")
    history = model.fit(X, Y, epochs=2, verbose=0)

    again = WAYS[way](history)

    assert again.history == history.history
    assert again.epoch == history.epoch


@pytest.mark.parametrize("way", WAYS)
def test_optimizers_come_back_with_their_state(way: str) -> None:
    weight = Variable(np.ones(3, "float32"))
    optimizer = optimizers.AdamW(optimizers.schedules.ExponentialDecay(0.1, 10, 0.9), weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.apply([np.ones(3, "float32")], [weight])

    again, copied = WAYS[way]((optimizer, weight))
    for one, variable in ((optimizer, weight), (again, copied)):
        one.apply([np.full(3, 0.5, "float32")], [variable])

    assert again.get_config() == optimizer.get_config()
    np.testing.assert_array_equal(copied.numpy(), weight.numpy())
    assert int(again.iterations.numpy()) == 2


OBJECTS = {
    "SGD": lambda: optimizers.SGD(0.125),
    "loss": lambda: losses.Huber(2.0),
    "mean": lambda: metrics.Mean(),
    "auc": lambda: metrics.AUC(),
    "layer": lambda: layers.Dense(2, activation="gelu", kernel_regularizer="l2"),
    "recurrent": lambda: layers.Bidirectional(layers.LSTM(3)),
    "lookup": lambda: layers.StringLookup(vocabulary=["a", "b"]),
    "stopping": lambda: callbacks.EarlyStopping(patience=2),
    "checkpoint": lambda: callbacks.ModelCheckpoint("x.keras"),
    "csv": lambda: callbacks.CSVLogger("x.csv"),
    "board": lambda: callbacks.TensorBoard("logs"),
    "initializer": lambda: initializers.GlorotUniform(3),
    "regularizer": lambda: regularizers.L1L2(0.1),
    "constraint": lambda: constraints.MaxNorm(2.0),
    "policy": lambda: dtype_policies.DTypePolicy("mixed_float16"),
    "seed": lambda: random.SeedGenerator(3),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_come_back(kind: str, way: str) -> None:
    made = OBJECTS[kind]()

    again = WAYS[way](made)

    assert type(again) is type(made)
    if hasattr(made, "get_config"):
        assert again.get_config() == made.get_config()


def test_a_metric_keeps_its_state() -> None:
    metric = metrics.Mean()
    metric.update_state([1.0, 3.0])

    for way in WAYS.values():
        again = way(metric)
        assert float(again.result()) == 2.0
        again.reset_state()
        assert float(again.result()) == 0.0
    assert float(metric.result()) == 2.0


def test_a_function_that_cannot_be_a_graph_is_refused() -> None:
    layer = layers.Lambda(lambda t: t * 2.0, name="never_called")

    with pytest.raises(pickle.PicklingError, match=r"Lambda 'never_called' cannot be pickled.*has never been called"):
        pickle.dumps(layer)
    assert copy.deepcopy(layer)(X).shape == X.shape


@pytest.mark.parametrize("way", WAYS)
def test_a_part_of_a_graph_is_pickled_alone(way: str) -> None:
    model = shared()
    middle = Model(model.input, model.get_layer("own").output)
    upper = Model(model.get_layer("dense").get_output_at(1), model.output)

    for part in (middle, upper):
        np.testing.assert_array_equal(WAYS[way](part)(X), part(X))
