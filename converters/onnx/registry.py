"""The lowerings: for each primitive, the functions that write it as ONNX, or the reason why ONNX cannot express it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from graphkit.core.errors import NameConflictError
from graphkit.core.registry import Registry
from graphkit.ir.program import Equation
from graphkit.saving.formats import ConverterWarning

Function = Callable[..., Any]
Condition = Callable[[Equation], bool]


class Lowering(NamedTuple):
    """How to write a primitive from some opset on.

    Args:
        function: `(builder, *operands, **params)`; returns a name or Operand for each output, several as a tuple.
        since: the first opset for which it is valid.
        when: whether it covers an equation; a composite that no lowering covers is expanded.
        at: whether it covers an equation at an opset.
    """

    function: Function
    since: int
    when: Condition
    at: Callable[[Equation, int], bool]


@dataclass(frozen=True)
class Limitation:
    """Why ONNX or onnxruntime cannot express a primitive."""

    reason: str


class Entry:
    """The lowerings of one primitive, or its limitation."""

    def __init__(self) -> None:
        self.lowerings: list[Lowering] = []
        self.limitation: Limitation | None = None


LOWERINGS: Registry[Entry] = Registry("lowering")
# Lowerings of other packages that were registered before graphkit's own were loaded; None afterwards.
_waiting: list[Callable[[], None]] | None = []


def _entry(name: str) -> Entry:
    return LOWERINGS.get(name) or LOWERINGS.add(name, Entry())


def lowering(
    *names: str, since: int = 17, when: Condition | None = None, at: Callable[[Equation, int], bool] | None = None
) -> Callable[[Function], Function]:
    """Register a function as the lowering of these primitives from opset `since` on.

    The highest `since` that does not exceed the opset of the export wins. Among lowerings with the same `since`, the one
    registered last whose `when` holds wins. Those of other packages are registered after all of graphkit's own.

    Args:
        *names: the primitives.
        since: the first opset for which the function is valid.
        when: whether it covers an equation; by default it covers all.
        at: whether it covers an equation at an opset, where that depends on more than `since`.

    Raises:
        NameConflictError: a primitive has an unconditional lowering for the same opset already.
    """

    def add(function: Function) -> Function:
        register = partial(_register, names, Lowering(function, since, when or _always, at or _at_all))
        if _waiting is None or function.__module__.startswith("graphkit."):
            register()
        else:
            _waiting.append(register)
        return function

    return add


def _register(names: tuple[str, ...], made: Lowering) -> None:
    for name in names:
        entry = _entry(name)
        if made.when is _always and any(low.since == made.since and low.when is _always for low in entry.lowerings):
            raise NameConflictError(f"Primitive {name!r} already has a lowering since opset {made.since}.")
        entry.lowerings.append(made)


def register_waiting() -> None:
    """Register the lowerings of other packages, once graphkit's own are. One in conflict is named in a warning."""
    global _waiting
    waiting, _waiting = _waiting or [], None
    for register in waiting:
        try:
            register()
        except NameConflictError as error:
            warnings.warn(f"A lowering of another package is left out: {error}", ConverterWarning, stacklevel=2)


def limitation(reason: str, *names: str) -> None:
    """Declare why these primitives cannot be written.

    Args:
        reason: completes the sentence "... cannot be written as ONNX: <reason>."
        *names: the primitives.

    Raises:
        NameConflictError: a primitive has a limitation already.
    """
    for name in names:
        entry = _entry(name)
        if entry.limitation is not None:
            raise NameConflictError(f"Primitive {name!r} already has a limitation: {entry.limitation.reason}.")
        entry.limitation = Limitation(reason)


def _always(equation: Equation) -> bool:
    return True


def _at_all(equation: Equation, opset: int) -> bool:
    return True


def find(equation: Equation, opset: int) -> Lowering | None:
    """Return the lowering of an equation at an opset, or None."""
    entry = LOWERINGS.get(equation.primitive.name)
    fitting = [low for low in entry.lowerings if low.since <= opset] if entry is not None else []
    for low in sorted(fitting, key=lambda low: low.since)[::-1]:
        if low.when(equation) and low.at(equation, opset):
            return low
    return None
