"""What is there, and how often: nonzero, unique, histogram; positions of a flattened tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.dims import Size, product
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, measured_size
from graphkit.ir.variable import Variable
from graphkit.ops._convert import as_float, dtype_name, promote, shape_argument, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.creation import linspace
from graphkit.ops.elementwise import add, cast, equal, floor_divide, less, less_equal, logical_and, mod, subtract, where
from graphkit.ops.indexing import argsort, integer, scatter_add_p, searchsorted
from graphkit.ops.reduction import max as reduce_max
from graphkit.ops.reduction import min as reduce_min
from graphkit.ops.shaping import reshape

__all__ = ["argpartition", "histogram", "nonzero", "unique", "unravel_index"]


def _numbers(what: str, x: Any, instead: str) -> Any:
    """The array itself. Raises InvalidTypeError where its numbers are not known: the result's shape depends on them."""
    x = tensor(x)
    if isinstance(x, Tracer):
        raise InvalidTypeError(
            f"{what} gives a tensor whose shape depends on the numbers, which are not known while the graph is made. {instead}"
        )
    return x.array if isinstance(x, Variable) else x


def _nonzero_abstract(x: TensorSpec, size: Size) -> Any:
    places = tuple(TensorSpec((size,), "int32") for _ in x.shape)
    return places if len(places) > 1 else places[0]


def _nonzero_kernel(out: Any, x: Any, size: int) -> None:
    for target, places in zip(out if isinstance(out, tuple) else (out,), np.nonzero(x), strict=True):
        if len(places) != size:
            raise ShapeError(f"nonzero: {len(places)} elements are not zero where {size} were counted before.")
        np.copyto(target, places, casting="unsafe")


nonzero_p = primitive(
    "nonzero",  # `size` elements are not zero: that was counted, or is a name
    _nonzero_abstract,
    kernel=_nonzero_kernel,
    nondiff="a position is an integer",
)


@operation("Nonzero")
def nonzero(x: Any) -> tuple[Any, ...]:
    """The positions of what is not zero, int32, a tensor for each axis. Source: keras.ops.nonzero."""
    x = tensor(x)
    x = reshape(x, (1,)) if x.ndim == 0 else x
    count = measured_size(x.value if isinstance(x, Variable) else x, lambda a: int(np.count_nonzero(a)), "nonzero")
    made = nonzero_p.bind(x, size=count)
    return tuple(made) if x.ndim > 1 else (made,)


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
    """Each element (or slice along `axis`) once, rising; with `size` cut or filled up (`fill_value`, the smallest by default) to that.

    Also, as asked for: where each stood first, which one stands at each place of `x`, how often each occurs, all int32.
    Raises InvalidTypeError while tracing. Source: keras.ops.unique.
    """
    array = _numbers("unique", x, "Do it to the arrays before the model.")
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
    wanted = [part for part, asked in zip(parts, (return_index, return_inverse, return_counts), strict=True) if asked]
    return (values, *wanted) if wanted else values


def _sized(values: Any, axis: int, size: int, fill_value: Any) -> Any:
    """Cut or filled up to `size` along `axis`; None repeats the first slice."""
    count = values.shape[axis]
    if count >= size:
        return np.take(values, np.arange(size), axis=axis)
    first = np.take(values, [0], axis=axis)
    filler = first if fill_value is None else np.full_like(first, fill_value)
    return np.concatenate([values, np.repeat(filler, size - count, axis=axis)], axis=axis)


@operation("Histogram")
def histogram(x: Any, bins: int = 10, range: Any = None) -> tuple[Any, Any]:
    """How many elements lie in each of `bins` equal parts of `range` (default: from the smallest to the largest), and the edges.

    Source: keras.ops.histogram.
    """
    if not isinstance(bins, (int, np.integer)) or bins < 1:
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
    place = subtract(searchsorted(edges, x, side="right"), 1)
    place = where(equal(x, high), int(bins) - 1, place)
    place = where(logical_and(less_equal(0, place), less(place, int(bins))), place, 0)
    counts = scatter_add_p.bind(cast(inside, dtype_name(x)), cast(place, "int32"), axis=0, size=int(bins))
    return counts, edges


@operation("UnravelIndex", tensors="indices")
def unravel_index(indices: Any, shape: Any) -> tuple[Any, ...]:
    """Positions in a flattened tensor as positions along the axes of `shape`, a tensor for each. Source: keras.ops.unravel_index."""
    rest = integer(indices, "unravel_index")
    shape = shape_argument(shape, "unravel_index")
    total = product(shape)
    rest = where(less(rest, 0), add(rest, total), rest)
    found = []
    for size in reversed(tuple(shape)):
        found.append(mod(rest, size))
        rest = floor_divide(rest, size)
    return tuple(reversed(found))


@operation("Argpartition")
def argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Positions with the `kth` smallest element at its place and no larger one before it, int32; here all are in order.

    Source: keras.ops.argpartition.
    """
    made = argsort(x, axis=axis)
    size = shape_of(made)[0 if axis is None else axis]
    if isinstance(size, int) and not -size <= kth < size:
        raise InvalidArgumentError(f"argpartition: kth={kth} is out of range for an axis of {size} elements.")
    return made
