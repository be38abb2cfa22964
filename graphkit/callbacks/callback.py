"""The base of all callbacks, the history, functions as a callback. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidTypeError
from graphkit.core.registry import did_you_mean

Logs = Mapping[str, Any] | None


def note_rate(model: Any, logs: Logs) -> None:
    """Put the learning rate among the results of an epoch, from where it goes into the history and the files."""
    if isinstance(logs, dict):
        logs["learning_rate"] = float(np.asarray(model.optimizer.learning_rate))


class Callback:
    """Override what you need; `self.model` and `self.params` (verbose, epochs, steps) are set. Source: keras.callbacks.Callback."""

    watches_batches = True  # False: the hooks of batches need not be called, though the class has some

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


class LambdaCallback(Callback):
    """Functions as a callback: `LambdaCallback(on_epoch_end=lambda epoch, logs: ...)`; further hooks by their names.

    Other functions are kept under the names that they are given by.
    Raises InvalidTypeError for a name that begins with `on_` and is that of no hook. Source: keras.callbacks.LambdaCallback.
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
                raise InvalidTypeError(f"LambdaCallback has no {name!r}; known are {known}.{did_you_mean(name, known)}")
            if function is not None:
                setattr(self, name, function)
