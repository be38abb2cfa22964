"""Further cases of convolutions and pools: the roads through the kernels that small plain cases do not take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.ir.primitive import PRIMITIVES
from graphkit.ops import convolution, pooling
from tests.ops.case import Composed, Row, case, composed, distinct, real

_PLAIN: dict[str, Any] = {
    "strides": (1, 1),
    "padding": ((0, 0), (0, 0)),
    "dilation": (1, 1),
    "groups": 1,
    "data_format": "channels_last",
}
_STRIDED: dict[str, Any] = {**_PLAIN, "strides": (2, 3), "padding": ((1, 0), (0, 2)), "free": False, "second": False}
_DILATED: dict[str, Any] = {
    **_PLAIN,
    "strides": (2, 1),
    "dilation": (3, 2),
    "padding": ((3, 2), (2, 2)),
    "free": False,
    "second": False,
}
_CROPPING: dict[str, Any] = {**_PLAIN, "padding": ((-1, 0), (0, -1)), "free": False, "second": False}
_DEPTHWISE: dict[str, Any] = {**_PLAIN, "groups": 3, "free": False, "second": False}
_WIDE: dict[str, Any] = {**_PLAIN, "free": False, "second": False}
_VOLUME: dict[str, Any] = {
    "strides": (1, 2, 1), "padding": ((0, 1), (1, 1), (0, 0)), "dilation": (1, 1, 1), "groups": 1, "data_format": "channels_first",
    "free": False, "second": False,
}  # fmt: skip
_SAME: dict[str, Any] = {**_PLAIN, "strides": (2, 2), "padding": "same", "free": False, "second": False}

CASES: list[Row] = [
    *(
        made
        for params, x, kernel, y in (
            (_STRIDED, (1, 5, 6, 2), (3, 2, 2, 2), (1, 2, 3, 2)),
            (_DILATED, (1, 6, 5, 2), (3, 3, 2, 1), (1, 3, 5, 1)),
            (_CROPPING, (1, 5, 5, 2), (2, 2, 2, 2), (1, 3, 3, 2)),
            (_DEPTHWISE, (1, 4, 4, 3), (2, 2, 1, 6), (1, 3, 3, 6)),
            (_WIDE, (1, 4, 3, 8), (2, 2, 8, 9), (1, 3, 2, 9)),  # wide enough for the gradient to be added up tap by tap
            (_SAME, (1, 5, 4, 2), (3, 2, 2, 2), (1, 3, 2, 2)),
        )
        for made in (
            case("conv", real(*x), real(*kernel), real(kernel[-1]), **params),
            case("conv_input_grad", real(*y), real(*kernel), sizes=x[1:3], **params),
            case("conv_kernel_grad", real(*x), real(*y), window=kernel[:2], **params),
        )
    ),
    case("conv", real(1, 2, 2, 4, 3), real(2, 3, 2, 2, 2), **_VOLUME),
    case("max_pool", distinct(1, 5, 2), window=(3,), strides=(2,), padding=((1, 1),), data_format="channels_last"),
    case("average_pool", real(1, 5, 2), window=(3,), strides=(1,), padding=((1, 1),), data_format="channels_last"),
    case(
        "max_pool", distinct(1, 2, 2, 4, 3), window=(1, 2, 2), strides=(1, 2, 1), padding=((0, 0), (0, 0), (0, 1)),
        data_format="channels_first",
    ),
]  # fmt: skip

_FORMATS = ("channels_last", "channels_first")


def _image(data_format: str, sizes: str, channels: int) -> str:
    return f"b {sizes} {channels}" if data_format == "channels_last" else f"b {channels} {sizes}"


def _spatial(
    name: str, function: Callable[..., Any], sizes: str, more: str = "", gradient: bool = False
) -> list[Composed]:
    """The same in both data formats."""
    return [
        composed(
            f"{name} {f}",
            lambda *xs, f=f: function(*xs, f),
            _image(f, sizes, 4) + more,
            gradient=gradient,
            tolerance=1e-3,
        )
        for f in _FORMATS
    ]


CASES += [
    *_spatial("conv", lambda x, k, f: convolution.conv(x, k, 2, "valid", f), "h w", ", 3 3 4 6"),
    *_spatial("conv same", lambda x, k, f: convolution.conv(x, k, 2, "same", f), "h w", ", 3 2 4 6"),
    *_spatial("conv in groups", lambda x, k, f: convolution.conv(x, k, 1, "same", f, 2), "h w", ", 3 3 2 6"),
    *_spatial("conv cropping", lambda x, k, f: convolution.conv(x, k, 1, ((-1, 0), (2, -1)), f), "h w", ", 3 3 4 6"),
    *_spatial("conv1d", lambda x, k, f: convolution.conv(x, k, 1, "causal", f), "t", ", 3 4 6"),
    *_spatial("conv3d", lambda x, k, f: convolution.conv(x, k, 1, "same", f), "3 4 5", ", 2 2 2 4 2"),
    *_spatial("depthwise", lambda x, k, f: convolution.depthwise_conv(x, k, 1, "same", f), "h w", ", 3 3 4 2"),
    *_spatial("conv_transpose", lambda x, k, f: convolution.conv_transpose(x, k, 2, "same", data_format=f), "h w", ", 3 3 2 4"),
    *_spatial("conv_transpose valid", lambda x, k, f: convolution.conv_transpose(x, k, 3, "valid", data_format=f), "h w", ", 2 2 2 4"),
    *_spatial("conv gradient", lambda x, k, f: convolution.conv(x, k, 2, "same", f), "7 6", ", 3 3 4 2", gradient=True),
    *_spatial("conv in groups gradient", lambda x, k, f: convolution.conv(x, k, 1, "valid", f, 2), "h w", ", 2 3 2 4", gradient=True),
    *_spatial("max_pool", lambda x, f: pooling.max_pool(x, 3, 2, "same", f), "h w"),
    *_spatial("average_pool", lambda x, f: pooling.average_pool(x, 3, 2, "same", f), "h w"),
    *_spatial("max_pool gradient", lambda x, f: pooling.max_pool(x, 3, 2, "same", f), "7 6", gradient=True),
    *_spatial("average_pool gradient", lambda x, f: pooling.average_pool(x, 3, 2, "same", f), "7 6", gradient=True),
    *_spatial("average_pool gradient, unknown", lambda x, f: pooling.average_pool(x, 2, 2, "valid", f), "h w", gradient=True),
    composed("max_pool_pick", lambda h, x: PRIMITIVES["max_pool_pick"].bind(
        h, x, pooling.max_pool(x, 2, 2), window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)), data_format="channels_last"
    ), "b 6 4 2, b 6 4 2"),
]  # fmt: skip
