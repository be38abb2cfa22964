"""The lowerings: for each primitive, the functions that write it as ONNX, or the reason why ONNX cannot express it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import onnx

from graphkit.core.errors import ExportError, NameConflictError, OpsetError
from graphkit.core.registry import Registry
from graphkit.ir.program import Equation
from graphkit.saving.formats import ConverterWarning

Function = Callable[..., Any]
Condition = Callable[[Equation], bool]


def _always(equation: Equation) -> bool:
    return True


def _at_all(equation: Equation, opset: int) -> bool:
    return True


class Lowering(NamedTuple):
    """How to write a primitive from some opset on.

    Args:
        function: `(builder, *operands, **params)`; returns a name or Operand for each output, several as a tuple.
        since: the first opset for which it is valid.
        when: whether it covers an equation; a composite that no lowering covers is expanded.
        at: whether it covers an equation at an opset, where that depends on more than `since`.
        standard: whether it writes an operator that onnxruntime has no CPU kernel for and runs by its definition, which is
            slower than graphkit's own form. It is used if the export asks for the standard's operators.
    """

    function: Function
    since: int
    when: Condition
    at: Callable[[Equation, int], bool] = _at_all
    standard: bool = False


class Target(NamedTuple):
    """What an export is written for.

    Args:
        opset: of ONNX.
        standard: whether an operator of the standard is written wherever the opset has one, even if it is slower.
    """

    opset: int
    standard: bool = False

    def allows(self, low: Lowering) -> bool:
        """Whether a lowering may be used."""
        return low.since <= self.opset and (self.standard or not low.standard)


@dataclass(frozen=True)
class Limitation:
    """Why ONNX or onnxruntime cannot express a primitive."""

    reason: str


class Entry:
    """The lowerings of one primitive, or its limitation."""

    def __init__(self) -> None:
        self.lowerings: list[Lowering] = []
        self.limitation: Limitation | None = None


OTHER_DOMAINS = {"ai.onnx.ml": 3, "com.microsoft": 1}
"""The versions that are written: ai.onnx.ml for tables and strings; onnxruntime's own operators where the standard has none."""
LOWERINGS: Registry[Entry] = Registry("lowering")
# Lowerings of other packages that were registered before graphkit's own were loaded; None afterwards.
_waiting: list[Callable[[], None]] | None = []


def _entry(name: str) -> Entry:
    return LOWERINGS.get(name) or LOWERINGS.add(name, Entry())


def lowering(
    *names: str,
    since: int = 13,
    when: Condition | None = None,
    at: Callable[[Equation, int], bool] | None = None,
    standard: bool = False,
) -> Callable[[Function], Function]:
    """Register a function as the lowering of these primitives from opset `since` on.

    The highest `since` that does not exceed the opset of the export wins. Among lowerings with the same `since`, the one
    registered last whose `when` holds wins. Those of other packages are registered after all of graphkit's own.

    Args:
        *names: the primitives.
        since: the first opset for which the function is valid.
        when: whether it covers an equation; by default it covers all.
        at: see `Lowering`; so is `standard`.

    Raises:
        NameConflictError: a primitive has an unconditional lowering for the same opset already.
    """

    def add(function: Function) -> Function:
        register = partial(_register, names, Lowering(function, since, when or _always, at or _at_all, standard))
        if _waiting is None or function.__module__.startswith("graphkit."):
            register()
        else:
            _waiting.append(register)
        return function

    return add


def _register(names: tuple[str, ...], made: Lowering) -> None:
    for name in names:
        entry = _entry(name)
        if made.when is _always and any(low[1:] == made[1:] for low in entry.lowerings):
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


@cache
def _schema(op_type: str, opset: int, domain: str) -> Any:
    try:
        return onnx.defs.get_schema(op_type, opset, domain)
    except onnx.defs.SchemaError:
        return None


def check_operator(op_type: str, attributes: Iterable[str], opset: int, domain: str = "") -> None:
    """Check that an operator of the standard exists at an opset, with these attributes.

    Raises:
        OpsetError: it exists, or has one of the attributes, only in later opsets.
    """
    missing = _missing(op_type, attributes, opset, domain)
    if missing is None:
        return
    for later in range(opset + 1, onnx.defs.onnx_opset_version() + 1):
        if _missing(op_type, attributes, later, domain) is None:
            raise OpsetError(
                f"{missing} since opset {later}, got opset {opset}. Export with opset={later} or later.", later
            )
    raise ExportError(f"{missing} in no opset that the installed onnx package knows ({onnx.__version__})")


def _missing(op_type: str, attributes: Iterable[str], opset: int, domain: str) -> str | None:
    schema = _schema(op_type, opset, domain)
    if schema is None:
        return f"ONNX has {op_type}"
    unknown = [name for name in attributes if name not in schema.attributes]
    return f"{op_type} has {', '.join(unknown)}" if unknown else None


def find(equation: Equation, target: Target) -> Lowering | None:
    """Return the lowering of an equation for a target, or None."""
    entry = LOWERINGS.get(equation.primitive.name)
    fitting = [low for low in entry.lowerings if target.allows(low)] if entry is not None else []
    for low in sorted(fitting, key=lambda low: (low.since, low.standard))[::-1]:
        if low.when(equation) and low.at(equation, target.opset):
            return low
    return None
