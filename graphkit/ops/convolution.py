"""Convolution over one, two or three spatial axes: plain, grouped, depthwise, separable and transposed, with the same code.

There are three primitives, each a derivative of the others: `conv`, which is linear in both arguments, `conv_input_grad`
(also the transposed convolution) and `conv_kernel_grad`. Kernels have Keras' layout: (window..., channels / groups, filters).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Unpack

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError
from graphkit.core.layout import standardize_data_format
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops import _correlate as kernels
from graphkit.ops import _depthwise as depthwise
from graphkit.ops._convert import assume_size, promote, shape_of
from graphkit.ops._correlate import Array, Geometry, Thunk
from graphkit.ops._dispatch import operation
from graphkit.ops._pool import Pool
from graphkit.ops._rules import show
from graphkit.ops._windows import (
    ConvParams,
    Ints,
    Padding,
    channel_axis,
    channels_last,
    check_image_rank,
    check_output,
    image_shape,
    known_padding,
    output_sizes,
    per_axis,
    resolve_padding,
    spatial_axes,
    spatial_sizes,
)

__all__ = ["conv", "conv_transpose", "depthwise_conv", "separable_conv"]

# ----- shapes -----


def _check_operands(op: str, x: TensorSpec, kernel_shape: Shape, groups: int, data_format: str) -> None:
    if x.rank != len(kernel_shape):
        raise ShapeError(
            f"{op}: Kernel shape must have the same length as input, but received kernel of shape {show(kernel_shape)} "
            f"and input of shape {show(x.shape)}."
        )
    channels = x.shape[channel_axis(x.rank, data_format)]
    if isinstance(channels, Dim):
        raise ShapeError(f"{op}: the number of channels of the input of shape {show(x.shape)} must be known.")
    if channels != kernel_shape[-2] * groups:
        raise ShapeError(
            f"{op}: the kernel of shape {show(kernel_shape)} with groups={groups} expects {kernel_shape[-2] * groups} input channels "
            f"({data_format}), but the input of shape {show(x.shape)} has {channels}."
        )


def _same_dtype(op: str, *specs: TensorSpec) -> str:
    if any(s.dtype != specs[0].dtype for s in specs):
        raise DTypeError(f"{op}: the inputs must have the same dtype, got {', '.join(s.dtype for s in specs)}.")
    return specs[0].dtype


def _conv_abstract(x: TensorSpec, kernel: TensorSpec, *bias: TensorSpec, **how: Unpack[ConvParams]) -> TensorSpec:
    data_format = how["data_format"]
    _check_operands("conv", x, kernel.shape, how["groups"], data_format)
    window: Ints = kernel.shape[:-2]  # type: ignore[assignment]
    strides, dilation, padding = how["strides"], how["dilation"], how["padding"]
    outs = output_sizes(spatial_sizes(x.shape, data_format), window, strides, dilation, padding)
    check_output("conv", outs, x.shape, window, strides, dilation, padding)
    shape = image_shape(x.shape[0], outs, kernel.shape[-1], data_format)
    return TensorSpec(shape, _same_dtype("conv", x, kernel, *bias))


def _input_grad_abstract(g: TensorSpec, kernel: TensorSpec, sizes: Shape, **how: Unpack[ConvParams]) -> TensorSpec:
    channels = kernel.shape[-2] * how["groups"]
    shape = image_shape(g.shape[0], sizes, channels, how["data_format"])
    return TensorSpec(shape, _same_dtype("conv_input_grad", g, kernel))


def _kernel_grad_abstract(x: TensorSpec, g: TensorSpec, window: Ints, **how: Unpack[ConvParams]) -> TensorSpec:
    axis = channel_axis(x.rank, how["data_format"])
    channels = x.shape[axis]
    assert isinstance(channels, int)
    return TensorSpec((*window, channels // how["groups"], g.shape[axis]), _same_dtype("conv_kernel_grad", x, g))


# ----- kernels -----


def _geometry(
    x_shape: Sequence[int],
    y_shape: Sequence[int],
    window: Ints,
    strides: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> Geometry:
    """Return the geometry of the convolution from x to y, both channels-last."""
    sizes, outs = tuple(x_shape[1:-1]), tuple(y_shape[1:-1])
    pads = known_padding(padding, sizes, window, strides, dilation)
    return Geometry(
        x_shape[0], sizes, outs, window, strides, dilation, pads, groups, x_shape[-1] // groups, y_shape[-1] // groups
    )


def _last(spec: TensorSpec, data_format: str) -> Ints:
    """Return the shape with the channels last."""
    rank = spec.rank
    order = (0, *spatial_axes(rank, data_format), channel_axis(rank, data_format))
    return tuple(spec.shape[a] for a in order)


def _conv_workspace(specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    x, kernel = specs[:2]
    y = _conv_abstract(x, kernel, **params)
    common = _geometry_params(params)
    g = _geometry(_last(x, params["data_format"]), _last(y, params["data_format"]), kernel.shape[:-2], **common)  # type: ignore[arg-type]
    if depthwise.applies(g):
        return depthwise.scratch_specs(g, x.dtype)
    made = kernels.scratch_specs([g], x.dtype)
    width = g.outs[-1] if len(g.outs) > 1 else 1
    return [*made, TensorSpec((width * g.filters * g.groups,), made[0].dtype)]


def _geometry_params(params: Any) -> dict[str, Any]:
    return {k: params[k] for k in ("strides", "padding", "dilation", "groups")}


def _conv_prepare(
    out: Array, x: Array, kernel: Array, *bias: Array, data_format: str, workspace: list[Array], **params: Any
) -> Thunk:
    x, out = channels_last(x, data_format), channels_last(out, data_format)
    g = _geometry(x.shape, out.shape, kernel.shape[:-2], **params)
    if depthwise.applies(g):
        return kernels.runner(*depthwise.convolve(g, x, kernel, bias[0] if bias else None, out, workspace))
    before, weights = _weights(kernel, g, workspace[0])
    added = None
    if bias:
        # repeat the bias to a whole row of the image: short inner loops would cost more than the additions
        added = workspace[4].reshape(g.groups, -1, g.filters)
        before = [*before, partial(np.copyto, added, bias[0].reshape(g.groups, 1, g.filters), casting="unsafe")]
    return kernels.runner(before, kernels.correlate(g, x, weights, added, out, kernels.buffers_of(workspace)))


def _weights(kernel: Array, g: Geometry, store: Array) -> tuple[list[Thunk], Array]:
    """Return thunks that copy the kernel where needed, and the kernel as ([groups,] depth, filters)."""
    shape = (g.depth, g.filters) if g.groups == 1 else (g.groups, g.depth, g.filters)
    if g.groups == 1 and kernel.flags.c_contiguous and kernel.dtype == store.dtype:
        return [], kernel.reshape(shape)
    split = np.moveaxis(kernel.reshape(*kernel.shape[:-1], g.groups, g.filters), -2, 0)
    held = store[: split.size].reshape(split.shape)
    return [partial(np.copyto, held, split, casting="unsafe")], held.reshape(shape)


class _Phase(NamedTuple):
    """The positions start, start + stride, ... along one axis of an input, and the taps of the kernel that reach them."""

    start: int
    size: int
    taps: slice
    window: int
    dilation: int
    pads: tuple[int, int]


def _phases(size: int, out: int, window: int, stride: int, dilation: int, before: int) -> list[_Phase]:
    """Split the input gradient along one axis into plain correlations of g, one for each position modulo the stride."""
    phases = []
    common = math.gcd(stride, dilation)
    for start in range(min(stride, size)):
        count = (size - start + stride - 1) // stride
        taps = [k for k in range(window) if (start + before - dilation * k) % stride == 0]
        if not taps:
            phases.append(_Phase(start, count, slice(0, 0), 0, 1, (0, 0)))
            continue
        offsets = [(start + before - dilation * k) // stride for k in taps]
        backwards = slice(taps[-1], None if taps[0] == 0 else taps[0] - 1, -(stride // common))
        pads = (-offsets[-1], count - 1 + offsets[0] - (out - 1))
        phases.append(_Phase(start, count, backwards, len(taps), dilation // common, pads))
    return phases


def _phase_geometries(
    x_shape: Sequence[int],
    g_shape: Sequence[int],
    window: Ints,
    strides: Ints,
    padding: Padding,
    dilation: Ints,
    groups: int,
) -> list[tuple[tuple[_Phase, ...], Geometry]]:
    """Return, for each combination of phases of the axes, the correlation of g that gives the input gradient there."""
    pads = known_padding(padding, tuple(x_shape[1:-1]), window, strides, dilation)
    axes = [
        _phases(n, o, k, s, d, before)
        for n, o, k, s, d, (before, _) in zip(
            x_shape[1:-1], g_shape[1:-1], window, strides, dilation, pads, strict=True
        )
    ]
    ones = (1,) * len(window)
    geometries = []
    for phase in itertools.product(*axes):
        geometry = Geometry(
            x_shape[0], tuple(g_shape[1:-1]), tuple(p.size for p in phase), tuple(p.window for p in phase), ones,
            tuple(p.dilation for p in phase), tuple(p.pads for p in phase), groups, g_shape[-1] // groups, x_shape[-1] // groups,
        )  # fmt: skip
        geometries.append((phase, geometry))
    return geometries


def _scatters(g: Geometry) -> bool:
    """Whether adding the input gradient up tap by tap is cheaper than correlating g, which multiplies the zeros around it."""
    plain = g.groups == 1 and g.taps > 1 and set(g.strides) == {1} == set(g.dilation)
    waste = math.prod(g.sizes) > 1.1 * math.prod(g.outs)
    return plain and waste and min(g.channels, g.filters) >= 8


def _input_grad_workspace(specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    g, kernel = specs
    x = _input_grad_abstract(g, kernel, **params)
    data_format = params["data_format"]
    common = _geometry_params(params)
    forward = _geometry(_last(x, data_format), _last(g, data_format), kernel.shape[:-2], **common)  # type: ignore[arg-type]
    if depthwise.applies(forward):
        return depthwise.scratch_specs(forward, g.dtype)
    if _scatters(forward):
        return kernels.scatter_specs(forward, g.dtype)
    phases = _phase_geometries(_last(x, data_format), _last(g, data_format), kernel.shape[:-2], **common)  # type: ignore[arg-type]
    return kernels.scratch_specs([geometry for _, geometry in phases if geometry.taps], g.dtype)


def _input_grad_prepare(
    out: Array, g: Array, kernel: Array, sizes: Ints, data_format: str, workspace: list[Array], **params: Any
) -> Thunk:
    g, out = channels_last(g, data_format), channels_last(out, data_format)
    forward = _geometry(out.shape, g.shape, kernel.shape[:-2], **params)
    if depthwise.applies(forward):
        return kernels.runner(*depthwise.input_gradient(forward, g, kernel, out, workspace))
    if _scatters(forward):
        return _input_grad_scattered(forward, out, g, kernel, workspace)
    before: list[Thunk] = []
    shards: list[list[Thunk]] = []
    used = 0
    for phase, geometry in _phase_geometries(out.shape, g.shape, kernel.shape[:-2], **params):
        target = out[(slice(None), *(slice(p.start, None, s) for p, s in zip(phase, params["strides"], strict=True)))]
        if not geometry.taps:
            before.append(partial(target.fill, 0))
            continue
        copies, weights = _transposed_weights(kernel[tuple(p.taps for p in phase)], geometry, workspace[0][used:])
        used += weights.size
        before += copies
        made = kernels.correlate(geometry, g, weights, None, target, kernels.buffers_of(workspace))
        shards = [[*old, *new] for old, new in itertools.zip_longest(shards, made, fillvalue=())]
    return kernels.runner(before, shards)


def _input_grad_scattered(g: Geometry, out: Array, y: Array, kernel: Array, workspace: list[Array]) -> Thunk:
    weights = workspace[0].reshape(g.taps, g.filters, g.channels)
    first = partial(
        np.copyto, weights.reshape(*g.window, g.filters, g.channels), kernel.swapaxes(-1, -2), casting="unsafe"
    )
    pool = Pool(tuple(range(1, out.ndim - 1)), g.sizes, g.outs, g.window, g.strides, g.pads)
    shards = kernels.scatter(g, list(pool.taps(out.ndim)), y, weights, out, workspace[1:])
    return kernels.runner([first], shards)


def _transposed_weights(kernel: Array, g: Geometry, store: Array) -> tuple[list[Thunk], Array]:
    """Return the (already reversed) taps of the kernel as ([groups,] taps * the convolution's filters, its channels)."""
    split = kernel.reshape(*kernel.shape[:-1], g.groups, g.channels)  # (*taps, filters of g, groups, channels of g)
    rank = len(g.window)
    transposed = split.transpose(rank + 1, *range(rank), rank + 2, rank)
    held = store[: transposed.size].reshape(transposed.shape)
    weights = held.reshape(g.groups, g.depth, g.filters)
    return [partial(np.copyto, held, transposed, casting="unsafe")], weights[0] if g.groups == 1 else weights


def _kernel_grad_workspace(specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    x, y = specs
    data_format = params["data_format"]
    g = _geometry(_last(x, data_format), _last(y, data_format), params["window"], **_geometry_params(params))
    if depthwise.applies(g):
        return depthwise.scratch_specs(g, x.dtype)
    _, *buffers = kernels.scratch_specs([g], x.dtype)
    shards, dtype = buffers[0].shape[0], buffers[0].dtype
    blocks = kernels.most_blocks(g, dtypes.bits(dtype) // 8)
    return [TensorSpec((shards, *_matrix(g)), dtype), *buffers, TensorSpec((shards, blocks, *_matrix(g)), dtype)]


def _matrix(g: Geometry) -> Ints:
    return (g.depth, g.filters) if g.groups == 1 else (g.groups, g.depth, g.filters)


def _kernel_grad_prepare(
    out: Array, x: Array, y: Array, window: Ints, data_format: str, workspace: list[Array], **params: Any
) -> Thunk:
    x, y = channels_last(x, data_format), channels_last(y, data_format)
    g = _geometry(x.shape, y.shape, window, **params)
    if depthwise.applies(g):
        return kernels.runner(*depthwise.kernel_gradient(g, x, y, out, workspace))
    sums, product = workspace[0], workspace[4]
    shards, parts = kernels.correlate_weights(g, x, y, sums, product, kernels.buffers_of(workspace))
    if not parts:
        return partial(out.fill, 0)
    target = np.moveaxis(out.reshape(*out.shape[:-1], g.groups, g.filters), -2, 0)
    views = [part.reshape(target.shape) for part in parts]
    after = [partial(np.add, views[0], view, views[0]) for view in views[1:]]
    return kernels.runner([], shards, [*after, partial(np.copyto, target, views[0], casting="unsafe")])


# ----- primitives -----


def _conv_vjp(g: Any, out: Any, x: Any, kernel: Any, *bias: Any, **params: Any) -> list[Any]:
    data_format = params["data_format"]
    cotangents = [
        lambda: conv_input_grad_p.bind(g, kernel, sizes=spatial_sizes(shape_of(x), data_format), **params),
        lambda: conv_kernel_grad_p.bind(x, g, window=shape_of(kernel)[:-2], **params),
    ]
    return [*cotangents, lambda: _sum_but_channels(g, data_format)] if bias else cotangents


def _sum_but_channels(g: Any, data_format: str) -> Any:
    from graphkit.ops.reduction import sum as reduce_sum

    return reduce_sum(g, axis=[a for a in range(g.ndim) if a != channel_axis(g.ndim, data_format)])


def _input_grad_vjp(h: Any, out: Any, g: Any, kernel: Any, sizes: Shape, **params: Any) -> list[Any]:
    return [
        lambda: conv_p.bind(h, kernel, **params),
        lambda: conv_kernel_grad_p.bind(h, g, window=shape_of(kernel)[:-2], **params),
    ]


def _kernel_grad_vjp(h: Any, out: Any, x: Any, g: Any, window: Ints, **params: Any) -> list[Any]:
    data_format = params["data_format"]
    return [
        lambda: conv_input_grad_p.bind(g, h, sizes=spatial_sizes(shape_of(x), data_format), **params),
        lambda: conv_p.bind(x, h, **params),
    ]


conv_p: Primitive = primitive(
    "conv",  # (x, kernel[, bias]); padding: pairs, or "same" if they depend on an unknown size
    _conv_abstract,
    prepare=_conv_prepare,
    workspace=_conv_workspace,
    vjp=_conv_vjp,
    sums=True,
)

conv_input_grad_p: Primitive = primitive(
    "conv_input_grad",  # (g, kernel): the gradient of <g, conv> w.r.t. the input of `conv`, of spatial sizes `sizes`
    _input_grad_abstract,
    prepare=_input_grad_prepare,
    workspace=_input_grad_workspace,
    vjp=_input_grad_vjp,
    sums=True,
)

conv_kernel_grad_p: Primitive = primitive(
    "conv_kernel_grad",  # (x, g): the gradient of <g, conv> w.r.t. the kernel of `conv`
    _kernel_grad_abstract,
    prepare=_kernel_grad_prepare,
    workspace=_kernel_grad_workspace,
    vjp=_kernel_grad_vjp,
    sums=True,
)


# ----- public -----


def _operands(op: str, inputs: Any, *kernels_: Any) -> tuple[Any, ...]:
    tensors = promote(inputs, *kernels_)
    check_image_rank(op, shape_of(tensors[0]))
    return tensors


def _conv(
    x: Any, kernel: Any, bias: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any, groups: int
) -> Any:
    rank = x.ndim - 2
    layout = standardize_data_format(data_format)
    steps, dilation = per_axis(strides, rank, "strides"), per_axis(dilation_rate, rank, "dilation_rate")
    if str(padding).lower() in ("same", "causal") and kernel.ndim == x.ndim:
        for axis in range(rank):
            kernel = assume_size(kernel, axis, 1)  # the size of the result does not depend on the window
    window = shape_of(kernel)[: x.ndim - 2]
    pads: Padding = "same"
    if len(window) == rank:
        pads = resolve_padding(padding, spatial_sizes(shape_of(x), layout), window, steps, dilation)  # type: ignore[arg-type]
    operands = (x, kernel) if bias is None else (x, kernel, bias)
    return conv_p.bind(*operands, strides=steps, padding=pads, dilation=dilation, groups=groups, data_format=layout)


def _fitting(x: Any, kernel: Any, data_format: Any, axis: int = -2) -> tuple[Any, Any]:
    """Where only shapes are inferred, take an unknown number of channels as the one that fits the other operand.

    Args:
        axis: the axis of the channels in the kernel.
    """
    if kernel.ndim != x.ndim:
        return x, kernel
    place, depth = channel_axis(x.ndim, standardize_data_format(data_format)), shape_of(kernel)[axis]
    x = assume_size(x, place, depth if isinstance(depth, int) else 1)
    return x, assume_size(kernel, kernel.ndim + axis, shape_of(x)[place])


def _groups(x: Any, kernel: Any, data_format: Any) -> int:
    """Return input channels / kernel channels: Keras infers the number of groups from the shapes.

    Raises:
        ShapeError: the channels or the filters are not divisible.
    """
    channels = shape_of(x)[channel_axis(x.ndim, standardize_data_format(data_format))]
    if kernel.ndim != x.ndim or not isinstance(channels, int):
        return 1  # the abstract rule raises
    depth, filters = shape_of(kernel)[-2:]
    if depth == channels:
        return 1
    if not isinstance(depth, int) or not isinstance(filters, int) or not depth or channels % depth:
        raise ShapeError(
            f"The number of input channels must be evenly divisible by kernel's in_channels. "
            f"Received input channels {channels} and kernel in_channels {depth}."
        )
    groups = channels // depth
    if groups and filters % groups:
        raise ShapeError(
            f"conv: the kernel's {filters} filters must be a multiple of the {groups} groups (the input has {channels} channels)."
        )
    return max(groups, 1)


@operation("Conv", "nn", tensors="inputs kernel")
def conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: Any = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Any:
    """Convolve `inputs` with `kernel`.

    Args:
        inputs: (batch, *spatial, channels), or (batch, channels, *spatial) for channels-first data, with 1 to 3
            spatial axes.
        kernel: (*window, channels / groups, filters); the number of groups follows from the shapes.
        strides: an int, or one for each spatial axis.
        padding: "valid", "same", "causal", or a pair (before, after) for each spatial axis.
        data_format: "channels_last", "channels_first", or None for the default.
        dilation_rate: an int, or one for each spatial axis.

    Raises:
        ShapeError: the shapes do not fit each other, or a window is larger than the input.
        InvalidArgumentError: `strides`, `padding`, `data_format` or `dilation_rate` is invalid.

    Source: keras.ops.conv.
    """
    x, k = _operands("conv", inputs, kernel)
    x, k = _fitting(x, k, data_format)
    return _conv(x, k, None, strides, padding, data_format, dilation_rate, _groups(x, k, data_format))


_SETTINGS = {"strides": 1, "padding": "valid", "data_format": None, "dilation_rate": 1}


def conv_with_bias(inputs: Any, kernel: Any, bias: Any, **options: Any) -> Any:
    """Compute `conv` and add `bias` (filters,) in the same pass; None means no bias. Used by layers."""
    if bias is None:
        return conv(inputs, kernel, **options)
    x, k, b = _operands("conv", inputs, kernel, bias)
    settings = {**_SETTINGS, **options}
    x, k = _fitting(x, k, settings["data_format"])
    return _conv(x, k, b, **settings, groups=_groups(x, k, settings["data_format"]))


def _depthwise_kernel(kernel: Any) -> Any:
    """Reshape (*window, channels, multiplier) to the kernel of a convolution in groups of one channel."""
    from graphkit.ops.shaping import reshape

    *window, channels, multiplier = shape_of(kernel)
    return reshape(kernel, (*window, 1, channels * multiplier))


@operation("DepthwiseConv", "nn", tensors="inputs kernel")
def depthwise_conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: Any = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Any:
    """Convolve each channel with its own filters.

    Args:
        inputs: (batch, *spatial, channels), or (batch, channels, *spatial) for channels-first data, with 1 to 3
            spatial axes.
        kernel: (*window, channels, multiplier).
        strides: an int, or one for each spatial axis.
        padding: "valid", "same", "causal", or a pair (before, after) for each spatial axis.
        data_format: "channels_last", "channels_first", or None for the default.
        dilation_rate: an int, or one for each spatial axis.

    Raises:
        ShapeError: the shapes do not fit each other, or a window is larger than the input.
        InvalidArgumentError: `strides`, `padding`, `data_format` or `dilation_rate` is invalid.

    Source: keras.ops.depthwise_conv.
    """
    options = {"strides": strides, "padding": padding, "data_format": data_format, "dilation_rate": dilation_rate}
    return depthwise_with_bias(inputs, kernel, None, **options)


def depthwise_with_bias(inputs: Any, kernel: Any, bias: Any, **options: Any) -> Any:
    """Compute `depthwise_conv` and add `bias` in the same pass; None means no bias. Used by layers."""
    settings = {**_SETTINGS, **options}
    operands = _operands("depthwise_conv", inputs, kernel, *([] if bias is None else [bias]))
    x, k = _fitting(operands[0], operands[1], settings["data_format"])
    channels = shape_of(x)[channel_axis(x.ndim, standardize_data_format(settings["data_format"]))]
    if k.ndim != x.ndim or shape_of(k)[-2] != channels:
        raise ShapeError(
            f"depthwise_conv: the kernel must have shape (*window, {channels}, multiplier) for the input of shape "
            f"{show(shape_of(x))}, got {show(shape_of(k))}."
        )
    added = operands[2] if bias is not None else None
    groups = channels if isinstance(channels, int) else 1
    return _conv(x, _depthwise_kernel(k), added, **settings, groups=groups)


@operation("SeparableConv", "nn", tensors="inputs depthwise_kernel pointwise_kernel")
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> Any:
    """Apply a depthwise convolution, then a pointwise one that mixes the channels.

    Args:
        inputs: (batch, *spatial, channels), or (batch, channels, *spatial) for channels-first data, with 1 to 3
            spatial axes.
        depthwise_kernel: (*window, channels, multiplier).
        pointwise_kernel: (1, ..., channels * multiplier, filters).
        strides: an int, or one for each spatial axis.
        padding: "valid", "same", "causal", or a pair (before, after) for each spatial axis.
        data_format: "channels_last", "channels_first", or None for the default.
        dilation_rate: an int, or one for each spatial axis.

    Raises:
        ShapeError: the shapes do not fit each other, or a window is larger than the input.
        InvalidArgumentError: `strides`, `padding`, `data_format` or `dilation_rate` is invalid.

    Source: keras.ops.separable_conv.
    """
    between = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(between, pointwise_kernel, 1, "valid", data_format, 1)


def transposed_axis(
    window: int, stride: int, dilation: int, padding: str, output_padding: int | None
) -> tuple[int, int]:
    """Return (before, total): the number of elements cropped from the full result of a transposed convolution, at the start and in all.

    The full result has size (n - 1) * stride + span. A negative total adds positions at the end. Without `output_padding` the
    size is, as in Keras, n * stride for "same" and (n - 1) * stride + max(span, stride) for "valid".

    Source: keras.ops.conv_transpose.
    """
    span = (window - 1) * dilation + 1
    if padding == "valid":
        extra = max(span, stride) - span if output_padding is None else output_padding
        return 0, -extra
    whole = stride + span - 2 if output_padding is None else span + span % 2 - 2 + output_padding
    left = min(whole // 2 + whole % 2, span - 1)
    return span - 1 - left, 2 * (span - 1) - whole


@operation("ConvTranspose", "nn", tensors="inputs kernel")
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    output_padding: Any = None,
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> Any:
    """Compute the transposed convolution.

    Args:
        inputs: (batch, *spatial, channels), or (batch, channels, *spatial) for channels-first data, with 1 to 3
            spatial axes.
        kernel: (*window, filters, channels).
        strides: an int, or one for each spatial axis.
        padding: "valid" or "same".
        output_padding: what to add to the size of the output: an int, or one for each spatial axis; None is the
            default of `padding`.
        data_format: "channels_last", "channels_first", or None for the default.
        dilation_rate: an int, or one for each spatial axis.

    Raises:
        ShapeError: the shapes do not fit each other, or a window is larger than the input.
        InvalidArgumentError: `strides`, `padding`, `data_format` or `dilation_rate` is invalid.

    Source: keras.ops.conv_transpose.
    """
    x, k = _operands("conv_transpose", inputs, kernel)
    x, k = _fitting(x, k, data_format, axis=-1)
    rank, layout = x.ndim - 2, standardize_data_format(data_format)
    word = str(padding).lower()
    if word not in ("valid", "same"):
        raise InvalidArgumentError(
            f"The `padding` argument must be one of 'valid', 'same'. Received: padding={padding}"
        )
    if k.ndim != x.ndim or shape_of(k)[-1] != shape_of(x)[channel_axis(x.ndim, layout)]:
        raise ShapeError(
            f"conv_transpose: the kernel must have shape (*window, filters, channels) with as many channels as the input of shape "
            f"{show(shape_of(x))} ({layout}), got {show(shape_of(k))}."
        )
    steps, dilation = per_axis(strides, rank, "strides"), per_axis(dilation_rate, rank, "dilation_rate")
    extra = (
        (None,) * rank if output_padding is None else per_axis(output_padding, rank, "output_padding", allow_zero=True)
    )
    window: Ints = shape_of(k)[:-2]  # type: ignore[assignment]
    pads, sizes = [], []
    for n, w, s, d, o in zip(spatial_sizes(shape_of(x), layout), window, steps, dilation, extra, strict=True):
        before, total = transposed_axis(w, s, d, word, o)
        sizes.append((n - 1) * s + (w - 1) * d + 1 - total)
        after = total - before
        pads.append((before, 0 if -s < after < 0 else after))  # a stride can skip up to s - 1 positions at the end
    check_output("conv_transpose", tuple(sizes), shape_of(x), window, steps, dilation, word)
    return conv_input_grad_p.bind(
        x, k, sizes=tuple(sizes), strides=steps, padding=tuple(pads), dilation=dilation, groups=1, data_format=layout
    )
