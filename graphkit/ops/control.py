"""Loops and branches: primitives whose params hold the programs of their bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.dims import Dim, Shape, Size
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError, SymbolicValueError
from graphkit.ir import gradient
from graphkit.ir.eager_tensor import eager
from graphkit.ir.operators import Symbolic
from graphkit.ir.primitive import primitive
from graphkit.ir.program import Program, Value
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Body, Trace, Tracer, current_trace, replay, specialize, trace, trace_body, tracing
from graphkit.ir.variable import Variable
from graphkit.ops._convert import canonical_axis, dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_sizes, show
from graphkit.ops._scan_gradient import differentiate_body, widened
from graphkit.ops.elementwise import add, cast, equal, less, logical_and, maximum, minimum
from graphkit.ops.shaping import arange, broadcast_to, concatenate, flip, moveaxis, reshape, stack

__all__ = ["associative_scan", "cond", "fori_loop", "map", "scan", "switch", "vectorized_map", "while_loop"]


def fitted(program: Program, specs: Sequence[TensorSpec]) -> Program:
    """Return the program of a body specialized to inputs of these specs."""
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
            kind = ShapeError if old.dtype == new.dtype else DTypeError
            raise kind(
                f"{what}: each carried value must keep its shape and dtype; value {number} is {old} before the step and {new} after it. "
                "Cast or reshape the initial value, or what the body returns."
            )


# ----- arrays, structures, carries -----


def _on_arrays(function: Callable[..., Any], *structures: Any) -> Any:
    """Call `function(*structures)`; outside a trace, trace it and run its program, so that arrays take the same path as tracers."""
    outer = current_trace()
    if outer is not None:
        result = function(*structures)
        return nest.map_structure(eager, result) if outer.is_eager else result
    scratch, arrays = Trace(), []

    def source(leaf: Any) -> Any:
        if not isinstance(leaf, (np.ndarray, np.generic)):
            return leaf
        arrays.append(tensor(leaf))
        return scratch.input(TensorSpec.of(arrays[-1]))

    leaves = [[source(leaf) for leaf in nest.flatten(s)] for s in structures]
    with tracing(scratch):
        result = function(*(nest.pack(s, made) for s, made in zip(structures, leaves, strict=True)))
        inputs = [leaf for leaf in nest.flatten(leaves) if isinstance(leaf, Tracer)]
        program = scratch.program(inputs, _tensors(result))
    return _fill(result, [eager(made) for made in replay(program, arrays)])


def _tensors(structure: Any) -> list[Any]:
    """Return the leaves of a structure that are not None, as tensors."""
    leaves = [leaf for leaf in nest.flatten(structure) if leaf is not None]
    if any(isinstance(leaf, Symbolic) for leaf in leaves):
        raise SymbolicValueError(
            "The function of a loop or branch reads a symbolic tensor of the graph around it that is not an argument of the op. "
            "Pass it as an argument (an operand of ops.switch, a carried value of a loop), use ops.where, or write a layer."
        )
    return [tensor(leaf) for leaf in leaves]


def _fill(structure: Any, leaves: Sequence[Any]) -> Any:
    """Rebuild the structure with these leaves; None stays None."""
    rest = iter(leaves)
    return nest.pack(structure, [None if leaf is None else next(rest) for leaf in nest.flatten(structure)])


def _weak_type(leaf: Any) -> Any:
    """Return the Python type of a number, whose dtype is not settled; None for a tensor."""
    if isinstance(leaf, Tracer):
        return leaf.weak
    if isinstance(leaf, Dim):
        return int
    return type(leaf) if type(leaf) in (int, float, complex) else None


class _Carry:
    """The values that a loop carries from step to step: a structure of tensors with fixed shapes and dtypes.

    A Python number takes the dtype that the body returns for it, and a value of 32 bits becomes one of 64 if the body returns
    one. Any other change is an error.
    """

    def __init__(self, what: str, structure: Any) -> None:
        self.what = what
        self.structure = structure
        self._leaves = [leaf for leaf in nest.flatten(structure) if leaf is not None]
        self._weak = [_weak_type(leaf) for leaf in self._leaves]
        self.tensors = _tensors(structure)

    @property
    def specs(self) -> list[TensorSpec]:
        """The shape and dtype of each tensor."""
        return [TensorSpec.of(t) for t in self.tensors]

    def inside(self, args: Sequence[Any]) -> Any:
        """Return the structure that the body receives."""
        for arg, weak in zip(args, self._weak, strict=True):
            arg.weak = weak
        return _fill(self.structure, args)

    def after(self, made: Any) -> list[Any]:
        """Return the tensors in what the body returned."""
        if not nest.same_structure(self.structure, made):
            raise InvalidTypeError(
                f"{self.what}: the body must return its carried values in the same structure, "
                f"{nest.describe(self.structure)}, got {nest.describe(made)}."
            )
        return _tensors(made)

    def trace(self, step: Callable[..., list[Any]], further: Sequence[TensorSpec] = ()) -> Body:
        """Trace the body `step(*carried, *further) -> [*carried, ...]` with the dtypes that the carried values settle on."""
        while True:
            body = trace_body(step, [*self.specs, *further], may_write=True)
            before, after = self.specs, [o.spec for o in body.program.outputs[: len(self.tensors)]]
            settled = [_settled_dtype(*row) for row in zip(self._weak, before, after, strict=True)]
            if settled == [spec.dtype for spec in before]:
                _check_carries(self.what, before, after)
                return body
            self._weak = [w if d == s.dtype else None for w, d, s in zip(self._weak, settled, before, strict=True)]
            self.tensors = [tensor(leaf, dtype) for leaf, dtype in zip(self._leaves, settled, strict=True)]


def _settled_dtype(weak: Any, before: TensorSpec, after: TensorSpec) -> str:
    """Return the dtype of a carried value that enters the body as `before` and leaves it as `after`."""
    if before.dtype == after.dtype:
        return before.dtype
    if weak is not None:
        return dtypes.result_type(weak, after.dtype)
    return after.dtype if _WIDER.get(before.dtype) == after.dtype else before.dtype


_WIDER = {"int32": "int64", "uint32": "uint64", "float32": "float64", "complex64": "complex128"}


def _assign(variables: Sequence[Variable], values: Sequence[Any]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _read(variables: Sequence[Variable]) -> list[Any]:
    current = current_trace()
    assert current is not None
    return [current.read(v) for v in variables]


# ----- scan -----


def _step_specs(specs: Sequence[TensorSpec], carries: int, sequences: int) -> list[TensorSpec]:
    """Return the specs that one step of a scan reads: carries, one slice of each sequence, constants."""
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
    """Compile the body once; each step copies slices in and results out."""
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
    """Return the copies that set the carried values of the next step; sources that alias a target are copied aside first."""
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
    """Scan in the opposite direction, over the values that the forward scan keeps."""
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
    cotangents: list[Any] = [None] * len(inputs)
    for index, cotangent in zip([*parts.carried, *parts.summed, *parts.spread], made, strict=True):
        cotangents[index] = cotangent
    return cotangents


def _zeros_like(x: Any) -> Any:
    return broadcast_to(tensor(0, dtype_name(x)), shape_of(x))


scan_p = primitive(
    # inputs: carries, sequences (time first), constants; outputs: the last carries, stacked results of the steps;
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
    """Loop `carry, y = f(carry, x)` over the slices `x` of `xs` along the first axis.

    Variables that `f` assigns are carried along.

    Args:
        f: the body. Carried values keep their structure, shapes and dtypes; a Python number in `init` takes the
            dtype that `f` returns.
        init: the initial carry: tensors in any structure.
        xs: tensors with the same first size, in any structure; with None, `f` gets None and `length` is required.
        length: the number of steps, if `xs` does not determine it.
        reverse: whether to run from the last slice to the first; each `y` stays at the index of its slice.
        unroll: accepted as in Keras; the steps are always a loop.

    Returns:
        The last carry, and the `y`s stacked along a new first axis.

    Raises:
        ShapeError: the sizes disagree, or a carried value changes its shape.
        DTypeError: a carried value changes its dtype.
        InvalidTypeError: `f` is not callable, does not return a pair, or changes the structure of the carry.
        InvalidArgumentError: the number of steps is unknown, or `unroll` is invalid.

    Source: keras.ops.scan.
    """
    if not callable(f):
        raise InvalidTypeError(f"scan expects a function of the carry and a slice, got {f!r}.")
    if not isinstance(unroll, bool) and (not isinstance(unroll, int) or unroll < 1):
        raise InvalidArgumentError(f"scan: `unroll` must be a bool or a positive int, got {unroll!r}.")
    return _on_arrays(lambda init, xs: _scan(f, init, xs, length, bool(reverse)), init, xs)  # type: ignore[no-any-return]


def _length(what: str, leaves: Sequence[Any], length: Any = None) -> Size:
    if any(not x.ndim for x in leaves):
        raise ShapeError(f"{what} expects tensors of at least one axis, got a scalar.")
    sizes = [shape_of(x)[0] for x in leaves]
    if length is not None:
        sizes.append(length if isinstance(length, Dim) else int(length))
    if not sizes:
        raise InvalidArgumentError(f"{what} needs tensors to loop over, or `length`, to know the number of steps.")
    known = {s for s in sizes if isinstance(s, int)}
    if len(known) > 1:
        raise ShapeError(f"{what}: the first sizes of the tensors and `length` must be equal, got {sizes}.")
    return known.pop() if known else sizes[0]


def _scan(f: Any, init: Any, xs: Any, length: Any, reverse: bool, what: str = "scan") -> tuple[Any, Any]:
    leaves = _tensors(xs)
    steps = _length(what, leaves, length)
    carry = _Carry(what, init)
    results: list[Any] = []

    def step(*args: Any) -> list[Any]:
        count = len(carry.tensors)
        made = f(carry.inside(args[:count]), _fill(xs, args[count:]))
        if not isinstance(made, (tuple, list)) or len(made) != 2:
            raise InvalidTypeError(f"{what}: the body must return a pair (carry, result), got {nest.describe(made)}.")
        after, result = made
        results[:] = [result]
        return [*carry.after(after), *_tensors(result)]

    body = carry.trace(step, [TensorSpec(shape_of(x)[1:], dtype_name(x)) for x in leaves])
    first = [*carry.tensors, *_read(body.written)]
    made = scan_p.bind(
        *first, *leaves, *body.captured, *_read(_unwritten(body)),
        body=_scan_body(body, len(carry.tensors), len(leaves)),
        carries=len(first), sequences=len(leaves), length=steps, reverse=reverse,
    )  # fmt: skip
    count = len(carry.tensors)
    _assign(body.written, made[count : len(first)])
    return _fill(carry.structure, made[:count]), _fill(results[0], made[len(first) :])


def _unwritten(body: Body) -> list[Variable]:
    written = set(body.written)  # a set compares by identity, where `in` on a list would compare values
    return [v for v in body.variables if v not in written]


def _scan_body(body: Body, carries: int, sequences: int) -> Program:
    """Return the program (carried, written variables, slices, captured, variables read) -> (carried, written variables, results)."""
    inputs, outputs = list(body.program.inputs), list(body.program.outputs)
    slices = inputs[carries : carries + sequences]
    captured = inputs[carries + sequences : len(inputs) - len(body.variables)]
    before = dict(zip(body.variables, inputs[len(inputs) - len(body.variables) :], strict=True))
    written = [before[v] for v in body.written]
    stop = len(outputs) - len(written)
    return Program(
        [*inputs[:carries], *written, *slices, *captured, *(before[v] for v in _unwritten(body))],
        (),
        body.program.equations,
        [*outputs[:carries], *outputs[stop:], *outputs[carries:stop]],
    )


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
        raise ShapeError(f"while_loop: cond must return one bool scalar, got {_listed(decided)}.")
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
    # inputs: carries, constants of the test, constants of the body; outputs: the last carries
    "while_loop",
    _while_abstract,
    prepare=_prepare_while,
    nondiff="the number of steps is not known in advance; use ops.scan, or ops.fori_loop with known bounds",
)


@operation("WhileLoop", "core", tensors="loop_vars")
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
    """Run `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds. It has no gradient.

    Args:
        cond: returns a bool scalar.
        body: returns new `loop_vars` of the same structure, shapes and dtypes.
        loop_vars: a list or tuple of structures of tensors, or a single tensor.
        maximum_iterations: the largest number of steps; None means no limit.

    Returns:
        The last `loop_vars`: a tuple, or a single tensor if it was one.

    Raises:
        ShapeError: `cond` does not return a scalar, or a shape in `loop_vars` changes.
        DTypeError: `cond` does not return a bool, or a dtype in `loop_vars` changes.
        InvalidTypeError: `body` returns another structure.

    Source: keras.ops.while_loop.
    """
    if isinstance(loop_vars, (list, tuple)):
        made = _on_arrays(lambda given: _while(cond, body, given, maximum_iterations), tuple(loop_vars))
        return made if isinstance(made, tuple) else tuple(made)
    return _on_arrays(lambda given: _while(cond, lambda v: (body(v),), given, maximum_iterations), (loop_vars,))[0]


def _while(test: Any, step: Any, given: tuple[Any, ...], limit: Any) -> Any:
    carry = _Carry("while_loop", given if limit is None else (*given, np.int32(0)))

    def holds(*args: Any) -> Any:
        values = carry.inside(args[: len(carry.tensors)])
        decided = tensor(test(*values[: len(given)]))
        if dtype_name(decided) != "bool":
            raise DTypeError(
                f"while_loop: cond must return a bool, got {TensorSpec.of(decided)}. Compare, or cast to bool."
            )
        return decided if limit is None else logical_and(decided, less(values[-1], limit))

    def advance(*args: Any) -> list[Any]:
        values = carry.inside(args)
        made = step(*values[: len(given)])
        if not isinstance(made, (list, tuple)):
            raise InvalidTypeError(
                f"while_loop: the body must return a tuple of {len(given)}, like `loop_vars`, got {nest.describe(made)}."
            )
        return carry.after(tuple(made) if limit is None else (*made, add(values[-1], 1)))

    body = carry.trace(advance)
    count, written = len(carry.tensors), body.written
    decided = trace_body(holds, carry.specs)
    own = dict(zip(decided.variables, decided.program.inputs[count + len(decided.captured) :], strict=True))
    shown = [own.get(v) or Value(v.spec, v.path) for v in written]  # the test reads what the body writes
    test_reads = [v for v in decided.variables if v not in set(written)]
    test_program = Program(
        [
            *decided.program.inputs[:count],
            *shown,
            *decided.program.inputs[count : count + len(decided.captured)],
            *(own[v] for v in test_reads),
        ],
        (),
        decided.program.equations,
        decided.program.outputs,
    )
    first = [*decided.captured, *_read(test_reads)]
    start = [*carry.tensors, *_read(written)]
    made = while_loop_p.bind(
        *start, *first, *body.captured, *_read(_unwritten(body)),
        test=test_program, body=_scan_body(body, count, 0), carries=len(start), test_constants=len(first),
    )  # fmt: skip
    _assign(written, made[count:])
    last = _fill(carry.structure, made[:count])
    return last if limit is None else last[:-1]


@operation("ForiLoop", "core", tensors="lower upper init_val")
def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Run `value = body_fun(i, value)` for i from `lower` to `upper` - 1.

    Args:
        lower: an integer scalar.
        upper: an integer scalar. With ints or sizes as bounds the loop has a gradient, with tensors none.
        init_val: the initial value: tensors in any structure.

    Raises:
        ShapeError: a bound is not a scalar, or the shape of the value changes.
        DTypeError: a bound is not an integer, or the dtype of the value changes.
        InvalidTypeError: `body_fun` returns another structure.

    Source: keras.ops.fori_loop.
    """
    start, stop = _bound(lower, "lower"), _bound(upper, "upper")
    if all(isinstance(bound, (int, Dim)) for bound in (start, stop)):

        def through(init: Any) -> Any:
            steps = arange(start, stop, dtype="int32")
            return _scan(lambda value, i: (body_fun(i, value), None), init, steps, None, False, "fori_loop")[0]

        return _on_arrays(through, init_val)
    return while_loop(
        lambda i, value: less(i, stop),
        lambda i, value: (add(i, 1), body_fun(i, value)),
        (tensor(start, "int32"), init_val),
    )[1]


def _bound(bound: Any, name: str) -> Any:
    """Return a bound of fori_loop: an int or a size if it is known, else a tensor."""
    if isinstance(bound, Dim):
        return bound
    made = tensor(bound)
    if not dtypes.is_int(dtype_name(made)):
        raise DTypeError(f"fori_loop: `{name}` must be an integer, got {bound!r}.")
    if shape_of(made) != ():
        raise ShapeError(f"fori_loop: `{name}` must be a scalar, got shape {show(shape_of(made))}.")
    return int(made) if isinstance(made, np.ndarray) else cast(made, "int32")


# ----- cond -----


def _check_predicate(predicate: TensorSpec) -> None:
    if predicate.shape != ():
        raise ShapeError(
            f"cond expects a scalar predicate, got shape {show(predicate.shape)}. Use ops.where to choose element by element."
        )


def _check_branches(what: str, yes: Sequence[TensorSpec], no: Sequence[TensorSpec]) -> None:
    if len(yes) == len(no) and all(_same_spec(a, b) for a, b in zip(yes, no, strict=True)):
        return
    kind = DTypeError if [s.shape for s in yes] == [s.shape for s in no] else ShapeError
    raise kind(
        f"{what}: the branches must return tensors of the same shapes and dtypes, got {_listed(yes)} and {_listed(no)}. "
        "Cast or reshape the results of one branch."
    )


def _cond_abstract(predicate: TensorSpec, *specs: TensorSpec, true: Program, false: Program) -> tuple[TensorSpec, ...]:
    _check_predicate(predicate)
    yes, no = _result_specs(true, specs), _result_specs(false, specs)
    _check_branches("cond", yes, no)
    return tuple(TensorSpec(_joined(a.shape, b.shape), a.dtype) for a, b in zip(yes, no, strict=True))


def _joined(a: Shape, b: Shape) -> Shape:
    return tuple(n if m == 1 else broadcast_sizes(m, n) or m for m, n in zip(a, b, strict=True))


def _prepare_cond(out: Any, predicate: Any, *arrays: Any, true: Program, false: Program) -> Callable[[], None]:
    from graphkit.engine import compile_program

    specs = [TensorSpec.of(a) for a in arrays]
    branches, plans = {True: true, False: false}, {}

    def compiled(flag: bool) -> tuple[Any, list[tuple[Any, Any]]]:
        """Return the plan of a branch, compiled when it is first taken, and the copies that feed what it reads."""
        branch = fitted(branches[flag], specs)
        read, plan = set(branch.atoms_read()), compile_program(branch)
        pairs = zip(branch.inputs, plan.inputs, arrays, strict=True)
        return plan, [(target, source) for value, target, source in pairs if value in read]

    def run() -> None:
        flag = bool(predicate[()])
        if flag not in plans:
            plans[flag] = compiled(flag)
        plan, feeds = plans[flag]
        for target, source in feeds:
            np.copyto(target, source)
        plan.step()
        for target, source in zip(out, plan.outputs, strict=True):
            np.copyto(target, source)

    return run


def _cond_vjp(g: Any, out: Any, predicate: Any, *operands: Any, true: Program, false: Program) -> list[Any]:
    """Differentiate the branch that was taken."""
    chosen = [i for i, o in enumerate(operands) if dtypes.is_differentiable(dtype_name(o))]
    given = [cotangent for cotangent in g if cotangent is not None]
    specs = [TensorSpec.of(v) for v in (*operands, *given)]

    def backward(branch: Program) -> Program:
        def body(*args: Any) -> list[Any]:
            values, cts = args[: len(operands)], iter(args[len(operands) :])
            outputs = replay(branch, values)
            wrt = [values[i] for i in chosen]
            cotangents = gradient.vjp(outputs, [None if c is None else next(cts) for c in g], wrt)
            return [_zeros_like(w) if f is None else f for f, w in zip(cotangents, wrt, strict=True)]

        return trace(body, *specs)

    if not chosen:
        return [None] * (1 + len(operands))
    made = cond_p.bind(predicate, *operands, *given, true=backward(true), false=backward(false))
    result: list[Any] = [None] * (1 + len(operands))
    for i, cotangent in zip(chosen, made, strict=True):
        result[1 + i] = cotangent
    return result


cond_p = primitive(
    # inputs: a bool scalar, then what either branch reads; both branches take all of it and return the same specs
    "cond",
    _cond_abstract,
    prepare=_prepare_cond,
    vjp=_cond_vjp,
)


@operation("Cond", "core", tensors="pred")
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Call `true_fn()` if `pred` holds, else `false_fn()`.

    Args:
        pred: a scalar.
        true_fn: a function without arguments.
        false_fn: a function without arguments that returns the same structure, shapes and dtypes.

    Raises:
        InvalidTypeError: `pred` is not a tensor or a number, or the branches return different structures.
        ShapeError: `pred` is not a scalar, or the branches return different shapes.
        DTypeError: the branches return different dtypes.

    Source: keras.ops.cond.
    """
    if not isinstance(pred, (bool, int, float, np.ndarray, np.generic, Tracer, Variable, Dim)):
        raise InvalidTypeError(f"cond expects a scalar predicate, got {pred!r:.80}.")
    return _on_arrays(lambda p: _cond("cond", p, true_fn, false_fn), pred)


def _cond(what: str, pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """Trace both branches and compare what they return, whichever is taken."""
    yes, no = (trace_body(lambda f=f: _tensors_of(f()), [], may_write=True) for f in (true_fn, false_fn))
    if not nest.same_structure(yes.structure, no.structure):
        raise InvalidTypeError(
            f"{what}: the branches return different structures, {nest.describe(yes.structure)} and {nest.describe(no.structure)}."
        )
    written = list(dict.fromkeys([*yes.written, *no.written]))
    captured = list({t.value: t for t in (*yes.captured, *no.captured)}.values())
    variables = list(dict.fromkeys([*yes.variables, *no.variables]))
    operands = [*captured, *_read(variables)]
    true, false = (_branch(b, captured, variables, written) for b in (yes, no))
    _check_branches(what, [o.spec for o in true.outputs], [o.spec for o in false.outputs])
    predicate = cast(pred, "bool")
    if isinstance(predicate, np.ndarray):
        _check_predicate(TensorSpec.of(predicate))
        made = replay(true if predicate else false, operands)
    else:
        made = cond_p.bind(predicate, *operands, true=true, false=false)
    count = len(made) - len(written)
    _assign(written, made[count:])
    return _fill(yes.structure, made[:count])


def _tensors_of(result: Any) -> Any:
    return _fill(result, _tensors(result))


def _branch(
    body: Body, captured: Sequence[Tracer], variables: Sequence[Variable], written: Sequence[Variable]
) -> Program:
    """Return the branch with an input for each operand, whether it reads it or not, and a result for each written variable."""
    program = body.program
    sources: list[Value | Variable] = [*(t.value for t in body.captured), *body.variables]
    own: dict[Value | Variable, Value] = dict(zip(sources, program.inputs, strict=True))
    operands: list[Value | Variable] = [*(t.value for t in captured), *variables]
    inputs = {source: own.get(source) or Value(source.spec) for source in operands}
    stop = len(program.outputs) - len(body.written)
    after = dict(zip(body.written, program.outputs[stop:], strict=True))
    results = [*program.outputs[:stop], *(after.get(v, inputs[v]) for v in written)]
    return Program(list(inputs.values()), (), program.equations, results)


@operation("Switch", "core", tensors="index operands")
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Call `branches[index](*operands)`; an index out of range takes the first or the last branch.

    Args:
        index: an integer scalar.
        branches: functions of the operands, which return the same structure, shapes and dtypes.
        operands: the arguments of the branch: tensors in any structure.

    Raises:
        InvalidArgumentError: there are no branches.
        InvalidTypeError: `index` is not an integer scalar, or the branches return different structures.
        ShapeError: the branches return different shapes.
        DTypeError: the branches return different dtypes.

    Source: keras.ops.switch.
    """
    if not branches:
        raise InvalidArgumentError("switch needs at least one branch.")
    place = tensor(index)
    if shape_of(place) != () or not dtypes.is_int(dtype_name(place)):
        raise InvalidTypeError(f"switch expects an integer scalar as index, got {TensorSpec.of(place)}.")

    def choose(low: int, place: Any, given: Sequence[Any]) -> Any:
        if low == len(branches) - 1:
            return branches[low](*given)
        rest = [lambda: branches[low](*given), lambda: choose(low + 1, place, given)]
        return _cond("switch", equal(place, low), *rest)

    def chosen(place: Any, given: Sequence[Any]) -> Any:
        return choose(0, minimum(maximum(place, 0), len(branches) - 1), given)

    return _on_arrays(chosen, place, operands)


# ----- built from these -----


@operation("Map", "core", tensors="xs")
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Apply `f` to each slice of `xs` along the first axis, and stack the results.

    Raises:
        ShapeError: the tensors in `xs` differ in their first size, or one is a scalar.

    Source: keras.ops.map.
    """
    return _map("map", f, xs)


@operation("VectorizedMap", "core", tensors="elements")
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """Apply `function` to each slice of `elements` along the first axis, and stack the results.

    Raises:
        ShapeError: the tensors in `elements` differ in their first size, or one is a scalar.

    Source: keras.ops.vectorized_map.
    """
    return _map("vectorized_map", function, elements)


def _map(what: str, f: Callable[[Any], Any], xs: Any) -> Any:
    return _on_arrays(lambda xs: _scan(lambda _, x: ((), f(x)), (), xs, None, False, what)[1], xs)


@operation("AssociativeScan", "core", tensors="elems")
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Compute the running results of `f` along `axis`: e0, f(e0, e1), f(f(e0, e1), e2), ...

    It runs in log2(n) rounds on whole arrays, or step by step if the size of the axis is unknown.

    Args:
        f: an associative function of two slices of any length along the axis; it keeps their shapes and dtypes.
        elems: tensors of the same size along `axis`, in any structure.
        reverse: whether to run from the end of the axis.

    Raises:
        ShapeError: the sizes along `axis` differ, or `f` changes a shape.
        DTypeError: `f` changes a dtype.
        InvalidTypeError: `f` returns another number of tensors.

    Source: keras.ops.associative_scan.
    """
    return _on_arrays(lambda elems: _associative_scan(f, elems, bool(reverse), axis), elems)


def _associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool, axis: int) -> Any:
    leaves = _tensors(elems)
    axis = canonical_axis(axis, leaves[0].ndim)
    if len({shape_of(leaf)[axis : axis + 1] for leaf in leaves}) != 1:
        raise ShapeError(
            f"associative_scan: the tensors must have the same size along axis {axis}, got {_listed([TensorSpec.of(x) for x in leaves])}."
        )
    leaves = [flip(leaf, axis) for leaf in leaves] if reverse else leaves

    def joined(low: Sequence[Any], high: Sequence[Any]) -> list[Any]:
        made = [tensor(m) for m in nest.flatten(f(nest.pack(elems, low), nest.pack(elems, high)))]
        before, after = [TensorSpec.of(x) for x in low], [TensorSpec.of(m) for m in made]
        if len(made) != len(low):
            raise InvalidTypeError(
                f"associative_scan: f must return as many tensors as it is given, {len(low)}, got {len(made)}."
            )
        _check_carries("associative_scan", before, after)
        return made

    size = shape_of(leaves[0])[axis]
    leaves = _one_by_one(joined, leaves, axis) if isinstance(size, Dim) else _by_halves(joined, leaves, axis, size)
    return nest.pack(elems, [flip(leaf, axis) for leaf in leaves] if reverse else leaves)


def _by_halves(joined: Callable[..., list[Any]], leaves: list[Any], axis: int, size: int) -> list[Any]:
    """Combine neighbors, scan the results, and derive the other half. Same order of operations as JAX, for the same rounding."""
    if size < 2:
        return leaves
    pairs = joined([_cut(x, axis, 0, size - 1, 2) for x in leaves], [_cut(x, axis, 1, None, 2) for x in leaves])
    odd = _by_halves(joined, pairs, axis, size // 2)
    even = [_cut(x, axis, 0, 1) for x in leaves]
    if size > 2:
        later = joined([_cut(x, axis, 0, (size - 1) // 2) for x in odd], [_cut(x, axis, 2, None, 2) for x in leaves])
        even = [concatenate(both, axis=axis) for both in zip(even, later, strict=True)]
    return [_interleaved(a, b, axis, size) for a, b in zip(even, odd, strict=True)]


def _interleaved(even: Any, odd: Any, axis: int, size: int) -> Any:
    half = size // 2
    joined = stack([_cut(even, axis, 0, half), odd], axis=axis + 1)
    joined = reshape(joined, (*shape_of(even)[:axis], 2 * half, *shape_of(even)[axis + 1 :]))
    return joined if size % 2 == 0 else concatenate([joined, _cut(even, axis, half, None)], axis=axis)


def _one_by_one(joined: Callable[..., list[Any]], leaves: list[Any], axis: int) -> list[Any]:
    first = [_cut(x, axis, 0, 1) for x in leaves]

    def step(carry: list[Any], slices: list[Any]) -> tuple[list[Any], list[Any]]:
        made = joined(carry, slices)
        return made, made

    rest = [moveaxis(_cut(x, axis, 1, None), axis, 0)[(slice(None), *(slice(None),) * axis, None)] for x in leaves]
    _, made = _scan(step, first, rest, None, False, "associative_scan")
    columns = [moveaxis(m, 0, axis) for m in made]
    columns = [c[(*(slice(None),) * (axis + 1), 0)] for c in columns]
    return [concatenate([x, c], axis=axis) for x, c in zip(first, columns, strict=True)]


def _cut(x: Any, axis: int, start: int, stop: int | None, step: int = 1) -> Any:
    return x[(slice(None),) * axis + (slice(start, stop, step),)]
