"""Callbacks: when they are called, and what the built-in ones do."""

from __future__ import annotations

import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import callbacks, layers, models, optimizers
from graphkit.errors import InvalidArgumentError, InvalidTypeError, SerializationError

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
    assert float(made.optimizer.learning_rate.array) == pytest.approx(5e-3)  # the first epoch always counts as the best


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


def trained(optimizer: Any, given: Any, **arguments: Any) -> Any:
    """Return a model of one weight after training with callbacks."""
    graphkit.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    model: Any = graphkit.Sequential([graphkit.Input((3,)), layers.Dense(1)])
    model.compile(optimizer, "mse")
    model.history = model.fit(
        x, x[:, :1], batch_size=5, callbacks=given, verbose=0, validation_data=(x, x[:, :1]), **arguments
    )
    return model


def test_averages_are_evaluated_and_weights_are_trained() -> None:
    def optimizer() -> Any:
        return optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)

    plain = trained(optimizer(), [], epochs=3)
    swapped = trained(optimizer(), [callbacks.SwapEMAWeights()], epochs=3)
    kept: list[Any] = []
    look = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(swapped_model().get_weights()))

    def swapped_model() -> Any:
        return look.model

    final = trained(optimizer(), [callbacks.SwapEMAWeights(swap_on_epoch=True), look], epochs=3)

    assert swapped.history.history["loss"] == plain.history.history["loss"]
    assert swapped.history.history["val_loss"] != plain.history.history["val_loss"]
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    by_epoch = [float(np.mean((x @ w + b - x[:, :1]) ** 2)) for w, b in kept]
    np.testing.assert_allclose(by_epoch, swapped.history.history["val_loss"], rtol=1e-5)
    for one, other in zip(final.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_averages_must_be_kept_to_be_swapped() -> None:
    with pytest.raises(InvalidArgumentError, match="use_ema=True"):
        trained("sgd", [callbacks.SwapEMAWeights()])


def test_a_loss_that_is_no_number_stops_or_raises() -> None:
    assert len(trained(optimizers.SGD(1e30), [callbacks.TerminateOnNaN()], epochs=3).history.epoch) == 1
    with pytest.raises(RuntimeError, match="NaN or Inf loss encountered at batch"):
        trained(optimizers.SGD(1e30), [callbacks.TerminateOnNaN(raise_error=True)])


def test_results_are_posted() -> None:
    posted: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, self.headers["Content-Type"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        model = trained("sgd", [callbacks.RemoteMonitor(root), callbacks.RemoteMonitor(root, "/x", send_as_json=True)])
        server.shutdown()

    (path, kind, body), (other_path, other_kind, other) = posted
    assert (path, other_path) == ("/publish/epoch/end/", "/x")
    assert (kind, other_kind) == ("application/x-www-form-urlencoded", "application/json")
    sent = json.loads(urllib.parse.parse_qs(body.decode())["data"][0])
    assert sent == json.loads(other) == {"epoch": 0, **{k: v[0] for k, v in model.history.history.items()}}


def test_nobody_answers() -> None:
    with pytest.warns(UserWarning, match="Could not reach RemoteMonitor"):
        trained("sgd", [callbacks.RemoteMonitor("http://127.0.0.1:9")])


def test_a_spoilt_backup_gives_way_to_the_one_before(tmp_path: Path) -> None:
    def interrupted(epoch: int, logs: Any) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    def backup() -> Any:
        return callbacks.BackupAndRestore(tmp_path / "kept", double_checkpoint=True)

    whole = trained("adam", [], epochs=6, shuffle=False)
    with pytest.raises(KeyboardInterrupt):
        trained("adam", [backup(), callbacks.LambdaCallback(on_epoch_begin=interrupted)], epochs=6, shuffle=False)
    (tmp_path / "kept" / "training.npz").write_bytes(b"spoilt")

    model = trained("adam", [backup()], epochs=6, shuffle=False)

    assert model.history.epoch == [2, 3, 4, 5]
    np.testing.assert_allclose(model.get_weights()[0], whole.get_weights()[0], rtol=1e-6)
    assert not (tmp_path / "kept").exists()


def test_a_backup_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "training.npz").write_bytes(b"spoilt")

    with pytest.raises(SerializationError, match="cannot be resumed"):
        trained("adam", [callbacks.BackupAndRestore(tmp_path)])


def test_state_is_kept_every_few_batches(tmp_path: Path) -> None:
    seen: list[bool] = []
    look = callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: seen.append((tmp_path / "k").exists()))

    trained("adam", [callbacks.BackupAndRestore(tmp_path / "k", save_freq=3), look])

    assert seen == [False, False, True, True]


def test_hooks_have_names() -> None:
    with pytest.raises(InvalidTypeError, match="on_epoch_endd"):
        callbacks.LambdaCallback(on_epoch_endd=lambda: None)
