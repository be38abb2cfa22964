"""Complex numbers: parts, angles, conjugates, and conversion between complex numbers and pairs of real ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import DTypeError, ShapeError
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.program import Atom, Equation, Value
from graphkit.ir.simplify import Producers, rewrite
from graphkit.ir.spec import TensorSpec
from graphkit.ops._convert import as_float, assume_size, cast_to, dtype_name, reals, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.arithmetic import arctan2, hypot, signbit
from graphkit.ops.elementwise import cos, equal, identity_p, isnan, multiply, negative, sin, where
from graphkit.ops.shaping import ones_like, stack, zeros_like

__all__ = ["angle", "conj", "conjugate", "imag", "isreal", "polar", "real", "view_as_complex", "view_as_real"]

_PARTS = {"complex64": "float32", "complex128": "float64"}
_WHOLES = {part: whole for whole, part in _PARTS.items()}


def _is_complex(x: Any) -> bool:
    return dtype_name(x) in dtypes.COMPLEX


def _part_of(x: TensorSpec) -> TensorSpec:
    return TensorSpec(x.shape, _PARTS[x.dtype])


# The cotangent of a complex tensor is the factor of a small change in it: linear maps are transposed without conjugation, so
# holomorphic functions (multiply, divide, ...) have the same rules as real ones.

real_p: Primitive = primitive(
    "real",
    _part_of,
    kernel=lambda out, x: np.copyto(out, x.real),
    vjp=lambda g, out, x: [complex_p.bind(g, multiply(g, 0))],
)
imag_p: Primitive = primitive(
    "imag",
    _part_of,
    kernel=lambda out, x: np.copyto(out, x.imag),
    vjp=lambda g, out, x: [complex_p.bind(multiply(g, 0), negative(g))],
)
conj_p: Primitive = primitive(
    "conj", lambda x: x, kernel=lambda out, x: np.conjugate(x, out=out), vjp=lambda g, out, x: [conj_p.bind(g)]
)


def _complex_kernel(out: Any, re: Any, im: Any) -> None:
    out.real = re
    out.imag = im


complex_p: Primitive = primitive(
    "complex",  # two real tensors of one shape as one complex tensor
    lambda re, im: TensorSpec(re.shape, _WHOLES[re.dtype]),
    kernel=_complex_kernel,
    vjp=lambda g, out, re, im: [lambda: real_p.bind(g), lambda: negative(imag_p.bind(g))],
)


@rewrite("real", "imag", keeps_derivatives=True)
def _part_ofjoined(equation: Equation, producers: Producers) -> Atom | None:
    """Take a part of `complex` from its inputs, so that no complex tensor reaches ONNX, which has none."""
    x = equation.inputs[0]
    before = producers.get(x) if isinstance(x, Value) else None
    if before is None or before.primitive is not complex_p:
        return None
    return before.inputs[0 if equation.primitive is real_p else 1]


def magnitude(x: Any) -> Any:
    """Compute the absolute value of complex numbers."""
    return hypot(real_p.bind(x), imag_p.bind(x))


@operation("Real")
def real(x: Any) -> Any:
    """Return the real part; a real tensor is returned unchanged. Source: keras.ops.real."""
    x = tensor(x)
    return real_p.bind(x) if _is_complex(x) else identity_p.bind(x)


@operation("Imag")
def imag(x: Any) -> Any:
    """Return the imaginary part; zeros for a real tensor. Source: keras.ops.imag."""
    x = tensor(x)
    return imag_p.bind(x) if _is_complex(x) else zeros_like(x)


@operation("Isreal")
def isreal(x: Any) -> Any:
    """Return whether each element has no imaginary part; True for all real dtypes, including NaN. Source: keras.ops.isreal."""
    x = tensor(x)
    return equal(imag_p.bind(x), 0) if _is_complex(x) else ones_like(x, dtype="bool")


def _conjugate(x: Any) -> Any:
    x = tensor(x)
    return conj_p.bind(x) if _is_complex(x) else identity_p.bind(x)


@operation("Conj")
def conj(x: Any) -> Any:
    """Negate the imaginary part. Source: keras.ops.conj."""
    return _conjugate(x)


@operation("Conjugate")
def conjugate(x: Any) -> Any:
    """Negate the imaginary part. Source: keras.ops.conjugate."""
    return _conjugate(x)


@operation("Angle")
def angle(x: Any) -> Any:
    """Compute the angle in the complex plane, in radians; for a real number 0 or pi. Source: keras.ops.angle."""
    x = tensor(x)
    if _is_complex(x):
        return arctan2(imag_p.bind(x), real_p.bind(x))
    x = as_float(x)
    half_turn = tensor(np.pi, dtype_name(x))
    return where(isnan(x), x, where(signbit(x), half_turn, tensor(0.0, dtype_name(x))))


@operation("Polar", "nn", tensors="abs_ angle")
def polar(abs_: Any, angle: Any) -> Any:
    """Make complex numbers from magnitudes and angles.

    Args:
        abs_: the magnitudes.
        angle: the angles, in radians.

    Raises:
        DTypeError: `abs_` or `angle` is complex.

    Source: keras.ops.polar.
    """
    size, turn = reals("polar", abs_, angle, to_float=True)
    return joined(multiply(size, cos(turn)), multiply(size, sin(turn)))


def joined(re: Any, im: Any) -> Any:
    if dtype_name(re) not in _WHOLES:
        re, im = cast_to(re, "float32"), cast_to(im, "float32")
    return complex_p.bind(re, im)


@operation("ViewAsComplex", "math")
def view_as_complex(x: Any) -> Any:
    """Turn real numbers (..., 2) into complex ones (...).

    Raises:
        DTypeError: `x` is complex.
        ShapeError: the size of the last axis is not 2.

    Source: keras.ops.view_as_complex.
    """
    x = as_float(x)
    if _is_complex(x):
        raise DTypeError(f"view_as_complex expects real numbers, got {dtype_name(x)}.")
    x = assume_size(x, x.ndim - 1, 2) if x.ndim else x
    if x.ndim < 1 or shape_of(x)[-1] != 2:
        raise ShapeError(
            f"view_as_complex: the last axis must hold the real and the imaginary part, got shape {show(shape_of(x))}."
        )
    return joined(x[..., 0], x[..., 1])


@operation("ViewAsReal", "math")
def view_as_real(x: Any) -> Any:
    """Turn complex numbers (...) into real ones (..., 2). Source: keras.ops.view_as_real."""
    return stack([real(x), imag(x)], axis=-1)
