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
from graphkit.core.errors import InvalidTypeError, NotBuiltError, ShapeError
from graphkit.core.stamps import tick
from graphkit.ir.eager_tensor import eager
from graphkit.ir.operators import Comparable, TensorOperators
from graphkit.ir.spec import TensorSpec

_autocast_dtype: ContextVar[str | None] = ContextVar("graphkit_autocast_dtype", default=None)
_first_use = threading.RLock()


def current_autocast() -> str | None:
    """What the innermost scope casts to: a dtype, "" for a scope that casts nothing, None outside of any scope."""
    return _autocast_dtype.get()


@contextmanager
def autocast_scope(dtype: str | None) -> Iterator[None]:
    """Ops see float variables in this dtype; "" leaves them as they are, None too and counts as no scope."""
    token = _autocast_dtype.set(dtype)
    try:
        yield
    finally:
        _autocast_dtype.reset(token)


class Variable(Comparable, TensorOperators):
    """A named array: a weight, a moving statistic, an optimizer slot, a seed.

    The array keeps its identity for life; `assign` writes into it. While a function is traced, reading gives a tracer and
    `assign` records the new value instead. An initializer that says it `may_wait` runs when the array is first asked for: a
    weight whose numbers come from a file never runs it, and has no memory before.

    Args:
        initializer: an array, or a function `(shape, dtype=...)` that gives one; then `shape` is needed.
        shape: ints.
        dtype: `floatx()` by default for a function, the array's own dtype (float64 becomes `floatx()`) for an array.
        trainable: whether training changes it.
        autocast: whether a layer that computes in another float dtype sees it in that one.
        aggregation, synchronization, layout: taken for Keras' sake.
        name: the last part of `path`.

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
        "autocast",
        "changed",
        "made_trainable",
        "overwrite_with_gradient",
        "path",
        "spec",
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
        self._name = name or names.auto_name("variable")
        scope = names.current_scope()
        self.path = f"{scope}/{self._name}" if scope else self._name
        self._trainable = self.made_trainable = bool(trainable)
        self.overwrite_with_gradient = False
        self._regularizer: Any = None
        self._constraint: Callable[[Any], Any] | None = None
        self.changed = 0  # when regularizer or constraint last became another one
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
        """Whether training changes it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        tick()

    @property
    def regularizer(self) -> Any:
        """What gives a penalty for its numbers, or None."""
        return self._regularizer

    @regularizer.setter
    def regularizer(self, value: Any) -> None:
        if value is not self._regularizer:
            self._regularizer, self.changed = value, tick()

    @property
    def constraint(self) -> Any:
        """What its numbers are mapped to after each step, or None."""
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
        """The array itself, not a copy: what the engine reads and writes."""
        if self._first is not None:
            with _first_use:
                if self._first is not None:
                    self._array, self._first = self._first(), None
        return self._array

    def adopt(self, array: np.ndarray[Any, Any]) -> None:
        """Take a new value that nobody else keeps: `array` becomes the storage where there is none yet, else it is copied."""
        fits = array.shape == self.shape and array.dtype == dtypes.to_numpy(self.dtype)
        if self._first is None or not fits or not (array.flags.c_contiguous and array.flags.writeable):
            self.assign(array)
            return
        with _first_use:
            self._array, self._first = array, None
        self.version += 1

    def share(self, storage: np.ndarray[Any, Any]) -> None:
        """Live in `storage` (same shape and dtype) from now on, with the present numbers."""
        np.copyto(storage, self.array, casting="no")
        self._array = storage
        self.version += 1

    @property
    def value(self) -> Any:
        """The numbers of now as a tensor of their own, which later changes leave alone; a tracer while tracing."""
        from graphkit.ir.tracing import current_trace

        trace = current_trace()
        return eager(self.numpy()) if trace is None else trace.read(self)

    def as_tensor(self) -> Any:
        """The variable as ops see it: itself, or cast to the compute dtype of the layer that is under way."""
        dtype = _autocast_dtype.get()
        if not dtype or not self.autocast or dtype == self.dtype or not dtypes.is_float(self.dtype):
            return self
        from graphkit.ir.primitive import PRIMITIVES

        return PRIMITIVES["cast"].bind(self, dtype=dtype)

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy of the numbers."""
        return self.array.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        # A copy unless somebody insists: the storage changes in place, and a caller's array must not.
        return np.array(self.array, dtype=dtype) if copy is None or copy or dtype else self.array

    def assign(self, value: Any) -> Any:
        """Take a new value of the same shape; it is cast to the variable's dtype. Raises ShapeError."""
        from graphkit.ir.tracing import current_trace

        trace = current_trace()
        if trace is not None:
            return trace.write(self, value)
        array = np.asarray(value)
        if array.shape != self.shape:
            raise ShapeError(
                f"Variable {self.path!r} has shape {self.shape}; a value of shape {array.shape} cannot be assigned to it."
            )
        np.copyto(self.array, array, casting="unsafe")
        self.version += 1
        return self.array

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
            f"Variable {self.path!r} has no truth value; compare its number, as in `int(variable) > 0`, or its identity with None."
        )

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __complex__(self) -> complex:
        return complex(self._scalar())

    def _scalar(self) -> Any:
        """The only number. Raises InvalidTypeError where there are axes, or where it is not known while a function is traced."""
        if self.shape:
            raise InvalidTypeError(
                f"Only a variable without axes is a number; variable {self.path!r} has shape {self.shape}."
            )
        return self.value

    def _has_numbers(self) -> bool:
        from graphkit.ir.tracing import current_trace

        return current_trace() is None


def _first_value(initializer: Any, shape: Sequence[int] | None, dtype: Any, path: str) -> np.ndarray[Any, Any]:
    if callable(initializer) and not isinstance(initializer, np.ndarray):
        if shape is None:
            raise NotBuiltError(f"Variable {path!r} has an initializer function and so needs a shape.")
        if any(not isinstance(size, (int, np.integer)) for size in shape):
            raise ShapeError(f"Variable {path!r} must have a known shape, got {tuple(shape)}.")
        initializer = initializer(tuple(int(s) for s in shape), dtype=dtypes.standardize(dtype))
    array = np.asarray(initializer)
    if dtype is None and array.dtype == np.float64:
        dtype = dtypes.floatx()
    wanted = dtypes.to_numpy(dtypes.standardize(dtype)) if dtype is not None else array.dtype
    return np.array(array, dtype=wanted, order="C")
