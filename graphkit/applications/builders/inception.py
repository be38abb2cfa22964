"""Inception V3 and Inception-ResNet V2 (Szegedy et al. 2015 and 2016, arXiv:1512.00567 and arXiv:1602.07261).

A block is a tuple of branches that read the same images, and a branch a tuple of steps: convolutions, poolings, and forks into
branches of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from graphkit.applications.builders.parts import channel_axis, channels_of, classified, normalization
from graphkit.applications.request import Request
from graphkit.layers import Activation, AveragePooling2D, Concatenate, Conv2D, MaxPooling2D
from graphkit.layers.applications import CustomScaleLayer


class C(NamedTuple):
    """A convolution with batch normalization and ReLU."""

    filters: int
    kernel: int | tuple[int, int]
    strides: int = 1
    padding: str = "same"


class Fork(NamedTuple):
    """Branches whose outputs are concatenated; the name of the concatenation is automatic if it is None."""

    branches: tuple[Any, ...]
    name: str | None = None


class Halve(NamedTuple):
    """Maximum pooling that halves the image."""


class Average(NamedTuple):
    """Average pooling that keeps the size."""


def _halving(filters: int, kernel: int = 3) -> C:
    return C(filters, kernel, 2, "valid")


_STEM = (_halving(32), C(32, 3, 1, "valid"), C(64, 3), Halve(), C(80, 1, 1, "valid"), C(192, 3, 1, "valid"), Halve())


def _with_fives(pool: int) -> tuple[Any, ...]:
    return (C(64, 1),), (C(48, 1), C(64, 5)), (C(64, 1), C(96, 3), C(96, 3)), (Average(), C(pool, 1))


def _with_sevens(width: int) -> tuple[Any, ...]:
    across, down = (1, 7), (7, 1)
    once = (C(width, 1), C(width, across), C(192, down))
    twice = (C(width, 1), C(width, down), C(width, across), C(width, down), C(192, across))
    return (C(192, 1),), once, twice, (Average(), C(192, 1))


def _spread(name: str | None = None) -> Fork:
    return Fork(((C(384, (1, 3)),), (C(384, (3, 1)),)), name)


def _with_spreads(name: str) -> tuple[Any, ...]:
    return (C(320, 1),), (C(384, 1), _spread(name)), (C(448, 1), C(384, 3), _spread()), (Average(), C(192, 1))


_INCEPTION = (
    _with_fives(32),
    _with_fives(64),
    _with_fives(64),
    ((_halving(384),), (C(64, 1), C(96, 3), _halving(96)), (Halve(),)),
    _with_sevens(128),
    _with_sevens(160),
    _with_sevens(160),
    _with_sevens(192),
    ((C(192, 1), _halving(320)), (C(192, 1), C(192, (1, 7)), C(192, (7, 1)), _halving(192)), (Halve(),)),
    _with_spreads("mixed9_0"),
    _with_spreads("mixed9_1"),
)

_RESIDUAL = {
    "block35": ((C(32, 1),), (C(32, 1), C(32, 3)), (C(32, 1), C(48, 3), C(64, 3))),
    "block17": ((C(192, 1),), (C(128, 1), C(160, (1, 7)), C(192, (7, 1)))),
    "block8": ((C(192, 1),), (C(192, 1), C(224, (1, 3)), C(256, (3, 1)))),
}
_MIXED_5B = ((C(96, 1),), *_with_fives(64)[1:])
# The stages of Inception-ResNet V2: the block that begins it, its name, the residual blocks that follow, their scales.
_STAGES: tuple[tuple[tuple[Any, ...], str, str, tuple[float, ...]], ...] = (
    (_MIXED_5B, "mixed_5b", "block35", (0.17,) * 10),
    (((_halving(384),), (C(256, 1), C(256, 3), _halving(384)), (Halve(),)), "mixed_6a", "block17", (0.1,) * 20),
    (
        ((C(256, 1), _halving(384)), (C(256, 1), _halving(288)), (C(256, 1), C(288, 3), _halving(320)), (Halve(),)),
        "mixed_7a",
        "block8",
        (0.2,) * 9 + (1.0,),
    ),
)


def inception(x: Any, request: Request) -> Any:
    """Return the outputs of Inception V3.

    Args:
        x: the images.
        request: the arguments of the constructor.
    """
    x = _followed(x, _STEM)
    for number, block in enumerate(_INCEPTION):
        x = _branched(x, Fork(block, f"mixed{number}"))
    return classified(x, request)


def inception_resnet(x: Any, request: Request) -> Any:
    """Return the outputs of Inception-ResNet V2.

    Args:
        x: the images.
        request: the arguments of the constructor.
    """
    x = _followed(x, _STEM)
    for block, name, kind, scales in _STAGES:
        x = _branched(x, Fork(block, name))
        for number, scale in enumerate(scales, 1):
            x = _residual(x, f"{kind}_{number}", _RESIDUAL[kind], scale)
    x = Conv2D(1536, 1, padding="same", use_bias=False, name="conv_7b")(x)
    x = normalization("conv_7b_bn", scale=False)(x)
    return classified(Activation("relu", name="conv_7b_ac")(x), request)


def _followed(x: Any, steps: tuple[Any, ...]) -> Any:
    for step in steps:
        x = _STEPS[type(step)](x, step)
    return x


def _branched(x: Any, fork: Fork) -> Any:
    branches = [_followed(x, branch) for branch in fork.branches]
    return Concatenate(axis=channel_axis(), name=fork.name)(branches)


def _convolved(x: Any, step: C) -> Any:
    x = Conv2D(step.filters, step.kernel, strides=step.strides, padding=step.padding, use_bias=False)(x)
    return Activation("relu")(normalization(scale=False)(x))


_STEPS: dict[type, Any] = {
    C: _convolved,
    Fork: _branched,
    Halve: lambda x, _: MaxPooling2D(3, strides=2)(x),
    Average: lambda x, _: AveragePooling2D(3, strides=1, padding="same")(x),
}


def _residual(x: Any, name: str, branches: tuple[Any, ...], scale: float) -> Any:
    """Add a block to what it reads; only the last one (scale 1) has no activation."""
    mixed = _branched(x, Fork(branches, f"{name}_mixed"))
    added = Conv2D(channels_of(x), 1, padding="same", name=f"{name}_conv")(mixed)
    x = CustomScaleLayer(scale)([x, added])
    return x if scale == 1.0 else Activation("relu", name=f"{name}_ac")(x)
