"""Callbacks about steps and epochs: learning rates, losses that are no numbers. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphkit.callbacks.callback import Callback, Logs, note_rate
from graphkit.core.errors import GraphKitError, InvalidTypeError
from graphkit.core.messages import say


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

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Note the learning rate of the epoch."""
        note_rate(self.model, logs)


class LossNotFiniteError(GraphKitError, RuntimeError):
    """The loss was NaN or infinite, and `TerminateOnNaN(raise_error=True)` watched."""


class TerminateOnNaN(Callback):
    """Stops when the loss is not finite: at the end of the step, or with `raise_error` by LossNotFiniteError (a RuntimeError).

    An error keeps the callbacks' `on_train_end` from being called. Source: keras.callbacks.TerminateOnNaN.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Look at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or np.isfinite(loss):
            return
        if self.raise_error:
            raise LossNotFiniteError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training immediately."
            )
        say(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
