"""Pooling and its derivatives, channels-first when they are lowered (see `layout`)."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from graphkit.core.dims import Shape, is_static, product
from graphkit.core.errors import ExportError
from graphkit.ops._windows import Ints, PoolParams

from ..builder import GraphBuilder, Input, Operand
from ..dims import shape_vector
from ..registry import lowering
from .convolution import cropped, pad_attributes, pads_of, pads_shape, transposed
from .indexing import zeros


def _pool(b: GraphBuilder, op_type: str, x: Operand, how: PoolParams, **more: Any) -> Any:
    padding = how["padding"]
    image, pads = (x, padding) if isinstance(padding, str) else cropped(b, x, padding)
    window, strides = list(how["window"]), list(how["strides"])
    return b.op(op_type, image, kernel_shape=window, strides=strides, **pad_attributes(pads), **more)


@lowering("max_pool")
def _max_pool(b: GraphBuilder, x: Operand, **how: Unpack[PoolParams]) -> Any:
    return _pool(b, "MaxPool", x, how)


@lowering("average_pool")
def _average_pool(b: GraphBuilder, x: Operand, **how: Unpack[PoolParams]) -> Any:
    return _pool(b, "AveragePool", x, how)


def _positions(b: GraphBuilder, x: Operand, how: PoolParams) -> Any:
    """Return the position of each window's (first) maximum in the flattened image."""
    padding = how["padding"]
    if not isinstance(padding, str) and any(min(pair) < 0 for pair in padding):
        raise ExportError("the gradient of max pooling with negative padding cannot be expressed in ONNX")
    _, places = _pool(b, "MaxPool", x, how, outputs=2)
    return b.op("Reshape", places, b.ints([-1]))


def _flat(b: GraphBuilder, value: Input) -> Any:
    return b.op("Reshape", value, b.ints([-1]))


@lowering("max_pool_grad")
def _max_pool_grad(b: GraphBuilder, g: Operand, x: Operand, y: Operand, **how: Unpack[PoolParams]) -> Any:
    blank = zeros(b, (product(x.shape),), x.dtype)
    made = b.op("ScatterElements", blank, _positions(b, x, how), _flat(b, g), axis=0, reduction="add")
    return b.reshape(made, (product(x.shape),), x.shape)


@lowering("max_pool_pick")
def _max_pool_pick(b: GraphBuilder, h: Operand, x: Operand, y: Operand, **how: Unpack[PoolParams]) -> Any:
    made = b.op("GatherElements", _flat(b, h), _positions(b, x, how), axis=0)
    return b.reshape(made, (product(y.shape),), y.shape)


@lowering("average_pool_grad")
def _average_pool_grad(b: GraphBuilder, g: Operand, *, sizes: Shape, **how: Unpack[PoolParams]) -> Any:
    """Spread each gradient evenly over its window: a transposed convolution with ones, of gradients divided by counts."""
    window, strides = how["window"], how["strides"]
    ones = (1,) * len(window)
    pads = pads_of(how["padding"], sizes, window, strides, ones)
    dtype = np.dtype(np.float64 if g.dtype == "float64" else np.float32)
    counts = _counts(b, sizes, window, strides, pads, dtype)
    each = b.op("Div", g, b.cast(counts, g.dtype))
    flat: Shape = (g.shape[0] * g.shape[1], 1, *g.shape[2:])
    kernel = b.cast(b.constant(np.ones((1, 1, *window), dtype)), g.dtype)
    spread = transposed(b, b.reshape(each, g.shape, flat), kernel, flat, sizes, window, strides, pads, ones, 1)
    return b.reshape(spread, (*flat[:2], *sizes), (*g.shape[:2], *sizes))


def _counts(b: GraphBuilder, sizes: Shape, window: Ints, strides: Ints, padding: Any, dtype: Any) -> str:
    """Return the number of elements in each window, of shape (1, 1, *outputs)."""
    cut = pads_shape((1, 1, *sizes), padding)
    whole = np.ones([int(s) for s in cut if isinstance(s, int)], dtype) if is_static(cut) else None
    ones = (
        b.constant(whole)
        if whole is not None
        else b.op("Expand", b.constant(np.ones((1, 1), dtype)), shape_vector(b, cut))
    )
    pads = tuple((max(low, 0), max(high, 0)) for low, high in padding)
    kernel = b.constant(np.ones((1, 1, *window), dtype))
    made: str = b.op("Conv", ones, kernel, kernel_shape=list(window), strides=list(strides), **pad_attributes(pads))
    return made
