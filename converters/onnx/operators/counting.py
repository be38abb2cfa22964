"""Loops that count: the number of steps of a Loop whose condition compares a counter with a limit.

Exporters of TensorFlow write `while i < n` with a condition in the body, not as the number of steps. The condition is followed
backwards through the body: it must compare a value that grows by one in each step with one that stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx

from graphkit.core.dims import Dim

from .sizes import Sizes

_PASSING = frozenset({"Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape"})  # a single number stays what it is
# (a, b) is `a < b` after swapping, and after adding one to b for comparisons that allow equality
_COMPARISONS: Mapping[str, tuple[bool, int]] = {
    "Less": (False, 0),
    "LessOrEqual": (False, 1),
    "Greater": (True, 0),
    "GreaterOrEqual": (True, 1),
}
_MAX_DEPTH = 64


class _Counter(NamedTuple):
    """A value that is `start + number of the step`."""

    start: Any


class _Body:
    """The body of a Loop, whose values are followed backwards."""

    def __init__(self, graph: onnx.GraphProto, carried: Sequence[Any], outer: Mapping[str, Any]) -> None:
        self.producers = {name: node for node in graph.node for name in node.output if name}
        self.constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
        self.outer = outer
        number, condition, *names = (i.name for i in graph.input)
        self.number, self.condition = number, condition
        self.carried = dict(zip(names, carried, strict=False))
        self.updates = dict(zip(names, (o.name for o in graph.output[1:]), strict=False))
        self._following: set[str] = set()

    def steps(self, name: str, depth: int = 0) -> list[Any]:
        """Return the numbers of steps after which parts of a condition no longer hold. Raises _OtherError if they are unknown."""
        node = self._producer(name, depth)
        if node is None:
            value = True if name == self.condition else self._known(name)
            if value is True or (isinstance(value, np.ndarray) and value.size == 1 and bool(value.reshape(-1)[0])):
                return []
            raise _OtherError
        if node.op_type == "And":
            return self.steps(node.input[0], depth + 1) + self.steps(node.input[1], depth + 1)
        if node.op_type in _COMPARISONS:
            swapped, more = _COMPARISONS[node.op_type]
            low, high = reversed(node.input) if swapped else node.input
            counter, limit = self.value(low, depth + 1), self.value(high, depth + 1)
            if isinstance(counter, _Counter) and not isinstance(limit, _Counter):
                # The condition is computed at the end of step i, and holds while start + i < limit.
                return [limit + more - counter.start + 1]
            raise _OtherError
        if node.op_type in _PASSING:
            return self.steps(node.input[0], depth + 1)
        raise _OtherError

    def value(self, name: str, depth: int) -> Any:
        """Return a single number: an int or Dim that stays the same, or a `_Counter`. Raises _OtherError for any other value."""
        node = self._producer(name, depth)
        if node is None:
            if name == self.number:
                return _Counter(0)
            return self._carried(name, depth) if name in self.carried else _single(self._known(name))
        if node.op_type in _PASSING:
            return self.value(node.input[0], depth + 1)
        if node.op_type in ("Add", "Sub"):
            a, b = (self.value(i, depth + 1) for i in node.input)
            sign = 1 if node.op_type == "Add" else -1
            if isinstance(a, _Counter) and not isinstance(b, _Counter):
                return _Counter(a.start + sign * b)
            if isinstance(b, _Counter) and not isinstance(a, _Counter) and sign == 1:
                return _Counter(a + b.start)
            if not isinstance(a, _Counter) and not isinstance(b, _Counter):
                return a + sign * b
        raise _OtherError

    def _carried(self, name: str, depth: int) -> Any:
        """Return a carried value: the same in each step, or one more."""
        first = _single(self.carried[name])
        if name in self._following:  # what the update is computed from
            return _Counter(first)
        self._following.add(name)
        try:
            update = self.updates[name]
            if update == name or self._passed_on(update) == name:
                return first
            after = self.value(update, depth + 1)
        finally:
            self._following.discard(name)
        if isinstance(after, _Counter) and after.start - first == 1:
            return _Counter(first)
        raise _OtherError

    def _passed_on(self, name: str) -> str:
        while name in self.producers and self.producers[name].op_type == "Identity":
            name = self.producers[name].input[0]
        return name

    def _producer(self, name: str, depth: int) -> onnx.NodeProto | None:
        if depth > _MAX_DEPTH:
            raise _OtherError
        return self.producers.get(name)

    def _known(self, name: str) -> Any:
        if name in self.constants:
            return self.constants[name]
        if name not in self.outer:
            raise _OtherError
        return self.outer[name]


class _OtherError(Exception):
    """A condition that does not compare a counter with a limit."""


def _single(value: Any) -> Any:
    """Return a known number as an int or Dim."""
    if isinstance(value, Sizes):
        value = value.values
    if not isinstance(value, np.ndarray) or value.size != 1:
        raise _OtherError
    (number,) = value.reshape(-1).tolist()
    if isinstance(number, Dim):
        return number
    if isinstance(number, (int, float)) and not isinstance(number, bool) and float(number).is_integer():
        return int(number)
    raise _OtherError


def counted_steps(graph: onnx.GraphProto, carried: Sequence[Any], outer: Mapping[str, Any]) -> Any:
    """Return after how many steps a loop ends that runs at least once, or None if that is unknown.

    Args:
        graph: the body of the Loop.
        carried: the first values of what it carries.
        outer: the values of the graph around it, by name.

    Returns:
        An int or a Dim.
    """
    try:
        found = _Body(graph, carried, outer).steps(graph.output[0].name)
    except (_OtherError, TypeError):
        return None
    return _least(found)


def _least(numbers: Sequence[Any]) -> Any:
    """Return the smallest of ints and Dims, None if there is none or it is not known which."""
    least: Any = None
    for number in numbers:
        gap = 0 if least is None else number - least
        if not isinstance(gap, int):
            return None
        least = number if least is None or gap < 0 else least
    return least
