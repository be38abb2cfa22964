"""What the reading of a layer may depend on, beyond its own config: the version of Keras, and masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from graphkit.core.versions import version_numbers


class Origin(NamedTuple):
    """Of the config that is being read: the version that wrote it (() where it is not said), whether anything in it makes masks."""

    version: tuple[int, ...]
    has_masks: bool

    @property
    def attention_ignores_masks(self) -> bool:
        """MultiHeadAttention heeds the masks of its inputs from 2.10 on only."""
        return self.has_masks and (2, 4) <= self.version < (2, 10)


_UNKNOWN = Origin((), False)
_origin: ContextVar[Origin | None] = ContextVar("graphkit_legacy_origin", default=None)


def origin() -> Origin:
    """Of the config that is being read."""
    return _origin.get() or _UNKNOWN


@contextmanager
def reading(version: Any, has_masks: bool) -> Iterator[None]:
    """Inside, `origin()` says this."""
    token = _origin.set(Origin(version_numbers(version), has_masks))
    try:
        yield
    finally:
        _origin.reset(token)
