"""Callbacks for learning rates and non-finite losses. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphkit.callbacks.callback import Callback, Logs, record_rate
from graphkit.core.errors import GraphKitError, InvalidArgumentError
from graphkit.core.messages import write_message


class LearningRateScheduler(Callback):
    """Sets the learning rate of each epoch.

    Args:
        schedule: A function (epoch, rate) or (epoch) that returns the learning rate as a float.
        verbose: 0 for silent, 1 for a line per epoch.

    Raises:
        InvalidArgumentError: When used, if `schedule` returns something else than a float.

    Source: keras.callbacks.LearningRateScheduler.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set the learning rate."""
        now = float(np.asarray(self.model.optimizer.learning_rate))
        try:
            rate = self.schedule(epoch, now)
        except TypeError:  # a schedule for Keras 1 takes only the epoch
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise InvalidArgumentError(f"The output of the `schedule` function should be a float. Got: {rate!r}")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            write_message(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Record the learning rate of the epoch."""
        record_rate(self.model, logs)


class LossNotFiniteError(GraphKitError, RuntimeError):
    """The loss was NaN or infinite while `TerminateOnNaN(raise_error=True)` was active."""


class TerminateOnNaN(Callback):
    """Stops training when the loss is not finite.

    Args:
        raise_error: Whether to raise LossNotFiniteError (a RuntimeError) instead of stopping at the end of the step. After an error,
            `on_train_end` of the callbacks is not called.

    Source: keras.callbacks.TerminateOnNaN.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Check the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or np.isfinite(loss):
            return
        if self.raise_error:
            raise LossNotFiniteError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training immediately."
            )
        write_message(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
