"""NASNet-A: cells that were found by a search (Zoph et al. 2018, arXiv:1707.07012).

A cell reads two tensors: `here`, the outputs of the cell before it, and `back`, those of the one before that. The tables say
which operation is applied to which of them.
"""

from __future__ import annotations

from typing import Any

from graphkit.applications.builders.parts import chain, channel_axis, classified, normalization, padding_before_stride
from graphkit.applications.request import Request
from graphkit.core.names import name_scope
from graphkit.layers import (
    Activation,
    AveragePooling2D,
    Conv2D,
    Cropping2D,
    MaxPooling2D,
    SeparableConv2D,
    ZeroPadding2D,
    add,
    concatenate,
)

# The sums of a cell: the two operands, each as (operation, what it reads, name), and the name of the sum. The operations are
# a separable convolution by its kernel size, "average", "maximum", or None for the tensor itself. The result of each sum can be
# read under its number.
_NORMAL = (
    ((5, "here", "left1"), (3, "back", "right1"), "add_1"),
    ((5, "back", "left2"), (3, "back", "right2"), "add_2"),
    (("average", "here", "left3"), (None, "back", ""), "add_3"),
    (("average", "back", "left4"), ("average", "back", "right4"), "add_4"),
    ((3, "here", "left5"), (None, "here", ""), "add_5"),
)
_REDUCTION = (
    ((5, "here", "left1"), (7, "back", "right1"), "add_1"),
    (("maximum", "padded", "left2"), (7, "back", "right2"), "add_2"),
    (("average", "padded", "left3"), (5, "back", "right3"), "add3"),
    (("average", "1", "left4"), (None, "2", ""), None),
    ((3, "1", "left4"), ("maximum", "padded", "right5"), "add4"),
)
_NORMALIZATION: dict[str, Any] = {"momentum": 0.9997, "epsilon": 1e-3, "last": -1}


def nasnet(x: Any, request: Request, *, blocks: int, stem: int, filters: int, skips_reduction: bool) -> Any:
    """Return the outputs of a NASNet-A.

    Args:
        x: the images.
        request: the arguments of the constructor.
        blocks: the number of normal cells of each of the three stages.
        stem: the filters of the first convolution.
        filters: the filters of the cells of the first stage; each stage has twice as many as the one before.
        skips_reduction: whether the cell after a reduction reads what the reduction read second, or what it read first.
    """
    convolution = Conv2D(stem, 3, strides=2, use_bias=False, kernel_initializer="he_normal", name="stem_conv1")
    here, back = normalization("stem_bn1", **_NORMALIZATION)(convolution(x)), None
    for step in (1, 2):
        here, back = _reduced(here, back, filters * step // 4, f"stem_{step}")
    for stage in range(3):
        start, width = stage * blocks, filters * 2**stage
        if stage:
            reduced, first = _reduced(here, back, width, f"reduce_{start}")
            here, back = reduced, back if skips_reduction else first
            start += 1
        for number in range(start, start + blocks):
            here, back = _normal(here, back, width, str(number))
    return classified(Activation("relu")(here), request, pool=None)


def _normal(here: Any, back: Any, filters: int, block: str) -> tuple[Any, Any]:
    with name_scope(f"normal_A_block_{block}"):  # part of the weights' paths in Keras
        return _normal_cell(here, back, filters, block), here


def _reduced(here: Any, back: Any, filters: int, block: str) -> tuple[Any, Any]:
    with name_scope(f"reduction_A_block_{block}"):
        return _reduction_cell(here, back, filters, block), here


def _normal_cell(here: Any, back: Any, filters: int, block: str) -> Any:
    back_fitted = _fitted(back, here, filters, block)
    read = {"here": _squeezed(here, filters, "normal", block), "back": back_fitted}
    sums = []
    for number, row in enumerate(_NORMAL, 1):
        with name_scope(f"block_{number}"):
            sums.append(_sum(read, row, filters, f"normal_{{}}_{block}", 1))
    return concatenate([back_fitted, *sums], axis=channel_axis(-1), name=f"normal_concat_{block}")


def _reduction_cell(here: Any, back: Any, filters: int, block: str) -> Any:
    back_fitted = _fitted(back, here, filters, block)
    squeezed = _squeezed(here, filters, "reduction", block)
    padded = ZeroPadding2D(padding_before_stride(squeezed, 3), name=f"reduction_pad_1_{block}")(squeezed)
    read = {"here": squeezed, "back": back_fitted, "padded": padded}
    for number, row in enumerate(_REDUCTION, 1):
        with name_scope(f"block_{number}"):
            read[str(number)] = _sum(read, row, filters, f"reduction_{{}}_{block}", 2)
    return concatenate([read[n] for n in "2345"], axis=channel_axis(-1), name=f"reduction_concat_{block}")


def _sum(read: dict[str, Any], row: Any, filters: int, names: str, strides: int) -> Any:
    """Return one sum of a cell. What reads another sum does not halve the image again."""
    first, second, name = row
    operands = [
        _operand(read[source], operation, filters, names.format(part), 1 if source.isdecimal() else strides)
        for operation, source, part in (first, second)
    ]
    if second[1].isdecimal():  # Keras adds them in this order
        operands.reverse()
    return add(operands, name=names.format(name) if name else None)


def _operand(x: Any, operation: Any, filters: int, name: str, strides: int) -> Any:
    if operation is None:
        return x
    if isinstance(operation, int):
        with name_scope(f"separable_conv_block_{name}"):
            return _separable(x, filters, operation, name, strides)
    pooling = AveragePooling2D if operation == "average" else MaxPooling2D
    return pooling(3, strides=strides, padding="same" if strides == 1 else "valid", name=name)(x)


def _separable(x: Any, filters: int, kernel: int, name: str, strides: int) -> Any:
    """Apply ReLU, a separable convolution and batch normalization, twice."""
    for number in (1, 2):
        x, step, padding = Activation("relu")(x), strides if number == 1 else 1, "same"
        if step == 2:
            padding = "valid"
            x = ZeroPadding2D(padding_before_stride(x, kernel), name=f"separable_conv_1_pad_{name}")(x)
        part = f"separable_conv_{number}"
        x = SeparableConv2D(filters, kernel, strides=step, padding=padding, use_bias=False, name=f"{part}_{name}")(x)
        x = normalization(f"{part}_bn_{name}", **_NORMALIZATION)(x)
    return x


def _pointwise(filters: int, name: str) -> Conv2D:
    return Conv2D(filters, 1, padding="same", use_bias=False, kernel_initializer="he_normal", name=name)


def _squeezed(x: Any, filters: int, cell: str, block: str) -> Any:
    """Bring `here` to the cell's number of filters."""
    norm = normalization(f"{cell}_bn_1_{block}", **_NORMALIZATION)
    return chain(x, Activation("relu"), _pointwise(filters, f"{cell}_conv_1_{block}"), norm)


def _fitted(back: Any, here: Any, filters: int, block: str) -> Any:
    """Bring `back` to the size of `here` and to the cell's number of filters."""
    if back is None:
        return here
    rows = 2 if channel_axis() == 1 else -2
    if back.shape[rows] != here.shape[rows]:
        with name_scope("adjust_block"), name_scope(f"adjust_reduction_block_{block}"):
            return _halved(back, filters, block)
    if back.shape[channel_axis(-1)] == filters:
        return back
    norm = normalization(f"adjust_bn_{block}", **_NORMALIZATION)
    with name_scope("adjust_block"), name_scope(f"adjust_projection_block_{block}"):
        return chain(back, Activation("relu"), _pointwise(filters, f"adjust_conv_projection_{block}"), norm)


def _halved(x: Any, filters: int, block: str) -> Any:
    """Take every second pixel twice, the second time shifted by one, each with half of the filters."""
    x = Activation("relu", name=f"adjust_relu_1_{block}")(x)
    halves = []
    for number in (1, 2):
        shifted = chain(x, ZeroPadding2D(((0, 1), (0, 1))), Cropping2D(((1, 0), (1, 0)))) if number == 2 else x
        picked = AveragePooling2D(1, strides=2, padding="valid", name=f"adjust_avg_pool_{number}_{block}")(shifted)
        halves.append(_pointwise(filters // 2, f"adjust_conv_{number}_{block}")(picked))
    x = concatenate(halves, axis=channel_axis(-1))
    return normalization(f"adjust_bn_{block}", **_NORMALIZATION)(x)
