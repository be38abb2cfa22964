"""Numbers by their bits and by series: powers of two, the next float, Bessel's I0; windows, distances, correlation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.ir.operators import Symbolic
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, only_shapes
from graphkit.ops._convert import as_float, cast_to, dtype_name, promote, reals, shape_of, size_argument, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast, same, show, ufunc
from graphkit.ops.convolution import conv
from graphkit.ops.elementwise import absolute, cast, exp, floor_divide, multiply, power, sqrt, square, subtract
from graphkit.ops.reduction import mean
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import expand_dims, flip, reshape

# fmt: off
__all__ = [
    "bartlett", "blackman", "cdist", "correlate", "hamming", "hanning", "i0", "kaiser", "ldexp", "nextafter", "vectorize", "view",
]
# fmt: on


@operation("Ldexp", tensors="x1 x2")
def ldexp(x1: Any, x2: Any) -> Any:
    """`x1 * 2**x2` for integers `x2`. Raises DTypeError for other ones. Source: keras.ops.ldexp."""
    (x,), exponent = reals("ldexp", x1, to_float=True), tensor(x2)
    if not dtypes.is_int(dtype_name(exponent)) and not only_shapes(exponent):
        raise DTypeError(f"ldexp exponent must be an integer type. Received: x2 dtype={dtype_name(exponent)}")
    half = floor_divide(exponent, 2)  # in two steps: 2**x2 alone may be too large where the product is not
    two = tensor(2.0, dtype_name(x))
    for part in (half, subtract(exponent, half)):
        x = multiply(x, power(two, cast(part, dtype_name(x))))
    return x


nextafter_p = primitive(
    "nextafter", broadcast, prepare=ufunc(np.nextafter), nondiff="a step from one float to the next is as good as none"
)


@operation("Nextafter", tensors="x1 x2")
def nextafter(x1: Any, x2: Any) -> Any:
    """The float that follows `x1` in the direction of `x2`. Source: keras.ops.nextafter."""
    return nextafter_p.bind(*promote(x1, x2, to_float=True))


def _i0(x: Any) -> Any:
    """The mean of exp(x cos t) over half a circle: the midpoint rule is exact to the last digit for all x that do not overflow."""
    x = absolute(x)
    cosines = np.cos((np.arange(128) + 0.5) * np.pi / 128).astype(dtypes.to_numpy(dtype_name(x)))
    return multiply(exp(x), mean(exp(multiply(expand_dims(x, -1), cosines - 1)), axis=-1))


i0_p = primitive("i0", same, kernel=lambda out, x: np.copyto(out, np.i0(x), casting="unsafe"), decomposition=_i0)


@operation("I0")
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind of order 0. Source: keras.ops.i0."""
    (x,) = reals("i0", x)
    wide = "float64" if dtype_name(x) == "int64" else dtype_name(x)
    return i0_p.bind(cast_to(x, wide) if dtypes.is_float(wide) and wide != dtype_name(x) else as_float(x))


def _view_abstract(x: TensorSpec, dtype: str) -> TensorSpec:
    old, new = dtypes.bits(x.dtype), dtypes.bits(dtype)
    if old == new:
        return TensorSpec(x.shape, dtype)
    last = x.shape[-1] if x.rank else 0
    if x.rank == 0 or (old < new and isinstance(last, int) and last * old % new):
        raise ShapeError(
            f"view: the last axis of shape {show(x.shape)} ({old} bits each) does not hold whole numbers of {new} bits."
        )
    return TensorSpec((*x.shape[:-1], last * (old // new) if old > new else last // (new // old)), dtype)


view_p = primitive(
    "bitcast",  # the same bytes read as another dtype
    _view_abstract,
    kernel=lambda out, x, dtype: np.copyto(out, np.ascontiguousarray(x).view(out.dtype).reshape(out.shape)),
    nondiff="bits read as another dtype have no derivative",
)


@operation("View")
def view(x: Any, dtype: Any = None) -> Any:
    """The same bytes read as another dtype; the last axis grows or shrinks with the size of a number. Source: keras.ops.view."""
    x = tensor(x)
    wanted = dtype_name(x) if dtype is None else dtypes.standardize(dtype)
    return x if wanted == dtype_name(x) else view_p.bind(x, dtype=wanted)


# ----- of two tensors -----


@operation("CDist", "math", tensors="x y")
def cdist(x: Any, y: Any) -> Any:
    """The distances between the rows of `x` (..., m, d) and of `y` (..., n, d): (..., m, n). Source: keras.ops.cdist."""
    a, b = promote(x, y, to_float=True)
    if a.ndim < 2 or b.ndim < 2:
        raise ShapeError("`cdist` inputs must have rank >= 2")
    mine, theirs = shape_of(a)[-1], shape_of(b)[-1]
    if mine != theirs and isinstance(mine, int) and isinstance(theirs, int):
        raise ShapeError(
            f"Last dimension of inputs to `cdist` must match, got shapes {show(shape_of(a))} and {show(shape_of(b))}."
        )
    return sqrt(reduce_sum(square(subtract(expand_dims(a, -2), expand_dims(b, -3))), axis=-1))


@operation("Correlate", tensors="x1 x2")
def correlate(x1: Any, x2: Any, mode: str = "valid") -> Any:
    """The correlation of two sequences at each shift: where they overlap whole ("valid"), as many as the longer one ("same"), all ("full").

    Source: keras.ops.correlate.
    """
    if mode not in ("valid", "same", "full"):
        raise InvalidArgumentError(f"correlate: mode must be 'valid', 'same' or 'full', got {mode!r}.")
    a, b = promote(x1, x2, to_float=True)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            f"correlate wants two tensors of one axis, got shapes {show(shape_of(a))} and {show(shape_of(b))}."
        )
    n, m = shape_of(a)[0], shape_of(b)[0]
    if not isinstance(n, int) or not isinstance(m, int):
        raise ShapeError(f"correlate wants known sizes, got shapes {show(shape_of(a))} and {show(shape_of(b))}.")
    turned = n < m
    if turned:
        a, b, n, m = b, a, m, n
    around = {"valid": (0, 0), "full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2)}[mode]
    made = reshape(
        conv(reshape(a, (1, n, 1)), reshape(b, (m, 1, 1)), padding=[around], data_format="channels_last"), (-1,)
    )
    return flip(made, 0) if turned else made


# ----- windows: numbers known at once -----


def _window(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def window(x: Any, *options: Any) -> Any:
        if isinstance(x, (Tracer, Symbolic)):
            raise InvalidTypeError(f"{name} does not support symbolic tensors: its size must be a number.")
        points = size_argument(x, f"{name}: the number of points", free=False)
        return np.asarray(function(points, *options)).astype(dtypes.to_numpy(dtypes.floatx()))

    return window


def bartlett(x: Any) -> Any:
    """The triangular window of `x` points, zero at both ends. Source: keras.ops.bartlett."""
    return _window("bartlett", np.bartlett)(x)


def blackman(x: Any) -> Any:
    """Blackman's window of `x` points. Source: keras.ops.blackman."""
    return _window("blackman", np.blackman)(x)


def hamming(x: Any) -> Any:
    """Hamming's window of `x` points. Source: keras.ops.hamming."""
    return _window("hamming", np.hamming)(x)


def hanning(x: Any) -> Any:
    """Hann's window of `x` points. Source: keras.ops.hanning."""
    return _window("hanning", np.hanning)(x)


def kaiser(x: Any, beta: float) -> Any:
    """Kaiser's window of `x` points, the narrower the larger `beta`. Source: keras.ops.kaiser."""
    return _window("kaiser", np.kaiser)(x, float(beta))


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Callable[..., Any]:
    """`pyfunc` of scalars as a function of arrays, called once for each element. Source: keras.ops.vectorize.

    Raises InvalidTypeError on traced tensors, whose elements are not known; use ops.vectorized_map there.
    """
    if not callable(pyfunc):
        raise InvalidTypeError(f"Expected argument `pyfunc` to be a callable. Received: pyfunc={pyfunc}")
    made = np.vectorize(pyfunc, excluded=set(excluded or ()), signature=signature)

    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, (Tracer, Symbolic)) for a in (*args, *kwargs.values())):
            raise InvalidTypeError(
                "vectorize calls its function for each element; use ops.vectorized_map on traced tensors."
            )
        return made(*args, **kwargs)

    return call
