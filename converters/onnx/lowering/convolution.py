"""Convolution and its two derivatives, all channels-first when they are lowered (see `layout`)."""

from __future__ import annotations

from typing import Any, Unpack

from graphkit.core.dims import Shape, Size
from graphkit.core.errors import ExportError
from graphkit.ops._windows import ConvParams, Ints, Padding, reach, resolve_padding

from ..builder import GraphBuilder, Input, Operand
from ..dims import shape_vector
from ..registry import lowering


def channels_first_kernel(b: GraphBuilder, kernel: Operand) -> Any:
    """Transpose a kernel from (*window, channels, filters) to (filters, channels, *window)."""
    rank = kernel.rank
    return b.transpose(kernel, (rank - 1, rank - 2, *range(rank - 2)))


def cropped(b: GraphBuilder, x: Operand, pads: Any) -> tuple[Input, Any]:
    """Turn negative pads, which crop, into a Slice. Returns the image and the remaining pads, all 0 or more."""
    low = [-min(before, 0) for before, _ in pads]
    high = [-min(after, 0) for _, after in pads]
    axes = [a for a in range(len(low)) if low[a] or high[a]]
    if not axes:
        return x, pads
    starts, stops = b.ints(low[a] for a in axes), b.ints(-high[a] if high[a] else 2**62 for a in axes)
    cut = b.op("Slice", x, starts, stops, b.ints(a + 2 for a in axes))
    return cut, tuple((max(before, 0), max(after, 0)) for before, after in pads)


def pad_attributes(padding: Any) -> dict[str, Any]:
    """Return pairs as ONNX' `pads` (all starts, then all ends); "same" as `auto_pad`, which pads the end more, as Keras does."""
    if isinstance(padding, str):
        return {"auto_pad": "SAME_UPPER"}
    pads = [before for before, _ in padding] + [after for _, after in padding]
    return {"pads": pads} if any(pads) else {}


@lowering("conv")
def _conv(b: GraphBuilder, x: Operand, kernel: Operand, *bias: Operand, **how: Unpack[ConvParams]) -> Any:
    padding = how["padding"]
    image, pads = (x, padding) if isinstance(padding, str) else cropped(b, x, padding)
    window = [k for k in kernel.shape[:-2] if isinstance(k, int)]
    return b.op(
        "Conv", image, channels_first_kernel(b, kernel), *bias, kernel_shape=window, strides=list(how["strides"]),
        dilations=list(how["dilation"]), group=how["groups"], **pad_attributes(pads),
    )  # fmt: skip


@lowering("conv_input_grad")
def _conv_input_grad(b: GraphBuilder, g: Operand, kernel: Operand, *, sizes: Shape, **how: Unpack[ConvParams]) -> Any:
    strides, dilation = how["strides"], how["dilation"]
    window: Ints = tuple(k for k in kernel.shape[:-2] if isinstance(k, int))
    pads = pads_of(how["padding"], sizes, window, strides, dilation)
    weights = channels_first_kernel(b, kernel)
    return transposed(b, g, weights, g.shape, sizes, window, strides, pads, dilation, how["groups"])


def transposed(
    b: GraphBuilder, g: Input, kernel: Input, shape: Shape, sizes: Shape, window: Ints, strides: Ints, pads: Any, dilation: Ints,
    groups: int,
) -> Any:  # fmt: skip
    """Write a ConvTranspose whose full result is cropped or zero-padded to `sizes`.

    Args:
        b: the graph to write to.
        g: the input, (batch, filters, *spatial).
        kernel: (filters, channels / groups, *window).
        shape: of `g`.
        sizes: the spatial sizes of the result.
        window: the spatial sizes of the kernel.
        strides: of the convolution that it transposes; so are `pads`, `dilation` and `groups`.
        pads: (before, after) for each spatial axis; negative ones crop the image of the convolution.
        dilation: of the kernel.
        groups: of channels.
    """
    before = [low for low, _ in pads]
    full = [(n - 1) * s + span for n, s, span in zip(shape[2:], strides, reach(window, dilation), strict=True)]
    after = [f - low - n for f, low, n in zip(full, before, sizes, strict=True)]
    attributes: dict[str, Any] = {
        "kernel_shape": list(window), "strides": list(strides), "dilations": list(dilation), "group": groups,
    }  # fmt: skip
    if all(
        low >= 0 and isinstance(high, int) and high > -s for low, high, s in zip(before, after, strides, strict=True)
    ):
        cut = [max(int(high), 0) for high in after if isinstance(high, int)]
        extra = [max(-int(high), 0) for high in after if isinstance(high, int)]
        attributes |= {"pads": [*before, *cut]} | ({"output_padding": extra} if any(extra) else {})
        return b.op("ConvTranspose", g, kernel, **attributes)
    whole = b.op("ConvTranspose", g, kernel, **attributes)
    return b.op("Pad", whole, shape_vector(b, [0, 0, *(-low for low in before), 0, 0, *(-high for high in after)]))


def pads_of(padding: Padding, sizes: Shape, window: Ints, strides: Ints, dilation: Ints) -> Any:
    """Return a padding as pairs.

    Raises:
        ExportError: "same" padding depends on an unknown size.
    """
    pads = resolve_padding(padding, sizes, window, strides, dilation)
    if isinstance(pads, str):
        raise ExportError(
            'the gradient of strided windows with padding="same" has pads that ONNX cannot compute from an unknown size. '
            "Give the input a fixed size"
        )
    return pads


@lowering("conv_kernel_grad")
def _conv_kernel_grad(b: GraphBuilder, x: Operand, g: Operand, *, window: Ints, **how: Unpack[ConvParams]) -> Any:
    """Write a convolution of x with g as its kernel, with batch and channels swapped, and strides and dilations swapped."""
    strides, dilation, groups = how["strides"], how["dilation"], how["groups"]
    known = pads_of(how["padding"], x.shape[2:], window, strides, dilation)
    image, pads = cropped(b, x, known)
    cut = pads_shape(x.shape, known)
    channels, filters, rank = _known(x.shape[1]), _known(g.shape[1]), len(window)
    left = _grouped(b, image, cut, groups, channels // groups, (2, 1, 0))
    right = _grouped(b, g, g.shape, groups, filters // groups, (1, 2, 0))
    made = b.op("Conv", *_folded(b, left, right, x, g, groups, cut), group=groups,
                strides=list(dilation), dilations=list(strides), **pad_attributes(pads))  # fmt: skip
    axes = list(range(2, 2 + rank))
    made = b.op("Slice", made, b.ints([0] * rank), b.ints(window), b.ints(axes))
    return b.transpose(made, (*axes, 0, 1))


def _known(size: Size) -> int:
    assert isinstance(size, int)
    return size


def pads_shape(shape: Shape, padding: Any) -> Shape:
    """Return the shape of an image after negative pads have cropped it."""
    return (*shape[:2], *(n + min(low, 0) + min(high, 0) for n, (low, high) in zip(shape[2:], padding, strict=True)))


def _grouped(b: GraphBuilder, value: Input, shape: Shape, groups: int, each: int, order: Ints) -> Any:
    """Rearrange (n, groups * each, *sizes) to (each, groups, n, *sizes) or (groups, each, n, *sizes), by `order`."""
    split: Shape = (shape[0], groups, each, *shape[2:])
    return b.transpose(b.reshape(value, shape, split), (*order, *range(3, len(split))))


def _folded(b: GraphBuilder, left: Any, right: Any, x: Operand, g: Operand, groups: int, cut: Shape) -> tuple[Any, Any]:
    """Reshape the grouped forms to an image (channels / groups, groups * n, ...) and a kernel (filters, n, ...)."""
    channels, filters = _known(x.shape[1]) // groups, _known(g.shape[1]) // groups
    n: Size = x.shape[0]
    image = b.reshape(left, (channels, groups, n, *cut[2:]), (channels, groups * n, *cut[2:]))
    kernel = b.reshape(right, (groups, filters, n, *g.shape[2:]), (groups * filters, n, *g.shape[2:]))
    return image, kernel
