"""Normalize the arguments of ops: tensors, dtypes, sizes, axes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape
from graphkit.core.errors import (
    DTypeError,
    InvalidTypeError,
    ShapeError,
    SymbolicValueError,
    UnknownSizeError,
    UnknownValueError,
)
from graphkit.ir.operators import Symbolic
from graphkit.ir.primitive import as_array
from graphkit.ir.tracing import Tracer, current_trace, only_shapes
from graphkit.ir.variable import Variable
from graphkit.ops._rules import show

_SCALARS = (bool, int, float, complex)


def tensor(value: Any, dtype: str | None = None) -> Any:
    """Return `value` as a tensor; Python numbers and lists become arrays of Keras' default dtypes.

    Args:
        value: an array, a number, a nested list, a variable, a tracer or a `Dim`. Tracers and variables are returned unchanged.
        dtype: the dtype to cast to; None keeps the value's own.

    Raises:
        ShapeError: `value` is a ragged list.
        InvalidTypeError: `value` is not array-like.
    """
    if isinstance(value, Variable):
        value = value.as_tensor()
    elif isinstance(value, np.ndarray):
        trace = current_trace()
        if trace is not None and trace.watched_arrays:  # a gradient tape watches arrays
            value = trace.watched(value)
    if isinstance(value, (Tracer, Variable)):
        return value if dtype is None or value.dtype == dtype else cast_to(value, dtype)
    if isinstance(value, Dim):
        from graphkit.ops.shaping import size_tensor

        value = size_tensor(value)
        return value if dtype is None else cast_to(value, dtype)
    if dtype is not None and isinstance(value, _SCALARS):  # directly: float32 in between would lose digits
        return _scalar(value, dtypes.to_numpy(dtype))
    array = value if type(value) is np.ndarray else _array(value)
    if dtype is not None and dtypes.of_array(array) != dtype:
        return array.astype(dtypes.to_numpy(dtype))
    return array


def _scalar(value: Any, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Convert a Python number; one out of range becomes infinity as a float, and loses its upper bits as an integer."""
    with np.errstate(over="ignore"):
        try:
            return np.asarray(value, kind)
        except OverflowError:
            return np.asarray(value & 0xFFFFFFFFFFFFFFFF, np.uint64).astype(kind)


def fits(value: Any, dtype: str) -> bool:
    """Whether a dtype can hold this number; False only for a Python int outside the range of an integer dtype."""
    if not isinstance(value, int) or not dtypes.is_int(dtype):
        return True
    info = np.iinfo(dtypes.to_numpy(dtype))
    return bool(info.min <= value <= info.max)


def within(value: Any, dtype: str) -> Any:
    """Clamp a Python int to the range of an integer dtype; return anything else unchanged."""
    if fits(value, dtype):
        return value
    info = np.iinfo(dtypes.to_numpy(dtype))
    return int(min(max(value, info.min), info.max))


def reals(what: str, *values: Any, to_float: bool = False) -> tuple[Any, ...]:
    """Promote values that must be real; `what` is the op that the error names.

    Raises:
        DTypeError: the common dtype is complex: complex numbers have no order and no sign.
    """
    made = promote(*values, to_float=to_float)
    if dtype_name(made[0]) in dtypes.COMPLEX:
        raise DTypeError(f"{what} expects real numbers, got {dtype_name(made[0])}; use ops.real or ops.abs first.")
    return made


def numbers(what: str, *values: Any) -> tuple[Any, ...]:
    """Promote values that must not be bools; `what` is the op that the error names.

    Raises:
        DTypeError: the common dtype is bool: bools have no sign and no differences.
    """
    made = promote(*values)
    if dtype_name(made[0]) == "bool":
        raise DTypeError(
            f"{what} expects numbers, got bool; cast them with ops.cast(x, 'int32'), or use the logical ops."
        )
    return made


def counted(*values: Any) -> tuple[Any, ...]:
    """Promote the values, and cast bools to int32, for arithmetic that bools do not have."""
    made = promote(*values)
    return tuple(tensor(v, "int32") for v in made) if dtype_name(made[0]) == "bool" else made


def _array(value: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, _SCALARS):
        return np.asarray(value, dtypes.to_numpy(dtypes.standardize(type(value))))
    if isinstance(value, (list, tuple)) and any(isinstance(v, (Tracer, Variable, Dim)) for v in _leaves(value)):
        from graphkit.ops.shaping import stack

        return stack([tensor(v) for v in value])  # type: ignore[no-any-return]
    if isinstance(value, Symbolic) or (isinstance(value, (list, tuple)) and any(isinstance(v, Symbolic) for v in _leaves(value))):
        raise SymbolicValueError(
            f"{value!r:.100} is symbolic, and this function is no op of the graph. Call it in a layer's `call` or in a Lambda."
        )
    try:
        array = as_array(value)
    except ValueError as error:
        raise ShapeError(
            f"Expected a tensor or something array-like, got a ragged {type(value).__name__}: its parts have different lengths. Pad them "
            "to one length, for example with keras.utils.pad_sequences."
        ) from error
    if (
        array.dtype == object
        and not isinstance(value, (np.ndarray, str))
        and not all(isinstance(v, (str, bytes)) for v in array.flat)
    ):
        raise InvalidTypeError(f"Expected a tensor or something array-like, got {type(value).__name__}: {value!r:.80}.")
    if isinstance(value, (list, tuple)):  # Python literals get Keras' default dtypes
        default = {"f": dtypes.floatx(), "i": "int32"}.get(array.dtype.kind)
        array = array.astype(dtypes.to_numpy(default)) if default else array
    return array


def _leaves(value: Any) -> Any:
    for item in value:
        if isinstance(item, (list, tuple)):
            yield from _leaves(item)
        else:
            yield item


def dtype_of(value: Any) -> Any:
    """Return the dtype of an argument for `result_type`; a Python number gives its (weak) type."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return int
    if isinstance(value, float):
        return float
    if isinstance(value, Dim):
        return int
    if isinstance(value, Tracer):
        return value.weak or value.dtype
    return dtype_name(tensor(value))


def promote(*values: Any, to_float: bool = False) -> tuple[Any, ...]:
    """Return the values as tensors of their common dtype; `to_float` turns integers and bools into `floatx()`."""
    dtype = dtypes.result_type(*map(dtype_of, values))
    if to_float:
        dtype = float_dtype(dtype)
    return tuple(tensor(v, dtype) for v in values)


def float_dtype(dtype: str) -> str:
    """Return `dtype` if it is float or complex, else `floatx()`: as in Keras, int and bool become floatx in exp, mean, ..."""
    return dtype if dtypes.is_float(dtype) or dtype in dtypes.COMPLEX else dtypes.floatx()


def as_float(value: Any) -> Any:
    """Return `value` as a tensor of a float or complex dtype."""
    made = tensor(value)
    return tensor(made, float_dtype(dtype_name(made)))


def dtype_name(value: Any) -> str:
    """Return Keras' name of a tensor's dtype."""
    return value.dtype if isinstance(value, (Tracer, Variable)) else dtypes.of_array(value)


def cast_to(value: Any, dtype: str) -> Any:
    """Cast a tensor to another dtype."""
    from graphkit.ops.elementwise import cast_p

    return cast_p.bind(value, dtype=dtype)


def shape_of(value: Any) -> Shape:
    """Return the shape of a tensor; unknown sizes are `Dim`s."""
    return tuple(value.shape)


def assume_size(x: Any, axis: int, size: Any) -> Any:
    """Where only shapes are inferred, return `x` with its unknown size along `axis` taken as `size`; else return `x`.

    The program that will run is traced with the actual sizes, so a wrong assumption is found there.
    """
    if not (isinstance(shape_of(x)[axis], Dim) and isinstance(size, int) and only_shapes(x)):
        return x
    from graphkit.ops.shaping import reshape_p

    sizes = list(shape_of(x))
    sizes[axis] = size
    return reshape_p.bind(x, shape=tuple(sizes))


def size_argument(value: Any, where: str, free: bool = True) -> Any:
    """Check a size given by a caller: an int, or with `free` also the size of a free axis inside a traced function.

    `where` begins the error message.

    Raises:
        UnknownSizeError: the size is None, which `ops.shape` of a symbolic tensor returns for a free axis.
        UnknownValueError: the size is a traced tensor.
        InvalidTypeError: the size is not an integer.
    """
    if isinstance(value, Dim) and free:
        return value
    if value is None or isinstance(value, Dim):
        given = f"{value}, the size of a free axis" if isinstance(value, Dim) else "None"
        raise UnknownSizeError(
            f"{where} must be a known number, got {given}. ops.shape of a symbolic tensor returns None for a free axis, as in "
            "Keras. Give the axis a fixed size, take the size from a tensor (ops.zeros_like, -1 in ops.reshape), or compute it in "
            "a layer's call or a Lambda, where the sizes are known."
        )
    if isinstance(value, Variable):
        value = value.value
    if isinstance(value, Tracer):
        raise UnknownValueError(f"{where} must be an integer, got {value!r:.80}, whose value is not known while it is traced.")
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iu":
        return int(value.item())
    try:
        return index(value)
    except TypeError:
        raise InvalidTypeError(f"{where} must be an integer, got {value!r:.80}.") from None


def shape_argument(shape: Any, where: str) -> Shape:
    """Check a shape given by a caller: ints and sizes of free axes; a single number is a shape with one axis.

    Raises:
        UnknownSizeError: a size is None.
        InvalidTypeError: a size is not an integer.
    """
    sizes = tuple(shape) if isinstance(shape, (list, tuple, np.ndarray)) else (shape,)
    return tuple(size_argument(size, f"{where}: each size of the shape {show(sizes)}") for size in sizes)


def canonical_axis(axis: Any, rank: int, where: str = "axis") -> int:
    """Return the axis counted from the front.

    Raises:
        InvalidTypeError: `axis` is not an int.
        ShapeError: a tensor of this rank has no such axis.
    """
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
        raise InvalidTypeError(f"{where} must be an int, got {axis!r}.")
    if not -rank <= axis < rank:
        raise ShapeError(f"{where}={axis} is out of range for a tensor of rank {rank}.")
    return int(axis) % rank


def canonical_axes(axis: Any, rank: int, where: str = "axis") -> tuple[int, ...]:
    """Return the axes counted from the front, sorted; None means all of them.

    Raises:
        InvalidTypeError: an axis is not an int.
        ShapeError: an axis does not exist or is given twice.
    """
    if axis is None:
        return tuple(range(rank))
    given: Sequence[Any] = axis if isinstance(axis, (list, tuple)) else [axis]
    axes = sorted(canonical_axis(a, rank, where) for a in given)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{where}={axis} names an axis twice.")
    return tuple(axes)
