"""Random draws: in ONNX also functions of the seed state, so that an exported step draws new values each time, reproducibly.

The values differ from the NumPy engine's, whose generator (Philox) ONNX cannot express. Instead each element's index is hashed
with seed and counter, in int64 arithmetic below 2**63, which every opset from 13 on has.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphkit.core.dims import Shape, product

from ..builder import GraphBuilder, Operand
from ..dims import size_scalar
from ..registry import limitation, lowering
from .activations import inverse_erf

_MODULUS = 2**32
_ODD = (0x7FEB352D, 0x46C3C2B7, 0x3C6EF373, 0x5851F42D)  # multipliers below 2**31


def _mixed(b: GraphBuilder, h: Any, multiplier: int) -> Any:
    """One round on integers below 2**32: multiply, then add the middle of the square of the lower 31 bits."""

    def number(value: int) -> str:
        return b.constant(np.asarray(value, np.int64))

    h = b.op("Mod", b.op("Mul", h, number(multiplier)), number(_MODULUS))
    low = b.op("Mod", h, number(1 << 31))
    middle = b.op("Div", b.op("Mul", low, low), number(1 << 15))
    return b.op("Mod", b.op("Add", b.op("Add", middle, h), number(multiplier)), number(_MODULUS))


def _hash(b: GraphBuilder, seed: Operand, count: Any, stream: int) -> Any:
    """Return `count` integers in [0, 2**32), a function of seed, counter and stream."""
    parts = b.cast(seed, "int64")
    key, counter = (b.op("Slice", parts, b.ints([i]), b.ints([i + 1])) for i in (0, 1))
    state = b.op("Add", key, b.constant(np.asarray([stream * 0x9E3779B9 % _MODULUS], np.int64)))
    state = _mixed(b, b.op("Add", _mixed(b, state, _ODD[0]), counter), _ODD[1])
    zero, one = (b.constant(np.asarray(n, np.int64)) for n in (0, 1))
    h = b.op("Add", b.op("Range", zero, count, one), state)
    for multiplier in _ODD:
        h = _mixed(b, h, multiplier)
    return h


def _uniform(b: GraphBuilder, seed: Operand, shape: Shape, stream: int = 0, dtype: str = "float32") -> Any:
    """Return a flat tensor of uniform draws from [0, 1): the upper 24 bits of the hash, or all 32 for float64."""
    size = product(shape)
    h = _hash(b, seed, size_scalar(b, size), stream)
    bits = 32 if dtype == "float64" else 24
    upper = b.op("Div", h, b.constant(np.asarray(2 ** (32 - bits), np.int64))) if bits < 32 else h
    number = b.cast(upper, dtype)
    return b.op("Mul", number, b.like(number, 2.0**-bits))


def _wide(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def _shaped(b: GraphBuilder, flat: Any, shape: Shape, dtype: str) -> Any:
    return b.cast(b.reshape(flat, (product(shape),), shape), dtype)


@lowering("random_uniform")
def _random_uniform(b: GraphBuilder, seed: Operand, *, shape: Shape, dtype: str) -> Any:
    return _shaped(b, _uniform(b, seed, shape, dtype=_wide(dtype)), shape, dtype)


@lowering("random_normal")
def _random_normal(b: GraphBuilder, seed: Operand, *, shape: Shape, dtype: str) -> Any:
    """Box-Muller transform: sqrt(-2 log(1 - u)) cos(2 pi v)."""
    kind = _wide(dtype)
    u, v = (_uniform(b, seed, shape, stream, kind) for stream in (1, 2))
    radius = b.op("Sqrt", b.op("Mul", b.op("Log", b.op("Sub", b.like(u, 1), u)), b.like(u, -2)))
    return _shaped(b, b.op("Mul", radius, b.op("Cos", b.op("Mul", v, b.like(v, 2 * math.pi)))), shape, dtype)


@lowering("random_truncated_normal")
def _random_truncated_normal(b: GraphBuilder, seed: Operand, *, shape: Shape, dtype: str) -> Any:
    """Inverse transform sampling between -2 and 2: sqrt(2) erfinv((2u - 1) erf(sqrt 2))."""
    u = _uniform(b, seed, shape, 3)
    centred = b.op("Sub", b.op("Mul", u, b.like(u, 2)), b.like(u, 1))
    made = inverse_erf(b, b.op("Mul", centred, b.like(u, math.erf(math.sqrt(2)))), "float32")
    return _shaped(b, b.op("Mul", made, b.like(u, math.sqrt(2))), shape, dtype)


@lowering("dropout_mask")
def _dropout_mask(b: GraphBuilder, seed: Operand, *, shape: Shape, dtype: str, rate: float) -> Any:
    u = _uniform(b, seed, shape, 4)
    kept = b.cast(b.op("GreaterOrEqual", u, b.like(u, rate)), "float32")
    return _shaped(b, b.op("Mul", kept, b.like(kept, 1 / (1 - rate))), shape, dtype)


limitation(
    "sampling it needs a loop of unknown length, which is not implemented",
    "random_gamma",
    "random_binomial",
)
