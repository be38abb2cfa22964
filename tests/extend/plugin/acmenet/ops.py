"""The op `soft_limit`: a primitive with its gradient, and its form in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.extend import TensorSpec, lowering, op, primitive, promote


def _spec(x: TensorSpec, power: int) -> TensorSpec:
    return TensorSpec(x.shape, x.dtype)


def _kernel(out: Any, x: Any, power: int) -> None:
    np.abs(x, out=out)
    np.power(out, power, out=out)
    np.add(out, 1, out=out)
    np.power(out, -1 / power, out=out)
    np.multiply(out, x, out=out)


def _vjp(g: Any, out: Any, x: Any, power: int) -> list[Any]:
    return [g * (1.0 + ops.abs(x) ** power) ** (-1.0 - 1.0 / power)]


soft_limit_p = primitive("acmenet_soft_limit", _spec, kernel=_kernel, vjp=_vjp)


@op("SoftLimit", "acmenet")
def soft_limit(x: Any, power: int = 2) -> Any:
    """Return x / (1 + |x| ** power) ** (1 / power), which is between -1 and 1.

    Args:
        x: a tensor; integers become floats.
        power: an even number; the higher, the sharper is the bend.
    """
    (x,) = promote(x, to_float=True)
    return soft_limit_p.bind(x, power=power)


@lowering("acmenet_soft_limit")
def _soft_limit_in_onnx(b: Any, x: Any, power: int) -> Any:
    base = b.op("Add", b.op("Pow", b.op("Abs", x), b.like(x, power)), b.like(x, 1))
    return b.op("Div", x, b.op("Pow", base, b.like(x, 1 / power)))
