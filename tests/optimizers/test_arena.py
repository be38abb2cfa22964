"""Small weights that are updated together: the same values, and no visible difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.optimizers import arena

X = np.random.default_rng(0).normal(size=(12, 5)).astype("float32")
Y = np.random.default_rng(1).normal(size=(12, 2)).astype("float32")


def trained(optimizer: Any, largest: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("graphkit.optimizers.optimizer.LARGEST", largest)
    graphkit.utils.set_random_seed(3)
    x = graphkit.Input((5,))
    model = models.Model(x, layers.Dense(2)(layers.Dense(7, activation="tanh")(x)))
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=6, epochs=3, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize(
    "name", ["SGD", "RMSprop", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "Nadam", "Ftrl", "Lion"]
)
def test_the_numbers_are_those_of_separate_updates(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make = getattr(graphkit.optimizers, name)
    together, apart = (trained(make(0.01), size, monkeypatch) for size in (arena.LARGEST, 0))
    for a, b in zip(together.get_weights(), apart.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    for a, b in zip(together.optimizer.get_weights(), apart.optimizer.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
    plans = [next(iter(m.train_function.steps.values())).plan for m in (together, apart)]
    assert len(plans[0].program.equations) < len(plans[1].program.equations)


def test_weights_assigned_between_epochs_are_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained("adam", arena.LARGEST, monkeypatch)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(float(np.mean(Y**2)), rel=1e-5)
    model.fit(X, Y, verbose=0)
    assert np.abs(model.get_weights()[-1]).max() > 0


def test_a_second_compile_moves_the_weights_and_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained("adam", arena.LARGEST, monkeypatch)
    before = model.get_weights()
    model.compile("rmsprop", "mse")
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    first, second = model.fit(X, Y, epochs=2, verbose=0).history["loss"]
    assert second < first


def test_two_models_that_share_a_layer_train_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    x = graphkit.Input((5,))
    shared = layers.Dense(4, name="shared")(x)
    one, two = models.Model(x, layers.Dense(2)(shared)), models.Model(x, layers.Dense(2)(shared))
    for model in (one, two):
        model.compile("adam", "mse")
    for _ in range(2):
        for model in (one, two):
            before = model.get_layer("shared").get_weights()[0]
            model.fit(X, Y, verbose=0)
            assert np.abs(model.get_layer("shared").get_weights()[0] - before).max() > 0
    np.testing.assert_array_equal(one.get_layer("shared").kernel.array, two.get_layer("shared").kernel.array)


def test_predict_sees_what_a_compiled_step_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained("adam", arena.LARGEST, monkeypatch)
    versions = [w.version for w in model.weights]
    model.train_on_batch(X, Y)
    assert all(w.version > v for w, v in zip(model.weights, versions, strict=True))


def test_a_step_that_is_exported_knows_weights_and_slots_by_their_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from graphkit.training.data import Batch, gather
    from graphkit.training.step import traced_step

    model = trained("adam", arena.LARGEST, monkeypatch)
    batch = Batch(gather(model, X, Y), slice(None), 12)
    program, _ = traced_step(model.train_step, batch.layout, batch.specs())
    updated = [s.variable for s in program.state if s.after is not None]
    assert set(model.weights) <= set(updated)
    assert not any("small_" in v.path for v in updated)
