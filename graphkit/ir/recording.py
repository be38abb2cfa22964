"""Recordings: the traces of gradient tapes outside of traced functions, whose equations are computed at once.

Inside the block of a tape, ops on what it watches add equations to a recording, as they do to any trace, and compute their
results as well. Such a result is a `Recorded`: a tracer with numbers. Everything that works on tracers works on it, and so
does what needs numbers (`if`, `float()`, NumPy). Ops on anything else compute plain arrays, and are not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from weakref import ref

import numpy as np

from graphkit.core import dtypes, names, nest
from graphkit.core.errors import InvalidTypeError
from graphkit.ir.eager_tensor import EagerTensor, eager
from graphkit.ir.primitive import Primitive, as_array
from graphkit.ir.program import Atom, Equation, Literal, Value
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Trace, Tracer, current_trace
from graphkit.ir.variable import Variable


class Recorded(Tracer):
    """A tensor that gradient tapes recorded: a tracer with numbers, which it keeps when the recording is dropped.

    Attributes:
        array: the numbers, not to be changed.
    """

    __slots__ = ("_recording", "array")

    def __init__(self, recording: Recording, value: Value, array: np.ndarray[Any, Any]) -> None:
        self._recording = ref(recording)
        self.value = value
        self.array = array
        self.mask = None
        self.weak = None

    @property
    def trace(self) -> Any:  # type: ignore[override]
        """The recording, or None once it was dropped."""
        return self._recording()

    def constant_in(self, trace: Trace) -> Any:
        """Return the numbers, where the tensor is a constant of the trace.

        Raises:
            InvalidTypeError: If the trace is that of a function which is compiled while a tape records the tensor.
        """
        recording = self._recording()
        if recording is None or not recording.tapes:
            return self.array
        if trace.is_inside(recording):
            return None
        if trace.is_eager:
            return self.array
        raise InvalidTypeError(
            f"A tensor ({self.spec}) that a GradientTape records is used in a compiled function which does not take it as an "
            "argument, so that no gradient would reach it. Pass it as an argument, or pass it through ops.stop_gradient."
        )

    def measured(self, function: Callable[[Any], int], name: str) -> int:
        """Return the size that `function` reads off the numbers."""
        return function(self.array)

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return a copy of the numbers."""
        return self.array.copy()

    def item(self, *args: Any) -> Any:
        """Return an element as a Python number."""
        return self.array.item(*args)

    def tolist(self) -> Any:
        """Return the numbers as nested lists."""
        return self.array.tolist()

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.array.size)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype=dtype) if copy is None or copy or dtype else self.array

    def __bool__(self) -> bool:
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.array)

    def __int__(self) -> int:
        return int(self.array)

    def __index__(self) -> int:
        return self.array.__index__()

    def __complex__(self) -> complex:
        return complex(self.array)

    def __iter__(self) -> Iterator[Any]:
        return iter([self[i] for i in range(len(self))])

    def __format__(self, spec: str) -> str:
        return format(self.array.item() if self.array.ndim == 0 else self.array, spec)

    def __reduce__(self) -> Any:
        return eager, (self.array,)

    def __repr__(self) -> str:
        return repr(self.array.view(EagerTensor))

    def __str__(self) -> str:
        return str(self.array)

    def _has_numbers(self) -> bool:
        return True


class Recording(Trace):
    """The equations that gradient tapes recorded, and the arrays of their values."""

    is_eager = True

    def __init__(self) -> None:
        super().__init__()
        self.arrays: dict[Value, np.ndarray[Any, Any]] = {}
        self._snapshots: dict[Variable, tuple[int, Any]] = {}  # variable -> its version and what reading it returns

    def add(self, array: np.ndarray[Any, Any], name: str = "") -> Recorded:
        """Add a value that no equation computes."""
        return self._recorded(Value(TensorSpec.of(array), name), array)

    def _recorded(self, value: Value, array: np.ndarray[Any, Any]) -> Recorded:
        self.arrays[value] = array
        return Recorded(self, value, array)

    def watch_array(self, array: Any) -> Value:
        """Return the value of an array that a tape watches."""
        known = self.watched_arrays.get(id(array))
        if known is None:
            known = self.watched_arrays[id(array)] = (array, self.add(np.array(array, subok=False)))
        value: Value = known[1].value
        return value

    def read(self, variable: Variable) -> Any:
        """Return the current value of a variable: recorded if a tape watches it, else as a plain array."""
        for scope in reversed(self.scopes):
            if variable in scope.state_mapping:
                return scope.state_mapping[variable]
        tapes = [tape for tape in self.tapes if tape.watches(variable)]
        known = self._snapshots.get(variable)
        if known is None or known[0] != variable.version or (tapes and not isinstance(known[1], Recorded)):
            array = variable.array.copy() if known is None or known[0] != variable.version else as_array(known[1])
            made = self.add(array, variable.path) if tapes else eager(array)
            known = self._snapshots[variable] = (variable.version, made)
        if not tapes:
            return eager(as_array(known[1]))
        for tape in tapes:
            tape.saw(variable, known[1].value)
        return known[1]

    def before(self, variable: Variable) -> Value:
        """Return the value of a variable as it is now."""
        found = self.read(variable)
        return found.value if isinstance(found, Recorded) else Value(variable.spec)

    def emit(self, primitive: Primitive, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
        """Compute the result; record the equation if a gradient may flow through it."""
        if not self.tapes or primitive.name == "stop_gradient":
            return primitive.evaluate([self._numbers(a) for a in args], params)
        atoms = tuple(self.lift(a) for a in args)
        if not any(isinstance(a, Value) for a in atoms):
            return primitive.evaluate([self._numbers(a) for a in args], params)
        if primitive.is_composite and primitive.vjp is None and primitive.nondiff is None:
            assert primitive.decomposition is not None
            return primitive.decomposition(*(self.wrap(a) for a in atoms), **params)
        made = primitive.evaluate([self._array(a) for a in atoms], params)
        several = isinstance(made, (tuple, list))
        results = [np.asarray(m) for m in made] if several else [np.asarray(made)]
        values = tuple(Value(TensorSpec.of(m)) for m in results)
        flows = [dtypes.is_differentiable(v.spec.dtype) for v in values]
        if any(flows):
            self.equations.append(Equation(primitive, atoms, params, values, names.current_scope(), self.epoch))
            self.arrays.update(zip(values, results, strict=True))
        rows = zip(flows, values, results, strict=True)
        outputs = tuple(Recorded(self, value, array) if flow else array for flow, value, array in rows)
        return outputs if several else outputs[0]

    def lift(self, arg: Any) -> Atom:
        """Convert an argument to a value of this recording, or to a literal with numbers of its own."""
        if isinstance(arg, Recorded):
            return arg.value if arg.trace is self else Literal(arg.array)
        if isinstance(arg, Variable):
            found = self.read(arg)
            return found.value if isinstance(found, Recorded) else Literal(as_array(found))
        array = as_array(arg)
        is_shared = isinstance(arg, np.ndarray) and array.flags.writeable and not isinstance(arg, EagerTensor)
        return Literal(array.copy() if is_shared else array)

    def computed(self, equation: Equation) -> None:
        """Compute the new outputs of an equation that was replaced."""
        made = equation.primitive.evaluate([self._array(a) for a in equation.inputs], equation.params)
        for value, array in zip(equation.outputs, made, strict=True):
            self.arrays.setdefault(value, array)

    def wrap(self, atom: Atom) -> Any:
        """Return an atom as ops take it: a recorded tensor, or the array of a literal."""
        return atom.array if isinstance(atom, Literal) else Recorded(self, atom, self.arrays[atom])

    def _numbers(self, value: Any) -> Any:
        if isinstance(value, Variable) and self.scopes:
            value = self.read(value)
        return value.array if isinstance(value, Recorded) else value

    def _array(self, atom: Atom) -> np.ndarray[Any, Any]:
        return atom.array if isinstance(atom, Literal) else self.arrays[atom]


def is_tracing() -> bool:
    """Return whether a function is being traced, so that tensors have no numbers; a recording of tapes has them."""
    trace = current_trace()
    return trace is not None and not trace.is_eager


def concrete(structure: Any) -> Any:
    """Return a structure with the tensors of tapes replaced by eager tensors with their numbers and masks."""
    return nest.map_structure(_as_eager, structure)


def _as_eager(value: Any) -> Any:
    if not isinstance(value, Recorded):
        return value
    shown = value.array.view(EagerTensor)
    shown.mask = concrete(value.mask)
    return shown


def resolved(structure: Any) -> Any:
    """Return the arguments of an op or a layer as the current trace takes them.

    Arrays that a tape watches are replaced by their values in the trace. Outside of any trace, tensors of tapes are replaced by
    eager tensors.
    """
    trace = current_trace()
    if trace is None:
        return concrete(structure) if any(isinstance(v, Recorded) for v in nest.flatten(structure)) else structure
    return nest.map_structure(trace.watched, structure) if trace.watched_arrays else structure


__all__ = ["Recorded", "Recording", "concrete", "is_tracing", "resolved"]
