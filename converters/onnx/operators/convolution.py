"""Convolutions and pooling, channels first. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnknownSizeError, UnsupportedError
from graphkit.ops._convert import dtype_name
from graphkit.ops.convolution import conv_input_grad_p

from .known import shape_of
from .shaping import bounded, rank
from .table import NodeCall, operator

Pairs = list[tuple[int, int]]
_FIRST = "channels_first"
_MAX_AXES = 3  # spatial axes of a convolution of ops


def pairs(
    auto_pad: str,
    pads: Sequence[int] | None,
    sizes: Sequence[Any],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Pairs:
    """Return the padding (before, after) of each spatial axis."""
    if auto_pad in ("NOTSET", "", None):
        given = list(pads or [0] * 2 * len(window))
        return list(zip(given[: len(window)], given[len(window) :], strict=True))
    if auto_pad == "VALID":
        return [(0, 0)] * len(window)
    found = []
    for n, w, s, d in zip(sizes, window, strides, dilations, strict=True):
        if isinstance(n, Dim) and s > 1:
            raise UnknownSizeError(
                f"auto_pad={auto_pad!r} requires sizes that are known while the graph is traced; give the input a fixed shape."
            )
        total = max((-(-n // s) - 1) * s + (w - 1) * d + 1 - n, 0)
        small = total // 2
        found.append((small, total - small) if auto_pad == "SAME_UPPER" else (total - small, small))
    return found


def _is_same_of_free_sizes(auto_pad: str, sizes: Sequence[Any]) -> bool:
    """Return whether the padding is Keras' "same", and must be stated so, since its widths are not known."""
    return auto_pad == "SAME_UPPER" and any(isinstance(n, Dim) for n in sizes)


def kernel_last(weights: Any) -> Any:
    """Return ONNX' (filters, channels, *window) as Keras' (*window, channels, filters)."""
    total = rank(weights)
    return ops.transpose(weights, (*range(2, total), 1, 0))


@operator("Conv")
def conv(
    x: Any,
    weights: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """Convolve channels-first images."""
    window = list(shape_of(weights)[2:])
    count = len(window)
    if kernel_shape is not None and list(kernel_shape) != window:
        raise ShapeError(f"kernel_shape {list(kernel_shape)} differs from the window {window} of the weights.")
    steps, dilation = tuple(strides or (1,) * count), tuple(dilations or (1,) * count)
    if shape_of(x)[1] != shape_of(weights)[1] * group:
        raise ShapeError(
            f"the input has {shape_of(x)[1]} channels; {group} groups of {shape_of(weights)[1]} are expected."
        )
    padding: Any = "same"
    if not _is_same_of_free_sizes(auto_pad, shape_of(x)[2:]):
        padding = pairs(auto_pad, pads, shape_of(x)[2:], window, steps, dilation)
    if any(p < 0 for pair in padding if padding != "same" for p in pair):
        raise InvalidArgumentError(f"Conv expects pads of at least 0, got {pads}.")
    if count > _MAX_AXES:
        return _conv_of_many_axes(x, weights, bias, steps, padding, dilation, group)
    kernel = kernel_last(weights)
    if bias is None:
        return ops.cast(ops.conv(x, kernel, steps, padding, _FIRST, dilation), dtype_name(x))
    return ops.cast(
        ops.conv_with_bias(x, kernel, bias, strides=steps, padding=padding, data_format=_FIRST, dilation_rate=dilation)
        if hasattr(ops, "conv_with_bias")
        else ops.add(ops.conv(x, kernel, steps, padding, _FIRST, dilation), ops.reshape(bias, (-1, *[1] * count))),
        dtype_name(x),
    )


def _conv_of_many_axes(
    x: Any, weights: Any, bias: Any, steps: Sequence[int], padding: Any, dilation: Sequence[int], group: int
) -> Any:
    """Convolve images of more than three spatial axes: an axis along which single elements are taken becomes part of the batch.

    Raises:
        UnsupportedError: there is no such axis.
    """
    window = shape_of(weights)[2:]
    free = [
        a
        for a, (k, s) in enumerate(zip(window, steps, strict=True))
        if k == s == 1 and (padding == "same" or not any(padding[a]))
    ]
    if not free:
        raise UnsupportedError(
            f"a convolution over {len(window)} axes is supported only if its window has size 1 along all but {_MAX_AXES} of them."
        )
    axis = free[-1]

    def without(values: Sequence[Any]) -> list[Any]:
        return [v for a, v in enumerate(values) if a != axis]

    batch, size = shape_of(x)[0], shape_of(x)[2 + axis]
    moved = ops.moveaxis(x, 2 + axis, 1)
    images = ops.reshape(moved, (batch * size, *shape_of(moved)[2:]))
    made = conv(
        images, ops.squeeze(weights, 2 + axis), bias, group=group, strides=without(steps), dilations=without(dilation),
        **({"auto_pad": "SAME_UPPER"} if padding == "same" else {"pads": [p[side] for side in (0, 1) for p in without(padding)]}),
    )  # fmt: skip
    apart = ops.reshape(made, (batch, size, *shape_of(made)[1:]))
    return ops.moveaxis(apart, 1, 2 + axis)


@operator("ConvTranspose")
def conv_transpose(
    x: Any,
    weights: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    output_padding: Any = None,
    output_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """Compute a transposed convolution of channels-first images."""
    channels, taken = shape_of(x)[1], shape_of(weights)[0]
    if (isinstance(channels, int) and channels != taken) or group < 1 or taken % group:
        raise ShapeError(
            f"weights of shape {shape_of(weights)} and group={group} do not fit an input of {channels} channels."
        )
    window = list(shape_of(weights)[2:])
    count = len(window)
    steps, dilation = tuple(strides or (1,) * count), tuple(dilations or (1,) * count)
    extra = list(output_padding or (0,) * count)
    sizes = shape_of(x)[2:]
    full = [
        (n - 1) * s + (w - 1) * d + 1 + o for n, s, w, d, o in zip(sizes, steps, window, dilation, extra, strict=True)
    ]
    if output_shape or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        wanted = list(output_shape)[-count:] if output_shape else [n * s for n, s in zip(sizes, steps, strict=True)]
        totals = [f - w for f, w in zip(full, wanted, strict=True)]
        upper = auto_pad == "SAME_UPPER"
        cut = [(t // 2, t - t // 2) if upper else (t - t // 2, t // 2) for t in totals]
    else:
        cut = pairs("NOTSET" if auto_pad == "VALID" else auto_pad, pads, sizes, window, steps, dilation)
    result = tuple(f - b - a for f, (b, a) in zip(full, cut, strict=True))
    kernel = ops.transpose(weights, (*range(2, count + 2), 1, 0))  # (*window, filters / group, channels)
    made = _transposed(
        x, kernel, result, steps, [(b, a - o) for (b, a), o in zip(cut, extra, strict=True)], dilation, group
    )
    return made if bias is None else ops.add(made, ops.reshape(bias, (-1, *[1] * count)))


def _transposed(x: Any, kernel: Any, sizes: Any, steps: Any, padding: Pairs, dilation: Any, group: int) -> Any:
    """Return the gradient of a convolution by its input, group by group."""
    xs = ops.split(x, group, axis=1) if group > 1 else [x]
    ks = ops.split(kernel, group, axis=-1) if group > 1 else [kernel]
    made = [
        conv_input_grad_p.bind(
            a,
            k,
            sizes=tuple(sizes),
            strides=tuple(steps),
            padding=tuple(padding),
            dilation=tuple(dilation),
            groups=1,
            data_format=_FIRST,
        )
        for a, k in zip(xs, ks, strict=True)
    ]
    return made[0] if group == 1 else ops.concatenate(made, axis=1)


@operator("DeformConv", since=19)
def deform_conv(
    x: Any,
    weights: Any,
    offset: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    offset_group: int = 1,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """Convolve images that are sampled beside the window's places, by offsets, each weighted by a mask."""
    from .resizing import interpolated

    batch, channels = shape_of(x)[:2]
    filters, _, *window = shape_of(weights)
    count, taps = len(window), int(np.prod(window))
    steps, dilation = tuple(strides or (1,) * count), tuple(dilations or (1,) * count)
    padding = pairs("NOTSET", pads, (), window, steps, dilation)
    out = shape_of(offset)[2:]
    moves = ops.reshape(offset, (-1, taps, count, *out))
    grid = np.meshgrid(*(np.arange(n) * s - b for n, s, (b, _) in zip(out, steps, padding, strict=True)), indexing="ij")
    places = []
    for axis, inside in enumerate(
        np.meshgrid(*(np.arange(w) * d for w, d in zip(window, dilation, strict=True)), indexing="ij")
    ):
        fixed = inside.reshape(-1, *[1] * count) + grid[axis]
        places.append(ops.add(moves[:, :, axis], fixed.astype(dtypes.to_numpy(dtype_name(offset)))))
    images = ops.reshape(x, (-1, channels // offset_group, *shape_of(x)[2:]))
    sampled = interpolated(images, places, "linear", "zeros")  # (batch * offset groups, channels, taps, *out)
    if mask is not None:
        sampled = ops.multiply(sampled, ops.reshape(mask, (-1, 1, taps, *out)))
    columns = ops.reshape(sampled, (batch, group, channels // group * taps, -1))
    kernel = ops.reshape(weights, (group, filters // group, -1))
    made = ops.reshape(ops.matmul(kernel, columns), (batch, filters, *out))
    return made if bias is None else ops.add(made, ops.reshape(bias, (-1, *[1] * count)))


# ----- pooling -----


def _windowed(
    x: Any, auto_pad: str, ceil_mode: int, dilations: Any, window: Sequence[int], pads: Any, strides: Any
) -> tuple[tuple[int, ...], tuple[int, ...], Pairs, Pairs]:
    """Return strides, dilations, the padding as given, and the padding with what `ceil_mode` adds at the end."""
    count = len(window)
    steps, dilation = tuple(strides or (1,) * count), tuple(dilations or (1,) * count)
    sizes = shape_of(x)[2:]
    given = pairs(auto_pad, pads, sizes, window, steps, dilation)
    if not ceil_mode or auto_pad not in ("NOTSET", "", None):
        return steps, dilation, given, given
    padded = []
    for n, w, s, d, (before, after) in zip(sizes, window, steps, dilation, given, strict=True):
        span = (w - 1) * d + 1
        if isinstance(n, Dim):
            if after + s > span:  # the number of windows depends on the size
                raise UnknownSizeError("ceil_mode requires sizes that are known while the graph is traced.")
            padded.append((before, after + s - 1))
            continue
        out = -(-(n + before + after - span) // s) + 1
        if (out - 1) * s >= n + before:  # a window must start inside of the input or its front padding
            out -= 1
        padded.append((before, max((out - 1) * s + span - n - before, after)))
    return steps, dilation, given, padded


def _is_plain_same(x: Any, auto_pad: str, dilations: Any) -> bool:
    return _is_same_of_free_sizes(auto_pad, shape_of(x)[2:]) and all(d == 1 for d in dilations or ())


def _pad(x: Any, padding: Pairs, value: Any) -> Any:
    if all(pair == (0, 0) for pair in padding):
        return x
    bounded([*shape_of(x)[:2], *(n + b + a for n, (b, a) in zip(shape_of(x)[2:], padding, strict=True))])
    return ops.pad(x, [(0, 0), (0, 0), *padding], constant_values=value)


def _lowest(dtype: str) -> Any:
    return np.iinfo(dtype).min if dtypes.is_int(dtype) else -np.inf


def _taps(
    x: Any, window: Sequence[int], steps: Sequence[int], dilation: Sequence[int]
) -> tuple[list[Any], list[tuple[int, ...]]]:
    """Return the elements at each place of the window, for all windows, and the places."""
    counts = [
        (n - (w - 1) * d - 1) // s + 1 for n, w, d, s in zip(shape_of(x)[2:], window, dilation, steps, strict=True)
    ]
    made, places = [], []
    for place in product(*map(range, window)):
        key = tuple(
            slice(p * d, p * d + (c - 1) * s + 1, s) for p, d, c, s in zip(place, dilation, counts, steps, strict=True)
        )
        made.append(x[(slice(None), slice(None), *key)])
        places.append(place)
    return made, places


@operator("MaxPool", takes_node=True)
def max_pool(
    node: NodeCall,
    x: Any,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    kernel_shape: Any,
    pads: Any = None,
    storage_order: int = 0,
    strides: Any = None,
) -> Any:
    """Return the largest element of each window, and its position in the input."""
    if node.outputs < 2 and _is_plain_same(x, auto_pad, dilations):
        return ops.max_pool(x, tuple(kernel_shape), tuple(strides or (1,) * len(kernel_shape)), "same", _FIRST)
    steps, dilation, _, padding = _windowed(x, auto_pad, ceil_mode, dilations, kernel_shape, pads, strides)
    if node.outputs < 2 and all(d == 1 for d in dilation) and 1 <= len(kernel_shape) <= 3:
        return ops.max_pool(_pad(x, padding, _lowest(dtype_name(x))), tuple(kernel_shape), steps, "valid", _FIRST)
    taps, places = _taps(_pad(x, padding, _lowest(dtype_name(x))), kernel_shape, steps, dilation)
    stacked = ops.stack(taps)
    best = ops.max(stacked, axis=0)
    if node.outputs < 2:
        return best
    return best, _positions(x, ops.argmax(stacked, axis=0), places, steps, dilation, padding, storage_order)


def _positions(x: Any, chosen: Any, places: Any, steps: Any, dilation: Any, padding: Pairs, storage_order: int) -> Any:
    """Return the flat position in the input of the chosen place of each window."""
    sizes = shape_of(x)
    coordinates = []
    for axis in range(len(steps)):
        offsets = np.array([p[axis] * dilation[axis] for p in places], np.int64)
        starts = ops.multiply(ops.arange(shape_of(chosen)[axis + 2], dtype="int64"), steps[axis])
        starts = ops.reshape(starts, [-1 if i == axis + 2 else 1 for i in range(len(sizes))])
        coordinates.append(ops.subtract(ops.add(ops.take(offsets, chosen, axis=0), starts), padding[axis][0]))
    order = list(range(len(steps)))
    if storage_order:
        order = order[::-1]
    flat: Any = 0
    for axis in order:
        flat = ops.add(ops.multiply(flat, sizes[axis + 2]), coordinates[axis])
    base = ops.reshape(ops.arange(sizes[0] * sizes[1], dtype="int64"), (sizes[0], sizes[1], *[1] * len(steps)))
    return ops.cast(ops.add(flat, ops.multiply(base, math.prod(sizes[2:]))), "int64")


@operator("AveragePool")
def average_pool(
    x: Any,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Any = None,
    kernel_shape: Any,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """Average each window; padding counts only with `count_include_pad`."""
    if not count_include_pad and _is_plain_same(x, auto_pad, dilations):
        return ops.average_pool(x, tuple(kernel_shape), tuple(strides or (1,) * len(kernel_shape)), "same", _FIRST)
    steps, dilation, given, padding = _windowed(x, auto_pad, ceil_mode, dilations, kernel_shape, pads, strides)
    if all(pair == (0, 0) for pair in padding) and all(d == 1 for d in dilation):
        return ops.average_pool(x, tuple(kernel_shape), steps, "valid", _FIRST)
    if not count_include_pad and all(d == 1 for d in dilation) and len(kernel_shape) <= 3:
        return ops.average_pool(x, tuple(kernel_shape), steps, padding, _FIRST)  # padding does not count
    if padding == given and all(d == 1 for d in dilation) and len(kernel_shape) <= 3:
        return ops.average_pool(_pad(x, padding, 0), tuple(kernel_shape), steps, "valid", _FIRST)
    total = _sum_of(ops.stack(_taps(_pad(x, padding, 0), kernel_shape, steps, dilation)[0]))
    ones = ops.ones((1, 1, *shape_of(x)[2:]), dtype=dtype_name(x))
    if count_include_pad:
        ones = _pad(ones, given, 1)
        padding = [(b - gb, a - ga) for (b, a), (gb, ga) in zip(padding, given, strict=True)]
    counts = _sum_of(ops.stack(_taps(_pad(ones, padding, 0), kernel_shape, steps, dilation)[0]))
    return ops.true_divide(total, counts)


def _sum_of(stacked: Any) -> Any:
    return ops.sum(stacked, axis=0)


@operator("LpPool")
def lp_pool(
    x: Any,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    kernel_shape: Any,
    p: float = 2,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """Return the p-norm of each window."""
    steps, dilation, _, padding = _windowed(x, auto_pad, ceil_mode, dilations, kernel_shape, pads, strides)
    taps, _ = _taps(_pad(x, padding, 0), kernel_shape, steps, dilation)
    return ops.power(_sum_of(ops.power(ops.abs(ops.stack(taps)), float(p))), 1.0 / float(p))


def _over_space(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any) -> Any:
        return function(x, axis=tuple(range(2, rank(x))), keepdims=True)

    return call


operator("GlobalAveragePool")(_over_space(ops.mean))
operator("GlobalMaxPool")(_over_space(ops.max))


@operator("GlobalLpPool")
def global_lp_pool(x: Any, *, p: float = 2) -> Any:
    """Return the p-norm over all spatial axes."""
    total = ops.sum(ops.power(ops.abs(x), float(p)), axis=tuple(range(2, rank(x))), keepdims=True)
    return ops.power(total, 1.0 / float(p))


@operator("MaxUnpool")
def max_unpool(
    x: Any, places: Any, output_shape: Any = None, *, kernel_shape: Any, pads: Any = None, strides: Any = None
) -> Any:
    """Put elements at flat positions of a larger tensor of zeros."""
    count = len(kernel_shape)
    steps = strides or (1,) * count
    padding = pairs("NOTSET", pads, (), kernel_shape, steps, steps)
    sizes = [
        (n - 1) * s - b - a + k for n, s, (b, a), k in zip(shape_of(x)[2:], steps, padding, kernel_shape, strict=True)
    ]
    inferred = (*shape_of(x)[:2], *sizes)
    wanted = inferred if output_shape is None else tuple(int(n) for n in np.asarray(output_shape))
    if wanted != inferred:  # positions are those of the inferred shape
        per_image, target = int(np.prod(inferred[2:])), int(np.prod(wanted[2:]))
        image, inside = ops.floor_divide(places, per_image), ops.mod(places, per_image)
        coordinates, rest = [], inside
        for n in reversed(inferred[2:]):
            coordinates.append(ops.mod(rest, n))
            rest = ops.floor_divide(rest, n)
        flat: Any = 0
        for n, coordinate in zip(wanted[2:], reversed(coordinates), strict=True):
            flat = ops.add(ops.multiply(flat, n), coordinate)
        places = ops.add(ops.multiply(image, target), flat)
    flat_places = ops.reshape(places, (-1, 1))
    made = ops.scatter_update(
        ops.zeros((int(np.prod(wanted)),), dtype=dtype_name(x)), flat_places, ops.reshape(x, (-1,))
    )
    return ops.reshape(made, wanted)


@operator("Col2Im")
def col2im(
    x: Any, image_shape: Any, block_shape: Any, *, dilations: Any = None, pads: Any = None, strides: Any = None
) -> Any:
    """Add up blocks at their places in an image."""
    image, block = [int(n) for n in np.asarray(image_shape)], [int(n) for n in np.asarray(block_shape)]
    count = len(block)
    steps, dilation = strides or (1,) * count, dilations or (1,) * count
    padding = pairs("NOTSET", pads, (), block, steps, dilation)
    batch, depth, _ = shape_of(x)
    channels = depth // int(np.prod(block))
    counts = [
        (n + b + a - (k - 1) * d - 1) // s + 1
        for n, (b, a), k, d, s in zip(image, padding, block, dilation, steps, strict=True)
    ]
    columns = ops.reshape(x, (batch, channels, *block, *counts))
    full = [n + b + a for n, (b, a) in zip(image, padding, strict=True)]
    made: Any = ops.zeros((batch, channels, *full), dtype=dtype_name(x))
    for place in product(*map(range, block)):
        part = columns[(slice(None), slice(None), *place)]
        for axis, (p, d, s, c, n) in enumerate(zip(place, dilation, steps, counts, full, strict=True)):
            rows = np.full(n, c, np.int64)
            rows[np.arange(c) * s + p * d] = np.arange(c)
            zeros = ops.zeros_like(ops.take(part, [0], axis=axis + 2))
            part = ops.take(ops.concatenate([part, zeros], axis=axis + 2), rows, axis=axis + 2)
        made = ops.add(made, part)
    return made[(slice(None), slice(None), *(slice(b, b + n) for n, (b, _) in zip(image, padding, strict=True)))]
