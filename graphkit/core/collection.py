"""Letting Python's cycle collector rest while a graph is made: it would look through all that is there again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Inside, no cycles are looked for; afterwards things are as they were.

    Graphs of layers are cycles that stay, so nothing is missed. Of two threads that overlap, the first one out lets the
    collector go on.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
