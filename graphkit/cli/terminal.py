"""Terminal output of the commands."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def say(text: str = "") -> None:
    """Print a line to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print a line to standard error."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def plain_warnings(wanted: bool = True) -> Iterator[None]:
    """Print warnings as single lines on standard error, without source locations, unless `wanted` is False."""
    if not wanted:
        yield
        return

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        complain(f"warning: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
