"""Bitwise operations. ONNX has bitwise operators since opset 18; its BitShift accepts unsigned integers only."""

from __future__ import annotations

from typing import Any

from graphkit.core import dtypes

from ..builder import GraphBuilder, Input, Operand
from ..registry import lowering

_OPERATORS = {
    "bitwise_and": ("BitwiseAnd", "And"),
    "bitwise_or": ("BitwiseOr", "Or"),
    "bitwise_xor": ("BitwiseXor", "Xor"),
}


def _pair(on_bits: str, on_bools: str) -> Any:
    def write(b: GraphBuilder, x: Operand, y: Operand) -> Any:
        return b.op(on_bools if x.dtype == "bool" else on_bits, x, y)

    return write


for _name, _pair_of in _OPERATORS.items():
    lowering(_name, since=18)(_pair(*_pair_of))
    lowering(_name, when=lambda e: e.inputs[0].spec.dtype == "bool")(_pair(*_pair_of))


@lowering("bitwise_not")
def _bitwise_not(b: GraphBuilder, x: Operand) -> Any:
    """Before opset 18: -1 - x for signed integers (two's complement), the largest value minus x for unsigned ones."""
    if b.opset >= 18:
        return b.op("BitwiseNot", x)
    return b.op("Sub", b.like(x, -1 if x.dtype in dtypes.SIGNED else (1 << dtypes.bits(x.dtype)) - 1), x)


def _unsigned(dtype: str) -> str:
    return "uint64" if dtypes.bits(dtype) == 64 else "uint32"


def _shift(b: GraphBuilder, x: Input, y: Operand, direction: str, dtype: str) -> Any:
    wide = _unsigned(dtype)
    return b.cast(b.op("BitShift", b.cast(x, wide), b.cast(y, wide), direction=direction), dtype)


@lowering("left_shift")
def _left_shift(b: GraphBuilder, x: Operand, y: Operand) -> Any:
    return _shift(b, x, y, "LEFT", x.dtype)


@lowering("right_shift")
def _right_shift(b: GraphBuilder, x: Operand, y: Operand) -> Any:
    """Negative values are shifted as their complement: ~(~x >> y) keeps the sign."""
    if x.dtype not in dtypes.SIGNED:
        return _shift(b, x, y, "RIGHT", x.dtype)
    is_negative, minus_one = b.op("Less", x, b.like(x, 0)), b.like(x, -1)
    moved = _shift(b, b.op("Where", is_negative, b.op("Sub", minus_one, x), x), y, "RIGHT", x.dtype)
    return b.op("Where", is_negative, b.op("Sub", minus_one, moved), moved)
