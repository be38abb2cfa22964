"""Scatter ops (replace, add, multiply, maximum, minimum at indices) and segment reductions."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, Size, product
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ops._convert import assume_size, dtype_name, dtype_of, shape_of, size_argument, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.elementwise import (
    add,
    cast,
    equal,
    greater_equal,
    less,
    logical_and,
    maximum,
    multiply,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.indexing import check_bounds, classes_of, integer, scatter_add_p, start_of_part, take_p
from graphkit.ops.reduction import reduce_sum_p
from graphkit.ops.shaping import arange, broadcast_to, expand_dims, full, reshape

# fmt: off
__all__ = ["scatter", "scatter_update", "segment_max", "segment_min", "segment_prod", "segment_sum", "slice_update"]
# fmt: on


# ----- replacing -----


def _scatter_set_kernel(out: Any, x: Any, indices: Any, updates: Any) -> None:
    check_bounds(indices, x.shape[0])
    np.copyto(out, x)
    out[indices] = updates


def _cotangents_of_updates(g: Any, x: Any, indices: Any, updates: Any) -> Any:
    """Return the cotangents of the updates: zero for an update that a later one replaced."""
    numbers = arange(shape_of(indices)[0])
    last = scatter_set_p.bind(full((shape_of(x)[0],), 0, "int32"), indices, numbers)
    stays = equal(take_p.bind(last, indices, axis=0), numbers)
    return where(expand_dims(stays, list(range(1, updates.ndim))), take_p.bind(g, indices, axis=0), 0)


scatter_set_p: Primitive = primitive(
    "scatter_set",  # x with its rows at `indices` (one axis) replaced; the last of equal indices wins
    lambda x, indices, updates: x,
    kernel=_scatter_set_kernel,
    inplace=(0,),
    vjp=lambda g, out, x, indices, updates: [
        lambda: scatter_set_p.bind(g, indices, broadcast_to(tensor(0, dtype_name(updates)), shape_of(updates))),
        None,
        lambda: _cotangents_of_updates(g, x, indices, updates),
    ],
)


# ----- multiplying, maximum, minimum -----

_UFUNCS: dict[str, Any] = {"mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _scatter_reduce_kernel(out: Any, x: Any, indices: Any, updates: Any, reduction: str) -> None:
    check_bounds(indices, x.shape[0])
    np.copyto(out, x)
    _UFUNCS[reduction].at(out, indices, updates)


def _extreme_vjp(g: Any, out: Any, x: Any, indices: Any, updates: Any) -> list[Any]:
    """Pass the cotangent to the extremum; equal elements share it."""
    mine = cast(equal(x, out), dtype_name(x))
    theirs = cast(equal(updates, take_p.bind(out, indices, axis=0)), dtype_name(x))
    count = add(mine, scatter_add_p.bind(theirs, indices, axis=0, size=shape_of(x)[0]))
    share = true_divide(g, maximum(count, 1))
    return [
        lambda: multiply(share, mine),
        None,
        lambda: multiply(take_p.bind(share, indices, axis=0), theirs),
    ]


def _product_vjp(g: Any, x: Any, indices: Any, updates: Any) -> list[Any]:
    """Multiply the cotangent by the product of the other factors, which is correct for any number of zeros among them."""
    size, one = shape_of(x)[0], tensor(1, dtype_name(x))
    flat = [where(equal(v, 0), one, v) for v in (x, updates)]
    zeros = [cast(equal(v, 0), dtype_name(x)) for v in (x, updates)]
    product_ = scatter_reduce_p.bind(flat[0], indices, flat[1], reduction="mul")
    count = add(zeros[0], scatter_add_p.bind(zeros[1], indices, axis=0, size=size))

    def others(product_: Any, count: Any, factor: Any, zero: Any) -> Any:
        return where(equal(count, zero), true_divide(product_, factor), 0)

    def at(v: Any) -> Any:
        return take_p.bind(v, indices, axis=0)

    return [
        lambda: multiply(g, others(product_, count, flat[0], zeros[0])),
        None,
        lambda: multiply(at(g), others(at(product_), at(count), flat[1], zeros[1])),
    ]


def _scatter_reduce_vjp(g: Any, out: Any, x: Any, indices: Any, updates: Any, reduction: str) -> list[Any]:
    return _product_vjp(g, x, indices, updates) if reduction == "mul" else _extreme_vjp(g, out, x, indices, updates)


scatter_reduce_p: Primitive = primitive(
    "scatter_reduce",  # rows of x at `indices` (one axis) combined with the updates by mul, max or min
    lambda x, indices, updates, reduction: x,
    kernel=_scatter_reduce_kernel,
    inplace=(0,),
    vjp=_scatter_reduce_vjp,
)


# ----- indices over several axes -----


def _linear(indices: Any, shape: Shape) -> tuple[Any, int]:
    """Convert indices (..., k) into the first k axes of `shape` to flat indices into these axes; return also k."""
    indices = assume_size(indices, indices.ndim - 1, 1)
    depth = shape_of(indices)[-1]
    if not isinstance(depth, int) or depth > len(shape):
        raise ShapeError(f"indices of shape {show(shape_of(indices))} do not fit a tensor of shape {show(shape)}.")
    steps = [product(shape[a + 1 : depth]) for a in range(depth)]
    flat = reshape(indices, (-1, depth))
    if any(isinstance(step, Dim) for step in steps):
        terms = [multiply(flat[:, axis], cast(step, dtype_name(flat))) for axis, step in enumerate(steps)]
        return reduce(add, terms), depth
    return reduce_sum_p.bind(
        multiply(flat, np.asarray(steps, dtypes.to_numpy(dtype_name(flat)))), axes=(1,), keepdims=False
    ), depth


@operation("Scatter", "core", tensors="indices values")
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Add `values` at `indices` to zeros of a given shape.

    Args:
        indices: (..., k), integer indices into the first k axes.
        values: (..., *shape[k:]).
        shape: the shape of the result.

    Raises:
        DTypeError: If `indices` are not integers.
        ShapeError: If `indices` do not fit `shape`, or their last size is unknown.
        InvalidArgumentError: If an index is out of range.

    Source: keras.ops.scatter.
    """
    indices, values = integer(indices, "scatter"), tensor(values)
    whole = tuple(shape)
    places, depth = _linear(indices, whole)
    rows = reshape(values, (product(shape_of(indices)[:-1]), *whole[depth:]))
    return reshape(scatter_add_p.bind(rows, places, axis=0, size=product(whole[:depth])), whole)


@operation("ScatterUpdate", "core", tensors="inputs indices updates")
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """Return `inputs` with `updates` written at `indices`.

    Args:
        inputs: a tensor.
        indices: (..., k), integer indices into the first k axes.
        updates: (..., *inputs.shape[k:]), cast to the dtype of `inputs`.
        reduction: how an update is combined with the old value: "add", "mul", "max", "min", or None to replace it.

    Raises:
        DTypeError: If `indices` are not integers.
        ShapeError: If `indices` do not fit `inputs`, or their last size is unknown.
        InvalidArgumentError: If `reduction` is unknown, or an index is out of range.

    Source: keras.ops.scatter_update.
    """
    x, indices = tensor(inputs), integer(indices, "scatter_update")
    updates = tensor(updates, dtype_name(x))
    whole = shape_of(x)
    places, depth = _linear(indices, whole)
    rows = reshape(updates, (product(shape_of(indices)[:-1]), *whole[depth:]))
    flat = reshape(x, (product(whole[:depth]), *whole[depth:]))
    if reduction is None:
        made = scatter_set_p.bind(flat, places, rows)
    elif reduction == "add":
        made = add(flat, scatter_add_p.bind(rows, places, axis=0, size=product(whole[:depth])))
    elif reduction in _UFUNCS:
        made = scatter_reduce_p.bind(flat, places, rows, reduction=reduction)
    else:
        raise InvalidArgumentError(
            f"scatter_update: reduction must be None, 'add', 'mul', 'max' or 'min', got {reduction!r}."
        )
    return reshape(made, whole)


@operation("SliceUpdate", "core", tensors="inputs start_indices updates")
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Any:
    """Return `inputs` with `updates` written at `start_indices`, which are adjusted as in `slice`.

    Args:
        inputs: a tensor.
        start_indices: one integer for each axis, or an integer tensor.
        updates: a tensor with as many axes as `inputs`.

    Raises:
        DTypeError: If the dtype of `updates` does not promote to that of `inputs`.
        ShapeError: If `updates` has another number of axes, or does not fit.

    Source: keras.ops.slice_update.
    """
    x = tensor(inputs)
    if dtypes.result_type(dtype_name(x), dtype_of(updates)) != dtype_name(x):
        raise DTypeError(
            f"slice_update: updates of dtype {dtype_of(updates)} do not fit inputs of dtype {dtype_name(x)}; cast one of them."
        )
    updates = tensor(updates, dtype_name(x))
    if updates.ndim != x.ndim:
        raise ShapeError(
            f"slice_update: updates of shape {show(shape_of(updates))} must have as many axes as inputs of shape {show(shape_of(x))}."
        )
    if isinstance(start_indices, (list, tuple)) and len(start_indices) != x.ndim:
        raise ShapeError(
            f"slice_update expects a start for each of the {x.ndim} axes, got start_indices={start_indices}."
        )
    grid: Any = tensor(0)
    steps = [product(shape_of(x)[a + 1 :]) for a in range(x.ndim)]
    for axis, length in enumerate(shape_of(updates)):
        whole = shape_of(x)[axis]
        if isinstance(length, int) and isinstance(whole, int) and length > whole:
            raise ShapeError(
                f"slice_update: {length} updates do not fit into axis {axis} of shape {show(shape_of(x))}."
            )
        places = multiply(add(arange(length), start_of_part(start_indices[axis], whole, length)), steps[axis])
        grid = add(expand_dims(grid, -1), places)
    flat = scatter_set_p.bind(reshape(x, (-1,)), reshape(grid, (-1,)), reshape(updates, (-1,)))
    return reshape(flat, shape_of(x))


# ----- segments -----


def _segments(what: str, data: Any, ids: Any, num_segments: int | None) -> tuple[Any, Any, Size]:
    """Return the data, the segment of each of its slices, and the number of segments, which is the segment of invalid ids."""
    data, ids = tensor(data), integer(ids, what)
    if ids.ndim != 1:
        raise ShapeError(
            f"{what}: `segment_ids` must have one axis, got shape {show(shape_of(ids))}; flatten both it and the data."
        )
    if data.ndim < 1 or _differ(data, ids):
        raise ShapeError(
            f"{what}: `segment_ids` of shape {show(shape_of(ids))} must hold one id for each slice of the data, "
            f"whose shape is {show(shape_of(data))}."
        )
    if num_segments is None:
        ids, count = classes_of(ids, f"{what}_segments")
    else:
        count = size_argument(num_segments, f"{what}: `num_segments`")
        if isinstance(count, int) and count < 0:
            raise InvalidArgumentError(f"{what}: `num_segments` must not be negative, got {num_segments}.")
    ids = cast(ids, "int32")
    return data, where(logical_and(greater_equal(ids, 0), less(ids, count)), ids, count), count


def _differ(data: Any, ids: Any) -> bool:
    sizes = shape_of(data)[0], shape_of(ids)[0]
    return sizes[0] != sizes[1] and not any(isinstance(s, Dim) for s in sizes)


@operation("SegmentSum", "math", tensors="data segment_ids")
def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Sum the slices of each segment; an empty segment is 0.

    Args:
        data: (n, ...).
        segment_ids: (n,), integers; slices with ids outside of [0, num_segments) are dropped.
        num_segments: the size of the result's first axis; max(segment_ids) + 1 by default.
        sorted: accepted for compatibility with Keras, ignored.

    Raises:
        DTypeError: If `segment_ids` are not integers, or `data` is bool.
        ShapeError: If `segment_ids` does not have one axis with the size of the first axis of `data`.
        InvalidArgumentError: If `num_segments` is negative.

    Source: keras.ops.segment_sum.
    """
    data, ids, count = _segments("segment_sum", data, segment_ids, num_segments)
    _refuse_bools("segment_sum", data)
    return scatter_add_p.bind(data, ids, axis=0, size=count + 1)[:count]


def _refuse_bools(what: str, data: Any) -> None:
    if dtype_name(data) == "bool":
        raise DTypeError(f"{what} expects numbers, got bool; cast the data with ops.cast(data, 'int32').")


def _neutral(reduction: str, dtype: str) -> Any:
    """Return the identity element: 1 for a product, the lowest value for a maximum, the highest for a minimum."""
    return {"mul": 1, "max": dtypes.lowest(dtype), "min": dtypes.highest(dtype)}[reduction]


def _segment_reduce(what: str, data: Any, segment_ids: Any, num_segments: int | None, reduction: str) -> Any:
    data, ids, count = _segments(what, data, segment_ids, num_segments)
    dtype = dtype_name(data)
    start = full((count + 1, *shape_of(data)[1:]), _neutral(reduction, dtype), dtype)
    return scatter_reduce_p.bind(start, ids, data, reduction=reduction)[:count]


@operation("SegmentMax", "math", tensors="data segment_ids")
def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Compute the maximum of each segment, the lowest value of the dtype for an empty one; arguments as in `segment_sum`.

    Raises:
        DTypeError: If `segment_ids` are not integers.
        ShapeError: If `segment_ids` does not have one axis with the size of the first axis of `data`.
        InvalidArgumentError: If `num_segments` is negative.

    Source: keras.ops.segment_max.
    """
    return _segment_reduce("segment_max", data, segment_ids, num_segments, "max")


@operation("SegmentMin", "math", tensors="data segment_ids")
def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Compute the minimum of each segment, the highest value of the dtype for an empty one; arguments as in `segment_sum`.

    Raises:
        DTypeError: If `segment_ids` are not integers.
        ShapeError: If `segment_ids` does not have one axis with the size of the first axis of `data`.
        InvalidArgumentError: If `num_segments` is negative.

    Source: keras.ops.segment_min.
    """
    return _segment_reduce("segment_min", data, segment_ids, num_segments, "min")


@operation("SegmentProd", "math", tensors="data segment_ids")
def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Compute the product of each segment, 1 for an empty one; arguments and errors as in `segment_sum`.

    Source: keras.ops.segment_prod.
    """
    _refuse_bools("segment_prod", tensor(data))
    return _segment_reduce("segment_prod", data, segment_ids, num_segments, "mul")
