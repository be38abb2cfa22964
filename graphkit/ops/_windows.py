"""Geometry shared by convolution and pooling: windows that slide over the spatial axes of a tensor.

Sizes may be `Dim`s. Padding is a pair (before, after) for each spatial axis, or "same" while the pairs depend on an unknown
size. A negative pad crops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypedDict

import numpy as np

from graphkit.core.dims import Dim, Shape, Size
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.core.layout import CHANNELS_LAST
from graphkit.ops._rules import show

Ints: TypeAlias = "tuple[int, ...]"
Pairs: TypeAlias = "tuple[tuple[int, int], ...]"
Padding: TypeAlias = "Pairs | str"


class ConvParams(TypedDict):
    """The params of `conv` and its derivatives."""

    strides: Ints
    padding: Padding
    dilation: Ints
    groups: int
    data_format: str


class PoolParams(TypedDict):
    """The params of the pooling primitives and their derivatives."""

    window: Ints
    strides: Ints
    padding: Padding
    data_format: str


def per_axis(value: Any, rank: int, name: str, allow_zero: bool = False) -> Ints:
    """Return one int for each of `rank` axes.

    Args:
        value: an int for all axes, or a sequence of one int per axis.
        name: the argument that the error names.
        allow_zero: whether 0 is accepted; negative numbers never are.

    Raises:
        InvalidArgumentError: `value` is anything else; Keras' message.
    """
    message = f"The `{name}` argument must be a tuple of {rank} integers. Received {name}={value}"
    items = (value,) * rank if isinstance(value, (int, np.integer)) else value
    if not isinstance(items, (tuple, list)) or len(items) != rank:
        raise InvalidArgumentError(message)
    try:
        numbers = tuple(int(item) for item in items)
    except (TypeError, ValueError):
        raise InvalidArgumentError(message) from None
    bad = {n for n in numbers if n < 0 or (n == 0 and not allow_zero)}
    if bad:
        wanted = ">= 0" if allow_zero else "> 0"
        raise InvalidArgumentError(f"{message}, including values {bad} that do not satisfy `value {wanted}`")
    return numbers


def check_image_rank(op: str, shape: Shape) -> None:
    """Check that there are 1, 2 or 3 spatial axes.

    Raises:
        ShapeError: there are fewer or more.
    """
    if not 3 <= len(shape) <= 5:
        raise ShapeError(
            f"{op}: the input must have 1, 2 or 3 spatial axes between batch and channels, got shape {show(shape)}."
        )


def spatial_axes(rank: int, data_format: str) -> range:
    """Return the spatial axes of a tensor of this rank."""
    return range(1, rank - 1) if data_format == CHANNELS_LAST else range(2, rank)


def channel_axis(rank: int, data_format: str) -> int:
    """Return the axis of the channels."""
    return rank - 1 if data_format == CHANNELS_LAST else 1


def spatial_sizes(shape: Shape, data_format: str) -> Shape:
    """Return the sizes of the spatial axes."""
    return tuple(shape[a] for a in spatial_axes(len(shape), data_format))


def image_shape(batch: Size, sizes: Shape, channels: Size, data_format: str) -> Shape:
    """Return the shape of a tensor with these batch, spatial and channel sizes."""
    return (batch, *sizes, channels) if data_format == CHANNELS_LAST else (batch, channels, *sizes)


def channels_last(array: Any, data_format: str) -> Any:
    """Return a view of a NumPy array with the channels in the last axis."""
    return array if data_format == CHANNELS_LAST else np.moveaxis(array, 1, -1)


def reach(window: Sequence[int], dilation: Sequence[int]) -> Ints:
    """Return the number of elements that a dilated window spans along each axis."""
    return tuple(d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True))


def resolve_padding(padding: Any, sizes: Shape, window: Ints, strides: Ints, dilation: Ints) -> Padding:
    """Return the padding as pairs, or as "same" where that depends on an unknown size.

    Args:
        padding: "valid", "same", "causal", or a pair (before, after) for each spatial axis.
        sizes: the spatial sizes of the input.

    Raises:
        InvalidArgumentError: `padding` is another string.
    """
    spans = reach(window, dilation)
    if not isinstance(padding, str):
        return tuple((int(before), int(after)) for before, after in padding)
    word = padding.lower()
    if word == "valid":
        return ((0, 0),) * len(spans)
    if word == "causal":
        return tuple((span - 1, 0) for span in spans)
    if word != "same":
        raise InvalidArgumentError(
            f"`padding` must be one of 'valid', 'same', 'causal'. Received: padding={padding!r}."
        )
    pairs = []
    for size, span, stride in zip(sizes, spans, strides, strict=True):
        if stride == 1:
            total = span - 1
        elif isinstance(size, Dim):
            return "same"
        else:
            total = max((-(-size // stride) - 1) * stride + span - size, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def output_sizes(sizes: Shape, window: Ints, strides: Ints, dilation: Ints, padding: Padding) -> Shape:
    """Return the number of windows along each axis: (n + pads - span) // stride + 1, for "same" ceil(n / stride)."""
    pads = resolve_padding(padding, sizes, window, strides, dilation)
    if isinstance(pads, str):
        return tuple((n + (s - 1)) // s for n, s in zip(sizes, strides, strict=True))
    spans = reach(window, dilation)
    return tuple((n + (b + a - k)) // s + 1 for n, k, s, (b, a) in zip(sizes, spans, strides, pads, strict=True))


def known_padding(padding: Padding, sizes: Shape, window: Ints, strides: Ints, dilation: Ints) -> Pairs:
    """Return the padding as pairs, for known sizes."""
    pads = resolve_padding(padding, sizes, window, strides, dilation)
    assert not isinstance(pads, str)
    return pads


def check_output(
    op: str, outs: Shape, shape: Shape, window: Ints, strides: Ints, dilation: Ints, padding: Padding
) -> None:
    """Check that no window is larger than the input.

    Raises:
        ShapeError: a window is larger; Keras' message.
    """
    if any(isinstance(size, int) and size <= 0 for size in outs):
        raise ShapeError(
            f"{op}: Computed output size would be zero or negative. Received: inputs shape={show(shape)}, "
            f"window={window}, strides={strides}, dilation_rate={dilation}, padding={padding}. "
            "Use a smaller window, padding='same', or larger inputs."
        )
