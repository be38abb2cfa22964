"""GradientTape: TensorFlow's form of differentiation, read off the equations of a trace."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.dims import Shape, is_static
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError, TapeError
from graphkit.ir.eager_tensor import EagerTensor, eager
from graphkit.ir.gradient import backward
from graphkit.ir.operators import Symbolic
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Value
from graphkit.ir.recording import Recording
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Trace, Tracer, constant, current_trace, make_current
from graphkit.ir.variable import Variable

_USED_UP = "A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians)"


class GradientTape:
    """Records what is computed in its `with` block, to differentiate it afterwards.

    The trainable variables that the block reads are recorded by themselves, other tensors once `watch` was called on them.
    The gradient with respect to a variable is that for the value which the block read: assignments have no gradient.

    Args:
        persistent: whether `gradient` may be called more than once. By default the recording is dropped after the first call.
        watch_accessed_variables: whether trainable variables are watched when they are read.

    Source: tf.GradientTape.
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._is_persistent = persistent
        self._watches_variables = watch_accessed_variables
        self.epochs: set[int] = set()  # the stretches of the trace that this tape recorded
        self._trace: Trace | None = None
        self._is_recording = False
        self._reads: dict[Variable, dict[Value, None]] = {}  # the values that were read, in order
        self._seen: dict[Variable, None] = {}  # the variables that were read, also after the recording was dropped
        self._chosen: set[Variable] = set()  # variables that were watched explicitly
        self._watched: set[Value] = set()
        self._arrays: dict[int, tuple[Any, Value]] = {}  # by id: arrays that were watched, and their values

    # ----- recording -----

    def __enter__(self) -> GradientTape:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_recording:
            self._stop()

    def _start(self) -> None:
        if self._is_recording:
            raise InvalidArgumentError(
                "Tape is still recording, This can happen if you try to re-enter an already-active tape."
            )
        trace = current_trace()
        if trace is None:
            trace = self._trace if isinstance(self._trace, Recording) else Recording()
            make_current(trace)
        if trace is not self._trace:
            self._forget()
        self._trace = trace
        self._is_recording = True
        trace.record_for([*trace.tapes, self])

    def _stop(self) -> None:
        trace = self._traced()
        self._is_recording = False
        trace.record_for([tape for tape in trace.tapes if tape is not self])
        if trace.is_eager and not trace.tapes and current_trace() is trace:
            make_current(None)

    def _forget(self) -> None:
        self.epochs = set()
        self._trace = None
        self._reads, self._watched, self._arrays = {}, set(), {}

    def _traced(self) -> Trace:
        if self._trace is None:
            raise TapeError(_USED_UP)
        return self._trace

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Do not record what the block computes. Source: tf.GradientTape.stop_recording.

        Raises:
            TapeError: If the tape is not recording.
        """
        if not self._is_recording:
            raise TapeError("Tape is not recording; call stop_recording() inside its `with` block.")
        self._stop()
        try:
            yield
        finally:
            self._start()

    def reset(self) -> None:
        """Drop what was recorded so far, and what is watched. Source: tf.GradientTape.reset."""
        recording = self._is_recording
        if recording:
            self._stop()
        self._forget()
        self._chosen, self._seen = set(), {}
        if recording:
            self._start()

    def watch(self, tensor: Any) -> None:
        """Record also what is computed from these tensors.

        Args:
            tensor: a tensor or variable, or a nested structure of them.

        Raises:
            InvalidTypeError: If an item is neither a tensor nor a variable.
            TapeError: If the tape is not recording.
        """
        for item in nest.flatten(tensor):
            self._watch(item)

    def _watch(self, item: Any) -> None:
        if not isinstance(item, (Tracer, Variable, EagerTensor)):
            kind = "a symbolic tensor" if isinstance(item, Symbolic) else type(item).__name__
            hint = " Convert it with ops.convert_to_tensor first." if isinstance(item, np.ndarray) else ""
            raise InvalidTypeError(f"GradientTape.watch expects tensors and variables, got {kind}.{hint}")
        dtype = TensorSpec.of(item).dtype
        if not dtypes.is_differentiable(dtype):
            warnings.warn(
                f"The dtype of the watched tensor must be floating (such as float32), got {dtype}.", stacklevel=3
            )
            return
        trace = self._recording_trace()
        if isinstance(item, Variable):
            self._chosen.add(item)
            trace.read(item)
        else:
            value = trace.lift(item) if isinstance(item, Tracer) and item.trace is trace else trace.watch_array(item)
            assert isinstance(value, Value)
            self._watched.add(value)
            self._arrays[id(item)] = (item, value)

    def _recording_trace(self) -> Trace:
        if self._trace is None:
            raise TapeError("Tape is not recording; call watch() inside its `with` block.")
        return self._trace

    def watches(self, variable: Variable) -> bool:
        """Return whether the tape differentiates with respect to a variable that is read."""
        return (self._watches_variables and variable.trainable) or variable in self._chosen

    def saw(self, variable: Variable, value: Value) -> None:
        """Note that a variable was read, and its value then; called by the trace."""
        if self.watches(variable):
            self._reads.setdefault(variable, {})[value] = None
            self._seen[variable] = None

    def watched_variables(self) -> tuple[Variable, ...]:
        """Return the variables that are watched, in the order in which they were first read."""
        return tuple(self._seen)

    # ----- differentiating -----

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: Any = "none"
    ) -> Any:
        """Return the gradients of `target` with respect to `sources`, in their structure.

        Args:
            target: a tensor, or a nested structure of tensors, whose elements are summed.
            sources: variables and tensors, in any structure.
            output_gradients: a factor for each element of `target`, in its structure; ones by default.
            unconnected_gradients: what is returned for a source that `target` does not depend on: "none" or "zero".

        Raises:
            TapeError: If the tape is not persistent and was used before.
            InvalidTypeError: If `target` or `sources` is None or symbolic, or belongs to another traced function.
            InvalidArgumentError: If `unconnected_gradients` has another value.
            ShapeError: If an output gradient does not have the shape of its target.
            NotDifferentiableError: If an op between a source and the target has no gradient.

        Source: tf.GradientTape.gradient.
        """
        zero = _gives_zeros(unconnected_gradients)
        trace = self._finished()
        targets = _tensors(target, "target")
        flat = _tensors(sources, "sources")
        factors = nest.flatten(output_gradients) if output_gradients is not None else [None] * len(targets)
        pairs = [self._pair(trace, t, f) for t, f in zip(targets, factors, strict=True)]
        gradients = self._gradients(trace, pairs, [self._values(trace, s) for s in flat])
        self._drop()
        if zero:
            gradients = [_zeros(TensorSpec.of(s)) if g is None else g for s, g in zip(flat, gradients, strict=True)]
        return nest.pack(sources, [eager(g) for g in gradients])

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = "none",
        parallel_iterations: Any = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Return the derivatives of each element of `target` with respect to `sources`, in their structure.

        There is one backward pass for each element of `target`.

        Args:
            target: a tensor of known shape.
            sources: variables and tensors, in any structure.
            unconnected_gradients: what is returned for a source that `target` does not depend on: "none" or "zero".
            parallel_iterations, experimental_use_pfor: accepted for compatibility with TensorFlow, ignored.

        Returns:
            For each source a tensor of the shape of `target` followed by that of the source.

        Raises:
            TapeError, InvalidTypeError, InvalidArgumentError, NotDifferentiableError: as `gradient`.

        Source: tf.GradientTape.jacobian.
        """
        zero = _gives_zeros(unconnected_gradients)
        trace = self._finished()
        (tensor,) = _tensors([target], "target")
        flat = _tensors(sources, "sources")
        rows = self._rows(trace, tensor, flat, np.eye(_size(TensorSpec.of(tensor).shape)))
        self._drop()
        shape = TensorSpec.of(tensor).shape
        made: list[Any] = []
        for source, column in zip(flat, zip(*rows, strict=True) if rows else [()] * len(flat), strict=True):
            whole = (*shape, *TensorSpec.of(source).shape)
            if all(g is None for g in column):
                made.append(_zeros(TensorSpec(whole, TensorSpec.of(source).dtype)) if zero else None)
            else:
                made.append(_reshaped(_stacked(column, 0), whole))
        return nest.pack(sources, [eager(m) for m in made])

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Any = "none",
        parallel_iterations: Any = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Return the derivatives of each row of `target` with respect to the same row of `source`.

        Args:
            target: a tensor of known shape; row i must depend on row i of `source` only.
            source: a tensor or variable with the same first size.
            unconnected_gradients: what is returned if `target` does not depend on `source`: "none" or "zero".
            parallel_iterations, experimental_use_pfor: accepted for compatibility with TensorFlow, ignored.

        Returns:
            A tensor of shape (rows, rest of target's shape, rest of source's shape).

        Raises:
            ShapeError: If the first sizes differ.
            TapeError, InvalidTypeError, InvalidArgumentError, NotDifferentiableError: as `gradient`.

        Source: tf.GradientTape.batch_jacobian.
        """
        zero = _gives_zeros(unconnected_gradients)
        trace = self._finished()
        (tensor,), (given,) = _tensors([target], "target"), _tensors([source], "source")
        spec, by = TensorSpec.of(tensor), TensorSpec.of(given)
        if not spec.shape or not by.shape or spec.shape[0] != by.shape[0]:
            raise ShapeError(f"Need first dimension of target shape {spec.shape} and source shape {by.shape} to match.")
        width = _size(spec.shape[1:])
        units = np.broadcast_to(np.eye(width)[:, None], (width, _size(spec.shape[:1]), width))
        rows = self._rows(trace, tensor, [given], units)
        self._drop()
        whole = (*spec.shape, *by.shape[1:])
        if all(row[0] is None for row in rows):
            return eager(_zeros(TensorSpec(whole, by.dtype))) if zero else None
        return eager(_reshaped(_stacked([row[0] for row in rows], 1), whole))

    def _rows(self, trace: Trace, target: Any, sources: Sequence[Any], units: Any) -> list[list[Any]]:
        """Return the gradients of the sources for each of these cotangents of the target."""
        shape = TensorSpec.of(target).shape
        places = [self._values(trace, s) for s in sources]
        return [self._gradients(trace, [self._pair(trace, target, unit.reshape(shape))], places) for unit in units]

    def _gradients(self, trace: Trace, pairs: Sequence[Any], places: Sequence[Sequence[Value]]) -> list[Any]:
        """Return the gradient for each source, which has been read as several values, or None."""
        wanted = [value for values in places for value in values]
        found = backward(trace, [p for p in pairs if p is not None], wanted, self.epochs)
        return [_sum([found[v] for v in values if found.get(v) is not None]) for values in places]

    def _finished(self) -> Trace:
        """Return the trace; stop recording what follows, unless the tape is persistent."""
        trace = self._traced()
        if self._is_recording and not self._is_persistent:
            self._stop()
        return trace

    def _drop(self) -> None:
        """Drop the recording after its use, unless the tape is persistent."""
        if not self._is_persistent:
            self._forget()

    def _pair(self, trace: Trace, target: Any, factor: Any) -> tuple[Value, Any] | None:
        """Return the value to differentiate and its cotangent; None for a target that was not computed from anything watched."""
        if isinstance(target, Variable):
            reads = list(self._reads.get(target, ()))
            value = reads[-1] if reads else None
        else:
            value = self._value_of(trace, target)
        if value is None or not dtypes.is_differentiable(value.spec.dtype):
            return None
        shape, dtype = value.spec.shape, value.spec.dtype
        if factor is None:
            return value, PRIMITIVES["broadcast_to"].bind(constant(1, dtype), shape=shape)
        if tuple(TensorSpec.of(factor).shape) != shape:
            raise ShapeError(
                f"output_gradients must have the shape of its target, {shape}, got {TensorSpec.of(factor).shape}."
            )
        return value, PRIMITIVES["cast"].bind(factor, dtype=dtype)

    def _values(self, trace: Trace, source: Any) -> list[Value]:
        """Return the values to differentiate by: those that were read of a variable, or the one of a tensor that is watched."""
        variable = source if isinstance(source, Variable) else getattr(source, "variable", None)
        if variable is not None and id(source) not in self._arrays:
            return list(self._reads.get(variable, ()))
        value = self._value_of(trace, source)
        return [value] if value is not None and self._is_tracked(trace, value) else []

    def _value_of(self, trace: Trace, tensor: Any) -> Value | None:
        """Return the value of a tensor in the trace; None for one that was not recorded."""
        watched = self._arrays.get(id(tensor))
        if watched is not None:
            return watched[1]
        if not isinstance(tensor, Tracer) or (tensor.trace is not trace and tensor.constant_in(trace) is not None):
            return None
        if tensor.trace is not trace:
            raise InvalidTypeError(
                f"A tensor ({tensor.spec}) that was computed in another traced function cannot be differentiated by this tape."
            )
        return tensor.value

    def _is_tracked(self, trace: Trace, wanted: Value) -> bool:
        """Whether a value is watched, or was computed from what is watched."""
        tracked = {*self._watched, *(value for values in self._reads.values() for value in values)}
        for equation in trace.equations:
            if wanted in tracked:
                return True
            if equation.epoch in self.epochs and any(a in tracked for a in equation.inputs):
                tracked.update(equation.outputs)
        return wanted in tracked


def _gives_zeros(choice: Any) -> bool:
    name = str(getattr(choice, "value", choice)).lower()
    if name not in ("none", "zero"):
        raise InvalidArgumentError(f"Unknown value for unconnected_gradients: {choice!r}; use 'none' or 'zero'.")
    return name == "zero"


def _tensors(structure: Any, name: str) -> list[Any]:
    leaves = nest.flatten(structure)
    for leaf in leaves:
        if leaf is None or isinstance(leaf, (Symbolic, str)):
            kind = "a symbolic tensor" if isinstance(leaf, Symbolic) else repr(leaf)
            raise InvalidTypeError(
                f"GradientTape.gradient: `{name}` must be tensors or variables, in any structure, got {kind}."
            )
    return leaves


def _sum(cotangents: Sequence[Any]) -> Any:
    if not cotangents:
        return None
    total = cotangents[0]
    for cotangent in cotangents[1:]:
        total = PRIMITIVES["add"].bind(total, cotangent)
    return total


def _zeros(spec: TensorSpec) -> Any:
    return PRIMITIVES["broadcast_to"].bind(constant(0, spec.dtype), shape=spec.shape)


def _size(shape: Shape) -> int:
    if not is_static(shape):
        raise ShapeError(f"A Jacobian needs a target of known shape, got {shape}.")
    sizes: list[Any] = list(shape)
    return math.prod(sizes)


def _stacked(rows: Sequence[Any], axis: int) -> Any:
    from graphkit import ops

    return ops.stack([ops.zeros_like(next(r for r in rows if r is not None)) if g is None else g for g in rows], axis)


def _reshaped(x: Any, shape: Shape) -> Any:
    from graphkit import ops

    return ops.reshape(x, shape)
