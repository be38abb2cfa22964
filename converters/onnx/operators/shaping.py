"""Operators that move elements: reshapes, transposes, slices, gathers, scatters, padding. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, UnknownSizeError
from graphkit.ops._convert import dtype_name, tensor

from .elementwise import scalar
from .known import array, ints, shape_of
from .sizes import single, sizes
from .table import NodeCall, operator

_MAX_ELEMENTS = 1 << 31


def bounded(shape: Sequence[Any]) -> None:
    """Refuse sizes of a result that no real file has.

    Raises:
        InvalidArgumentError: there are more than 2 ** 31 elements.
    """
    known = [int(n) for n in shape if not isinstance(n, Dim)]
    if math.prod(known) > _MAX_ELEMENTS:
        raise InvalidArgumentError(f"the result of shape {tuple(shape)} is too large.")


def rank(x: Any) -> int:
    """Return the number of axes."""
    return len(shape_of(x))


@operator("Shape")
def shape(x: Any, *, start: int = 0, end: int | None = None) -> Any:
    """Return the sizes of the axes from `start` to `end`."""
    return sizes(list(shape_of(x)[slice(start, end)]))


@operator("Size")
def size(x: Any) -> Any:
    """Return the number of elements."""
    return single(_product(shape_of(x)))


@operator("Reshape")
def reshape_attribute(x: Any, *, shape: Any = (), consumed_inputs: Any = None) -> Any:
    """Reshape; the shape is an attribute."""
    return reshape(x, shape)


@operator("Reshape", since=5)
def reshape(x: Any, shape: Any, *, allowzero: int = 0) -> Any:
    """Reshape; -1 is the remaining size, and 0 the size of the input's axis unless `allowzero`."""
    wanted = ints(shape, "shape")
    sizes = shape_of(x)
    if not allowzero:
        if any(w == 0 and i >= len(sizes) for i, w in enumerate(wanted) if not isinstance(w, Dim)):
            raise InvalidArgumentError(f"shape {wanted} copies an axis that the input of shape {sizes} does not have.")
        wanted = [sizes[i] if not isinstance(w, Dim) and w == 0 else w for i, w in enumerate(wanted)]
    return ops.reshape(x, tuple(wanted))


@operator("Flatten")
def flatten(x: Any, *, axis: int = 1) -> Any:
    """Return the matrix whose rows are the axes before `axis`."""
    sizes = shape_of(x)
    axis = axis + len(sizes) if axis < 0 else axis
    front, back = _product(sizes[:axis]), _product(sizes[axis:])
    return ops.reshape(x, (front, back))


def _product(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for one in sizes:
        total = total * one
    return total


@operator("Transpose")
def transpose(x: Any, *, perm: tuple[int, ...] | None = None) -> Any:
    """Permute the axes; reversed by default."""
    return ops.transpose(x, perm)


@operator("Squeeze")
def squeeze_attribute(x: Any, *, axes: tuple[int, ...] | None = None) -> Any:
    """Remove axes of size 1; the axes are an attribute."""
    return squeeze(x, axes)


@operator("Squeeze", since=13)
def squeeze(x: Any, axes: Any = None) -> Any:
    """Remove axes of size 1."""
    return ops.squeeze(x, None if axes is None else tuple(ints(axes, "axes")))


@operator("Unsqueeze")
def unsqueeze_attribute(x: Any, *, axes: tuple[int, ...]) -> Any:
    """Add axes of size 1; the axes are an attribute."""
    return unsqueeze(x, axes)


@operator("Unsqueeze", since=13)
def unsqueeze(x: Any, axes: Any) -> Any:
    """Add axes of size 1 at places of the result."""
    wanted = ints(axes, "axes")
    total = rank(x) + len(wanted)
    places = sorted(a % total for a in wanted)
    if len(set(places)) != len(places):
        raise InvalidArgumentError(f"axes {wanted} names an axis twice.")
    return ops.expand_dims(x, tuple(places)) if places else x


@operator("Concat")
def concat_old(*inputs: Any, axis: int | None = 1) -> Any:
    """Join tensors along an axis, 1 by default before version 4."""
    return ops.concatenate(list(inputs), axis=1 if axis is None else axis)


@operator("Concat", since=4)
def concat(*inputs: Any, axis: int) -> Any:
    """Join tensors along an axis."""
    return ops.concatenate(list(inputs), axis=axis)


@operator("Split", takes_node=True)
def split_attribute(
    node: NodeCall, x: Any, lengths: Any = None, *, axis: int | None = 0, split: tuple[int, ...] | None = None
) -> Any:
    """Cut along an axis; the lengths are an attribute (or an input, in version 1)."""
    return _split(x, ints(lengths, "split") if lengths is not None else split, axis or 0, node.outputs)


@operator("Split", since=13, takes_node=True)
def split(node: NodeCall, x: Any, split: Any = None, *, axis: int = 0, num_outputs: int | None = None) -> Any:
    """Cut along an axis into parts of given lengths, or into equal parts of which the last may be shorter."""
    return _split(x, None if split is None else ints(split, "split"), axis, num_outputs or node.outputs)


def _split(x: Any, lengths: Sequence[int] | None, axis: int, parts: int) -> Any:
    if lengths is None:
        total = shape_of(x)[axis]
        if isinstance(total, Dim):
            raise UnknownSizeError("Split into equal parts requires an axis of known size.")
        if parts < 1 or parts > max(total, 1):
            raise InvalidArgumentError(f"an axis of size {total} cannot be split into {parts} parts.")
        each = -(-total // parts)
        lengths = [min(each, total - i * each) for i in range(parts)]
        if lengths[-1] < 0:
            raise InvalidArgumentError(f"an axis of size {total} cannot be split into {parts} parts of {each}.")
    if len(lengths) == 1:
        return (x,)
    return tuple(ops.split(x, [int(n) for n in np.cumsum(lengths[:-1])], axis=axis))


_NO_END = 10**9  # tf2onnx writes this number for the end of an axis, others the largest integer


@operator("Slice")
def slice_attributes(x: Any, *, starts: Any, ends: Any, axes: Any = None) -> Any:
    """Take a range of each axis; the ranges are attributes."""
    return slice_(x, starts, ends, axes)


@operator("Slice", since=10)
def slice_(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    """Take a range of each axis, as Python's slices do."""
    first, last = ints(starts, "starts"), ints(ends, "ends")
    places = list(range(len(first))) if axes is None else ints(axes, "axes")
    strides = [1] * len(first) if steps is None else ints(steps, "steps")
    key = [slice(None)] * rank(x)
    for start, stop, axis, step in zip(first, last, places, strides, strict=True):
        key[axis] = _range(start, stop, step, shape_of(x)[axis])
    return ops.get_item(x, tuple(key)) if key else x  # an array cannot be indexed by unknown sizes itself


def _range(start: Any, stop: Any, step: int, size: Any) -> slice:
    """Return a Python slice; ends far outside mean the axis' ends."""
    if isinstance(size, Dim) or isinstance(start, Dim) or isinstance(stop, Dim):
        limit = _NO_END
        clean = [None if not isinstance(v, Dim) and abs(v) >= limit else v for v in (start, stop)]
        return slice(clean[0] or None, clean[1], step)
    if step > 0:
        start = min(max(start + size if start < 0 else start, 0), size)
        stop = min(max(stop + size if stop < 0 else stop, 0), size)
        return slice(start, max(stop, start), step)
    start = min(max(start + size if start < 0 else start, 0), size - 1)  # clamped to the axis, other than in Python
    stop = min(max(stop + size if stop < 0 else stop, -1), size - 1)
    if stop >= start:
        return slice(0, 0)
    return slice(start, None if stop < 0 else stop, step)


@operator("Expand")
def expand(x: Any, shape: Any) -> Any:
    """Broadcast to a shape, which the input's shape may exceed."""
    wanted, sizes = ints(shape, "shape"), list(shape_of(x))
    length = max(len(wanted), len(sizes))
    wanted, sizes = [1] * (length - len(wanted)) + wanted, [1] * (length - len(sizes)) + sizes
    target = tuple(s if not isinstance(w, Dim) and w == 1 else w for w, s in zip(wanted, sizes, strict=True))
    bounded(target)
    return ops.broadcast_to(x, target)


@operator("Tile")
def tile_one(x: Any, tiles: Any, axis: Any) -> Any:
    """Repeat along one axis."""
    repeats = [1] * rank(x)
    repeats[ints(axis, "axis")[0]] = ints(tiles, "tiles")[0]
    return ops.tile(x, tuple(repeats))


@operator("Tile", since=6)
def tile(x: Any, repeats: Any) -> Any:
    """Repeat along each axis."""
    counts = ints(repeats, "repeats")
    bounded([n * c for n, c in zip(shape_of(x), counts, strict=True)])
    return ops.tile(x, tuple(counts))


# ----- by index -----


def _wrapped(indices: Any, size: Any) -> Any:
    """Return indices with negative ones counted from the end."""
    return ops.where(ops.less(indices, 0), ops.add(indices, tensor(size, dtype_name(indices))), indices)


@operator("Gather")
def gather(x: Any, indices: Any, *, axis: int = 0) -> Any:
    """Take slices along an axis."""
    return ops.take(x, _checked(indices, shape_of(x)[axis]), axis=axis)


def _checked(indices: Any, size: Any) -> Any:
    known = isinstance(indices, np.ndarray) and isinstance(size, int) and indices.size
    if known and (indices.min() < -size or indices.max() >= size):
        raise InvalidArgumentError(f"indices from {indices.min()} to {indices.max()} exceed an axis of size {size}.")
    return _wrapped(indices, size)


@operator("GatherElements")
def gather_elements(x: Any, indices: Any, *, axis: int = 0) -> Any:
    """Take single elements along an axis; the indices may cover a part of the other axes."""
    axis %= rank(x)
    wanted = shape_of(indices)
    key = tuple(slice(None) if i == axis else slice(0, n) for i, n in enumerate(wanted))
    return ops.take_along_axis(x[key], _checked(indices, shape_of(x)[axis]), axis=axis)


@operator("GatherND")
def gather_nd(x: Any, indices: Any, *, batch_dims: int = 0) -> Any:
    """Take the slices that rows of indices select."""
    sizes, places = shape_of(x), shape_of(indices)
    depth = places[-1]
    flat = _flat_indices(indices, sizes[batch_dims : batch_dims + depth])
    rest = sizes[batch_dims + depth :]
    batch = sizes[:batch_dims]
    table = ops.reshape(x, (_product(batch), _product(sizes[batch_dims : batch_dims + depth]), *rest))
    rows = ops.reshape(flat, (_product(batch), -1))
    base = ops.expand_dims(
        ops.multiply(ops.arange(_product(batch), dtype="int64"), _product(sizes[batch_dims : batch_dims + depth])), -1
    )
    made = ops.take(ops.reshape(table, (-1, *rest)), ops.reshape(ops.add(rows, base), (-1,)), axis=0)
    return ops.reshape(made, (*places[:-1], *rest))


def _flat_indices(indices: Any, sizes: Sequence[Any]) -> Any:
    """Return the positions in the flattened axes that rows of indices name."""
    indices = ops.cast(indices, "int64")
    total: Any = ops.zeros_like(indices[..., 0]) if sizes else ops.zeros(shape_of(indices)[:-1], dtype="int64")
    for place, length in enumerate(sizes):
        total = ops.add(ops.multiply(total, length), _checked(indices[..., place], length))
    return total


@operator("ScatterND")
def scatter_nd(x: Any, indices: Any, updates: Any, *, reduction: str = "none") -> Any:
    """Change the slices that rows of indices select."""
    sizes, places = shape_of(x), shape_of(indices)
    depth = places[-1]
    count, rest = _product(sizes[:depth]), sizes[depth:]
    flat = ops.reshape(_flat_indices(indices, sizes[:depth]), (-1,))
    table = ops.reshape(x, (count, *rest))
    rows = ops.reshape(updates, (_product(places[:-1]), *rest))
    return ops.reshape(_combined(table, flat, rows, reduction), sizes)


def _combined(table: Any, places: Any, rows: Any, reduction: str) -> Any:
    """Return a table with rows put at places of its first axis, or combined with those there."""
    return ops.scatter_update(
        table, ops.expand_dims(places, -1), rows, reduction=None if reduction == "none" else reduction
    )


@operator("Scatter", "ScatterElements")
def scatter_elements(x: Any, indices: Any, updates: Any, *, axis: int = 0, reduction: str = "none") -> Any:
    """Change single elements along an axis."""
    sizes, places = shape_of(x), shape_of(indices)
    axis %= len(sizes)
    along = _checked(ops.cast(indices, "int64"), sizes[axis])
    coordinates = [along if i == axis else _counted(places, i) for i in range(len(places))]
    return scatter_nd(x, ops.stack(coordinates, axis=-1), updates, reduction=reduction)


def _counted(shape: Sequence[Any], axis: int) -> Any:
    """Return the position along an axis of each element of a shape."""
    column = ops.reshape(ops.arange(shape[axis], dtype="int64"), [-1 if i == axis else 1 for i in range(len(shape))])
    return ops.broadcast_to(column, shape)


@operator("Compress")
def compress(x: Any, condition: Any, *, axis: int | None = None) -> Any:
    """Keep the slices where a condition holds."""
    places = np.flatnonzero(array(condition, "condition"))
    if axis is None:
        return ops.take(ops.reshape(x, (-1,)), places, axis=0)
    return ops.take(x, places, axis=axis)


@operator("Trilu")
def trilu(x: Any, k: Any = None, *, upper: int = 1) -> Any:
    """Keep the upper or lower triangle."""
    diagonal = 0 if k is None else ints(k, "k")[0]
    return ops.triu(x, diagonal) if upper else ops.tril(x, diagonal)


@operator("ReverseSequence")
def reverse_sequence(x: Any, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0) -> Any:
    """Reverse the first steps of each sequence."""
    steps = shape_of(x)[time_axis]
    time = ops.arange(steps, dtype="int64")
    ends = ops.expand_dims(ops.cast(lengths, "int64"), -1)
    places = ops.where(ops.less(time, ends), ops.subtract(ops.subtract(ends, 1), time), time)
    if time_axis < batch_axis:
        places = ops.transpose(places)
    for _ in range(rank(x) - 2):
        places = ops.expand_dims(places, -1)
    return ops.take_along_axis(x, ops.broadcast_to(places, shape_of(x)), axis=time_axis)


@operator("DepthToSpace")
def depth_to_space(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    """Move blocks of channels to space."""
    n, c, h, w = shape_of(x)
    b = blocksize
    if mode == "DCR":
        parts = ops.transpose(ops.reshape(x, (n, b, b, c // (b * b), h, w)), (0, 3, 4, 1, 5, 2))
    else:
        parts = ops.transpose(ops.reshape(x, (n, c // (b * b), b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return ops.reshape(parts, (n, c // (b * b), h * b, w * b))


@operator("SpaceToDepth")
def space_to_depth(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    """Move blocks of space to channels."""
    n, c, h, w = shape_of(x)
    b = blocksize
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    parts = ops.transpose(ops.reshape(x, (n, c, h // b, b, w // b, b)), order)
    return ops.reshape(parts, (n, c * b * b, h // b, w // b))


# ----- padding -----


@operator("Pad")
def pad_attributes(
    x: Any, *, pads: Any = None, paddings: Any = None, mode: str = "constant", value: float = 0.0
) -> Any:
    """Pad; the widths are an attribute."""
    return pad(x, pads if pads is not None else paddings, scalar(value, x), mode=mode)


@operator("Pad", since=11)
def pad(x: Any, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant") -> Any:
    """Pad each axis at both ends, or crop it where a width is negative."""
    widths = ints(pads, "pads")
    total = rank(x)
    places = list(range(total)) if axes is None else [a % total for a in ints(axes, "axes")]
    half = len(widths) // 2
    each = [(0, 0)] * total
    for axis, before, after in zip(places, widths[:half], widths[half:], strict=True):
        each[axis] = (before, after)
    if any(w < 0 for pair in each for w in pair if not isinstance(w, Dim)):
        x = x[tuple(slice(-min(b, 0), n + min(a, 0)) for (b, a), n in zip(each, shape_of(x), strict=True))]
        each = [(max(b, 0), max(a, 0)) for b, a in each]
    bounded([n + b + a for n, (b, a) in zip(shape_of(x), each, strict=True)])
    if mode == "constant":
        fill = None if value is None else array(value, "constant_value").reshape(-1)[0]
        return ops.pad(x, each, mode="constant", constant_values=0 if fill is None else fill)
    if mode == "wrap":
        return _wrap(x, each)
    return ops.pad(x, each, mode={"edge": "edge", "reflect": "reflect"}.get(mode, mode))


def _wrap(x: Any, each: Sequence[tuple[int, int]]) -> Any:
    for axis, (before, after) in enumerate(each):
        if before or after:
            size = shape_of(x)[axis]
            x = ops.take(x, ops.mod(ops.arange(-before, size + after), size), axis=axis)
    return x


@operator("CenterCropPad")
def center_crop_pad(x: Any, shape: Any, *, axes: tuple[int, ...] | None = None) -> Any:
    """Crop or pad each axis around its center to a size."""
    places = list(range(rank(x))) if axes is None else [a % rank(x) for a in axes]
    for axis, wanted in zip(places, ints(shape, "shape"), strict=True):
        size = shape_of(x)[axis]
        if size > wanted:
            start = (size - wanted) // 2
            x = x[tuple(slice(start, start + wanted) if i == axis else slice(None) for i in range(rank(x)))]
        elif size < wanted:
            before = (wanted - size) // 2
            x = ops.pad(x, [(before, wanted - size - before) if i == axis else (0, 0) for i in range(rank(x))])
    return x
