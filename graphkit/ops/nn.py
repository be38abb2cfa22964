"""Activations: relu and its variants, sigmoids, gelu, softplus, shrinkage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ops._blocks import in_blocks
from graphkit.ops._convert import as_float, canonical_axis, counted, dtype_name, reals, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._namespaces import NN, namespace
from graphkit.ops._rules import broadcast, same
from graphkit.ops.elementwise import (
    absolute,
    add,
    clip,
    clip_p,
    exp,
    expm1,
    greater,
    greater_equal,
    log1p,
    maximum,
    multiply,
    negative,
    relu_p,
    sigmoid_p,
    sqrt,
    square,
    subtract,
    tanh,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.shaping import split
from graphkit.ops.special import erf, erf_step

# fmt: off
__all__ = [
    "celu", "elu", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu",
    "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink", "softplus", "softsign",
    "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh_shrink", "threshold",
]
# fmt: on

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805
_ROOT_HALF = 0.7071067811865476
_ROOT_TWO_OVER_PI = 0.7978845608028654
_ONE_OVER_ROOT_TWO_PI = 0.3989422804014327
_GELU_CUBIC = 0.044715


def _activation(name: str, formula: Callable[..., Any], **parts: Any) -> Primitive:
    """A composite of one tensor that keeps its shape and dtype."""
    return primitive(name, same, decomposition=formula, **parts)


# ----- relu and its variants -----


def _leaky_formula(x: Any, negative_slope: float) -> Any:
    return where(greater_equal(x, 0), x, multiply(x, negative_slope))


def _leaky_step(out: Any, x: Any, negative_slope: float) -> None:
    np.multiply(x, np.asarray(negative_slope, x.dtype), out=out)
    (np.maximum if negative_slope <= 1 else np.minimum)(x, out, out=out)


def _elu_step(out: Any, x: Any, scratch: Any, alpha: float) -> None:
    np.minimum(x, np.asarray(0, x.dtype), out=scratch)
    np.expm1(scratch, out=scratch)
    np.multiply(scratch, np.asarray(alpha, x.dtype), out=scratch)
    np.maximum(x, np.asarray(0, x.dtype), out=out)
    np.add(out, scratch, out=out)


def _selu_step(out: Any, x: Any, scratch: Any) -> None:
    _elu_step(out, x, scratch, _SELU_ALPHA)
    np.multiply(out, np.asarray(_SELU_SCALE, x.dtype), out=out)


def _negative_branch(x: Any, curve: Callable[[Any], Any]) -> Any:
    """Return `x` where it is positive, else `curve(x)`; `curve` gets no positive arguments, so it cannot overflow.

    At 0 the gradient is the curve's, as in Keras.
    """
    positive = greater(x, 0)
    return where(positive, x, curve(where(positive, multiply(x, 0), x)))


leaky_relu_p = _activation("leaky_relu", _leaky_formula, **in_blocks(_leaky_step))
elu_p = _activation(
    "elu", lambda x, alpha: _negative_branch(x, lambda y: multiply(expm1(y), alpha)), **in_blocks(_elu_step, scratch=1)
)
selu_p = _activation(
    "selu",
    lambda x: multiply(_negative_branch(x, lambda y: multiply(expm1(y), _SELU_ALPHA)), _SELU_SCALE),
    **in_blocks(_selu_step, scratch=1),
)
celu_p = _activation(
    "celu", lambda x, alpha: _negative_branch(x, lambda y: multiply(expm1(true_divide(y, alpha)), alpha))
)


@operation("Relu", "nn")
def relu(x: Any) -> Any:
    """Compute max(x, 0). Source: keras.ops.relu."""
    return relu_p.bind(*counted(x))


@operation("Relu6", "nn")
def relu6(x: Any) -> Any:
    """Clip `x` to [0, 6]. Source: keras.ops.relu6."""
    return clip_p.bind(as_float(x), low=0.0, high=6.0, edge=0.0)


@operation("LeakyRelu", "nn")
def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """Return `x` where positive, else `negative_slope * x`. Source: keras.ops.leaky_relu."""
    return leaky_relu_p.bind(as_float(x), negative_slope=float(negative_slope))


@operation("Elu", "nn")
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return `x` where positive, else `alpha * (exp(x) - 1)`. Source: keras.ops.elu."""
    return elu_p.bind(as_float(x), alpha=float(alpha))


@operation("Selu", "nn")
def selu(x: Any) -> Any:
    """Compute the scaled elu, which preserves mean 0 and variance 1. Source: keras.ops.selu."""
    return selu_p.bind(as_float(x))


@operation("Celu", "nn")
def celu(x: Any, alpha: float = 1.0) -> Any:
    """Return `x` where positive, else `alpha * (exp(x / alpha) - 1)`. Source: keras.ops.celu."""
    return celu_p.bind(as_float(x), alpha=float(alpha))


# ----- sigmoids -----


def _softplus_step(out: Any, x: Any, scratch: Any) -> None:
    np.absolute(x, out=scratch)
    np.negative(scratch, out=scratch)
    np.exp(scratch, out=scratch)
    np.log1p(scratch, out=scratch)
    np.maximum(x, np.asarray(0, x.dtype), out=out)
    np.add(out, scratch, out=out)


softplus_p: Primitive = _activation(
    "softplus",
    lambda x: add(maximum(x, 0), log1p(exp(negative(absolute(x))))),
    vjp=lambda g, out, x: [multiply(g, sigmoid_p.bind(x))],
    **in_blocks(_softplus_step, scratch=1),
)
softsign_p = _activation("softsign", lambda x: true_divide(x, add(absolute(x), 1)))
hard_sigmoid_p = _activation(
    "hard_sigmoid",
    lambda x, alpha, beta, edge=0.0: clip_p.bind(add(multiply(x, alpha), beta), low=0.0, high=1.0, edge=edge),
)

hard_silu_p = _activation("hard_silu", lambda x: multiply(x, hard_sigmoid_p.bind(x, alpha=1 / 6, beta=0.5)))


@operation("Sigmoid", "nn")
def sigmoid(x: Any) -> Any:
    """Compute 1 / (1 + exp(-x)). Source: keras.ops.sigmoid."""
    return sigmoid_p.bind(as_float(x))


@operation("LogSigmoid", "nn")
def log_sigmoid(x: Any) -> Any:
    """Compute log(sigmoid(x)) without underflow. Source: keras.ops.log_sigmoid."""
    return negative(softplus(negative(x)))


@operation("Softplus", "nn")
def softplus(x: Any) -> Any:
    """Compute log(1 + exp(x)) without overflow.

    Raises:
        DTypeError: If `x` is complex.

    Source: keras.ops.softplus.
    """
    return softplus_p.bind(*reals("softplus", x, to_float=True))


@operation("Softsign", "nn")
def softsign(x: Any) -> Any:
    """Compute x / (1 + |x|). Source: keras.ops.softsign."""
    return softsign_p.bind(as_float(x))


@operation("HardSigmoid", "nn")
def hard_sigmoid(x: Any) -> Any:
    """Compute x / 6 + 0.5, clipped to [0, 1]. Source: keras.ops.hard_sigmoid (Keras 3; Keras 1 and 2 had 0.2 * x + 0.5)."""
    return hard_sigmoid_p.bind(as_float(x), alpha=1 / 6, beta=0.5)


@operation("HardSilu", "nn")
def hard_silu(x: Any) -> Any:
    """Compute x * hard_sigmoid(x). Source: keras.ops.hard_silu."""
    return hard_silu_p.bind(as_float(x))


hard_swish = hard_silu


@operation("HardTanh", "nn")
def hard_tanh(x: Any) -> Any:
    """Clip `x` to [-1, 1]. Source: keras.ops.hard_tanh."""
    x = tensor(x)
    return clip_p.bind(x, low=-1.0, high=1.0, edge=1.0) if dtypes.is_float(dtype_name(x)) else clip(x, -1, 1)


@operation("SparseSigmoid", "nn")
def sparse_sigmoid(x: Any) -> Any:
    """Compute (x + 1) / 2, clipped to [0, 1]. Source: keras.ops.sparse_sigmoid."""
    return hard_sigmoid_p.bind(as_float(x), alpha=0.5, beta=0.5, edge=0.5)


# ----- smooth gates -----


def _silu_step(out: Any, x: Any, scratch: Any) -> None:
    np.negative(x, out=scratch)
    np.exp(scratch, out=scratch)
    np.add(scratch, np.asarray(1, x.dtype), out=scratch)
    np.divide(x, scratch, out=out)


def _silu_vjp(g: Any, out: Any, x: Any) -> list[Any]:
    s = sigmoid(x)
    return [multiply(g, multiply(s, add(multiply(x, subtract(1, s)), 1)))]


silu_p = _activation("silu", lambda x: multiply(x, sigmoid(x)), vjp=_silu_vjp, **in_blocks(_silu_step, scratch=1))


def _gelu(x: Any, approximate: bool) -> Any:
    return multiply(multiply(x, 0.5), add(_gelu_curve(x, approximate), 1))


def _gelu_curve(x: Any, approximate: bool) -> Any:
    if not approximate:
        return erf(multiply(x, _ROOT_HALF))
    return tanh(multiply(multiply(x, add(multiply(square(x), _GELU_CUBIC), 1)), _ROOT_TWO_OVER_PI))


def _gelu_curve_step(out: Any, x: Any, u: Any, q: Any, v: Any, approximate: bool) -> None:
    """Compute erf(x / sqrt(2)), or its tanh approximation, of a block; `u`, `q` and `v` are scratch."""
    one = x.dtype.type
    if not approximate:
        np.multiply(x, one(_ROOT_HALF), out=v)
        erf_step(out, v, u, q)
        return
    np.multiply(x, x, out=out)
    np.multiply(out, one(_GELU_CUBIC), out=out)
    np.add(out, one(1), out=out)
    np.multiply(out, x, out=out)
    np.multiply(out, one(_ROOT_TWO_OVER_PI), out=out)
    np.tanh(out, out=out)


def _gelu_step(out: Any, x: Any, u: Any, q: Any, v: Any, approximate: bool) -> None:
    _gelu_curve_step(out, x, u, q, v, approximate)
    np.add(out, x.dtype.type(1), out=out)
    np.multiply(out, x, out=out)
    np.multiply(out, x.dtype.type(0.5), out=out)


def _gelu_grad(g: Any, x: Any, approximate: bool) -> Any:
    """Multiply `g` by the derivative of gelu at `x`."""
    curve = _gelu_curve(x, approximate)
    half = multiply(add(curve, 1), 0.5)
    if not approximate:
        slope = multiply(multiply(x, _ONE_OVER_ROOT_TWO_PI), exp(multiply(square(x), -0.5)))
    else:
        inner = multiply(add(multiply(square(x), 3 * _GELU_CUBIC), 1), 0.5 * _ROOT_TWO_OVER_PI)
        slope = multiply(multiply(x, subtract(1, square(curve))), inner)
    return multiply(g, add(half, slope))


def _gelu_grad_step(out: Any, g: Any, x: Any, u: Any, q: Any, v: Any, approximate: bool) -> None:
    one = x.dtype.type
    _gelu_curve_step(out, x, u, q, v, approximate)
    np.multiply(x, x, out=u)
    if approximate:
        np.multiply(u, one(3 * _GELU_CUBIC), out=u)
        np.add(u, one(1), out=u)
        np.multiply(u, one(0.5 * _ROOT_TWO_OVER_PI), out=u)
        np.multiply(out, out, out=q)
        np.subtract(one(1), q, out=q)
        np.multiply(u, q, out=u)
    else:
        np.multiply(u, one(-0.5), out=u)
        np.exp(u, out=u)
        np.multiply(u, one(_ONE_OVER_ROOT_TWO_PI), out=u)
    np.multiply(u, x, out=u)
    np.add(out, one(1), out=out)
    np.multiply(out, one(0.5), out=out)
    np.add(out, u, out=out)
    np.multiply(out, g, out=out)


gelu_grad_p = primitive("gelu_grad", broadcast, decomposition=_gelu_grad, **in_blocks(_gelu_grad_step, scratch=3))
gelu_p = _activation(
    "gelu",
    _gelu,
    vjp=lambda g, out, x, approximate: [gelu_grad_p.bind(g, x, approximate=approximate)],
    **in_blocks(_gelu_step, scratch=3),
)
mish_p = _activation("mish", lambda x: multiply(x, tanh(softplus(x))))


@operation("Silu", "nn")
def silu(x: Any) -> Any:
    """Compute x * sigmoid(x). Source: keras.ops.silu."""
    return silu_p.bind(as_float(x))


swish = silu


@operation("Gelu", "nn")
def gelu(x: Any, approximate: bool = True) -> Any:
    """Multiply `x` by the normal CDF of `x`, computed with tanh if `approximate`, else with erf. Source: keras.ops.gelu."""
    return gelu_p.bind(as_float(x), approximate=bool(approximate))


@operation("Mish", "keras.src.activations.activations")
def mish(x: Any) -> Any:
    """Compute x * tanh(softplus(x)). Source: keras.activations.mish."""
    return mish_p.bind(as_float(x))


@operation("Glu", "nn")
def glu(x: Any, axis: int = -1) -> Any:
    """Multiply the first half along `axis` by the sigmoid of the second.

    Raises:
        ShapeError: If `axis` is out of range, or its size is odd.

    Source: keras.ops.glu.
    """
    x = as_float(x)
    first, second = split(x, 2, axis=canonical_axis(axis, x.ndim))
    return multiply(first, sigmoid(second))


@operation("Squareplus", "nn")
def squareplus(x: Any, b: float = 4) -> Any:
    """Compute (x + sqrt(x^2 + b)) / 2. Source: keras.ops.squareplus."""
    x = as_float(x)
    return multiply(add(x, sqrt(add(square(x), b))), 0.5)


@operation("SparsePlus", "nn")
def sparse_plus(x: Any) -> Any:
    """Return 0 below -1, `x` above 1, and (x + 1)^2 / 4 in between. Source: keras.ops.sparse_plus."""
    x = as_float(x)
    between = multiply(square(add(x, 1)), 0.25)
    return where(greater_equal(-1.0, x), 0.0, where(greater_equal(x, 1.0), x, between))


# ----- shrinkage -----


@operation("TanhShrink", "nn")
def tanh_shrink(x: Any) -> Any:
    """Compute x - tanh(x). Source: keras.ops.tanh_shrink."""
    x = as_float(x)
    return subtract(x, tanh(x))


@operation("HardShrink", "nn")
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Return `x` where |x| > threshold, else 0. Source: keras.ops.hard_shrink."""
    x = as_float(x)
    return where(greater(absolute(x), threshold), x, 0.0)


@operation("SoftShrink", "nn")
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """Move `x` towards 0 by `threshold`; where |x| <= threshold the result is 0. Source: keras.ops.soft_shrink."""
    x = as_float(x)
    below = where(greater(-threshold, x), add(x, threshold), 0.0)
    return where(greater(x, threshold), subtract(x, threshold), below)


@operation("Threshold", "nn")
def threshold(x: Any, threshold: float, default_value: float) -> Any:
    """Return `x` where it is above `threshold`, else `default_value`. Source: keras.ops.threshold."""
    (x,) = counted(x)
    return where(greater(x, threshold), x, default_value)


def capped_relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """Compute relu with a threshold, a slope below it and a maximum.

    Args:
        x: a tensor.
        negative_slope: below `threshold` the result is negative_slope * (x - threshold).
        max_value: the maximum; None for none.
        threshold: up to it the result is 0 with `negative_slope=0`.

    Source: keras.activations.relu.
    """
    x = as_float(x)
    if negative_slope != 0.0 and max_value is None and threshold == 0:
        return leaky_relu(x, negative_slope)
    kept = where(greater(x, threshold), x, 0.0) if threshold != 0 else relu(x) if max_value != 6 else relu6(x)
    if max_value is not None and (threshold != 0 or max_value != 6):
        kept = clip(kept, 0.0, float(max_value))
    if negative_slope == 0.0:
        return kept
    return subtract(kept, multiply(relu(subtract(threshold, x)), negative_slope))


__getattr__ = namespace(__name__, NN)  # Keras' nn ops that are defined in other modules, such as `ops.nn.conv`
