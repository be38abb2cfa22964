"""Eight-bit floats: rounding to them, and the scales that keep values in their range."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core.errors import DTypeError
from graphkit.ops._convert import dtype_name, tensor

LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


def compute_float8_scale(amax: Any, scale: Any, dtype_max: Any, margin: int = 0) -> Any:
    """Return the scale by which `amax` is divided to become the largest float8 value.

    Args:
        amax: the largest absolute value.
        scale: the old scale, returned where `amax` is zero, infinite or NaN.
        dtype_max: the largest float8 value.
        margin: leave a factor of 2**margin to the largest value.

    Source: keras.quantizers.compute_float8_scale.
    """
    old = ops.reciprocal(scale)
    new = ops.true_divide(ops.true_divide(dtype_max, amax), 2**margin)
    new = ops.where(ops.greater(amax, 0.0), new, old)
    return ops.reciprocal(ops.where(ops.isfinite(amax), new, old))


def compute_float8_amax_history(x: Any, amax_history: Any) -> Any:
    """Roll the history by one, and put the largest absolute value of `x` first.

    Source: keras.quantizers.compute_float8_amax_history.
    """
    history = tensor(amax_history)
    largest = ops.reshape(ops.cast(ops.max(ops.absolute(x), initial=0), dtype_name(history)), (1,))
    return ops.concatenate([largest, ops.roll(history, -1)[1:]])


def quantize_and_dequantize(inputs: Any, scale: Any, quantized_dtype: str, compute_dtype: str) -> Any:
    """Round `inputs / scale` to a float8 dtype, and multiply by the scale again.

    Args:
        inputs: floats.
        scale: a scalar.
        quantized_dtype: "float8_e4m3fn" or "float8_e5m2".
        compute_dtype: the dtype of the result.

    Raises:
        DTypeError: `quantized_dtype` is not supported.

    Source: keras.quantizers.quantize_and_dequantize.
    """
    if quantized_dtype not in LARGEST:
        raise DTypeError(
            f"quantize_and_dequantize: quantized_dtype must be one of {', '.join(LARGEST)}, got {quantized_dtype!r}."
        )
    largest, factor = LARGEST[quantized_dtype], ops.cast(scale, compute_dtype)
    x = ops.clip(ops.true_divide(inputs, factor), -largest, largest)
    return ops.multiply(ops.cast(ops.cast(x, quantized_dtype), compute_dtype), factor)
