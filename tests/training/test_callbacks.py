"""Callbacks: when they are called, and what the ready-made ones do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import callbacks, layers, models

X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def model(rate: float = 0.01) -> Any:
    x = graphkit.Input((3,))
    made = models.Model(x, layers.Dense(1)(x))
    made.compile(graphkit.optimizers.SGD(rate), "mse", metrics=["mae"])
    return made


class Recorder(callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []


def _recorded(name: str) -> Any:
    def call(self: Recorder, *args: Any, logs: Any = None) -> None:
        self.calls.append((name, *[a for a in args if not isinstance(a, dict)]))

    return call


for _name in [
    n for n in dir(callbacks.Callback) if n.startswith("on_") and n not in ("on_batch_begin", "on_batch_end")
]:
    setattr(Recorder, _name, _recorded(_name))


def test_hooks_are_called_in_keras_order() -> None:
    recorder = Recorder()
    model().fit(X, Y, batch_size=5, validation_data=(X[:3], Y[:3]), callbacks=[recorder], verbose=0)
    assert recorder.calls == [
        ("on_train_begin",),
        ("on_epoch_begin", 0),
        ("on_train_batch_begin", 0),
        ("on_train_batch_end", 0),
        ("on_train_batch_begin", 1),
        ("on_train_batch_end", 1),
        ("on_test_begin",),
        ("on_test_batch_begin", 0),
        ("on_test_batch_end", 0),
        ("on_test_end",),
        ("on_epoch_end", 0),
        ("on_train_end",),
    ]


def test_batch_logs_are_the_means_so_far() -> None:
    seen: list[float] = []
    callback = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    history = model().fit(X, Y, batch_size=5, callbacks=[callback], verbose=0).history
    assert len(seen) == 2
    assert seen[-1] == history["loss"][0]


def test_early_stopping_stops_and_restores_the_best_weights() -> None:
    made = model(rate=5.0)  # diverges: the first epoch is the best
    stop = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    history = made.fit(X, Y, batch_size=10, epochs=20, callbacks=[stop], verbose=0)
    assert len(history.epoch) == 3
    assert stop.stopped_epoch == 2
    for found, best in zip(made.get_weights(), stop.best_weights, strict=True):
        np.testing.assert_array_equal(found, best)


def test_reduce_lr_on_plateau_lowers_the_rate() -> None:
    made = model(rate=0.5)
    made.fit(
        X,
        np.full((10, 1), np.nan),
        epochs=3,
        callbacks=[callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=1)],
        verbose=0,
    )
    assert float(made.optimizer.learning_rate.array) == pytest.approx(0.5e-3)


def test_learning_rate_scheduler_sets_the_rate_of_each_epoch() -> None:
    made = model()
    rates: list[float] = []
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: rates.append(rate) or 0.1 / (epoch + 1))
    made.fit(X, Y, epochs=3, callbacks=[schedule], verbose=0)
    assert rates == pytest.approx([0.01, 0.1, 0.05])
    assert float(made.optimizer.learning_rate.array) == pytest.approx(0.1 / 3)


def test_csv_logger_writes_a_line_each_epoch(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    model().fit(X, Y, epochs=2, callbacks=[callbacks.CSVLogger(path)], verbose=0)
    lines = path.read_text().splitlines()
    assert lines[0] == "epoch,loss,mae,val_loss,val_mae"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "1"]
    assert lines[1].endswith("NA,NA")


def test_terminate_on_nan_stops() -> None:
    history = model().fit(
        X, np.full((10, 1), np.nan), batch_size=5, epochs=5, callbacks=[callbacks.TerminateOnNaN()], verbose=0
    )
    assert len(history.epoch) == 1


def test_model_checkpoint_saves_the_best_weights_by_formatted_name(tmp_path: Path) -> None:
    made = model()
    saved: list[str] = []
    made.save_weights = lambda path, overwrite: saved.append(Path(path).name)
    keep = callbacks.ModelCheckpoint(
        tmp_path / "{epoch:02d}.weights.h5", monitor="loss", save_best_only=True, save_weights_only=True
    )
    made.fit(X, Y, epochs=3, callbacks=[keep], verbose=0)
    assert saved == ["01.weights.h5", "02.weights.h5", "03.weights.h5"]


def test_backup_and_restore_goes_on_where_training_was_cut_off(tmp_path: Path) -> None:
    class CutOff(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    whole = model()
    first = whole.get_weights()
    wanted = whole.fit(X, Y, epochs=4, shuffle=False, verbose=0).history["loss"]
    cut = model()
    cut.set_weights(first)
    backup = callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        cut.fit(X, Y, epochs=4, shuffle=False, callbacks=[backup, CutOff()], verbose=0)
    fresh = model()
    history = fresh.fit(X, Y, epochs=4, shuffle=False, callbacks=[callbacks.BackupAndRestore(tmp_path)], verbose=0)
    assert history.epoch == [2, 3]
    assert history.history["loss"] == pytest.approx(wanted[2:])


def test_progress_prints_keras_lines(capsys: pytest.CaptureFixture[str]) -> None:
    model().fit(X, Y, batch_size=5, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Epoch 1/2"
    assert lines[1].startswith("2/2 - 0s - ")
    assert " - loss: " in lines[1]
    assert " - mae: " in lines[1]


def test_something_that_is_no_callback_is_refused() -> None:
    with pytest.raises(TypeError, match="callbacks must be Callback objects, got str"):
        model().fit(X, Y, callbacks=["stop"], verbose=0)
