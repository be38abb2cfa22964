"""Callbacks that write files: CSVLogger, ModelCheckpoint. Source: keras.callbacks (Keras 3)."""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.callbacks.callback import Callback, Logs
from graphkit.callbacks.monitors import Monitor
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.files import make_folder, open_log
from graphkit.core.messages import write_message
from graphkit.saving.formats import WEIGHTS, format_for


class CSVLogger(Callback):
    """Writes the results of each epoch as a row of a CSV file.

    Args:
        filename: The file.
        separator: The separator between columns.
        append: Whether to append to an existing file.

    Raises:
        FileWriteError: When training starts, if the file cannot be opened.

    Source: keras.callbacks.CSVLogger.
    """

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
        self._file = open_log(path, "a" if self.append else "w", newline="", encoding="utf-8")
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write a row."""
        logs = logs or {}
        if self._writer is None:
            self._keys = sorted(logs)
            validated = any(k.startswith("val_") for k in self._keys)
            columns = [
                "epoch",
                *self._keys,
                *([] if validated else [f"val_{k}" for k in self._keys]),
            ]  # validation may start in a later epoch
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


class ModelCheckpoint(Monitor):
    """Saves the model or its weights regularly.

    Args:
        filepath: The file; may contain fields such as `{epoch:02d}` and `{val_loss:.2f}`.
        monitor: The name of the result that decides which model is best.
        verbose: 0 for silent, 1 for a line per save.
        save_best_only: Whether to save only if the result has improved.
        save_weights_only: Whether to save the weights instead of the whole model.
        mode: "min", "max" or "auto": which results are better.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: The result to beat at the start.
        **old: `period`, Keras 2's number of epochs between saves; others are ignored.

    Raises:
        InvalidArgumentError: `save_freq` or `filepath` has an invalid value.

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
        if save_weights_only and format_for(Path(self.filepath), {}, WEIGHTS) is None:
            raise InvalidArgumentError(
                "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end in `.weights.h5`. "
                f"Received: filepath={filepath}"
            )

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Remember the epoch."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save if `save_freq` batches have passed."""
        if isinstance(self.save_freq, int):
            self._seen += 1
            if self._seen % self.save_freq == 0:
                self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save if `save_freq` is "epoch"."""
        if self.save_freq == "epoch" and (epoch + 1) % self.period == 0:
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: Mapping[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if self.save_best_only and not self._is_best(epoch, logs, path):
            return
        if self.verbose > 0 and not self.save_best_only:
            write_message(f"\nEpoch {epoch + 1}: saving model to {path}")
        make_folder(Path(path).parent)
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)

    def _is_best(self, epoch: int, logs: Mapping[str, Any], path: str) -> bool:
        """Return whether to save; also true, with a warning, if the result cannot be compared, as in Keras."""
        self._decide()
        value = logs.get(self.monitor)
        if value is None or np.ndim(value):
            problem = "available" if value is None else f"a number, not {value!r:.60}"
            warnings.warn(f"Can save best model only with {self.monitor} {problem}.", stacklevel=4)
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        better = self._better(value, self.best)
        if self.verbose > 0:
            how = (
                f"improved from {best} to {value:.5f}, saving model to {path}"
                if better
                else f"did not improve from {best}"
            )
            write_message(f"\nEpoch {epoch + 1}: {self.monitor} {how}")
        if better:
            self.best = value
        return better

    def _path(self, epoch: int, batch: int | None, logs: Mapping[str, Any]) -> str:
        fields = {**logs, "epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1})}
        try:
            return str(self.filepath.format(**fields))
        except KeyError as error:
            raise InvalidArgumentError(
                f"Failed to format this callback filepath: {self.filepath!r}. Reason: {error} is not among {sorted(fields)}."
            ) from None
