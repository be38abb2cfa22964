"""Quantized operators of com.microsoft, as onnxruntime's quantizers write them.

Values are computed as floats from the integers and quantized again. Source: onnxruntime, docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import SerializationError, UnsupportedError
from graphkit.ops._convert import dtype_name

from .attention import attention_of
from .convolution import average_pool
from .elementwise import leaky_relu, scalar
from .fused import channels_first, channels_last, embed_layer_normalization
from .known import shape_of
from .quantization import (
    dequantize_linear,
    dynamic_quantize_linear,
    mat_mul_integer,
    q_linear_conv,
    quantize_linear,
)
from .recurrent import lstm_with
from .shaping import rank
from .table import MICROSOFT, NodeCall, operator


def _floats(x: Any, scale: Any, zero: Any) -> Any:
    return dequantize_linear(x, ops.cast(scale, "float32"), zero)


def _quantized(x: Any, scale: Any, zero: Any, dtype: str) -> Any:
    return quantize_linear(x, scale, zero if zero is not None else np.zeros((), dtype))


@operator("QuantizeLinear", domain=MICROSOFT)
def quantize_linear_more(x: Any, scale: Any, zero: Any = None, *, axis: int = 1) -> Any:
    """Source: com.microsoft QuantizeLinear."""
    return quantize_linear(x, scale, zero, axis=axis)


@operator("DequantizeLinear", domain=MICROSOFT)
def dequantize_linear_more(x: Any, scale: Any, zero: Any = None, *, axis: int = 1) -> Any:
    """Source: com.microsoft DequantizeLinear."""
    return dequantize_linear(x, scale, zero, axis=axis)


# ----- element by element -----


def _binary(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def call(
        a: Any, a_scale: Any, a_zero: Any, b: Any, b_scale: Any, b_zero: Any, c_scale: Any, c_zero: Any = None
    ) -> Any:
        made = function(_floats(a, a_scale, a_zero), _floats(b, b_scale, b_zero))
        return _quantized(made, c_scale, c_zero, dtype_name(a))

    return call


operator("QLinearAdd", domain=MICROSOFT)(_binary(ops.add))
operator("QLinearMul", domain=MICROSOFT)(_binary(ops.multiply))


@operator("QLinearSigmoid", domain=MICROSOFT)
def q_linear_sigmoid(x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any = None) -> Any:
    """Source: com.microsoft QLinearSigmoid."""
    return _quantized(ops.sigmoid(_floats(x, x_scale, x_zero)), y_scale, y_zero, dtype_name(x))


@operator("QLinearLeakyRelu", domain=MICROSOFT)
def q_linear_leaky_relu(
    x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any = None, *, alpha: float = 0.01
) -> Any:
    """Source: com.microsoft QLinearLeakyRelu."""
    return _quantized(leaky_relu(_floats(x, x_scale, x_zero), alpha=alpha), y_scale, y_zero, dtype_name(x))


@operator("QLinearSoftmax", domain=MICROSOFT)
def q_linear_softmax(
    x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any, *, axis: int = -1, opset: int
) -> Any:
    """Apply Softmax of ai.onnx at version `opset`: before 13, over all axes from `axis` on."""
    values = _floats(x, x_scale, x_zero)
    if opset < 13:
        sizes = shape_of(values)
        flat = ops.reshape(values, (*sizes[: axis % len(sizes)], -1))
        return _quantized(ops.reshape(ops.softmax(flat, axis=-1), sizes), y_scale, y_zero, dtype_name(x))
    return _quantized(ops.softmax(values, axis=axis), y_scale, y_zero, dtype_name(x))


@operator("QLinearWhere", domain=MICROSOFT)
def q_linear_where(
    condition: Any, x: Any, x_scale: Any, x_zero: Any, y: Any, y_scale: Any, y_zero: Any, z_scale: Any, z_zero: Any
) -> Any:
    """Choose between two quantized tensors."""
    made = ops.where(condition, _floats(x, x_scale, x_zero), _floats(y, y_scale, y_zero))
    return _quantized(made, z_scale, z_zero, dtype_name(x))


@operator("QLinearConcat", domain=MICROSOFT)
def q_linear_concat(y_scale: Any, y_zero: Any, *inputs: Any, axis: int) -> Any:
    """Join quantized tensors: each with its scale and zero point."""
    parts = [_floats(*inputs[i : i + 3]) for i in range(0, len(inputs), 3)]
    return _quantized(ops.concatenate(parts, axis=axis), y_scale, y_zero, dtype_name(inputs[0]))


@operator("QLinearReduceMean", domain=MICROSOFT)
def q_linear_reduce_mean(
    x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any = None, *, axes: Any = None, keepdims: int = 1
) -> Any:
    """Source: com.microsoft QLinearReduceMean."""
    made = ops.mean(_floats(x, x_scale, x_zero), axis=None if not axes else tuple(axes), keepdims=bool(keepdims))
    return _quantized(made, y_scale, y_zero, dtype_name(x))


# ----- convolutions and pooling -----


@operator("QLinearConv", domain=MICROSOFT)
def q_linear_conv_more(x: Any, *inputs: Any, channels_last: int = 0, **settings: Any) -> Any:
    """Convolve quantized images."""
    if not channels_last:
        return q_linear_conv(x, *inputs, **settings)
    return ops.moveaxis(q_linear_conv(channels_first(x), *inputs, **settings), 1, -1)


def _pooled(x: Any, is_last: int, function: Callable[[Any], Any]) -> Any:
    return channels_last(function(channels_first(x))) if is_last else function(x)


@operator("QLinearAveragePool", domain=MICROSOFT)
def q_linear_average_pool(
    x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any = None, *, channels_last: int = 0, **settings: Any
) -> Any:
    """Average each window of quantized images."""
    made = _pooled(_floats(x, x_scale, x_zero), channels_last, lambda v: average_pool(v, **settings))
    return _quantized(made, y_scale, y_zero, dtype_name(x))


@operator("QLinearGlobalAveragePool", domain=MICROSOFT)
def q_linear_global_average_pool(
    x: Any, x_scale: Any, x_zero: Any, y_scale: Any, y_zero: Any, *, channels_last: int = 0
) -> Any:
    """Average quantized images."""
    made = _pooled(
        _floats(x, x_scale, x_zero),
        channels_last,
        lambda v: ops.mean(v, axis=tuple(range(2, rank(v))), keepdims=True),
    )
    return _quantized(made, y_scale, y_zero, dtype_name(x))


# ----- products -----


@operator("QGemm", domain=MICROSOFT)
def q_gemm(
    a: Any,
    a_scale: Any,
    a_zero: Any,
    b: Any,
    b_scale: Any,
    b_zero: Any,
    c: Any = None,
    y_scale: Any = None,
    y_zero: Any = None,
    *,
    alpha: float = 1.0,
    transA: int = 0,  # noqa: N803 - ONNX' name
    transB: int = 0,  # noqa: N803 - ONNX' name
) -> Any:
    """Multiply quantized matrices and add integers; the result is quantized, or float without a scale for it."""
    a, b = (ops.transpose(a) if transA else a), (ops.transpose(b) if transB else b)
    total = mat_mul_integer(a, b, a_zero, b_zero)
    total = ops.cast(total if c is None else ops.add(total, ops.cast(c, "int32")), "float32")
    scale = ops.multiply(ops.multiply(ops.cast(a_scale, "float32"), b_scale), scalar(alpha, total))
    made = ops.multiply(total, scale)
    return made if y_scale is None else _quantized(made, y_scale, y_zero, dtype_name(a))


@operator("MatMulIntegerToFloat", domain=MICROSOFT)
def mat_mul_integer_to_float(
    a: Any, b: Any, a_scale: Any, b_scale: Any, a_zero: Any = None, b_zero: Any = None, bias: Any = None
) -> Any:
    """Multiply quantized matrices to floats, and add a bias."""
    total = ops.cast(mat_mul_integer(a, b, a_zero, b_zero), dtype_name(a_scale))
    made = ops.multiply(total, ops.multiply(a_scale, b_scale))
    return made if bias is None else ops.add(made, bias)


@operator("DynamicQuantizeMatMul", domain=MICROSOFT)
def dynamic_quantize_mat_mul(a: Any, b: Any, b_scale: Any, b_zero: Any = None, bias: Any = None) -> Any:
    """Quantize A to 8 bits by its range, multiply, and add a bias."""
    quantized, scale, zero = dynamic_quantize_linear(a)
    return mat_mul_integer_to_float(quantized, b, scale, b_scale, zero, b_zero, bias)


@operator("MatMulInteger16", domain=MICROSOFT)
def mat_mul_integer16(a: Any, b: Any) -> Any:
    """Multiply matrices of 16-bit integers; the result is int32."""
    return ops.cast(ops.matmul(ops.cast(a, "int32"), ops.cast(b, "int32")), "int32")


@operator("MulInteger", domain=MICROSOFT)
def mul_integer(a: Any, a_zero: Any, b: Any, b_zero: Any = None) -> Any:
    """Multiply 8-bit integers, less their zero points; the result is int32."""
    left, right = (
        ops.cast(v, "int32") if z is None else ops.subtract(ops.cast(v, "int32"), ops.cast(z, "int32"))
        for v, z in ((a, a_zero), (b, b_zero))
    )
    return ops.multiply(left, right)


@operator("ReduceSumInteger", domain=MICROSOFT)
def reduce_sum_integer(x: Any, *, axes: Any = None, keepdims: int = 1) -> Any:
    """Add up 8-bit integers; the result is int32."""
    return ops.cast(ops.sum(ops.cast(x, "int32"), axis=tuple(axes) if axes else None, keepdims=bool(keepdims)), "int32")


# ----- blocks of few bits -----


def unpacked(packed: Any, bits: int) -> Any:
    """Return bytes as the numbers of 2, 4 or 8 bits in them, the lowest bits first, along the last axis.

    Raises:
        UnsupportedError: another number of bits.
    """
    if bits not in (2, 4, 8):
        raise UnsupportedError(f"bits expects 2, 4 or 8, got {bits}.")
    if bits == 8:
        return packed
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = ops.bitwise_and(ops.right_shift(ops.expand_dims(packed, -1), shifts), np.uint8((1 << bits) - 1))
    return ops.reshape(parts, (*shape_of(packed)[:-1], shape_of(packed)[-1] * len(shifts)))


@operator("MatMulNBits", domain=MICROSOFT)
def mat_mul_n_bits(
    a: Any,
    b: Any,
    scales: Any,
    zero_points: Any = None,
    g_idx: Any = None,
    bias: Any = None,
    *,
    K: int,  # noqa: N803 - onnxruntime's name
    N: int,  # noqa: N803 - onnxruntime's name
    accuracy_level: int = 0,
    bits: int = 4,
    block_size: int,
    weight_prepacked: int = 0,
) -> Any:
    """Multiply by a matrix (N, K), transposed, that is stored in blocks of few bits with a scale each."""
    if weight_prepacked or (g_idx is not None and not _is_ordered(g_idx, block_size)):
        raise UnsupportedError("MatMulNBits is supported without g_idx and prepacked weights.")
    blocks = -(-K // block_size)
    dtype = dtype_name(scales)
    values = ops.cast(unpacked(ops.reshape(b, (N, blocks, -1)), bits), dtype)
    if zero_points is None:
        zeros: Any = scalar(float(1 << (bits - 1)), scales)
    elif dtype_name(zero_points) == "uint8":
        rows = unpacked(ops.reshape(zero_points, (N, -1)), bits)[:, :blocks]
        zeros = ops.expand_dims(ops.cast(rows, dtype), -1)
    else:
        zeros = ops.reshape(zero_points, (N, blocks, 1))
    weights = ops.multiply(ops.subtract(values, zeros), ops.reshape(scales, (N, blocks, 1)))
    weights = ops.reshape(weights, (N, -1))[:, :K]
    made = ops.cast(ops.matmul(a, ops.cast(ops.transpose(weights), dtype_name(a))), dtype_name(a))
    return made if bias is None else ops.add(made, bias)


def _is_ordered(g_idx: Any, block_size: int) -> bool:
    """Return whether group indices say what is the case without them."""
    if not isinstance(g_idx, np.ndarray):
        return False
    return bool((g_idx == np.arange(len(g_idx)) // block_size).all())


# The values that 4 bits stand for, by `quant_type`: FP4 and NF4 of bitsandbytes (QLoRA, Dettmers et al. 2023, appendix E).
_FP4 = (0.0, 0.0052083333, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25)
_CODES = (
    (*_FP4, *(-v for v in _FP4)),
    (
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
        -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ),
)  # fmt: skip


@operator("MatMulBnb4", domain=MICROSOFT)
def mat_mul_bnb4(
    a: Any,
    b: Any,
    absmax: Any,
    *,
    K: int,  # noqa: N803 - onnxruntime's name
    N: int,  # noqa: N803 - onnxruntime's name
    block_size: int,
    quant_type: int,
    training_mode: int = 0,
    transB: int = 1,  # noqa: N803 - onnxruntime's name
) -> Any:
    """Multiply by a matrix (N, K), transposed, of 4-bit codes with a largest value for each block."""
    if quant_type not in (0, 1):
        raise UnsupportedError(f"quant_type expects 0 (FP4) or 1 (NF4), got {quant_type}.")
    swapped = ops.stack([ops.right_shift(b, np.uint8(4)), ops.bitwise_and(b, np.uint8(15))], axis=-1)  # high bits first
    codes = ops.reshape(swapped, (-1,))[: N * K]
    values = ops.take(np.array(_CODES[quant_type], np.float32), ops.cast(codes, "int32"), axis=0)
    scales = ops.repeat(absmax, block_size)[: N * K]
    weights = ops.reshape(ops.multiply(values, ops.cast(scales, "float32")), (N, K) if transB else (K, N))
    weights = ops.transpose(weights) if transB else weights
    return ops.cast(ops.matmul(a, ops.cast(weights, dtype_name(a))), dtype_name(a))


@operator("GatherBlockQuantized", domain=MICROSOFT)
def gather_block_quantized(
    data: Any,
    indices: Any,
    scales: Any,
    zero_points: Any = None,
    *,
    bits: int = 4,
    block_size: int = 128,
    gather_axis: int = 0,
    quantize_axis: int = 1,
) -> Any:
    """Take slices of a tensor that is stored in blocks of few bits with a scale each."""
    is_packed = dtype_name(data) == "uint8"
    if is_packed and quantize_axis % rank(data) != rank(data) - 1:
        raise UnsupportedError("GatherBlockQuantized of bytes is supported with blocks along the last axis.")
    values = unpacked(data, bits) if is_packed else data
    axis = quantize_axis % rank(values)
    parts = [values, scales]
    default = 1 << (bits - 1) if is_packed else 0
    if zero_points is not None:
        zeros = unpacked(zero_points, bits) if is_packed else zero_points
        parts.append(zeros[tuple(slice(0, n) for n in shape_of(scales))])
    gathered = [ops.take(p, indices, axis=gather_axis) for p in parts]
    moved = axis if axis < gather_axis else axis + rank(indices) - 1
    if axis == gather_axis % rank(values):
        raise UnsupportedError(
            "GatherBlockQuantized is supported with blocks along another axis than that of the indices."
        )
    dtype = dtype_name(scales)
    spread = [ops.repeat(g, block_size, axis=moved) for g in gathered[1:]]
    cut = tuple(slice(0, n) for n in shape_of(gathered[0]))
    zero = ops.cast(spread[1][cut], dtype) if len(spread) > 1 else scalar(float(default), scales)
    return ops.multiply(ops.subtract(ops.cast(gathered[0], dtype), zero), spread[0][cut])


# ----- whole layers -----


@operator("DynamicQuantizeLSTM", domain=MICROSOFT)
def dynamic_quantize_lstm(
    x: Any, w: Any, r: Any, b: Any, sequence_lens: Any, initial_h: Any, initial_c: Any, p: Any, w_scale: Any, w_zero: Any,
    r_scale: Any, r_zero: Any, *, activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None,
    clip: float | None = None, direction: str = "forward", hidden_size: int | None = None, input_forget: int = 0,
) -> Any:  # fmt: skip
    """LSTM with weights of 8 bits; the inputs, as a whole, and the state of each step are quantized by their range."""

    def row(values: Any, direction_index: int) -> Any:
        return None if values is None else values[direction_index]

    def product(matrices: Any, scales: Any, zeros: Any, index: int) -> Callable[[Any], Any]:
        return lambda v: dynamic_quantize_mat_mul(
            v, matrices[index], _one_or_all(row(scales, index)), _one_or_all(row(zeros, index))
        )

    return lstm_with(
        lambda d: (product(w, w_scale, w_zero, d), product(r, r_scale, r_zero, d)),
        x, r, b, sequence_lens, initial_h, initial_c, p, activation_alpha=activation_alpha, activation_beta=activation_beta,
        activations=activations, clip=clip, direction=direction, hidden_size=hidden_size, input_forget=input_forget,
    )  # fmt: skip


def _one_or_all(values: Any) -> Any:
    return ops.reshape(values, ()) if values is not None and shape_of(values) == (1,) else values


@operator("QAttention", domain=MICROSOFT, takes_node=True)
def q_attention(
    node: NodeCall,
    x: Any,
    weights: Any,
    bias: Any,
    x_scale: Any,
    w_scale: Any,
    mask: Any = None,
    x_zero: Any = None,
    w_zero: Any = None,
    past: Any = None,
    *,
    do_rotary: int = 0,
    mask_filter_value: float = -10000.0,
    num_heads: int,
    past_present_share_buffer: int = 0,
    scale: float = 0.0,
    unidirectional: int = 0,
) -> Any:
    """Project the quantized input to queries, keys and values by quantized weights, and attend."""
    projected = mat_mul_integer_to_float(x, weights, x_scale, w_scale, x_zero, w_zero, bias)
    return attention_of(
        node, projected, mask, past, None, do_rotary=do_rotary, mask_filter_value=mask_filter_value, num_heads=num_heads,
        past_present_share_buffer=past_present_share_buffer, qkv_hidden_sizes=None, scale=scale, unidirectional=unidirectional,
    )  # fmt: skip


@operator("QEmbedLayerNormalization", domain=MICROSOFT)
def q_embed_layer_normalization(ids: Any, segment_ids: Any, *inputs: Any, epsilon: float = 1e-12) -> Any:
    """Source: com.microsoft QEmbedLayerNormalization."""
    if len(inputs) != 16:
        raise SerializationError(f"QEmbedLayerNormalization expects 18 inputs, got {len(inputs) + 2}.")
    tables, mask, scales, zeros = inputs[:5], inputs[5], inputs[6:11], inputs[11:]
    words, positions, segments, gamma, beta = (
        None if t is None else _floats(t, s, z) for t, s, z in zip(tables, scales, zeros, strict=True)
    )
    return embed_layer_normalization(ids, segment_ids, words, positions, segments, gamma, beta, mask, epsilon=epsilon)[
        :2
    ]
