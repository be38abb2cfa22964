"""Ops accept unknown sizes wherever Keras does, and infer the shapes that arrays give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graphkit import KerasTensor as Symbol
from graphkit import ops

CALLS: dict[str, tuple[Callable[[], Any], tuple[int | None, ...]]] = {
    "linspace from a number to a vector": (lambda: ops.linspace(0, Symbol((3,)), num=5), (5, 3)),
    "linspace to a vector of unknown size": (lambda: ops.linspace(0, Symbol((None,)), num=5), (5, None)),
    "psnr": (lambda: ops.psnr(Symbol((None, 3)), Symbol((None, 3)), 1.0), ()),
    "slogdet": (lambda: ops.slogdet(Symbol((None, 3, None)))[1], (None,)),
    "logdet": (lambda: ops.logdet(Symbol((None, None, 3))), (None,)),
    "cross": (lambda: ops.cross(Symbol((2, None)), Symbol((2, 3))), (2, 3)),
    "view_as_complex": (lambda: ops.view_as_complex(Symbol((3, None))), (3,)),
    "scatter_update": (lambda: ops.scatter_update(Symbol((None, None)), [[0, 0]], Symbol((1,))), (None, None)),
    "scatter": (lambda: ops.scatter(Symbol((2, None), "int32"), Symbol((2, 3)), (4, 3)), (4, 3)),
    "conv of unknown channels": (lambda: ops.conv(Symbol((2, 7, None)), Symbol((3, 3, 4))), (2, 5, 4)),
    "conv with an unknown kernel": (lambda: ops.conv(Symbol((2, 7, 3)), Symbol((None,) * 3), padding="same"), (2, 7, None)),
    "depthwise_conv": (lambda: ops.depthwise_conv(Symbol((2, 7, None)), Symbol((3, 3, 2))), (2, 5, 6)),
    "conv_transpose": (lambda: ops.conv_transpose(Symbol((2, 7, None)), Symbol((3, 4, 3))), (2, 9, 4)),
    "attention": (lambda: ops.dot_product_attention(*[Symbol((2, None, 3, None))] * 3), (2, None, 3, None)),
    "resize": (
        lambda: ops.image.resize(Symbol((None, None, None, 3)), (4, 5), pad_to_aspect_ratio=True),
        (None, 4, 5, 3),
    ),
    "rgb_to_grayscale": (lambda: ops.image.rgb_to_grayscale(Symbol((None, 4, 5, None))), (None, 4, 5, 1)),
    "rgb_to_hsv": (lambda: ops.image.rgb_to_hsv(Symbol((4, 5, None))), (4, 5, 3)),
    "gaussian_blur": (lambda: ops.image.gaussian_blur(Symbol((None, 4, 5, None))), (None, 4, 5, None)),
    "sobel_edges": (lambda: ops.image.sobel_edges(Symbol((2, 4, 5, None))), (2, 4, 5, None, 2)),
    "unique": (lambda: ops.unique(Symbol((None, 3), "int32")), (None,)),
    "unique of a fixed size": (lambda: ops.unique(Symbol((None, 3), "int32"), size=4), (4,)),
    "roll by a tensor": (lambda: ops.roll(Symbol((2, 3)), Symbol((), "int32"), axis=1), (2, 3)),
    "sort of all": (lambda: ops.sort(Symbol((None, 3)), axis=None), (None,)),
    "full": (lambda: ops.full((2, 3), Symbol((3,))), (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_shape_is_inferred(name: str) -> None:
    call, shape = CALLS[name]
    assert call().shape == shape
