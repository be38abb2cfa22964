"""Training progress: a bar on a terminal, Keras' lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from graphkit.core.messages import write_message
from graphkit.training.progbar import per_unit

_REDRAW = 0.1  # seconds


class ProgbarLogger:
    """Shows the progress of `fit`, `evaluate` and `predict`; verbose 1: a bar or a line per epoch, 2: a line per epoch, 0: nothing.

    Source: keras.callbacks.ProgbarLogger.
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.model: Any = None
        self._bar: Any = None
        self._task: Any = None
        self._in_fit = False
        self._seen = 0
        self._drawn = 0.0
        self._started = 0.0

    def set_params(self, params: dict[str, Any]) -> None:
        """Receive the parameters of the run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receive the model."""
        self.model = model

    def needs_logs(self) -> bool:
        """Return whether a redraw is due."""
        return self._bar is not None and time.perf_counter() - self._drawn > _REDRAW

    # ----- training -----

    def on_train_begin(self, logs: Any = None) -> None:
        """Note that evaluations from now on are validation, which is not shown."""
        self._in_fit = True

    def on_train_end(self, logs: Any = None) -> None:
        """Stop the bar."""
        self._stop()
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Write the number of the epoch and start the bar."""
        epochs = self.params.get("epochs") or 1
        if epochs > 1:
            write_message(f"Epoch {epoch + 1}/{epochs}")
        self._start()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the line of the epoch."""
        self._finish(logs or {})

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Do nothing."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the bar."""
        self._advance(batch, logs)

    # ----- evaluation and prediction -----

    def on_test_begin(self, logs: Any = None) -> None:
        """Start the bar, except in validation."""
        if not self._in_fit:
            self._start()

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Do nothing."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the bar, except in validation."""
        if not self._in_fit:
            self._advance(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Write the line, except in validation."""
        if not self._in_fit:
            self._finish(logs or {})

    def on_predict_begin(self, logs: Any = None) -> None:
        """Start the bar."""
        self._start()

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Do nothing."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the bar."""
        self._advance(batch, None)

    def on_predict_end(self, logs: Any = None) -> None:
        """Write the line."""
        self._finish({})

    # ----- drawing -----

    def _start(self) -> None:
        self._seen, self._drawn, self._started = 0, 0.0, time.perf_counter()
        if self.params.get("verbose") == 1 and sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                MofNCompleteColumn(),
                BarColumn(20),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self.params.get("steps"))

    def _advance(self, batch: int, logs: Any) -> None:
        self._seen = batch + 1
        if self._bar is not None and (logs is not None or self.needs_logs()):
            self._drawn = time.perf_counter()
            self._bar.update(self._task, completed=self._seen, description=show(logs or {}))

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _finish(self, logs: Mapping[str, Any]) -> None:
        self._stop()
        steps = self._seen or 1
        spent = time.perf_counter() - self._started
        bar = " ━━━━━━━━━━━━━━━━━━━━" if self.params.get("verbose") == 1 else " -"
        parts = [
            f"{steps}/{self.params.get('steps') or steps}{bar} {spent:.0f}s{' -' if bar == ' -' else ''} {per_unit(spent / steps)}"
        ]
        results = show(logs)
        write_message(" - ".join([*parts, results]) if results else parts[0])


def show(logs: Mapping[str, Any]) -> str:
    """Format results as Keras does: `accuracy: 0.5000 - loss: 0.7265`."""
    shown = []
    for name, value in logs.items():
        if isinstance(value, float):
            shown.append(f"{name}: {value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{name}: {value:.4e}")
    return " - ".join(shown)
