"""The context in which a layer's config is read: the version of Keras, and whether the model has masks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from graphkit.core.versions import version_numbers


class Origin(NamedTuple):
    """The version of Keras that wrote a config (() if unknown), and whether any of its layers creates masks."""

    version: tuple[int, ...]
    has_masks: bool

    @property
    def attention_ignores_masks(self) -> bool:
        """Whether MultiHeadAttention ignored the masks of its inputs, as it did up to 2.9."""
        return self.has_masks and (2, 4) <= self.version < (2, 10)


_UNKNOWN = Origin((), False)
_origin: ContextVar[Origin | None] = ContextVar("graphkit_legacy_origin", default=None)


def origin() -> Origin:
    """Return the origin of the config that is being read."""
    return _origin.get() or _UNKNOWN


@contextmanager
def reading(version: Any, has_masks: bool) -> Iterator[None]:
    """Set what `origin()` returns inside this context."""
    token = _origin.set(Origin(version_numbers(version), has_masks))
    try:
        yield
    finally:
        _origin.reset(token)
