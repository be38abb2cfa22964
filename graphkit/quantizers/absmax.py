"""Quantize by the largest absolute value: x is approximated by round(x * scale) / scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.serialization import keras_class
from graphkit.ops._convert import dtype_name, tensor
from graphkit.quantizers.groups import compute_quantization_parameters

_HOME = "keras.quantizers"


def abs_max_quantize(
    inputs: Any,
    axis: Any,
    value_range: tuple[int, int] = (-127, 127),
    dtype: str = "int8",
    epsilon: float | None = None,
    to_numpy: bool = False,
) -> tuple[Any, Any]:
    """Quantize floats to integers `round(inputs * scale)`, scaled by the largest absolute value over `axis`.

    Args:
        inputs: floats.
        axis: an int or several; the scale has size 1 along them.
        value_range: the smallest and the largest integer.
        dtype: of the integers.
        epsilon: added to the largest absolute value, so that zeros have a scale; 1e-7 by default.
        to_numpy: accepted for compatibility; it has no effect.

    Returns:
        (integers, scale).

    Source: keras.quantizers.abs_max_quantize.
    """
    x = tensor(inputs)
    fuzz = dtypes.epsilon() if epsilon is None else epsilon
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    largest = ops.add(ops.max(ops.absolute(x), axis=axes, keepdims=True, initial=0), fuzz)
    scale = ops.cast(ops.true_divide(value_range[1], largest), dtype_name(x))
    return ops.cast(ops.clip(ops.round(ops.multiply(x, scale)), *value_range), dtype), scale


def abs_max_quantize_grouped_with_zero_point(
    inputs: Any,
    block_size: int,
    value_range: tuple[int, int] = (-8, 7),
    dtype: str = "int8",
    epsilon: float | None = None,
    to_numpy: bool = False,
) -> tuple[Any, Any, Any]:
    """Quantize a matrix in groups of `block_size` rows, each column by itself: x is about `(integer - zero) * scale`.

    Args:
        inputs: floats of shape (rows, columns).
        block_size: rows per group; the last group may be smaller.
        value_range: the smallest and the largest integer.
        dtype: of the integers.
        epsilon: added to the range of each group; 1e-7 by default.
        to_numpy: keep the range of a group of equal values; otherwise it is widened by 1 in both directions, as in Keras.

    Returns:
        (integers, scale, zero) of shapes (rows, columns), (groups, columns) and (groups, columns).

    Source: keras.quantizers.abs_max_quantize_grouped_with_zero_point.
    """
    x = tensor(inputs)
    rows, columns = ops.shape(x)
    groups = -(-rows // block_size)
    low, high = value_range
    fuzz = dtypes.epsilon() if epsilon is None else epsilon
    padded = ops.pad(x, [[0, groups * block_size - rows], [0, 0]])
    blocks = ops.reshape(padded, (groups, block_size, columns))
    if to_numpy:
        least, most = ops.min(blocks, axis=1), ops.max(blocks, axis=1)
        scale = ops.true_divide(ops.add(ops.subtract(most, least), fuzz), high - low)
        zero = ops.clip(ops.add(ops.round(ops.true_divide(ops.negative(least), scale)), low), low, high)
    else:
        bits = (high - low + 1).bit_length() - 1
        found = compute_quantization_parameters(
            ops.transpose(x), bits=bits, per_channel=True, group_size=block_size, epsilon=fuzz, signed=True
        )
        scale, zero = (ops.transpose(v) for v in found[:2])
    wide = [ops.cast(ops.expand_dims(v, 1), dtype_name(x)) for v in (scale, zero)]
    whole = ops.add(ops.round(ops.true_divide(blocks, wide[0])), wide[1])
    flat = ops.reshape(ops.cast(ops.clip(whole, low, high), dtype), (groups * block_size, columns))
    return flat[:rows], ops.cast(scale, dtype_name(x)), ops.cast(zero, "int8")


@keras_class(_HOME)
class Quantizer:
    """Base of quantizers, which are callables that return integers and a scale. Source: keras.quantizers.Quantizer."""

    def __init__(self, output_dtype: str = "int8") -> None:
        self.output_dtype = output_dtype

    def __call__(self, x: Any) -> Any:
        """Return `x`; subclasses quantize it."""
        return x

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data.

        Raises:
            NotImplementedError: the subclass does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement get_config()")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return a quantizer with this config."""
        return cls(**config)


@keras_class(_HOME)
class AbsMaxQuantizer(Quantizer):
    """Quantizes with `abs_max_quantize`.

    Args:
        axis: the axes along which the scale has size 1, unless a call passes others; -1 by default.
        value_range: the smallest and the largest integer.
        epsilon: added to the largest absolute value.
        output_dtype: of the integers.

    Raises:
        InvalidArgumentError: `output_dtype` is int8 and does not cover `value_range`.

    Source: keras.quantizers.AbsMaxQuantizer.
    """

    def __init__(
        self,
        axis: Any = None,
        value_range: Any = (-127, 127),
        epsilon: float = 1e-7,
        output_dtype: str = "int8",
    ) -> None:
        super().__init__(output_dtype)
        self.axis = (axis,) if isinstance(axis, int) else None if axis is None else tuple(axis)
        self.value_range, self.epsilon = tuple(value_range), epsilon
        if output_dtype == "int8" and (self.value_range[0] < -128 or self.value_range[1] > 127):
            raise InvalidArgumentError(
                "Quantizer with output_dtype='int8' requires value_range to be within the interval [-128, 127]. Received: "
                f"value_range={self.value_range}"
            )

    def __call__(self, x: Any, axis: Any = None, to_numpy: bool = False) -> tuple[Any, Any]:
        """Return (integers, scale)."""
        axes = self.axis if axis is None else axis
        return abs_max_quantize(
            x, -1 if axes is None else axes, self.value_range, self.output_dtype, self.epsilon, to_numpy
        )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data; `axis` only if it was given."""
        config = {"value_range": list(self.value_range), "epsilon": self.epsilon, "output_dtype": self.output_dtype}
        return config if self.axis is None else {**config, "axis": list(self.axis)}
