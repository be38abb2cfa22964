"""Unfold and fold, depth to space and back, adaptive pooling, rearrange."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, Size, product
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.core.layout import CHANNELS_LAST, standardize_data_format
from graphkit.ops._convert import as_float, dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.elementwise import (
    add,
    cast,
    floor_divide,
    greater_equal,
    less,
    logical_and,
    multiply,
    negative,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.indexing import scatter_add_p, take
from graphkit.ops.linear import einsum
from graphkit.ops.reduction import max as reduce_max
from graphkit.ops.shaping import arange, expand_dims, moveaxis, pad, reshape, transpose

# fmt: off
__all__ = [
    "adaptive_average_pool", "adaptive_max_pool", "depth_to_space", "fold", "rearrange", "space_to_depth", "unfold",
]
# fmt: on

# ----- windows along axes -----


def _per_axis(value: Any, rank: int, where_: str) -> tuple[int, ...]:
    made = (int(value),) * rank if isinstance(value, (int, np.integer)) else tuple(int(v) for v in value)
    if len(made) != rank:
        raise InvalidArgumentError(f"{where_} must be an int or {rank} of them, got {value!r}.")
    return made


def _places(count: Size, window: int, stride: int, dilation: int) -> Any:
    """Return the positions of the elements in each window, (count, window)."""
    starts = arange(count)
    starts = multiply(expand_dims(starts, 1), stride)
    return add(starts, np.arange(window, dtype=np.int32) * dilation)


def _window_count(size: Size, window: int, stride: int, dilation: int) -> Size:
    return (size - (window - 1) * dilation - 1) // stride + 1


def windows(x: Any, first: int, sizes: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Any:
    """Replace each axis from `first` on by two: the windows along it, and the elements in a window.

    Raises:
        ShapeError: If a window is larger than its axis.
    """
    for number, (window, stride, step) in enumerate(zip(sizes, strides, dilation, strict=True)):
        axis = first + 2 * number
        count = _window_count(shape_of(x)[axis], window, stride, step)
        if isinstance(count, int) and count < 1:
            raise ShapeError(
                f"A window of {window} (dilation {step}) does not fit into axis {axis} of shape {show(shape_of(x))}."
            )
        x = take(x, _places(count, window, stride, step), axis=axis)
    return x


def padded_same(x: Any, first: int, sizes: Sequence[int], strides: Sequence[int], dilation: Sequence[int]) -> Any:
    """Zero-pad `x` so that there are ceil(size / stride) windows along each axis from `first` on.

    Raises:
        ShapeError: If a size is unknown and the stride is larger than the window.
    """
    widths: list[tuple[Size, Size]] = [(0, 0)] * x.ndim
    for number, (window, stride, step) in enumerate(zip(sizes, strides, dilation, strict=True)):
        size, reach = shape_of(x)[first + number], (window - 1) * step + 1
        total = (-(-size // stride) - 1) * stride + reach - size
        if isinstance(total, Dim) and stride > reach:
            raise ShapeError(
                f"padding='same' with windows of {reach} every {stride} requires known sizes, got shape {show(shape_of(x))}."
            )
        total = total if isinstance(total, Dim) else max(total, 0)
        widths[first + number] = (total // 2, total - total // 2)
    return pad(x, widths)


@operation("Unfold", "nn")
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Extract the windows of images as columns (im2col).

    Args:
        x: (batch, channels, height, width).
        kernel_size: an int or two: the size of a window.
        dilation: an int or two.
        padding: an int or two: zeros at each side.
        stride: an int or two.

    Returns:
        (batch, channels * window, windows), window and windows being products over both axes.

    Raises:
        ShapeError: If `x` does not have 4 axes, or a window does not fit.
        InvalidArgumentError: If a size, dilation, padding or stride has a wrong length.

    Source: keras.ops.unfold.
    """
    x = tensor(x)
    if x.ndim != 4:
        raise ShapeError(f"unfold expects images (batch, channels, height, width), got shape {show(shape_of(x))}.")
    sizes, steps, moves = (
        _per_axis(v, 2, n) for v, n in ((kernel_size, "kernel_size"), (dilation, "dilation"), (stride, "stride"))
    )
    around = _per_axis(padding, 2, "padding")
    x = pad(x, [(0, 0), (0, 0), *((p, p) for p in around)])
    made = transpose(windows(x, 2, sizes, moves, steps), (0, 1, 3, 5, 2, 4))
    batch, channels, *_, rows, columns = shape_of(made)
    return reshape(made, (batch, channels * sizes[0] * sizes[1], rows * columns))


@operation("Fold", "nn")
def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Add the columns of `unfold` back into images, summing where windows overlap.

    Args:
        x: (batch, channels * window, windows).
        output_size: an int or two: height and width of the images.
        kernel_size: as in `unfold`.
        dilation: as in `unfold`.
        padding: as in `unfold`.
        stride: as in `unfold`.

    Returns:
        (batch, channels, *output_size).

    Raises:
        ShapeError: If `x` does not have 3 axes, or not as many columns as `output_size` has windows.
        InvalidArgumentError: If a size, dilation, padding or stride has a wrong length.

    Source: keras.ops.fold.
    """
    x = tensor(x)
    if x.ndim != 3:
        raise ShapeError(f"fold expects columns (batch, channels * window, windows), got shape {show(shape_of(x))}.")
    out, sizes = _per_axis(output_size, 2, "output_size"), _per_axis(kernel_size, 2, "kernel_size")
    steps, around, moves = (
        _per_axis(dilation, 2, "dilation"),
        _per_axis(padding, 2, "padding"),
        _per_axis(stride, 2, "stride"),
    )
    wide = [o + 2 * p for o, p in zip(out, around, strict=True)]
    counts = [_window_count(w, k, s, d) for w, k, s, d in zip(wide, sizes, moves, steps, strict=True)]
    batch, depth, columns = shape_of(x)
    if isinstance(depth, int) and depth % (sizes[0] * sizes[1]):
        raise ShapeError(f"fold: the second axis of {show(shape_of(x))} must be a multiple of {sizes[0] * sizes[1]}.")
    if isinstance(columns, int) and columns != product(tuple(counts)):
        raise ShapeError(
            f"fold: output_size={out} has {product(tuple(counts))} windows, but the columns have shape {show(shape_of(x))}."
        )
    made = reshape(x, (batch, depth // (sizes[0] * sizes[1]), *sizes, *counts))
    made = transpose(made, (0, 1, 4, 2, 5, 3))  # for each axis, windows and then elements
    for axis in (2, 3):
        places = _places(counts[axis - 2], sizes[axis - 2], moves[axis - 2], steps[axis - 2])
        made = scatter_add_p.bind(made, places, axis=axis, size=wide[axis - 2])
    return made[:, :, around[0] : wide[0] - around[0], around[1] : wide[1] - around[1]]


# ----- depth and space -----


def _image(what: str, x: Any, data_format: str) -> tuple[Any, bool]:
    x = tensor(x)
    if x.ndim != 4:
        raise ShapeError(f"{what} expects a batch of images (4 axes), got shape {show(shape_of(x))}.")
    return x, standardize_data_format(data_format) == CHANNELS_LAST


def _block(what: str, block_size: Any) -> int:
    """Return the block size. Raises InvalidTypeError if it is not an int, InvalidArgumentError if it is below 2."""
    if not isinstance(block_size, (int, np.integer)):
        raise InvalidTypeError(f"{what}: `block_size` must be an int, got {block_size!r}.")
    if block_size < 2:
        raise InvalidArgumentError(f"{what}: `block_size` must be at least 2. Received: block_size={block_size}")
    return int(block_size)


def _divisible(what: str, size: Size, by: int, shape: Shape) -> Size:
    if isinstance(size, int) and size % by:
        raise ShapeError(f"{what}: {size} of shape {show(shape)} is not a multiple of {by}.")
    return size // by


@operation("DepthToSpace", "nn")
def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Move channels into blocks of block_size x block_size pixels.

    Args:
        x: (batch, height, width, channels), or channels first.
        block_size: an int of at least 2.
        data_format: "channels_last" or "channels_first".

    Raises:
        ShapeError: If `x` does not have 4 axes, or its channels are not a multiple of block_size**2.
        InvalidTypeError: If `block_size` is not an int.
        InvalidArgumentError: If `block_size` is below 2.

    Source: keras.ops.depth_to_space.
    """
    x, is_last = _image("depth_to_space", x, data_format)
    block_size = _block("depth_to_space", block_size)
    n, *rest = shape_of(x)
    h, w, c = rest if is_last else (rest[1], rest[2], rest[0])
    depth = _divisible("depth_to_space", c, block_size**2, shape_of(x))
    if is_last:
        made = transpose(reshape(x, (n, h, w, block_size, block_size, depth)), (0, 1, 3, 2, 4, 5))
        return reshape(made, (n, h * block_size, w * block_size, depth))
    made = transpose(reshape(x, (n, depth, block_size, block_size, h, w)), (0, 1, 4, 2, 5, 3))
    return reshape(made, (n, depth, h * block_size, w * block_size))


@operation("SpaceToDepth", "nn")
def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Move blocks of block_size x block_size pixels into channels.

    Args:
        x: (batch, height, width, channels), or channels first.
        block_size: an int of at least 2.
        data_format: "channels_last" or "channels_first".

    Raises:
        ShapeError: If `x` does not have 4 axes, or its height or width is not a multiple of `block_size`.
        InvalidTypeError: If `block_size` is not an int.
        InvalidArgumentError: If `block_size` is below 2.

    Source: keras.ops.space_to_depth.
    """
    x, is_last = _image("space_to_depth", x, data_format)
    block_size = _block("space_to_depth", block_size)
    n, *rest = shape_of(x)
    h, w, c = rest if is_last else (rest[1], rest[2], rest[0])
    rows, columns = (_divisible("space_to_depth", s, block_size, shape_of(x)) for s in (h, w))
    if is_last:
        made = transpose(reshape(x, (n, rows, block_size, columns, block_size, c)), (0, 1, 3, 2, 4, 5))
        return reshape(made, (n, rows, columns, c * block_size**2))
    made = transpose(reshape(x, (n, c, rows, block_size, columns, block_size)), (0, 1, 3, 5, 2, 4))
    return reshape(made, (n, c * block_size**2, rows, columns))


# ----- adaptive pooling: the output size is given -----


def _bounds(size: int, count: int) -> list[tuple[int, int]]:
    """Return [start, stop) of `count` windows that cover `size` elements."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _windows_of(size: Size, count: int, dtype: str) -> tuple[Any, Any]:
    """Return whether each element is in each of `count` windows, (size, count), and the windows' sizes, (count,)."""
    places = arange(count)
    starts = floor_divide(multiply(places, size), count)
    stops = negative(floor_divide(negative(multiply(add(places, 1), size)), count))
    element = expand_dims(arange(size), 1)
    inside = logical_and(greater_equal(element, starts), less(element, stops))
    return inside, cast(subtract(stops, starts), dtype)


def _average_axis(x: Any, axis: int, count: int) -> Any:
    inside, sizes = _windows_of(shape_of(x)[axis], count, dtype_name(x))
    matrix = true_divide(cast(inside, dtype_name(x)), sizes)
    return moveaxis(einsum("...i,ij->...j", moveaxis(x, axis, -1), matrix), -1, axis)


def _max_axis(x: Any, axis: int, count: int) -> Any:
    """Gather windows of equal length, shorter ones repeating their last element; for an unknown size, mask all elements."""
    size = shape_of(x)[axis]
    if isinstance(size, Dim):
        inside, _ = _windows_of(size, count, "int32")
        spread = expand_dims(moveaxis(x, axis, -1), -1)
        lowest = tensor(dtypes.lowest(dtype_name(x)), dtype_name(x))
        return moveaxis(reduce_max(where(inside, spread, lowest), axis=-2), -1, axis)
    bounds = _bounds(size, count)
    longest = max(stop - start for start, stop in bounds)
    places = np.array([[min(start + k, stop - 1) for k in range(longest)] for start, stop in bounds], np.int32)
    return reduce_max(take(x, places, axis=axis), axis=axis + 1)


def _adaptive(what: str, inputs: Any, output_size: Any, data_format: Any, along: Callable[[Any, int, int], Any]) -> Any:
    x = tensor(inputs)
    if not 3 <= x.ndim <= 5:
        raise ShapeError(
            f"{what}: the input must have 1, 2 or 3 spatial axes between batch and channels, got shape {show(shape_of(x))}."
        )
    first = 1 if standardize_data_format(data_format) == CHANNELS_LAST else 2
    counts = _per_axis(output_size, x.ndim - 2, "output_size")
    if min(counts) < 1:
        raise InvalidArgumentError(f"{what}: output_size must be positive, got {output_size}.")
    for number, count in enumerate(counts):
        x = along(x, first + number, count)
    return x


@operation("AdaptiveAveragePool", "nn", tensors="inputs")
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: Any = None) -> Any:
    """Average over `output_size` windows along each spatial axis.

    Args:
        inputs: (batch, *spatial, channels), or channels first, with 1 to 3 spatial axes.
        output_size: an int, or one for each spatial axis.
        data_format: "channels_last" or "channels_first"; `image_data_format()` by default.

    Raises:
        ShapeError: If `inputs` has a wrong number of axes.
        InvalidArgumentError: If `output_size` has a wrong length.

    Source: keras.ops.adaptive_average_pool.
    """
    return _adaptive("adaptive_average_pool", as_float(inputs), output_size, data_format, _average_axis)


@operation("AdaptiveMaxPool", "nn", tensors="inputs")
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: Any = None) -> Any:
    """Take the maximum over `output_size` windows along each spatial axis; arguments and errors as in `adaptive_average_pool`.

    Source: keras.ops.adaptive_max_pool.
    """
    return _adaptive("adaptive_max_pool", inputs, output_size, data_format, _max_axis)


# ----- rearrange -----


def _groups(side: str, pattern: str) -> list[list[str]]:
    """Parse `"b (h w) c"` into [["b"], ["h", "w"], ["c"]]."""
    tokens = re.findall(r"\w+|\([\w\s]*\)", side)
    if re.sub(r"\w+|\([\w\s]*\)|\s", "", side):
        raise InvalidArgumentError(
            f"rearrange: {pattern!r} must consist of names and groups in parentheses on both sides of ->."
        )
    return [token.strip("()").split() for token in tokens]


def _axis_sizes(given: list[list[str]], shape: Shape, lengths: dict[str, Any], pattern: str) -> dict[str, Size]:
    if len(given) != len(shape):
        raise ShapeError(
            f"rearrange: the left side of {pattern!r} has {len(given)} axes, but the tensor has shape {show(shape)}."
        )
    sizes: dict[str, Size] = {name: int(length) for name, length in lengths.items()}
    for group, size in zip(given, shape, strict=True):
        open_ones = [name for name in group if name not in sizes]
        if len(open_ones) > 1:
            raise InvalidArgumentError(
                f"rearrange: the sizes of {open_ones} in {pattern!r} are unknown; give all but one."
            )
        known: Any = product(tuple(sizes[name] for name in group if name in sizes))
        if open_ones:
            sizes[open_ones[0]] = size if known == 1 else size // known
        if isinstance(size, int) and product(tuple(sizes[name] for name in group)) != size:
            raise ShapeError(
                f"rearrange: ({' '.join(group)}) of {pattern!r} does not fit the size {size} of shape {show(shape)}."
            )
    return sizes


@operation("Rearrange", "keras.src.ops.einops", tensors="tensor pattern axes_lengths")
def rearrange(tensor: Any, pattern: str, **axes_lengths: Any) -> Any:
    """Reorder, split and merge axes: `rearrange(x, "b (h p) c -> b h (p c)", p=2)`.

    Args:
        tensor: a tensor.
        pattern: names of axes on both sides of `->`; a group in parentheses is one axis made of several.
        axes_lengths: the sizes of named axes; within a group all but one are needed.

    Raises:
        InvalidArgumentError: If the pattern is malformed, or a size is missing.
        ShapeError: If the pattern or sizes do not fit the tensor.

    Source: keras.ops.rearrange.
    """
    left, arrow, right = pattern.partition("->")
    given, wanted = _groups(left, pattern), _groups(right, pattern)
    names, order = ([name for group in side for name in group] for side in (given, wanted))
    if not arrow or sorted(names) != sorted(order) or len(set(names)) != len(names):
        raise InvalidArgumentError(f"rearrange: both sides of {pattern!r} must name the same axes, each exactly once.")
    x = as_tensor(tensor)
    sizes = _axis_sizes(given, shape_of(x), axes_lengths, pattern)
    x = transpose(reshape(x, tuple(sizes[name] for name in names)), [names.index(name) for name in order])
    return reshape(x, tuple(product(tuple(sizes[name] for name in group)) for group in wanted))


as_tensor = tensor  # because `rearrange` has an argument named `tensor`
