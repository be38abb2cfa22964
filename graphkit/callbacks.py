"""Callbacks: called at the beginnings and ends of training, epochs and batches. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError, InvalidTypeError
from graphkit.core.messages import say
from graphkit.training.progress import ProgbarLogger

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback",
    "LearningRateScheduler", "ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau", "TerminateOnNaN",
]  # fmt: skip

Logs = Mapping[str, Any] | None


class Callback:
    """Override what you need; `self.model` and `self.params` (verbose, epochs, steps) are set. Source: keras.callbacks.Callback."""

    def __init__(self) -> None:
        self.params: Any = None
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model that is being trained."""
        return self.__dict__.get("_model")

    def set_params(self, params: dict[str, Any]) -> None:
        """Called first."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called first."""
        self._model = model

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch and its validation; `logs` holds the results, validation ones as `val_...`."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a training step."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a training step; `logs` holds the means of the epoch so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of evaluation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of prediction."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """Before training."""

    def on_train_end(self, logs: Logs = None) -> None:
        """After training."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Before evaluation."""

    def on_test_end(self, logs: Logs = None) -> None:
        """After evaluation."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Before prediction."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """After prediction."""


class History(Callback):
    """Keeps the results of all epochs: `history` by name, `epoch` their numbers. `fit` returns it."""

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start anew."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Keep the results."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


_TRAIN_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_TEST_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_BATCH_HOOKS = {True: _TRAIN_HOOKS, False: _TEST_HOOKS, None: ("on_predict_batch_end",)}


class CallbackList:
    """Several callbacks called as one. Source: keras.callbacks.CallbackList."""

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        verbose: Any = 0,
        **params: Any,
    ) -> None:
        self.callbacks: list[Any] = _as_list(callbacks)
        history = next((c for c in self.callbacks if isinstance(c, History)), None)
        if add_progbar and not any(isinstance(c, ProgbarLogger) for c in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        if add_history and history is None:
            history = History()
            self.callbacks.append(history)
        self.history = history
        self.params = {"verbose": 1 if verbose == "auto" else verbose, **params}
        for callback in self.callbacks:
            callback.set_params(dict(self.params))
            if model is not None:
                callback.set_model(model)
        self._watchers = {
            kind: [c for c in self.callbacks if _overrides(c, hooks)] for kind, hooks in _BATCH_HOOKS.items()
        }

    def append(self, callback: Any) -> None:
        """Add one."""
        self.callbacks.append(callback)

    def watches_batches(self, training: bool | None) -> bool:
        """Whether any callback wants to be called for each batch."""
        return bool(self._watchers[training])

    def wants_logs(self, training: bool | None) -> bool:
        """Whether any of them wants results now; the progress bar does only when it is about to draw."""
        return any(c.wants_logs() if isinstance(c, ProgbarLogger) else True for c in self._watchers[training])

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("on_"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> None:
            for callback in self.callbacks:
                getattr(callback, name)(*args, **kwargs)

        self.__dict__[name] = call
        return call


def _as_list(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    made = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for one in made:
        if not hasattr(one, "on_epoch_end"):
            raise InvalidTypeError(f"callbacks must be Callback objects, got {type(one).__name__}: {one!r:.60}.")
    return made


def _overrides(callback: Any, hooks: Iterable[str]) -> bool:
    if isinstance(callback, LambdaCallback):
        return any(h in callback.__dict__ for h in hooks)
    return any(getattr(type(callback), h, None) is not getattr(Callback, h) for h in hooks)


class LambdaCallback(Callback):
    """Functions as a callback: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`. Source: keras.callbacks.LambdaCallback."""

    def __init__(self, **functions: Callable[..., None] | None) -> None:
        super().__init__()
        for name, function in functions.items():
            if not hasattr(Callback, name):
                raise InvalidTypeError(
                    f"LambdaCallback has no {name!r}; known are {[n for n in dir(Callback) if n.startswith('on_')]}."
                )
            if function is not None:
                setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Stops when the loss is not finite. Source: keras.callbacks.TerminateOnNaN."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            say(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class _Monitor(Callback):
    """What callbacks share that wait for a result to get better."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__} mode {mode} is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        rises = mode == "max" or (mode == "auto" and _rises(monitor))
        self.monitor, self.mode, self._rises = monitor, mode, rises
        self.min_delta = abs(min_delta) if rises else -abs(min_delta)
        self.best: Any = None

    def _better(self, value: float, than: Any) -> bool:
        if than is None:
            return not math.isnan(value)
        return bool(value - self.min_delta > than if self._rises else value - self.min_delta < than)

    def _value(self, logs: Logs) -> Any:
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{type(self).__name__} conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs or {})}",
                stacklevel=3,
            )
        return value


def _rises(name: str) -> bool:
    """Whether a result of this name is better when it is higher."""
    lowers = (
        "loss",
        "error",
        "mse",
        "mae",
        "mape",
        "msle",
        "rmse",
        "crossentropy",
        "divergence",
        "hinge",
        "poisson",
        "false_",
    )
    if any(word in name for word in lowers):
        return False
    return any(
        word in name for word in ("acc", "auc", "precision", "recall", "score", "iou", "f1", "similarity", "true_")
    )


class EarlyStopping(_Monitor):
    """Stops when a result has not got better for `patience` epochs. Source: keras.callbacks.EarlyStopping."""

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start anew."""
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best: Any = None
        self.best_weights: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Look at the result."""
        value = self._value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._better(value, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Say that it stopped; take the best weights back."""
        if self.stopped_epoch and self.verbose:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                say(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(_Monitor):
    """Lowers the learning rate when a result has not got better for `patience` epochs. Source: keras.callbacks.ReduceLROnPlateau."""

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if factor >= 1.0:
            raise InvalidArgumentError(f"ReduceLROnPlateau does not support a factor >= 1.0. Got {factor}")
        self.factor, self.patience, self.verbose, self.cooldown, self.min_lr = (
            factor,
            patience,
            verbose,
            cooldown,
            min_lr,
        )
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        """Start anew."""
        self.best: Any = None
        self.cooldown_counter, self.wait = 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Look at the result."""
        value = self._value(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience:
                self._lower(epoch)

    def _lower(self, epoch: int) -> None:
        old = float(np.asarray(self.model.optimizer.learning_rate))
        if old <= np.float32(self.min_lr):
            return
        new = max(old * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = new
        if self.verbose > 0:
            say(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
        self.cooldown_counter, self.wait = self.cooldown, 0


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch: `schedule(epoch, rate)` or `schedule(epoch)`. Source: keras.callbacks."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set it."""
        now = float(np.asarray(self.model.optimizer.learning_rate))
        try:
            rate = self.schedule(epoch, now)
        except TypeError:  # a schedule of Keras 1 takes the epoch only
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise InvalidTypeError(f"The output of the `schedule` function should be a float. Got: {rate!r}")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            say(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")


class CSVLogger(Callback):
    """Writes the results of each epoch as a line. Source: keras.callbacks.CSVLogger."""

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._file: Any = None
        self._writer: Any = None
        self._keys: list[str] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Open the file."""
        path = Path(self.filename)
        self._headed = self.append and path.exists() and path.stat().st_size > 0
        self._file = path.open("a" if self.append else "w", newline="", encoding="utf-8")
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write a line."""
        logs = logs or {}
        if self._writer is None:
            self._keys = sorted(logs)
            validated = any(k.startswith("val_") for k in self._keys)
            columns = [
                "epoch",
                *self._keys,
                *([] if validated else [f"val_{k}" for k in self._keys]),
            ]  # validation may come later
            self._writer = csv.DictWriter(
                self._file, columns, delimiter=self.separator, restval="NA", extrasaction="ignore"
            )
            if not self._headed:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **{k: _cell(v) for k, v in logs.items()}})
        self._file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the file."""
        self._file.close()


def _cell(value: Any) -> Any:
    array = np.asarray(value)
    return value if array.ndim == 0 else f'"[{", ".join(map(str, array.flat))}]"'


class ModelCheckpoint(_Monitor):
    """Saves the model, or its weights, after epochs; `filepath` may hold `{epoch:02d}` and `{val_loss:.2f}`.

    Source: keras.callbacks.ModelCheckpoint.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
        **old: Any,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only, self.save_freq = save_best_only, save_weights_only, save_freq
        self.best, self.period = initial_value_threshold, old.pop("period", 1)
        self._seen, self._epoch = 0, 0
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise InvalidArgumentError(
                f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values"
            )
        if save_weights_only and not self.filepath.endswith((".weights.h5", ".h5", ".npz", ".hdf5")):
            raise InvalidArgumentError(
                "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end in `.weights.h5`. "
                f"Received: filepath={filepath}"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save, if it is due by steps."""
        if isinstance(self.save_freq, int):
            self._seen += 1
            if self._seen % self.save_freq == 0:
                self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save, if it is due by epochs."""
        if self.save_freq == "epoch" and (epoch + 1) % self.period == 0:
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: Mapping[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if self.save_best_only:
            value = self._value(logs)
            if value is None or not self._better(value, self.best):
                if self.verbose > 0 and value is not None:
                    say(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}")
                return
            if self.verbose > 0:
                say(
                    f"\nEpoch {epoch + 1}: {self.monitor} improved from {self.best} to {value:.5f}, saving model to {path}"
                )
            self.best = value
        elif self.verbose > 0:
            say(f"\nEpoch {epoch + 1}: saving model to {path}")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _path(self, epoch: int, batch: int | None, logs: Mapping[str, Any]) -> str:
        fields = {**logs, "epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1})}
        try:
            return str(self.filepath.format(**fields))
        except KeyError as error:
            raise InvalidArgumentError(
                f"Failed to format this callback filepath: {self.filepath!r}. Reason: {error} is not among {sorted(fields)}."
            ) from None


class BackupAndRestore(Callback):
    """Keeps weights, optimizer and epoch in a folder, and goes on from there after an interruption. Source: keras.callbacks."""

    def __init__(self, backup_dir: Any, save_freq: Any = "epoch", delete_checkpoint: bool = True) -> None:
        super().__init__()
        self.folder, self.save_freq, self.delete_checkpoint = Path(backup_dir), save_freq, delete_checkpoint

    @property
    def _file(self) -> Path:
        return self.folder / "training.npz"

    def on_train_begin(self, logs: Logs = None) -> None:
        """Take up what is there."""
        if not self._file.exists():
            return
        with np.load(self._file, allow_pickle=False) as kept:
            weights = [kept[f"weight_{i}"] for i in range(int(kept["weights"]))]
            slots = [kept[f"slot_{i}"] for i in range(int(kept["slots"]))]
            self.model._initial_epoch = int(kept["epoch"])
        self.model.set_weights(weights)
        self.model.optimizer.build(self.model.trainable_weights)
        self.model.optimizer.set_weights(slots)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write it, beside the old one, then over it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        weights, slots = self.model.get_weights(), self.model.optimizer.get_weights()
        fields: dict[str, Any] = {"epoch": epoch + 1, "weights": len(weights), "slots": len(slots)}
        fields.update({f"weight_{i}": w for i, w in enumerate(weights)})
        fields.update({f"slot_{i}": s for i, s in enumerate(slots)})
        beside = self.folder / "training.tmp.npz"
        np.savez(beside, **fields)
        beside.replace(self._file)

    def on_train_end(self, logs: Logs = None) -> None:
        """Training is complete: nothing to go on from."""
        if self.delete_checkpoint and self._file.exists():
            self._file.unlink()
