"""Further cases of convolutions and pools: the roads through the kernels that small plain cases do not take."""

from __future__ import annotations

from typing import Any

from tests.ops.case import Case, case, distinct, real

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

CASES: list[Case] = [
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
