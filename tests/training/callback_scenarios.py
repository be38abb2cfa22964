"""Callbacks with given results of epochs, for real Keras (fixtures/make_callback_answers.py) and graphkit (test_keras_callbacks.py)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FALLING = [1.0, 0.95, 0.92, 0.90, 0.89, 0.885, 0.88, 0.4, 0.39]
RISING = [0.5, 0.55, 0.58, 0.59, 0.595, 0.7, 0.69, 0.69, 0.9]
FLAT = [1.0] * 12
TIES = [0.5, 0.5, 0.4, 0.4, 0.4, 0.3]
BUMPY = [1.0, 0.7, 0.8, 0.6, 0.65, 0.62, 0.61, 0.605, 0.5]
NAN = [float("nan"), 0.5, 0.4, 0.3, 0.2]
LATE_NAN = [0.5, float("nan"), float("nan"), 0.4]
Answer = dict[str, Any]


def compiled(keras: Any) -> Any:
    """Return a model of one weight with a learning rate of 1/2 and a result for each direction."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.5), "mse", metrics=["mae"])
    return model


def told(model: Any, callback: Any, series: Sequence[float], name: str) -> Answer:
    """Return what a callback does with a given result for each epoch; the weight is the epoch's number."""
    callback.set_params({"epochs": len(series)})
    callback.set_model(model)
    model.stop_training = False
    callback.on_train_begin({})
    rates: list[float] = []
    for epoch, value in enumerate(series):
        callback.on_epoch_begin(epoch, {})
        for weight in model.weights:
            weight.assign([[float(epoch)]])
        callback.on_epoch_end(epoch, {name: value})
        rates.append(float(model.optimizer.learning_rate.numpy()))
        if model.stop_training:
            break
    callback.on_train_end({})
    return {"rates": rates, "stopped": bool(model.stop_training), "weight": float(model.get_weights()[0][0, 0])}


STOPPING: dict[str, tuple[dict[str, Any], list[float]]] = {
    "plain": ({}, BUMPY),
    "falls": ({}, FALLING),
    "ties": ({}, TIES),
    "ties_patience_1": ({"patience": 1}, TIES),
    "patience_2": ({"patience": 2}, BUMPY),
    "patience_3": ({"patience": 3}, BUMPY),
    "delta": ({"min_delta": 0.06, "patience": 2}, FALLING),
    "negative_delta": ({"min_delta": -0.06, "patience": 2}, FALLING),
    "delta_of_the_steps": ({"min_delta": 0.04, "patience": 1}, FALLING),
    "baseline": ({"patience": 1, "baseline": 0.93}, FALLING),
    "baseline_never": ({"patience": 4, "baseline": 0.1}, FALLING),
    "baseline_reached": ({"patience": 3, "baseline": 0.75}, BUMPY),
    "baseline_of_a_bump": ({"patience": 2, "baseline": 0.65}, BUMPY),
    "start": ({"start_from_epoch": 3, "min_delta": 0.2, "patience": 1}, FALLING),
    "start_later": ({"start_from_epoch": 5, "patience": 1}, BUMPY),
    "restore": ({"restore_best_weights": True, "patience": 2}, BUMPY),
    "restore_last": ({"restore_best_weights": True, "patience": 9}, BUMPY),
    "restore_without_a_stop": ({"restore_best_weights": True, "patience": 9}, BUMPY[:3]),
    "restore_start": ({"restore_best_weights": True, "start_from_epoch": 2, "patience": 1}, BUMPY),
    "restore_baseline": ({"restore_best_weights": True, "baseline": 0.1, "patience": 2}, FLAT),
    "max": ({"mode": "max"}, RISING),
    "max_delta": ({"mode": "max", "min_delta": 0.06, "patience": 2}, RISING),
    "max_patience": ({"mode": "max", "patience": 2}, RISING),
    "max_baseline": ({"mode": "max", "patience": 2, "baseline": 0.6}, RISING),
    "max_restore": ({"mode": "max", "patience": 1, "restore_best_weights": True, "min_delta": 0.02}, RISING),
    "max_of_falling": ({"mode": "max", "patience": 2}, FALLING),
    "min_of_rising": ({"mode": "min", "patience": 3}, RISING),
    "first_nan": ({"patience": 2}, NAN),
    "later_nan": ({"patience": 2, "restore_best_weights": True}, LATE_NAN),
    "flat": ({"patience": 3}, FLAT),
}

PLATEAUS: dict[str, tuple[dict[str, Any], list[float]]] = {
    "patience_10": ({}, FLAT),
    "patience_2": ({"patience": 2}, FLAT),
    "patience_1": ({"patience": 1}, BUMPY),
    "patience_0": ({"patience": 0}, FLAT),
    "cooldown_1": ({"patience": 2, "cooldown": 1}, FLAT),
    "cooldown_2": ({"patience": 1, "cooldown": 2}, FLAT),
    "cooldown_3": ({"patience": 2, "cooldown": 3}, FLAT),
    "cooldown_4_bumpy": ({"patience": 1, "cooldown": 4, "factor": 0.5}, BUMPY),
    "factor": ({"patience": 2, "factor": 0.5}, FLAT),
    "min_lr": ({"patience": 1, "min_lr": 0.1}, FLAT),
    "min_lr_between": ({"patience": 1, "factor": 0.6, "min_lr": 0.2}, FLAT),
    "delta": ({"patience": 1, "min_delta": 0.06, "factor": 0.5}, FALLING),
    "delta_0": ({"patience": 1, "min_delta": 0, "factor": 0.5}, TIES),
    "small_steps": ({"patience": 1, "factor": 0.5}, [1.0, 0.99995, 0.9999, 0.99984, 0.9997]),
    "max": ({"mode": "max", "patience": 1, "factor": 0.5}, RISING),
    "max_delta": ({"mode": "max", "patience": 1, "factor": 0.5, "min_delta": 0.04}, RISING),
    "min": ({"mode": "min", "patience": 1, "factor": 0.5}, RISING),
    "first_nan": ({"patience": 1, "factor": 0.5}, NAN),
    "later_nan": ({"patience": 1, "factor": 0.5}, LATE_NAN),
}

CHECKPOINTS: dict[str, tuple[dict[str, Any], list[float]]] = {
    "all": ({"filepath": "{epoch}.keras"}, BUMPY[:3]),
    "best": ({"filepath": "{epoch:02d}.keras", "save_best_only": True}, BUMPY),
    "best_max": ({"filepath": "{epoch:02d}.keras", "save_best_only": True, "mode": "max"}, RISING),
    "best_ties": ({"filepath": "{epoch:02d}.keras", "save_best_only": True}, TIES),
    "best_weights": (
        {"filepath": "{epoch:02d}-{loss:.2f}.weights.h5", "save_best_only": True, "save_weights_only": True},
        BUMPY,
    ),
    "threshold": ({"filepath": "{epoch}.keras", "save_best_only": True, "initial_value_threshold": 0.62}, BUMPY),
    "threshold_max": (
        {"filepath": "{epoch}.keras", "save_best_only": True, "initial_value_threshold": 0.6, "mode": "max"},
        RISING,
    ),
    "later_nan": ({"filepath": "{epoch}.keras", "save_best_only": True}, LATE_NAN),
}


def scenarios(keras: Any) -> dict[str, Callable[[], Answer]]:
    """Return name -> a function that returns what a callback of `keras` (or graphkit) does."""
    made: dict[str, Callable[[], Answer]] = {}
    for kind, rows in (("EarlyStopping", STOPPING), ("ReduceLROnPlateau", PLATEAUS)):
        for name, (arguments, series) in rows.items():

            def run(kind: str = kind, arguments: Any = arguments, series: Any = series) -> Answer:
                callback = getattr(keras.callbacks, kind)("loss", **arguments)
                answer = told(compiled(keras), callback, series, "loss")
                return {**answer, "wait": int(callback.wait), "best": callback.best}

            made[f"{kind}/{name}"] = run
    for name, (arguments, series) in CHECKPOINTS.items():
        made[f"ModelCheckpoint/{name}"] = lambda a=arguments, s=series: saved(keras, a, s)
    for name, frequency in (("3", 3), ("4", 4), ("5", 5), ("7", 7)):
        made[f"ModelCheckpoint/every_{name}_batches"] = lambda f=frequency: saved_by_batches(keras, f)
    made.update(logs_as_csv(keras))
    made.update(scheduled(keras))
    return made


def recording(model: Any) -> list[list[str]]:
    """Make a model record how it is saved."""
    calls: list[list[str]] = []
    model.save = lambda path, overwrite=True: calls.append(["save", Path(path).name])
    model.save_weights = lambda path, overwrite=True: calls.append(["save_weights", Path(path).name])
    return calls


def saved(keras: Any, arguments: dict[str, Any], series: list[float]) -> Answer:
    """Return what a ModelCheckpoint saves."""
    model = compiled(keras)
    calls = recording(model)
    with tempfile.TemporaryDirectory() as folder:
        given = {**arguments, "filepath": str(Path(folder) / arguments["filepath"])}
        callback = keras.callbacks.ModelCheckpoint(monitor="loss", **given)
        told(model, callback, series, "loss")
    return {"saved": calls, "best": callback.best}


def saved_by_batches(keras: Any, frequency: int) -> Answer:
    """Return what a ModelCheckpoint that counts batches saves over three epochs of four."""
    model = compiled(keras)
    calls = recording(model)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "{epoch}-{batch}.keras")
        callback = keras.callbacks.ModelCheckpoint(path, save_freq=frequency)
        ones = np.ones((8, 1), "float32")
        model.fit(ones, ones, batch_size=2, epochs=3, callbacks=[callback], verbose=0)
    return {"saved": calls}


def logs_as_csv(keras: Any) -> dict[str, Callable[[], Answer]]:
    """Return what a CSVLogger writes: to a new file, appended to an existing one, over it, with another separator."""

    def written(
        before: str = "", epochs: Sequence[Any] = ({"b": 2.0, "a": 0.5}, {"b": 3.0, "a": 0.25}), **told: Any
    ) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log.csv"
            if before:
                path.write_text(before)
            callback = keras.callbacks.CSVLogger(str(path), **told)
            callback.set_model(compiled(keras))
            callback.on_train_begin({})
            for epoch, logs in enumerate(epochs):
                callback.on_epoch_end(epoch, dict(logs))
            callback.on_train_end({})
            return {"lines": path.read_text().splitlines()}

    validated = ({"loss": 1.0, "val_loss": 2.0}, {"loss": 0.5}, {"loss": 0.25, "val_loss": 1.5})
    later = ({"loss": 1.0}, {"loss": 0.5, "val_loss": 2.0})
    return {
        "CSVLogger/plain": written,
        "CSVLogger/separator": lambda: written(separator=";"),
        "CSVLogger/append": lambda: written("epoch,a,b\n0,9,9\n", append=True),
        "CSVLogger/append_to_nothing": lambda: written(append=True),
        "CSVLogger/overwrite": lambda: written("epoch,a,b\n0,9,9\n"),
        "CSVLogger/validated": lambda: written(epochs=validated),
        "CSVLogger/validated_later": lambda: written(epochs=later),
    }


def scheduled(keras: Any) -> dict[str, Callable[[], Answer]]:
    """Return the rates that a LearningRateScheduler sets."""
    rows = {
        "by_epoch": lambda epoch: 0.5 / (epoch + 1),
        "by_rate": lambda epoch, rate: rate if epoch < 2 else rate * 0.5,
    }
    return {
        f"LearningRateScheduler/{name}": lambda s=schedule: told(
            compiled(keras), keras.callbacks.LearningRateScheduler(s), FLAT[:5], "loss"
        )
        for name, schedule in rows.items()
    }
