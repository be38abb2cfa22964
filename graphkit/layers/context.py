"""What the layers under way know of the call around them: training or not, the losses they add."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any


@dataclass
class CallContext:
    """The outermost call: its `training` (None: not said) and the losses that layers added during it."""

    training: bool | None = None
    losses: list[Any] = field(default_factory=list)


_current: ContextVar[CallContext | None] = ContextVar("graphkit_call_context", default=None)


def current_context() -> CallContext | None:
    """The context of the call under way, or None."""
    return _current.get()


@contextmanager
def call_context(training: bool | None = None) -> Iterator[CallContext]:
    """A new context, or the outer one where there is one and nothing new is said."""
    outer = _current.get()
    if outer is not None and (training is None or training == outer.training):
        yield outer
        return
    context = CallContext(training, outer.losses if outer is not None else [])
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
