"""Creating tensors: identity and triangular matrices, sequences, grids; taking diagonals; stacking, splitting, rolling."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Size
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir.tracing import Tracer
from graphkit.ir.variable import Variable
from graphkit.ops._convert import canonical_axis, dtype_name, promote, shape_of, size_argument, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_shapes, show
from graphkit.ops.elementwise import (
    add,
    cast,
    equal,
    floor,
    greater,
    greater_equal,
    identity_p,
    isinf,
    isnan,
    less,
    logical_and,
    maximum,
    mod,
    multiply,
    power,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.reduction import reduce_sum_p, summable
from graphkit.ops.shaping import (
    arange,
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    full,
    full_like,
    moveaxis,
    reshape,
    split,
    swapaxes,
    zeros,
)  # fmt: skip

# fmt: off
__all__ = [
    "append", "array", "array_split", "copy", "diag", "diagflat", "diagonal", "dsplit", "dstack", "empty", "empty_like",
    "eye", "fliplr", "flipud", "geomspace", "hsplit", "hstack", "identity", "kron", "linspace", "logspace", "meshgrid",
    "nan_to_num", "roll", "rot90", "trace", "tri", "tril", "triu", "vander", "vsplit", "vstack",
]
# fmt: on

# ----- triangular and diagonal -----


def _places(rows: Size, columns: Size, k: int) -> tuple[Any, Any]:
    rows, columns = (size_argument(n, "eye and tri: each size") for n in (rows, columns))
    return expand_dims(add(arange(rows), size_argument(k, "eye and tri: `k`")), 1), expand_dims(arange(columns), 0)


def tri(N: Size, M: Size | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803 (Keras' names)
    """Return an N x M matrix with ones on and below the k-th diagonal, zeros above it.

    Args:
        N: the number of rows.
        M: the number of columns; None means N.
        k: the diagonal: 0 is the main one, positive ones are above it.
        dtype: None means `floatx()`.

    Raises:
        UnknownSizeError: a size is None.
        InvalidTypeError: a size or `k` is not an integer.

    Source: keras.ops.tri.
    """
    row, column = _places(N, N if M is None else M, k)
    return cast(greater_equal(row, column), dtypes.standardize(dtype))


def eye(N: Size, M: Size | None = None, k: int = 0, dtype: Any = None) -> Any:  # noqa: N803 (Keras' names)
    """Return an N x M matrix with ones on the k-th diagonal, zeros elsewhere.

    Args:
        N: the number of rows.
        M: the number of columns; None means N.
        k: the diagonal: 0 is the main one, positive ones are above it.
        dtype: None means `floatx()`.

    Raises:
        UnknownSizeError: a size is None.
        InvalidTypeError: a size or `k` is not an integer.

    Source: keras.ops.eye.
    """
    row, column = _places(N, N if M is None else M, k)
    return cast(equal(row, column), dtypes.standardize(dtype))


def identity(n: Size, dtype: Any = None) -> Any:
    """Return the n x n identity matrix.

    Raises:
        UnknownSizeError: `n` is None.
        InvalidTypeError: `n` is not an integer.

    Source: keras.ops.identity.
    """
    return eye(n, dtype=dtype)


def _matrix_mask(x: Any, k: int) -> Any:
    if x.ndim < 2:
        raise ShapeError(f"tril and triu expect at least two axes, got shape {show(shape_of(x))}.")
    return tri(shape_of(x)[-2], shape_of(x)[-1], k, dtype="bool")


@operation("Tril")
def tril(x: Any, k: int = 0) -> Any:
    """Set the elements above the k-th diagonal of the last two axes to zero.

    Args:
        k: the diagonal: 0 is the main one, positive ones are above it.

    Raises:
        ShapeError: `x` has fewer than two axes.

    Source: keras.ops.tril.
    """
    x = tensor(x)
    return where(_matrix_mask(x, k), x, full((), 0, dtype_name(x)))


@operation("Triu")
def triu(x: Any, k: int = 0) -> Any:
    """Set the elements below the k-th diagonal of the last two axes to zero.

    Args:
        k: the diagonal: 0 is the main one, positive ones are above it.

    Raises:
        ShapeError: `x` has fewer than two axes.

    Source: keras.ops.triu.
    """
    x = tensor(x)
    return where(_matrix_mask(x, k - 1), full((), 0, dtype_name(x)), x)


@operation("Diagonal")
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return a diagonal of two axes, as a new last axis.

    Args:
        offset: the diagonal: 0 is the main one, positive ones are above it.
        axis1: the axis of the rows.
        axis2: the axis of the columns.

    Raises:
        ShapeError: `x` has fewer than two axes, or `axis1` and `axis2` are the same axis or do not exist.

    Source: keras.ops.diagonal.
    """
    from graphkit.ops.indexing import take

    x = _axes_last(x, axis1, axis2)
    rows, columns = shape_of(x)[-2:]
    start = max(0, -offset), max(0, offset)
    steps = arange(_smaller(rows - start[0], columns - start[1]))
    places = add(multiply(add(steps, start[0]), columns), add(steps, start[1]))
    return take(reshape(x, (*shape_of(x)[:-2], rows * columns)), places, axis=-1)


def _axes_last(x: Any, axis1: int, axis2: int) -> Any:
    """Move two axes of `x` to its end. Raises ShapeError if they are the same or do not exist."""
    x = tensor(x)
    if x.ndim < 2:
        raise ShapeError(f"A diagonal needs at least two axes, got shape {show(shape_of(x))}.")
    a, b = canonical_axis(axis1, x.ndim, "axis1"), canonical_axis(axis2, x.ndim, "axis2")
    if a == b:
        raise ShapeError(f"A diagonal needs two different axes, got axis1={axis1} and axis2={axis2}.")
    return moveaxis(x, (a, b), (-2, -1))


def _smaller(rows: Size, columns: Size) -> Size:
    """Return the smaller of two sizes; a new `Dim` if it is not known which that is."""
    if isinstance(rows, int) and isinstance(columns, int):
        return max(0, min(rows, columns))
    if rows == columns:
        return rows
    return Dim.named(f"min({rows}, {columns})")


@operation("Trace")
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Sum a diagonal of two axes; small integers are summed as int32.

    Args:
        offset: the diagonal: 0 is the main one, positive ones are above it.
        axis1: the axis of the rows.
        axis2: the axis of the columns.

    Raises:
        ShapeError: `x` has fewer than two axes, or `axis1` and `axis2` are the same axis or do not exist.

    Source: keras.ops.trace.
    """
    x = summable(_axes_last(x, axis1, axis2))
    if _is_static(*shape_of(x)[-2:]):
        return reduce_sum_p.bind(diagonal(x, offset, -2, -1), axes=(x.ndim - 2,), keepdims=False)
    rows, columns = shape_of(x)[-2:]
    row, column = _places(rows, columns, offset)
    on_it = where(equal(row, column), x, full((), 0, dtype_name(x)))
    return reduce_sum_p.bind(on_it, axes=(x.ndim - 2, x.ndim - 1), keepdims=False)


@operation("Diag")
def diag(x: Any, k: int = 0) -> Any:
    """Return a matrix with the vector `x` on its k-th diagonal, or the k-th diagonal of the matrix `x`.

    Args:
        k: the diagonal: 0 is the main one, positive ones are above it.

    Raises:
        ShapeError: `x` does not have one or two axes.
        InvalidTypeError: `k` is not an integer.

    Source: keras.ops.diag.
    """
    from graphkit.ops.indexing import scatter_add_p

    x = tensor(x)
    if x.ndim == 2:
        return diagonal(x, offset=k)
    if x.ndim != 1:
        raise ShapeError(f"diag expects one or two axes, got shape {show(shape_of(x))}.")
    (n,) = shape_of(x)
    k = size_argument(k, "diag: `k`", free=False)
    whole = n + abs(k)
    places = add(multiply(arange(n), whole + 1), max(k, 0) + max(-k, 0) * whole)
    return reshape(scatter_add_p.bind(x, cast(places, "int32"), axis=0, size=whole * whole), (whole, whole))


@operation("Diagflat")
def diagflat(x: Any, k: int = 0) -> Any:
    """Return a matrix with the flattened `x` on its k-th diagonal.

    Args:
        k: the diagonal: 0 is the main one, positive ones are above it.

    Raises:
        InvalidTypeError: `k` is not an integer.

    Source: keras.ops.diagflat.
    """
    return diag(reshape(tensor(x), (-1,)), k)


# ----- sequences and grids -----


def _is_static(*values: Any) -> bool:
    return not any(isinstance(v, (Tracer, Variable, Dim)) for v in values)


@operation("Linspace", tensors="start stop")
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None, axis: int = 0
) -> Any:
    """Return `num` evenly spaced values from `start` to `stop`.

    Args:
        num: the number of elements.
        endpoint: whether `stop` is the last element.
        axis: the axis of the result along which the elements lie.
        retstep: whether to return (values, step).

    Raises:
        InvalidArgumentError: `num` is negative.
        UnknownSizeError: `num` is None.
        InvalidTypeError: `num` is not an integer.

    Source: keras.ops.linspace.
    """
    if isinstance(num, (int, float)) and num < 0:
        raise InvalidArgumentError(f"linspace: num must not be negative, got {num}.")
    start, stop = promote(start, stop, to_float=True)
    shape = broadcast_shapes(shape_of(start), shape_of(stop))
    start, stop = broadcast_to(start, shape), broadcast_to(stop, shape)
    kind = dtype_name(start) if dtype is None else dtypes.standardize(dtype)
    num = size_argument(num, "linspace: `num`")
    last: Any = num - 1 if endpoint else num
    parts = maximum(cast(last, dtype_name(start)), 1) if isinstance(last, Dim) else max(1, last)
    step = true_divide(subtract(stop, start), parts)
    if _is_static(start, stop, num):
        made = np.linspace(
            np.asarray(start, np.float64), np.asarray(stop, np.float64), num, endpoint=endpoint, axis=axis
        )
        made = (np.floor(made) if dtypes.is_int(kind) else made).astype(dtypes.to_numpy(kind))
        return (made, step) if retstep else made
    steps = cast(arange(num), "float64" if _is_static(num) else dtype_name(start))
    share = cast(true_divide(reshape(steps, (num,) + (1,) * start.ndim), parts), dtype_name(start))
    made = add(multiply(expand_dims(start, 0), subtract(1, share)), multiply(expand_dims(stop, 0), share))
    made = floor(made) if dtypes.is_int(kind) else made
    made = cast(moveaxis(made, 0, axis) if axis else made, kind)
    return (made, step) if retstep else made


@operation("Logspace", tensors="start stop")
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: float = 10, dtype: Any = None, axis: int = 0
) -> Any:
    """Return `base` to the power of each element of `linspace(start, stop)`.

    Args:
        num: the number of elements.
        endpoint: whether `stop` is the last element.
        axis: the axis of the result along which the elements lie.

    Raises:
        InvalidArgumentError: `num` is negative.
        UnknownSizeError: `num` is None.
        InvalidTypeError: `num` is not an integer.

    Source: keras.ops.logspace.
    """
    made = power(float(base), linspace(start, stop, num, endpoint=endpoint, axis=axis))
    return made if dtype is None else cast(made, dtype)


@operation("Geomspace", tensors="start stop")
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """Return `num` values of constant ratio from `start` to `stop`, which are both positive or both negative.

    Args:
        num: the number of elements.
        endpoint: whether `stop` is the last element.
        axis: the axis of the result along which the elements lie.

    Raises:
        InvalidArgumentError: `num` is negative.
        UnknownSizeError: `num` is None.
        InvalidTypeError: `num` is not an integer.

    Source: keras.ops.geomspace.
    """
    from graphkit.ops.elementwise import exp, log, round

    start, stop = promote(start, stop, to_float=True)
    side = where(
        logical_and(less(start, 0), less(stop, 0)), tensor(-1, dtype_name(start)), tensor(1, dtype_name(start))
    )
    made = exp(linspace(log(multiply(start, side)), log(multiply(stop, side)), num, endpoint=endpoint, axis=axis))
    made = multiply(made, expand_dims(side, axis) if side.ndim else side)
    if dtype is None:
        return made
    return cast(round(made, 4) if dtypes.is_int(dtypes.standardize(dtype)) else made, dtype)  # exp(log(3)) may be 2.9999998


@operation("Meshgrid", tensors="x")
def meshgrid(*x: Any, indexing: str = "xy") -> list[Any]:
    """Return the coordinates of a grid, one tensor for each vector.

    Args:
        indexing: "xy" puts the second vector along the first axis and the first along the second; "ij" keeps their
            order.

    Raises:
        InvalidArgumentError: `indexing` is neither.

    Source: keras.ops.meshgrid.
    """
    if indexing not in ("xy", "ij"):
        raise InvalidArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}.")
    flat = [reshape(tensor(v), (-1,)) for v in x]
    whole = tuple(shape_of(v)[0] for v in flat)
    made = [broadcast_to(expand_dims(v, [a for a in range(len(flat)) if a != i]), whole) for i, v in enumerate(flat)]
    return [swapaxes(v, 0, 1) for v in made] if indexing == "xy" and len(made) > 1 else made


@operation("Vander")
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:  # noqa: N803 (Keras' name)
    """Return the powers of a vector as columns, the highest first unless `increasing`.

    Args:
        N: the number of columns; None means the size of `x`.

    Raises:
        ShapeError: `x` does not have one axis.
        InvalidArgumentError: `N` is negative.

    Source: keras.ops.vander.
    """
    x = tensor(x)
    if x.ndim != 1:
        raise ShapeError(f"vander expects one axis, got shape {show(shape_of(x))}.")
    count = shape_of(x)[0] if N is None else N
    if isinstance(count, Dim):
        powers = cast(arange(count), dtype_name(x))
        made = power(expand_dims(x, 1), powers)
        return made if increasing else flip(made, axis=1)
    if count < 0:
        raise InvalidArgumentError(f"vander: N must not be negative, got {N}.")
    if count == 0:
        return zeros((shape_of(x)[0], 0), dtype_name(x))
    columns = [power(x, i) if i else full_like(x, 1) for i in range(count)]
    joined = concatenate([expand_dims(c, 1) for c in columns], axis=1)
    return joined if increasing else flip(joined, axis=1)


# ----- copies -----


def empty(shape: Any, dtype: Any = None) -> Any:
    """Return a tensor of zeros, so that results are reproducible. Source: keras.ops.empty."""
    return zeros(shape, dtype)


@operation("EmptyLike")
def empty_like(x: Any, dtype: Any = None) -> Any:
    """Return zeros with the shape (and dtype) of `x`. Source: keras.ops.empty_like."""
    return full_like(x, 0, dtype)


@operation("Array")
def array(x: Any, dtype: Any = None) -> Any:
    """Return `x` as a tensor of `dtype`; None keeps its own. Source: keras.ops.array."""
    return tensor(x, None if dtype is None else dtypes.standardize(dtype))


@operation("Copy")
def copy(x: Any) -> Any:
    """Return a copy of `x`. Source: keras.ops.copy."""
    x = tensor(x)
    return x.copy() if isinstance(x, np.ndarray) else identity_p.bind(x)


@operation("NanToNum")
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Replace NaN and infinities.

    Args:
        nan: what replaces NaN.
        posinf: what replaces +infinity; None means the largest number of the dtype.
        neginf: what replaces -infinity; None means the lowest number of the dtype.

    Source: keras.ops.nan_to_num.
    """
    x = tensor(x)
    if not dtypes.is_float(dtype_name(x)):
        return x
    largest = float(np.finfo(np.float32 if dtype_name(x) == "bfloat16" else dtypes.to_numpy(dtype_name(x))).max)
    if dtype_name(x) == "bfloat16":
        largest = 3.3895313892515355e38
    x = where(isnan(x), nan, x)
    infinite = isinf(x)
    x = where(logical_and(infinite, greater(x, 0)), largest if posinf is None else posinf, x)
    return where(logical_and(infinite, less(x, 0)), -largest if neginf is None else neginf, x)


# ----- joining, splitting, flipping, rolling -----


@operation("Append", tensors="x1 x2")
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """Join `x1` and `x2` along `axis`; None flattens both first. Source: keras.ops.append."""
    x1, x2 = promote(x1, x2)
    if axis is None:
        x1, x2, axis = reshape(x1, (-1,)), reshape(x2, (-1,)), 0
    return concatenate([x1, x2], axis=axis)


def _at_least(x: Any, rank: int) -> Any:
    x = tensor(x)
    if x.ndim >= rank:
        return x
    old = shape_of(x)
    lead = (1,) if rank == 2 or (rank == 3 and x.ndim < 2) else ()
    sizes = (*lead, *old) if x.ndim else (1,)
    return reshape(x, sizes + (1,) * (rank - len(sizes)))


@operation("Hstack", tensors="xs")
def hstack(xs: Any) -> Any:
    """Join tensors along the second axis; vectors along the first. Source: keras.ops.hstack."""
    made = [_at_least(x, 1) for x in xs]
    return concatenate(made, axis=0 if not made or made[0].ndim == 1 else 1)


@operation("Vstack", tensors="xs")
def vstack(xs: Any) -> Any:
    """Join tensors along the first axis; vectors become rows. Source: keras.ops.vstack."""
    return concatenate([_at_least(x, 2) for x in xs], axis=0)


@operation("Dstack", tensors="xs")
def dstack(xs: Any) -> Any:
    """Join tensors along the third axis. Source: keras.ops.dstack."""
    return concatenate([_at_least(x, 3) for x in xs], axis=2)


def _of_rank(what: str, x: Any, rank: int) -> Any:
    x = tensor(x)
    if x.ndim < rank:
        raise ShapeError(
            f"`{what}` only works on arrays of at least {rank} dimensions. Received array with shape {show(shape_of(x))}."
        )
    return x


@operation("Hsplit")
def hsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Split `x` along the second axis; a vector along the first.

    Args:
        indices_or_sections: the number of equal parts, or the positions at which to split.

    Raises:
        ShapeError: `x` has fewer than 1 axis, or does not divide.

    Source: keras.ops.hsplit.
    """
    x = _of_rank("hsplit", x, 1)
    return split(x, indices_or_sections, axis=0 if x.ndim == 1 else 1)


@operation("Vsplit")
def vsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Split `x` along the first axis.

    Args:
        indices_or_sections: the number of equal parts, or the positions at which to split.

    Raises:
        ShapeError: `x` has fewer than 2 axes, or does not divide.

    Source: keras.ops.vsplit.
    """
    return split(_of_rank("vsplit", x, 2), indices_or_sections, axis=0)


@operation("Dsplit")
def dsplit(x: Any, indices_or_sections: Any) -> list[Any]:
    """Split `x` along the third axis.

    Args:
        indices_or_sections: the number of equal parts, or the positions at which to split.

    Raises:
        ShapeError: `x` has fewer than 3 axes, or does not divide.

    Source: keras.ops.dsplit.
    """
    return split(_of_rank("dsplit", x, 3), indices_or_sections, axis=2)


@operation("ArraySplit")
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split `x` along `axis`; if the parts cannot be equal, the first ones are longer by one.

    Args:
        indices_or_sections: the number of parts.

    Raises:
        InvalidTypeError: `indices_or_sections` is not an int.
        InvalidArgumentError: it is not positive.

    Source: keras.ops.array_split.
    """
    if not isinstance(indices_or_sections, (int, np.integer)):
        raise InvalidTypeError(
            f"Argument `indices_or_sections` must be of type `int`. Received: indices_or_sections={indices_or_sections}"
        )
    if indices_or_sections < 1:
        raise InvalidArgumentError(f"array_split: the number of parts must be positive, got {indices_or_sections}.")
    x = tensor(x)
    whole = shape_of(x)[canonical_axis(axis, x.ndim)]
    if isinstance(whole, int):
        sizes = [len(part) for part in np.array_split(np.arange(whole), indices_or_sections)]
        indices_or_sections = [int(i) for i in np.cumsum(sizes)[:-1]]
    return split(x, indices_or_sections, axis=axis)


@operation("Fliplr")
def fliplr(x: Any) -> Any:
    """Reverse the second axis. Source: keras.ops.fliplr."""
    return flip(x, axis=1)


@operation("Flipud")
def flipud(x: Any) -> Any:
    """Reverse the first axis. Source: keras.ops.flipud."""
    return flip(x, axis=0)


@operation("Rot90", tensors="array")
def rot90(array: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Any:
    """Rotate by `k` quarter turns, from the first of `axes` towards the second.

    Raises:
        InvalidArgumentError: `axes` are not two different ones, or `k` is no integer.

    Source: keras.ops.rot90.
    """
    x = tensor(array)
    if len(axes) != 2:
        raise InvalidArgumentError(f"Invalid axes: {axes}. Axes must be a tuple of two different dimensions.")
    if not isinstance(k, (int, np.integer)):
        raise InvalidArgumentError(f"rot90: k must be an integer, got {k!r}.")
    a, b = canonical_axis(axes[0], x.ndim, "axes"), canonical_axis(axes[1], x.ndim, "axes")
    if a == b:
        raise InvalidArgumentError(f"rot90: the two axes must differ, got {axes}.")
    k = k % 4
    if k == 2:
        return flip(x, axis=(a, b))
    if k == 1:
        return swapaxes(flip(x, axis=b), a, b)
    return flip(swapaxes(x, a, b), axis=b) if k == 3 else x


@operation("Roll")
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Shift elements along `axis`; those shifted out at one end come back in at the other.

    Args:
        shift: an int, or one for each axis.
        axis: an int or a list of ints; None rolls the flattened tensor.

    Raises:
        UnknownSizeError: `shift` is None.
        InvalidTypeError: `shift` is not an integer.
        ShapeError: `shift` and `axis` differ in length, and neither has one element.

    Source: keras.ops.roll.
    """
    x = tensor(x)
    axes = list(axis) if isinstance(axis, (list, tuple)) else [0 if axis is None else axis]
    shifts = list(shift) if isinstance(shift, (list, tuple)) else [shift]
    if 1 not in (len(axes), len(shifts)) and len(axes) != len(shifts):
        raise ShapeError(f"roll: `shift` and `axis` must have the same length, got shift={shift} and axis={axis}.")
    count = len(shifts) if len(axes) == 1 else len(axes)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shifts, 0), shape_of(x))
    for by, place in zip(shifts * (count // len(shifts)), axes * (count // len(axes)), strict=True):
        place = canonical_axis(place, x.ndim)
        size = shape_of(x)[place]
        by = by if isinstance(by, Tracer) and by.ndim == 0 else size_argument(by, "roll: `shift`")
        if isinstance(by, (Dim, Tracer)):
            from graphkit.ops.indexing import take

            x = take(x, mod(subtract(arange(size), by), size), axis=place)
            continue
        by = by % size if isinstance(size, int) and size else by
        if by:
            cut = size - by if by > 0 else -by
            first, second = (slice(None),) * place + (slice(0, cut),), (slice(None),) * place + (slice(cut, None),)
            x = concatenate([x[second], x[first]], axis=place)
    return x


@operation("Kron", tensors="x1 x2")
def kron(x1: Any, x2: Any) -> Any:
    """Compute the Kronecker product. Source: keras.ops.kron."""
    a, b = promote(x1, x2)
    rank = max(a.ndim, b.ndim)
    a, b = (reshape(v, (1,) * (rank - v.ndim) + shape_of(v)) for v in (a, b))
    spaced = multiply(
        reshape(a, tuple(s for size in shape_of(a) for s in (size, 1))),
        reshape(b, tuple(s for size in shape_of(b) for s in (1, size))),
    )
    return reshape(spaced, tuple(m * n for m, n in zip(shape_of(a), shape_of(b), strict=True)))
