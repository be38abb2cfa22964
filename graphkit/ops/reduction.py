"""Reductions over axes: sums, means, extrema, logic, argmax and argmin; cumulative sums and products.

`axis` is an int, several, or None for all axes, and `keepdims` keeps reduced axes with size 1. An axis that is out of range or
given twice raises ShapeError.
"""

# VJPs refer to ops that are defined further down, whose types mypy does not know yet.
# mypy: disable-error-code="has-type"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, product
from graphkit.core.errors import ShapeError
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.program import Atom, Equation
from graphkit.ir.simplify import Producers, rewrite
from graphkit.ir.spec import TensorSpec
from graphkit.ops._convert import as_float, canonical_axes, canonical_axis, dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.elementwise import (
    absolute,
    add,
    cast,
    equal,
    exp,
    log,
    logical_not,
    maximum,
    multiply,
    sqrt,
    square,
    stop_gradient,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.shaping import broadcast_to, flip, pad, reshape, squeeze

# fmt: off
__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "count_nonzero", "cumprod", "cumsum", "logsumexp", "max", "mean", "min", "prod",
    "std", "sum", "var",
]
# fmt: on


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """Return the shape after reducing over `axes`."""
    if keepdims:
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def _abstract(x: TensorSpec, axes: tuple[int, ...], keepdims: bool) -> TensorSpec:
    return TensorSpec(reduced_shape(x.shape, axes, keepdims), x.dtype)


def _abstract_bool(x: TensorSpec, axes: tuple[int, ...], keepdims: bool) -> TensorSpec:
    return TensorSpec(reduced_shape(x.shape, axes, keepdims), "bool")


def _kernel(function: Callable[..., Any]) -> Callable[..., None]:
    def kernel(out: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> None:
        function(x, axis=axes, out=out, keepdims=keepdims)

    return kernel


def spread(g: Any, like: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """Broadcast a reduced tensor back to the shape of `like`."""
    if not keepdims:
        g = reshape(g, reduced_shape(shape_of(like), axes, True))
    return broadcast_to(g, shape_of(like))


def _extreme_vjp(g: Any, out: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> list[Any]:
    """Pass the gradient to the extremum; equal elements share it evenly, as in JAX."""
    hit = cast(equal(x, spread(out, x, axes, keepdims)), dtype_name(x))
    count = reduce_sum_p.bind(hit, axes=axes, keepdims=True)
    return [multiply(true_divide(hit, count), spread(g, x, axes, keepdims))]


def _prod_vjp(g: Any, out: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> list[Any]:
    """Multiply the other elements by cumulative products from both sides, which is correct even if there are zeros."""
    from graphkit.ops.shaping import transpose

    rest = [a for a in range(x.ndim) if a not in axes]
    order = [*rest, *axes]
    front = tuple(shape_of(x)[a] for a in rest)
    flat = reshape(transpose(x, order), (*front, product(tuple(shape_of(x)[a] for a in axes))))
    before = cumprod_p.bind(flat, axis=len(front), exclusive=True, reverse=False)
    after = cumprod_p.bind(flat, axis=len(front), exclusive=True, reverse=True)
    others = reshape(multiply(before, after), (*front, *(shape_of(x)[a] for a in axes)))
    back = tuple(order.index(a) for a in range(x.ndim))
    return [multiply(transpose(others, back), spread(g, x, axes, keepdims))]


reduce_sum_p = primitive("reduce_sum", _abstract, kernel=_kernel(np.add.reduce), sums=True,
                         vjp=lambda g, out, x, axes, keepdims: [spread(g, x, axes, keepdims)])  # fmt: skip
reduce_max_p = primitive("reduce_max", _abstract, kernel=_kernel(np.maximum.reduce), vjp=_extreme_vjp)
reduce_min_p = primitive("reduce_min", _abstract, kernel=_kernel(np.minimum.reduce), vjp=_extreme_vjp)
reduce_prod_p = primitive("reduce_prod", _abstract, kernel=_kernel(np.multiply.reduce), vjp=_prod_vjp, sums=True)
reduce_all_p = primitive(
    "reduce_all", _abstract_bool, kernel=_kernel(np.logical_and.reduce), nondiff="a boolean has no gradient"
)
reduce_any_p = primitive(
    "reduce_any", _abstract_bool, kernel=_kernel(np.logical_or.reduce), nondiff="a boolean has no gradient"
)


# ----- the adjoint of broadcasting -----


def _sum_to(x: Any, shape: Shape) -> Any:
    lead = x.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(
        lead + a
        for a, (size, wanted) in enumerate(zip(shape_of(x)[lead:], shape, strict=True))
        if wanted == 1 and size != 1
    )
    if not axes:
        return x
    return reshape(reduce_sum_p.bind(x, axes=axes, keepdims=False), shape)


sum_to_p = primitive(
    "sum_to",  # x summed over the axes along which `shape` broadcasts to the shape of x
    lambda x, shape: TensorSpec(tuple(shape), x.dtype),
    decomposition=_sum_to,
)


def _axes_op(class_name: str, made: Primitive, prepare: Callable[[Any], Any], doc: str) -> Callable[..., Any]:
    """Make the public function of a reduction."""

    def function(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        x = prepare(x)
        return made.bind(x, axes=canonical_axes(axis, x.ndim), keepdims=bool(keepdims))

    function.__name__ = function.__qualname__ = class_name.lower()
    function.__doc__ = f"{doc} over `axis` (all axes by default). Source: keras.ops.{class_name.lower()}."
    return operation(class_name)(function)


def summable(x: Any) -> Any:
    """Convert bools and small integers to int32 or uint32, in which Keras sums them."""
    x = tensor(x)
    wider = {"bool": "int32", "int8": "int32", "int16": "int32", "uint8": "uint32", "uint16": "uint32"}
    return tensor(x, wider.get(dtype_name(x)))


def _boolean(x: Any) -> Any:
    return cast(x, "bool")


def _ordered(x: Any) -> Any:
    x = tensor(x)
    if any(size == 0 for size in shape_of(x)):
        raise ShapeError(f"A tensor without elements, shape {show(shape_of(x))}, has no maximum or minimum.")
    return x


_builtin_any = any
sum = _axes_op("Sum", reduce_sum_p, summable, "Compute the sum")
all = _axes_op("All", reduce_all_p, _boolean, "Return whether all elements are true")
any = _axes_op("Any", reduce_any_p, _boolean, "Return whether any element is true")


@operation("Prod")
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Any:
    """Compute the product over `axis` (all axes by default). Source: keras.ops.prod."""
    x = summable(x) if dtype is None else cast(x, dtypes.standardize(dtype))
    return reduce_prod_p.bind(x, axes=canonical_axes(axis, x.ndim), keepdims=bool(keepdims))


@operation("Max", tensors="x")
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Compute the maximum over `axis` (all axes by default).

    Args:
        x: a tensor.
        axis: an axis, several, or None for all.
        keepdims: whether reduced axes stay, with size 1.
        initial: the minimum of the result; needed if there are no elements.

    Raises:
        ShapeError: If an axis is out of range or given twice, or there are neither elements nor `initial`.

    Source: keras.ops.max.
    """
    return _extreme(reduce_max_p, x, axis, keepdims, initial, maximum)


@operation("Amax")
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the maximum over `axis` (all axes by default).

    Raises:
        ShapeError: If an axis is out of range or given twice, or there are no elements.

    Source: keras.ops.amax.
    """
    return _extreme(reduce_max_p, x, axis, keepdims, None, maximum)


@operation("Amin")
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the minimum over `axis` (all axes by default).

    Raises:
        ShapeError: If an axis is out of range or given twice, or there are no elements.

    Source: keras.ops.amin.
    """
    from graphkit.ops.elementwise import minimum

    return _extreme(reduce_min_p, x, axis, keepdims, None, minimum)


@operation("Min", tensors="x")
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Any:
    """Compute the minimum over `axis` (all axes by default).

    Args:
        x: a tensor.
        axis: an axis, several, or None for all.
        keepdims: whether reduced axes stay, with size 1.
        initial: the maximum of the result; needed if there are no elements.

    Raises:
        ShapeError: If an axis is out of range or given twice, or there are neither elements nor `initial`.

    Source: keras.ops.min.
    """
    from graphkit.ops.elementwise import minimum

    return _extreme(reduce_min_p, x, axis, keepdims, initial, minimum)


def _extreme(made: Primitive, x: Any, axis: Any, keepdims: bool, initial: Any, join: Callable[[Any, Any], Any]) -> Any:
    x = tensor(x)
    axes = canonical_axes(axis, x.ndim)
    if _builtin_any(shape_of(x)[a] == 0 for a in axes):
        if initial is None:
            raise ShapeError(f"A maximum or minimum over no elements, shape {show(shape_of(x))}, needs `initial`.")
        return broadcast_to(tensor(initial, dtype_name(x)), reduced_shape(shape_of(x), axes, keepdims))
    result = made.bind(x, axes=axes, keepdims=bool(keepdims))
    return result if initial is None else join(result, tensor(initial, dtype_name(x)))


def count(x: Any, axes: tuple[int, ...]) -> Any:
    """Return the number of elements that are reduced over `axes`: an int, or a tensor where a size is unknown."""
    size = product(tuple(shape_of(x)[a] for a in axes))
    return tensor(size, "float32") if isinstance(size, Dim) else size


@operation("Mean")
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the mean over `axis` (all axes by default); integers become `floatx()`. Source: keras.ops.mean."""
    x = as_float(x)
    return reduce_mean_p.bind(x, axes=canonical_axes(axis, x.ndim), keepdims=bool(keepdims))


def _mean(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    total = reduce_sum_p.bind(x, axes=axes, keepdims=keepdims)
    size = count(x, axes)
    return true_divide(total, cast(size, dtype_name(x)) if not isinstance(size, int) else size)


def _mean_kernel(out: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> None:
    np.add.reduce(x, axis=axes, out=out, keepdims=keepdims)
    np.divide(out, np.asarray(np.prod([x.shape[a] for a in axes], dtype=np.int64)).astype(out.dtype), out=out)


reduce_mean_p = primitive("reduce_mean", _abstract, kernel=_mean_kernel, decomposition=_mean, sums=True)


@operation("Var")
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the population variance over `axis` (all axes by default). Source: keras.ops.var."""
    x = as_float(x)
    return mean(square(magnitudes(subtract(x, mean(x, axis, True)))), axis, keepdims)


def magnitudes(x: Any) -> Any:
    """Return the absolute values of complex numbers, and real numbers unchanged."""
    return absolute(x) if dtype_name(x) in dtypes.COMPLEX else x


@operation("Std")
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute the population standard deviation over `axis` (all axes by default). Source: keras.ops.std."""
    return sqrt(var(x, axis, keepdims))


@operation("CountNonzero")
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """Count the nonzero elements over `axis` (all axes by default), as int32. Source: keras.ops.count_nonzero."""
    return sum(cast(logical_not(equal(x, 0)), "int32"), axis)


@operation("Logsumexp", "math")
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Compute log(sum(exp(x))) over `axis` (all axes by default) without overflow. Source: keras.ops.logsumexp."""
    x = as_float(x)
    top = stop_gradient(max(x, axis, True, initial=-np.inf))
    top = where(equal(absolute(top), np.inf), 0.0, top)  # rows that are all -inf, or contain inf
    total = add(log(sum(exp(subtract(x, top)), axis, True)), top)
    return total if keepdims else squeeze(total, canonical_axes(axis, x.ndim))


# ----- argmax and argmin -----


def _position_abstract(x: TensorSpec, axis: int, keepdims: bool) -> TensorSpec:
    return TensorSpec(reduced_shape(x.shape, (axis,), keepdims), "int32")


def _position_kernel(function: Callable[..., Any]) -> Callable[..., None]:
    def kernel(out: Any, x: Any, axis: int, keepdims: bool) -> None:
        np.copyto(out, function(x, axis=axis, keepdims=keepdims), casting="unsafe")

    return kernel


argmax_p = primitive(
    "argmax", _position_abstract, kernel=_position_kernel(np.argmax), nondiff="its result is an integer"
)
argmin_p = primitive(
    "argmin", _position_abstract, kernel=_position_kernel(np.argmin), nondiff="its result is an integer"
)


def _position(made: Primitive, x: Any, axis: int | None, keepdims: bool) -> Any:
    x = tensor(x)
    sizes = shape_of(x) if axis is None else (shape_of(x)[canonical_axis(axis, x.ndim)],)
    if 0 in sizes:
        raise ShapeError(f"{made.name}: there are no elements in shape {show(shape_of(x))} along axis={axis}.")
    if axis is None:
        flat = made.bind(reshape(x, (-1,)), axis=0, keepdims=False)
        return reshape(flat, (1,) * x.ndim) if keepdims else flat
    return made.bind(x, axis=canonical_axis(axis, x.ndim), keepdims=bool(keepdims))


@operation("Argmax")
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index (int32) of the first maximum along `axis` (None: in the flattened tensor).

    Raises:
        ShapeError: If `axis` is out of range, or there are no elements.

    Source: keras.ops.argmax.
    """
    return _position(argmax_p, x, axis, keepdims)


@operation("Argmin")
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index (int32) of the first minimum along `axis` (None: in the flattened tensor).

    Raises:
        ShapeError: If `axis` is out of range, or there are no elements.

    Source: keras.ops.argmin.
    """
    return _position(argmin_p, x, axis, keepdims)


# ----- cumulative sums and products -----


def _cumulative_kernel(function: Callable[..., Any], neutral: int) -> Callable[..., None]:
    def kernel(out: Any, x: Any, axis: int, exclusive: bool, reverse: bool) -> None:
        source, target = (np.flip(x, axis), np.flip(out, axis)) if reverse else (x, out)
        if not exclusive:
            function(source, axis=axis, out=target)
            return
        first, rest, shorter = [slice(None)] * x.ndim, [slice(None)] * x.ndim, [slice(None)] * x.ndim
        first[axis], rest[axis], shorter[axis] = slice(0, 1), slice(1, None), slice(0, -1)
        target[tuple(first)] = neutral
        function(source[tuple(shorter)], axis=axis, out=target[tuple(rest)])

    return kernel


cumsum_p = primitive(
    "cumsum",
    lambda x, axis, exclusive, reverse: x,
    kernel=_cumulative_kernel(np.cumsum, 0),
    vjp=lambda g, out, x, axis, exclusive, reverse: [
        cumsum_p.bind(g, axis=axis, exclusive=exclusive, reverse=not reverse)
    ],
)


def _cumprod_vjp(g: Any, out: Any, x: Any, axis: int, exclusive: bool, reverse: bool) -> list[Any]:
    """Multiply the product of all elements before x_j by r_j = g_j + x_(j+1) r_(j+1); without division, zeros are no problem."""
    from graphkit.ops.control import associative_scan

    x, g = (flip(t, axis) if reverse else t for t in (x, g))
    following, g = _shifted(x, axis), _shifted(g, axis) if exclusive else g

    def joined(later: Any, now: Any) -> Any:
        return [multiply(later[0], now[0]), add(now[1], multiply(now[0], later[1]))]

    before = cumprod_p.bind(x, axis=axis, exclusive=True, reverse=False)
    after = associative_scan(joined, [following, g], reverse=True, axis=axis)[1]
    made = multiply(before, after)
    return [flip(made, axis) if reverse else made]


def _shifted(x: Any, axis: int) -> Any:
    """Shift the elements along `axis` to the front by one, and append zero."""
    widths = [(0, 1) if a == axis else (0, 0) for a in range(x.ndim)]
    return pad(x[(*(slice(None),) * axis, slice(1, None))], widths)


cumprod_p = primitive(
    "cumprod", lambda x, axis, exclusive, reverse: x, kernel=_cumulative_kernel(np.cumprod, 1), vjp=_cumprod_vjp
)


@operation("Cumsum")
def cumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Compute cumulative sums along `axis` (None: of the flattened tensor), in the dtype of `x` by default.

    Source: keras.ops.cumsum.
    """
    x, axis = _cumulative(x, axis, dtype)
    return cumsum_p.bind(x, axis=axis, exclusive=False, reverse=False)


def _cumulative(x: Any, axis: Any, dtype: Any) -> tuple[Any, int]:
    """Return the tensor in `dtype` (by default its own, int32 for bools), flattened if the axis is None, and the axis."""
    x = tensor(x)
    kind = ("int32" if dtype_name(x) == "bool" else dtype_name(x)) if dtype is None else dtypes.standardize(dtype)
    x = tensor(x, kind)
    return (reshape(x, (-1,)), 0) if axis is None else (x, canonical_axis(axis, x.ndim))


@operation("Cumprod")
def cumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Compute cumulative products along `axis` (None: of the flattened tensor), in the dtype of `x` by default.

    Source: keras.ops.cumprod.
    """
    x, axis = _cumulative(x, axis, dtype)
    return cumprod_p.bind(x, axis=axis, exclusive=False, reverse=False)


@rewrite("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_mean", "sum_to", keeps_derivatives=True)
def _nothing_to_reduce(equation: Equation, producers: Producers) -> Atom | None:
    """Replace a reduction over no axes, or `sum_to` the same shape, by its input."""
    x = equation.inputs[0]
    same = equation.params.get("axes", None) == () or equation.primitive is sum_to_p
    return x if same and x.spec == equation.outputs[0].spec else None
