"""Tracing: run a function on tracers, which carry only shape and dtype, and record what it does as a program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from graphkit.core import dtypes, names, nest
from graphkit.core.dims import Dim, Shape, Size
from graphkit.core.errors import InvalidTypeError, ShapeError, UnknownValueAttributeError, UnknownValueError
from graphkit.core.tensor_shape import Shape as TensorFlowShape
from graphkit.ir.operators import CarriesMask, Comparable, TensorArithmetic, TensorOperators
from graphkit.ir.primitive import PRIMITIVES, Primitive, as_array
from graphkit.ir.program import Atom, Equation, Literal, Program, State, Value
from graphkit.ir.spec import TensorSpec
from graphkit.ir.variable import Variable


class Tracer(CarriesMask, Comparable, TensorOperators):
    """A tensor of the program that is being traced.

    Its operators are those of the eager tensor in its place: `&`, `|`, `^` and `~` are bitwise on integers.

    Attributes:
        mask: the Keras mask (a boolean tensor) or None.
        weak: int, float or complex for a Python number, whose dtype adapts to the other operand; else None.
    """

    __slots__ = ("mask", "trace", "value", "weak")
    _logic = TensorArithmetic._logic

    def __init__(self, trace: Trace, value: Value) -> None:
        self.trace = trace
        self.value = value
        self.mask: Any = None
        self.weak: type | None = None

    @property
    def spec(self) -> TensorSpec:
        """Shape and dtype."""
        return self.value.spec

    @property
    def shape(self) -> Shape:
        """The shape; unknown sizes are `Dim`s."""
        return TensorFlowShape(self.value.spec.shape)

    def get_shape(self) -> Shape:
        """Return the shape, as TensorFlow's tensors do."""
        return self.shape

    def set_shape(self, shape: Any) -> None:
        """Accept a shape; the tensor's own is known already."""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.value.spec.shape)

    @property
    def dtype(self) -> str:
        """The dtype by Keras' name."""
        return self.value.spec.dtype

    def constant_in(self, trace: Trace) -> Any:
        """Return the numbers of a tensor that is a constant of another trace: None, since a traced tensor has none."""
        return None

    def measured(self, function: Callable[[Any], int], name: str) -> Size:
        """Return the size that `function` reads off the values."""
        return self.trace.measure(self, function, name)

    def __len__(self) -> int:
        size = self.shape[0] if self.shape else None
        if not isinstance(size, int):
            raise UnknownValueError(f"len() of a traced tensor of shape {self.shape} is not known.")
        return size

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __bool__(self) -> bool:
        raise UnknownValueError(
            f"The truth value of a traced tensor ({self.spec}){_in_layer()} is not known while the graph is built. "
            "Use ops.where or ops.cond instead of `if`, ops.while_loop instead of `while`."
        )

    def __float__(self) -> float:
        raise UnknownValueError(
            f"The values of a traced tensor ({self.spec}){_in_layer()} are not known while the graph is built."
        )

    def __int__(self) -> int:
        raise UnknownValueError(
            f"The values of a traced tensor ({self.spec}){_in_layer()} are not known while the graph is built."
        )

    __index__ = __int__

    def __complex__(self) -> complex:
        raise UnknownValueError(
            f"The values of a traced tensor ({self.spec}){_in_layer()} are not known while the graph is built."
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise UnknownValueError(
            f"A traced tensor ({self.spec}){_in_layer()} was passed to NumPy. Use graphkit.ops (or K.) instead of numpy inside a Lambda, "
            "a layer, a loss, a metric or the body of a loop; ops.take(array, i, axis=0) instead of array[i]."
        )

    @property
    def numpy(self) -> Any:
        """Raise: a traced tensor has no numbers, and `hasattr(tensor, "numpy")` is False."""
        raise UnknownValueAttributeError(
            f"A traced tensor ({self.spec}){_in_layer()} has no `.numpy()`: its values are not known while the graph is built. "
            "Use graphkit.ops on the tensor itself, or compile the model with run_eagerly=True."
        )

    item = tolist = numpy

    def __repr__(self) -> str:
        return f"<Tracer {self.spec}>"


def _in_layer() -> str:
    scope = names.current_scope()
    return f" in layer {scope!r}" if scope else ""


class Measure:
    """A recipe for a data-dependent size: the program that computes a tensor, and the function that reads the size off it."""

    def __init__(self, program: Program, function: Callable[[Any], int]) -> None:
        self._program = program
        self._function = function

    def __call__(self, samples: Sequence[Any]) -> int:
        """Compute the size for these inputs."""
        return self._function(replay(self._program, samples)[0])


class Trace:
    """A program under construction.

    Args:
        parent: the enclosing trace (of the body of a loop or branch), whose tensors this one captures.
        samples: arrays for the inputs, where the program is run immediately. Data-dependent sizes are measured on them; the
            program is valid for these sizes only, and `measures` keeps what is needed to compare them with other arrays.
        only_shapes: the trace infers shapes and dtypes and will not run, so ops need not reject a dtype that can still
            change.
        may_write: whether variables may be assigned.
    """

    is_eager = False  # whether equations are computed at once, as the recordings of gradient tapes are

    def __init__(
        self,
        parent: Trace | None = None,
        samples: Sequence[Any] | None = None,
        only_shapes: bool = False,
        may_write: bool = True,
    ) -> None:
        self.parent = parent
        self.samples = samples
        self.only_shapes: bool = only_shapes or (parent is not None and parent.only_shapes)
        self.may_write = may_write
        self.inputs: list[Value] = []
        self.measures: list[Measure] = []
        self.equations: list[Equation] = []
        self.captures: dict[Value, Value] = {}
        self.notes: dict[Any, Any] = {}  # data of other modules that lives as long as the trace
        self.scopes: list[Any] = []  # the stateless scopes that are entered
        self.tapes: list[Any] = []  # the gradient tapes that are recording
        self.watched_arrays: dict[int, tuple[Any, Tracer]] = {}  # by id: arrays that tapes watch, and their tensors
        self.epoch = 0
        self._epochs = count(1)
        self._variables: dict[Variable, list[Any]] = {}  # variable -> [value before, atom now]

    def input(self, spec: TensorSpec, name: str = "") -> Tracer:
        """Add an input to the program."""
        self.inputs.append(Value(spec, name))
        return Tracer(self, self.inputs[-1])

    def read(self, variable: Variable) -> Any:
        """Return the current value of a variable."""
        for scope in reversed(self.scopes):
            if variable in scope.state_mapping:
                return scope.state_mapping[variable]
        entry = self._variables.get(variable)
        if entry is None:
            value = Value(variable.spec, variable.path)
            entry = self._variables[variable] = [value, value]
        if self.tapes:
            if isinstance(entry[1], Literal):  # a tape needs a value to differentiate by
                entry[1] = self.emit(PRIMITIVES["identity"], (entry[1].array,), {}).value
            for tape in self.tapes:
                tape.saw(variable, entry[1])
        return self.wrap(entry[1])

    def before(self, variable: Variable) -> Value:
        """Return the value that a variable has when the program starts."""
        if variable not in self._variables:
            self.read(variable)
        before: Value = self._variables[variable][0]
        return before

    def write(self, variable: Variable, value: Any) -> Any:
        """Record a new value of a variable, cast to its dtype.

        Raises:
            InvalidTypeError: If variables cannot be assigned in this trace.
            ShapeError: If the value does not have the variable's shape.
        """
        if not self.may_write:
            raise InvalidTypeError(
                f"Variable {variable.path!r} cannot be assigned in the condition of a while_loop or in a gradient function; "
                "assign it in the body of the loop, or outside."
            )
        from graphkit import ops

        value = ops.cast(value, variable.dtype)
        spec = TensorSpec.of(value)
        if spec.shape != variable.shape:
            raise ShapeError(
                f"Variable {variable.path!r} has shape {variable.shape}; a value of shape {spec.shape} cannot be assigned to it."
            )
        if self.scopes:
            self.scopes[-1].state_mapping[variable] = value
            return value
        self.read(variable)
        self._variables[variable][1] = self.lift(self._apart(value))
        return value

    def _apart(self, value: Any) -> Any:
        """Return the new value of a variable, through which no gradient of the tapes flows: an assignment has none."""
        return self.emit(PRIMITIVES["stop_gradient"], (value,), {}) if self.tapes else value

    def record_for(self, tapes: Sequence[Any]) -> None:
        """Let exactly these tapes record from now on."""
        self.tapes = list(tapes)
        self.epoch = next(self._epochs)
        for tape in self.tapes:
            tape.epochs.add(self.epoch)

    def emit(self, primitive: Primitive, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Add an equation; return the tracer of its output, or a tuple of tracers for several outputs."""
        atoms = tuple(self.lift(a) for a in args)
        made = primitive.infer_raw([a.spec for a in atoms], params)
        several = isinstance(made, tuple)
        values = tuple(Value(s) for s in made) if several else (Value(made),)
        self.equations.append(Equation(primitive, atoms, params, values, names.current_scope(), self.epoch))
        return tuple(Tracer(self, v) for v in values) if several else Tracer(self, values[0])

    def computed(self, equation: Equation) -> None:
        """Compute the new outputs of an equation that was replaced; only recordings compute."""

    def lift(self, arg: Any) -> Atom:
        """Convert an argument to an atom of this program: a value, or a literal for an array."""
        if isinstance(arg, Tracer):
            if arg.trace is self:
                return arg.value
            numbers = arg.constant_in(self)
            return self._capture(arg).value if numbers is None else Literal(numbers)
        if isinstance(arg, Variable):
            tracer = self.read(arg)
            return tracer.value if isinstance(tracer, Tracer) else Literal(as_array(tracer))
        return Literal(as_array(arg))

    def is_inside(self, outer: Trace) -> bool:
        """Return whether this trace is `outer`, or that of a loop's body somewhere in it."""
        trace: Trace | None = self
        while trace is not None and trace is not outer:
            trace = trace.parent
        return trace is outer

    def watch_array(self, array: Any) -> Value:
        """Return the value of an array that a tape watches; ops read it in the array's place."""
        known = self.watched_arrays.get(id(array))
        if known is None:
            made = self.emit(PRIMITIVES["identity"], (as_array(array),), {})
            known = self.watched_arrays[id(array)] = (array, made)
        value: Value = known[1].value
        return value

    def watched(self, value: Any) -> Any:
        """Return the tensor of an array that a tape watches, and anything else unchanged."""
        known = self.watched_arrays.get(id(value))
        return value if known is None else known[1]

    def wrap(self, atom: Atom) -> Any:
        """Return an atom of this program as ops take it: a tracer, or the array of a literal."""
        return Tracer(self, atom) if isinstance(atom, Value) else atom.array

    def _capture(self, tracer: Any) -> Any:
        if not isinstance(tracer, Tracer):
            return tracer
        if self.parent is None:
            raise InvalidTypeError(
                f"A tensor ({tracer.spec}) of a function traced earlier is used in another function. "
                "Pass it as an argument instead of keeping it in an outer variable."
            )
        outer = self.parent.lift(tracer)
        assert isinstance(outer, Value)
        inner = self.captures.get(outer)
        if inner is None:
            inner = self.captures[outer] = Value(outer.spec, outer.name)
        return self.wrap(inner)

    def measure(self, tracer: Tracer, function: Callable[[Any], int], name: str) -> Size:
        """Return the size that `function` reads off the values of a tensor; a named `Dim` if there are no samples."""
        if self.samples is None or tracer.trace is not self:
            scope = names.current_scope()  # two layers measure different sizes
            return Dim.named(f"{scope}/{name}_{len(self.equations)}" if scope else f"{name}_{len(self.equations)}")
        so_far = Program(list(self.inputs), [], list(self.equations), [tracer.value])
        self.measures.append(Measure(so_far, function))
        return self.measures[-1](self.samples)

    def program(self, inputs: Sequence[Tracer], outputs: Sequence[Any]) -> Program:
        """Return the finished program. Captured values become further inputs, in the order of `captures`."""
        results = [self.lift(o) for o in outputs]  # first, since lifting an output may capture it
        state = [State(v, before, None if now is before else now) for v, (before, now) in self._variables.items()]
        values = [*(t.value for t in inputs), *self.captures.values()]
        return Program(values, state, self.equations, results)


def measured_size(x: Any, function: Callable[[Any], int], name: str) -> Size:
    """Return a size that depends on the values of a tensor: an int for arrays and traces with samples, else a named `Dim`."""
    return x.measured(function, name) if isinstance(x, Tracer) else function(x)


def only_shapes(*values: Any) -> bool:
    """Return whether one of these is a tracer in a trace that infers shapes and dtypes and will not run."""
    return any(isinstance(v, Tracer) and v.trace.only_shapes for v in values)


_current: ContextVar[Trace | None] = ContextVar("graphkit_trace", default=None)


def current_trace() -> Trace | None:
    """Return the current trace, or None."""
    return _current.get()


def make_current(trace: Trace | None) -> None:
    """Make `trace` the current one until it is changed again; for blocks that need not nest. See `tracing` for those that do."""
    _current.set(trace)


@contextmanager
def tracing(trace: Trace | None) -> Iterator[None]:
    """Make `trace` the current one; with None, ops compute immediately."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def is_traced(args: Sequence[Any]) -> bool:
    """Return whether any argument is a tracer, or a variable (which a trace must read)."""
    return any(isinstance(a, (Tracer, Variable)) for a in args)


def params_unknown(params: Mapping[str, Any]) -> bool:
    """Return whether a size in the params is unknown, so that the result cannot be computed yet."""
    return any(_has_unknown(p) for p in params.values())


def _has_unknown(param: Any) -> bool:
    return isinstance(param, Dim) or (isinstance(param, tuple) and any(_has_unknown(p) for p in param))


def trace_structured(function: Callable[..., Any], *args: Any) -> tuple[Program, Any]:
    """Trace `function` on nested structures of specs.

    Args:
        function: any function over ops.
        args: nested structures of `TensorSpec`; other leaves are passed to `function` unchanged.

    Returns:
        The program, whose inputs and outputs are the leaves in the order of `nest.flatten`, and the structure of the result
        with the indexes of the program's outputs as leaves.
    """
    return trace_on_samples(function, args, None)[:2]


def trace_on_samples(
    function: Callable[..., Any], args: Sequence[Any], samples: Sequence[Any] | None
) -> tuple[Program, Any, list[Measure]]:
    """Trace like `trace_structured`, for these arrays as inputs; also return the measures of data-dependent sizes."""
    trace = Trace(samples=samples)
    leaves = [trace.input(leaf) if isinstance(leaf, TensorSpec) else leaf for leaf in nest.flatten(args)]
    with tracing(trace):
        result = function(*nest.pack(list(args), leaves))
        outputs = nest.flatten(result)
        program = trace.program([t for t in leaves if isinstance(t, Tracer)], outputs)
    return program, nest.pack(result, range(len(outputs))), trace.measures


def trace(function: Callable[..., Any], *args: Any) -> Program:
    """Trace `function` on tensors of these specs (nested structures of `TensorSpec`) and return the program."""
    return trace_structured(function, *args)[0]


class Body(NamedTuple):
    """The body of a loop or branch, traced inside another trace.

    Attributes:
        program: its inputs are those of the function, then `captured`, then the old values of `variables`; its outputs are
            those of the function, then the new values of `written`.
        captured: the tensors of the outer trace that it reads.
        variables: the variables that it reads or writes.
        written: those of them that it writes.
        structure: the structure of the function's result, with output indexes as leaves; None stays None.
    """

    program: Program
    captured: list[Tracer]
    variables: list[Variable]
    written: list[Variable]
    structure: Any

    def operands(self) -> list[Any]:
        """Return the program's further inputs in the current trace: captured tensors, then the variables' values."""
        current = current_trace()
        assert current is not None
        return [*self.captured, *(current.read(v) for v in self.variables)]


def trace_body(function: Callable[..., Any], specs: Sequence[TensorSpec], may_write: bool = False) -> Body:
    """Trace the body of a loop or branch inside the current trace; captured tensors become further inputs."""
    outer = current_trace()
    inner = Trace(parent=outer if outer is not None else Trace(), may_write=may_write)
    tracers = [inner.input(s) for s in specs]
    with tracing(inner):
        result = function(*tracers)
        outputs = [leaf for leaf in nest.flatten(result) if leaf is not None]
        program = inner.program(tracers, outputs)
    parent = inner.parent
    assert parent is not None
    written = [s for s in program.state if s.after is not None]
    closed = Program(
        [*program.inputs, *(s.before for s in program.state)],
        (),
        program.equations,
        [*program.outputs, *(s.after for s in written if s.after is not None)],
    )
    captured = [parent.wrap(value) for value in inner.captures]
    variables = [s.variable for s in program.state]
    numbers = iter(range(len(outputs)))
    structure = nest.map_structure(lambda leaf: None if leaf is None else next(numbers), result)
    return Body(closed, captured, variables, [s.variable for s in written], structure)


def infer_specs(function: Callable[..., Any] | None, specs: Sequence[TensorSpec], params: Mapping[str, Any]) -> Any:
    """Infer the specs of `function`'s results on tensors of these specs, in a trace that is discarded."""
    assert function is not None
    scratch = Trace()
    with tracing(scratch):
        result = function(*(scratch.input(s) for s in specs), **params)
    if isinstance(result, (tuple, list)):
        return tuple(TensorSpec.of(r) for r in result)
    return TensorSpec.of(result)


def replay(
    program: Program,
    args: Sequence[Any],
    expand: Callable[[Equation], bool] = lambda _: False,
    known: Mapping[str, Any] | None = None,
) -> list[Any]:
    """Evaluate a program on `args`, in the current trace, or immediately on arrays.

    Sizes are inferred again, so a program with unknown sizes can be replayed on known ones. State is read from the variables
    and written to them.

    Args:
        program: any program.
        args: one tensor or array for each input.
        expand: chooses the composites that are replaced by their decomposition.
        known: sizes by name, for `Dim`s in params, in addition to those that the shapes of `args` determine.
    """
    sizes = {**(known or {}), **bind_sizes(program, args)}
    env: dict[Value, Any] = dict(zip(program.inputs, args, strict=True))
    env.update({s.before: s.variable.value for s in program.state})

    def at(atom: Atom) -> Any:
        return env[atom] if isinstance(atom, Value) else atom.array

    for equation in program.equations:
        primitive = equation.primitive
        params = {k: evaluate_param(v, sizes) for k, v in equation.params.items()} if sizes else dict(equation.params)
        with names.scope_is(equation.scope):
            if primitive.is_composite and expand(equation):
                assert primitive.decomposition is not None
                made = primitive.decomposition(*map(at, equation.inputs), **params)
            else:
                made = primitive.bind(*map(at, equation.inputs), **params)
        outputs = made if isinstance(made, (tuple, list)) else (made,)
        env.update(zip(equation.outputs, outputs, strict=True))
    for entry in program.state:
        if entry.after is not None:
            entry.variable.assign(at(entry.after))
    return [at(atom) for atom in program.outputs]


def bind_sizes(program: Program, args: Sequence[Any]) -> dict[str, Any]:
    """Map the names of the program's unknown sizes to the sizes in the shapes of `args`."""
    sizes: dict[str, Any] = {}
    for value, arg in zip(program.inputs, args, strict=True):
        for wanted, given in zip(value.spec.shape, TensorSpec.of(arg).shape, strict=True):
            if isinstance(wanted, Dim) and wanted.is_name() and wanted != given:
                sizes.setdefault(str(wanted), given)
    return sizes


def evaluate_param(param: Any, sizes: Mapping[str, Any]) -> Any:
    """Substitute known sizes for the names in a param."""
    if isinstance(param, Dim):
        return param.evaluate(sizes)
    if isinstance(param, tuple):
        return tuple(evaluate_param(p, sizes) for p in param)
    if isinstance(param, Program):
        return _program_at(param, sizes)
    return param


def _program_at(program: Program, sizes: Mapping[str, Any]) -> Program:
    """Retrace the body of a loop or branch with known sizes instead of names."""
    specs = [TensorSpec(evaluate_param(v.spec.shape, sizes), v.spec.dtype) for v in program.inputs]
    return trace(lambda *args: replay(program, args, known=sizes), *specs)


def specialize(program: Program, specs: Sequence[TensorSpec]) -> Program:
    """Retrace a program for inputs of these specs."""
    return trace(lambda *args: replay(program, args), *specs)


def constant(value: Any, dtype: str) -> np.ndarray[Any, Any]:
    """Convert a value to an array of this dtype."""
    return np.asarray(value, dtypes.to_numpy(dtype))
