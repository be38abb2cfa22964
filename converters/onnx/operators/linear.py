"""Matrix products and linear algebra. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.ops._convert import dtype_name

from .elementwise import scalar
from .shaping import rank
from .table import operator


@operator("MatMul")
def mat_mul(a: Any, b: Any) -> Any:
    """Source: ONNX MatMul."""
    return ops.cast(ops.matmul(a, b), dtype_name(a))


@operator("Gemm")
def gemm(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803 - ONNX' name
    transB: int = 0,  # noqa: N803 - ONNX' name
    broadcast: int = 0,
) -> Any:
    """Return alpha * A @ B + beta * C."""
    product = ops.matmul(ops.transpose(a) if transA else a, ops.transpose(b) if transB else b)
    if alpha != 1.0:
        product = ops.multiply(product, scalar(alpha, product))
    if c is None or beta == 0.0:
        return ops.cast(product, dtype_name(a))
    return ops.cast(ops.add(product, c if beta == 1.0 else ops.multiply(c, scalar(beta, c))), dtype_name(a))


@operator("Einsum")
def einsum(*inputs: Any, equation: str) -> Any:
    """Source: ONNX Einsum."""
    return ops.cast(ops.einsum(equation.replace(" ", ""), *inputs), dtype_name(inputs[0]))


@operator("Det")
def det(x: Any) -> Any:
    """Source: ONNX Det."""
    return ops.det(x)


@operator("LpNormalization")
def lp_normalization(x: Any, *, axis: int = -1, p: int = 2) -> Any:
    """Divide by the L1 or L2 norm along an axis; rows of zeros stay zero."""
    size = (
        ops.sum(ops.abs(x), axis=axis, keepdims=True)
        if p == 1
        else ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=True))
    )
    return ops.cast(ops.divide_no_nan(x, size), dtype_name(x))


@operator("MeanVarianceNormalization")
def mean_variance_normalization(
    x: Any,
    *,
    axes: tuple[int, ...] = (0, 2, 3),
    across_channels: int | None = None,
    normalize_variance: int | None = None,
) -> Any:
    """Subtract the mean and divide by the standard deviation."""
    if across_channels is not None:
        axes = tuple(range(rank(x))) if across_channels else tuple(i for i in range(rank(x)) if i != 1)
    centered = ops.subtract(x, ops.mean(x, axis=axes, keepdims=True))
    deviation = ops.sqrt(ops.mean(ops.square(centered), axis=axes, keepdims=True))
    return ops.true_divide(centered, ops.add(deviation, scalar(1e-9, x)))
