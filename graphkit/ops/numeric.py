"""Numeric ops: ldexp, nextafter, Bessel's I0, bit casts; distances and correlation; window functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError, UnknownValueError
from graphkit.ir.eager_tensor import EagerTensor
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
    """Compute `x1 * 2**x2` for integers `x2`.

    Raises:
        DTypeError: If `x2` is not an integer or `x1` is complex.

    Source: keras.ops.ldexp.
    """
    (x,), exponent = reals("ldexp", x1, to_float=True), tensor(x2)
    if not dtypes.is_int(dtype_name(exponent)) and not only_shapes(exponent):
        raise DTypeError(f"ldexp exponent must be an integer type. Received: x2 dtype={dtype_name(exponent)}")
    half = floor_divide(exponent, 2)  # in two steps: 2**x2 may overflow where the product does not
    two = tensor(2.0, dtype_name(x))
    for part in (half, subtract(exponent, half)):
        x = multiply(x, power(two, cast(part, dtype_name(x))))
    return x


nextafter_p = primitive(
    "nextafter",
    broadcast,
    prepare=ufunc(np.nextafter),
    nondiff="the step to the next float has no derivative",
)


@operation("Nextafter", tensors="x1 x2")
def nextafter(x1: Any, x2: Any) -> Any:
    """Return the next float after `x1` in the direction of `x2`. Source: keras.ops.nextafter."""
    return nextafter_p.bind(*promote(x1, x2, to_float=True))


def _i0(x: Any) -> Any:
    """Average exp(x cos t) over half a circle; this midpoint rule is exact to the last digit for all x that do not overflow."""
    x = absolute(x)
    cosines = np.cos((np.arange(128) + 0.5) * np.pi / 128).astype(dtypes.to_numpy(dtype_name(x)))
    return multiply(exp(x), mean(exp(multiply(expand_dims(x, -1), cosines - 1)), axis=-1))


i0_p = primitive("i0", same, kernel=lambda out, x: np.copyto(out, np.i0(x), casting="unsafe"), decomposition=_i0)


@operation("I0")
def i0(x: Any) -> Any:
    """Compute the modified Bessel function of the first kind of order 0.

    Raises:
        DTypeError: If `x` is complex.

    Source: keras.ops.i0.
    """
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
            f"view: the last axis of shape {show(x.shape)} ({old} bits per element) cannot be divided into elements of {new} bits."
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
    """Reinterpret the bytes of `x` as another dtype; the last axis grows or shrinks with the item size.

    Raises:
        ShapeError: If the last axis cannot be divided into elements of the new dtype.

    Source: keras.ops.view.
    """
    x = tensor(x)
    wanted = dtype_name(x) if dtype is None else dtypes.standardize(dtype)
    return x if wanted == dtype_name(x) else view_p.bind(x, dtype=wanted)


# ----- two tensors -----


@operation("CDist", "math", tensors="x y")
def cdist(x: Any, y: Any) -> Any:
    """Compute the Euclidean distances between the rows of `x` (..., m, d) and of `y` (..., n, d).

    Returns:
        (..., m, n).

    Raises:
        ShapeError: If an argument has fewer than two axes, or the last axes differ in size.

    Source: keras.ops.cdist.
    """
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
    """Compute the cross-correlation of two sequences.

    Args:
        x1: (n,), of known size.
        x2: (m,), of known size.
        mode: "valid" for complete overlaps, "same" for max(n, m) results, "full" for n + m - 1.

    Raises:
        InvalidArgumentError: If `mode` is unknown.
        ShapeError: If an argument does not have exactly one axis, or its size is unknown.

    Source: keras.ops.correlate.
    """
    if mode not in ("valid", "same", "full"):
        raise InvalidArgumentError(f"correlate: mode must be 'valid', 'same' or 'full', got {mode!r}.")
    a, b = promote(x1, x2, to_float=True)
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(
            f"correlate expects two tensors of one axis, got shapes {show(shape_of(a))} and {show(shape_of(b))}."
        )
    n, m = shape_of(a)[0], shape_of(b)[0]
    if not isinstance(n, int) or not isinstance(m, int):
        raise ShapeError(f"correlate expects known sizes, got shapes {show(shape_of(a))} and {show(shape_of(b))}.")
    turned = n < m
    if turned:
        a, b, n, m = b, a, m, n
    around = {"valid": (0, 0), "full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2)}[mode]
    made = reshape(
        conv(reshape(a, (1, n, 1)), reshape(b, (m, 1, 1)), padding=[around], data_format="channels_last"), (-1,)
    )
    return flip(made, 0) if turned else made


# ----- windows: constants, since the number of points is known -----


def _window(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the public function of a window from NumPy's."""

    def window(x: Any, *options: Any) -> Any:
        if isinstance(x, (Tracer, Symbolic)):
            kind = UnknownValueError if isinstance(x, Tracer) else InvalidTypeError
            raise kind(f"{name} does not support symbolic tensors: the number of points must be an int.")
        points = size_argument(x, f"{name}: the number of points", free=False)
        return np.asarray(function(points, *options)).astype(dtypes.to_numpy(dtypes.floatx()))

    return window


def bartlett(x: Any) -> Any:
    """Return the triangular window of `x` points, zero at both ends.

    Raises:
        InvalidTypeError: If `x` is not an int.
        UnknownSizeError: If `x` is None or the size of a free axis.

    Source: keras.ops.bartlett.
    """
    return _window("bartlett", np.bartlett)(x)


def blackman(x: Any) -> Any:
    """Return the Blackman window of `x` points.

    Raises:
        InvalidTypeError: If `x` is not an int.
        UnknownSizeError: If `x` is None or the size of a free axis.

    Source: keras.ops.blackman.
    """
    return _window("blackman", np.blackman)(x)


def hamming(x: Any) -> Any:
    """Return the Hamming window of `x` points.

    Raises:
        InvalidTypeError: If `x` is not an int.
        UnknownSizeError: If `x` is None or the size of a free axis.

    Source: keras.ops.hamming.
    """
    return _window("hamming", np.hamming)(x)


def hanning(x: Any) -> Any:
    """Return the Hann window of `x` points.

    Raises:
        InvalidTypeError: If `x` is not an int.
        UnknownSizeError: If `x` is None or the size of a free axis.

    Source: keras.ops.hanning.
    """
    return _window("hanning", np.hanning)(x)


def kaiser(x: Any, beta: float) -> Any:
    """Return the Kaiser window of `x` points, narrower for larger `beta`.

    Raises:
        InvalidTypeError: If `x` is not an int.
        UnknownSizeError: If `x` is None or the size of a free axis.

    Source: keras.ops.kaiser.
    """
    return _window("kaiser", np.kaiser)(x, float(beta))


def vectorize(pyfunc: Callable[..., Any], *, excluded: Any = None, signature: str | None = None) -> Callable[..., Any]:
    """Turn a function of scalars into a function of arrays, which calls it once for each element.

    Args:
        pyfunc: a function of scalars.
        excluded: names or positions of arguments that are passed unchanged.
        signature: NumPy's signature of the core axes, such as "(n),(n)->()".

    Raises:
        InvalidTypeError: If `pyfunc` is not callable; when called, if an argument is a traced or symbolic tensor. Use
            `ops.vectorized_map` there.

    Source: keras.ops.vectorize.
    """
    if not callable(pyfunc):
        raise InvalidTypeError(f"Expected argument `pyfunc` to be a callable. Received: pyfunc={pyfunc}")
    made = np.vectorize(_with_plain_results(pyfunc), excluded=set(excluded or ()), signature=signature)

    def call(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(a, (Tracer, Symbolic)) for a in (*args, *kwargs.values())):
            raise InvalidTypeError(
                "vectorize calls its function for each element; use ops.vectorized_map on traced tensors."
            )
        return made(*args, **kwargs)

    return call


def _with_plain_results(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose results are plain arrays: NumPy writes into arrays of the results' type."""

    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return tuple(map(_plain, result)) if isinstance(result, tuple) else _plain(result)

    return call


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, EagerTensor) else value
