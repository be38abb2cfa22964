"""Pause Python's garbage collector while a graph is built, since it would scan all existing layers repeatedly."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the garbage collector inside the block, and restore its previous state afterwards.

    The cycles of a graph of layers stay alive, so nothing is missed. If two threads overlap, the first to leave turns the
    collector on again.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
