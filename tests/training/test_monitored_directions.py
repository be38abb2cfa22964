"""Callbacks that monitor a result know its direction, or require one; learning rates are among the results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import callbacks, layers, metrics, ops, optimizers
from graphkit.errors import InvalidArgumentError

X, Y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")


class Rising(metrics.Metric):
    """Counts the batches."""

    def __init__(self, name: str = "kappa") -> None:
        super().__init__(name=name)
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.count.assign_add(1.0)

    def result(self) -> Any:
        return self.count * 1.0

    def reset_state(self) -> None:
        """Keep the count, so that the result rises."""


class Upwards(Rising):
    _direction = "up"


def model(*given: Any, rate: float = 0.125) -> Any:
    made: Any = graphkit.Sequential([graphkit.Input((3,)), layers.Dense(1)])
    made.compile(optimizers.SGD(rate), "mse", metrics=list(given))
    return made


WATCHING = {
    "EarlyStopping": lambda monitor, **more: callbacks.EarlyStopping(monitor, patience=2, **more),
    "ReduceLROnPlateau": lambda monitor, **more: callbacks.ReduceLROnPlateau(monitor, patience=2, **more),
    "ModelCheckpoint": lambda monitor, **more: callbacks.ModelCheckpoint("unused.keras", monitor, save_best_only=True, **more),
}


@pytest.mark.parametrize("kind", WATCHING)
def test_a_metric_that_does_not_say_its_direction_is_not_guessed(kind: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"{kind} callback received monitor=kappa, .*mode='max'"):
        model(Rising()).fit(X, Y, epochs=6, verbose=0, callbacks=[WATCHING[kind]("kappa")])


@pytest.mark.parametrize(("metric", "mode"), [(Rising(), "max"), (Upwards(), "auto")], ids=["told", "known"])
def test_a_rising_metric_is_not_stopped(metric: Any, mode: str) -> None:
    history = model(metric).fit(X, Y, epochs=5, verbose=0, callbacks=[WATCHING["EarlyStopping"]("kappa", mode=mode)])
    assert len(history.epoch) == 5


@pytest.mark.parametrize(
    ("monitor", "given", "smaller"),
    [
        ("loss", (), True),
        ("val_loss", (), True),
        ("mae", ("mae",), True),
        ("val_accuracy", ("accuracy",), False),
        ("auc", (metrics.AUC(name="auc"),), False),
        ("val_recall_of_mine", (metrics.Recall(name="recall_of_mine"),), False),
        ("kappa", (Upwards(),), False),
    ],
)
def test_the_comparison_is_known_after_the_first_epoch(monitor: str, given: Any, smaller: bool) -> None:
    stop = callbacks.EarlyStopping(monitor, min_delta=0.25)
    assert stop.monitor_op is None
    model(*given).fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[stop])

    assert bool(stop.monitor_op(1.0, 2.0)) is smaller
    assert bool(stop.monitor_op(2.0, 1.0)) is not smaller
    assert stop.min_delta == (-0.25 if smaller else 0.25)


def test_a_checkpoint_without_its_result_warns_and_saves(tmp_path: Path) -> None:
    keep = callbacks.ModelCheckpoint(tmp_path / "m.keras", monitor="val_loss", save_best_only=True)
    with pytest.warns(UserWarning, match="Can save best model only with val_loss available"):
        model().fit(X, Y, verbose=0, callbacks=[keep])
    assert (tmp_path / "m.keras").exists()


def test_reduce_lr_on_plateau_notes_the_rate_of_each_epoch() -> None:
    lower = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9)
    history = model().fit(X, Y, epochs=3, verbose=0, callbacks=[lower]).history
    assert sorted(history) == ["learning_rate", "loss"]
    assert history["learning_rate"] == [0.125, 0.125, 0.0625]  # as they were while the epoch ran


def test_a_scheduler_notes_the_rate_of_each_epoch(tmp_path: Path) -> None:
    halve = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    log = callbacks.CSVLogger(tmp_path / "log.csv")
    history = model().fit(X, Y, epochs=3, verbose=0, callbacks=[halve, log]).history
    assert history["learning_rate"] == [0.0625, 0.03125, 0.015625]
    assert (tmp_path / "log.csv").read_text().splitlines()[0].startswith("epoch,learning_rate,loss")


def test_a_metric_with_several_results_gives_each_its_name() -> None:
    class Two(metrics.Metric):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            pass

        def result(self) -> Any:
            return {"first": ops.convert_to_tensor(1.0), "second": ops.convert_to_tensor(2.0)}

    made = model(Two())
    history = made.fit(X, Y, epochs=2, validation_data=(X, Y), verbose=0).history
    assert sorted(history) == ["first", "loss", "second", "val_first", "val_loss", "val_second"]
    assert history["val_second"] == [2.0, 2.0]
    loss, *rest = made.evaluate(X, Y, verbose=0)
    assert (loss >= 0, rest) == (True, [1.0, 2.0])


def finite(count: int) -> Iterator[Any]:
    for _ in range(count):
        yield X, Y


def test_a_generator_that_runs_out_repeats_the_batches_that_keras_reads_in_advance() -> None:
    made = model()
    with pytest.warns(UserWarning, match="Your input ran out of data"):
        history = made.fit(finite(4), epochs=3, verbose=0)
    assert history is made.history
    assert history.epoch == [0, 1, 2]
    assert int(made.optimizer.iterations) == 4 + 2 + 2


def test_data_that_end_within_an_epoch_end_it_there() -> None:
    made = model()
    with pytest.warns(UserWarning, match="Your input ran out of data"):
        history = made.fit(finite(5), epochs=2, steps_per_epoch=3, verbose=0)
    assert history.epoch == [0, 1]
    assert int(made.optimizer.iterations) == 5


def test_data_without_any_batch_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="The data contain no batch"):
        model().fit(finite(0), epochs=2, verbose=0)


def test_a_data_set_may_say_its_number_of_batches_in_place_of_its_length() -> None:
    class Numbered(graphkit.utils.PyDataset):
        @property
        def num_batches(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            return X, Y

    made = model()
    made.fit(Numbered(), epochs=2, verbose=0)
    assert int(made.optimizer.iterations) == 4


def test_sample_weights_of_single_batches_may_be_given_by_position() -> None:
    made: Any = graphkit.Sequential([graphkit.Input((3,)), layers.Dense(1, kernel_initializer="zeros")])
    made.compile("sgd", "mse")
    assert made.test_on_batch(X, Y, np.full(4, 2.0)) == pytest.approx(2.0)
    assert made.train_on_batch(X, Y, np.full(4, 2.0)) == pytest.approx(2.0)


@pytest.mark.parametrize("verbose", [0, 2])
def test_callbacks_by_epochs_do_not_mind_being_called_for_batches(verbose: int, tmp_path: Path) -> None:
    given = [callbacks.TensorBoard(tmp_path / "logs"), callbacks.BackupAndRestore(tmp_path / "backup"), callbacks.TerminateOnNaN()]
    assert model().fit(X, Y, batch_size=2, epochs=2, verbose=verbose, callbacks=given).epoch == [0, 1]


def test_a_lambda_callback_keeps_other_functions_under_their_names() -> None:
    assert callbacks.LambdaCallback(custom_method=lambda: 1).custom_method() == 1


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "log_cosh", "poisson", "hinge"])
def test_a_target_is_broadcast_against_the_output(loss: str) -> None:
    made: Any = graphkit.Sequential([graphkit.Input((3,)), layers.Dense(1, kernel_initializer="ones")])
    made.compile("sgd", loss)
    wide = np.arange(12, dtype="float32").reshape(4, 3)
    wanted = float(np.mean(graphkit.losses.get(loss)(wide, np.full((4, 3), 3, "float32"))))
    assert made.evaluate(X, wide, verbose=0) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy"])
def test_a_cross_entropy_wants_target_and_output_in_one_shape(loss: str) -> None:
    made = model()
    made.compile("sgd", loss)
    with pytest.raises(ValueError, match="the shapes do not match"):
        made.evaluate(X, X, verbose=0)


def test_what_overwrites_a_variable_is_not_scaled_with_the_loss() -> None:
    value = graphkit.Variable([1.0, 2.0])
    value.overwrite_with_gradient = True
    optimizers.LossScaleOptimizer(optimizers.SGD(0.5)).apply([np.float32([3.0, 4.0])], [value])
    np.testing.assert_array_equal(value.numpy(), [3.0, 4.0])


def test_what_overwrites_a_variable_waits_for_the_end_of_an_accumulation() -> None:
    value = graphkit.Variable([1.0, 2.0])
    value.overwrite_with_gradient = True
    optimizer = optimizers.SGD(1.0, gradient_accumulation_steps=2)
    optimizer.build([value])
    optimizer.apply([np.float32([5.0, 1.0])], [value])
    np.testing.assert_array_equal(value.numpy(), [1.0, 2.0])
    optimizer.apply([np.float32([3.0, 4.0])], [value])
    np.testing.assert_array_equal(value.numpy(), [5.0, 4.0])  # the largest of both
