"""Xception: separable convolutions with residual connections (Chollet 2017, arXiv:1610.02357)."""

from __future__ import annotations

from typing import Any

from graphkit.applications.builders.parts import chain, classified, normalization
from graphkit.applications.request import Request
from graphkit.layers import Activation, Conv2D, MaxPooling2D, SeparableConv2D, add

# The blocks with a residual connection: number, the filters of their separable convolutions, and whether they halve the image.
_BLOCKS = (
    (2, (128, 128), True),
    (3, (256, 256), True),
    (4, (728, 728), True),
    *((number, (728, 728, 728), False) for number in range(5, 13)),
    (13, (728, 1024), True),
)


def xception(x: Any, request: Request) -> Any:
    """Return the outputs of the net.

    Args:
        x: the images.
        request: the arguments of the constructor.
    """
    for number, (filters, stride) in enumerate(((32, 2), (64, 1)), 1):
        name = f"block1_conv{number}"
        x = chain(
            x,
            Conv2D(filters, 3, strides=stride, use_bias=False, name=name),
            normalization(f"{name}_bn", last=-1),
            Activation("relu", name=f"{name}_act"),
        )
    for number, widths, halved in _BLOCKS:
        x = _block(x, f"block{number}", widths, halved, starts_active=number > 2)
    for number, filters in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{number}"
        x = chain(x, *_separable(filters, name), Activation("relu", name=f"{name}_act"))
    return classified(x, request)


def _separable(filters: int, name: str) -> tuple[Any, Any]:
    convolution = SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)
    return convolution, normalization(f"{name}_bn", last=-1)


def _block(x: Any, name: str, widths: tuple[int, ...], halved: bool, starts_active: bool) -> Any:
    residual = x
    if halved:
        projection = Conv2D(widths[-1], 1, strides=2, padding="same", use_bias=False)
        residual = chain(x, projection, normalization(last=-1))
    for number, filters in enumerate(widths, 1):
        active = starts_active or number > 1
        x = Activation("relu", name=f"{name}_sepconv{number}_act")(x) if active else x
        x = chain(x, *_separable(filters, f"{name}_sepconv{number}"))
    x = MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x) if halved else x
    return add([x, residual])
