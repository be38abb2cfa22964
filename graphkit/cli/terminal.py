"""Printing for the commands."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def say(text: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def plain_warnings(wanted: bool = True) -> Iterator[None]:
    """Inside, a warning is one line on standard error, without the place in graphkit's source; not so while a script of the user's runs."""
    if not wanted:
        yield
        return

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        complain(f"warning: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
