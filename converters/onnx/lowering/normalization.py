"""Normalizations that are ONNX operators; training-time ones are expanded."""

from __future__ import annotations

from typing import Any

from graphkit.ir.program import Equation

from ..builder import GraphBuilder, Operand
from ..registry import lowering


def _channels_second(equation: Equation) -> bool:
    return bool(equation.params["axis"] == 1)


@lowering("batch_normalization", when=_channels_second)
def _batch_normalization(
    b: GraphBuilder,
    x: Operand,
    mean: Operand,
    variance: Operand,
    scale: Operand,
    offset: Operand,
    *,
    axis: int,
    epsilon: float,
) -> Any:
    return b.op("BatchNormalization", x, scale, offset, mean, variance, epsilon=float(epsilon))


@lowering("layer_normalization")
def _layer_normalization(
    b: GraphBuilder, x: Operand, gamma: Operand, beta: Operand, *, axis: int, epsilon: float
) -> Any:
    return b.op("LayerNormalization", x, gamma, beta, axis=axis, epsilon=float(epsilon))


@lowering("rms_normalization", since=23)
def _rms_normalization(b: GraphBuilder, x: Operand, scale: Operand, *, axis: int, epsilon: float) -> Any:
    return b.op("RMSNormalization", x, scale, axis=axis, epsilon=float(epsilon))
