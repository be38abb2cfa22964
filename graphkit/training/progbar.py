"""A progress line that overwrites itself: keras.utils.Progbar."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError
from graphkit.core.messages import write_message


class Progbar:
    """Shows the progress of a number of steps: `update(current, values)`, `add(n, values)`.

    Args:
        target: The number of steps, or None if unknown.
        width: The width of the bar in characters.
        verbose: 1 for a bar, 2 for a line at the end, 0 for nothing.
        interval: The minimum time between two redraws, in seconds.
        stateful_metrics: Names of values shown as they are; all others are averaged over the steps.
        stateless_metrics: The opposite: names of values that are averaged. Only one of the two may be given.
        unit_name: The name of a step.

    Raises:
        InvalidArgumentError: Both lists of names are given.

    Source: keras.utils.Progbar.
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise InvalidArgumentError("Only one of `stateful_metrics` or `stateless_metrics` can be provided.")
        self.target, self.width, self.verbose, self.interval = target, width, verbose, interval
        self.unit_name = unit_name
        self.stateful_metrics = set(stateful_metrics or ()) if stateless_metrics is None else None
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._means: dict[str, tuple[float, float]] = {}  # name -> sum, number of steps
        self._seen = 0
        self._started = time.perf_counter()
        self._second: float | None = None  # end of the first step, which is slower than the others
        self._drawn = 0.0

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Show that `current` steps are done.

        Args:
            current: The number of steps done.
            values: (name, value) pairs of this step.
            finalize: Whether this is the last call; by default once `current` reaches `target`.
        """
        done = finalize if finalize is not None else self.target is not None and current >= self.target
        for name, value in values or ():
            self._keep(name, float(np.mean(value)), max(current - self._seen, 1), done)
        self._seen = current
        now = time.perf_counter()
        pace = self._pace(current, now)
        if self.verbose == 1 and (done or now - self._drawn >= self.interval):
            self._drawn = now
            left = None if done or not self.target else pace * (self.target - current)
            spent = f"{now - self._started:.0f}s" if left is None else _clock(left)
            ending = "\n" if done else "\r" if sys.stdout.isatty() else "\n"
            write_message(f"{self._bar(current)} {spent} {per_unit(pace, self.unit_name)}{self._shown()}", ending)
        elif self.verbose == 2 and done:
            spent = f"{now - self._started:.0f}s"
            write_message(f"{self._count(current)} - {spent} - {per_unit(pace, self.unit_name)}{self._shown()}")

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Show that `n` more steps are done."""
        self.update(self._seen + n, values)

    def _keep(self, name: str, value: float, steps: int, done: bool) -> None:
        averaged = name in self.stateless_metrics if self.stateless_metrics is not None else name not in (
            self.stateful_metrics or ()
        )  # fmt: skip
        if done or not averaged:  # the last value is the final result
            self._means[name] = (value, 1)
        else:
            total, count = self._means.get(name, (0.0, 0.0))
            self._means[name] = (total + value * steps, count + steps)

    def _pace(self, current: int, now: float) -> float:
        """Return the seconds per step, without the first step if there are more."""
        if not current:
            return 0.0
        pace = (now - self._started) / current
        if self._second is not None and current > 1:
            pace = (now - self._second) / (current - 1)
        if current == 1:
            self._second = now
        return pace

    def _count(self, current: int) -> str:
        return f"{current:{len(str(self.target))}d}/{self.target}" if self.target else f"{current:7d}/Unknown"

    def _bar(self, current: int) -> str:
        if not self.target:
            return self._count(current)
        filled = int(self.width * min(current / self.target, 1.0))
        if not sys.stdout.isatty():
            return f"{self._count(current)} {'━' * self.width}"
        return f"\x1b[1m{self._count(current)}\x1b[0m \x1b[32m{'━' * filled}\x1b[0m\x1b[37m{'━' * (self.width - filled)}\x1b[0m"

    def _shown(self) -> str:
        means = ((name, total / max(count, 1)) for name, (total, count) in self._means.items())
        return "".join(
            f" - {name}: {mean:.4f}" if abs(mean) > 1e-3 else f" - {name}: {mean:.4e}" for name, mean in means
        )


def _clock(seconds: float) -> str:
    """Format seconds as `42s`, `3:05` or `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}" if minutes else f"{rest}s"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def per_unit(seconds: float, unit: str = "step") -> str:
    """Format the time of one step: `3ms/step`."""
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s/{unit}"
    return f"{seconds * 1e3:.0f}ms/{unit}" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/{unit}"
