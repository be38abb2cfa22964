"""Fake quantization: round floats to the values that quantized numbers can represent."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.ops._convert import canonical_axis, dtype_name, tensor
from graphkit.ops._dispatch import operation


@operation("FakeQuantWithMinMaxVars", "keras.src.quantizers.quantizers", tensors="inputs min_vals max_vals")
def fake_quant_with_min_max_vars(
    inputs: Any, min_vals: Any, max_vals: Any, num_bits: int = 8, narrow_range: bool = False, axis: int | None = None
) -> Any:
    """Clip to [min_vals, max_vals] and round to 2**num_bits evenly spaced values.

    Gradients pass through to `inputs` inside the range; outside of it they go to `min_vals` or `max_vals`, which are trainable.

    Args:
        inputs: floats.
        min_vals: the lower end of the range: a scalar or, with `axis`, a vector along it.
        max_vals: the upper end, in the same form.
        num_bits: bits of the quantized values.
        narrow_range: omit the lowest value.
        axis: the axis along which ranges differ; None for a single range.

    Source: keras.quantizers.fake_quant_with_min_max_vars.
    """
    x, low, high = tensor(inputs), tensor(min_vals), tensor(max_vals)
    place = None if axis is None else canonical_axis(axis, x.ndim)
    wide = tuple(-1 if a == place else 1 for a in range(x.ndim)) if place is not None else ()
    others = tuple(a for a in range(x.ndim) if a != place)

    @ops.custom_gradient
    def rounded(x: Any, low: Any, high: Any) -> Any:
        name = dtypes.result_type(dtype_name(low), "float32")
        least, most, step, inverse = _nudged(ops.cast(low, name), ops.cast(high, name), int(num_bits), narrow_range)
        spread = [ops.reshape(v, wide) for v in (least, most, step, inverse)]
        least, most, step, inverse = spread
        zero = ops.floor(ops.negative(least) * inverse + 0.5)
        shifted = ops.clip(ops.cast(x, name), least, most) - least
        made = ops.floor(shifted * inverse - zero + 0.5) * step

        def gradient(upstream: Any) -> tuple[Any, Any, Any]:
            inside = ops.logical_and(ops.greater_equal(x, least), ops.less_equal(x, most))
            sides = [
                ops.reshape(ops.sum(ops.where(side, upstream, 0.0), axis=others), limit.shape)
                for side, limit in ((ops.less_equal(x, least), low), (ops.greater_equal(x, most), high))
            ]
            return ops.where(inside, upstream, 0.0), *sides

        return ops.cast(made, dtype_name(x)), gradient

    return rounded(x, low, high)


def _nudged(low: Any, high: Any, bits: int, narrow_range: bool) -> tuple[Any, Any, Any, Any]:
    """Shift the range so that 0 is one of its values. Returns (smallest, largest, step, 1 / step)."""
    first, last = int(narrow_range), 2**bits - 1
    span = ops.subtract(high, low)
    step = ops.true_divide(span, last - first)
    zero = ops.round(ops.clip(first - ops.true_divide(low, step), first, last))
    return (first - zero) * step, (last - zero) * step, step, ops.true_divide(last - first, span)
