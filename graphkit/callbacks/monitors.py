"""Callbacks that wait for a result to improve: EarlyStopping, ReduceLROnPlateau. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.callbacks.callback import Callback, Logs, record_rate
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.messages import write_message


class Monitor(Callback):
    """Base of callbacks that wait for a result to improve.

    With mode "auto", a lower loss is better, and the class of a metric determines its direction, which is resolved at the end
    of the first epoch.

    Args:
        monitor: The name of the result, such as "val_loss".
        mode: "min", "max" or "auto".
        min_delta: The smallest change that counts as an improvement.

    Attributes:
        monitor_op: The comparison, `ops.less` or `ops.greater`; None until the first epoch has ended.
    """

    _conditioned = ""  # the subject of the warning that the result is missing

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__} mode {mode!r} is unknown, fallback to auto mode.", stacklevel=3)
            mode = "auto"
        self.monitor, self.mode = monitor, mode
        self.min_delta = abs(min_delta)
        self.monitor_op: Any = None
        self.best: Any = None

    def _decide(self) -> None:
        """Resolve the direction. Raises InvalidArgumentError if neither the mode nor the metric determines it."""
        if self.monitor_op is not None:
            return
        direction = {"min": "down", "max": "up"}.get(self.mode) or self._direction()
        if direction is None:
            raise InvalidArgumentError(
                f"{type(self).__name__} callback received monitor={self.monitor}, but graphkit isn't able to automatically determine "
                "whether that metric should be maximized or minimized. Pass mode='max' to look for the highest value, or mode='min' "
                "for the lowest."
            )
        self.monitor_op = ops.greater if direction == "up" else ops.less
        if direction == "down":
            self.min_delta = -self.min_delta

    def _direction(self) -> str | None:
        """Return the direction in which the result improves: "up" or "down", or None if unknown."""
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "down"
        found = [getattr(m, "_direction", None) for m in _metrics_of(self.model) if m.name == name]
        return next((direction for direction in reversed(found) if direction is not None), None)

    def _better(self, value: float, than: Any) -> bool:
        return than is None or bool(self.monitor_op(value - self.min_delta, than))

    def get_monitor_value(self, logs: Logs) -> Any:
        """Return the monitored result, or None, with a warning, if there is none."""
        return self._value(logs)

    def _value(self, logs: Logs) -> Any:
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{self._conditioned or type(self).__name__} conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs or {})}",
                stacklevel=3,
            )
        return value


def _metrics_of(model: Any) -> list[Any]:
    """Return the metrics of a model, with those of `compile` one by one."""
    found: list[Any] = []
    for metric in getattr(model, "metrics", ()):
        found += getattr(metric, "metrics", None) or [metric]
    return found


class EarlyStopping(Monitor):
    """Stops training when a result has not improved for a number of epochs.

    Args:
        monitor: The name of the result.
        min_delta: The smallest change that counts as an improvement.
        patience: The number of epochs without improvement to wait for.
        verbose: 0 for silent, 1 for a line when training stops.
        mode: "min", "max" or "auto".
        baseline: A result that must be reached for an improvement to count.
        restore_best_weights: Whether to restore the weights of the best epoch at the end.
        start_from_epoch: The first epoch (from 0) to monitor.

    Source: keras.callbacks.EarlyStopping.
    """

    _conditioned = "Early stopping"

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
        """Reset the state."""
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best: Any = None
        self.best_weights: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Check the result."""
        self._decide()
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
        """Report an early stop, and restore the best weights."""
        if self.stopped_epoch and self.verbose:
            write_message(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                write_message(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ReduceLROnPlateau(Monitor):
    """Lowers the learning rate when a result has not improved for a number of epochs.

    Args:
        monitor: The name of the result.
        factor: The factor for the learning rate, below 1.
        patience: The number of epochs without improvement to wait for.
        verbose: 0 for silent, 1 for a line per change.
        mode: "min", "max" or "auto".
        min_delta: The smallest change that counts as an improvement.
        cooldown: The number of epochs to wait after a change.
        min_lr: The lower bound of the learning rate.

    Raises:
        InvalidArgumentError: `factor` is not below 1.

    Source: keras.callbacks.ReduceLROnPlateau.
    """

    _conditioned = "Learning rate reduction is"

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
            raise InvalidArgumentError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}")
        self.factor, self.patience, self.verbose, self.cooldown, self.min_lr = (
            factor,
            patience,
            verbose,
            cooldown,
            min_lr,
        )
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        """Reset the state."""
        self.best: Any = None
        self.cooldown_counter, self.wait = 0, 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Check the result, and record the learning rate of the epoch."""
        self._decide()
        record_rate(self.model, logs)
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
        """Return whether the callback is waiting after a change."""
        return self.cooldown_counter > 0

    def _lower(self, epoch: int) -> None:
        old = float(np.asarray(self.model.optimizer.learning_rate))
        if old <= np.float32(self.min_lr):
            return
        new = max(old * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = new
        if self.verbose > 0:
            write_message(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
        self.cooldown_counter, self.wait = self.cooldown, 0
