"""Lower equations to nodes: find the lowering of each equation, and expand composites that have none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

from graphkit.core.errors import ExportError, GraphKitError, OpsetError
from graphkit.core.registry import did_you_mean
from graphkit.ir.gradient import expand_in_place
from graphkit.ir.program import Atom, Equation, Literal, Program, Value
from graphkit.ir.simplify import simplify
from graphkit.ir.tracing import Trace

from .builder import GraphBuilder, Operand
from .fills import without_fills
from .layout import to_channels_first
from .registry import LOWERINGS, Target, find, register_waiting
from .tidy import tidied

Environment = dict[Value, Operand]


@cache
def load_lowerings() -> None:
    """Register all lowerings (they import this module), graphkit's own before those of other packages."""
    import_module("graphkit.converters.onnx.lowering")
    register_waiting()


def prepared(program: Program, target: Target) -> Program:
    """Return the program in the form that is lowered: tidied, channels-first, composites that ONNX lacks expanded, simplified.

    Composites without any lowering are expanded before the layout pass, those whose lowerings do not cover the case after it.
    """
    load_lowerings()
    program = tidied(without_fills(_expanded(simplify(program, last=True), lambda e: not _has_lowering(e, target))))
    return simplify(_expanded(to_channels_first(program), lambda e: find(e, target) is None), last=True)


def _has_lowering(equation: Equation, target: Target) -> bool:
    entry = LOWERINGS.get(equation.primitive.name)
    return entry is not None and any(target.allows(low) for low in entry.lowerings)


def _expanded(program: Program, is_unknown: Callable[[Equation], bool]) -> Program:
    def is_open(equation: Equation) -> bool:
        return equation.primitive.is_composite and is_unknown(equation)

    if not any(is_open(e) for e in program.equations):
        return program
    while any(is_open(e) for e in program.equations):
        scratch = Trace()
        for equation in program.equations:
            if is_open(equation):
                expand_in_place(scratch, equation)
            else:
                scratch.equations.append(equation)
        program = Program(program.inputs, program.state, scratch.equations, program.outputs)
    return simplify(program, last=True)


def lower_equations(b: GraphBuilder, equations: Iterable[Equation], env: Environment) -> None:
    """Write equations in order.

    Args:
        b: the graph to write to.
        equations: in order of execution.
        env: the operand of each value; gains the values that the equations compute.

    Raises:
        ExportError: an equation cannot be expressed in ONNX. The message names its primitive and layer.
    """
    outer = b.equation
    for equation in equations:
        b.equation = equation
        made = _lower(b, equation, [operand_of(b, a, env) for a in equation.inputs])
        for value, result in zip(equation.outputs, made, strict=True):
            env[value] = result if _represents(result, value) else Operand(b, value.spec, b.name_of(result))
            if not isinstance(result, Operand):
                b.root.dtypes.setdefault(result, value.spec.dtype)
    b.equation = outer


def _represents(result: Any, value: Value) -> bool:
    """Whether an operand can represent a value as it is, so that a weight stays recognizable as one."""
    return isinstance(result, Operand) and result.spec == value.spec


def _lower(b: GraphBuilder, equation: Equation, operands: list[Operand]) -> tuple[Any, ...]:
    low = find(equation, b.target)
    if low is None:
        raise _why_not(equation, b.opset)
    try:
        made = low.function(b, *operands, **equation.params)
    except OpsetError as error:
        raise OpsetError(f"{_where(equation)}: {error}", error.lowest) from error
    except ExportError as error:
        raise ExportError(f"{_where(equation)}: {error}") from error
    except GraphKitError:
        raise
    except Exception as error:
        raise ExportError(
            f"{_where(equation)} could not be written as ONNX: {type(error).__name__}: {error}"
        ) from error
    return made if isinstance(made, tuple) else (made,)


def _where(equation: Equation) -> str:
    return (
        f"{equation.primitive.name!r} of layer {equation.scope!r}" if equation.scope else f"{equation.primitive.name!r}"
    )


def _why_not(equation: Equation, opset: int) -> ExportError:
    name = equation.primitive.name
    entry = LOWERINGS.get(name)
    if entry is None:
        return ExportError(f"{_where(equation)} cannot be expressed in ONNX.{did_you_mean(name, LOWERINGS)}")
    if entry.limitation is not None:
        return ExportError(f"{_where(equation)} cannot be written as ONNX: {entry.limitation.reason}.")
    later = [low.since for low in entry.lowerings if low.since > opset and not low.standard and low.when(equation)]
    if later:
        lowest = min(later)
        message = f"{_where(equation)} requires opset {lowest}, got opset {opset}. Export with opset={lowest} or later."
        return OpsetError(message, lowest)
    return ExportError(f"{_where(equation)} with {dict(equation.params)} cannot be expressed in ONNX.")


def operand_of(b: GraphBuilder, atom: Atom, env: Mapping[Value, Operand]) -> Operand:
    """Return the operand of a value or literal."""
    if isinstance(atom, Literal):
        return Operand(b, atom.spec, array=atom.array)
    return env[atom]


def lower_body(b: GraphBuilder, program: Program, arguments: list[Operand]) -> list[str]:
    """Write a sub-program into builder `b` and return the names of its outputs.

    Args:
        b: the builder of the body.
        program: the sub-program.
        arguments: one operand for each of its inputs.
    """
    env: Environment = dict(zip(program.inputs, arguments, strict=True))
    program = prepared(program, b.target)
    lower_equations(b, program.equations, env)
    return [operand_of(b, atom, env).name for atom in program.outputs]
