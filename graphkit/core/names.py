"""Names: snake_case, automatic names as in Keras (`dense`, `dense_1`, ...), scopes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from graphkit.core.errors import InvalidArgumentError

_BREAK_BEFORE_WORD = re.compile(r"(.)([A-Z][a-z]+)")
_BREAK_BEFORE_CAPITAL = re.compile(r"([a-z])([A-Z])")


@lru_cache(maxsize=4096)
def to_snake_case(name: str) -> str:
    """Convert to snake_case as Keras does: `LayerNormalization` -> `layer_normalization`, `Conv2D` -> `conv2d`."""
    name = re.sub(r"\W+", "", name)
    name = _BREAK_BEFORE_WORD.sub(r"\1_\2", name)
    return _BREAK_BEFORE_CAPITAL.sub(r"\1_\2", name).lower()


class NameCounter:
    """Numbers the names of each prefix; the first has no number."""

    def __init__(self) -> None:
        self._used: defaultdict[str, int] = defaultdict(int)

    def next(self, prefix: str) -> str:
        """Return the next automatic name of this prefix."""
        number = self._used[prefix]
        self._used[prefix] += 1
        return f"{prefix}_{number}" if number else prefix

    def number(self, prefix: str) -> int:
        """Return the next number of this prefix, from 1."""
        self._used[prefix] += 1
        return self._used[prefix]

    def take(self, name: str) -> None:
        """Mark a name as used, so that it is not given out again."""
        prefix, _, number = name.rpartition("_")
        prefix, count = (prefix, int(number) + 1) if prefix and number.isdecimal() else (name, 1)
        self._used[prefix] = max(self._used[prefix], count)

    def clear(self) -> None:
        """Restart the numbering of all prefixes."""
        self._used.clear()


_automatic = NameCounter()
_own_counter: ContextVar[NameCounter | None] = ContextVar("graphkit_own_counter_of_names", default=None)


def auto_name(prefix: str) -> str:
    """The next automatic name of this prefix in this session: `dense`, `dense_1`, ..."""
    counter = _own_counter.get() or _automatic
    name = counter.next(prefix)
    while name in _reserved.get():
        name = counter.next(prefix)
    return name


@contextmanager
def counted_anew() -> Iterator[None]:
    """Restart automatic names inside the block, without affecting those of the session, so that names are reproducible."""
    token = _own_counter.set(NameCounter())
    try:
        yield
    finally:
        _own_counter.reset(token)


_reserved: ContextVar[Container[str]] = ContextVar("graphkit_reserved_names", default=frozenset())


@contextmanager
def reserved(names: Container[str]) -> Iterator[None]:
    """Exclude these names from automatic naming inside the block, since layers of a graph that is being restored have them."""
    token = _reserved.set(names)
    try:
        yield
    finally:
        _reserved.reset(token)


def next_number(prefix: str) -> int:
    """Return the next number of this prefix in this session, from 1. Shares its counter with `auto_name`."""
    return _automatic.number(prefix)


def take_name(name: str) -> None:
    """Mark a name that was read from a file as used, so that it is not given automatically."""
    _automatic.take(name)


def reset_names() -> None:
    """Forget all automatic names (part of `clear_session`)."""
    _automatic.clear()


_scope: ContextVar[str] = ContextVar("graphkit_name_scope", default="")


def current_scope() -> str:
    """Return the path of the open scopes, such as `encoder/dense`."""
    return _scope.get()


@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Prefix the path of everything created inside the block with `name/`."""
    outer = _scope.get()
    token = _scope.set(f"{outer}/{name}" if outer else name)
    try:
        yield
    finally:
        _scope.reset(token)


class NameScope:
    """Prefix the path of everything created inside the block with `name/`. Source: keras.name_scope.

    Args:
        name: The name, without "/".
        **kwargs: Accepted for Keras' signature, ignored.

    Raises:
        InvalidArgumentError: `name` is not a string or contains "/".
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        if not isinstance(name, str) or "/" in name:
            raise InvalidArgumentError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name}"
            )
        self.name = name
        self._open: list[AbstractContextManager[None]] = []

    def __enter__(self) -> NameScope:
        scope = name_scope(self.name)
        scope.__enter__()
        self._open.append(scope)
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.pop().__exit__(*error)


@contextmanager
def scope_is(path: str) -> Iterator[None]:
    """Set the scope of everything created inside the block to exactly `path`."""
    token = _scope.set(path)
    try:
        yield
    finally:
        _scope.reset(token)
