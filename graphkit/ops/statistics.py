"""Statistics: averages, medians and quantiles, counts, reductions that ignore NaN, norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.core import dtypes
from graphkit.core.dims import Size, product
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ops._convert import (
    as_float,
    canonical_axes,
    dtype_name,
    promote,
    reals,
    shape_of,
    size_argument,
    tensor,
)
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.elementwise import (
    absolute,
    add,
    cast,
    equal,
    floor,
    isnan,
    logical_not,
    maximum,
    minimum,
    multiply,
    power,
    sqrt,
    square,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.indexing import classes_of, integer, one_hot, sort, take
from graphkit.ops.reduction import all as reduce_all
from graphkit.ops.reduction import any as reduce_any
from graphkit.ops.reduction import magnitudes, mean, prod, reduced_shape
from graphkit.ops.reduction import max as reduce_max
from graphkit.ops.reduction import min as reduce_min
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import broadcast_to, expand_dims, moveaxis, reshape, transpose

# fmt: off
__all__ = [
    "average", "bincount", "corrcoef", "isin", "median", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar",
    "norm", "percentile", "ptp", "quantile", "trapezoid",
]
# fmt: on


@operation("Average", tensors="x weights")
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """Compute the weighted average over `axis` (all axes by default).

    Args:
        x: a tensor; integers become `floatx()`.
        axis: an axis, several, or None for all.
        weights: a tensor of the shape of `x`, or with the sizes of the axes in `axis`; equal weights by default.

    Raises:
        ShapeError: If `weights` does not fit.

    Source: keras.ops.average.
    """
    if weights is None:
        return mean(x, axis)
    x, weights = promote(x, weights, to_float=True)
    if weights.ndim != x.ndim:
        axes = () if axis is None else canonical_axes(axis, x.ndim)
        if weights.ndim != len(axes):
            raise ShapeError(
                f"average: weights of shape {show(shape_of(weights))} do not fit x of shape {show(shape_of(x))}; give them that "
                "shape, or one weight for each position along `axis`."
            )
        sizes = iter(shape_of(weights))
        weights = reshape(weights, tuple(next(sizes) if a in axes else 1 for a in range(x.ndim)))
    weights = broadcast_to(weights, shape_of(x))
    return true_divide(reduce_sum(multiply(x, weights), axis), reduce_sum(weights, axis))


@operation("Ptp")
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the maximum minus the minimum over `axis` (all axes by default).

    Raises:
        ShapeError: If an axis is out of range or given twice, or there are no elements.

    Source: keras.ops.ptp.
    """
    return subtract(reduce_max(x, axis, keepdims), reduce_min(x, axis, keepdims))


# ----- quantiles -----


def _sorted_last(x: Any, axes: tuple[int, ...]) -> tuple[Any, Size]:
    """Merge `axes` into one last axis and sort along it; return also the size of that axis."""
    rest = [a for a in range(x.ndim) if a not in axes]
    size = product(tuple(shape_of(x)[a] for a in axes))
    flat = reshape(transpose(x, [*rest, *axes]), (*(shape_of(x)[a] for a in rest), size))
    return sort(flat), size


def _linear(low: Any, high: Any, share: Any) -> Any:
    """Interpolate linearly; between equal infinities, and for a share of 0, the result is `low`."""
    gap = subtract(high, low)
    gap = where(isnan(gap), 0, gap)
    return add(low, where(equal(share, 0), 0, multiply(gap, share)))


interpolations: dict[str, Callable[[Any, Any, Any], Any]] = {
    "linear": _linear,
    "lower": lambda low, high, share: low,
    "higher": lambda low, high, share: where(equal(share, 0), low, high),
    "midpoint": lambda low, high, share: where(equal(share, 0), low, multiply(add(low, high), 0.5)),
    "nearest": lambda low, high, share: where(subtract(share, 0.5) <= 0, low, high),
}


@operation("Quantile", tensors="x q")
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Compute quantiles; where there is NaN, the result is NaN.

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

    Source: keras.ops.quantile.
    """
    if method not in interpolations:
        raise InvalidArgumentError(f"quantile: method must be one of {', '.join(interpolations)}, got {method!r}.")
    (x,) = reals("quantile", x, to_float=True)
    q = tensor(q, dtype_name(x))
    axes = canonical_axes(axis, x.ndim)
    ordered, size = _sorted_last(x, axes)
    last = tensor(size - 1, dtype_name(x))
    place = minimum(maximum(multiply(q, last), 0), last)
    below = floor(place)
    first = cast(below, "int32")
    low, high = take(ordered, first, axis=-1), take(ordered, minimum(add(first, 1), size - 1), axis=-1)
    made = interpolations[method](low, high, subtract(place, below))
    made = where(
        expand_dims(isnan(ordered[..., -1]), list(range(-q.ndim, 0))), float("nan"), made
    )  # NaN is sorted last
    made = moveaxis(made, list(range(made.ndim - q.ndim, made.ndim)), list(range(q.ndim))) if q.ndim else made
    return reshape(made, (*shape_of(q), *reduced_shape(shape_of(x), axes, True))) if keepdims else made


@operation("Percentile", tensors="x q")
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """Compute `quantile` with `q` in percent; other arguments and errors are the same. Source: keras.ops.percentile."""
    return quantile(
        x,
        q / 100.0 if isinstance(q, (int, float)) else true_divide(q, 100.0),
        axis=axis,
        method=method,
        keepdims=keepdims,
    )


@operation("Median")
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the median over `axis` (all axes by default); errors as in `quantile`. Source: keras.ops.median."""
    return quantile(x, 0.5, axis=axis, keepdims=keepdims)


# ----- ignoring NaN -----


def _without_nan(x: Any, filler: float) -> Any:
    x = tensor(x)
    return where(isnan(x), filler, x) if dtypes.is_float(dtype_name(x)) else x


@operation("Nansum")
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the sum of the elements that are not NaN. Source: keras.ops.nansum."""
    return reduce_sum(_without_nan(x, 0.0), axis, keepdims)


@operation("Nanprod")
def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the product of the elements that are not NaN. Source: keras.ops.nanprod."""
    return prod(_without_nan(x, 1.0), axis, keepdims)


def _nan_extreme(x: Any, axis: Any, keepdims: bool, reduce: Callable[..., Any], filler: float) -> Any:
    x = tensor(x)
    if not dtypes.is_float(dtype_name(x)):
        return reduce(x, axis, keepdims)
    return where(reduce_all(isnan(x), axis, keepdims), float("nan"), reduce(_without_nan(x, filler), axis, keepdims))


@operation("Nanmax")
def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the maximum of the elements that are not NaN; NaN where all are. Source: keras.ops.nanmax."""
    return _nan_extreme(x, axis, keepdims, reduce_max, float("-inf"))


@operation("Nanmin")
def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the minimum of the elements that are not NaN; NaN where all are. Source: keras.ops.nanmin."""
    return _nan_extreme(x, axis, keepdims, reduce_min, float("inf"))


@operation("Nanmean")
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the mean of the elements that are not NaN; NaN where all are. Source: keras.ops.nanmean."""
    x = as_float(x)
    present = reduce_sum(cast(logical_not(isnan(x)), dtype_name(x)), axis, keepdims)
    return true_divide(reduce_sum(_without_nan(x, 0.0), axis, keepdims), present)


@operation("Nanvar")
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the population variance of the elements that are not NaN. Source: keras.ops.nanvar."""
    x = as_float(x)
    present = logical_not(isnan(x))
    away = magnitudes(where(present, subtract(_without_nan(x, 0.0), nanmean(x, axis, True)), 0.0))
    count = reduce_sum(cast(present, dtype_name(away)), axis, keepdims)
    return true_divide(reduce_sum(square(away), axis, keepdims), count)


@operation("Nanstd")
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the population standard deviation of the elements that are not NaN. Source: keras.ops.nanstd."""
    return sqrt(nanvar(x, axis, keepdims))


# ----- counts -----


@operation("Bincount")
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """Count how often each integer occurs along the last axis, or sum its weights.

    Args:
        x: (..., n), integers or bools; negative ones count as 0.
        weights: a tensor of the shape of `x`, or None for counts.
        minlength: the minimum size of the result's last axis, which is otherwise max(x) + 1.
        sparse: not supported.

    Raises:
        InvalidArgumentError: If `sparse` is true.
        DTypeError: If `x` has floats.

    Source: keras.ops.bincount.
    """
    if sparse:
        raise InvalidArgumentError("bincount: sparse tensors are not supported; use sparse=False.")
    x = tensor(x)
    x = integer(cast(x, "int32") if dtype_name(x) == "bool" else x, "bincount")
    x, length = classes_of(x, "bincount", least=size_argument(minlength, "bincount: `minlength`", free=False))
    x = maximum(cast(x, "int32"), 0)
    kind = "int32" if weights is None else dtype_name(tensor(weights))
    hits = one_hot(x, length, dtype=kind)
    if weights is not None:
        hits = multiply(hits, expand_dims(tensor(weights), -1))
    return cast(reduce_sum(hits, axis=-2), kind)


@operation("IsIn", tensors="x1 x2")
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Return whether each element of `x1` occurs in `x2`, or with `invert` does not.

    Args:
        x1: a tensor.
        x2: a tensor of any shape.
        assume_unique: accepted for compatibility with Keras, ignored.
        invert: whether to negate the result.

    Source: keras.ops.isin.
    """
    x1, x2 = promote(x1, x2)
    found = reduce_any(equal(expand_dims(x1, -1), reshape(x2, (-1,))), axis=-1)
    return logical_not(found) if invert else found


# ----- norms, correlation, integration -----


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord == 2:
        return sqrt(reduce_sum(square(x), axes, keepdims))
    if ord == float("inf"):
        return reduce_max(absolute(x), axes, keepdims)
    if ord == float("-inf"):
        return reduce_min(absolute(x), axes, keepdims)
    if ord == 0:
        return reduce_sum(cast(logical_not(equal(x, 0)), dtype_name(x)), axes, keepdims)
    if ord == 1:
        return reduce_sum(absolute(x), axes, keepdims)
    return power(reduce_sum(power(absolute(x), float(ord)), axes, keepdims), 1.0 / float(ord))


# The order of a matrix norm -> (the one of the two axes that is summed, the reduction of the sums)
_MATRIX_NORMS: dict[Any, tuple[int, Callable[..., Any]]] = {
    1: (0, reduce_max), -1: (0, reduce_min), float("inf"): (1, reduce_max), float("-inf"): (1, reduce_min),
}  # fmt: skip


@operation("Norm", "linalg")
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute vector norms (over one axis) or matrix norms (over two).

    Args:
        x: a tensor; integers become `floatx()`.
        ord: for vectors a number, inf or -inf; for matrices "fro", "nuc", 1, -1, 2, -2, inf or -inf. By default the Euclidean
            or Frobenius norm.
        axis: an int, two, or None for all axes; if `ord` is None as well, `x` is flattened.
        keepdims: whether reduced axes stay, with size 1.

    Raises:
        InvalidArgumentError: If `ord` is not a norm of vectors, or of matrices.
        ShapeError: If an axis is out of range or given twice.

    Source: keras.ops.norm.
    """
    x = as_float(x)
    if dtype_name(x) in dtypes.COMPLEX and ord not in (2, -2, "nuc"):
        x = absolute(x)
    axes = canonical_axes(axis, x.ndim)
    if ord is None and axis is None:
        return _vector_norm(x, 2, axes, keepdims)
    if len(axes) == 1:
        if isinstance(ord, str):
            raise InvalidArgumentError(
                f"norm: ord={ord!r} is a matrix norm, but axis={axis} of shape {show(shape_of(x))} is a single axis; use None, 0, "
                "inf, -inf or another number for vectors."
            )
        return _vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2 or ord not in (None, "fro", "nuc", 2, -2, *_MATRIX_NORMS):
        raise InvalidArgumentError(
            f"norm: ord={ord!r} is not available over {len(axes)} axes (axis={axis}, shape {show(shape_of(x))}); None, 'fro', 'nuc', "
            "1, -1, 2, -2, inf, -inf are available over two."
        )
    if ord in (2, -2, "nuc"):
        from graphkit.ops.linalg import singular_norm

        return singular_norm(x, ord, axes, keepdims)
    if ord is None or ord == "fro":
        return _vector_norm(x, 2, axes, keepdims)
    given = (
        axes if axis is None else tuple(canonical_axes(a, x.ndim)[0] for a in axis)
    )  # rows and columns, in this order
    side, reduce = _MATRIX_NORMS[ord]
    made = reduce(reduce_sum(absolute(x), given[side], True), axes, True)
    return made if keepdims else reshape(made, reduced_shape(shape_of(x), axes, False))


@operation("Corrcoef")
def corrcoef(x: Any) -> Any:
    """Compute the Pearson correlation coefficients between the rows of `x`. Source: keras.ops.corrcoef."""
    from graphkit.ops.linear import matmul

    x = as_float(x)
    low = subtract(x, mean(x, axis=-1, keepdims=True))
    unit = true_divide(low, sqrt(reduce_sum(square(low), -1, True)))
    return matmul(unit, transpose(unit))


@operation("Trapezoid", tensors="y")
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """Integrate `y` along `axis` by the trapezoidal rule.

    Args:
        y: a tensor of samples.
        x: the sample points, (n,) or of the shape of `y`; None for equally spaced ones.
        dx: the distance between equally spaced points.
        axis: the axis to integrate along.

    Source: keras.ops.trapezoid.
    """
    from graphkit.ops.arithmetic import diff

    if x is None:
        y, width = as_float(y), dx
    else:
        y, x = promote(y, x, to_float=True)
        width = diff(x if x.ndim == 1 else moveaxis(x, axis, -1))
    y = moveaxis(y, axis, -1)
    return reduce_sum(multiply(multiply(add(y[..., 1:], y[..., :-1]), 0.5), width), -1)
