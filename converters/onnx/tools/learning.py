"""Which weights of an imported graph training cannot change, and why."""

from __future__ import annotations

from typing import Any

from graphkit.core import dtypes
from graphkit.ir.program import Program, Value
from graphkit.ir.simplify import expand_composites

_FIXED = "of type {dtype} that training does not change: a running statistic, or a scale of quantized numbers"


def not_learned(model: Any) -> dict[str, list[str]]:
    """Return, for each reason, the names of the floating-point weights that training cannot change.

    Args:
        model: an imported graph, one layer a node.
    """
    program = expand_composites(model.program(), lambda p: p.vjp is not None or p.nondiff is not None)
    reasons = _reasons(program)
    found: dict[str, list[str]] = {}
    for variable in model.variables:
        if not dtypes.is_differentiable(variable.dtype):
            continue
        name = variable.path
        state = next((s for s in program.state if s.variable is variable), None)
        if not variable.trainable:
            found.setdefault(_FIXED.format(dtype=variable.dtype), []).append(name)
        elif state is None:
            found.setdefault("that no output depends on", []).append(name)
        elif state.before in reasons:
            found.setdefault(reasons[state.before], []).append(name)
    return found


def _reasons(program: Program) -> dict[Value, str]:
    """Return the values without a gradient from any output, each with the reason; walked backwards from the outputs."""
    results = [a for a in program.outputs if isinstance(a, Value)]
    learned = {a for a in results if _is_real(a)}
    reasons = {a: "" for a in results if not _is_real(a)}  # a reason is added where real numbers become others
    for equation in reversed(program.equations):
        given = [a for a in equation.inputs if isinstance(a, Value)]
        reaches = any(v in learned for v in equation.outputs)
        if reaches and equation.primitive.nondiff is None:
            learned.update(a for a in given if _is_real(a))
            reasons.update((a, "") for a in given if not _is_real(a) and a not in reasons)
            continue
        known = [reasons[v] for v in equation.outputs if v in reasons]
        if not reaches and not known:
            continue  # nothing depends on it
        where = f" of {equation.scope!r}" if equation.scope else ""
        why = equation.primitive.nondiff or "its result is no real number"
        for value in given:
            here = f"behind {equation.primitive.name}{where}, which has no gradient: {why}" if _is_real(value) else ""
            reasons.setdefault(value, next(filter(None, known), here))
    return {value: reason for value, reason in reasons.items() if value not in learned}


def _is_real(value: Value) -> bool:
    return dtypes.is_differentiable(value.spec.dtype)
