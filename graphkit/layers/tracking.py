"""Finding the variables and layers that an object holds in its attributes, in the order they were set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from graphkit.ir.variable import Variable


@runtime_checkable
class MetricLike(Protocol):
    """What counts as a metric among the attributes of a layer."""

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take a batch."""

    def result(self) -> Any:
        """What was measured."""

    def reset_state(self) -> None:
        """Start anew."""


def tracked(holder: Any, kinds: tuple[type, ...]) -> Iterator[Any]:
    """The objects of these kinds in a holder's attributes, lists and dicts; each once."""
    seen: set[int] = set()
    for value in holder.tracked_attributes().values():
        yield from _found(value, kinds, seen)


def _found(value: Any, kinds: tuple[type, ...], seen: set[int]) -> Iterator[Any]:
    if isinstance(value, kinds):
        if id(value) not in seen:
            seen.add(id(value))
            yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _found(item, kinds, seen)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _found(item, kinds, seen)


def unique_variables(variables: Iterator[Variable]) -> list[Variable]:
    """Each variable once, in order."""
    return list(dict.fromkeys(variables))


def in_keras_order(variables: Sequence[Variable]) -> list[Variable]:
    """Those that were made to be trained, then the others; freezing one later does not move it."""
    return [v for v in variables if v.made_trainable] + [v for v in variables if not v.made_trainable]
