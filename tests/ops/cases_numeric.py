"""Cases of numbers by their bits, of series, and of functions with gradients of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphkit.ops.custom_gradient
import graphkit.ops.numeric  # registers its primitives  # noqa: F401
from graphkit import ops
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from tests.ops.case import Row, case, composed, real, whole

_BACKWARD = trace(lambda ct, x: [ops.multiply(ct, ops.cos(x))], spec(3, dtype="float64"), spec(3, dtype="float64"))


def _bytes(generator: np.random.Generator) -> Any:
    return generator.integers(0, 200, (3, 8), dtype=np.uint8)


CASES: list[Row] = [
    case("nextafter", real(3, 4), real(4), exact=False),
    case("i0", real(3, 4)),
    case("i0", real(4, low=20.0, high=40.0), exact=False, second=False),
    case("bitcast", whole(3, 4), dtype="uint32"),
    case("bitcast", _bytes, dtype="int32", free=False),
    case("bitcast", whole(3, 4), dtype="uint8"),
    # the gradient is what the function says, not that of the values passed through
    case(
        "custom_gradient",
        real(3),
        real(3),
        real(3),
        backward=_BACKWARD,
        results=1,
        args=1,
        given=(0,),
        gradient=False,
        free=False,
    ),
    composed("custom_gradient", ops.custom_gradient(lambda x: (ops.sin(x), lambda upstream: upstream)), "b 3"),
    composed(
        "custom_gradient, backwards",
        ops.custom_gradient(lambda x: (ops.sin(x), lambda upstream: upstream * x)),
        "b 3",
        gradient=True,
    ),
]
