"""Arguments of ops made uniform: tensors, dtypes, axes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape
from graphkit.core.errors import DTypeError, InvalidTypeError, ShapeError, UnknownSizeError
from graphkit.ir.primitive import as_array
from graphkit.ir.tracing import Tracer
from graphkit.ir.variable import Variable
from graphkit.ops._rules import show

_SCALARS = (bool, int, float, complex)


def tensor(value: Any, dtype: str | None = None) -> Any:
    """`value` as a tensor: tracers and variables stay; Python numbers and lists become arrays of Keras' default dtypes."""
    if isinstance(value, Variable):
        value = value.as_tensor()
    if isinstance(value, (Tracer, Variable)):
        return value if dtype is None or value.dtype == dtype else cast_to(value, dtype)
    if isinstance(value, Dim):
        from graphkit.ops.shaping import size_tensor

        value = size_tensor(value)
        return value if dtype is None else cast_to(value, dtype)
    if dtype is not None and isinstance(value, _SCALARS):  # straight there: float32 in between would cost digits
        return _scalar(value, dtypes.to_numpy(dtype))
    array = value if type(value) is np.ndarray else _array(value)
    if dtype is not None and dtypes.of_array(array) != dtype:
        return array.astype(dtypes.to_numpy(dtype))
    return array


def _scalar(value: Any, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A Python number as an array: an infinity where a half float has none so large, without its upper bits where an integer has not."""
    with np.errstate(over="ignore"):
        try:
            return np.asarray(value, kind)
        except OverflowError:
            return np.asarray(value & 0xFFFFFFFFFFFFFFFF, np.uint64).astype(kind)


def fits(value: Any, dtype: str) -> bool:
    """Whether a dtype has this number: not so for a Python int beyond an integer dtype's range."""
    if not isinstance(value, int) or not dtypes.is_int(dtype):
        return True
    info = np.iinfo(dtypes.to_numpy(dtype))
    return bool(info.min <= value <= info.max)


def within(value: Any, dtype: str) -> Any:
    """A Python int limited to what an integer dtype holds; anything else as it is."""
    if fits(value, dtype):
        return value
    info = np.iinfo(dtypes.to_numpy(dtype))
    return int(min(max(value, info.min), info.max))


def reals(what: str, *values: Any, to_float: bool = False) -> tuple[Any, ...]:
    """`promote`. Raises DTypeError for complex numbers, which have no order and no sign."""
    made = promote(*values, to_float=to_float)
    if dtype_name(made[0]) in dtypes.COMPLEX:
        raise DTypeError(f"{what} wants real numbers, got {dtype_name(made[0])}; take ops.real or ops.abs of them.")
    return made


def numbers(what: str, *values: Any) -> tuple[Any, ...]:
    """`promote`. Raises DTypeError for bools, which have no sign and no differences."""
    made = promote(*values)
    if dtype_name(made[0]) == "bool":
        raise DTypeError(
            f"{what} wants numbers, got bool; cast them with ops.cast(x, 'int32'), or use the logical ops."
        )
    return made


def counted(*values: Any) -> tuple[Any, ...]:
    """`promote`, with bools as int32: there is arithmetic that they have none of."""
    made = promote(*values)
    return tuple(tensor(v, "int32") for v in made) if dtype_name(made[0]) == "bool" else made


def _array(value: Any) -> np.ndarray[Any, Any]:
    if isinstance(value, _SCALARS):
        return np.asarray(value, dtypes.to_numpy(dtypes.standardize(type(value))))
    if isinstance(value, (list, tuple)) and any(isinstance(v, (Tracer, Variable, Dim)) for v in _leaves(value)):
        from graphkit.ops.shaping import stack

        return stack([tensor(v) for v in value])  # type: ignore[no-any-return]
    try:
        array = as_array(value)
    except ValueError as error:
        raise ShapeError(
            f"Expected a tensor or something array-like, got a ragged {type(value).__name__}: {error}."
        ) from None
    if (
        array.dtype == object
        and not isinstance(value, (np.ndarray, str))
        and not all(isinstance(v, (str, bytes)) for v in array.flat)
    ):
        raise InvalidTypeError(f"Expected a tensor or something array-like, got {type(value).__name__}: {value!r:.80}.")
    if isinstance(value, (list, tuple)):  # literals written in Python get Keras' default dtypes
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
    """The dtype of an argument for `result_type`; Python numbers give their (weak) type."""
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
    """The values as tensors of their common dtype; `to_float` makes integers and bools `floatx()`."""
    dtype = dtypes.result_type(*map(dtype_of, values))
    if to_float:
        dtype = float_dtype(dtype)
    return tuple(tensor(v, dtype) for v in values)


def float_dtype(dtype: str) -> str:
    """`dtype` if it is a float or complex one, else `floatx()` (Keras: int and bool become floatx in exp, mean, ...)."""
    return dtype if dtypes.is_float(dtype) or dtype in dtypes.COMPLEX else dtypes.floatx()


def as_float(value: Any) -> Any:
    """A tensor of a float dtype."""
    made = tensor(value)
    return tensor(made, float_dtype(dtype_name(made)))


def dtype_name(value: Any) -> str:
    """Keras' name of a tensor's dtype."""
    return value.dtype if isinstance(value, (Tracer, Variable)) else dtypes.of_array(value)


def cast_to(value: Any, dtype: str) -> Any:
    """The tensor in another dtype."""
    from graphkit.ops.elementwise import cast_p

    return cast_p.bind(value, dtype=dtype)


def shape_of(value: Any) -> Shape:
    """The shape of a tensor; unknown sizes are `Dim`s."""
    return tuple(value.shape)


def size_argument(value: Any, where: str, free: bool = True) -> Any:
    """A size that a caller gives: an int, or with `free` the size of a free axis inside a traced function.

    Raises UnknownSizeError for None, which is what `ops.shape` of a symbolic tensor gives for a free axis.
    """
    if isinstance(value, Dim) and free:
        return value
    if value is None or isinstance(value, Dim):
        given = f"{value}, the size of a free axis" if isinstance(value, Dim) else "None"
        raise UnknownSizeError(
            f"{where} must be a known number, got {given}. ops.shape of a symbolic tensor gives None for an axis that is free, as in "
            "Keras. Give the axis a fixed size, take the size from a tensor (ops.zeros_like, -1 in ops.reshape), or compute in a "
            "layer's call or a Lambda, where the sizes are known."
        )
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iu":
        return int(value.item())
    try:
        return index(value)
    except TypeError:
        raise InvalidTypeError(f"{where} must be an integer, got {value!r:.80}.") from None


def shape_argument(shape: Any, where: str) -> Shape:
    """A shape that a caller gives, of ints and sizes of free axes; one number is a shape of one axis."""
    sizes = tuple(shape) if isinstance(shape, (list, tuple, np.ndarray)) else (shape,)
    return tuple(size_argument(size, f"{where}: each size of the shape {show(sizes)}") for size in sizes)


def canonical_axis(axis: Any, rank: int, where: str = "axis") -> int:
    """A non-negative axis. Raises ShapeError if there is no such axis."""
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool):
        raise InvalidTypeError(f"{where} must be an int, got {axis!r}.")
    if not -rank <= axis < rank:
        raise ShapeError(f"{where}={axis} is out of range for a tensor of {rank} axes.")
    return int(axis) % rank


def canonical_axes(axis: Any, rank: int, where: str = "axis") -> tuple[int, ...]:
    """Sorted non-negative axes; None is all of them. Raises ShapeError for one that is missing or given twice."""
    if axis is None:
        return tuple(range(rank))
    given: Sequence[Any] = axis if isinstance(axis, (list, tuple)) else [axis]
    axes = sorted(canonical_axis(a, rank, where) for a in given)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{where}={axis} names an axis twice.")
    return tuple(axes)
