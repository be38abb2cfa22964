"""DenseNet: every layer of a block reads the outputs of all before it (Huang et al. 2017, arXiv:1608.06993)."""

from __future__ import annotations

from typing import Any

from graphkit.applications.builders.parts import chain, channel_axis, channels_of, classified, normalization
from graphkit.applications.request import Request
from graphkit.layers import Activation, AveragePooling2D, Concatenate, Conv2D, MaxPooling2D, ZeroPadding2D

_EPSILON = 1.001e-5
_GROWTH = 32
_COMPRESSION = 0.5


def densenet(x: Any, request: Request, *, blocks: tuple[int, ...]) -> Any:
    """Return the outputs of a DenseNet.

    Args:
        x: the images.
        request: the arguments of the constructor.
        blocks: the number of layers of each of the four dense blocks.
    """
    x = chain(
        x,
        ZeroPadding2D(3),
        Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv"),
        *_normalized("conv1_bn", "conv1_relu"),
        ZeroPadding2D(1),
        MaxPooling2D(3, strides=2, name="pool1"),
    )
    for stage, count in enumerate(blocks, 2):
        if stage > 2:
            x = _transition(x, f"pool{stage - 1}")
        for number in range(1, count + 1):
            x = _grown(x, f"conv{stage}_block{number}")
    return classified(chain(x, *_normalized("bn", "relu")), request, pools=("avg_pool", "max_pool"))


def _normalized(norm: str, activation: str) -> tuple[Any, Any]:
    return normalization(norm, epsilon=_EPSILON), Activation("relu", name=activation)


def _grown(x: Any, name: str) -> Any:
    grown = chain(
        x,
        *_normalized(f"{name}_0_bn", f"{name}_0_relu"),
        Conv2D(4 * _GROWTH, 1, use_bias=False, name=f"{name}_1_conv"),
        *_normalized(f"{name}_1_bn", f"{name}_1_relu"),
        Conv2D(_GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv"),
    )
    return Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, grown])


def _transition(x: Any, name: str) -> Any:
    return chain(
        x,
        *_normalized(f"{name}_bn", f"{name}_relu"),
        Conv2D(int(channels_of(x) * _COMPRESSION), 1, use_bias=False, name=f"{name}_conv"),
        AveragePooling2D(2, strides=2, name=f"{name}_pool"),
    )
