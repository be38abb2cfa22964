"""Functions of `tf` that create, reshape, join, slice and index tensors."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import InvalidArgumentError, ShapeError, UnknownValueError
from graphkit.ir.eager_tensor import eager
from graphkit.tensorflow.dtypes import dtype_name
from graphkit.tensorflow.table import (
    as_tensor,
    axes_of,
    dtype_of,
    is_deferred,
    is_tensor,
    number,
    shape_of,
    sizes_of,
    tensorflow,
)
from graphkit.tensorflow.tensors import Sizes, TensorShape

# ----- creation -----


def _full(shape: Any, value: Any, dtype: Any) -> Any:
    name, sizes = dtype_name(dtype), sizes_of(shape)
    if name == "string":
        return np.full(sizes, value if value else b"", object)
    return ops.full(sizes, value, dtype=name)


@tensorflow("zeros", tensors="")
def _zeros(shape: Any, dtype: Any = "float32", layout: Any = None) -> Any:
    return _full(shape, 0, dtype)


@tensorflow("ones", tensors="")
def _ones(shape: Any, dtype: Any = "float32", layout: Any = None) -> Any:
    return _full(shape, 1, dtype)


@tensorflow("fill", tensors="value")
def _fill(dims: Any, value: Any, layout: Any = None) -> Any:
    if dtype_of(value) == "string":
        return np.full(sizes_of(dims, "dims"), np.asarray(value)[()], object)
    return ops.broadcast_to(value, sizes_of(dims, "dims"))


@tensorflow("zeros_like")
def _zeros_like(input: Any, dtype: Any = None, layout: Any = None) -> Any:
    return ops.zeros_like(input, dtype=None if dtype is None else dtype_name(dtype))


@tensorflow("ones_like")
def _ones_like(input: Any, dtype: Any = None, layout: Any = None) -> Any:
    return ops.ones_like(input, dtype=None if dtype is None else dtype_name(dtype))


@tensorflow("eye linalg.eye", tensors="")
def _eye(num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = "float32") -> Any:
    columns = num_rows if num_columns is None else num_columns
    made = ops.eye(number(num_rows, "num_rows"), number(columns, "num_columns"), dtype=dtype_name(dtype))
    return made if batch_shape is None else ops.broadcast_to(made, (*sizes_of(batch_shape), *shape_of(made)))


@tensorflow("range", tensors="")
def _range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Any:
    if limit is None:
        start, limit = 0, start
    values = [start, limit, delta]
    kinds = [dtype_of(v) for v in values if not isinstance(v, Dim)]
    wanted = (
        dtype_name(dtype)
        if dtype is not None
        else next((k for k in ("float64", "float32", "int64") if k in kinds), "int32")
    )
    if builtins.any(isinstance(v, Dim) or is_deferred(v) for v in values):
        return ops.arange(
            *(v if isinstance(v, (int, float, Dim)) else number(v, "tf.range's limit") for v in values), dtype=wanted
        )
    first, last, step = (np.asarray(v).astype("float64" if "float" in wanted else "int64").reshape(()) for v in values)
    return np.arange(first.item(), last.item(), step.item()).astype(wanted)


@tensorflow("linspace", tensors="start stop")
def _linspace(start: Any, stop: Any, num: Any, axis: int = 0) -> Any:
    dtype = dtype_of(start)
    start, stop = (ops.cast(v, "float64") if "int" in dtype else v for v in (start, stop))
    return ops.linspace(start, stop, number(num, "num"), axis=axis)


@tensorflow("one_hot")
def _one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: Any = None, dtype: Any = None
) -> Any:
    values = [as_tensor(v) for v in (on_value, off_value) if v is not None]
    name = dtype_name(dtype) if dtype is not None else dtype_of(values[0]) if values else "float32"
    rank = len(shape_of(indices))
    hot = ops.one_hot(indices, number(depth, "depth"), axis=-1 if axis in (None, rank) else axis, dtype="bool")
    on, off = (default if v is None else np.asarray(v).item() for v, default in ((on_value, 1), (off_value, 0)))
    if (on, off) == (1, 0):
        return ops.cast(hot, name)
    return ops.where(hot, as_tensor(on, name), as_tensor(off, name))


@tensorflow("sequence_mask", tensors="lengths")
def _sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = "bool") -> Any:
    if maxlen is None:
        if is_deferred(lengths):
            raise UnknownValueError(
                "tf.sequence_mask of lengths that are not known while the graph is built needs `maxlen`."
            )
        maxlen = int(np.max(np.asarray(lengths), initial=0))
    places = ops.arange(number(maxlen, "maxlen"), dtype="int32")
    return ops.cast(ops.less(places, ops.expand_dims(ops.cast(lengths, "int32"), -1)), dtype_name(dtype))


@tensorflow("meshgrid", tensors="")
def _meshgrid(*args: Any, indexing: str = "xy") -> Any:
    return list(ops.meshgrid(*(as_tensor(a) for a in args), indexing=indexing))


# ----- the same elements in another shape -----


@tensorflow("reshape", tensors="")
def _reshape(tensor: Any, shape: Any) -> Any:
    sizes = sizes_of(shape)
    if isinstance(tensor, Dim) and len(sizes) == 1:
        return Sizes((tensor,))
    tensor = as_tensor(tensor)
    if dtype_of(tensor) == "string":
        return np.reshape(np.asarray(tensor), sizes)
    return ops.reshape(tensor, sizes)


@tensorflow("transpose")
def _transpose(a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    made = ops.transpose(a, axes=None if perm is None else sizes_of(perm, "perm"))
    return ops.conj(made) if conjugate else made


@tensorflow("expand_dims", tensors="")
def _expand_dims(input: Any, axis: Any) -> Any:
    if isinstance(input, Dim):
        return Sizes((input,))
    return _strings_or(ops.expand_dims, np.expand_dims, as_tensor(input), axes_of(axis))


@tensorflow("squeeze")
def _squeeze(input: Any, axis: Any = None) -> Any:
    axis = axes_of(axis)
    return _strings_or(ops.squeeze, np.squeeze, input, None if axis == () else axis)


def _strings_or(operation: Any, on_strings: Any, x: Any, *args: Any) -> Any:
    return on_strings(np.asarray(x), *args) if dtype_of(x) == "string" else operation(x, *args)


@tensorflow("reverse")
def _reverse(tensor: Any, axis: Any) -> Any:
    return _strings_or(ops.flip, np.flip, tensor, axes_of(axis))


@tensorflow("roll")
def _roll(input: Any, shift: Any, axis: Any) -> Any:
    return ops.roll(input, axes_of(shift), axis=axes_of(axis))


@tensorflow("identity guarantee_const")
def _identity(input: Any) -> Any:
    return input if dtype_of(input) == "string" else ops.copy(input)


@tensorflow("identity_n", tensors="")
def _identity_n(input: Sequence[Any]) -> Any:
    return [as_tensor(part) for part in input]


@tensorflow("tuple", tensors="")
def _tuple(tensors: Sequence[Any], control_inputs: Any = None) -> Any:
    return [as_tensor(part) for part in tensors]


@tensorflow("stop_gradient")
def _stop_gradient(input: Any) -> Any:
    return ops.stop_gradient(input)


@tensorflow("ensure_shape")
def _ensure_shape(x: Any, shape: Any) -> Any:
    if not TensorShape(shape).is_compatible_with(shape_of(x)):
        raise ShapeError(f"tf.ensure_shape: a tensor of shape {shape_of(x)} is not compatible with {tuple(shape)}.")
    return x


@tensorflow("tile")
def _tile(input: Any, multiples: Any) -> Any:
    return _strings_or(ops.tile, np.tile, input, sizes_of(multiples, "multiples"))


@tensorflow("repeat")
def _repeat(input: Any, repeats: Any, axis: Any = None) -> Any:
    if dtype_of(input) == "string":
        return np.repeat(np.asarray(input), repeats, axis)
    counts = int(np.asarray(repeats)) if np.ndim(repeats) == 0 else np.asarray(repeats)
    return ops.repeat(input, counts, axis=axis)


@tensorflow("broadcast_to")
def _broadcast_to(input: Any, shape: Any) -> Any:
    return ops.broadcast_to(input, sizes_of(shape))


@tensorflow("pad")
def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    widths = tuple((number(a, "paddings"), number(b, "paddings")) for a, b in paddings)
    mode = str(mode).lower()
    if mode not in ("constant", "reflect", "symmetric"):
        raise InvalidArgumentError(f"tf.pad: mode must be 'CONSTANT', 'REFLECT' or 'SYMMETRIC', got {mode!r}.")
    return ops.pad(tensor, widths, mode=mode, constant_values=constant_values if mode == "constant" else None)


@tensorflow("bitcast")
def _bitcast(input: Any, type: Any) -> Any:
    return ops.view(input, dtype=dtype_name(type))


# ----- joining and splitting -----


def _parts(values: Any) -> list[Any]:
    """Return the tensors of a list; numbers and lists among them take the dtype of the tensors."""
    if is_tensor(values) or isinstance(values, np.ndarray):
        return list(ops.unstack(values)) if dtype_of(values) != "string" else list(values)
    typed = next((v for v in values if is_tensor(v) or isinstance(v, (np.ndarray, np.generic))), None)
    dtype = None if typed is None else dtype_of(typed)
    return [
        v if is_tensor(v) else as_tensor(v, dtype if not isinstance(v, (np.ndarray, np.generic)) else None)
        for v in values
    ]


@tensorflow("concat", tensors="")
def _concat(values: Any, axis: Any) -> Any:
    if builtins.any(isinstance(v, Sizes) for v in values) or _has_dims(values):
        return Sizes(size for part in values for size in sizes_of(part))
    parts = _parts(values)
    if dtype_of(parts[0]) == "string":
        return np.concatenate([np.asarray(p) for p in parts], number(axis, "axis"))
    return ops.concatenate(parts, axis=number(axis, "axis"))


def _has_dims(values: Any) -> bool:
    return builtins.any(isinstance(v, Dim) or (isinstance(v, (list, tuple)) and _has_dims(v)) for v in values)


@tensorflow("stack", tensors="")
def _stack(values: Any, axis: int = 0) -> Any:
    if not is_tensor(values) and builtins.any(isinstance(v, Dim) for v in values):
        return Sizes(sizes_of(values))
    parts = _parts(values)
    if dtype_of(parts[0]) == "string":
        return np.stack([np.asarray(p) for p in parts], axis)
    return ops.stack(parts, axis=axis)


@tensorflow("parallel_stack", tensors="")
def _parallel_stack(values: Any) -> Any:
    return ops.stack(_parts(values), axis=0)


@tensorflow("unstack", tensors="")
def _unstack(value: Any, num: Any = None, axis: int = 0) -> Any:
    if isinstance(value, Sizes):
        return list(value)
    value = as_tensor(value)
    if dtype_of(value) == "string":
        return [eager(np.asarray(v, object)) for v in np.moveaxis(np.asarray(value), axis, 0)]
    return list(ops.unstack(value, num=num, axis=axis))


@tensorflow("split")
def _split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: Any = None) -> Any:
    """Split into equal parts, or into parts of these sizes. Source: tf.split."""
    axis = number(axis, "axis")
    if np.ndim(num_or_size_splits) == 0:
        count = number(num_or_size_splits, "num_or_size_splits")
        size = shape_of(value)[axis]
        if isinstance(size, int) and size % count:
            raise ShapeError(f"tf.split: an axis of size {size} cannot be split into {count} equal parts.")
        return list(ops.split(value, count, axis=axis))
    sizes, total = list(sizes_of(num_or_size_splits, "num_or_size_splits")), shape_of(value)[axis]
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = total - builtins.sum(s for s in sizes if s != -1)
    if builtins.sum(sizes) != total or builtins.min(sizes, default=0) < 0:
        raise ShapeError(f"tf.split: the sizes {sizes} do not add up to {total}, the size of axis {axis}.")
    return list(ops.split(value, [builtins.sum(sizes[: i + 1]) for i in builtins.range(len(sizes) - 1)], axis=axis))


# ----- slices -----


@tensorflow("slice")
def _slice(input_: Any, begin: Any, size: Any) -> Any:
    key = tuple(
        slice(start, None if length == -1 else start + length)
        for start, length in zip(sizes_of(begin, "begin"), sizes_of(size, "size"), strict=True)
    )
    return input_[key]


@tensorflow("strided_slice")
def _strided_slice(
    input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0, ellipsis_mask: int = 0,
    new_axis_mask: int = 0, shrink_axis_mask: int = 0, var: Any = None,
) -> Any:  # fmt: skip
    starts, stops = sizes_of(begin, "begin"), sizes_of(end, "end")
    steps = [1] * len(starts) if strides is None else sizes_of(strides, "strides")
    key: list[Any] = []
    for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        bit = 1 << axis
        if ellipsis_mask & bit:
            key.append(...)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(start)
        else:
            key.append(slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step))
    return input_[tuple(key)]


@tensorflow("boolean_mask", tensors="tensor mask")
def _boolean_mask(tensor: Any, mask: Any, axis: Any = None) -> Any:
    if is_deferred(mask):
        raise UnknownValueError(
            "tf.boolean_mask returns a number of elements that depends on the data, which is not known while a graph is built; "
            "use tf.where(mask, x, 0), or call it outside of a traced function."
        )
    chosen, first = np.asarray(mask), number(axis or 0, "axis")
    shape = shape_of(tensor)
    flat = (*shape[:first], -1, *shape[first + chosen.ndim :])
    places = np.flatnonzero(chosen)
    if dtype_of(tensor) == "string":
        return np.reshape(np.asarray(tensor), flat).take(places, axis=first)
    return ops.take(ops.reshape(tensor, flat), places, axis=first)


# ----- gathers and scatters -----


@tensorflow("gather")
def _gather(params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: int = 0) -> Any:
    """Take slices along an axis. Source: tf.gather."""
    rank, index_rank = len(shape_of(params)), len(shape_of(indices))
    batch = number(batch_dims, "batch_dims") % (index_rank or 1) if batch_dims else 0
    axis = batch if axis is None else number(axis, "axis") % rank
    if dtype_of(params) == "string":
        return np.take(np.asarray(params), np.asarray(indices), axis=axis)
    _check_indices(indices, shape_of(params)[axis], "tf.gather")
    if not batch:
        return ops.take(params, indices, axis=axis)
    moved = ops.moveaxis(params, axis, batch)
    between = axis - batch
    picked = _gathered_in_batches(moved, indices, batch)
    inner = index_rank - batch  # the new axes follow `batch`; TensorFlow puts them at `axis`
    return ops.moveaxis(
        picked,
        list(builtins.range(batch, batch + inner)),
        list(builtins.range(batch + between, batch + between + inner)),
    )


def _check_indices(indices: Any, size: Any, what: str) -> None:
    if is_deferred(indices) or not isinstance(size, int) or not np.size(indices):
        return
    low, high = int(np.min(np.asarray(indices))), int(np.max(np.asarray(indices)))
    if low < 0 or high >= size:
        raise InvalidArgumentError(f"{what}: index {low if low < 0 else high} is not in [0, {size}).")


def _gathered_in_batches(params: Any, indices: Any, batch: int) -> Any:
    """Take slices of each sample by its own indices: params (B..., N, rest...), indices (B..., inner...)."""
    shape, index_shape = shape_of(params), shape_of(indices)
    count, rest, inner = shape[batch], shape[batch + 1 :], index_shape[batch:]
    total = _product(shape[:batch])
    flat = ops.reshape(params, (-1, *rest))
    starts = ops.reshape(ops.arange(total, dtype="int32") * count, (-1, *[1] * len(inner)))
    places = ops.reshape(ops.cast(indices, "int32"), (total, *inner)) + starts
    return ops.reshape(ops.take(flat, places, axis=0), (*shape[:batch], *inner, *rest))


def _product(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = size * total
    return total


@tensorflow("gather_nd")
def _gather_nd(params: Any, indices: Any, batch_dims: int = 0, bad_indices_policy: str = "") -> Any:
    """Take elements or slices by indices of several axes. Source: tf.gather_nd."""
    depth, shape = shape_of(indices)[-1], shape_of(params)
    if not depth:
        return ops.broadcast_to(params, (*shape_of(indices)[:-1], *shape))
    steps = [1]
    for size in reversed(shape[batch_dims + 1 : batch_dims + depth]):
        steps.insert(0, steps[0] * size)
    places = ops.cast(indices, "int32")
    line: Any = 0
    for k, step in enumerate(steps):
        line = places[..., k] * step + line
    flat = ops.reshape(
        params, (*shape[:batch_dims], _product(shape[batch_dims : batch_dims + depth]), *shape[batch_dims + depth :])
    )
    return ops.take(flat, line, axis=0) if not batch_dims else _gathered_in_batches(flat, line, batch_dims)


@tensorflow("scatter_nd", tensors="indices updates")
def _scatter_nd(indices: Any, updates: Any, shape: Any, bad_indices_policy: str = "") -> Any:
    return ops.scatter(indices, updates, sizes_of(shape))


def _scattering(reduction: str | None, sign: int = 1) -> Any:
    def call(tensor: Any, indices: Any, updates: Any, bad_indices_policy: str = "") -> Any:
        updates = -updates if sign < 0 else updates
        return ops.scatter_update(tensor, indices, updates, reduction=reduction)

    return call


for _name, _reduction, _sign in (("add", "add", 1), ("sub", "add", -1), ("max", "max", 1), ("min", "min", 1)):
    tensorflow(f"tensor_scatter_nd_{_name}")(_scattering(_reduction, _sign))


@tensorflow("tensor_scatter_nd_update")
def _scatter_update(tensor: Any, indices: Any, updates: Any) -> Any:
    return ops.scatter_update(tensor, indices, updates)


@tensorflow("where", tensors="condition")
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    """Choose elementwise; with one argument return the places of true elements, one row each. Source: tf.where."""
    if (x is None) != (y is None):
        raise InvalidArgumentError("tf.where expects either both or neither of x and y.")
    if x is None:
        if is_deferred(condition):
            raise UnknownValueError(
                "tf.where(condition) returns a number of rows that depends on the data, which is not known while a graph is built; "
                "use tf.where(condition, x, y), or call it outside of a traced function."
            )
        return np.argwhere(np.asarray(condition)).astype("int64")
    if dtype_of(x) == "string" or dtype_of(y) == "string":
        return np.where(np.asarray(condition), np.asarray(as_tensor(x)), np.asarray(as_tensor(y)))
    condition = ops.cast(condition, "bool")
    from graphkit.tensorflow.table import alike

    return ops.where(condition, *alike(x, y))


@tensorflow("unique unique_with_counts", tensors="")
def _unique(x: Any, out_idx: Any = "int32") -> Any:
    return _unique_parts(x, out_idx, counts=False)


@tensorflow("unique_with_counts", tensors="")
def _unique_with_counts(x: Any, out_idx: Any = "int32") -> Any:
    return _unique_parts(x, out_idx, counts=True)


class Unique(tuple[Any, ...]):
    """The result of `tf.unique`: (y, idx) or (y, idx, count)."""

    def __new__(cls, parts: Any) -> Unique:  # noqa: D102  # described by the class
        return super().__new__(cls, parts)

    y = property(lambda self: self[0])
    idx = property(lambda self: self[1])
    count = property(lambda self: self[2])


def _unique_parts(x: Any, out_idx: Any, counts: bool) -> Any:
    """Return the different elements in the order of their first occurrence, the place of each element among them, and counts."""
    x = as_tensor(x)
    if is_deferred(x):
        raise UnknownValueError("tf.unique returns a number of elements that depends on the data; call it on arrays.")
    values, first, places, number_of = np.unique(
        np.asarray(x), return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    index = dtype_name(out_idx)
    parts = [values[order], rank[places.ravel()].astype(index), *([number_of[order].astype(index)] if counts else [])]
    return Unique(parts)


@tensorflow("unravel_index", tensors="indices")
def _unravel_index(indices: Any, dims: Any) -> Any:
    return ops.stack(list(ops.unravel_index(indices, sizes_of(dims, "dims"))))


@tensorflow("reverse_sequence", tensors="input seq_lengths")
def _reverse_sequence(input: Any, seq_lengths: Any, seq_axis: Any = None, batch_axis: Any = None) -> Any:
    rank = len(shape_of(input))
    seq_axis, batch_axis = number(seq_axis, "seq_axis") % rank, number(batch_axis or 0, "batch_axis") % rank
    moved = ops.moveaxis(input, (batch_axis, seq_axis), (0, 1))
    size = shape_of(moved)[1]
    line = ops.expand_dims(ops.arange(size, dtype="int32"), 0)
    ends = ops.expand_dims(ops.cast(seq_lengths, "int32"), -1)
    places = ops.where(ops.less(line, ends), ends - 1 - line, line + ends * 0)
    return ops.moveaxis(_gathered_in_batches(moved, places, 1), (0, 1), (batch_axis, seq_axis))


@tensorflow("dynamic_partition", tensors="data partitions")
def _dynamic_partition(data: Any, partitions: Any, num_partitions: int) -> Any:
    return [
        _boolean_mask(data, np.asarray(partitions) == k)
        for k in builtins.range(number(num_partitions, "num_partitions"))
    ]


@tensorflow("dynamic_stitch", tensors="")
def _dynamic_stitch(indices: Any, data: Any) -> Any:
    places = np.concatenate([np.asarray(i).ravel() for i in indices])
    rest = shape_of(as_tensor(data[0]))[np.ndim(indices[0]) :]
    rows = ops.concatenate([ops.reshape(as_tensor(d), (-1, *rest)) for d in data], axis=0)
    last = {int(place): row for row, place in enumerate(places)}
    return ops.take(rows, np.array([last.get(i, 0) for i in builtins.range(int(places.max()) + 1)]), axis=0)


def _blocks(shape: Any) -> list[int]:
    return [int(b) for b in np.asarray(shape).ravel()]


@tensorflow("space_to_batch space_to_batch_nd nn.space_to_batch", tensors="input")
def _space_to_batch(input: Any, block_shape: Any, paddings: Any) -> Any:
    blocks = _blocks(block_shape)
    rest = len(shape_of(input)) - 1 - len(blocks)
    padded = ops.pad(input, [(0, 0), *(tuple(int(w) for w in p) for p in np.asarray(paddings)), *[(0, 0)] * rest])
    batch, *sizes = shape_of(padded)
    inner = [part for size, block in zip(sizes, blocks, strict=False) for part in (size // block, block)]
    shaped = ops.reshape(padded, (batch, *inner, *sizes[len(blocks) :]))
    count = len(blocks)
    order = [*(2 * i + 2 for i in builtins.range(count)), 0, *(2 * i + 1 for i in builtins.range(count)),
             *builtins.range(2 * count + 1, 2 * count + 1 + rest)]  # fmt: skip
    made = ops.transpose(shaped, order)
    return ops.reshape(
        made, (batch * _product(blocks), *(s // b for s, b in zip(sizes, blocks, strict=False)), *sizes[count:])
    )


@tensorflow("batch_to_space", tensors="input")
def _batch_to_space(input: Any, block_shape: Any, crops: Any) -> Any:
    blocks = _blocks(block_shape)
    count = len(blocks)
    total, *sizes = shape_of(input)
    batch = total // _product(blocks)
    shaped = ops.reshape(input, (*blocks, batch, *sizes))
    order = [count, *(axis for i in builtins.range(count) for axis in (count + 1 + i, i)),
             *builtins.range(2 * count + 1, len(sizes) + count + 1)]  # fmt: skip
    made = ops.reshape(
        ops.transpose(shaped, order), (batch, *(s * b for s, b in zip(sizes, blocks, strict=False)), *sizes[count:])
    )
    key = [slice(int(a), s * b - int(z)) for (a, z), s, b in zip(np.asarray(crops), sizes, blocks, strict=False)]
    return made[(slice(None), *key)]


@tensorflow("required_space_to_batch_paddings", tensors="")
def _required_paddings(input_shape: Any, block_shape: Any, base_paddings: Any = None) -> Any:
    base = np.zeros((len(block_shape), 2), int) if base_paddings is None else np.asarray(base_paddings)
    full = np.asarray(input_shape) + base.sum(axis=1)
    extra = (-full) % np.asarray(block_shape)
    paddings = np.stack([base[:, 0], base[:, 1] + extra], axis=1).astype("int32")
    return paddings, np.stack([np.zeros_like(extra), extra], axis=1).astype("int32")
