"""Cumulative sums, argmax and quantiles that ignore NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError
from graphkit.ops._convert import canonical_axes, dtype_name, reals, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops.elementwise import (
    add,
    cast,
    equal,
    floor,
    isnan,
    logical_not,
    maximum,
    minimum,
    multiply,
    subtract,
    true_divide,
    where,
)
from graphkit.ops.indexing import sort, take_along_axis
from graphkit.ops.reduction import all as reduce_all
from graphkit.ops.reduction import argmax, argmin, cumprod, cumsum, reduced_shape
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import broadcast_to, moveaxis, reshape, transpose
from graphkit.ops.statistics import interpolations

__all__ = ["nanargmax", "nanargmin", "nancumprod", "nancumsum", "nanmedian", "nanpercentile", "nanquantile"]


def _filled(x: Any, filler: float) -> Any:
    x = tensor(x)
    return where(isnan(x), filler, x) if dtypes.is_float(dtype_name(x)) else x


@operation("Nancumsum")
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Compute cumulative sums along `axis` (None: of the flattened tensor), with NaN as 0. Source: keras.ops.nancumsum."""
    return cumsum(_filled(x, 0.0), axis, dtype)


@operation("Nancumprod")
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Compute cumulative products along `axis` (None: of the flattened tensor), with NaN as 1. Source: keras.ops.nancumprod."""
    return cumprod(_filled(x, 1.0), axis, dtype)


def _position(x: Any, axis: int | None, keepdims: bool, find: Callable[..., Any], filler: float) -> Any:
    x = tensor(x)
    found = find(_filled(x, filler), axis, keepdims)
    return where(reduce_all(isnan(x), axis, keepdims), -1, found) if dtypes.is_float(dtype_name(x)) else found


@operation("Nanargmax")
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index (int32) of the largest element that is not NaN, -1 where all are NaN. Source: keras.ops.nanargmax."""
    return _position(x, axis, keepdims, argmax, float("-inf"))


@operation("Nanargmin")
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index (int32) of the smallest element that is not NaN, -1 where all are NaN. Source: keras.ops.nanargmin."""
    return _position(x, axis, keepdims, argmin, float("inf"))


@operation("Nanquantile", tensors="x q")
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Compute quantiles of the elements that are not NaN; all NaN gives NaN.

    Args:
        x: a real tensor; integers become `floatx()`.
        q: a probability in [0, 1] or a tensor of them, whose axes come first in the result.
        axis: an axis, several, or None for all.
        method: "linear", "lower", "higher", "midpoint" or "nearest".
        keepdims: whether reduced axes stay, with size 1.

    Raises:
        InvalidArgumentError: If `method` is unknown.
        DTypeError: If `x` is complex.
        ShapeError: If an axis is out of range or given twice.

    Source: keras.ops.nanquantile.
    """
    if method not in interpolations:
        raise InvalidArgumentError(f"nanquantile: method must be one of {', '.join(interpolations)}, got {method!r}.")
    (x,) = reals("nanquantile", x, to_float=True)
    q = tensor(q, dtype_name(x))
    axes = canonical_axes(axis, x.ndim)
    rest = [a for a in range(x.ndim) if a not in axes]
    front = tuple(shape_of(x)[a] for a in rest)
    flat = reshape(transpose(x, [*rest, *axes]), (*front, -1))
    missing = isnan(flat)
    count = reduce_sum(cast(logical_not(missing), dtype_name(x)), axis=-1, keepdims=True)
    ordered = sort(where(missing, float("inf"), flat))
    shares = reshape(q, (-1,))
    top = maximum(subtract(count, 1.0), 0.0)
    place = minimum(maximum(multiply(broadcast_to(shares, (*front, shape_of(shares)[0])), top), 0.0), top)
    below = floor(place)
    first, last = cast(below, "int32"), cast(top, "int32")
    low = take_along_axis(ordered, first, axis=-1)
    high = take_along_axis(ordered, minimum(add(first, 1), last), axis=-1)
    made = where(equal(count, 0), float("nan"), interpolations[method](low, high, subtract(place, below)))
    made = reshape(moveaxis(made, -1, 0), (*shape_of(q), *front))
    return reshape(made, (*shape_of(q), *reduced_shape(shape_of(x), axes, True))) if keepdims else made


@operation("Nanpercentile", tensors="x q")
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Compute `nanquantile` with `q` in percent; other arguments and errors are the same. Source: keras.ops.nanpercentile."""
    share = q / 100.0 if isinstance(q, (int, float)) else true_divide(q, 100.0)
    return nanquantile(x, share, axis=axis, method=method, keepdims=keepdims)


@operation("Nanmedian")
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the median of the elements that are not NaN; errors as in `nanquantile`. Source: keras.ops.nanmedian."""
    return nanquantile(x, 0.5, axis=axis, keepdims=keepdims)
