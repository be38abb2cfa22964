"""Operators that move elements without changing them: reshape, slice, pad, concatenate; and ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.dims import Shape, Size
from graphkit.ir.primitive import primitive

from ..builder import GraphBuilder, Operand
from ..dims import shape_vector, size_scalar, slice_bound
from ..registry import lowering


@lowering("size")
def _size(b: GraphBuilder, *, value: Size) -> str:
    return b.cast(size_scalar(b, value), "int32")


@lowering("reshape")
def _reshape(b: GraphBuilder, x: Operand, *, shape: Shape) -> Any:
    return b.reshape(x, x.shape, shape)


@lowering("transpose")
def _transpose(b: GraphBuilder, x: Operand, *, axes: tuple[int, ...]) -> Any:
    return b.transpose(x, axes)


@lowering("broadcast_to")
def _broadcast_to(b: GraphBuilder, x: Operand, *, shape: Shape) -> Any:
    """Expand broadcasts in both directions, so 1 is passed for the axes that already have their size."""
    lead = len(shape) - x.rank
    wanted = [1 if axis >= lead and x.shape[axis - lead] == size else size for axis, size in enumerate(shape)]
    if all(isinstance(s, int) and s == 1 for s in wanted) and lead == 0:
        return b.name_of(x)
    if x.number is not None:
        return Operand(b, b.result, make=lambda: str(b.op("Expand", x, shape_vector(b, wanted))), fill=x.number)
    return b.op("Expand", x, shape_vector(b, wanted))


@lowering("concatenate")
def _concatenate(b: GraphBuilder, *xs: Operand, axis: int) -> Any:
    return b.op("Concat", *xs, axis=axis)


@lowering("slice")
def _slice(b: GraphBuilder, x: Operand, *, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> Any:
    first = [slice_bound(s, n, k, is_stop=False) for s, n, k in zip(starts, x.shape, steps, strict=True)]
    last = [slice_bound(s, n, k, is_stop=True) for s, n, k in zip(stops, x.shape, steps, strict=True)]
    axes = [a for a in range(x.rank) if (starts[a], stops[a], steps[a]) != (0, x.shape[a], 1)]
    if not axes:
        return b.name_of(x)
    chosen = (shape_vector(b, [bounds[a] for a in axes]) for bounds in (first, last))
    return b.op("Slice", x, *chosen, b.ints(axes), b.ints(steps[a] for a in axes))


@lowering("unslice")
def _unslice(b: GraphBuilder, x: Operand, *, starts: Shape, stops: Shape, steps: tuple[int, ...], shape: Shape) -> Any:
    """Pad with zeros. For steps over 1, zeros are first inserted between the elements; for negative steps, they are reversed."""
    backward = [axis for axis, step in enumerate(steps) if step < 0]
    name, sizes = b.name_of(x), list(x.shape)
    if backward:
        name = b.op(
            "Slice", name, b.ints([-1] * len(backward)), b.ints([np.iinfo(np.int64).min] * len(backward)), b.ints(backward),
            b.ints([-1] * len(backward)),
        )  # fmt: skip
    low = list(starts)
    for axis, step in enumerate(steps):
        if step < 0:
            low[axis] = starts[axis] + (sizes[axis] - 1) * step
        if abs(step) > 1:
            name, sizes[axis] = _spread(b, name, tuple(sizes), axis, abs(step))
    before = low
    after = [whole - begin - size for whole, begin, size in zip(shape, low, sizes, strict=True)]
    if all(isinstance(w, int) and w == 0 for w in (*before, *after)):
        return name
    return b.op("Pad", name, shape_vector(b, [*before, *after]))


def _spread(b: GraphBuilder, name: str, shape: Shape, axis: int, step: int) -> tuple[str, Size]:
    """Insert step - 1 zeros between neighbours along an axis. Returns the name, and the new size of the axis."""
    spaced = (*shape[: axis + 1], 1, *shape[axis + 1 :])
    name = b.reshape(name, shape, spaced)
    widths = [0] * (2 * len(spaced))
    widths[len(spaced) + axis + 1] = step - 1
    name = b.op("Pad", name, b.ints(widths))
    full = (*shape[:axis], shape[axis] * step, *shape[axis + 1 :])
    name = b.reshape(name, (*shape[: axis + 1], step, *shape[axis + 1 :]), full)
    kept = b.op("Slice", name, b.ints([0]), b.ints([1 - step]), b.ints([axis]))
    return kept, shape[axis] * step - (step - 1)


def _parts(x: Any, axis: int, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    ends = np.cumsum(sizes).tolist()
    before = (slice(None),) * axis
    return tuple(x[(*before, slice(end - size, end))] for size, end in zip(sizes, ends, strict=True))


# All parts of a tensor along an axis; `tidy` makes it of slices.
split_parts_p = primitive("split_parts", decomposition=_parts)


@lowering("split_parts")
def _split_parts(b: GraphBuilder, x: Operand, *, axis: int, sizes: tuple[int, ...]) -> Any:
    return b.op("Split", x, b.ints(sizes), axis=axis, outputs=len(sizes))


_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge"}


@lowering("pad", when=lambda e: e.params["mode"] in _PAD_MODES)
def _pad(b: GraphBuilder, x: Operand, value: Operand, *, widths: Any, mode: str) -> Any:
    pads = shape_vector(b, [low for low, _ in widths] + [high for _, high in widths])
    filling = b.reshape(value, value.shape, ()) if mode == "constant" and value.rank else value
    zero = mode != "constant" or value.number == 0
    return b.op("Pad", x, pads, None if zero else filling, mode=None if mode == "constant" else _PAD_MODES[mode])


@lowering("pad", when=lambda e: e.params["mode"] == "symmetric")
def _pad_symmetric(b: GraphBuilder, x: Operand, value: Operand, *, widths: Any, mode: str) -> Any:
    """ONNX has no mode that mirrors including the edge: reversed slices are concatenated, axis by axis."""
    name = b.name_of(x)
    for axis, (before, after) in enumerate(widths):
        parts = [name]
        if before:
            parts.insert(0, _slice_one(b, name, axis, before - 1, np.iinfo(np.int64).min, -1))
        if after:
            parts.append(_slice_one(b, name, axis, -1, -after - 1, -1))
        name = b.op("Concat", *parts, axis=axis) if len(parts) > 1 else name
    return name


def _slice_one(b: GraphBuilder, x: str, axis: int, start: int, stop: int, step: int) -> Any:
    return b.op("Slice", x, b.ints([start]), b.ints([stop]), b.ints([axis]), b.ints([step]))


@lowering("arange")
def _arange(b: GraphBuilder, *, start: Any, stop: Any, step: Any, dtype: str) -> str:
    """Write a Range in int64, the dtype of sizes, and a Cast."""
    if all(isinstance(v, (int, float)) for v in (start, stop, step)):
        return b.constant(np.arange(start, stop, step), dtype)
    return b.cast(b.op("Range", *(size_scalar(b, v) for v in (start, stop, step))), dtype)
