"""Counting and locating elements: nonzero, unique, histogram; positions in a flattened tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.dims import Size, product
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError, UnknownValueError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, measured_size
from graphkit.ir.variable import Variable
from graphkit.ops._convert import as_float, dtype_name, promote, shape_argument, shape_of, tensor, within
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.creation import linspace
from graphkit.ops.elementwise import (
    add,
    cast,
    equal,
    floor_divide,
    less,
    less_equal,
    logical_and,
    maximum,
    minimum,
    mod,
    not_equal,
    subtract,
    where,
)
from graphkit.ops.indexing import argsort, integer, scatter_add_p, searchsorted, take
from graphkit.ops.reduction import cumsum
from graphkit.ops.reduction import max as reduce_max
from graphkit.ops.reduction import min as reduce_min
from graphkit.ops.shaping import arange, concatenate, ones, reshape

__all__ = ["argpartition", "histogram", "nonzero", "unique", "unravel_index"]


def _numbers(what: str, x: Any, instead: str) -> Any:
    """Return the array. Raises UnknownValueError for a tracer: the shape of the result depends on the values."""
    x = tensor(x)
    if isinstance(x, Tracer):
        raise UnknownValueError(
            f"{what} returns a tensor whose shape depends on the values, which are unknown while the graph is built. {instead}"
        )
    return x.array if isinstance(x, Variable) else x


def _nonzero_abstract(x: TensorSpec, size: Size) -> Any:
    positions = tuple(TensorSpec((size,), "int32") for _ in x.shape)
    return positions if len(positions) > 1 else positions[0]


def _nonzero_kernel(out: Any, x: Any, size: int) -> None:
    for target, positions in zip(out if isinstance(out, tuple) else (out,), np.nonzero(x), strict=True):
        if len(positions) != size:
            raise ShapeError(f"nonzero: found {len(positions)} nonzero elements, but {size} were counted before.")
        np.copyto(target, positions, casting="unsafe")


nonzero_p = primitive(
    "nonzero",  # `size`: the number of nonzero elements, counted in advance or a named Dim
    _nonzero_abstract,
    kernel=_nonzero_kernel,
    nondiff="a position is an integer",
)


@operation("Nonzero")
def nonzero(x: Any) -> tuple[Any, ...]:
    """Return the positions of the elements that are not zero, int32, one tensor for each axis. Source: keras.ops.nonzero."""
    x = tensor(x)
    x = reshape(x, (1,)) if x.ndim == 0 else x
    count = measured_size(x.value if isinstance(x, Variable) else x, lambda a: int(np.count_nonzero(a)), "nonzero")
    positions = nonzero_p.bind(x, size=count)
    return tuple(positions) if x.ndim > 1 else (positions,)


@operation("Unique")
def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """Return each element (or slice along `axis`) once, in ascending order.

    Args:
        sorted: accepted as in Keras; the result is always sorted.
        return_index: whether to also return the index of the first occurrence of each, int32.
        return_inverse: whether to also return the index into the result for each element of `x`, int32.
        return_counts: whether to also return the number of occurrences of each, int32.
        axis: the axis of the slices to compare; None flattens `x`.
        size: a fixed number of results: additional ones are dropped, missing ones filled in.
        fill_value: the value that fills; None repeats the first result.

    Raises:
        UnknownValueError: `x` is traced, and `axis` given.

    Source: keras.ops.unique.
    """
    if isinstance(tensor(x), Tracer) and axis is None:
        wanted = (True, return_index, return_inverse, return_counts)
        traced = _unique_of_traced(tensor(x), size, fill_value)
        chosen = [part for part, asked in zip(traced, wanted, strict=True) if asked]
        return tuple(chosen) if len(chosen) > 1 else chosen[0]
    array = _numbers("unique", x, "Apply it to the arrays before they reach the model.")
    found = np.unique(array, return_index=True, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    values, first, inverse, counts = found
    parts = [
        first.astype(np.int32),
        inverse.astype(np.int32).reshape(array.shape if axis is None else -1),
        counts.astype(np.int32),
    ]
    if size is not None:
        values, first, counts = (
            _sized(values, axis or 0, size, fill_value),
            _sized(parts[0], 0, size, None),
            _sized(parts[2], 0, size, 0),
        )
        parts = [first, parts[1], counts]
    extras = [part for part, asked in zip(parts, (return_index, return_inverse, return_counts), strict=True) if asked]
    return (values, *extras) if extras else values


def _unique_of_traced(x: Any, size: int | None, fill_value: Any) -> tuple[Any, Any, Any, Any]:
    """Return the elements of a traced tensor once, the first index of each, the index of each element, and the counts."""
    flat = reshape(x, (-1,))
    order = argsort(flat)
    ordered = take(flat, order)
    is_new = concatenate([ones((1,), "bool"), not_equal(ordered[1:], ordered[:-1])])
    (starts,) = nonzero(is_new)
    group = subtract(cumsum(cast(is_new, "int32")), 1)
    inverse = reshape(take(group, argsort(order)), shape_of(x))
    counts = subtract(concatenate([starts[1:], reshape(tensor(shape_of(flat)[0], "int32"), (1,))]), starts)
    values, first = take(ordered, starts), take(order, starts)
    if size is None:
        return values, first, inverse, counts
    found = add(group[-1], 1)
    there = less(arange(size), found)
    place = minimum(arange(size), subtract(found, 1))
    filler = values[0] if fill_value is None else cast(fill_value, dtype_name(values))
    return (
        where(there, take(values, place), filler),
        where(there, take(first, place), first[0]),
        inverse,
        where(there, take(counts, place), 0),
    )


def _sized(values: Any, axis: int, size: int, fill_value: Any) -> Any:
    """Cut or fill `values` to `size` along `axis`; `fill_value=None` repeats the first slice."""
    count = values.shape[axis]
    if count >= size:
        return np.take(values, np.arange(size), axis=axis)
    first = np.take(values, [0], axis=axis)
    filler = first if fill_value is None else np.full_like(first, fill_value)
    return np.concatenate([values, np.repeat(filler, size - count, axis=axis)], axis=axis)


@operation("Histogram")
def histogram(x: Any, bins: int = 10, range: Any = None) -> tuple[Any, Any]:
    """Count the elements of a vector in `bins` equal parts of a range.

    Args:
        x: a tensor of one axis.
        range: (low, high); None is from the smallest element to the largest.

    Returns:
        The counts (bins,) and the edges (bins + 1,), both floats.

    Raises:
        InvalidTypeError: `bins` is not an int.
        InvalidArgumentError: `bins` is not positive, or `range` not two ascending values.
        ShapeError: `x` does not have one axis.

    Source: keras.ops.histogram.
    """
    if not isinstance(bins, (int, np.integer)):
        raise InvalidTypeError(f"Argument `bins` must be of type `int`. Received: bins={bins}")
    if bins < 1:
        raise InvalidArgumentError(f"Argument `bins` should be a positive integer. Received: bins={bins}")
    if range is not None and (len(range) != 2 or range[1] < range[0]):
        raise InvalidArgumentError(
            f"Argument `range` must be two values, the first not above the second. Received: range={range}"
        )
    x = as_float(x)
    if x.ndim != 1:
        raise ShapeError(
            f"histogram: the input tensor must be 1-dimensional. Received: input.shape={show(shape_of(x))}"
        )
    low, high = (
        (reduce_min(x), reduce_max(x)) if range is None else promote(*(tensor(float(r), dtype_name(x)) for r in range))
    )
    flat = equal(low, high)
    low, high = where(flat, subtract(low, 0.5), low), where(flat, add(high, 0.5), high)
    edges = linspace(low, high, int(bins) + 1, dtype=dtype_name(x))
    inside = logical_and(less_equal(low, x), less_equal(x, high))
    part = subtract(searchsorted(edges, x, side="right"), 1)
    part = where(equal(x, high), int(bins) - 1, part)
    part = where(logical_and(less_equal(0, part), less(part, int(bins))), part, 0)
    counts = scatter_add_p.bind(cast(inside, dtype_name(x)), cast(part, "int32"), axis=0, size=int(bins))
    return counts, edges


@operation("UnravelIndex", tensors="indices")
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Convert positions in a flattened tensor to positions along the axes of `shape`, one tensor for each axis.

    A position out of range becomes the nearest one that exists.

    Raises:
        DTypeError: the indices are not integers.
        UnknownSizeError: a size of `shape` is None.

    Source: keras.ops.unravel_index.
    """
    rest = integer(indices, "unravel_index")
    shape = shape_argument(shape, "unravel_index")
    total = product(shape)
    last = within(total - 1, dtype_name(rest)) if isinstance(total, int) else subtract(total, 1)
    rest = minimum(maximum(where(less(rest, 0), add(rest, total), rest), 0), last)
    positions = []
    for size in reversed(tuple(shape)):
        positions.append(mod(rest, size))
        rest = floor_divide(rest, size)
    return tuple(reversed(positions))


@operation("Argpartition")
def argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Return positions, int32, such that the `kth` is that of the `kth` smallest element, with no larger one before it.

    All positions are in sorted order here.

    Args:
        axis: the axis to sort along; None flattens `x`.

    Raises:
        InvalidArgumentError: `kth` is out of range.

    Source: keras.ops.argpartition.
    """
    positions = argsort(x, axis=axis)
    size = shape_of(positions)[0 if axis is None else axis]
    if isinstance(size, int) and not -size <= kth < size:
        raise InvalidArgumentError(f"argpartition: kth={kth} is out of range for an axis of {size} elements.")
    return positions
