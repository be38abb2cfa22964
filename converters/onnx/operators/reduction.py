"""Reductions, and operators that search: ReduceX, ArgMax, TopK, CumSum, NonZero. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.ops._convert import dtype_name

from .elementwise import scalar
from .known import ints
from .table import operator


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    return ops.logsumexp(x, axis=axis, keepdims=keepdims)


_REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": ops.sum, "ReduceMean": ops.mean, "ReduceProd": ops.prod, "ReduceMax": ops.max, "ReduceMin": ops.min,
    "ReduceL1": lambda x, axis, keepdims: ops.sum(ops.abs(x), axis=axis, keepdims=keepdims),
    "ReduceL2": lambda x, axis, keepdims: ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=keepdims)),
    "ReduceSumSquare": lambda x, axis, keepdims: ops.sum(ops.square(x), axis=axis, keepdims=keepdims),
    "ReduceLogSum": lambda x, axis, keepdims: ops.log(ops.sum(x, axis=axis, keepdims=keepdims)),
    "ReduceLogSumExp": _logsumexp,
}  # fmt: skip
_OF_NOTHING = {"ReduceMax": ("-inf", "min"), "ReduceMin": ("inf", "max")}


def _reduction(name: str, function: Callable[..., Any]) -> None:
    def reduce(x: Any, axes: tuple[int, ...] | None, keepdims: int) -> Any:
        dtype = dtype_name(x)
        if axes == ():
            return x
        rank = len(ops.shape(x))
        taken = tuple(range(rank)) if axes is None else tuple(a % rank for a in axes)
        if any(ops.shape(x)[a] == 0 for a in taken) and name in (*_OF_NOTHING, "ReduceLogSumExp"):
            return _of_nothing(name, x, taken, keepdims)
        if dtype == "bool":
            return (
                ops.any(x, axis=taken, keepdims=bool(keepdims))
                if name == "ReduceMax"
                else ops.all(x, axis=taken, keepdims=bool(keepdims))
            )
        return ops.cast(function(x, axis=taken, keepdims=bool(keepdims)), dtype)

    def by_attribute(x: Any, *, axes: tuple[int, ...] | None = None, keepdims: int = 1) -> Any:
        return reduce(x, axes, keepdims)

    def by_input(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        known = None if axes is None else ints(axes, "axes")
        if not known:
            return _elementwise(name, x) if noop_with_empty_axes else reduce(x, None, keepdims)
        return reduce(x, tuple(known), keepdims)

    operator(name)(by_attribute)
    operator(name, since=13 if name == "ReduceSum" else 18)(by_input)


def _elementwise(name: str, x: Any) -> Any:
    """Return what a reduction over no axes computes for each element."""
    rules: dict[str, Callable[[Any], Any]] = {
        "ReduceL1": ops.abs, "ReduceL2": ops.abs, "ReduceSumSquare": ops.square, "ReduceLogSum": ops.log,
    }  # fmt: skip
    return rules.get(name, lambda value: value)(x)


def _of_nothing(name: str, x: Any, axes: tuple[int, ...], keepdims: int) -> Any:
    dtype = dtype_name(x)
    shape = [1 if i in axes else n for i, n in enumerate(ops.shape(x)) if keepdims or i not in axes]
    if name == "ReduceLogSumExp":
        return ops.full(shape, -np.inf, dtype=dtype)
    infinite, limit = _OF_NOTHING[name]
    value = float(infinite) if not dtypes.is_int(dtype) and dtype != "bool" else None
    if dtype == "bool":
        return ops.full(shape, name == "ReduceMin", dtype="bool")
    return ops.full(shape, value if value is not None else int(getattr(np.iinfo(dtype), limit)), dtype=dtype)


for _name, _function in _REDUCTIONS.items():
    _reduction(_name, _function)


def _arg(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        if select_last_index:
            size = ops.shape(x)[axis]
            found = ops.subtract(size - 1, function(ops.flip(x, axis=axis), axis=axis, keepdims=bool(keepdims)))
        else:
            found = function(x, axis=axis, keepdims=bool(keepdims))
        return ops.cast(found, "int64")

    return call


operator("ArgMax")(_arg(ops.argmax))
operator("ArgMin")(_arg(ops.argmin))


@operator("TopK")
def top_k_attribute(x: Any, *, axis: int = -1, k: int) -> Any:
    """Return the largest values and their indices; k is an attribute."""
    return _top_k(x, int(k), axis, 1)


@operator("TopK", since=10)
def top_k(x: Any, k: Any, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:
    """Return the k largest or smallest values along an axis, and their indices; the first of equal values comes first."""
    return _top_k(x, ints(k, "K")[0], axis, largest)


def _top_k(x: Any, k: int, axis: int, largest: int) -> Any:
    order = ops.argsort(_descending(x) if largest else x, axis=axis)
    places = ops.take(order, ops.arange(k, dtype="int64"), axis=axis)
    return ops.take_along_axis(x, places, axis=axis), ops.cast(places, "int64")


def _descending(x: Any) -> Any:
    """Return values in the opposite order, of any dtype."""
    dtype = dtype_name(x)
    if dtypes.is_int(dtype):
        return ops.bitwise_not(x)
    return ops.negative(x)


@operator("CumSum")
def cum_sum(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
    """Add up along an axis."""
    return _cumulative(x, ints(axis, "axis")[0], exclusive, reverse, ops.cumsum, 0)


@operator("CumProd")
def cum_prod(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
    """Multiply along an axis."""
    return _cumulative(x, ints(axis, "axis")[0], exclusive, reverse, ops.cumprod, 1)


def _cumulative(x: Any, axis: int, exclusive: int, reverse: int, function: Callable[..., Any], start: int) -> Any:
    dtype = dtype_name(x)
    axis %= len(ops.shape(x))
    if reverse:
        x = ops.flip(x, axis=axis)
    if exclusive:
        size = ops.shape(x)[axis]
        front = ops.full_like(ops.take(x, ops.arange(1), axis=axis), start)
        x = ops.concatenate([front, ops.take(x, ops.arange(size - 1), axis=axis)], axis=axis)
    made = ops.cast(function(x, axis=axis), dtype)
    return ops.flip(made, axis=axis) if reverse else made


@operator("NonZero")
def non_zero(x: Any) -> Any:
    """Return the indices of non-zero elements, one row per axis."""
    return (
        ops.cast(ops.stack(ops.nonzero(x)), "int64")
        if ops.shape(x)
        else ops.cast(ops.reshape(ops.not_equal(x, scalar(0, x)), (0, -1)), "int64")
    )


@operator("Hardmax")
def hardmax_flat(x: Any, *, axis: int = 1) -> Any:
    """Mark the first largest element of each row of the matrix that results from flattening at `axis`."""
    from .shaping import flatten

    return ops.reshape(hardmax(flatten(x, axis=axis), axis=-1), ops.shape(x))


@operator("Hardmax", since=13)
def hardmax(x: Any, *, axis: int = -1) -> Any:
    """Mark the first largest element along an axis."""
    return ops.one_hot(ops.argmax(x, axis=axis), ops.shape(x)[axis], axis=axis, dtype=dtype_name(x))


def _softmax(name: str, function: Callable[..., Any]) -> None:
    def flat(x: Any, *, axis: int = 1) -> Any:
        from .shaping import flatten

        return ops.reshape(function(flatten(x, axis=axis), axis=-1), ops.shape(x))

    def along(x: Any, *, axis: int = -1) -> Any:
        return function(x, axis=axis)

    operator(name)(flat)
    operator(name, since=13)(along)


_softmax("Softmax", ops.softmax)
_softmax("LogSoftmax", ops.log_softmax)
