"""The base class of callbacks, History, and LambdaCallback. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidTypeError
from graphkit.core.registry import did_you_mean

Logs = Mapping[str, Any] | None


def record_rate(model: Any, logs: Logs) -> None:
    """Add the learning rate to the results of an epoch, which are recorded in the history and in log files."""
    if isinstance(logs, dict):
        logs["learning_rate"] = float(np.asarray(model.optimizer.learning_rate))


class Callback:
    """Base of callbacks: override the methods you need. Source: keras.callbacks.Callback.

    Attributes:
        model: The model being trained.
        params: The settings of the run: `verbose`, `epochs` and `steps`.
        watches_batches: False if the methods for batches need not be called although they are overridden.
    """

    watches_batches = True

    def __init__(self) -> None:
        self.params: Any = None
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model being trained."""
        return self.__dict__.get("_model")

    def set_params(self, params: dict[str, Any]) -> None:
        """Receive the settings of the run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receive the model."""
        self._model = model

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Older name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called before an epoch, numbered from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called after an epoch and its validation; `logs` holds the results, those of validation as `val_...`."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a training step; `batch` counts from 0 in each epoch."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a training step; `logs` holds the means of the epoch so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of evaluation."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of prediction."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called before training."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called after training."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called before evaluation."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Called after evaluation."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called before prediction."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called after prediction."""


class History(Callback):
    """Records the results of all epochs: `history` holds them by name, `epoch` the epoch numbers. `fit` returns it."""

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """Clear the epoch numbers."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Record the results."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """Makes a callback of functions: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`.

    Args:
        on_epoch_begin, on_epoch_end: Called with `epoch` and `logs`.
        on_train_begin, on_train_end: Called with `logs`.
        on_train_batch_begin, on_train_batch_end: Called with `batch` and `logs`.
        **kwargs: Functions for other methods of Callback; other functions are stored as attributes.

    Raises:
        InvalidTypeError: A name begins with `on_` but is not that of a callback method.

    Source: keras.callbacks.LambdaCallback.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., None] | None = None,
        on_epoch_end: Callable[..., None] | None = None,
        on_train_begin: Callable[..., None] | None = None,
        on_train_end: Callable[..., None] | None = None,
        on_train_batch_begin: Callable[..., None] | None = None,
        on_train_batch_end: Callable[..., None] | None = None,
        **kwargs: Callable[..., None] | None,
    ) -> None:
        super().__init__()
        functions = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in functions.items():
            if name.startswith("on_") and not hasattr(Callback, name):
                known = [n for n in dir(Callback) if n.startswith("on_")]
                raise InvalidTypeError(
                    f"LambdaCallback has no {name!r}; valid names are {known}.{did_you_mean(name, known)}"
                )
            if function is not None:
                setattr(self, name, function)
