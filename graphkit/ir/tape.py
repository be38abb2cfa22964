"""GradientTape: TensorFlow's form of differentiation, read off the equations of a trace."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError, TapeError
from graphkit.ir.eager_tensor import eager
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
        self._chosen = set()
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
        if not isinstance(item, (Tracer, Variable, np.ndarray)):
            kind = "a symbolic tensor" if isinstance(item, Symbolic) else type(item).__name__
            raise InvalidTypeError(f"GradientTape.watch expects tensors and variables, got {kind}.")
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

    def watched_variables(self) -> tuple[Variable, ...]:
        """Return the variables that are watched, in the order in which they were first read."""
        return tuple(self._reads)

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
        trace = self._traced()
        if self._is_recording and not self._is_persistent:
            self._stop()
        targets = _tensors(target, "target")
        flat = _tensors(sources, "sources")
        factors = nest.flatten(output_gradients) if output_gradients is not None else [None] * len(targets)
        pairs = [self._pair(trace, t, f) for t, f in zip(targets, factors, strict=True)]
        places = [self._values(trace, s) for s in flat]
        wanted = [value for values in places for value in values]
        found = backward(trace, [p for p in pairs if p is not None], wanted, self.epochs)
        gradients = [_sum([found[v] for v in values if found.get(v) is not None]) for values in places]
        if not self._is_persistent:
            self._forget()
        if zero:
            gradients = [_zeros(s) if g is None else g for s, g in zip(flat, gradients, strict=True)]
        return nest.pack(sources, [eager(g) for g in gradients])

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
        if isinstance(source, Variable):
            return list(self._reads.get(source, ()))
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


def _zeros(like: Any) -> Any:
    spec = TensorSpec.of(like)
    return PRIMITIVES["broadcast_to"].bind(constant(0, spec.dtype), shape=spec.shape)
