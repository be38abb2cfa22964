"""Quantization: to and from integers, and products of integers. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.ops._convert import dtype_name

from ..element_types import NAMES_OF_TYPES
from .convolution import conv
from .elementwise import converted, scalar
from .known import shape_of
from .shaping import rank
from .table import operator


def spread(vector: Any, like: Any, axis: int, block_size: int = 0) -> Any:
    """Return scales or zero points so that they broadcast: one for all, one per index of an axis, or one per block."""
    if vector is None or rank(vector) == 0:
        return vector
    if block_size:
        repeated = ops.repeat(vector, block_size, axis=axis)
        return repeated[tuple(slice(0, n) for n in shape_of(like))]
    if rank(vector) == 1 and rank(like) > 0:
        return ops.reshape(vector, [-1 if i == axis % rank(like) else 1 for i in range(rank(like))])
    return vector


def limited(x: Any, dtype: str) -> Any:
    """Round to the nearest even integer, limit to the range of an integer dtype, and cast.

    What is not a number becomes the lowest integer, as in onnxruntime.
    """
    rounded = ops.round(x)
    low, high = (scalar(float(bound), rounded) for bound in dtypes.integer_range(dtype))
    return converted(ops.minimum(ops.where(ops.greater(rounded, low), rounded, low), high), dtype)


@operator("QuantizeLinear")
def quantize_linear(
    x: Any,
    scale: Any,
    zero_point: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Any:
    """Return x / scale + zero point, rounded and limited."""
    dtype = (
        dtype_name(zero_point) if zero_point is not None else NAMES_OF_TYPES[output_dtype] if output_dtype else "uint8"
    )
    wide = NAMES_OF_TYPES[precision] if precision else dtype_name(scale)
    unit = ops.true_divide(ops.cast(x, wide), spread(ops.cast(scale, wide), x, axis, block_size))
    offset = spread(zero_point, x, axis, block_size)
    if not dtypes.holds_integers(dtype):
        return converted(unit if offset is None else ops.add(unit, ops.cast(offset, wide)), dtype, bool(saturate))
    rounded = ops.round(unit)
    return limited(
        rounded if offset is None else ops.add(ops.cast(rounded, "float32"), ops.cast(offset, "float32")), dtype
    )


@operator("DequantizeLinear")
def dequantize_linear(
    x: Any, scale: Any, zero_point: Any = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> Any:
    """Return (x - zero point) * scale."""
    dtype = NAMES_OF_TYPES[output_dtype] if output_dtype else dtype_name(scale)
    value = ops.cast(x, "float32")
    if zero_point is not None:
        value = ops.subtract(value, ops.cast(spread(zero_point, x, axis, block_size), "float32"))
    return ops.cast(ops.multiply(value, ops.cast(spread(scale, x, axis, block_size), "float32")), dtype)


@operator("DynamicQuantizeLinear")
def dynamic_quantize_linear(x: Any) -> Any:
    """Return x as uint8, with the scale and zero point that its range gives."""
    low = ops.minimum(ops.min(x), scalar(0.0, x))
    high = ops.maximum(ops.max(x), scalar(0.0, x))
    scale = ops.true_divide(ops.subtract(high, low), scalar(255.0, x))
    zero = limited(ops.true_divide(ops.negative(low), scale), "uint8")
    return limited(ops.add(ops.round(ops.true_divide(x, scale)), ops.cast(zero, "float32")), "uint8"), scale, zero


def _shifted(x: Any, zero_point: Any, row: bool = False) -> Any:
    value = ops.cast(x, "int32")
    if zero_point is None:
        return value
    zero = ops.cast(zero_point, "int32")
    if row and rank(zero) == 1 and shape_of(zero)[0] != 1:
        zero = ops.expand_dims(zero, -1)
    return ops.subtract(value, zero)


@operator("MatMulInteger")
def mat_mul_integer(a: Any, b: Any, a_zero: Any = None, b_zero: Any = None) -> Any:
    """Multiply matrices of 8-bit integers; the result is int32."""
    return ops.cast(ops.matmul(_shifted(a, a_zero, True), _shifted(b, b_zero)), "int32")


@operator("QLinearMatMul")
def q_linear_mat_mul(
    a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any, y_scale: Any, y_zero: Any
) -> Any:
    """Multiply quantized matrices and quantize the result."""
    total = ops.cast(ops.matmul(_shifted(a, a_zero, True), _shifted(b, b_zero)), "float32")
    factor = ops.true_divide(
        ops.multiply(ops.cast(a_scale, "float32"), ops.cast(b_scale, "float32")), ops.cast(y_scale, "float32")
    )
    return limited(ops.add(ops.round(ops.multiply(total, factor)), ops.cast(y_zero, "float32")), dtype_name(y_zero))


@operator("ConvInteger")
def conv_integer(x: Any, w: Any, x_zero: Any = None, w_zero: Any = None, **settings: Any) -> Any:
    """Convolve 8-bit integers; the result is int32."""
    weights = ops.cast(w, "float64")
    if w_zero is not None:
        weights = ops.subtract(weights, ops.cast(spread(w_zero, w, 0), "float64"))
    value = ops.cast(x, "float64")
    if x_zero is not None:
        value = ops.subtract(value, ops.cast(x_zero, "float64"))
    return ops.cast(conv(value, weights, **settings), "int32")


@operator("QLinearConv")
def q_linear_conv(
    x: Any,
    x_scale: Any,
    x_zero: Any,
    w: Any,
    w_scale: Any,
    w_zero: Any,
    y_scale: Any,
    y_zero: Any,
    bias: Any = None,
    **settings: Any,
) -> Any:
    """Convolve quantized images and quantize the result."""
    total = ops.cast(conv_integer(x, w, x_zero, w_zero, **settings), "float32")
    if bias is not None:
        total = ops.add(total, ops.cast(ops.reshape(bias, (-1, *[1] * (rank(x) - 2))), "float32"))
    scale = ops.multiply(ops.cast(x_scale, "float32"), spread(ops.cast(w_scale, "float32"), total, 1))
    unit = ops.true_divide(ops.multiply(total, scale), ops.cast(y_scale, "float32"))
    return limited(ops.add(ops.round(unit), ops.cast(y_zero, "float32")), dtype_name(y_zero))
