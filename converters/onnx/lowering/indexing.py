"""Gather, scatter and sort."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, Size, is_static
from graphkit.core.errors import ExportError, OpsetError

from ..builder import GraphBuilder, Input, Operand, to_tensor
from ..dims import shape_vector, size_vector
from ..registry import lowering


def _positions(b: GraphBuilder, indices: Operand, *, wide: bool = False) -> Input:
    """Cast indices to a dtype that ONNX accepts: int64 or, unless `wide`, int32."""
    accepted = ("int64",) if wide else ("int32", "int64")
    return indices if indices.dtype in accepted else b.cast(indices, "int64")


def zeros(b: GraphBuilder, shape: Shape, dtype: str) -> str:
    """Return the name of a tensor of zeros whose sizes may be unknown."""
    if is_static(shape) and np.prod([int(s) for s in shape if isinstance(s, int)]) <= 16:
        return b.constant(np.zeros([int(s) for s in shape if isinstance(s, int)], dtypes.to_numpy(dtype)))
    value = to_tensor(np.zeros(1, dtypes.to_numpy(dtype)), dtype, "value")
    made: str = b.op("ConstantOfShape", shape_vector(b, shape), value=value)
    return made


@lowering("with_classes")
def _with_classes(b: GraphBuilder, x: Operand, *, size: Size, least: int) -> Any:
    if not isinstance(size, Dim):
        return b.op("Identity", x)
    if b.parent is not None:
        raise ExportError(
            "A size that depends on values cannot leave the body of a loop or branch in ONNX. Give `num_segments`, or move the "
            "operation out of the body."
        )
    flat = b.op("Reshape", b.cast(x, "int64"), b.ints([-1]))
    numbers = b.op("Concat", flat, b.ints([least - 1]), axis=0)
    b.root.sizes[size] = b.op("Add", b.op("ReduceMax", numbers, keepdims=1), b.ints([1]))
    return b.op("Identity", x)


@lowering("take")
def _take(b: GraphBuilder, x: Operand, indices: Operand, *, axis: int) -> Any:
    return b.op("Gather", x, _positions(b, indices), axis=axis)


@lowering("scatter_add")
def _scatter_add(b: GraphBuilder, updates: Operand, indices: Operand, *, axis: int, size: Size) -> Any:
    """ScatterND adds rows along the first axes, so the indexed axes are moved to the front, and the result's axis back."""
    rank = len(updates.shape)
    inside = list(range(axis, axis + indices.rank))
    rest = [a for a in range(rank) if a not in inside]
    rows: Input = updates if not axis else b.transpose(updates, [*inside, *rest])
    target = zeros(b, (size, *(updates.shape[a] for a in rest)), updates.dtype)
    where = b.unsqueeze(_positions(b, indices, wide=True), indices.rank)
    made = b.op("ScatterND", target, where, rows, reduction="add")
    return made if not axis else b.transpose(made, [*range(1, axis + 1), 0, *range(axis + 1, len(rest) + 1)])


@lowering("take_along_axis")
def _take_along_axis(b: GraphBuilder, x: Operand, indices: Operand, *, axis: int) -> Any:
    return b.op("GatherElements", x, _positions(b, indices), axis=axis)


@lowering("scatter_along_axis")
def _scatter_along_axis(b: GraphBuilder, updates: Operand, indices: Operand, *, axis: int, size: Size) -> Any:
    shape = (*updates.shape[:axis], size, *updates.shape[axis + 1 :])
    return b.op(
        "ScatterElements", zeros(b, shape, updates.dtype), _positions(b, indices), updates, axis=axis, reduction="add"
    )


@lowering("scatter_set")
def _scatter_set(b: GraphBuilder, x: Operand, indices: Operand, updates: Operand) -> Any:
    return b.op("ScatterND", x, b.unsqueeze(_positions(b, indices, wide=True), indices.rank), updates)


@lowering("scatter_reduce")
def _scatter_reduce(b: GraphBuilder, x: Operand, indices: Operand, updates: Operand, *, reduction: str) -> Any:
    if b.opset < 18 and reduction != "mul":
        raise OpsetError(
            f"ScatterND has reduction={reduction!r} since opset 18, got opset {b.opset}. Export with opset=18 or later.",
            18,
        )
    places = b.unsqueeze(_positions(b, indices, wide=True), indices.rank)
    return b.op("ScatterND", x, places, updates, reduction=reduction)


@lowering("nonzero")
def _nonzero(b: GraphBuilder, x: Operand, *, size: Size) -> Any:
    """NonZero returns a row for each axis. Where the number of columns is a named size, later operators read it from here."""
    made = b.op("NonZero", x)
    if isinstance(size, Dim):
        b.root.sizes.setdefault(size, b.size_of(made, 1))
    rows = [b.cast(b.op("Gather", made, b.constant(np.int64(axis)), axis=0), "int32") for axis in range(x.rank)]
    return tuple(rows) if len(rows) > 1 else rows[0]


@lowering("argsort")
def _argsort(b: GraphBuilder, x: Operand, *, axis: int) -> Any:
    """Sort by TopK over all elements, smallest first; equal elements keep their order."""
    source = b.cast(x, "int32") if x.dtype == "bool" else x
    _, places = b.op("TopK", source, size_vector(b, x.shape[axis]), axis=axis, largest=0, sorted=1, outputs=2)
    return b.cast(places, "int32")


@lowering("top_k")
def _top_k(b: GraphBuilder, x: Operand, *, k: int) -> Any:
    values, places = b.op("TopK", x, b.ints([k]), axis=-1, largest=1, sorted=1, outputs=2)
    return values, b.cast(places, "int32")
