"""Quantize weights in groups, each with a scale and a zero point: a weight is about `(integer - zero) * scale`."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ops._convert import dtype_name, tensor


def compute_quantization_parameters(
    x: Any,
    *,
    bits: int,
    symmetric: bool = False,
    per_channel: bool = False,
    group_size: int = -1,
    compute_dtype: str = "float32",
    epsilon: float = 0.0,
    signed: bool = False,
) -> tuple[Any, Any, Any]:
    """Compute the scales and zero points of weights.

    Args:
        x: weights of shape (outputs, inputs, ...).
        bits: of the integers: 0 to 2**bits - 1, or with `signed` -2**(bits - 1) to 2**(bits - 1) - 1.
        symmetric: make the range symmetric about 0.
        per_channel: one range per output instead of one for all weights.
        group_size: with `per_channel`, one range per output and this many inputs; -1 for no groups.
        compute_dtype: the dtype of the largest integer.
        epsilon: added to each range.
        signed: whether the integers are signed.

    Returns:
        (scale, zero, largest integer); scale and zero have shape (outputs, groups).

    Raises:
        ShapeError: the weights have fewer than two axes, or no elements.

    Source: keras.quantizers, where GPTQ and AWQ use it.
    """
    x = tensor(x)
    if x.ndim < 2 or 0 in x.shape:
        raise ShapeError(
            f"Quantization requires weights with at least two axes, none of size 0, got shape {tuple(x.shape)}."
        )
    least, most = _extremes(x, per_channel, group_size)
    if symmetric:
        largest = ops.maximum(ops.absolute(least), most)
        least, most = ops.where(ops.less(least, 0), ops.negative(largest), least), largest
    flat = ops.equal(least, most)
    least, most = ops.where(flat, least - 1, least), ops.where(flat, most + 1, most)
    top = 2**bits - 1
    scale = ops.true_divide(ops.add(ops.subtract(most, least), epsilon), float(top))
    scale = ops.where(ops.less_equal(scale, 0), 1e-8, scale)
    lowest = -(2 ** (bits - 1)) if signed else 0
    if symmetric:
        zero = ops.full_like(scale, (top + 1) / 2 + lowest)
    else:
        zero = ops.add(ops.round(ops.true_divide(ops.negative(least), scale)), lowest)
    if signed:
        zero = ops.clip(zero, lowest, lowest + top)
    outputs = x.shape[0]
    shape = (outputs, -1) if per_channel else (1, 1)
    scale, zero = (ops.reshape(v, shape) for v in (scale, zero))
    if not per_channel:
        scale, zero = (ops.broadcast_to(v, (outputs, 1)) for v in (scale, zero))
    return scale, ops.cast(zero, "int8" if signed else "uint8"), ops.cast(top, compute_dtype)


def _extremes(x: Any, per_channel: bool, group_size: int) -> tuple[Any, Any]:
    """Return the smallest and the largest weight of each group."""
    outputs, inputs = x.shape[0], x.shape[1]
    groups = -(-inputs // group_size) if per_channel and group_size > 0 else 1
    if groups > 1:
        padded = ops.pad(x, [[0, 0], [0, groups * group_size - inputs]])
        blocks = ops.reshape(padded, (outputs, groups, group_size))
    else:
        blocks = ops.reshape(x, (outputs if per_channel else 1, -1))
    return ops.min(blocks, axis=-1), ops.max(blocks, axis=-1)


def quantize_with_sz_map(weights: Any, scale: Any, zero: Any, g_idx: Any, maxq: Any, group_axis: int = -1) -> Any:
    """Quantize weights whose index `i` along `group_axis` belongs to group `g_idx[i]`.

    Args:
        weights: floats.
        scale: of each group, along `group_axis`.
        zero: the zero point of each group, in the same form.
        g_idx: the group of each index along `group_axis`.
        maxq: the largest integer.
        group_axis: the axis of the groups.

    Returns:
        The integers, as floats.

    Raises:
        InvalidArgumentError: `scale` and `zero` differ in rank.
    """
    scales, zeros = _of_places(scale, zero, g_idx, group_axis)
    safe = ops.where(ops.equal(scales, 0), 1e-8, scales)
    return ops.clip(ops.round(ops.add(ops.true_divide(weights, safe), zeros)), 0, maxq)


def dequantize_with_sz_map(weights: Any, scale: Any, zero: Any, g_idx: Any, group_axis: int = -1) -> Any:
    """Invert `quantize_with_sz_map`, which describes the arguments.

    Raises:
        InvalidArgumentError: `scale` and `zero` differ in rank.
    """
    scales, zeros = _of_places(scale, zero, g_idx, group_axis)
    return ops.multiply(ops.subtract(weights, zeros), scales)


def _of_places(scale: Any, zero: Any, g_idx: Any, axis: int) -> tuple[Any, Any]:
    if tensor(scale).ndim != tensor(zero).ndim:
        raise InvalidArgumentError("Scale and zero point must have the same shape.")
    groups = ops.cast(g_idx, "int32")
    scales = ops.take(scale, groups, axis=axis)
    return scales, ops.cast(ops.take(zero, groups, axis=axis), dtype_name(scales))
