"""Callbacks and models that are reused for a second training, and rarer arguments of callbacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import callbacks, layers, optimizers

X = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
Y = X @ np.array([[1.0], [-2.0]], "float32")


def model(optimizer: Any = None, **compiled: Any) -> Any:
    made: Any = graphkit.Sequential([graphkit.Input((2,)), layers.Dense(1, kernel_initializer="zeros")])
    made.compile(optimizer or optimizers.SGD(0.05), "mse", **compiled)
    return made


def test_early_stopping_starts_anew_with_each_training() -> None:
    stop = callbacks.EarlyStopping("loss", patience=1, restore_best_weights=True)
    model(optimizers.SGD(5.0)).fit(X, Y, epochs=4, callbacks=[stop], verbose=0)  # diverges: the best is the first
    best = stop.best

    second = model()
    history = second.fit(X, 100 * Y, epochs=4, callbacks=[stop], verbose=0)

    assert len(history.epoch) == 4
    assert stop.best != best
    assert (stop.stopped_epoch, stop.best_epoch) == (0, 3)
    for found, kept in zip(second.get_weights(), stop.best_weights, strict=True):
        np.testing.assert_array_equal(found, kept)


def test_reduce_lr_on_plateau_starts_anew_with_each_training() -> None:
    lower = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, cooldown=9, min_delta=1e9)
    rates = []
    for _ in range(2):
        made = model(optimizers.SGD(0.5))
        made.fit(X, Y, epochs=3, callbacks=[lower], verbose=0)
        rates.append(float(made.optimizer.learning_rate.numpy()))
    assert rates == [0.25, 0.25]


def test_a_training_that_was_stopped_can_be_followed_by_another() -> None:
    made = model()
    stop = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(made, "stop_training", True))
    assert made.fit(X, Y, epochs=5, callbacks=[stop], verbose=0).epoch == [0]
    assert made.stop_training
    assert made.fit(X, Y, epochs=3, verbose=0).epoch == [0, 1, 2]
    assert not made.stop_training


def test_stop_training_within_an_epoch_ends_it_there() -> None:
    made = model()
    seen: list[int] = []

    def stop(batch: int, logs: Any) -> None:
        seen.append(batch)
        made.stop_training = batch == 1

    history = made.fit(
        X, Y, batch_size=3, epochs=3, callbacks=[callbacks.LambdaCallback(on_train_batch_end=stop)], verbose=0
    )

    assert seen == [0, 1]
    assert history.epoch == [0]
    assert int(made.optimizer.iterations.numpy()) == 2


def test_a_history_of_ones_own_counts_the_epochs_of_the_last_training() -> None:
    history = callbacks.History()
    made = model()
    made.fit(X, Y, epochs=3, callbacks=[history], verbose=0)
    returned = made.fit(X, Y, epochs=2, callbacks=[history], verbose=0)

    assert returned is history
    assert history.epoch == [0, 1]


def test_a_second_fit_goes_on_from_the_weights_and_the_optimizer_of_the_first() -> None:
    whole, halves = (model(optimizers.Adam(0.1)) for _ in range(2))
    wanted = whole.fit(X, Y, epochs=4, shuffle=False, verbose=0).history["loss"]
    first = halves.fit(X, Y, epochs=2, shuffle=False, verbose=0).history["loss"]
    rest = halves.fit(X, Y, initial_epoch=2, epochs=4, shuffle=False, verbose=0)

    assert first + rest.history["loss"] == pytest.approx(wanted)
    assert rest.epoch == [2, 3]


@pytest.mark.parametrize("delete", [True, False])
def test_a_backup_is_deleted_at_the_end_unless_it_shall_stay(delete: bool, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    made = model("adam")
    made.fit(X, Y, epochs=2, callbacks=[callbacks.BackupAndRestore(folder, delete_checkpoint=delete)], verbose=0)

    assert folder.exists() is not delete
    if not delete:  # it continues where that training ended
        again = model("adam")
        history = again.fit(X, Y, epochs=3, callbacks=[callbacks.BackupAndRestore(folder)], verbose=0)
        assert history.epoch == [2]
        assert int(again.optimizer.iterations.numpy()) == 3


def test_averages_predict_and_the_weights_come_back() -> None:
    made = model(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    for _ in range(3):
        made.train_on_batch(X, Y)
    before = made.get_weights()
    (average, bias), swap = [v.numpy() for _, v in made.optimizer.averaged()], callbacks.SwapEMAWeights()
    assert not np.allclose(average, before[0])

    np.testing.assert_allclose(made.predict(X, verbose=0, callbacks=[swap]), X @ average + bias, rtol=1e-5, atol=1e-6)

    for found, wanted in zip(made.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(made.predict(X, verbose=0), X @ before[0] + before[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_ends_training(value: float) -> None:
    class Constant(graphkit.losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return graphkit.ops.sum(y_pred, axis=-1) * 0 + np.float32(value)

    made = model()
    made.compile("sgd", Constant())
    history = made.fit(X, Y, batch_size=4, epochs=3, callbacks=[callbacks.TerminateOnNaN()], verbose=0)
    assert history.epoch == [0]
    assert int(made.optimizer.iterations.numpy()) == 1


def two_outputs(**compiled: Any) -> Any:
    x = graphkit.Input((2,))
    outputs = [layers.Dense(1, kernel_initializer="zeros", name=n)(x) for n in ("a", "b")]
    made: Any = graphkit.Model(x, outputs)
    made.compile("sgd", "mse", **compiled)
    return made


def test_one_array_of_sample_weights_counts_for_every_output() -> None:
    weights = np.array([1.0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1], "float32")
    made = two_outputs(weighted_metrics=[["mae"], ["mae"]])

    found = made.evaluate(X, [Y, 3 * Y], sample_weight=weights, verbose=0, return_dict=True)

    one = float((weights * Y[:, 0] ** 2).sum() / 12)
    mae = float((weights * abs(Y[:, 0])).sum() / 4)
    assert found["a_loss"] == pytest.approx(one, rel=1e-5)
    assert found["b_loss"] == pytest.approx(9 * one, rel=1e-5)
    assert found["loss"] == pytest.approx(10 * one, rel=1e-5)
    assert found["a_mae"] == pytest.approx(mae, rel=1e-5)
    assert found["b_mae"] == pytest.approx(3 * mae, rel=1e-5)


def test_sample_weights_of_outputs_by_name_count_for_theirs() -> None:
    weights = {"a": np.zeros(12, "float32"), "b": np.full(12, 2.0, "float32")}

    found = two_outputs().evaluate(X, [Y, 3 * Y], sample_weight=weights, verbose=0, return_dict=True)

    assert found["a_loss"] == 0
    assert found["b_loss"] == pytest.approx(float((2 * 9 * Y**2).mean()), rel=1e-5)


def test_loss_weights_go_to_their_outputs() -> None:
    plain = two_outputs().evaluate(X, [Y, 3 * Y], verbose=0, return_dict=True)
    for weights in ([2.0, 0.5], {"a": 2.0, "b": 0.5}):
        found = two_outputs(loss_weights=weights).evaluate(X, [Y, 3 * Y], verbose=0, return_dict=True)
        assert found["loss"] == pytest.approx(2 * plain["a_loss"] + 0.5 * plain["b_loss"], rel=1e-5)
        assert (found["a_loss"], found["b_loss"]) == pytest.approx((plain["a_loss"], plain["b_loss"]))


def test_results_of_an_epoch_are_means_over_samples_not_batches() -> None:
    made = model(metrics=["mae"])
    found = made.evaluate(X[:7], Y[:7], batch_size=4, verbose=0)
    assert found == pytest.approx([float((Y[:7] ** 2).mean()), float(abs(Y[:7]).mean())], rel=1e-5)


def test_results_start_anew_with_each_epoch_and_each_evaluation() -> None:
    made = model(optimizers.SGD(0.0), metrics=["mae"])
    history = made.fit(X, Y, epochs=2, validation_data=(X, 2 * Y), verbose=0).history
    assert history["loss"] == pytest.approx([float((Y**2).mean())] * 2, rel=1e-5)
    assert history["mae"] == pytest.approx([float(abs(Y).mean())] * 2, rel=1e-5)
    assert history["val_mae"] == pytest.approx([float(abs(2 * Y).mean())] * 2, rel=1e-5)
    for _ in range(2):
        assert made.train_on_batch(X[:3], Y[:3])[1] == pytest.approx(float(abs(Y[:3]).mean()), rel=1e-5)
        assert made.test_on_batch(X[3:5], Y[3:5])[1] == pytest.approx(float(abs(Y[3:5]).mean()), rel=1e-5)


def test_evaluation_changes_no_weight_and_takes_no_step() -> None:
    x = graphkit.Input((2,))
    made: Any = graphkit.Model(x, layers.Dense(1)(layers.Dropout(0.5)(layers.BatchNormalization()(x))))
    made.compile(optimizers.Adam(0.1), "mse")
    made.train_on_batch(X, Y)
    before = [w.copy() for w in made.get_weights()]

    results = {float(made.evaluate(X, Y, verbose=0)), float(made.test_on_batch(X, Y))}

    assert len(results) == 1  # no dropout either
    assert int(made.optimizer.iterations.numpy()) == 1
    for found, wanted in zip(made.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_penalties_of_weights_outputs_and_layers_are_in_the_loss() -> None:
    class Added(layers.Layer):
        def call(self, inputs: Any) -> Any:
            self.add_loss(graphkit.ops.mean(inputs) + 5.0)
            return inputs

    x = graphkit.Input((2,))
    dense = layers.Dense(
        2, kernel_initializer="ones", kernel_regularizer="l2", activity_regularizer=graphkit.regularizers.L1(0.1)
    )
    made: Any = graphkit.Model(x, Added()(dense(x)))
    made.compile("sgd", "mse")
    ones = np.ones((4, 2), "float32")

    # outputs are 2: squared error 1, 0.01 * 4 for the kernel, 0.1 * 16 / 4 samples for the outputs, 2 + 5 by the layer
    assert made.evaluate(ones, ones, verbose=0) == pytest.approx(1 + 0.04 + 0.4 + 7, rel=1e-5)
    assert made.train_on_batch(ones, ones) == pytest.approx(1 + 0.04 + 0.4 + 7, rel=1e-5)


def test_freezing_a_layer_between_steps_counts_from_the_next_step() -> None:
    made: Any = graphkit.Sequential([graphkit.Input((2,)), layers.Dense(2, name="a"), layers.Dense(1, name="b")])
    made.compile(optimizers.SGD(0.1), "mse")
    made.train_on_batch(X, Y)
    made.get_layer("a").trainable = False
    kept = made.get_layer("a").get_weights()
    moved = made.get_layer("b").get_weights()
    made.compile(optimizers.SGD(0.1), "mse")
    made.train_on_batch(X, Y)

    for found, wanted in zip(made.get_layer("a").get_weights(), kept, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert not np.array_equal(made.get_layer("b").get_weights()[0], moved[0])
