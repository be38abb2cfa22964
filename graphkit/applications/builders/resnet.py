"""ResNet and ResNet V2: residual bottlenecks (He et al. 2015 and 2016, arXiv:1512.03385 and arXiv:1603.05027)."""

from __future__ import annotations

from typing import Any

from graphkit.applications.builders.parts import chain, classified, normalization
from graphkit.applications.request import Request
from graphkit.layers import Activation, Add, Conv2D, MaxPooling2D, ZeroPadding2D

_EPSILON = 1.001e-5
_FILTERS = (64, 128, 256, 512)
_POOLS = ("avg_pool", "max_pool")


def resnet(x: Any, request: Request, *, blocks: tuple[int, ...]) -> Any:
    """Return the outputs of a ResNet: the first block of each stage halves the image, except in the first stage.

    Args:
        x: the images.
        request: the arguments of the constructor.
        blocks: the number of residual blocks of each of the four stages.
    """
    x = chain(
        x,
        ZeroPadding2D(3, name="conv1_pad"),
        Conv2D(64, 7, strides=2, name="conv1_conv"),
        *_normalized("conv1"),
        ZeroPadding2D(1, name="pool1_pad"),
        MaxPooling2D(3, strides=2, name="pool1_pool"),
    )
    for stage, (count, filters) in enumerate(zip(blocks, _FILTERS, strict=True), 2):
        for number in range(1, count + 1):
            stride = 2 if number == 1 and stage > 2 else 1
            x = _block(x, f"conv{stage}_block{number}", filters, stride, projected=number == 1)
    return classified(x, request, pools=_POOLS)


def resnet_preactivated(x: Any, request: Request, *, blocks: tuple[int, ...]) -> Any:
    """Return the outputs of a ResNet V2, which normalizes before it convolves: the last block of a stage halves the image.

    Args:
        x: the images.
        request: the arguments of the constructor.
        blocks: the number of residual blocks of each of the four stages.
    """
    x = chain(
        x,
        ZeroPadding2D(3, name="conv1_pad"),
        Conv2D(64, 7, strides=2, name="conv1_conv"),
        ZeroPadding2D(1, name="pool1_pad"),
        MaxPooling2D(3, strides=2, name="pool1_pool"),
    )
    last = len(blocks) + 1
    for stage, (count, filters) in enumerate(zip(blocks, _FILTERS, strict=True), 2):
        for number in range(1, count + 1):
            stride = 2 if number == count and stage < last else 1
            x = _preactivated_block(x, f"conv{stage}_block{number}", filters, stride, projected=number == 1)
    return classified(chain(x, *_normalized("post")), request, pools=_POOLS)


def _normalized(name: str) -> tuple[Any, Any]:
    return normalization(f"{name}_bn", epsilon=_EPSILON), Activation("relu", name=f"{name}_relu")


def _block(x: Any, name: str, filters: int, stride: int, projected: bool) -> Any:
    shortcut = x
    if projected:
        projection = Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")
        shortcut = chain(x, projection, normalization(f"{name}_0_bn", epsilon=_EPSILON))
    x = chain(
        x,
        Conv2D(filters, 1, strides=stride, name=f"{name}_1_conv"),
        *_normalized(f"{name}_1"),
        Conv2D(filters, 3, padding="same", name=f"{name}_2_conv"),
        *_normalized(f"{name}_2"),
        Conv2D(4 * filters, 1, name=f"{name}_3_conv"),
        normalization(f"{name}_3_bn", epsilon=_EPSILON),
    )
    return Activation("relu", name=f"{name}_out")(Add(name=f"{name}_add")([shortcut, x]))


def _preactivated_block(x: Any, name: str, filters: int, stride: int, projected: bool) -> Any:
    shortcut, x = x, chain(x, *_normalized(f"{name}_preact"))
    if projected:
        shortcut = Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
    elif stride > 1:
        shortcut = MaxPooling2D(1, strides=stride)(shortcut)
    x = chain(
        x,
        Conv2D(filters, 1, strides=1, use_bias=False, name=f"{name}_1_conv"),
        *_normalized(f"{name}_1"),
        ZeroPadding2D(1, name=f"{name}_2_pad"),
        Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_2_conv"),
        *_normalized(f"{name}_2"),
        Conv2D(4 * filters, 1, name=f"{name}_3_conv"),
    )
    return Add(name=f"{name}_out")([shortcut, x])
