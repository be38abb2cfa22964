"""EfficientNet and EfficientNet V2 (Tan and Le 2019 and 2021, arXiv:1905.11946 and arXiv:2104.00298)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from graphkit.applications.builders.parts import (
    chain,
    channel_axis,
    channels_first,
    channels_of,
    classified,
    divisible,
    normalization,
    padding_before_stride,
)
from graphkit.applications.request import Request
from graphkit.initializers import Constant, VarianceScaling
from graphkit.layers import (
    Activation,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    Normalization,
    Rescaling,
    Reshape,
    ZeroPadding2D,
    add,
    multiply,
)

_STANDARD_DEVIATIONS = (0.229, 0.224, 0.225)
_MEANS = (0.485, 0.456, 0.406)
_POOLS = ("avg_pool", "max_pool")
_DROP_RATE = 0.2  # of the last residual block; the rates grow linearly with the depth


class Stage(NamedTuple):
    """A row of the papers' tables: blocks of one kind. The first block has the stride.

    `fused` blocks have one convolution in place of the expansion and the depthwise convolution; `squeeze` is the share of the
    filters that squeeze-and-excitation keeps, 0 for none.
    """

    repeats: int
    filters: int
    kernel: int
    strides: int
    expansion: int
    fused: bool = False
    squeeze: float = 0.25


STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(2, 24, 3, 2, 6),
    Stage(2, 40, 5, 2, 6),
    Stage(3, 80, 3, 2, 6),
    Stage(3, 112, 5, 1, 6),
    Stage(4, 192, 5, 2, 6),
    Stage(1, 320, 3, 1, 6),
)


def _later_stages(*rows: tuple[int, int, int, int]) -> tuple[Stage, ...]:
    """Return the stages of a V2 net from rows (repeats, filters, strides, expansion): the first three have fused blocks."""
    return tuple(
        Stage(repeats, filters, 3, strides, expansion, fused=number < 3, squeeze=0 if number < 3 else 0.25)
        for number, (repeats, filters, strides, expansion) in enumerate(rows)
    )


BASE_STAGES = _later_stages((1, 16, 1, 1), (2, 32, 2, 4), (2, 48, 2, 4), (3, 96, 2, 4), (5, 112, 1, 6), (8, 192, 2, 6))
SMALL_STAGES = _later_stages(
    (2, 24, 1, 1), (4, 48, 2, 4), (4, 64, 2, 4), (6, 128, 2, 4), (9, 160, 1, 6), (15, 256, 2, 6)
)
MEDIUM_STAGES = _later_stages(
    (3, 24, 1, 1), (5, 48, 2, 4), (5, 80, 2, 4), (7, 160, 2, 4), (14, 176, 1, 6), (18, 304, 2, 6), (5, 512, 1, 6)
)
LARGE_STAGES = _later_stages(
    (4, 32, 1, 1), (7, 64, 2, 4), (7, 96, 2, 4), (10, 192, 2, 4), (19, 224, 1, 6), (25, 384, 2, 6), (7, 640, 1, 6)
)


def efficientnet(x: Any, request: Request, *, width: float, depth: float, dropout: float) -> Any:
    """Return the outputs of an EfficientNet.

    Args:
        x: the images, with values from 0 to 255.
        request: the arguments of the constructor.
        width, depth: the factors of the number of filters and of blocks.
        dropout: the rate of the Dropout before the classifier.
    """
    x = chain(x, Rescaling(1.0 / 255.0), Normalization(axis=channel_axis()))
    if request.weights == "imagenet":  # the published weights were trained with images that were scaled once more
        x = Rescaling([1.0 / math.sqrt(deviation) for deviation in _STANDARD_DEVIATIONS])(x)
    x = ZeroPadding2D(padding_before_stride(x, 3), name="stem_conv_pad")(x)

    def rounded(filters: int) -> int:
        return divisible(filters * width)

    style = _Style(rounded, depth, {}, "dwconv", pads=True)
    return _net(x, request, style, STAGES, 32, {"dropout": dropout})


def efficientnet_later(
    x: Any,
    request: Request,
    *,
    stages: tuple[Stage, ...],
    width: float = 1.0,
    depth: float = 1.0,
    normalizes: bool = False,
) -> Any:
    """Return the outputs of an EfficientNet V2.

    Args:
        x: the images, with values from 0 to 255, or from -1 to 1 without preprocessing.
        request: the arguments of the constructor.
        stages: the rows of the table.
        width, depth: the factors of the number of filters and of blocks.
        normalizes: whether the preprocessing normalizes each channel, or only scales the values.
    """
    if request.options["include_preprocessing"]:
        if normalizes and request.input_shape[channel_axis() - 1] == 3:
            variances = [deviation**2 for deviation in _STANDARD_DEVIATIONS]
            normalized = Normalization(mean=list(_MEANS), variance=variances, axis=channel_axis())
            x = chain(x, Rescaling(1.0 / 255), normalized)
        else:
            x = Rescaling(1.0 / 128.0, offset=-1)(x)

    def rounded(filters: int) -> int:
        return divisible(filters * width, tolerance=0.0)

    style = _Style(rounded, depth, {"momentum": 0.9}, "dwconv2", pads=False)
    first = 24 if stages[0].filters == 24 else 32
    return _net(x, request, style, stages, first, {"dropout": 0.2, "bias_initializer": Constant(0.0)})


class _Style(NamedTuple):
    """How the two versions differ: rounding, depth, batch normalization, the name of depthwise convolutions, explicit padding."""

    rounded: Callable[[int], int]
    depth: float
    normalization: dict[str, Any]
    depthwise: str
    pads: bool

    def normalized(self, name: str, activation: str | None = None) -> tuple[Any, Any]:
        """Return batch normalization and the activation `swish`."""
        active = None if activation is None else Activation("swish", name=activation)
        return normalization(name, **self.normalization), active


def _weights(scale: float = 2.0, distribution: str = "truncated_normal") -> VarianceScaling:
    return VarianceScaling(scale=scale, mode="fan_out", distribution=distribution)


def _convolution(
    filters: int, kernel: int, name: str, strides: int = 1, padding: str = "same", **options: Any
) -> Conv2D:
    options = {"use_bias": False, **options}
    return Conv2D(
        filters, kernel, strides=strides, padding=padding, kernel_initializer=_weights(), name=name, **options
    )


def _net(x: Any, request: Request, style: _Style, stages: tuple[Stage, ...], stem: int, top: dict[str, Any]) -> Any:
    padding = "valid" if style.pads else "same"
    x = _convolution(style.rounded(stem), 3, "stem_conv", 2, padding)(x)
    x = chain(x, *style.normalized("stem_bn", "stem_activation"))
    done, total = 0, _count(stages, style)
    for number, stage in enumerate(stages, 1):
        for repeat in range(math.ceil(style.depth * stage.repeats)):
            block = stage._replace(filters=style.rounded(stage.filters), strides=1 if repeat else stage.strides)
            x = _block(x, f"block{number}{chr(ord('a') + repeat)}_", block, style, _DROP_RATE * done / total)
            done += 1
    x = _convolution(style.rounded(1280), 1, "top_conv")(x)
    x = chain(x, *style.normalized("top_bn", "top_activation"))
    return classified(x, request, pools=_POOLS, kernel_initializer=_weights(1.0 / 3.0, "uniform"), **top)


def _count(stages: tuple[Stage, ...], style: _Style) -> float:
    """Return the number of blocks that the drop rates are relative to: in V2 that of the table, whatever the depth."""
    depth = style.depth if style.pads else 1.0
    return float(sum(math.ceil(depth * stage.repeats) for stage in stages))


def _block(x: Any, name: str, stage: Stage, style: _Style, rate: float) -> Any:
    inputs, width = x, channels_of(x)
    wide = width * stage.expansion
    x = _fused(x, name, stage, style, wide) if stage.fused else _expanded(x, name, stage, style, wide)
    if stage.squeeze:
        x = _excited(x, name, max(1, int(width * stage.squeeze)))
    if stage.fused and stage.expansion == 1:
        projection = _convolution(stage.filters, stage.kernel, f"{name}project_conv", stage.strides)
        x = chain(x, projection, *style.normalized(f"{name}project_bn", f"{name}project_activation"))
    else:
        projection = _convolution(stage.filters, 1, f"{name}project_conv")
        x = chain(x, projection, *style.normalized(f"{name}project_bn"))
    if stage.strides != 1 or width != stage.filters:
        return x
    if rate:
        x = Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return add([x, inputs], name=f"{name}add")


def _fused(x: Any, name: str, stage: Stage, style: _Style, wide: int) -> Any:
    if stage.expansion == 1:
        return x
    convolution = _convolution(wide, stage.kernel, f"{name}expand_conv", stage.strides)
    return chain(x, convolution, *style.normalized(f"{name}expand_bn", f"{name}expand_activation"))


def _expanded(x: Any, name: str, stage: Stage, style: _Style, wide: int) -> Any:
    if stage.expansion != 1:
        convolution = _convolution(wide, 1, f"{name}expand_conv")
        x = chain(x, convolution, *style.normalized(f"{name}expand_bn", f"{name}expand_activation"))
    padding = "same"
    if style.pads and stage.strides == 2:
        x, padding = ZeroPadding2D(padding_before_stride(x, stage.kernel), name=f"{name}dwconv_pad")(x), "valid"
    depthwise = DepthwiseConv2D(
        stage.kernel, strides=stage.strides, padding=padding, use_bias=False, depthwise_initializer=_weights(),
        name=f"{name}{style.depthwise}",
    )  # fmt: skip
    return chain(x, depthwise, *style.normalized(f"{name}bn", f"{name}activation"))


def _excited(x: Any, name: str, kept: int) -> Any:
    """Squeeze and excitation: scale each channel by a factor computed from the means of all."""
    wide = channels_of(x)
    factors = chain(
        x,
        GlobalAveragePooling2D(name=f"{name}se_squeeze"),
        Reshape((wide, 1, 1) if channels_first() else (1, 1, wide), name=f"{name}se_reshape"),
        _convolution(kept, 1, f"{name}se_reduce", activation="swish", use_bias=True),
        _convolution(wide, 1, f"{name}se_expand", activation="sigmoid", use_bias=True),
    )
    return multiply([x, factors], name=f"{name}se_excite")
