"""The lowerings: for each primitive the function that writes it as ONNX, or the reason why ONNX cannot say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphkit.core.errors import NameConflictError
from graphkit.core.registry import Registry
from graphkit.ir.program import Equation

Function = Callable[..., Any]
Condition = Callable[[Equation], bool]


class Lowering(NamedTuple):
    """One way to write a primitive.

    Args:
        function: `(builder, *operands, **params) -> name, Operand or tuple of them`, one for each output.
        since: the first opset that it is valid for.
        when: which equations of the primitive it covers (a composite that it does not cover is expanded).
    """

    function: Function
    since: int
    when: Condition


@dataclass(frozen=True)
class Limitation:
    """Why ONNX (or onnxruntime) cannot say a primitive."""

    reason: str


class Entry:
    """All that is known about writing one primitive."""

    def __init__(self) -> None:
        self.lowerings: list[Lowering] = []
        self.limitation: Limitation | None = None


LOWERINGS: Registry[Entry] = Registry("lowering")


def _entry(name: str) -> Entry:
    return LOWERINGS.get(name) or LOWERINGS.add(name, Entry())


def lowering(*names: str, since: int = 17, when: Condition | None = None) -> Callable[[Function], Function]:
    """Register a function as the lowering of these primitives from opset `since` on.

    The highest `since` that is not above the wanted opset wins; of several with the same one, the last registered whose
    `when` holds. Raises NameConflictError for a second unconditional one of the same opset.
    """

    def add(function: Function) -> Function:
        for name in names:
            entry = _entry(name)
            if when is None and any(low.since == since and low.when is _always for low in entry.lowerings):
                raise NameConflictError(f"Primitive {name!r} has a lowering since opset {since} already.")
            entry.lowerings.append(Lowering(function, since, when or _always))
        return function

    return add


def limitation(reason: str, *names: str) -> None:
    """State why these primitives cannot be written."""
    for name in names:
        entry = _entry(name)
        if entry.limitation is not None:
            raise NameConflictError(f"Primitive {name!r} has a stated limitation already: {entry.limitation.reason}.")
        entry.limitation = Limitation(reason)


def _always(equation: Equation) -> bool:
    return True


def find(equation: Equation, opset: int) -> Lowering | None:
    """The lowering for this equation at this opset, or None."""
    entry = LOWERINGS.get(equation.primitive.name)
    fitting = [low for low in entry.lowerings if low.since <= opset] if entry is not None else []
    for low in sorted(fitting, key=lambda low: low.since)[::-1]:
        if low.when(equation):
            return low
    return None
