"""Reverse-mode differentiation: the backward pass is a program too.

Walks the equations of a trace backwards, calls each primitive's VJP with symbolic cotangents, sums over axes that were
broadcast, adds up where a value was used more than once, and visits only what lies between the wanted inputs and the target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphkit.core import dtypes, names
from graphkit.core.errors import GraphError, InvalidArgumentError, NotDifferentiableError, ShapeError
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Atom, Equation, Literal, Program, Value
from graphkit.ir.tracing import Trace, Tracer, constant, current_trace, replay, trace, tracing
from graphkit.ir.variable import Variable


def gradients(target: Tracer, wrt: Sequence[Tracer | Variable], cotangent: Any = None) -> list[Any]:
    """The gradients of `target` with respect to each of `wrt`, inside the trace under way; None where it does not depend on it.

    `cotangent` (1 by default, then `target` must be a scalar) is what the chain rule starts from.
    """
    current = current_trace()
    if current is None or not isinstance(target, Tracer):
        raise GraphError("gradients() works on tensors inside a trace; outside of one use graphkit.value_and_grad.")
    if cotangent is None:
        if target.shape != ():
            raise ShapeError(f"The gradient wants a scalar target, got shape {target.shape}. Sum or average it first.")
        cotangent = constant(1, target.dtype)
    sources = [current.before(w) if isinstance(w, Variable) else current.lift(w) for w in wrt]
    cotangents = _backward(current, [(target.value, cotangent)], sources)
    return [cotangents.get(s) if isinstance(s, Value) else None for s in sources]


def vjp(outputs: Sequence[Any], cotangents: Sequence[Any], wrt: Sequence[Any]) -> list[Any]:
    """Gradients of several outputs at once, each with its cotangent (None: zero), inside the trace under way."""
    current = current_trace()
    assert current is not None
    pairs = [(o.value, c) for o, c in zip(outputs, cotangents, strict=True) if isinstance(o, Tracer) and c is not None]
    sources = [current.lift(w) for w in wrt]
    found = _backward(current, pairs, sources)
    return [found.get(s) if isinstance(s, Value) else None for s in sources]


def grad(program: Program, wrt: Sequence[int] | None = None) -> Program:
    """The program that gives `program`'s outputs and then the gradients of the first one with respect to inputs `wrt` (all).

    The first output must be a scalar. An input that it does not depend on gets zeros. State is read and updated as before.
    """
    chosen = range(len(program.inputs)) if wrt is None else wrt
    if any(not 0 <= index < len(program.inputs) for index in chosen):
        raise InvalidArgumentError(f"wrt={list(chosen)} names inputs beyond the program's {len(program.inputs)}.")

    def both(*args: Any) -> list[Any]:
        outputs = replay(program, args)
        is_constant = not isinstance(outputs[0], Tracer)
        found = [None for _ in chosen] if is_constant else gradients(outputs[0], [args[i] for i in chosen])
        return [*outputs, *(_zeros(args[i]) if g is None else g for i, g in zip(chosen, found, strict=True))]

    return trace(both, *(v.spec for v in program.inputs))


def _zeros(like: Tracer) -> Any:
    return PRIMITIVES["broadcast_to"].bind(constant(0, like.dtype), shape=like.shape)


def _backward(current: Trace, targets: list[tuple[Value, Any]], sources: Sequence[Atom]) -> dict[Value, Any]:
    wanted = {s for s in sources if isinstance(s, Value)}
    _expand_composites(current, {v for v, _ in targets}, wanted)
    path = _path(current.equations, {v for v, _ in targets}, wanted)
    visited = [e for e, on_path in zip(current.equations, path, strict=True) if on_path]
    cotangents: dict[Value, Any] = {}
    for value, cotangent in targets:  # a value that is a target twice gets an equation that adds up
        _accumulate(cotangents, value, cotangent)
    for equation in reversed(visited):
        if any(v in cotangents for v in equation.outputs):
            _apply_vjp(current, equation, cotangents, wanted)
    return cotangents


def _path(equations: Sequence[Equation], targets: set[Value], sources: set[Value]) -> list[bool]:
    """For each equation, whether it lies between sources and targets."""
    forward = set(sources)
    reached = []
    for equation in equations:
        depends = any(isinstance(a, Value) and a in forward for a in equation.inputs)
        if depends:
            forward.update(v for v in equation.outputs if dtypes.is_differentiable(v.spec.dtype))
        reached.append(depends)
    backward = set(targets)
    path = [False] * len(reached)
    for index in range(len(reached) - 1, -1, -1):
        equation = equations[index]
        if reached[index] and any(v in backward and v in forward for v in equation.outputs):
            path[index] = True
            backward.update(a for a in equation.inputs if isinstance(a, Value) and a in forward)
    return path


def _expand_composites(current: Trace, targets: set[Value], sources: set[Value]) -> None:
    """Replace the composites on the path that have no VJP of their own by what they are made of, until none is left."""
    while True:
        path = _path(current.equations, targets, sources)
        open_ones = [p and _is_open(e) for e, p in zip(current.equations, path, strict=True)]
        if not any(open_ones):
            return
        old, current.equations = current.equations, []
        for equation, is_open in zip(old, open_ones, strict=True):
            if is_open:
                expand_in_place(current, equation)
            else:
                current.equations.append(equation)


def _is_open(equation: Equation) -> bool:
    primitive = equation.primitive
    return primitive.is_composite and primitive.vjp is None and primitive.nondiff is None


def expand_in_place(current: Trace, equation: Equation) -> None:
    """Emit the decomposition of `equation` into `current` so that it makes the same values."""
    args = [Tracer(current, a) if isinstance(a, Value) else a.array for a in equation.inputs]
    assert equation.primitive.decomposition is not None
    with tracing(current), names.scope_is(equation.scope):
        made = equation.primitive.decomposition(*args, **equation.params)
        outputs = made if isinstance(made, (tuple, list)) else (made,)
        for value, output in zip(equation.outputs, outputs, strict=True):
            _bind_value(current, value, current.lift(output))


def _bind_value(current: Trace, value: Value, atom: Atom) -> None:
    """Make `value` the name of `atom`: an identity equation that `simplify` takes out."""
    identity = PRIMITIVES["identity"]
    current.equations.append(Equation(identity, (atom,), {}, (value,), names.current_scope()))


def _apply_vjp(current: Trace, equation: Equation, cotangents: dict[Value, Any], wanted: set[Value]) -> None:
    rule = _rule(equation)
    given = [cotangents.get(v) for v in equation.outputs]
    for value in equation.outputs:
        if value not in wanted:
            cotangents.pop(value, None)  # SSA: nothing before this equation reads it
    inputs = [Tracer(current, a) if isinstance(a, Value) else a.array for a in equation.inputs]
    outputs = [Tracer(current, v) for v in equation.outputs]
    single = len(outputs) == 1 and not _gives_tuple(equation)
    with names.scope_is(equation.scope):
        found = rule(
            given[0] if single else tuple(given), outputs[0] if single else tuple(outputs), *inputs, **equation.params
        )
        if len(found) != len(inputs):
            raise GraphError(
                f"The VJP of {equation.primitive.name!r} gave {len(found)} cotangents for {len(inputs)} inputs."
            )
        for atom, cotangent in zip(equation.inputs, found, strict=True):
            if isinstance(atom, Literal) or cotangent is None or not dtypes.is_differentiable(atom.spec.dtype):
                continue
            _accumulate(cotangents, atom, _fit(equation, cotangent() if callable(cotangent) else cotangent, atom))


def _gives_tuple(equation: Equation) -> bool:
    """Whether the primitive is one of several outputs, of which it may have just one here (a scan, a branch)."""
    return isinstance(equation.primitive.infer_raw([a.spec for a in equation.inputs], equation.params), tuple)


def _rule(equation: Equation) -> Callable[..., Sequence[Any]]:
    primitive = equation.primitive
    if primitive.vjp is None:
        where = f" (in {equation.scope})" if equation.scope else ""
        raise NotDifferentiableError(f"There is no gradient through {primitive.name!r}{where}: {primitive.nondiff}.")
    return primitive.vjp


def _fit(equation: Equation, cotangent: Any, atom: Value) -> Any:
    """The cotangent summed over the axes that broadcasting added, in the input's shape and dtype."""
    if cotangent is None:
        return None
    spec = atom.spec
    if not hasattr(cotangent, "shape"):
        cotangent = constant(cotangent, spec.dtype)
    if tuple(cotangent.shape) != spec.shape:
        if len(cotangent.shape) < len(spec.shape):
            raise GraphError(
                f"The VJP of {equation.primitive.name!r} gave a cotangent of shape {cotangent.shape} for an input of shape {spec.shape}."
            )
        cotangent = PRIMITIVES["sum_to"].bind(cotangent, shape=spec.shape)
    if str(getattr(cotangent, "dtype", spec.dtype)) != spec.dtype:
        cotangent = PRIMITIVES["cast"].bind(cotangent, dtype=spec.dtype)
    return cotangent


def _accumulate(cotangents: dict[Value, Any], value: Value, cotangent: Any) -> None:
    if cotangent is None:
        return
    known = cotangents.get(value)
    cotangents[value] = cotangent if known is None else PRIMITIVES["add"].bind(known, cotangent)
