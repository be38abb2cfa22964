"""TensorFlow's functions for shapes and indexing: slices, concatenation, gathers, constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphkit import layers, ops
from graphkit.core.dims import Dim
from graphkit.core.errors import SerializationError
from graphkit.graph.symbolic import SymbolicTensor

from .sizes import Sizes, gathered, known, sizes_of
from .table import add_rows, as_array, dtype_of, shape_of, tensorflow

# ----- shapes as values -----


@tensorflow("shape", "compat.v1.shape", "compat.v1.shape_v2", takes_sizes=True)
def _shape(input: Any, out_type: Any = None, optimize: bool = True) -> Any:
    return sizes_of(input)


@tensorflow("size", "compat.v1.size", takes_sizes=True)
def _size(input: Any, out_type: Any = None) -> Any:
    return sizes_of(input).mapped(lambda values: int(np.prod(values)) if len(values) == 0 else _times(values))


def _times(values: Any) -> Any:
    total = 1
    for size in values.ravel().tolist():
        total = size * total
    return total


add_rows("input", {"rank": lambda input: Sizes(len(shape_of(input)), ())})


def index_of(slice_spec: Any) -> Any:
    """Return the index that a file describes: ints, slices, `...`, None, and values of `Sizes`; a tuple for a list."""
    if isinstance(slice_spec, list):
        return tuple(index_of(s) for s in slice_spec)
    if isinstance(slice_spec, Mapping) and slice_spec.get("class_name") in ("__ellipsis__", "Ellipsis"):
        return ...
    if isinstance(slice_spec, Mapping) and {"start", "stop", "step"} <= set(slice_spec):
        return slice(*(_bound(slice_spec[k]) for k in ("start", "stop", "step")))
    return _bound(slice_spec)


def _bound(value: Any) -> Any:
    return value.tolist() if isinstance(value, Sizes) else value


@tensorflow("__operators__.getitem", takes_sizes=True)
def _getitem(tensor: Any, slice_spec: Any, var: Any = None) -> Any:
    key = index_of(slice_spec)
    if isinstance(tensor, Sizes):
        return tensor.mapped(lambda values: values[key])
    return _sliced(tensor, key if isinstance(key, tuple) else (key,))


def _sliced(tensor: Any, key: tuple[Any, ...]) -> Any:
    """Return `tensor[key]`; a bound that is an unknown size is counted from the end of its axis."""
    shape, made, axis = shape_of(tensor), [], 0
    for part in key:
        if part is ...:
            axis = len(shape) - sum(p is not None and p is not ... for p in key[key.index(...) + 1 :])
        elif isinstance(part, slice):
            part, axis = slice(*(_from_end(b, shape[axis]) for b in (part.start, part.stop, part.step))), axis + 1
        elif part is not None:
            part, axis = _from_end(part, shape[axis]), axis + 1
        made.append(part)
    return tensor[tuple(made)]


def _from_end(bound: Any, size: Any) -> Any:
    if not isinstance(bound, Dim):
        return bound
    distance = bound - size
    if not isinstance(distance, int) or distance > 0:
        raise SerializationError(f"a slice up to {bound} of an axis of size {size} is not supported")
    return distance or None


@tensorflow("slice")
def _slice(input_: Any, begin: Any, size: Any) -> Any:
    begin, size = (np.ravel(known(v, "tf.slice's bound")).tolist() for v in (begin, size))
    return input_[tuple(slice(b, None if s == -1 else b + s) for b, s in zip(begin, size, strict=True))]


@tensorflow("strided_slice", takes_sizes=True)
def _strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
) -> Any:
    """Slice by `begin`, `end` and `strides`; the masks are bit fields with one bit per axis."""
    bounds = [v.tolist() if isinstance(v, Sizes) else np.ravel(v).tolist() for v in (begin, end)]
    steps = known(strides, "tf.strided_slice's step") if strides is not None else [1] * len(bounds[0])
    key: list[Any] = []
    for axis, (start, stop, step) in enumerate(zip(*bounds, np.ravel(steps).tolist(), strict=True)):
        bit = 1 << axis
        if ellipsis_mask & bit:
            key.append(...)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(start)
        else:
            key.append(slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step))
    if isinstance(input_, Sizes):
        return input_.mapped(lambda values: values[tuple(key)])
    return _sliced(input_, tuple(key))


# ----- the same elements in another shape -----


@tensorflow("reshape", takes_sizes=True)
def _reshape(tensor: Any, shape: Any) -> Any:
    if isinstance(tensor, Sizes):
        return tensor.mapped(lambda values: values.reshape(known(shape, "tf.reshape's shape")))
    wanted = shape.tolist() if isinstance(shape, Sizes) else np.ravel(shape).tolist()
    unknown = [axis for axis, size in enumerate(wanted) if isinstance(size, Dim)]
    if not unknown:
        return ops.reshape(tensor, tuple(wanted))
    if len(unknown) == 1 and -1 not in wanted:
        return ops.reshape(tensor, tuple(-1 if isinstance(s, Dim) else s for s in wanted))
    rest = list(wanted[1:])
    free = [i for i, s in enumerate(rest) if isinstance(s, Dim)]
    if wanted[0] == shape_of(tensor)[0] and len(free) + rest.count(-1) <= 1:
        return layers.Reshape(tuple(-1 if isinstance(s, Dim) else s for s in rest))(tensor)
    raise SerializationError(f"tf.reshape to {wanted} has more than one size that depends on the input")


@tensorflow("transpose", "compat.v1.transpose")
def _transpose(a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    return ops.transpose(a, axes=None if perm is None else tuple(np.ravel(known(perm, "perm")).tolist()))


@tensorflow("expand_dims", "compat.v1.expand_dims", takes_sizes=True)
def _expand_dims(input: Any, axis: Any = None, dim: Any = None) -> Any:
    axis = dim if axis is None else axis
    if isinstance(input, Sizes):
        return input.mapped(lambda values: np.expand_dims(values, axis))
    return ops.expand_dims(input, int(np.ravel(axis)[0]))


@tensorflow("squeeze", "compat.v1.squeeze", takes_sizes=True)
def _squeeze(input: Any, axis: Any = None, squeeze_dims: Any = None) -> Any:
    axis = squeeze_dims if axis is None else axis
    axis = tuple(axis) if isinstance(axis, list) else axis
    if isinstance(input, Sizes):
        return input.mapped(lambda values: np.squeeze(values, axis))
    return ops.squeeze(input, axis=axis or None if isinstance(axis, tuple) else axis)


add_rows(
    "tensor axis", {"reverse compat.v1.reverse": lambda tensor, axis: ops.flip(tensor, tuple(np.ravel(axis).tolist()))}
)
add_rows("input shift axis", {"roll": lambda input, shift, axis: ops.roll(input, shift, axis=axis)})
add_rows("tensor shape", {"ensure_shape": lambda tensor, shape: tensor})
add_rows("input", {"identity": lambda input: ops.copy(input), "stop_gradient": ops.stop_gradient})


@tensorflow("tile", takes_sizes=True)
def _tile(input: Any, multiples: Any) -> Any:
    counts = multiples.tolist() if isinstance(multiples, Sizes) else np.ravel(multiples).tolist()
    if isinstance(input, Sizes):
        return input.mapped(lambda values: np.tile(values, known(counts, "tf.tile's multiple")))
    made = ops.tile(input, tuple(1 if isinstance(c, Dim) else c for c in counts))
    for axis, count in enumerate(counts):
        if isinstance(count, Dim):
            if shape_of(input)[axis] != 1:
                raise SerializationError("tf.tile by an unknown size requires an axis of size 1")
            line = multiples.line(count)
            made = made * ops.reshape(ops.cast(line, made.dtype), [-1 if a == axis else 1 for a in range(len(counts))])
    return made


@tensorflow("repeat")
def _repeat(input: Any, repeats: Any, axis: Any = None) -> Any:
    return ops.repeat(input, known(repeats, "tf.repeat's repeats"), axis=axis)


@tensorflow("broadcast_to", takes_sizes=True)
def _broadcast_to(input: Any, shape: Any) -> Any:
    if not isinstance(shape, Sizes):
        return ops.broadcast_to(input, tuple(np.ravel(shape).tolist()))
    return input + ops.cast(filled(shape, 0.0), input.dtype)


@tensorflow("pad", "compat.v1.pad")
def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    widths = tuple(map(tuple, np.asarray(known(paddings, "tf.pad's padding")).tolist()))
    mode = str(mode).lower()
    return ops.pad(tensor, widths, mode=mode, constant_values=(constant_values or 0) if mode == "constant" else None)


# ----- concatenation and splits -----


@tensorflow("concat", takes_sizes=True)
def _concat(values: Any, axis: Any) -> Any:
    parts = [gathered(v) for v in values]
    if any(isinstance(v, Sizes) for v in parts):
        sizes = [v if isinstance(v, Sizes) else Sizes(np.ravel(v).tolist(), ()) for v in parts]
        return sizes[0].mapped(lambda *arrays: np.concatenate(arrays, axis), *sizes[1:])
    return ops.concatenate([as_array(v) if isinstance(v, (list, tuple)) else v for v in values], axis=axis)


@tensorflow("stack", "compat.v1.stack", takes_sizes=True)
def _stack(values: Any, axis: int = 0) -> Any:
    values = gathered(values)
    if isinstance(values, Sizes):
        return values
    return ops.stack(list(values), axis=axis)


@tensorflow("unstack", takes_sizes=True)
def _unstack(value: Any, num: Any = None, axis: int = 0) -> Any:
    if isinstance(value, Sizes):
        return [Sizes(v, value.sources) for v in value.values]
    return list(ops.unstack(value, num=num, axis=axis))


@tensorflow("split")
def _split(value: Any, num_or_size_splits: Any, axis: int = 0, num: Any = None) -> Any:
    """Split; TensorFlow specifies sizes, NumPy indices."""
    parts = known(num_or_size_splits, "tf.split's size")
    if isinstance(parts, (list, tuple)):
        if -1 in parts:
            total = known(Sizes(list(shape_of(value)), ()), "the shape")[axis]
            parts = [total - sum(p for p in parts if p != -1) if p == -1 else p for p in parts]
        parts = tuple(sum(parts[: i + 1]) for i in range(len(parts) - 1))
    return list(ops.split(value, parts, axis=axis))


# ----- gathers -----


@tensorflow("gather", "compat.v1.gather", takes_sizes=True)
def _gather(params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: int = 0) -> Any:
    if isinstance(params, Sizes):
        return params.mapped(lambda values: values[np.asarray(indices)])
    indices = as_array(indices) if isinstance(indices, list) else indices
    indices = indices.as_tensor() if isinstance(indices, Sizes) else indices
    axis = batch_dims if axis is None else int(axis)
    if not batch_dims:
        return ops.take(params, indices, axis=axis)
    if axis != batch_dims or batch_dims != 1:
        raise SerializationError(f"tf.gather with batch_dims={batch_dims} and axis={axis} is not supported")
    return _take_each(params, indices)


def _take_each(params: Any, indices: Any) -> Any:
    """Take rows of each sample by the sample's own indices."""
    deep, rank = len(shape_of(params)) - 2, len(shape_of(indices)) - 1
    flat = ops.reshape(indices, (-1, int(np.prod(indices.shape[1:])), *[1] * deep))
    picked = ops.take_along_axis(params, flat + ops.cast(ops.zeros_like(params[:, :1]), indices.dtype), axis=1)
    return picked if rank == 1 else ops.reshape(picked, (-1, *indices.shape[1:], *params.shape[2:]))


@tensorflow("gather_nd", "compat.v1.gather_nd")
def _gather_nd(params: Any, indices: Any, batch_dims: int = 0) -> Any:
    if batch_dims == 1 and indices.shape[-1] == 1:
        return _take_each(params, indices[..., 0])
    if not isinstance(indices, SymbolicTensor) and batch_dims == 0:
        return params[tuple(np.moveaxis(np.asarray(indices), -1, 0))]
    raise SerializationError("tf.gather_nd along several axes is not supported")


@tensorflow("where", "compat.v1.where", "where_v2")
def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise SerializationError(
            "tf.where without values returns a number of indices that depends on the data, which is not supported in a graph"
        )
    return ops.where(condition, x, y)


@tensorflow("one_hot")
def _one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: Any = None, dtype: Any = None
) -> Any:
    made = ops.one_hot(indices, int(known(depth, "tf.one_hot's depth")), axis=-1 if axis is None else axis,
                       dtype="float32" if dtype is None else dtype_of(dtype))  # fmt: skip
    on, off = 1 if on_value is None else on_value, 0 if off_value is None else off_value
    return made if (on, off) == (1, 0) else made * (on - off) + off


@tensorflow("sequence_mask")
def _sequence_mask(lengths: Any, maxlen: Any = None, dtype: Any = "bool") -> Any:
    places = np.arange(int(known(maxlen, "tf.sequence_mask's maxlen")), dtype="int32")
    made = ops.less(places, ops.expand_dims(ops.cast(lengths, "int32"), -1))
    return made if dtype_of(dtype) == "bool" else ops.cast(made, dtype_of(dtype))


# ----- constants -----


@tensorflow("cast", "dtypes.cast", "compat.v1.cast", takes_sizes=True)
def _cast(x: Any, dtype: Any) -> Any:
    name = dtype_of(dtype)
    if isinstance(x, Sizes):
        return x if "int" in name else x.as_tensor(name)
    return ops.cast(x, name)


@tensorflow("saturate_cast", "dtypes.saturate_cast")
def _saturate_cast(value: Any, dtype: Any) -> Any:
    return ops.saturate_cast(value, dtype_of(dtype))


add_rows("input dtype= layout=", {
    "zeros_like compat.v1.zeros_like": lambda input, dtype, layout: _like(ops.zeros_like, input, dtype),
    "ones_like compat.v1.ones_like": lambda input, dtype, layout: _like(ops.ones_like, input, dtype),
})  # fmt: skip


def _like(operation: Any, x: Any, dtype: Any) -> Any:
    return operation(x) if dtype is None else ops.cast(operation(x), dtype_of(dtype))


def filled(shape: Any, value: Any, dtype: str = "float32") -> Any:
    """Return a tensor filled with one value; unknown sizes are derived from the tensors that have them.

    Args:
        shape: `Sizes`, or ints.
        value: the number to fill it with.
        dtype: the tensor's dtype.
    """
    sizes = shape.tolist() if isinstance(shape, Sizes) else np.ravel(shape).tolist()
    made: Any = np.full([1 if isinstance(s, Dim) else s for s in sizes], value, dtype)
    for axis, size in enumerate(sizes):
        if isinstance(size, Dim):
            line = ops.reshape(ops.cast(shape.line(size), dtype), [-1 if a == axis else 1 for a in range(len(sizes))])
            made = made * line
    return made


@tensorflow("zeros", takes_sizes=True)
def _zeros(shape: Any, dtype: Any = "float32", layout: Any = None) -> Any:
    return filled(shape, 0, dtype_of(dtype))


@tensorflow("ones", takes_sizes=True)
def _ones(shape: Any, dtype: Any = "float32", layout: Any = None) -> Any:
    return filled(shape, 1, dtype_of(dtype))


@tensorflow("fill", takes_sizes=True)
def _fill(dims: Any, value: Any, layout: Any = None) -> Any:
    if isinstance(value, SymbolicTensor):
        return ops.cast(filled(dims, 1), value.dtype) * value
    return filled(dims, value, str(as_array(value).dtype))


@tensorflow("range", "compat.v1.range", takes_sizes=True)
def _range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Any:
    if limit is None:
        start, limit = 0, start
    end = limit.tolist() if isinstance(limit, Sizes) else limit
    if isinstance(end, Dim):
        if (start, delta) != (0, 1):
            raise SerializationError("tf.range to an unknown size requires start 0 and step 1")
        return ops.cumsum(ops.cast(limit.line(end), dtype_of(dtype or "int32"))) - 1
    values = as_array(np.arange(known(start, "start"), end, known(delta, "delta")))
    return values if dtype is None else values.astype(dtype_of(dtype))


@tensorflow("eye")
def _eye(num_rows: Any, num_columns: Any = None, batch_shape: Any = None, dtype: Any = "float32") -> Any:
    return np.eye(known(num_rows, "num_rows"), known(num_columns, "num_columns"), dtype=dtype_of(dtype))


@tensorflow("convert_to_tensor", "constant", takes_sizes=True)
def _constant(
    value: Any, dtype: Any = None, dtype_hint: Any = None, shape: Any = None, preferred_dtype: Any = None
) -> Any:
    if isinstance(value, (SymbolicTensor, Sizes)):
        return value
    if isinstance(value, list) and any(isinstance(v, SymbolicTensor) for v in value):
        return ops.stack(value)
    made = as_array(value)
    return made if dtype is None else made.astype(dtype_of(dtype))
