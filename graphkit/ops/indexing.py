"""Gather and scatter by index (take, take_along_axis, slice), sorting (sort, argsort, top_k) and one-hot encoding."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, Size, product
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import measured_size, only_shapes
from graphkit.ir.variable import Variable
from graphkit.ops._convert import (
    canonical_axis,
    counted,
    dtype_name,
    promote,
    reals,
    shape_argument,
    shape_of,
    size_argument,
    tensor,
)
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_shapes, show
from graphkit.ops.elementwise import (
    add,
    cast,
    clip,
    equal,
    greater_equal,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    where,
)  # fmt: skip
from graphkit.ops.reduction import max as reduce_max
from graphkit.ops.reduction import reduce_sum_p
from graphkit.ops.shaping import arange, broadcast_to, expand_dims, reshape, squeeze

# fmt: off
__all__ = [
    "argsort", "digitize", "in_top_k", "multi_hot", "one_hot", "searchsorted", "slice", "sort", "take", "take_along_axis",
    "top_k",
]
# fmt: on

_slice = builtins.slice
_INTEGER_RESULT = "its result is an integer"


def check_bounds(indices: Any, size: int) -> None:
    """Raise InvalidArgumentError unless all indices, counted from either end, are within an axis of this size."""
    if indices.size and not (-size <= int(indices.min()) and int(indices.max()) < size):
        wrong = int(indices.min()) if int(indices.min()) < -size else int(indices.max())
        raise InvalidArgumentError(f"Index {wrong} is out of range for an axis of {size} elements.")


def integer(indices: Any, where_: str) -> Any:
    """Convert indices to an integer tensor; while only shapes are inferred, symbolic floats are accepted, as in Keras.

    Raises:
        DTypeError: If the dtype is not an integer; `where_` names the op in the message.
    """
    made = tensor(indices)
    if not dtypes.is_int(dtype_name(made)) and not only_shapes(made):
        raise DTypeError(
            f"{where_} expects integer indices, got {dtype_name(made)}; cast them with ops.cast(indices, 'int32')."
        )
    return made


with_classes_p = primitive(
    # x unchanged; records that `size` is max(x) + 1, at least `least`, so that ONNX can compute the size from x
    "with_classes",
    lambda x, size, least: x,
    kernel=lambda out, x, size, least: np.copyto(out, x),
    view=lambda x, size, least: x,
    nondiff="its input is an integer",
)


def classes_of(x: Any, what: str, least: int = 0) -> tuple[Any, Size]:
    """Return `x` and its number of classes, max(x) + 1 but at least `least`: a named `Dim` where values are not known yet."""

    def read(numbers: Any) -> int:
        return builtins.max(int(numbers.max()) + 1 if numbers.size else 0, least)

    x = x.value if isinstance(x, Variable) else x
    size = measured_size(x, read, what)
    return (with_classes_p.bind(x, size=size, least=least) if isinstance(size, Dim) else x), size


# ----- take: whole slices along one axis -----


def _take_abstract(x: TensorSpec, indices: TensorSpec, axis: int) -> TensorSpec:
    return TensorSpec((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)


def _take_kernel(out: Any, x: Any, indices: Any, axis: int) -> None:
    check_bounds(indices, x.shape[axis])
    np.take(x, indices, axis=axis, out=out, mode="wrap")  # allows negative indices, and needs no buffer unlike "raise"


take_p = primitive(
    "take",  # negative indices count from the end
    _take_abstract,
    kernel=_take_kernel,
    vjp=lambda g, out, x, indices, axis: [scatter_add_p.bind(g, indices, axis=axis, size=shape_of(x)[axis]), None],
)


def _scatter_add_abstract(updates: TensorSpec, indices: TensorSpec, axis: int, size: Size) -> TensorSpec:
    return TensorSpec((*updates.shape[:axis], size, *updates.shape[axis + indices.rank :]), updates.dtype)


def _scatter_add_workspace(specs: list[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    updates, _ = specs
    return [TensorSpec((product(updates.shape),), "int64")] if params["axis"] == 0 else []


def _scatter_add_kernel(out: Any, updates: Any, indices: Any, axis: int, size: int, workspace: list[Any]) -> None:
    """Add rows element by element along the first axis, since `numpy.add.at` is fast for flat arrays only."""
    check_bounds(indices, size)
    out[...] = 0
    if axis or not out.flags.c_contiguous:
        rest = [a for a in range(updates.ndim) if not axis <= a < axis + indices.ndim]
        order = [*range(axis, axis + indices.ndim), *rest]
        np.add.at(np.moveaxis(out, axis, 0), indices, updates.transpose(order))
        return
    width = int(np.prod(out.shape[1:], dtype=np.int64))
    places = workspace[0].reshape(-1, width) if width else workspace[0].reshape(-1, 1)
    rows = np.where(indices < 0, indices.astype(np.int64) + size, indices).reshape(-1, 1)
    np.add(np.multiply(rows, width), np.arange(width), out=places[: len(rows)])
    np.add.at(out.reshape(-1), places.reshape(-1), updates.reshape(-1))


scatter_add_p: Primitive = primitive(
    "scatter_add",  # zeros of `size` along `axis`, to which each slice of the updates is added at its index
    _scatter_add_abstract,
    kernel=_scatter_add_kernel,
    workspace=_scatter_add_workspace,
    vjp=lambda g, out, updates, indices, axis, size: [take_p.bind(g, indices, axis=axis), None],
)


@operation("Take", tensors="x indices")
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Gather the slices of `x` at `indices` along `axis`.

    Args:
        x: a tensor.
        indices: integers of any shape; negative ones count from the end.
        axis: None flattens `x` first.

    Raises:
        DTypeError: If `indices` are not integers.
        InvalidArgumentError: If an index is out of range.
        ShapeError: If `axis` is out of range.

    Source: keras.ops.take.
    """
    x = reshape(tensor(x), (-1,)) if axis is None else tensor(x)
    return take_p.bind(x, integer(indices, "take"), axis=canonical_axis(axis or 0, x.ndim))


# ----- take_along_axis: single elements -----


def _along_kernel(out: Any, x: Any, indices: Any, axis: int) -> None:
    check_bounds(indices, x.shape[axis])
    np.copyto(out, np.take_along_axis(x, indices, axis))


take_along_axis_p = primitive(
    "take_along_axis",  # x and indices have the same sizes except along the axis
    lambda x, indices, axis: TensorSpec(indices.shape, x.dtype),
    kernel=_along_kernel,
    vjp=lambda g, out, x, indices, axis: [
        scatter_along_axis_p.bind(g, indices, axis=axis, size=shape_of(x)[axis]),
        None,
    ],
)


def _scatter_along_kernel(out: Any, updates: Any, indices: Any, axis: int, size: int) -> None:
    check_bounds(indices, size)
    out[...] = 0
    grid = list(np.ogrid[tuple(_slice(n) for n in indices.shape)])
    grid[axis] = indices
    np.add.at(out, tuple(grid), updates)


scatter_along_axis_p: Primitive = primitive(
    "scatter_along_axis",  # zeros of `size` along `axis`, to which each element of the updates is added at its index
    lambda updates, indices, axis, size: TensorSpec(
        (*updates.shape[:axis], size, *updates.shape[axis + 1 :]), updates.dtype
    ),
    kernel=_scatter_along_kernel,
    vjp=lambda g, out, updates, indices, axis, size: [take_along_axis_p.bind(g, indices, axis=axis), None],
)


@operation("TakeAlongAxis", tensors="x indices")
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Any:
    """Gather the elements of `x` at `indices` along `axis`; the other axes are broadcast.

    Args:
        x: a tensor.
        indices: integers, with as many axes as `x`; negative ones count from the end.
        axis: None flattens `x`; `indices` has one axis then.

    Raises:
        DTypeError: If `indices` are not integers.
        InvalidArgumentError: If an index is out of range.
        ShapeError: If the numbers of axes differ, the other axes cannot be broadcast, or `axis` is out of range.

    Source: keras.ops.take_along_axis.
    """
    x, indices = tensor(x), integer(indices, "take_along_axis")
    if axis is None:
        x, indices, axis = reshape(x, (-1,)), indices, 0
    if x.ndim != indices.ndim:
        raise ShapeError(
            f"take_along_axis: x and indices must have the same number of axes, got {x.ndim} and {indices.ndim}."
        )
    axis = canonical_axis(axis, x.ndim)
    mine, theirs = shape_of(x), shape_of(indices)
    others = broadcast_shapes(_with(mine, axis, 1), _with(theirs, axis, 1))
    x = broadcast_to(x, _with(others, axis, mine[axis]))
    return take_along_axis_p.bind(x, broadcast_to(indices, _with(others, axis, theirs[axis])), axis=axis)


def _with(shape: Shape, axis: int, size: Size) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1 :])


# ----- slices -----


@operation("Slice", "core", tensors="inputs start_indices")
def slice(inputs: Any, start_indices: Any, shape: Any) -> Any:
    """Return the slice of `inputs` of a given shape that begins at `start_indices`.

    Args:
        inputs: a tensor.
        start_indices: one integer for each axis, or an integer tensor. Negative ones count from the end; a start with which
            the slice would not fit is reduced.
        shape: one size for each axis; -1 takes the rest of the axis.

    Raises:
        ShapeError: If a start or size is missing, or a size is larger than its axis.

    Source: keras.ops.slice.
    """
    x = tensor(inputs)
    shape = shape_argument(shape, "slice")
    if len(shape) != x.ndim or (hasattr(start_indices, "__len__") and len(start_indices) != x.ndim):
        raise ShapeError(
            f"slice expects a start and a size for each of the {x.ndim} axes, got start_indices={start_indices} and shape={shape}."
        )
    for axis, length in enumerate(shape):
        size = shape_of(x)[axis]
        if isinstance(length, int) and isinstance(size, int) and not -1 <= length <= size:
            raise ShapeError(f"slice: {length} elements do not fit into axis {axis} of shape {show(shape_of(x))}.")
        start = start_of_part(start_indices[axis], size, length)
        if isinstance(start, (int, Dim)):
            x = x[(_slice(None),) * axis + (_slice(start, None if length == -1 else start + length),)]
        elif length != size:
            x = take(x, add(arange(length), start), axis=axis)
    return x


def start_of_part(start: Any, size: Size, length: Any) -> Any:
    """Return the start of a slice counted from the front, reduced so that the slice fits."""
    if isinstance(start, np.ndarray) and start.ndim == 0:
        start = int(start)
    if isinstance(start, (int, np.integer)):
        start = int(start) + size if start < 0 else int(start)
        fits = isinstance(size, int) and isinstance(start, int) and isinstance(length, int) and length >= 0
        return builtins.max(0, builtins.min(start, size - length)) if fits else start
    start = cast(start, "int32")
    return clip(where(less(start, 0), add(start, size), start), 0, size - length)


# ----- order -----


def _argsort_kernel(out: Any, x: Any, axis: int) -> None:
    np.copyto(out, np.argsort(x, axis=axis, kind="stable"), casting="unsafe")


argsort_p = primitive(
    "argsort",  # int32, stable
    lambda x, axis: TensorSpec(x.shape, "int32"),
    kernel=_argsort_kernel,
    nondiff=_INTEGER_RESULT,
)


def _top_k_abstract(x: TensorSpec, k: int) -> tuple[TensorSpec, TensorSpec]:
    last = x.shape[-1] if x.rank else 0
    if isinstance(last, int) and last < k:
        raise ShapeError(f"top_k: k={k} is more than the {last} elements of the last axis of {show(x.shape)}.")
    return TensorSpec((*x.shape[:-1], k), x.dtype), TensorSpec((*x.shape[:-1], k), "int32")


def _top_k_kernel(out: Any, x: Any, k: int) -> None:
    """Take the largest first and equal ones in order, by a stable sort of the reversed axis, read from its end."""
    values, indices = out
    order = np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., : -k - 1 : -1]
    np.subtract(x.shape[-1] - 1, order, out=indices, casting="unsafe")
    np.copyto(values, np.take_along_axis(x, indices, -1))


def _top_k_vjp(g: Any, out: Any, x: Any, k: int) -> list[Any]:
    last = x.ndim - 1
    return [None if g[0] is None else scatter_along_axis_p.bind(g[0], out[1], axis=last, size=shape_of(x)[last])]


top_k_p = primitive("top_k", _top_k_abstract, kernel=_top_k_kernel, vjp=_top_k_vjp)


@operation("Argsort")
def argsort(x: Any, axis: int | None = -1) -> Any:
    """Return the indices (int32) that sort `x` along `axis` (None: flattened); the sort is stable. Source: keras.ops.argsort."""
    x = reshape(tensor(x), (-1,)) if axis is None else tensor(x)
    return argsort_p.bind(x, axis=canonical_axis(0 if axis is None else axis, x.ndim))


@operation("Sort")
def sort(x: Any, axis: int | None = -1) -> Any:
    """Sort `x` in ascending order along `axis` (None: flattened). Source: keras.ops.sort."""
    x = reshape(tensor(x), (-1,)) if axis is None else tensor(x)
    axis = canonical_axis(0 if axis is None else axis, x.ndim)
    return take_along_axis_p.bind(x, argsort_p.bind(x, axis=axis), axis=axis)


@operation("TopK", "math")
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Any, Any]:
    """Return the `k` largest elements along the last axis, largest first, and their indices (int32).

    The result is sorted even with `sorted=False`.

    Raises:
        DTypeError: If `x` is complex.
        ShapeError: If the last axis has fewer than `k` elements.

    Source: keras.ops.top_k.
    """
    values, indices = top_k_p.bind(*reals("top_k", x), k=size_argument(k, "top_k: `k`", free=False))
    return values, indices


@operation("InTopK", "math", tensors="targets predictions")
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Return whether each target is among the `k` largest predictions of its row; ties count in its favor.

    Args:
        targets: (batch,), integer classes.
        predictions: (batch, classes).
        k: how many classes to consider.

    Returns:
        (batch,), bool; False where the target's prediction is NaN or the class does not exist.

    Raises:
        DTypeError: If `targets` are not integers.

    Source: keras.ops.in_top_k.
    """
    predictions, targets = tensor(predictions), integer(targets, "in_top_k")
    classes = shape_of(predictions)[-1]
    targets = cast(targets, "int64" if dtype_name(targets) in ("int64", "uint64") else "int32")
    there = logical_and(greater_equal(targets, -classes), less(targets, classes))
    own = take_along_axis(predictions, expand_dims(where(there, targets, 0), -1), axis=-1)
    better = reduce_sum_p.bind(cast(less(own, predictions), "int32"), axes=(predictions.ndim - 1,), keepdims=False)
    ranked = logical_and(there, logical_not(squeeze(isnan(own), -1)))
    return logical_and(ranked, less(better, int(k)))


def _searchsorted(values: Any, sequence: Any, side: str) -> Any:
    before = less if side == "left" else less_equal
    found = reduce_sum_p.bind(
        cast(before(sequence, expand_dims(values, -1)), "int32"), axes=(values.ndim,), keepdims=False
    )
    return where(isnan(values), shape_of(sequence)[0], found) if dtypes.is_float(dtype_name(values)) else found


searchsorted_p = primitive(
    "searchsorted",
    lambda values, sequence, side: TensorSpec(values.shape, "int32"),
    kernel=lambda out, values, sequence, side: np.copyto(
        out, np.searchsorted(sequence, values, side), casting="unsafe"
    ),
    decomposition=_searchsorted,
    nondiff=_INTEGER_RESULT,
)


@operation("SearchSorted", tensors="sorted_sequence values")
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Return the indices (int32) at which `values` would be inserted into a sorted sequence.

    Args:
        sorted_sequence: one axis, ascending.
        values: any shape.
        side: "left" or "right" of equal elements.

    Raises:
        ShapeError: If `sorted_sequence` does not have exactly one axis.
        InvalidArgumentError: If `side` is unknown.

    Source: keras.ops.searchsorted.
    """
    sequence, values = promote(sorted_sequence, values)
    if sequence.ndim != 1:
        raise ShapeError(f"searchsorted: sorted_sequence must have one axis, got shape {show(shape_of(sequence))}.")
    if side not in ("left", "right"):
        raise InvalidArgumentError(f"searchsorted: side must be 'left' or 'right', got {side!r}.")
    return searchsorted_p.bind(values, sequence, side=side)


@operation("Digitize", tensors="x bins")
def digitize(x: Any, bins: Any) -> Any:
    """Return the index (int32) of the bin that each element lies in.

    Args:
        x: a tensor.
        bins: one axis, the ascending edges of the bins.

    Raises:
        ShapeError: If `bins` does not have exactly one axis.

    Source: keras.ops.digitize.
    """
    return searchsorted(bins, x, side="right")


# ----- one-hot -----


@operation("OneHot", "nn")
def one_hot(x: Any, num_classes: Size, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Any:
    """One-hot encode integer classes along a new `axis`; classes outside of [0, num_classes) become zeros.

    Raises:
        InvalidArgumentError: If `sparse` is true.
        ShapeError: If `axis` is out of range.

    Source: keras.ops.one_hot.
    """
    if sparse:
        raise InvalidArgumentError("one_hot: sparse tensors are not supported; use sparse=False.")
    (x,) = counted(x)
    axis = canonical_axis(axis, x.ndim + 1)
    count = size_argument(num_classes, "one_hot: `num_classes`")
    classes = reshape(arange(count), (count,) + (1,) * (x.ndim - axis))
    return cast(equal(expand_dims(x, axis), classes), dtypes.standardize(dtype))


@operation("MultiHot", "nn", tensors="inputs")
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False, **kwargs: Any
) -> Any:
    """Encode the classes in each row as one vector with 1 at every class that occurs.

    Args:
        inputs: (batch, n) or (n,), integer classes.
        num_classes: the size of the result's last axis; also accepted as `num_tokens`, Keras' older name.
        axis: as in `one_hot`.
        dtype: `floatx()` by default.
        sparse: not supported.

    Raises:
        InvalidArgumentError: If `num_classes` is missing or `sparse` is true.

    Source: keras.ops.multi_hot.
    """
    num_classes = num_classes or kwargs.pop("num_tokens", None)  # Keras' older name
    if num_classes is None:
        raise InvalidArgumentError("multi_hot: the argument `num_classes` must be given.")
    x = tensor(inputs)
    hot = one_hot(x, num_classes, axis=axis, dtype=dtype, sparse=sparse)
    return reduce_max(hot, axis=1 if x.ndim > 1 else 0)
