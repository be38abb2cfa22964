"""Loops and branches: primitives whose params hold the programs of their bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.dims import Dim, Shape, Size
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir import gradient
from graphkit.ir.primitive import primitive
from graphkit.ir.program import Program, Value
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, current_trace, replay, specialize, trace, trace_body
from graphkit.ir.variable import Variable
from graphkit.ops._convert import dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_sizes, show
from graphkit.ops._scan_gradient import differentiate_body, widened
from graphkit.ops.elementwise import add, cast, equal, less, logical_and, maximum, minimum
from graphkit.ops.shaping import arange, broadcast_to, flip, stack

__all__ = ["associative_scan", "cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop"]


def fitted(program: Program, specs: Sequence[TensorSpec]) -> Program:
    """A body for inputs of these specs."""
    return program if [v.spec for v in program.inputs] == list(specs) else specialize(program, specs)


def _result_specs(program: Program, specs: Sequence[TensorSpec]) -> list[TensorSpec]:
    return [o.spec for o in fitted(program, specs).outputs]


def _same_spec(a: TensorSpec, b: TensorSpec) -> bool:
    if a.dtype != b.dtype or a.rank != b.rank:
        return False
    return all(m == n or isinstance(m, Dim) or isinstance(n, Dim) for m, n in zip(a.shape, b.shape, strict=True))


def _listed(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(str(s) for s in specs)


def _check_carries(what: str, before: Sequence[TensorSpec], after: Sequence[TensorSpec]) -> None:
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        if not _same_spec(old, new):
            raise ShapeError(
                f"{what}: what is carried must keep its shape and dtype; value {number} goes in as {old} and comes out as {new}."
            )


# ----- scan -----


def _step_specs(specs: Sequence[TensorSpec], carries: int, sequences: int) -> list[TensorSpec]:
    """What one step of a scan sees: carries, one slice of each sequence, constants."""
    stop = carries + sequences
    slices = [TensorSpec(s.shape[1:], s.dtype) for s in specs[carries:stop]]
    return [*specs[:carries], *slices, *specs[stop:]]


def _scan_abstract(
    *specs: TensorSpec, body: Program, carries: int, sequences: int, length: Size, reverse: bool
) -> tuple[TensorSpec, ...]:
    made = _result_specs(body, _step_specs(specs, carries, sequences))
    _check_carries("scan", specs[:carries], made[:carries])
    return (*specs[:carries], *(TensorSpec((length, *s.shape), s.dtype) for s in made[carries:]))


def _prepare_scan(
    out: Any, *arrays: Any, body: Program, carries: int, sequences: int, length: int, reverse: bool
) -> Callable[[], None]:
    """The body is compiled once; each step copies a slice in and the results out."""
    from graphkit.engine import compile_program

    plan = compile_program(fitted(body, _step_specs([TensorSpec.of(a) for a in arrays], carries, sequences)))
    stop = carries + sequences
    xs = list(zip(plan.inputs[carries:stop], arrays[carries:stop], strict=True))
    ys = list(zip(out[carries:], plan.outputs[carries:], strict=True))
    once = [
        *zip(plan.inputs[:carries], arrays[:carries], strict=True),
        *zip(plan.inputs[stop:], arrays[stop:], strict=True),
    ]
    finals = list(zip(out[:carries], plan.inputs[:carries], strict=True))
    moves = _moves(plan.inputs[:carries], plan.outputs[:carries])
    order = range(length - 1, -1, -1) if reverse else range(length)

    def run() -> None:
        for target, source in once:
            np.copyto(target, source)
        for step in order:
            for target, source in xs:
                np.copyto(target, source[step])
            plan.step()
            for target, source in ys:
                target[step] = source
            for target, source in moves:
                np.copyto(target, source)
        for target, source in finals:
            np.copyto(target, source)

    return run


def _moves(targets: Sequence[Any], sources: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Copies that set carried values for the next step; what shows a target's memory is set aside first."""
    pairs = [(t, s) for t, s in zip(targets, sources, strict=True) if s is not t]
    aside, late = [], []
    for target, source in pairs:
        if any(np.may_share_memory(source, other) for other, _ in pairs):
            kept = np.empty_like(source)
            aside.append((kept, source))
            source = kept
        late.append((target, source))
    return [*aside, *late]


def _scan_vjp(
    g: Any, out: Any, *inputs: Any, body: Program, carries: int, sequences: int, length: Size, reverse: bool
) -> list[Any]:
    """A scan the other way, over what the forward one keeps for it."""
    specs = [TensorSpec.of(i) for i in inputs]
    body = fitted(body, _step_specs(specs, carries, sequences))
    parts = differentiate_body(body, carries, sequences, [cotangent is not None for cotangent in g[carries:]])
    further = [TensorSpec((length, *a.spec.shape), a.spec.dtype) for a in parts.forward.outputs[len(out) :]]
    kept = widened(out, {"body": parts.forward}, further)
    cts = [g[i] if g[i] is not None else _zeros_like(inputs[i]) for i in parts.carried]
    sums = [_zeros_like(inputs[i]) for i in parts.summed]
    stacks = [*(c for c in g[carries:] if c is not None), *kept, *(inputs[i] for i in parts.slices)]
    made = scan_p.bind(
        *cts, *sums, *stacks, *(inputs[i] for i in parts.constants),
        body=parts.backward, carries=len(cts) + len(sums), sequences=len(stacks), length=length, reverse=not reverse,
    )  # fmt: skip
    found: list[Any] = [None] * len(inputs)
    for index, cotangent in zip([*parts.carried, *parts.summed, *parts.spread], made, strict=True):
        found[index] = cotangent
    return found


def _zeros_like(x: Any) -> Any:
    return broadcast_to(tensor(0, dtype_name(x)), shape_of(x))


scan_p = primitive(
    # inputs: what is carried, sequences (time first), constants; outputs: the last carries, stacked results of the steps;
    # body: (carries, slices, constants) -> (carries, results)
    "scan",
    _scan_abstract,
    prepare=_prepare_scan,
    vjp=_scan_vjp,
)


@operation("Scan", "core", tensors="init xs")
def scan(
    f: Callable[..., Any], init: Any, xs: Any = None, length: Any = None, reverse: bool = False, unroll: Any = 1
) -> tuple[Any, Any]:
    """`carry, y = f(carry, x)` for each slice `x` of `xs` along the first axis; gives the last carry and the stacked `y`s.

    Args:
        f: what is carried keeps its structure, shapes and dtypes.
        init: the first carry; tensors in any structure.
        xs: tensors with one first size, in any structure; None: `f` gets None, and `length` says how often.
        length: the number of steps where `xs` does not say it.
        reverse: from the last slice to the first; the `y`s stay at their slices' places.
        unroll: accepted; True writes the steps out one by one.

    Raises ShapeError if sizes do not agree or the carry changes. Source: keras.ops.scan.
    """
    init = nest.map_structure(tensor, init)
    leaves = [tensor(x) for x in nest.flatten(xs) if x is not None]
    steps = _length(leaves, length)
    if current_trace() is None or (unroll is True and isinstance(steps, int)):
        return _scan_at_once(f, init, xs, leaves, steps, reverse)
    return _scan_traced(f, init, xs, leaves, steps, reverse)


def _length(leaves: Sequence[Any], length: Any) -> Size:
    sizes = [shape_of(x)[0] if x.ndim else None for x in leaves]
    if None in sizes:
        raise ShapeError("scan wants tensors of at least one axis in `xs`, got a scalar.")
    if length is not None:
        sizes.append(length if isinstance(length, Dim) else int(length))
    if not sizes:
        raise InvalidArgumentError("scan needs `xs`, or `length` to know the number of steps.")
    known = {s for s in sizes if isinstance(s, int)}
    if len(known) > 1:
        raise ShapeError(f"scan: the first sizes of `xs` and `length` must be equal, got {sizes}.")
    return known.pop() if known else sizes[0]  # type: ignore[return-value]


def _scan_at_once(f: Any, init: Any, xs: Any, leaves: Sequence[Any], steps: Any, reverse: bool) -> tuple[Any, Any]:
    carry, results = init, []
    order = range(steps)[::-1] if reverse else range(steps)
    for step in order:
        carry, y = f(carry, nest.pack(xs, [x[step] for x in leaves]) if leaves else None)
        results.append(y)
    if reverse:
        results.reverse()
    if not results or all(leaf is None for leaf in nest.flatten(results[0])):
        return carry, None
    columns = zip(*(nest.flatten(r) for r in results), strict=True)
    return carry, nest.pack(results[0], [stack(list(column), axis=0) for column in columns])


def _scan_traced(f: Any, init: Any, xs: Any, leaves: Sequence[Any], steps: Size, reverse: bool) -> tuple[Any, Any]:
    carried = nest.flatten(init)
    specs = [TensorSpec.of(c) for c in carried] + [TensorSpec(shape_of(x)[1:], dtype_name(x)) for x in leaves]
    shapes: list[Any] = []

    def step(*args: Any) -> list[Any]:
        slices = nest.pack(xs, args[len(carried) :]) if leaves else None
        carry, y = f(nest.pack(init, args[: len(carried)]), slices)
        after = nest.flatten(carry)
        if len(after) != len(carried):
            raise ShapeError(
                f"scan: f must give a carry like `init`, {nest.describe(init)}, got {nest.describe(carry)}."
            )
        after = [tensor(a, s.dtype) for a, s in zip(after, specs[: len(carried)], strict=True)]
        ys = [] if y is None else nest.flatten(y)
        shapes.append(None if y is None or all(leaf is None for leaf in ys) else y)
        return [*after, *(tensor(leaf) for leaf in ys if leaf is not None)]

    body, captured, _ = trace_body(step, specs)
    made = scan_p.bind(
        *carried,
        *leaves,
        *captured,
        body=body,
        carries=len(carried),
        sequences=len(leaves),
        length=steps,
        reverse=bool(reverse),
    )
    last = nest.pack(init, made[: len(carried)])
    return last, None if shapes[0] is None else nest.pack(shapes[0], made[len(carried) :])


# ----- while_loop -----


def _split_constants(count: int, test_constants: int, values: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    middle = count + test_constants
    return list(values[:count]), list(values[count:middle]), list(values[middle:])


def _while_abstract(
    *specs: TensorSpec, test: Program, body: Program, carries: int, test_constants: int
) -> tuple[TensorSpec, ...]:
    carried, first, second = _split_constants(carries, test_constants, specs)
    decided = _result_specs(test, [*carried, *first])
    if len(decided) != 1 or decided[0].shape != () or decided[0].dtype != "bool":
        raise ShapeError(f"while_loop: cond must give one bool scalar, got {_listed(decided)}.")
    _check_carries("while_loop", carried, _result_specs(body, [*carried, *second]))
    return tuple(carried)


def _prepare_while(
    out: Any, *arrays: Any, test: Program, body: Program, carries: int, test_constants: int
) -> Callable[[], None]:
    from graphkit.engine import compile_program

    carried, first, second = _split_constants(carries, test_constants, arrays)
    deciding = compile_program(fitted(test, [TensorSpec.of(a) for a in (*carried, *first)]))
    stepping = compile_program(fitted(body, [TensorSpec.of(a) for a in (*carried, *second)]))
    state = stepping.inputs[:carries]
    once = [*zip(state, carried, strict=True), *zip(stepping.inputs[carries:], second, strict=True)]
    once += zip(deciding.inputs[carries:], first, strict=True)
    shown = list(zip(deciding.inputs[:carries], state, strict=True))
    moves = _moves(state, stepping.outputs)
    answer = deciding.outputs[0]

    def holds() -> bool:
        for target, source in shown:
            np.copyto(target, source)
        deciding.step()
        return bool(answer[()])

    def run() -> None:
        for target, source in once:
            np.copyto(target, source)
        while holds():
            stepping.step()
            for target, source in moves:
                np.copyto(target, source)
        for target, source in zip(out, state, strict=True):
            np.copyto(target, source)

    return run


while_loop_p = primitive(
    # inputs: what is carried, constants of the test, constants of the body; outputs: the last carries
    "while_loop",
    _while_abstract,
    prepare=_prepare_while,
    nondiff="the number of steps is not known beforehand; use ops.scan, or ops.fori_loop between known bounds",
)


@operation("WhileLoop", "core", tensors="loop_vars")
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """`loop_vars = body(*loop_vars)` as long as `cond(*loop_vars)` holds, at most `maximum_iterations` times.

    Gives the last `loop_vars` in their structure (a list or tuple; a single tensor stays single). There is no gradient.
    Source: keras.ops.while_loop.
    """
    is_nested = nest.is_nested(loop_vars)
    given = tuple(nest.map_structure(tensor, v) for v in loop_vars) if is_nested else (tensor(loop_vars),)

    def step(*values: Any) -> tuple[Any, ...]:
        made = body(*values)
        return tuple(made) if isinstance(made, (list, tuple)) else (made,)

    if current_trace() is None:
        last = _while_at_once(cond, step, given, maximum_iterations)
    else:
        last = _while_traced(cond, step, given, maximum_iterations)
    if not is_nested:
        return last[0]
    return list(last) if isinstance(loop_vars, list) else last


def _while_at_once(test: Any, step: Any, values: tuple[Any, ...], limit: int | None) -> tuple[Any, ...]:
    count = 0
    while (limit is None or count < limit) and bool(np.asarray(test(*values))):
        made = step(*values)
        values = tuple(
            nest.map_structure(lambda new, old: tensor(new, dtype_name(old)), n, o)
            for n, o in zip(made, values, strict=True)
        )
        count += 1
    return values


def _while_traced(test: Any, step: Any, given: tuple[Any, ...], limit: int | None) -> tuple[Any, ...]:
    carried = nest.flatten(given)
    if limit is not None:
        carried.append(tensor(0, "int32"))
    specs = [TensorSpec.of(c) for c in carried]

    def unpack(args: Sequence[Any]) -> Any:
        return nest.pack(given, args[:-1] if limit is not None else args)

    def holds(*args: Any) -> Any:
        decided = cast(test(*unpack(args)), "bool")
        return decided if limit is None else logical_and(decided, less(args[-1], limit))

    def advance(*args: Any) -> list[Any]:
        made = [tensor(m, s.dtype) for m, s in zip(nest.flatten(step(*unpack(args))), specs, strict=False)]
        return made if limit is None else [*made, add(args[-1], 1)]

    test_program, first, _ = trace_body(holds, specs)
    body_program, second, _ = trace_body(advance, specs)
    made = while_loop_p.bind(
        *carried, *first, *second, test=test_program, body=body_program, carries=len(carried), test_constants=len(first)
    )
    result: tuple[Any, ...] = unpack(made)
    return result


@operation("ForiLoop", "core", tensors="lower upper init_val")
def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """`value = body_fun(i, value)` for i from `lower` to `upper` - 1. Bounds that are sizes let gradients through.

    Source: keras.ops.fori_loop.
    """
    if all(isinstance(bound, (int, np.integer, Dim)) for bound in (lower, upper)):
        return scan(lambda value, i: (body_fun(i, value), None), init_val, arange(lower, upper, dtype="int32"))[0]
    start, stop = tensor(lower, "int32"), tensor(upper, "int32")
    return while_loop(
        lambda i, value: less(i, stop), lambda i, value: (add(i, 1), body_fun(i, value)), (start, init_val)
    )[1]


# ----- cond -----


def _cond_abstract(predicate: TensorSpec, *specs: TensorSpec, true: Program, false: Program) -> tuple[TensorSpec, ...]:
    if predicate.shape != ():
        raise ShapeError(
            f"cond wants a scalar predicate, got shape {show(predicate.shape)}. Use ops.where to choose element by element."
        )
    yes, no = _result_specs(true, specs), _result_specs(false, specs)
    if len(yes) != len(no) or not all(_same_spec(a, b) for a, b in zip(yes, no, strict=True)):
        raise ShapeError(
            f"cond: both branches must give tensors of the same shapes and dtypes, got {_listed(yes)} and {_listed(no)}."
        )
    return tuple(TensorSpec(_joined(a.shape, b.shape), a.dtype) for a, b in zip(yes, no, strict=True))


def _joined(a: Shape, b: Shape) -> Shape:
    return tuple(n if m == 1 else broadcast_sizes(m, n) or m for m, n in zip(a, b, strict=True))


def _prepare_cond(out: Any, predicate: Any, *arrays: Any, true: Program, false: Program) -> Callable[[], None]:
    from graphkit.engine import compile_program

    specs = [TensorSpec.of(a) for a in arrays]
    plans = {flag: compile_program(fitted(branch, specs)) for flag, branch in ((True, true), (False, false))}

    def run() -> None:
        plan = plans[bool(predicate[()])]
        plan.load(arrays)
        plan.step()
        for target, source in zip(out, plan.outputs, strict=True):
            np.copyto(target, source)

    return run


def _cond_vjp(g: Any, out: Any, predicate: Any, *operands: Any, true: Program, false: Program) -> list[Any]:
    """The branch that was taken, backwards."""
    chosen = [i for i, o in enumerate(operands) if dtypes.is_float(dtype_name(o))]
    given = [cotangent for cotangent in g if cotangent is not None]
    specs = [TensorSpec.of(v) for v in (*operands, *given)]

    def backward(branch: Program) -> Program:
        def body(*args: Any) -> list[Any]:
            values, cts = args[: len(operands)], iter(args[len(operands) :])
            outputs = replay(branch, values)
            wrt = [values[i] for i in chosen]
            found = gradient.vjp(outputs, [None if c is None else next(cts) for c in g], wrt)
            return [_zeros_like(w) if f is None else f for f, w in zip(found, wrt, strict=True)]

        return trace(body, *specs)

    if not chosen:
        return [None] * (1 + len(operands))
    made = cond_p.bind(predicate, *operands, *given, true=backward(true), false=backward(false))
    result: list[Any] = [None] * (1 + len(operands))
    for i, cotangent in zip(chosen, made, strict=True):
        result[1 + i] = cotangent
    return result


cond_p = primitive(
    # inputs: a bool scalar, then what either branch reads; both branches take all of it and give the same specs
    "cond",
    _cond_abstract,
    prepare=_prepare_cond,
    vjp=_cond_vjp,
)


@operation("Cond", "core", tensors="pred")
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """`true_fn()` if the scalar `pred` holds, else `false_fn()`; both give the same structure, shapes and dtypes.

    Source: keras.ops.cond.
    """
    if not isinstance(pred, (Tracer, Variable)) or current_trace() is None:
        return true_fn() if bool(np.asarray(tensor(pred))) else false_fn()
    yes, read_by_yes, structure = trace_body(_tensors_of(true_fn), [])
    no, read_by_no, other = trace_body(_tensors_of(false_fn), [])
    if nest.describe(structure) != nest.describe(other):
        raise InvalidTypeError(
            f"cond: the branches give different structures, {nest.describe(structure)} and {nest.describe(other)}."
        )
    operands = {t.value: t for t in (*read_by_yes, *read_by_no)}
    true = _taking(yes, [t.value for t in read_by_yes], operands)
    false = _taking(no, [t.value for t in read_by_no], operands)
    made = cond_p.bind(cast(pred, "bool"), *operands.values(), true=true, false=false)
    return nest.pack(structure, made)


def _tensors_of(function: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: nest.map_structure(tensor, function())


def _taking(program: Program, read: Sequence[Value], operands: dict[Value, Any]) -> Program:
    """The branch with an input for each operand, whether it reads it or not."""
    own = dict(zip(read, program.inputs, strict=True))
    return Program(
        [own.get(v) or Value(v.spec, v.name) for v in operands], program.state, program.equations, program.outputs
    )


@operation("Switch", "core", tensors="index operands")
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """`branches[index](*operands)`; an index beyond the ends takes the first or last branch. Source: keras.ops.switch."""
    if not branches:
        raise InvalidArgumentError("switch needs at least one branch.")
    index = minimum(maximum(tensor(index), 0), len(branches) - 1)

    def choose(low: int) -> Any:
        if low == len(branches) - 1:
            return branches[low](*operands)
        return cond(equal(index, low), lambda: branches[low](*operands), lambda: choose(low + 1))

    return choose(0)


# ----- built of these -----


@operation("Map", "core", tensors="xs")
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """`f` of each slice of `xs` along the first axis, stacked. Source: keras.ops.map."""
    return scan(lambda _, x: ((), f(x)), (), xs)[1]


@operation("VectorizedMap", "core", tensors="elements")
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """`function` of each slice of `elements` along the first axis, stacked. Source: keras.ops.vectorized_map."""
    return map(function, elements)


@operation("AssociativeScan", "core", tensors="elems")
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Running `f` along `axis`: e0, f(e0, e1), f(f(e0, e1), e2), ...; f works on slices of any length along the axis.

    Done in log2(n) rounds on whole arrays, so the size of the axis must be known. Source: keras.ops.associative_scan.
    """
    leaves = [tensor(leaf) for leaf in nest.flatten(elems)]
    size = shape_of(leaves[0])[axis]
    if isinstance(size, Dim):
        raise ShapeError(
            f"associative_scan wants a known size of axis {axis}, got shape {show(shape_of(leaves[0]))}. Use ops.scan."
        )
    if reverse:
        leaves = [flip(leaf, axis) for leaf in leaves]
    step = 1
    while step < size:
        low = nest.pack(elems, [_cut(x, axis, 0, size - step) for x in leaves])
        high = nest.pack(elems, [_cut(x, axis, step, size) for x in leaves])
        joined = nest.flatten(f(low, high))
        leaves = [_join(_cut(x, axis, 0, step), new, axis) for x, new in zip(leaves, joined, strict=True)]
        step *= 2
    return nest.pack(elems, [flip(leaf, axis) for leaf in leaves] if reverse else leaves)


def _cut(x: Any, axis: int, start: int, stop: int) -> Any:
    return x[(slice(None),) * (axis % x.ndim) + (slice(start, stop),)]


def _join(first: Any, second: Any, axis: int) -> Any:
    from graphkit.ops.shaping import concatenate

    return concatenate([first, second], axis=axis)
