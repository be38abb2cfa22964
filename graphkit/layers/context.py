"""What the layers under way know of the call around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass
class CallContext:
    """What holds for the layers called during a call.

    Attributes:
        training: whether they are called for training; None if nobody said.
        entry: the outermost layer of the call; None before one is called.
        is_assumed: `training` is what inference goes by (`predict`, an export) and nobody's word: a call that was drawn with
            `training=True` keeps that.
    """

    training: bool | None = None
    entry: Any = None
    is_assumed: bool = False


_current: ContextVar[CallContext | None] = ContextVar("graphkit_call_context", default=None)


def current_context() -> CallContext | None:
    """The context of the call under way, or None."""
    return _current.get()


@contextmanager
def call_context(training: bool | None = None, entry: Any = None, assumed: bool = False) -> Iterator[CallContext]:
    """A new context, or the outer one where there is one and nothing new is said."""
    outer = _current.get()
    is_entered = entry is None or (outer is not None and outer.entry is not None)
    if outer is not None and is_entered and (training is None or training == outer.training):
        yield outer
        return
    said = outer is None or (training is not None and training != outer.training)
    context = CallContext(
        training if training is not None or outer is None else outer.training,
        entry if outer is None or outer.entry is None else outer.entry,
        assumed if said else outer is not None and outer.is_assumed,
    )
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


_keras2_masks: ContextVar[bool] = ContextVar("graphkit_keras2_masks", default=False)


@contextmanager
def masks_of_keras2() -> Iterator[None]:
    """Inside, merging layers pass masks on as up to Keras 2: true where all masks are that there are, also if an input has none."""
    token = _keras2_masks.set(True)
    try:
        yield
    finally:
        _keras2_masks.reset(token)


def are_masks_of_keras2() -> bool:
    """Whether graphs are put together as an older file means them."""
    return _keras2_masks.get()
