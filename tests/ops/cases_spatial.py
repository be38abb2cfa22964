"""Cases of convolutions, pools and resizing."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.ir.primitive import PRIMITIVES
from graphkit.ops import resizing
from tests.ops.case import Row, case, composed, distinct, made_by, real, same_draw

_CONV: dict[str, Any] = {
    "strides": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1, "data_format": "channels_last", "free": False,
}  # fmt: skip
_FIRST: dict[str, Any] = {**_CONV, "strides": (2, 1), "padding": ((1, 0), (1, 1)), "data_format": "channels_first"}
_LINE: dict[str, Any] = {
    "strides": (1,), "padding": ((2, 0),), "dilation": (2,), "groups": 1, "data_format": "channels_last", "free": False,
}  # fmt: skip
_GROUPED: dict[str, Any] = {**_CONV, "groups": 2}

_POOL: dict[str, Any] = {
    "window": (2, 2),
    "strides": (2, 2),
    "padding": ((0, 0), (0, 0)),
    "data_format": "channels_last",
}
_PADDED: dict[str, Any] = {
    "window": (3, 2),
    "strides": (1, 2),
    "padding": ((1, 1), (0, 1)),
    "data_format": "channels_first",
}

_IMAGE, _PLANES = distinct(2, 4, 4, 2), distinct(1, 2, 4, 5)


def _pooled(params: dict[str, Any]) -> Any:
    return lambda x: np.asarray(PRIMITIVES["max_pool"].evaluate([x], params))


CASES: list[Row] = [
    case("conv", real(2, 5, 4, 3), real(3, 2, 3, 2), **_CONV),
    case("conv", real(2, 5, 4, 3), real(3, 2, 3, 2), real(2), **_CONV),
    case("conv", real(1, 3, 5, 4), real(3, 3, 3, 2), **_FIRST),
    case("conv", real(2, 6, 2), real(2, 2, 3), **_LINE),
    case("conv", real(1, 4, 4, 4), real(2, 2, 2, 4), **_GROUPED),
    case("conv_input_grad", real(2, 3, 3, 2), real(3, 2, 3, 2), sizes=(5, 4), **_CONV),
    case("conv_kernel_grad", real(2, 5, 4, 3), real(2, 3, 3, 2), window=(3, 2), **_CONV),
    *(case(name, _IMAGE, **_POOL) for name in ("max_pool", "average_pool")),
    *(case(name, _PLANES, **_PADDED) for name in ("max_pool", "average_pool")),
    case("average_pool_grad", real(2, 2, 2, 2), sizes=(4, 4), **_POOL),
    case("average_pool_grad", real(1, 2, 4, 3), sizes=(4, 5), **_PADDED),
    # The last two inputs only say where the maxima stand; no gradient flows through them, and there is none to check.
    case("max_pool_grad", real(2, 2, 2, 2), same_draw(_IMAGE), made_by(_pooled(_POOL), _IMAGE), second=False, **_POOL),
    case("max_pool_pick", real(2, 4, 4, 2), same_draw(_IMAGE), made_by(_pooled(_POOL), _IMAGE), second=False, **_POOL),
]

_RESIZE: dict[str, Any] = {"axes": (1, 2), "antialias": False, "free": False}
CASES += [
    case(name, real(2, 3, 4, 2), sizes=(5, 2), interpolation=kind, **_RESIZE)
    for name in ("resize", "resize_grad")
    for kind in ("nearest", "bilinear", "bicubic")
]

CASES += [
    *(composed(f"resize {how} {a}", lambda x, how=how, a=a: resizing.resize(x, (5, 9), how, a), f"b {s} 3", tolerance=1e-3)
      for how in resizing.INTERPOLATIONS for a in (False, True) for s in ("h w", "7 6")),
    composed("resize_grad", lambda x: resizing.resize(x, (5, 9), "bicubic"), "b h w 3", gradient=True, tolerance=1e-3),
]  # fmt: skip
