"""A mapping from names to entries that rejects duplicate names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from graphkit.core.errors import NameConflictError, UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Names -> entries of one kind ("primitive", "lowering", ...); the kind appears in messages."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Register `entry`.

        Raises:
            NameConflictError: The name is already registered.
        """
        if name in self._entries:
            raise NameConflictError(f"A {self.kind} named {name!r} is registered already: {self._entries[name]!r}.")
        self._entries[name] = entry
        return entry

    def get(self, name: str) -> T | None:
        """Return the entry, or None."""
        return self._entries.get(name)

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(
                f"There is no {self.kind} named {name!r}.{did_you_mean(name, self._entries)}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> list[tuple[str, T]]:
        """Return all entries, in order of registration."""
        return list(self._entries.items())


def did_you_mean(name: str, known: Iterable[object]) -> str:
    """Return ` Did you mean 'x'?` with the nearest known names, or an empty string."""
    close = difflib.get_close_matches(str(name), [str(k) for k in known], n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
