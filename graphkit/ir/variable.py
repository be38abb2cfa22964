"""Variables: named arrays that live longer than one computation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import dtypes, names
from graphkit.core.deferred import deferred
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.stamps import tick
from graphkit.ir.eager_tensor import eager
from graphkit.ir.operators import Comparable, TensorOperators
from graphkit.ir.spec import TensorSpec

_autocast_dtype: ContextVar[str | None] = ContextVar("graphkit_autocast_dtype", default=None)
_first_use = threading.RLock()
_AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")


def current_autocast() -> str | None:
    """Return the dtype that the innermost scope casts to: "" if it casts nothing, None outside of any scope."""
    return _autocast_dtype.get()


@contextmanager
def autocast_scope(dtype: str | None) -> Iterator[None]:
    """Let ops read float variables in this dtype; "" and None leave them unchanged, None also counts as no scope."""
    token = _autocast_dtype.set(dtype)
    try:
        yield
    finally:
        _autocast_dtype.reset(token)


class Variable(Comparable, TensorOperators):
    """A named array: a weight, a moving statistic, an optimizer slot, a seed.

    `assign` writes into the array in place. While a function is traced, reading returns a tracer and `assign` records the
    new value instead. An initializer whose `may_wait(shape)` is true runs when the array is first read: for a weight that is
    loaded from a file it never runs, and no memory is allocated before.

    Args:
        initializer: an array, or a function `(shape, dtype=...)` that returns one, or the name of an initializer; a function needs `shape`.
        shape: ints.
        dtype: for a function `floatx()` by default; for an array its own dtype, with float64 converted to `floatx()`.
        trainable: whether training updates it.
        autocast: whether a layer that computes in another float dtype reads it in that dtype.
        aggregation: "none", "mean", "sum" or "only_first_replica"; kept, without effect.
        synchronization: kept, without effect.
        name: the last part of `path`; a generated name by default.
        layout: accepted for compatibility with Keras, ignored.

    Raises:
        InvalidArgumentError: If `initializer` is None, or a function without `shape`, or `aggregation` is unknown.
        ShapeError: If `shape` has an unknown size.

    Source: keras.Variable (Keras 3).
    """

    __slots__ = (
        "__weakref__",
        "_array",
        "_constraint",
        "_first",
        "_name",
        "_regularizer",
        "_trainable",
        "aggregation",
        "autocast",
        "changed",
        "made_trainable",
        "overwrite_with_gradient",
        "path",
        "spec",
        "synchronization",
        "version",
    )

    def __init__(
        self,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        layout: Any = None,
    ) -> None:
        if aggregation not in _AGGREGATIONS:
            raise InvalidArgumentError(
                f"Invalid value for argument `aggregation`. Expected one of {_AGGREGATIONS}. Received: aggregation={aggregation!r}"
            )
        if isinstance(initializer, str):
            initializer = deferred("initializers").get(initializer)
        self.aggregation, self.synchronization = aggregation or "none", synchronization
        self._name = name or names.auto_name("variable")
        scope = names.current_scope()
        self.path = f"{scope}/{self._name}" if scope else self._name
        self._trainable = self.made_trainable = bool(trainable)
        self.overwrite_with_gradient = False
        self._regularizer: Any = None
        self._constraint: Callable[[Any], Any] | None = None
        self.changed = 0  # the clock's value when regularizer or constraint was last replaced
        self.autocast = autocast
        self.version = 0
        self._first: Callable[[], np.ndarray[Any, Any]] | None = None
        self._array: np.ndarray[Any, Any]
        waits = getattr(initializer, "may_wait", None)
        if waits is not None and shape is not None and waits(shape):
            self.spec = TensorSpec(tuple(int(size) for size in shape), dtypes.standardize(dtype))
            self._first = partial(initializer, self.spec.shape, dtype=self.spec.dtype)
        else:
            self._array = _first_value(initializer, shape, dtype, self.path)
            self.spec = TensorSpec.of(self._array)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._name

    @property
    def trainable(self) -> bool:
        """Whether training updates it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        tick()

    @property
    def regularizer(self) -> Any:
        """The function that computes a penalty from its value, or None."""
        return self._regularizer

    @regularizer.setter
    def regularizer(self, value: Any) -> None:
        if value is not self._regularizer:
            self._regularizer, self.changed = value, tick()

    @property
    def constraint(self) -> Any:
        """The function that maps its value to an allowed one after each step, or None."""
        return self._constraint

    @constraint.setter
    def constraint(self, value: Any) -> None:
        if value is not self._constraint:
            self._constraint, self.changed = value, tick()

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, all sizes known."""
        shape: tuple[int, ...] = self.spec.shape  # type: ignore[assignment]
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.spec.shape)

    @property
    def dtype(self) -> str:
        """The dtype by Keras' name."""
        return self.spec.dtype

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The storage itself, not a copy: what the engine reads and writes."""
        if self._first is not None:
            with _first_use:
                if self._first is not None:
                    self._array, self._first = self._first(), None
        return self._array

    def adopt(self, array: np.ndarray[Any, Any]) -> None:
        """Take over an array that nothing else refers to: it becomes the storage if there is none yet, else it is copied."""
        fits = array.shape == self.shape and array.dtype == dtypes.to_numpy(self.dtype)
        if self._first is None or not fits or not (array.flags.c_contiguous and array.flags.writeable):
            self.assign(array)
            return
        with _first_use:
            self._array, self._first = array, None
        self.version += 1

    def release(self) -> None:
        """Give up the storage, for a variable that nothing reads again: its value becomes zeros that cannot be written."""
        self._array, self._first = np.broadcast_to(np.zeros((), self.array.dtype), self.shape), None

    def share(self, storage: np.ndarray[Any, Any]) -> None:
        """Move the current value to `storage` (same shape and dtype) and keep it there from now on."""
        np.copyto(storage, self.array, casting="no")
        self._array = storage
        self.version += 1

    @property
    def value(self) -> Any:
        """The current value as a tensor that later assignments do not change; a tracer while tracing."""
        from graphkit.ir.tracing import current_trace

        trace = current_trace()
        if trace is not None:
            return trace.read(self)
        made = eager(self.numpy())
        made.variable = self
        return made

    def as_tensor(self) -> Any:
        """Return the variable as ops read it: itself, or cast to the compute dtype of the layer that is being called."""
        dtype = _autocast_dtype.get()
        if not dtype or not self.autocast or dtype == self.dtype or not dtypes.is_float(self.dtype):
            return self
        from graphkit.ir.primitive import PRIMITIVES

        return PRIMITIVES["cast"].bind(self, dtype=dtype)

    def as_literal(self) -> dict[str, Any]:
        """Return the value as Keras' config of a tensor."""
        return {"class_name": "__tensor__", "config": {"value": self.array.tolist(), "dtype": self.dtype}}

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return a copy of the value."""
        return self.array.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        # A copy unless copy=False: the storage changes in place, and a caller's array must not.
        return np.array(self.array, dtype=dtype) if copy is None or copy or dtype else self.array

    def assign(self, value: Any) -> Any:
        """Assign a value of the same shape, cast to the variable's dtype, and return that value.

        Raises:
            ShapeError: If the value has another shape.
            InvalidTypeError: If the current trace does not allow assignments (the condition of a loop, a gradient function).
        """
        from graphkit.ir.tracing import current_trace

        trace = current_trace()
        if trace is not None and (trace.scopes or not trace.is_eager):
            return trace.write(self, value)
        array = np.asarray(value)
        if array.shape != self.shape:
            raise ShapeError(
                f"Variable {self.path!r} has shape {self.shape}; a value of shape {array.shape} cannot be assigned to it."
            )
        np.copyto(self.array, array, casting="unsafe")
        self.version += 1
        return eager(array if array.dtype == self._array.dtype else array.astype(self._array.dtype))

    def assign_add(self, value: Any) -> Any:
        """Add `value` to the variable."""
        return self.assign(self + value)

    def assign_sub(self, value: Any) -> Any:
        """Subtract `value` from the variable."""
        return self.assign(self - value)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"

    def __invert__(self) -> Any:
        from graphkit import ops

        return ops.bitwise_not(self)

    def __bool__(self) -> bool:
        raise InvalidTypeError(
            f"Variable {self.path!r} has no truth value; compare its value, as in `int(variable) > 0`, or test it with `is None`."
        )

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def _scalar(self) -> Any:
        """Return the value of a scalar. Raises InvalidTypeError for other shapes."""
        if self.shape:
            raise InvalidTypeError(
                f"Only a scalar variable converts to a number; variable {self.path!r} has shape {self.shape}."
            )
        return self.value

    def _has_numbers(self) -> bool:
        from graphkit.ir.recording import is_tracing

        return not is_tracing()


def _first_value(initializer: Any, shape: Sequence[int] | None, dtype: Any, path: str) -> np.ndarray[Any, Any]:
    if callable(initializer) and not isinstance(initializer, np.ndarray):
        if shape is None:
            raise InvalidArgumentError(
                f"Variable {path!r}: when creating a Variable from an initializer, the `shape` argument should be specified. "
                f"Received: initializer={initializer} and shape={shape}"
            )
        if any(not isinstance(size, (int, np.integer)) for size in shape):
            raise ShapeError(f"Variable {path!r} must have a known shape, got {tuple(shape)}.")
        initializer = initializer(tuple(int(s) for s in shape), dtype=dtypes.standardize(dtype))
    if initializer is None:
        raise InvalidArgumentError(f"Variable {path!r} needs a value or an initializer, got None.")
    array = np.asarray(initializer)
    if dtype is None and array.dtype == np.float64:
        dtype = dtypes.floatx()
    if dtype is None and array.dtype == np.int64 and isinstance(initializer, (int, list, tuple)):
        dtype = "int32"  # Python ints
    wanted = dtypes.to_numpy(dtypes.standardize(dtype)) if dtype is not None else array.dtype
    return np.array(array, dtype=wanted, order="C")
