"""VGG: blocks of 3 x 3 convolutions, then three dense layers (Simonyan and Zisserman 2014, arXiv:1409.1556)."""

from __future__ import annotations

from typing import Any

from graphkit.applications.builders.parts import checked_activation, pooled
from graphkit.applications.request import Request
from graphkit.layers import Conv2D, Dense, Flatten, MaxPooling2D

_FILTERS = (64, 128, 256, 512, 512)


def vgg(x: Any, request: Request, *, convolutions: tuple[int, ...]) -> Any:
    """Return the outputs of a VGG net.

    Args:
        x: the images.
        request: the arguments of the constructor.
        convolutions: the number of convolutions of each of the five blocks.
    """
    for block, (count, filters) in enumerate(zip(convolutions, _FILTERS, strict=True), 1):
        for number in range(1, count + 1):
            x = Conv2D(filters, 3, activation="relu", padding="same", name=f"block{block}_conv{number}")(x)
        x = MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    if not request.include_top:
        return pooled(x, request)
    x = Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = Dense(4096, activation="relu", name=name)(x)
    return Dense(request.classes, activation=checked_activation(request), name="predictions")(x)
