"""Simplification: rewrite a program into a smaller one that computes the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from graphkit.ir.primitive import Primitive
from graphkit.ir.program import Atom, Equation, Literal, Program, State, Value
from graphkit.ir.tracing import params_unknown

FOLD_LIMIT = 1 << 16  # bytes: larger constants are not folded

# A rewrite gets an equation whose inputs are final, and the equations that produce them. It returns an atom that replaces the
# single output, a new equation with the same outputs, or None. Ops add theirs by `@rewrite("name", keeps_derivatives=...)`.
Producers = Mapping[Value, Equation]
Rewrite = Callable[[Equation, Producers], "Atom | Equation | None"]


class Rule(NamedTuple):
    """A rewrite, and whether it keeps derivatives and so may run before differentiation."""

    apply: Rewrite
    keeps_derivatives: bool


REWRITES: dict[str, list[Rule]] = {}


def rewrite(*primitives: str, keeps_derivatives: bool) -> Callable[[Rewrite], Rewrite]:
    """Register a rewrite for equations of these primitives.

    Args:
        primitives: their names.
        keeps_derivatives: whether `grad` of the rewritten program is `grad` of the program. Rewrites that keep only the
            values run in the last pass, before the engine and ONNX.
    """

    def add(function: Rewrite) -> Rewrite:
        for name in primitives:
            REWRITES.setdefault(name, []).append(Rule(function, keeps_derivatives))
        return function

    return add


def simplify(program: Program, *, fold_limit: int = FOLD_LIMIT, last: bool = False) -> Program:
    """Eliminate dead code and common subexpressions, fold constants, and apply the ops' rewrites.

    Args:
        program: any program.
        fold_limit: in bytes; larger constants are not folded.
        last: whether nothing is differentiated afterwards, so that rewrites may change derivatives.
    """
    return eliminate_dead(_forward(eliminate_dead(program), fold_limit, last))


def eliminate_dead(program: Program) -> Program:
    """Remove the equations that no result needs, and the state that nothing reads or writes."""
    live = {a for a in program.results() if isinstance(a, Value)}
    kept: list[Equation] = []
    for equation in reversed(program.equations):
        if any(v in live for v in equation.outputs):
            kept.append(equation)
            live.update(a for a in equation.inputs if isinstance(a, Value))
    state = [s for s in program.state if s.after is not None or s.before in live]
    return Program(program.inputs, state, kept[::-1], program.outputs)


def _forward(program: Program, fold_limit: int, last: bool) -> Program:
    """Run one pass over the equations in order: rewrites, constant folding, common subexpressions."""
    replaced: dict[Value, Atom] = {}
    producers: dict[Value, Equation] = {}
    seen: dict[Any, Equation] = {}
    equations: list[Equation] = []

    def settle(atom: Atom) -> Atom:
        return replaced.get(atom, atom) if isinstance(atom, Value) else atom

    for original in program.equations:
        equation = _with_inputs(original, tuple(settle(a) for a in original.inputs))
        result = _rewritten(equation, producers, last)
        if not isinstance(result, Equation):
            replaced[equation.outputs[0]] = result
            continue
        equation = result
        folded = _folded(equation, fold_limit)
        if folded is not None:
            replaced.update(zip(equation.outputs, folded, strict=True))
            continue
        key = _key(equation)
        twin = seen.get(key) if key is not None else None
        if twin is not None:
            replaced.update(zip(equation.outputs, twin.outputs, strict=True))
            continue
        if key is not None:
            seen[key] = equation
        producers.update(dict.fromkeys(equation.outputs, equation))
        equations.append(equation)
    state = [State(s.variable, s.before, None if s.after is None else settle(s.after)) for s in program.state]
    return Program(program.inputs, state, equations, [settle(o) for o in program.outputs])


def _with_inputs(equation: Equation, inputs: tuple[Atom, ...]) -> Equation:
    if inputs == equation.inputs:
        return equation
    return Equation(equation.primitive, inputs, equation.params, equation.outputs, equation.scope)


def _rewritten(equation: Equation, producers: Producers, last: bool) -> Atom | Equation:
    """Apply the rewrites to an equation until none applies, at most eight times."""
    for _ in range(8):
        for rule in REWRITES.get(equation.primitive.name, ()):
            result = rule.apply(equation, producers) if last or rule.keeps_derivatives else None
            if result is not None:
                if not isinstance(result, Equation):
                    return result
                equation = result
                break
        else:
            return equation
    return equation


def _folded(equation: Equation, limit: int) -> list[Literal] | None:
    """Return the outputs as literals if every input is one and the result is small, else None."""
    if not all(isinstance(a, Literal) for a in equation.inputs) or params_unknown(equation.params):
        return None
    specs = [v.spec for v in equation.outputs]
    if any(not s.is_static for s in specs) or sum(_bytes(s.shape) for s in specs) > limit:
        return None
    if any(_is_program(p) for p in equation.params.values()):
        return None
    result = equation.primitive.evaluate([a.array for a in equation.inputs if isinstance(a, Literal)], equation.params)
    results = result if isinstance(result, (tuple, list)) else [result]
    return [Literal(np.array(r)) for r in results]


def _bytes(shape: Iterable[Any]) -> int:
    return int(np.prod([int(s) for s in shape], dtype=np.int64)) * 8


def _is_program(param: Any) -> bool:
    return isinstance(param, Program)


def _key(equation: Equation) -> Any:
    """Return a key that equal computations share, or None if the params are not hashable."""
    try:
        params = tuple((k, equation.params[k]) for k in sorted(equation.params))
        hash(params)
    except TypeError:
        return None
    inputs = tuple(_atom_key(a) for a in equation.inputs)
    return None if None in inputs else (equation.primitive.name, inputs, params)


def _atom_key(atom: Atom) -> Any:
    if isinstance(atom, Value):
        return atom
    if atom.array.nbytes > 64 or atom.array.dtype.hasobject:
        return ("at", id(atom.array))
    return (atom.array.shape, atom.array.dtype.str, atom.array.tobytes())


def expand_composites(program: Program, keep: Callable[[Primitive], bool]) -> Program:
    """Expand the composites for which `keep` returns False, until none is left."""
    from graphkit.ir.gradient import expand_in_place
    from graphkit.ir.tracing import Trace

    def is_open(equation: Equation) -> bool:
        return equation.primitive.is_composite and not keep(equation.primitive)

    while any(is_open(e) for e in program.equations):
        scratch = Trace()
        for equation in program.equations:
            if is_open(equation):
                expand_in_place(scratch, equation)
            else:
                scratch.equations.append(equation)
        program = Program(program.inputs, program.state, scratch.equations, program.outputs)
    return program


@rewrite("identity", keeps_derivatives=True)
def _identity(equation: Equation, producers: Producers) -> Atom | None:
    return equation.inputs[0]
