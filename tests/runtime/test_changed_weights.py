"""Sessions are kept when weights change: they get the new values, in whatever layout ONNX requires."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.core import nest
from graphkit.runtime import session, session_for
from tests import goldens

CASES = sorted(goldens.cases())
ONE_OF_EACH = [next(cases) for _, cases in groupby(CASES, lambda case: case.split(".")[0].split("-")[0])]


def built_sessions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that collects the sessions opened from now on."""
    opened: list[Any] = []
    make = session.Session

    def open_one(*args: Any, **named: Any) -> Any:
        opened.append(make(*args, **named))
        return opened[-1]

    monkeypatch.setattr(session, "Session", open_one)
    return opened


def disturbed(weights: list[Any]) -> list[Any]:
    return [w * w.dtype.type(1.125) if w.dtype.kind == "f" or w.dtype.name == "bfloat16" else w for w in weights]


def gap(one: Any, other: Any) -> float:
    """Return the largest difference, relative to the largest value."""
    pairs = zip(nest.flatten(one), nest.flatten(other), strict=True)
    found = [
        float(np.abs(np.nan_to_num(np.asarray(a, "float64") - np.asarray(b, "float64"))).max(initial=0.0))
        / (1 + float(np.abs(np.nan_to_num(np.asarray(b, "float64"))).max(initial=0.0)))
        for a, b in pairs
    ]
    return max(found, default=0.0)


@pytest.mark.parametrize("case", ONE_OF_EACH)
def test_predict_follows_the_weights_of_every_kind_of_layer(case: str) -> None:
    model = graphkit.load(goldens.model_file(case))
    weights = model.get_weights()
    if not weights or model.dtype_policy.quantization_mode or "random" in case.lower():
        return
    x = goldens.inputs_of(case)
    model.predict(x, verbose=0)
    model.set_weights(disturbed(weights))
    tolerance = {"float16": 4e-3, "bfloat16": 3e-2}.get(str(model.compute_dtype), 1e-4)
    assert gap(model.predict(x, verbose=0), model(x)) < tolerance
    model.set_weights(weights)
    goldens.assert_outputs(case, model.predict(x, verbose=0))


def dense() -> Any:
    x = layers.Input((3,))
    return models.Model(x, layers.Dense(2)(layers.Dense(300, activation="relu")(x)))


def convolving() -> Any:
    x = layers.Input((6, 6, 3))
    y = layers.BatchNormalization()(layers.Conv2D(4, 3)(x))
    return models.Model(x, layers.Dense(2)(layers.Flatten()(y)))


def recurrent() -> Any:
    x = layers.Input((None, 3))
    return models.Model(x, layers.GRU(4)(layers.LSTM(5, return_sequences=True)(x)))


def inputs(model: Any, rows: int = 4) -> Any:
    shape = [rows, *(5 if size is None else size for size in model.input_shape[1:])]
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("make", [dense, convolving, recurrent])
def test_one_session_serves_all_changes(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = make()
    model.compile("sgd", "mse")
    x = inputs(model)
    opened = built_sessions(monkeypatch)
    model.predict(x, verbose=0)
    assert len(opened) == 1
    for step in range(6):
        model.train_on_batch(x, np.zeros((4, model.output_shape[-1]), "float32"))
        np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-4, atol=1e-5, err_msg=str(step))
        model.layers[-1].weights[0].assign(model.layers[-1].weights[0].array * 1.5)
        np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-4, atol=1e-5, err_msg=str(step))
    assert len(opened) == 2


def test_convolutions_get_their_weights_built_in_again_after_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = convolving()
    x = inputs(model, 64)
    opened = built_sessions(monkeypatch)
    model.predict(x, verbose=0)
    model.set_weights(disturbed(model.get_weights()))
    counts = []
    for _ in range(6):
        np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-4, atol=1e-5)
        counts.append(len(opened))
    assert counts == [2, 2, 2, 3, 3, 3]  # 256 rows are four batches of 64
    model.set_weights(disturbed(model.get_weights()))
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-4, atol=1e-5)
    assert len(opened) == 3  # the session whose weights are inputs was kept


def test_nothing_else_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense()
    x = inputs(model, 1000)
    model.predict(x, verbose=0)
    opened = built_sessions(monkeypatch)
    for _ in range(3):
        model.set_weights(disturbed(model.get_weights()))
        np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-4, atol=1e-5)
    assert len(opened) == 1


def test_weights_are_fed_without_a_copy() -> None:
    model = dense()
    session_for(model)
    model.set_weights(disturbed(model.get_weights()))
    values = session_for(model)._chosen[1]
    assert values is not None
    assert all(any(np.shares_memory(value, w.array) for w in model.weights) for value in values.values())


def test_weights_that_move_into_other_memory_are_followed() -> None:
    model = dense()
    x = inputs(model)
    model.predict(x, verbose=0)
    model.set_weights(disturbed(model.get_weights()))
    model.predict(x, verbose=0)
    for variable in model.weights:
        variable.share(np.empty_like(variable.array))
        variable.assign(variable.array * 2.0)
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-4, atol=1e-5)


def test_states_and_weights_change_together() -> None:
    x = layers.Input(batch_shape=(2, 3, 4))
    model = models.Model(x, layers.LSTM(5, stateful=True)(x))
    twin = models.clone_model(model)
    given = inputs(model, 2)
    for _ in range(3):
        model.set_weights(disturbed(model.get_weights()))
        twin.set_weights(model.get_weights())
        np.testing.assert_allclose(model.predict(given, batch_size=2, verbose=0), twin(given), rtol=1e-4, atol=1e-5)


def test_a_session_for_changed_weights_leaves_the_cores_to_training() -> None:
    """onnxruntime's threads would spin for some milliseconds after each run, while the engine trains on the same cores."""
    model = graphkit.Sequential([layers.Input((3,)), layers.Dense(2)])
    x = np.ones((4, 3), "float32")
    model.predict(x, verbose=0)
    model.set_weights([w + 1.0 for w in model.get_weights()])
    model.predict(x, verbose=0)

    options = session.session_for(model)._chosen[0].raw.get_session_options()

    assert options.get_session_config_entry("session.force_spinning_stop") == "1"
