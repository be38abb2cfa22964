"""Trainings that real Keras (fixtures/make_fit_answers.py) and graphkit (test_keras_fit.py) both run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(21, 3)).astype("float32")
Y = RANDOM.normal(size=(21, 1)).astype("float32")
START = RANDOM.normal(size=(3, 1)).astype("float32")
CLASSES = RANDOM.integers(0, 3, 21)
WEIGHTS = RANDOM.uniform(0.2, 2, 21).astype("float32")
THREE = np.tile(START, 3) * [1, -1, 0.5]
Arrays = dict[str, Any]


def regressor(keras: Any, **compiled: Any) -> Any:
    """One output."""
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(1, name="d")(x))
    model.set_weights([START, np.zeros(1, "float32")])
    model.compile(keras.optimizers.SGD(0.05), **{"loss": "mse", **compiled})
    return model


def classifier(keras: Any, **compiled: Any) -> Any:
    """Three classes."""
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Dense(3, activation="softmax", name="d")(x))
    model.set_weights([THREE, np.zeros(3, "float32")])
    model.compile(keras.optimizers.SGD(0.05), **{"loss": "sparse_categorical_crossentropy", **compiled})
    return model


def two(keras: Any, **compiled: Any) -> Any:
    """A number and three classes."""
    x = keras.Input((3,))
    heads = [keras.layers.Dense(1, name="a")(x), keras.layers.Dense(3, activation="softmax", name="b")(x)]
    model = keras.Model(x, heads)
    model.set_weights([START, np.zeros(1, "float32"), THREE, np.zeros(3, "float32")])
    model.compile(keras.optimizers.SGD(0.05), **compiled)
    return model


def five(number: int) -> slice:
    """Return the rows of a batch of five."""
    return slice(number * 5, number * 5 + 5)


def endless() -> Iterator[Any]:
    """Yield four batches repeatedly."""
    while True:
        for number in range(4):
            yield X[five(number)], Y[five(number)]


def weighted_batches() -> Iterator[Any]:
    """Yield forty batches with weights."""
    for number in range(40):
        rows = five(number % 4)
        yield X[rows], Y[rows], WEIGHTS[rows]


def batches(keras: Any) -> Any:
    """Four batches by index."""

    class Batches(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> Any:
            return X[five(index)], Y[five(index)]

    return Batches()


def weights_of(model: Any) -> Any:
    return np.concatenate([np.asarray(w).ravel() for w in model.get_weights()])


def fitted(model: Any, *data: Any, **arguments: Any) -> Arrays:
    history = model.fit(*data, **{"shuffle": False, "verbose": 0, **arguments})
    results = {name: np.array(values, "float64") for name, values in history.history.items()}
    return {**results, "epoch": np.array(history.epoch), "w": weights_of(model)}


def by_batches(keras: Any, call: Callable[[Any, Any], Any]) -> Arrays:
    """Return the results of three calls on one batch each, and the weights afterwards."""
    model = regressor(keras, metrics=["mae"], weighted_metrics=["mse"])
    found = {str(number): np.array(call(model, five(number)), "float64") for number in range(3)}
    return {**found, "w": weights_of(model)}


def evaluated(model: Any, *data: Any, **arguments: Any) -> Arrays:
    return {"v": np.array(model.evaluate(*data, verbose=0, **arguments), "float64")}


def scenarios(keras: Any) -> dict[str, Callable[[], Arrays]]:
    """Return name -> a training or evaluation with `keras` (or graphkit) that returns arrays by name."""
    return {**single_output(keras), **classes(keras), **iterated(keras), **two_outputs(keras), **others(keras)}


def single_output(keras: Any) -> dict[str, Callable[[], Arrays]]:
    rows: dict[str, tuple[Arrays, Arrays]] = {  # arguments of compile, of fit
        "plain": ({"metrics": ["mae"]}, {"epochs": 2}),
        "steps": ({}, {"epochs": 3, "steps_per_epoch": 2}),
        "steps_more": ({}, {"epochs": 2, "steps_per_epoch": 9}),
        "initial": ({}, {"epochs": 5, "initial_epoch": 3}),
        "valfreq": ({}, {"epochs": 5, "validation_data": (X[:7], Y[:7]), "validation_freq": 2}),
        "valfreq_list": ({}, {"epochs": 4, "validation_data": (X[:7], Y[:7]), "validation_freq": [1, 4]}),
        "valsteps": (
            {},
            {"epochs": 2, "validation_data": (X, Y), "validation_steps": 2, "validation_batch_size": 3},
        ),
        "valsplit": ({"metrics": ["mse"]}, {"epochs": 2, "validation_split": 0.3, "sample_weight": WEIGHTS}),
        "sw": ({"metrics": ["mae"], "weighted_metrics": ["mae", "mse"]}, {"epochs": 2, "sample_weight": WEIGHTS}),
        "val_sw": (
            {"weighted_metrics": ["mae"]},
            {"epochs": 2, "sample_weight": WEIGHTS, "validation_data": (X[:9], Y[:9], WEIGHTS[:9])},
        ),
        "spe2": ({"metrics": ["mae"], "steps_per_execution": 2}, {"epochs": 2}),
        "spe3": ({"metrics": ["mae"], "steps_per_execution": 3}, {"epochs": 2}),
    }
    return {
        name: lambda c=compiled, f=told: fitted(regressor(keras, **c), X, Y, batch_size=4, **f)
        for name, (compiled, told) in rows.items()
    }


def classes(keras: Any) -> dict[str, Callable[[], Arrays]]:
    one_hot = {"loss": "categorical_crossentropy", "weighted_metrics": ["accuracy"]}
    both = {"metrics": ["accuracy"], "weighted_metrics": ["accuracy"]}
    weights = {0: 1.0, 1: 3.0, 2: 0.5}
    fit = partial(fitted, batch_size=4)
    return {
        "cw": lambda: fit(classifier(keras, **both), X, CLASSES, epochs=2, class_weight=weights),
        "cw_onehot": lambda: fit(
            classifier(keras, **one_hot), X, np.eye(3)[CLASSES], epochs=2, class_weight={0: 1.0, 2: 0.5}
        ),
        "cw_val": lambda: fit(
            classifier(keras, weighted_metrics=["accuracy"]),
            X,
            CLASSES,
            epochs=2,
            class_weight=weights,
            validation_split=0.2,
        ),
        "cwob": lambda: {
            "v": np.array([classifier(keras).train_on_batch(X, CLASSES, class_weight={0: 2.0, 1: 1.0, 2: 3.0})])
        },
    }


def iterated(keras: Any) -> dict[str, Callable[[], Arrays]]:
    return {
        "gen": lambda: fitted(regressor(keras), endless(), epochs=3, steps_per_epoch=3),
        "gensw": lambda: fitted(
            regressor(keras, weighted_metrics=["mae"]), weighted_batches(), epochs=2, steps_per_epoch=4
        ),
        "pd": lambda: fitted(regressor(keras, metrics=["mae"]), batches(keras), epochs=2),
        "pd_steps": lambda: fitted(regressor(keras), batches(keras), epochs=3, steps_per_epoch=3),
        "pd_val": lambda: fitted(
            regressor(keras), batches(keras), epochs=2, validation_data=batches(keras), validation_steps=2
        ),
        "ev_pd": lambda: evaluated(regressor(keras, metrics=["mae"]), batches(keras)),
    }


def two_outputs(keras: Any) -> dict[str, Callable[[], Arrays]]:
    losses, targets = ["mse", "sparse_categorical_crossentropy"], [Y, CLASSES]
    by_name = {
        "loss": {"a": "mae", "b": "sparse_categorical_crossentropy"},
        "loss_weights": {"a": 0.3, "b": 1.0},
        "metrics": {"b": ["accuracy"]},
        "weighted_metrics": {"a": ["mse"]},
    }
    shown = [["mae"], ["accuracy"]]
    fit = partial(fitted, epochs=2, batch_size=4)
    return {
        "two": lambda: fit(two(keras, loss=losses, loss_weights=[0.3, 2.0], metrics=shown), X, targets),
        "two_dict": lambda: fit(two(keras, **by_name), X, {"a": Y, "b": CLASSES}),
        "two_sw": lambda: fit(
            two(keras, loss=losses, weighted_metrics=shown), X, targets, sample_weight=[WEIGHTS, WEIGHTS[::-1].copy()]
        ),
        "ev_two": lambda: evaluated(two(keras, loss=losses, metrics=shown), X, targets, batch_size=4),
    }


def others(keras: Any) -> dict[str, Callable[[], Arrays]]:
    on_batches = partial(by_batches, keras)
    shown = regressor(keras, metrics=["mae"])
    return {
        "tob": lambda: on_batches(lambda m, r: m.train_on_batch(X[r], Y[r])),
        "tob_sw": lambda: on_batches(lambda m, r: m.train_on_batch(X[r], Y[r], sample_weight=WEIGHTS[:5])),
        "tob_dict": lambda: on_batches(
            lambda m, r: [v for _, v in sorted(m.train_on_batch(X[r], Y[r], return_dict=True).items())]
        ),
        "testob": lambda: on_batches(lambda m, r: m.test_on_batch(X[r], Y[r], sample_weight=WEIGHTS[:5])),
        "pob": lambda: on_batches(lambda m, r: m.predict_on_batch(X[r])),
        "ev": lambda: evaluated(shown, X, Y, batch_size=4),
        "ev_steps": lambda: evaluated(shown, X, Y, batch_size=4, steps=3),
        "ev_sw": lambda: evaluated(
            regressor(keras, weighted_metrics=["mae"]), X, Y, batch_size=4, sample_weight=WEIGHTS
        ),
        "pred_steps": lambda: {"v": np.array(regressor(keras).predict(X, batch_size=4, steps=3, verbose=0))},
    }
