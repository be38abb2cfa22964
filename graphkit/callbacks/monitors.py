"""Callbacks that wait for a result to get better: EarlyStopping, ReduceLROnPlateau. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from graphkit.callbacks.callback import Callback, Logs
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.messages import say


class Monitor(Callback):
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
            return True
        return bool(value - self.min_delta > than if self._rises else value - self.min_delta < than)

    def get_monitor_value(self, logs: Logs) -> Any:
        """The result that is watched, None with a warning where there is none."""
        return self._value(logs)

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


class EarlyStopping(Monitor):
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


class ReduceLROnPlateau(Monitor):
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

    def in_cooldown(self) -> bool:
        """Whether it waits after a change."""
        return self.cooldown_counter > 0

    def _lower(self, epoch: int) -> None:
        old = float(np.asarray(self.model.optimizer.learning_rate))
        if old <= np.float32(self.min_lr):
            return
        new = max(old * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = new
        if self.verbose > 0:
            say(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
        self.cooldown_counter, self.wait = self.cooldown, 0
