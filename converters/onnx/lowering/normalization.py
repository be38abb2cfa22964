"""Normalizations that are ONNX operators; training-time ones are expanded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core.dims import Shape, is_static, product
from graphkit.ir.program import Equation
from graphkit.ir.spec import TensorSpec
from graphkit.ops._attention_kernels import FLOOR

from ..builder import GraphBuilder, Operand
from ..registry import lowering
from .reduction import reduce


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


@lowering("layer_normalization", since=17)
def _layer_normalization(
    b: GraphBuilder, x: Operand, gamma: Operand, beta: Operand, *, axis: int, epsilon: float
) -> Any:
    return b.op("LayerNormalization", x, gamma, beta, axis=axis, epsilon=float(epsilon))


@lowering("rms_normalization", since=23)
def _rms_normalization(b: GraphBuilder, x: Operand, scale: Operand, *, axis: int, epsilon: float) -> Any:
    return b.op("RMSNormalization", x, scale, axis=axis, epsilon=float(epsilon))


@lowering("group_normalization", when=_channels_second)
def _group_normalization(
    b: GraphBuilder, x: Operand, gamma: Operand, beta: Operand, *, axis: int, groups: int, epsilon: float
) -> Any:
    """Write InstanceNormalization over the groups; onnxruntime runs GroupNormalization by its definition, 2.5 times as long."""
    channels = gamma.shape[0]
    assert isinstance(channels, int)
    if groups == channels:
        return b.op("InstanceNormalization", x, gamma, beta, epsilon=float(epsilon))
    merged: Shape = (x.shape[0], groups, channels // groups * product(x.shape[2:]))
    one, zero = (b.constant(np.full(groups, number), x.dtype) for number in (1, 0))
    unit = b.op("InstanceNormalization", b.reshape(x, x.shape, merged), one, zero, epsilon=float(epsilon))
    spread: Shape = (channels, *[1] * (x.rank - 2))
    gain, shift = (b.reshape(v, v.shape, spread) for v in (gamma, beta))
    return b.op("Add", b.op("Mul", b.reshape(unit, merged, x.shape), gain), shift)


@lowering("group_normalization", since=21, when=_channels_second, standard=True)
def _group_normalization_operator(
    b: GraphBuilder, x: Operand, gamma: Operand, beta: Operand, *, axis: int, groups: int, epsilon: float
) -> Any:
    return b.op("GroupNormalization", x, gamma, beta, num_groups=groups, epsilon=float(epsilon))


def _has_attention_kernel(equation: Equation) -> bool:
    query, key, value = (atom.spec for atom in equation.inputs[:3])
    return query.dtype == "float32" and is_static(query.shape[2:]) and is_static((*key.shape[2:], *value.shape[2:]))


@lowering("attention", since=23, when=_has_attention_kernel)
def _attention(
    b: GraphBuilder, query: Operand, key: Operand, value: Operand, *mask: Operand, scale: float
) -> tuple[Operand, Operand]:
    """Write Attention with the heads merged into the last axis.

    The mask is added to the scores as floats: for a query that sees no key, a bool mask gives zeros, but Keras the mean.
    """
    heads = query.shape[2]

    def merged(x: Operand) -> Any:
        return b.reshape(x, x.shape, (*x.shape[:2], product(x.shape[2:])))

    floor = [_added(b, m, (query.shape[1], key.shape[1])) for m in mask]
    made = b.op(
        "Attention", merged(query), merged(key), merged(value), *floor, q_num_heads=heads, kv_num_heads=heads,
        scale=float(scale),
    )  # fmt: skip
    shape: Shape = (*query.shape[:2], heads, value.shape[3])
    output = b.reshape(made, (*query.shape[:2], product(shape[2:])), shape)
    return Operand(b, TensorSpec(shape, query.dtype), b.name_of(output)), Operand(
        b,
        TensorSpec((query.shape[0], heads, query.shape[1]), query.dtype),
        make=_logarithms(b, query, key, floor, scale),
    )


def _added(b: GraphBuilder, mask: Operand, scores: Shape) -> Any:
    """Return a bool mask as numbers that are added to the scores.

    Its last two axes become those of the scores: onnxruntime 1.32 does not broadcast them, and reads wrong values at opset 25.
    """
    matrix = b.unsqueeze(mask, *range(2 - mask.rank)) if mask.rank < 2 else mask
    added = b.op("Where", matrix, b.constant(0.0, "float32"), b.constant(FLOOR, "float32"))
    sizes: Shape = (1,) * (2 - mask.rank) + mask.shape[-2:]
    return added if sizes == scores else b.op("Expand", added, b.shape(scores))


def _logarithms(b: GraphBuilder, query: Operand, key: Operand, floor: list[Any], scale: float) -> Callable[[], str]:
    """Return a function that writes the logarithm of the sum of the scores' exponentials; only gradients read it."""

    def write() -> str:
        q = b.transpose(b.op("Mul", query, b.like(query, scale)), (0, 2, 1, 3))
        scores = b.op("MatMul", q, b.transpose(key, (0, 2, 3, 1)))
        scores = b.op("Add", scores, *floor) if floor else scores
        top = reduce(b, "ReduceMax", scores, (3,), True)
        total = reduce(b, "ReduceSum", b.op("Exp", b.op("Sub", scores, top)), (3,), True)
        return b.squeeze(b.op("Add", top, b.op("Log", total)), 3)

    return write
