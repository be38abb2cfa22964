"""Reverse-mode differentiation: the backward pass is a program as well.

The transform walks the equations of a trace backwards, calls each primitive's VJP with symbolic cotangents, sums over
broadcast axes and adds the cotangents of values that are used more than once. It visits only the equations between the
chosen inputs and the target.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

from graphkit.core import dtypes, names
from graphkit.core.errors import GraphError, InvalidArgumentError, NotDifferentiableError, ShapeError
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Atom, Equation, Literal, Program, Value
from graphkit.ir.tracing import Trace, Tracer, constant, current_trace, replay, trace, tracing
from graphkit.ir.variable import Variable


def gradients(target: Tracer, wrt: Sequence[Tracer | Variable], cotangent: Any = None) -> list[Any]:
    """Differentiate `target` with respect to each of `wrt`, inside the current trace.

    Args:
        target: a traced tensor; a scalar unless `cotangent` is given.
        wrt: traced tensors or variables.
        cotangent: the cotangent of `target`, of its shape and dtype; 1 by default.

    Returns:
        One gradient for each of `wrt`; None if `target` does not depend on it.

    Raises:
        GraphError: If there is no current trace, or `target` is not a traced tensor.
        ShapeError: If `target` is not a scalar and there is no `cotangent`.
        NotDifferentiableError: If an op between `wrt` and `target` has no gradient.
    """
    current = current_trace()
    if current is None or not isinstance(target, Tracer):
        raise GraphError("gradients() works on tensors inside a trace; use graphkit.value_and_grad outside of one.")
    if cotangent is None:
        if target.shape != ():
            raise ShapeError(f"The gradient needs a scalar target, got shape {target.shape}. Sum or average it first.")
        cotangent = constant(1, target.dtype)
    sources = [current.before(w) if isinstance(w, Variable) else current.lift(w) for w in wrt]
    cotangents = backward(current, [(target.value, cotangent)], sources)
    return [cotangents.get(s) if isinstance(s, Value) else None for s in sources]


def vjp(outputs: Sequence[Any], cotangents: Sequence[Any], wrt: Sequence[Any]) -> list[Any]:
    """Differentiate several outputs at once, inside the current trace.

    Args:
        outputs: tensors; those that are not traced are constants.
        cotangents: one for each output; None stands for zero.
        wrt: the tensors to differentiate with respect to.

    Returns:
        One gradient for each of `wrt`; None if no output depends on it.

    Raises:
        NotDifferentiableError: If an op between `wrt` and an output has no gradient.
    """
    current = current_trace()
    assert current is not None
    pairs = [(o.value, c) for o, c in zip(outputs, cotangents, strict=True) if isinstance(o, Tracer) and c is not None]
    sources = [current.lift(w) for w in wrt]
    found = backward(current, pairs, sources)
    return [found.get(s) if isinstance(s, Value) else None for s in sources]


def grad(program: Program, wrt: Sequence[int] | None = None) -> Program:
    """Return a program that computes `program`'s outputs, followed by the gradients of its first output.

    State is read and updated as in `program`.

    Args:
        program: any program whose first output is a scalar.
        wrt: the indexes of the inputs to differentiate with respect to; all by default. An input that the first output
            does not depend on gets a gradient of zeros.

    Raises:
        InvalidArgumentError: If `wrt` holds an index that is out of range.
        ShapeError: If the first output is not a scalar.
        NotDifferentiableError: If an op between an input and the first output has no gradient.
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


def backward(
    current: Trace, targets: Sequence[tuple[Value, Any]], sources: Sequence[Atom], epochs: Container[int] | None = None
) -> dict[Value, Any]:
    """Walk the equations of a trace backwards, and return the cotangents of the sources that the targets depend on.

    Args:
        current: the trace, which gets the equations of the backward pass.
        targets: values and their cotangents.
        sources: the atoms to differentiate with respect to.
        epochs: the stretches of the trace whose equations count; all by default.

    Raises:
        NotDifferentiableError: If an op between a source and a target has no gradient.
    """
    wanted = {s for s in sources if isinstance(s, Value)}
    _expand_composites(current, {v for v, _ in targets}, wanted, epochs)
    path = _path(current.equations, {v for v, _ in targets}, wanted, epochs)
    visited = [e for e, on_path in zip(current.equations, path, strict=True) if on_path]
    cotangents: dict[Value, Any] = {}
    for value, cotangent in targets:  # the cotangents of a value that is a target twice are added
        _accumulate(cotangents, value, cotangent)
    for equation in reversed(visited):
        if any(v in cotangents for v in equation.outputs):
            _apply_vjp(current, equation, cotangents, wanted)
    return cotangents


def _path(
    equations: Sequence[Equation], targets: set[Value], sources: set[Value], epochs: Container[int] | None = None
) -> list[bool]:
    """Return, for each equation, whether it lies between sources and targets."""
    forward = set(sources)
    reached = []
    for equation in equations:
        depends = any(isinstance(a, Value) and a in forward for a in equation.inputs)
        depends = depends and (epochs is None or equation.epoch in epochs)
        if depends:
            forward.update(v for v in equation.outputs if dtypes.is_differentiable(v.spec.dtype))
        reached.append(depends)
    needed = set(targets)
    path = [False] * len(reached)
    for index in range(len(reached) - 1, -1, -1):
        equation = equations[index]
        if reached[index] and any(v in needed and v in forward for v in equation.outputs):
            path[index] = True
            needed.update(a for a in equation.inputs if isinstance(a, Value) and a in forward)
    return path


def _expand_composites(
    current: Trace, targets: set[Value], sources: set[Value], epochs: Container[int] | None = None
) -> None:
    """Expand the composites on the path that have no VJP, until none is left."""
    while True:
        path = _path(current.equations, targets, sources, epochs)
        open_ones = [p and _is_open(e) for e, p in zip(current.equations, path, strict=True)]
        if not any(open_ones):
            return
        old, current.equations = current.equations, []
        now = current.epoch
        for equation, is_open in zip(old, open_ones, strict=True):
            if is_open:
                current.epoch = equation.epoch
                expand_in_place(current, equation)
            else:
                current.equations.append(equation)
        current.epoch = now


def _is_open(equation: Equation) -> bool:
    primitive = equation.primitive
    return primitive.is_composite and primitive.vjp is None and primitive.nondiff is None


def expand_in_place(current: Trace, equation: Equation) -> None:
    """Emit the decomposition of `equation` into `current`, bound to the equation's output values."""
    args = [current.wrap(a) for a in equation.inputs]
    assert equation.primitive.decomposition is not None
    with tracing(current), names.scope_is(equation.scope):
        made = equation.primitive.decomposition(*args, **equation.params)
        outputs = made if isinstance(made, (tuple, list)) else (made,)
        for value, output in zip(equation.outputs, outputs, strict=True):
            _bind_value(current, value, current.lift(output))


def _bind_value(current: Trace, value: Value, atom: Atom) -> None:
    """Make `value` an alias of `atom` by an identity equation, which `simplify` removes."""
    identity = PRIMITIVES["identity"]
    current.equations.append(Equation(identity, (atom,), {}, (value,), names.current_scope(), current.epoch))


def _apply_vjp(current: Trace, equation: Equation, cotangents: dict[Value, Any], wanted: set[Value]) -> None:
    rule = _rule(equation)
    given = [cotangents.get(v) for v in equation.outputs]
    for value in equation.outputs:
        if value not in wanted:
            cotangents.pop(value, None)  # SSA: no earlier equation reads it
    inputs = [current.wrap(a) for a in equation.inputs]
    outputs = [current.wrap(v) for v in equation.outputs]
    single = len(outputs) == 1 and not _gives_tuple(equation)
    with names.scope_is(equation.scope):
        found = rule(
            given[0] if single else tuple(given), outputs[0] if single else tuple(outputs), *inputs, **equation.params
        )
        if len(found) != len(inputs):
            raise GraphError(
                f"The VJP of {equation.primitive.name!r} returned {len(found)} cotangents for {len(inputs)} inputs."
            )
        for atom, cotangent in zip(equation.inputs, found, strict=True):
            if isinstance(atom, Literal) or cotangent is None or not dtypes.is_differentiable(atom.spec.dtype):
                continue
            _accumulate(cotangents, atom, _fit(equation, cotangent() if callable(cotangent) else cotangent, atom))


def _gives_tuple(equation: Equation) -> bool:
    """Whether the rule returns a tuple of specs: a scan or branch does, even with a single output."""
    return isinstance(equation.primitive.infer_raw([a.spec for a in equation.inputs], equation.params), tuple)


def _rule(equation: Equation) -> Callable[..., Sequence[Any]]:
    primitive = equation.primitive
    if primitive.vjp is None:
        where = f" (in {equation.scope})" if equation.scope else ""
        raise NotDifferentiableError(f"There is no gradient through {primitive.name!r}{where}: {primitive.nondiff}.")
    return primitive.vjp


def _fit(equation: Equation, cotangent: Any, atom: Value) -> Any:
    """Sum the cotangent over the axes that broadcasting added, and cast it to the input's dtype."""
    if cotangent is None:
        return None
    spec = atom.spec
    if not hasattr(cotangent, "shape"):
        cotangent = constant(cotangent, spec.dtype)
    if tuple(cotangent.shape) != spec.shape:
        if len(cotangent.shape) < len(spec.shape):
            raise GraphError(
                f"The VJP of {equation.primitive.name!r} returned shape {cotangent.shape} for an input of shape {spec.shape}."
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
