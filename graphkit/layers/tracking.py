"""Finding the variables and layers that an object holds in its attributes, in the order they were set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from graphkit.ir.variable import Variable


@runtime_checkable
class MetricLike(Protocol):
    """The methods by which an attribute of a layer is recognized as a metric."""

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Update the state with a batch."""

    def result(self) -> Any:
        """Return the value of the metric."""

    def reset_state(self) -> None:
        """Reset the state."""


def tracked(holder: Any, kinds: tuple[type, ...]) -> Iterator[Any]:
    """Yield the objects of these kinds in a holder's attributes, and in lists, tuples and dicts there; each once."""
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
    """Return each variable once, in order."""
    return list(dict.fromkeys(variables))


def in_keras_order(variables: Sequence[Variable]) -> list[Variable]:
    """Return those created as trainable, then the others; freezing one later does not change the order."""
    return [v for v in variables if v.made_trainable] + [v for v in variables if not v.made_trainable]
