"""Special functions: erf, erfc and the inverse of erf."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.ir.primitive import primitive
from graphkit.ops._blocks import horner, in_blocks
from graphkit.ops._convert import reals
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import same
from graphkit.ops.elementwise import exp, multiply, negative, square

__all__ = ["erf", "erfc", "erfinv"]

_TWO_OVER_ROOT_PI = 1.1283791670955126
_ROOT_PI_OVER_TWO = 0.8862269254527580

# float32: erf(x) = tanh(x P(x^2) / Q(x^2)) up to the x beyond which it rounds to 1; a least-squares fit of the relative error.
_P32 = (1.128379168, 0.2800453356, 0.04279409419, 0.002193809749)
_Q32 = (1.0, 0.1571038882, 0.02380166106, 0.000328249609)
_ONE_BEYOND = 5.0

# float64: W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969), constant term first.
_A = (
    3.20937758913846947e03,
    3.77485237685302021e02,
    1.13864154151050156e02,
    3.16112374387056560e00,
    1.85777706184603153e-1,
)
_B = (2.84423683343917062e03, 1.28261652607737228e03, 2.44024637934444173e02, 2.36012909523441209e01, 1.0)
_C = (
    1.23033935479799725e03, 2.05107837782607147e03, 1.71204761263407058e03, 8.81952221241769090e02, 2.98635138197400131e02,
    6.61191906371416295e01, 8.88314979438837594e00, 5.64188496988670089e-1, 2.15311535474403846e-8,
)  # fmt: skip
_D = (
    1.23033935480374942e03, 3.43936767414372164e03, 4.36261909014324716e03, 3.29079923573345963e03, 1.62138957456669019e03,
    5.37181101862009858e02, 1.17693950891312499e02, 1.57449261107098347e01, 1.0,
)  # fmt: skip
_P = (
    6.58749161529837803e-4, 1.60837851487422766e-2, 1.25781726111229246e-1, 3.60344899949804439e-1, 3.05326634961232344e-1,
    1.63153871373020978e-2,
)  # fmt: skip
_Q = (
    2.33520497626869185e-3, 6.05183413124413191e-2, 5.27905102951428412e-1, 1.87295284992346725e00, 2.56852019228982242e00,
    1.0,
)  # fmt: skip
_ONE_OVER_ROOT_PI = 5.6418958354775628695e-1


def erf_float32(out: Any, x: Any, u: Any, q: Any) -> None:
    """Compute erf of a block of float32; `u` and `q` are scratch."""
    limit = np.float32(_ONE_BEYOND)
    np.maximum(x, -limit, out=out)  # NaN stays NaN
    np.minimum(out, limit, out=out)
    np.multiply(out, out, out=u)
    horner(_Q32, u, q)
    np.divide(out, q, out=out)
    horner(_P32, u, q)
    np.multiply(out, q, out=out)
    np.tanh(out, out=out)


def _ratio(top: tuple[float, ...], bottom: tuple[float, ...], x: Any) -> Any:
    above, below = np.empty_like(x), np.empty_like(x)
    horner(top, x, above)
    horner(bottom, x, below)
    return np.divide(above, below, out=above)


def _erfc_positive(y: Any) -> Any:
    """Compute erfc for float64 y >= 0.46875."""
    safe = np.minimum(y, 27.0)  # beyond 27 erfc is 0 in float64
    middle = _ratio(_C, _D, np.minimum(safe, 4.0))
    inverse = 1 / np.square(np.maximum(safe, 4.0))
    far = (_ONE_OVER_ROOT_PI - inverse * _ratio(_P, _Q, inverse)) / np.maximum(safe, 4.0)
    rounded = np.trunc(safe * 16) / 16  # exp(-y*y) loses digits unless y * y is split
    scale = np.exp(-rounded * rounded) * np.exp(-(safe - rounded) * (safe + rounded))
    return np.where(y <= 4.0, middle, far) * scale


def erf_float64(x: Any) -> Any:
    """Compute erf of a float64 array."""
    y = np.abs(x)
    small = x * _ratio(_A, _B, np.square(np.minimum(y, 0.46875)))
    return np.where(y <= 0.46875, small, np.copysign(1 - _erfc_positive(np.maximum(y, 0.46875)), x))


def erfc_float64(x: Any) -> Any:
    """Compute erfc of a float64 array."""
    y = np.abs(x)
    small = 1 - x * _ratio(_A, _B, np.square(np.minimum(y, 0.46875)))
    tail = _erfc_positive(np.maximum(y, 0.46875))
    return np.where(y <= 0.46875, small, np.where(x < 0, 2 - tail, tail))


def erf_step(out: Any, x: Any, u: Any, q: Any) -> None:
    """Compute erf of a block in any float dtype; `u` and `q` are scratch."""
    if x.dtype == np.float32:
        erf_float32(out, x, u, q)
    else:
        np.copyto(out, erf_float64(x.astype(np.float64)), casting="unsafe")


def _erfc_step(out: Any, x: Any) -> None:
    np.copyto(out, erfc_float64(x.astype(np.float64)), casting="unsafe")


def _gauss(x: Any, scale: float) -> Any:
    return multiply(exp(negative(square(x))), scale)


erf_p = primitive(
    "erf", same, **in_blocks(erf_step, scratch=2), vjp=lambda g, out, x: [multiply(g, _gauss(x, _TWO_OVER_ROOT_PI))]
)
erfc_p = primitive(
    "erfc", same, **in_blocks(_erfc_step), vjp=lambda g, out, x: [multiply(g, _gauss(x, -_TWO_OVER_ROOT_PI))]
)


def erfinv_float64(y: Any) -> Any:
    """Invert erf in float64: Winitzki's approximation, refined by Halley steps on erfc, which is accurate in the tails."""
    tail = 1 - np.abs(y)
    with np.errstate(all="ignore"):
        w = -np.log(tail * (1 + np.abs(y)))
        a = 0.147
        b = 2 / (np.pi * a) - w / 2
        x = np.sqrt(np.maximum(np.sqrt(b * b + w / a) - b, 0))
        for _ in range(3):
            error = (erfc_float64(x) - tail) / (-_TWO_OVER_ROOT_PI * np.exp(-x * x))
            x = x - error / (1 + x * error)
        x = np.where(np.abs(y) < 1e-8, np.abs(y) * _ROOT_PI_OVER_TWO, x)
    return np.where(tail == 0, np.copysign(np.inf, y), np.where(tail < 0, np.nan, np.copysign(x, y)))


def _erfinv_step(out: Any, x: Any) -> None:
    np.copyto(out, erfinv_float64(x.astype(np.float64)), casting="unsafe")


erfinv_p = primitive(
    "erfinv",
    same,
    **in_blocks(_erfinv_step),
    vjp=lambda g, out, x: [multiply(g, multiply(exp(square(out)), _ROOT_PI_OVER_TWO))],
)


@operation("Erf", "math")
def erf(x: Any) -> Any:
    """Compute the error function elementwise.

    Raises:
        DTypeError: If `x` is complex.

    Source: keras.ops.erf.
    """
    return erf_p.bind(*reals("erf", x, to_float=True))


@operation("Erfc", "math")
def erfc(x: Any) -> Any:
    """Compute 1 - erf(x), accurately where erf(x) is near 1.

    Raises:
        DTypeError: If `x` is complex.

    Source: keras.ops.erfc.
    """
    return erfc_p.bind(*reals("erfc", x, to_float=True))


@operation("Erfinv", "math")
def erfinv(x: Any) -> Any:
    """Compute the inverse of erf on [-1, 1]; NaN elsewhere.

    Raises:
        DTypeError: If `x` is complex.

    Source: keras.ops.erfinv.
    """
    return erfinv_p.bind(*reals("erfinv", x, to_float=True))
