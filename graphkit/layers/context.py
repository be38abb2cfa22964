"""The context of the current call: `training`, and the outermost layer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass
class CallContext:
    """Settings that a call passes to the layers called inside it.

    Attributes:
        training: whether they run in training mode; None if it was not given.
        entry: the outermost layer of the call; None before one is called.
        is_assumed: `training` was not given by the caller but assumed (`predict`, exports): a node that was recorded with
            `training=True` keeps it.
    """

    training: bool | None = None
    entry: Any = None
    is_assumed: bool = False


_current: ContextVar[CallContext | None] = ContextVar("graphkit_call_context", default=None)


def current_context() -> CallContext | None:
    """Return the context of the current call, or None."""
    return _current.get()


@contextmanager
def call_context(training: bool | None = None, entry: Any = None, assumed: bool = False) -> Iterator[CallContext]:
    """Enter a new context, or the outer one if nothing changes.

    Args:
        training: None keeps the outer value.
        entry: the layer being called; ignored where the outer context has one.
        assumed: `training` was assumed, not given by the caller.
    """
    outer = _current.get()
    is_entered = entry is None or (outer is not None and outer.entry is not None)
    if outer is not None and is_entered and (training is None or training == outer.training):
        yield outer
        return
    is_new = outer is None or (training is not None and training != outer.training)
    context = CallContext(
        training if training is not None or outer is None else outer.training,
        entry if outer is None or outer.entry is None else outer.entry,
        assumed if is_new else outer is not None and outer.is_assumed,
    )
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


_keras2_masks: ContextVar[bool] = ContextVar("graphkit_keras2_masks", default=False)


@contextmanager
def masks_of_keras2() -> Iterator[None]:
    """Make merging layers combine masks as Keras 1 and 2 do: the logical AND of the masks that exist, even if an input has none."""
    token = _keras2_masks.set(True)
    try:
        yield
    finally:
        _keras2_masks.reset(token)


def are_masks_of_keras2() -> bool:
    """Return whether merging layers currently combine masks as Keras 1 and 2 do."""
    return _keras2_masks.get()
