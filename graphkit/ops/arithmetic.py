"""More elementwise arithmetic, composed of primitives: logarithms, roots, angles, closeness, differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.tracing import Tracer
from graphkit.ops._convert import (
    as_float,
    assume_size,
    canonical_axis,
    counted,
    dtype_name,
    promote,
    reals,
    shape_of,
    tensor,
)
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast, show, ufunc
from graphkit.ops.elementwise import (
    absolute,
    add,
    arctan,
    cast,
    ceil,
    clip,
    divide,
    equal,
    exp,
    floor,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.reduction import all as reduce_all
from graphkit.ops.shaping import convert_to_tensor, moveaxis, stack

# fmt: off
__all__ = [
    "allclose",
    "arctan2",
    "cbrt",
    "convert_to_numpy",
    "cross",
    "deg2rad",
    "diff",
    "divide_no_nan",
    "dtype",
    "exp2",
    "fabs",
    "fmax",
    "fmin",
    "fmod",
    "heaviside",
    "hypot",
    "is_tensor",
    "isclose",
    "isneginf",
    "isposinf",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "ndim",
    "rad2deg",
    "saturate_cast",
    "select",
    "signbit",
    "sinc",
    "trunc",
]
# fmt: on

_LN2 = 0.6931471805599453
_LN10 = 2.302585092994046
_PI = 3.141592653589793

# ----- what a tensor is -----


def is_tensor(x: Any) -> bool:
    """Return whether `x` is a tensor with values, or a traced one. Source: keras.ops.is_tensor.

    As in Keras, variables and symbolic tensors (`keras.utils.is_keras_tensor`) do not count.
    """
    return isinstance(x, (np.ndarray, Tracer))


def convert_to_numpy(x: Any) -> Any:
    """Return `x` as a NumPy array.

    Raises:
        InvalidTypeError: `x` is traced or symbolic, and so has no values yet.

    Source: keras.ops.convert_to_numpy.
    """
    return np.asarray(convert_to_tensor(x))


def dtype(x: Any) -> str:
    """Return Keras' name of the dtype of `x`. Source: keras.ops.dtype."""
    own = getattr(x, "dtype", None)
    return own if isinstance(own, str) else dtype_name(tensor(x))


def ndim(x: Any) -> int:
    """Return the number of axes of `x`. Source: keras.ops.ndim."""
    return len(x.shape) if hasattr(x, "shape") else len(shape_of(tensor(x)))


# ----- powers, logarithms, roots -----


@operation("Exp2")
def exp2(x: Any) -> Any:
    """Compute 2 to the power of `x`. Source: keras.ops.exp2."""
    return exp(multiply(as_float(x), _LN2))


@operation("Log2")
def log2(x: Any) -> Any:
    """Compute the logarithm to base 2. Source: keras.ops.log2."""
    return true_divide(log(x), _LN2)


@operation("Log10")
def log10(x: Any) -> Any:
    """Compute the logarithm to base 10. Source: keras.ops.log10."""
    return true_divide(log(x), _LN10)


@operation("Cbrt")
def cbrt(x: Any) -> Any:
    """Compute the cube root, also of negative numbers.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.cbrt.
    """
    (x,) = reals("cbrt", x, to_float=True)
    one = tensor(1.0, dtype_name(x))
    return multiply(
        where(greater_equal(x, 0), one, negative(one)), power(absolute(x), 1.0 / 3.0)
    )  # not sign(x): its 0 at 0 would hide the slope


def _log_of_sum(x1: Any, x2: Any, unit: float) -> Any:
    a, b = promote(tensor(x1), tensor(x2), to_float=True)
    top = maximum(a, b)
    low = minimum(a, b)
    difference = where(isfinite(top), subtract(low, top), where(equal(low, top), 0.0, subtract(low, top)))
    return add(top, true_divide(log1p(exp(multiply(difference, unit))), unit))


@operation("Logaddexp", tensors="x1 x2")
def logaddexp(x1: Any, x2: Any) -> Any:
    """Compute log(exp(x1) + exp(x2)) without overflow. Source: keras.ops.logaddexp."""
    return _log_of_sum(x1, x2, 1.0)


@operation("Logaddexp2", tensors="x1 x2")
def logaddexp2(x1: Any, x2: Any) -> Any:
    """Compute log2(2**x1 + 2**x2) without overflow. Source: keras.ops.logaddexp2."""
    return _log_of_sum(x1, x2, _LN2)


@operation("Hypot", tensors="x1 x2")
def hypot(x1: Any, x2: Any) -> Any:
    """Compute sqrt(x1^2 + x2^2) without overflow.

    Raises:
        DTypeError: `x1` or `x2` is complex.

    Source: keras.ops.hypot.
    """
    a, b = (absolute(v) for v in reals("hypot", x1, x2, to_float=True))
    top, low = maximum(a, b), minimum(a, b)
    safe = where(equal(top, 0), 1.0, top)
    made = multiply(top, sqrt(add(square(true_divide(low, safe)), 1.0)))
    return where(logical_or(isinf(a), isinf(b)), float("inf"), made)  # infinite even if the other is NaN


# ----- angles -----


def _arctan2(y: Any, x: Any) -> Any:
    both_infinite = logical_and(isinf(y), isinf(x))  # then only the signs matter
    y, x = where(both_infinite, sign(y), y), where(both_infinite, sign(x), x)
    x_is_zero = equal(x, 0)
    base = arctan(true_divide(y, where(x_is_zero, 1.0, x)))
    rotated = where(less(x, 0), where(less(y, 0), subtract(base, _PI), add(base, _PI)), base)
    return where(x_is_zero, multiply(sign(y), _PI / 2), rotated)


def _arctan2_vjp(g: Any, out: Any, y: Any, x: Any) -> list[Callable[[], Any]]:
    return [
        lambda: multiply(g, true_divide(x, add(square(x), square(y)))),
        lambda: negative(multiply(g, true_divide(y, add(square(x), square(y))))),
    ]


arctan2_p = primitive("arctan2", broadcast, prepare=ufunc(np.arctan2), decomposition=_arctan2, vjp=_arctan2_vjp)


@operation("Arctan2", tensors="x1 x2")
def arctan2(x1: Any, x2: Any) -> Any:
    """Compute the angle of the point (x2, x1), in [-pi, pi] radians.

    Raises:
        DTypeError: `x1` or `x2` is complex.

    Source: keras.ops.arctan2.
    """
    return arctan2_p.bind(*reals("arctan2", tensor(x1), tensor(x2), to_float=True))


@operation("Deg2rad")
def deg2rad(x: Any) -> Any:
    """Convert degrees to radians. Source: keras.ops.deg2rad."""
    return multiply(as_float(x), _PI / 180)


@operation("Rad2deg")
def rad2deg(x: Any) -> Any:
    """Convert radians to degrees. Source: keras.ops.rad2deg."""
    return multiply(as_float(x), 180 / _PI)


@operation("Sinc")
def sinc(x: Any) -> Any:
    """Compute sin(pi x) / (pi x), which is 1 at 0. Source: keras.ops.sinc."""
    x = multiply(as_float(x), _PI)
    middle = equal(x, 0)
    return where(middle, 1.0, true_divide(sin(x), where(middle, 1.0, x)))


# ----- signs and rounding -----


@operation("Fabs")
def fabs(x: Any) -> Any:
    """Compute the absolute value as a float.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.fabs.
    """
    return absolute(*reals("fabs", x, to_float=True))


@operation("Trunc")
def trunc(x: Any) -> Any:
    """Round towards zero.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.trunc.
    """
    (x,) = reals("trunc", x)
    return where(less(x, 0), ceil(x), floor(x)) if dtypes.is_float(dtype_name(x)) else x


fmod_p = primitive(
    "fmod",
    broadcast,
    prepare=ufunc(np.fmod),
    inplace=(0, 1),
    vjp=lambda g, out, a, b: [g, lambda: negative(multiply(g, trunc(true_divide(a, b))))],
)


@operation("Fmod", tensors="x1 x2")
def fmod(x1: Any, x2: Any) -> Any:
    """Compute the remainder with the sign of `x1`.

    Raises:
        DTypeError: `x1` or `x2` is complex.

    Source: keras.ops.fmod.
    """
    return fmod_p.bind(*counted(*reals("fmod", x1, x2)))


@operation("Fmax", tensors="x1 x2")
def fmax(x1: Any, x2: Any) -> Any:
    """Return the larger of two elements; where one is NaN, the other. Source: keras.ops.fmax."""
    a, b = promote(x1, x2)
    return where(_is_nan(a), b, where(_is_nan(b), a, maximum(a, b)))


@operation("Fmin", tensors="x1 x2")
def fmin(x1: Any, x2: Any) -> Any:
    """Return the smaller of two elements; where one is NaN, the other. Source: keras.ops.fmin."""
    a, b = promote(x1, x2)
    return where(_is_nan(a), b, where(_is_nan(b), a, minimum(a, b)))


def _is_nan(x: Any) -> Any:
    return isnan(x) if dtypes.is_float(dtype_name(x)) else False


@operation("Heaviside", tensors="x1 x2")
def heaviside(x1: Any, x2: Any) -> Any:
    """Return 0 for negative `x1`, 1 for positive, and `x2` at 0.

    Raises:
        DTypeError: `x1` or `x2` is complex.

    Source: keras.ops.heaviside.
    """
    a, b = reals("heaviside", x1, x2, to_float=True)
    return where(equal(a, 0), b, where(less(a, 0), 0.0, where(isnan(a), a, 1.0)))


@operation("Signbit")
def signbit(x: Any) -> Any:
    """Return whether the sign bit is set, as it is for -0.0.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.signbit.
    """
    (x,) = reals("signbit", x)
    if not dtypes.is_float(dtype_name(x)):
        return less(x, 0)
    return logical_or(less(x, 0), logical_and(equal(x, 0), less(true_divide(1, where(equal(x, 0), x, 1.0)), 0)))


@operation("Isposinf")
def isposinf(x: Any) -> Any:
    """Return whether each element is +infinity.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.isposinf.
    """
    (x,) = reals("isposinf", x, to_float=True)
    return equal(x, float("inf"))


@operation("Isneginf")
def isneginf(x: Any) -> Any:
    """Return whether each element is -infinity.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.isneginf.
    """
    (x,) = reals("isneginf", x, to_float=True)
    return equal(x, float("-inf"))


# ----- closeness -----


@operation("Isclose", tensors="x1 x2 rtol atol")
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return whether |x1 - x2| <= atol + rtol * |x2|, elementwise.

    Args:
        equal_nan: whether NaN counts as close to NaN.

    Source: keras.ops.isclose.
    """
    a, b = promote(x1, x2, to_float=True)
    near = less_equal(absolute(subtract(a, b)), add(multiply(absolute(b), rtol), atol))
    close = logical_or(equal(a, b), logical_and(near, isfinite(b)))
    return logical_or(close, logical_and(isnan(a), isnan(b))) if equal_nan else close


@operation("AllClose", tensors="x1 x2")
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return whether all elements of `x1` and `x2` are close, as in `isclose`.

    Args:
        equal_nan: whether NaN counts as close to NaN.

    Source: keras.ops.allclose.
    """
    return reduce_all(isclose(x1, x2, rtol, atol, equal_nan))


# ----- division, casts, selection -----


@operation("DivideNoNan", tensors="x1 x2")
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """Compute `x1 / x2`, and 0 where `x2` is 0. Source: keras.ops.divide_no_nan."""
    a, b = promote(x1, x2, to_float=True)
    is_zero = equal(b, 0)
    return where(is_zero, 0.0, divide(a, where(is_zero, 1.0, b)))


@operation("SaturateCast", "core")
def saturate_cast(x: Any, dtype: Any) -> Any:
    """Cast `x` to another dtype, clamping values to that dtype's range.

    Raises:
        DTypeError: `x` is complex.

    Source: keras.ops.saturate_cast.
    """
    (x,), wanted = reals("saturate_cast", x), dtypes.standardize(dtype)
    if wanted == "bool":
        return x if dtype_name(x) == "bool" else greater(x, 0)  # clamped to 0 and 1
    if dtype_name(x) == "bool":
        return cast(x, wanted)
    kind = dtypes.to_numpy(wanted)
    info: Any = np.iinfo(kind) if dtypes.is_int(wanted) else np.finfo(kind) if wanted != "bfloat16" else None
    if info is None or np.can_cast(dtypes.to_numpy(dtype_name(x)), kind, "safe"):
        return cast(x, wanted)
    if dtypes.is_int(dtype_name(x)):
        own = np.iinfo(dtypes.to_numpy(dtype_name(x)))
        low, high = max(int(own.min), int(info.min)), min(int(own.max), int(info.max))
        return cast(clip(x, np.asarray(low, kind_of(x)), np.asarray(high, kind_of(x))), wanted)
    lowest, highest = float(info.min), float(info.max)
    limited = cast(clip(x, lowest, highest), wanted)
    if dtypes.is_int(wanted):  # floats cannot hold the largest integers: 2**31 - 1 becomes 2**31
        limited = where(greater_equal(x, highest), np.asarray(info.max, kind), limited)
    return limited


def kind_of(x: Any) -> np.dtype[Any]:
    """Return the NumPy dtype of a tensor."""
    return dtypes.to_numpy(dtype_name(x))


@operation("Select", tensors="condlist choicelist default")
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """Select from the first choice whose condition holds, else from `default`, elementwise.

    Args:
        condlist: a list of bool tensors.
        choicelist: a list of as many tensors.
        default: a tensor or a number.

    Raises:
        InvalidArgumentError: the lists differ in length.

    Source: keras.ops.select.
    """
    if len(condlist) != len(choicelist):
        raise InvalidArgumentError(
            f"select: condlist and choicelist must have the same length, got {len(condlist)} and {len(choicelist)}."
        )
    made = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        made = where(condition, choice, made)
    return made


# ----- differences, products of vectors -----


@operation("Diff", tensors="a")
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Subtract from each element the previous one along `axis`, `n` times; for bools, whether the two differ.

    Raises:
        InvalidArgumentError: `n` is negative.
        ShapeError: there is no such axis.

    Source: keras.ops.diff.
    """
    x = tensor(a)
    axis = canonical_axis(axis, x.ndim)
    if n < 0:
        raise InvalidArgumentError(f"diff: n must not be negative, got {n}.")
    lead = (slice(None),) * axis
    minus = not_equal if dtype_name(x) == "bool" else subtract
    for _ in range(n):
        x = minus(x[(*lead, slice(1, None))], x[(*lead, slice(None, -1))])
    return x


@operation("Cross", tensors="x1 x2")
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """Compute the cross product of vectors of 2 or 3 elements.

    Args:
        axisa: the axis of the vectors in `x1`.
        axisb: the axis of the vectors in `x2`.
        axisc: the axis of the vectors in the result.
        axis: one axis for all three, instead of these.

    Raises:
        ShapeError: the size of a vector axis is not 2 or 3.

    Source: keras.ops.cross.
    """
    a, b = promote(x1, x2)
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    if 3 in (shape_of(a)[-1], shape_of(b)[-1]):  # then the result has 3 elements, whatever the other has
        a, b = assume_size(a, a.ndim - 1, 3), assume_size(b, b.ndim - 1, 3)
    sizes = shape_of(a)[-1], shape_of(b)[-1]
    if any(size not in (2, 3) for size in sizes):
        raise ShapeError(
            f"cross expects vectors of 2 or 3 elements, got shapes {show(shape_of(a))} and {show(shape_of(b))}."
        )
    (a0, a1, a2), (b0, b1, b2) = (_parts(v) for v in (a, b))
    last = subtract(multiply(a0, b1), multiply(a1, b0))
    if sizes == (2, 2):
        return last
    first, second = subtract(multiply(a1, b2), multiply(a2, b1)), subtract(multiply(a2, b0), multiply(a0, b2))
    return moveaxis(stack([first, second, last], axis=-1), -1, axisc)


def _parts(v: Any) -> tuple[Any, Any, Any]:
    x, y = v[..., 0], v[..., 1]
    return x, y, v[..., 2] if shape_of(v)[-1] == 3 else multiply(x, 0)
