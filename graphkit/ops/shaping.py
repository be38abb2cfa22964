"""Ops that rearrange elements: reshape, transpose, slice, concatenate, pad, repeat; and the creation of tensors."""

# VJPs refer to ops that are defined further down, whose types mypy does not know yet.
# mypy: disable-error-code="has-type"

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from itertools import pairwise
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape, Size, product
from graphkit.core.errors import DTypeError, InvalidArgumentError, InvalidTypeError, ShapeError, UnknownValueError
from graphkit.ir.eager_tensor import eager
from graphkit.ir.operators import Symbolic
from graphkit.ir.primitive import primitive
from graphkit.ir.program import Atom, Equation, Value
from graphkit.ir.simplify import Producers, rewrite
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer
from graphkit.ir.variable import Variable
from graphkit.ops._convert import (
    canonical_axes,
    canonical_axis,
    dtype_name,
    dtype_of,
    promote,
    shape_argument,
    shape_of,
    size_argument,
    tensor,
)
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_sizes, show

# fmt: off
__all__ = [
    "arange", "broadcast_to", "concatenate", "convert_to_tensor", "expand_dims", "flip", "full", "full_like", "get_item",
    "moveaxis", "ones", "ones_like", "pad", "ravel", "repeat", "reshape", "shape", "size", "split", "squeeze", "stack",
    "swapaxes", "tile", "transpose", "unstack", "zeros", "zeros_like",
]
# fmt: on

# ----- sizes -----

size_p = primitive(
    "size",  # an unknown size as an int32 scalar
    lambda value: TensorSpec((), "int32"),
    kernel=lambda out, value: np.copyto(out, value),
    nondiff="its result is an integer",
)


def size_tensor(value: Size) -> Any:
    """Convert a size to an int32 scalar tensor."""
    return size_p.bind(value=value)


def shape(x: Any) -> tuple[Any, ...]:
    """Return the shape; an unknown size is a `Dim`, or None for a symbolic tensor. Source: keras.ops.shape."""
    return tuple(x.shape) if hasattr(x, "shape") else tuple(tensor(x).shape)


@operation("Size")
def _size(x: Any) -> Any:
    return tensor(product(shape_of(tensor(x))), "int32")


def size(x: Any) -> Any:
    """Return the number of elements: an int, a `Dim` if a size is unknown, or a symbolic tensor for one. Source: keras.ops.size."""
    return _size(x) if isinstance(x, Symbolic) else product(shape_of(tensor(x)))


@operation("ConvertToTensor", "core")
def convert_to_tensor(x: Any, dtype: Any = None, sparse: Any = None, ragged: Any = None) -> Any:
    """Convert `x` to a tensor.

    Args:
        x: an array, a number, a nested list, a variable or a tensor.
        dtype: the dtype to cast to; None keeps the value's own.
        sparse: None or False; all tensors are dense.
        ragged: None or False.

    Raises:
        InvalidArgumentError: If `sparse` or `ragged` is True.
        ShapeError: If a list is ragged.
        InvalidTypeError: If `x` is not array-like.

    Source: keras.ops.convert_to_tensor.
    """
    if sparse or ragged:
        raise InvalidArgumentError("convert_to_tensor: sparse and ragged tensors are not supported; use dense ones.")
    return tensor(x, None if dtype is None else dtypes.standardize(dtype))


# ----- reshape -----


def _reshape_abstract(x: TensorSpec, shape: Shape) -> TensorSpec:
    return TensorSpec(shape, x.dtype)


def _reshape_view(x: Any, shape: Shape) -> Any:
    seen = x.reshape(shape)
    return seen if x.size == 0 or np.shares_memory(seen, x) else None


reshape_p = primitive(
    "reshape",
    _reshape_abstract,
    kernel=lambda out, x, shape: np.copyto(out, x.reshape(shape)),
    view=_reshape_view,
    vjp=lambda g, out, x, shape: [reshape(g, shape_of(x))],
)


@operation("Reshape")
def reshape(x: Any, newshape: Any) -> Any:
    """Reshape `x`; one size may be -1 (or None), and is then computed from the number of elements.

    Raises:
        ShapeError: If the numbers of elements differ, or several sizes are -1.
        UnknownValueError: If a size is a traced tensor.

    Source: keras.ops.reshape.
    """
    x = tensor(x)
    wanted = newshape if isinstance(newshape, (list, tuple)) else (newshape,)
    sizes = tuple(-1 if s is None else s if isinstance(s, (int, Dim)) else _static_size(s) for s in wanted)
    full_shape = fill_shape(shape_of(x), sizes)
    return x if full_shape == shape_of(x) else reshape_p.bind(x, shape=full_shape)


def _static_size(value: Any) -> int:
    if isinstance(value, Tracer):
        raise UnknownValueError(
            "A traced tensor cannot be a size; use ops.shape(x)[axis], which is also a size while tracing."
        )
    return int(value)


def fill_shape(old: Shape, new: Sequence[Size]) -> Shape:
    """Replace -1 in `new` by the size that it stands for.

    Raises:
        ShapeError: If the numbers of elements differ, or several sizes are -1.
    """
    unknown = [axis for axis, size in enumerate(new) if isinstance(size, int) and size == -1]
    if len(unknown) > 1 or any(isinstance(s, int) and s < -1 for s in new):
        raise ShapeError(
            f"Cannot reshape {show(old)} to {show(tuple(new))}: at most one size may be -1, and none may be less."
        )
    total, known = product(old), product(tuple(s for a, s in enumerate(new) if a not in unknown))
    if not unknown:
        if total != known and not (isinstance(total, Dim) or isinstance(known, Dim)):
            raise ShapeError(f"Cannot reshape {show(old)} ({total} elements) to {show(tuple(new))} ({known} elements).")
        return tuple(new)
    quotient = _divide_sizes(total, known)
    if quotient is None:
        raise ShapeError(
            f"Cannot reshape {show(old)} to {show(tuple(new))}: {total} elements are not a multiple of {known}."
        )
    return tuple(quotient if axis in unknown else size for axis, size in enumerate(new))


def _divide_sizes(total: Size, known: Size) -> Size | None:
    if isinstance(known, Dim):
        return _divide_unknown(total, known) if isinstance(total, Dim) else None
    if isinstance(total, Dim):
        return total // known if known else None
    if known == 0:
        return 0 if total == 0 else None
    return total // known if total % known == 0 else None


def _divide_unknown(total: Dim, known: Dim) -> Size | None:
    """Divide unknown sizes, as if known divisors in them left no rest: arrays for which they do cannot be reshaped."""
    terms = known.terms()
    if len(terms) != 1:
        return total.divided_by(known)
    factor, atoms = terms[0]
    rest: Size | None = total
    for atom in atoms:
        size: Size = Dim({(atom,): 1})
        if not isinstance(atom, str) and atom[0] == "//" and isinstance(atom[2], int) and factor % atom[2] == 0:
            size, factor = atom[1], factor // atom[2]  # 2 * (n // 2) elements are n
        if not isinstance(rest, Dim) or not isinstance(size, Dim):
            return None
        rest = rest.divided_by(size)
    if isinstance(rest, Dim):
        return rest // factor
    return None if rest is None or rest % factor else rest // factor


@operation("ExpandDims")
def expand_dims(x: Any, axis: Any) -> Any:
    """Insert axes of size 1 at `axis` (an int or several, positions in the result).

    Raises:
        ShapeError: If an axis is out of range or given twice.

    Source: keras.ops.expand_dims.
    """
    x = tensor(x)
    given = axis if isinstance(axis, (list, tuple)) else [axis]
    axes = canonical_axes(list(given), x.ndim + len(given))
    sizes = iter(shape_of(x))
    return reshape_p.bind(x, shape=tuple(1 if a in axes else next(sizes) for a in range(x.ndim + len(given))))


@operation("Squeeze")
def squeeze(x: Any, axis: Any = None) -> Any:
    """Remove axes of size 1: those in `axis` (an int or several), or all.

    Raises:
        ShapeError: If an axis is out of range or its size is not 1.

    Source: keras.ops.squeeze.
    """
    x = tensor(x)
    old = shape_of(x)
    axes = tuple(a for a, s in enumerate(old) if s == 1) if axis is None else canonical_axes(axis, x.ndim)
    wrong = [a for a in axes if old[a] != 1]
    if wrong:
        size = old[wrong[0]]
        found = f"{size}, not 1" if isinstance(size, int) else "not known to be 1"
        raise ShapeError(f"Cannot squeeze axis {wrong[0]} of shape {show(old)}: its size is {found}.")
    return reshape_p.bind(x, shape=tuple(s for a, s in enumerate(old) if a not in axes))


@operation("Ravel")
def ravel(x: Any) -> Any:
    """Flatten `x` to one axis. Source: keras.ops.ravel."""
    return reshape(x, (-1,))


@rewrite("reshape", keeps_derivatives=True)
def _reshape_of_reshape(equation: Equation, producers: Producers) -> Atom | Equation | None:
    x = equation.inputs[0]
    if x.spec.shape == equation.outputs[0].spec.shape:
        return x
    before = producers.get(x) if isinstance(x, Value) else None
    if before is None or before.primitive is not reshape_p:
        return None
    return Equation(reshape_p, before.inputs, equation.params, equation.outputs, equation.scope)


# ----- transpose -----


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(axes))


transpose_p = primitive(
    "transpose",
    lambda x, axes: TensorSpec(tuple(x.shape[a] for a in axes), x.dtype),
    kernel=lambda out, x, axes: np.copyto(out, x.transpose(axes)),
    view=lambda x, axes: x.transpose(axes),
    vjp=lambda g, out, x, axes: [transpose_p.bind(g, axes=_inverse(axes))],
)


@operation("Transpose")
def transpose(x: Any, axes: Any = None) -> Any:
    """Permute the axes; by default reverse them.

    Raises:
        ShapeError: If `axes` is not a permutation of the axes.

    Source: keras.ops.transpose.
    """
    x = tensor(x)
    order = tuple(reversed(range(x.ndim))) if axes is None else tuple(canonical_axis(a, x.ndim, "axes") for a in axes)
    if sorted(order) != list(range(x.ndim)):
        raise ShapeError(
            f"axes={tuple(axes)} is not a permutation of the {x.ndim} axes of a tensor of shape {show(shape_of(x))}."
        )
    return x if order == tuple(range(x.ndim)) else transpose_p.bind(x, axes=order)


@operation("Swapaxes")
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """Swap two axes.

    Raises:
        ShapeError: If an axis is out of range.

    Source: keras.ops.swapaxes.
    """
    x = tensor(x)
    order = list(range(x.ndim))
    a, b = canonical_axis(axis1, x.ndim, "axis1"), canonical_axis(axis2, x.ndim, "axis2")
    order[a], order[b] = b, a
    return transpose(x, order)


@operation("Moveaxis")
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    """Move axes to other positions; the others keep their order.

    Args:
        x: a tensor.
        source: an axis or several.
        destination: as many axes: their positions in the result.

    Raises:
        ShapeError: If an axis is out of range or given twice, or the numbers of axes differ.

    Source: keras.ops.moveaxis.
    """
    x = tensor(x)
    sources = [canonical_axis(a, x.ndim, "source") for a in (source if isinstance(source, (list, tuple)) else [source])]
    targets = [
        canonical_axis(a, x.ndim, "destination")
        for a in (destination if isinstance(destination, (list, tuple)) else [destination])
    ]
    if len(sources) != len(targets) or len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ShapeError(
            f"moveaxis: source={source} and destination={destination} must hold the same number of axes, each only once."
        )
    order = [a for a in range(x.ndim) if a not in sources]
    for target, moved in sorted(zip(targets, sources, strict=True)):
        order.insert(target, moved)
    return transpose(x, order)


@rewrite("transpose", keeps_derivatives=True)
def _transpose_of_transpose(equation: Equation, producers: Producers) -> Atom | Equation | None:
    x, axes = equation.inputs[0], equation.params["axes"]
    if axes == tuple(range(len(axes))):
        return x
    before = producers.get(x) if isinstance(x, Value) else None
    if before is None or before.primitive is not transpose_p:
        return None
    joined = tuple(before.params["axes"][a] for a in axes)
    return Equation(transpose_p, before.inputs, {"axes": joined}, equation.outputs, equation.scope)


# ----- broadcasting, tiling, repeating -----


def _broadcast_to_vjp(g: Any, out: Any, x: Any, shape: Shape) -> list[Any]:
    return [g]  # the gradient transform sums over the axes that were broadcast


def _broadcast_to_abstract(x: TensorSpec, shape: Shape) -> TensorSpec:
    lead = len(shape) - x.rank
    if lead < 0 or any(
        broadcast_sizes(old, new) is None or new == 1 != old for old, new in zip(x.shape, shape[lead:], strict=False)
    ):
        raise ShapeError(f"Cannot broadcast shape {show(x.shape)} to {show(shape)}.")
    return TensorSpec(shape, x.dtype)


broadcast_to_p = primitive(
    "broadcast_to",
    _broadcast_to_abstract,
    kernel=lambda out, x, shape: np.copyto(out, x),
    view=lambda x, shape: np.broadcast_to(x, shape),
    vjp=_broadcast_to_vjp,
)


@operation("BroadcastTo")
def broadcast_to(x: Any, shape: Any) -> Any:
    """Broadcast `x` to `shape`.

    Raises:
        ShapeError: If that is not possible.

    Source: keras.ops.broadcast_to.
    """
    x = tensor(x)
    wanted = shape_argument(shape, "broadcast_to")
    if wanted == shape_of(x):
        return x
    _broadcast_to_abstract(TensorSpec.of(x), wanted)  # a view of an array does not check this
    return broadcast_to_p.bind(x, shape=wanted)


@operation("Tile")
def tile(x: Any, repeats: Any) -> Any:
    """Repeat the whole tensor along each axis. Source: keras.ops.tile."""
    x = tensor(x)
    counts = shape_argument(repeats, "tile")
    rank = max(len(counts), x.ndim)
    counts = (1,) * (rank - len(counts)) + counts
    old = (1,) * (rank - x.ndim) + shape_of(x)
    spaced = reshape(x, tuple(s for size in old for s in (1, size)))
    spread = broadcast_to(spaced, tuple(s for count, size in zip(counts, old, strict=True) for s in (count, size)))
    return reshape(spread, tuple(count * size for count, size in zip(counts, old, strict=True)))


@operation("Repeat")
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element along `axis` (None: of the flattened tensor).

    Args:
        x: a tensor.
        repeats: an int, or one for each element along the axis.
        axis: the axis, or None.

    Raises:
        ShapeError: If `axis` is out of range, or `repeats` has another length than the axis.

    Source: keras.ops.repeat.
    """
    x = reshape(x, (-1,)) if axis is None else tensor(x)
    axis = canonical_axis(axis or 0, x.ndim)
    if isinstance(repeats, (list, tuple, np.ndarray)) and len(np.atleast_1d(repeats)) > 1:
        from graphkit.ops.indexing import take

        whole = shape_of(x)[axis]
        if isinstance(whole, int) and whole != len(repeats):
            raise ShapeError(
                f"repeat: {len(repeats)} repeats do not fit the {whole} elements along axis {axis} of shape {show(shape_of(x))}."
            )
        return take(x, np.repeat(np.arange(len(repeats)), repeats), axis=axis)
    if isinstance(repeats, (list, tuple, np.ndarray)) and len(np.atleast_1d(repeats)) == 1:
        repeats = np.reshape(repeats, ())
    count = size_argument(repeats, "repeat: `repeats`")
    old = shape_of(x)
    spread = broadcast_to(
        reshape(x, (*old[: axis + 1], 1, *old[axis + 1 :])), (*old[: axis + 1], count, *old[axis + 1 :])
    )
    return reshape(spread, (*old[:axis], old[axis] * count, *old[axis + 1 :]))


# ----- concatenating and splitting -----


def _concatenate_abstract(*specs: TensorSpec, axis: int) -> TensorSpec:
    first = specs[0]
    sizes: list[Size] = list(first.shape)
    for other in specs[1:]:
        if other.rank != first.rank:
            raise ShapeError(
                f"Cannot concatenate tensors of different rank: {', '.join(show(s.shape) for s in specs)}."
            )
        for a, (mine, theirs) in enumerate(zip(first.shape, other.shape, strict=True)):
            if a != axis and mine != theirs and not (isinstance(mine, Dim) or isinstance(theirs, Dim)):
                raise ShapeError(
                    f"Cannot concatenate along axis {axis}: the shapes {', '.join(show(s.shape) for s in specs)} differ in other axes."
                )
            if a != axis and isinstance(sizes[a], Dim) and isinstance(theirs, int):
                sizes[a] = theirs
        sizes[axis] = sizes[axis] + other.shape[axis]
    return TensorSpec(tuple(sizes), first.dtype)


def _concatenate_vjp(g: Any, out: Any, *xs: Any, axis: int) -> list[Any]:
    parts: list[Any] = []
    start: Size = 0
    for x in xs:
        size = shape_of(x)[axis]
        parts.append(_part(g, axis, start, start + size))
        start = start + size
    return parts


def _part(x: Any, axis: int, start: Size, stop: Size) -> Any:
    return lambda: slice_p.bind(x, **_slice_params(shape_of(x), {axis: (start, stop, 1)}))


concatenate_p = primitive(
    "concatenate",
    _concatenate_abstract,
    kernel=lambda out, *xs, axis: np.concatenate(xs, axis=axis, out=out),
    vjp=_concatenate_vjp,
)


@operation("Concatenate", tensors="xs")
def concatenate(xs: Any, axis: int = 0) -> Any:
    """Concatenate tensors along an existing axis.

    Raises:
        InvalidArgumentError: If there are no tensors, or `axis` is None.
        ShapeError: If ranks or other axes differ, or `axis` is out of range.

    Source: keras.ops.concatenate.
    """
    if len(xs) == 0:
        raise InvalidArgumentError("concatenate expects at least one tensor, got none.")
    tensors = promote(*xs)
    if axis is None:
        raise InvalidArgumentError("`axis` cannot be None for `concatenate`.")
    if len(tensors) == 1:
        return tensors[0]
    return concatenate_p.bind(*tensors, axis=canonical_axis(axis, tensors[0].ndim))


@operation("Stack", tensors="x")
def stack(x: Any, axis: int = 0) -> Any:
    """Stack tensors of the same shape along a new axis.

    Raises:
        InvalidArgumentError: If there are no tensors.
        ShapeError: If the shapes differ, or `axis` is out of range.

    Source: keras.ops.stack.
    """
    if len(x) == 0:
        raise InvalidArgumentError("stack expects at least one tensor, got none.")
    tensors = promote(*x)
    axis = canonical_axis(axis, tensors[0].ndim + 1)
    return concatenate([expand_dims(t, axis) for t in tensors], axis=axis)


@operation("Split")
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """Split `x` along `axis`.

    Args:
        x: a tensor.
        indices_or_sections: the number of equal parts, or the indices at which to split.
        axis: the axis to split.

    Raises:
        InvalidArgumentError: If the number of parts is not positive.
        ShapeError: If the axis does not divide into equal parts, the indices do not ascend within it, or it is out of range.
        InvalidTypeError: If `indices_or_sections` is neither an int nor ints.

    Source: keras.ops.split.
    """
    x = tensor(x)
    axis = canonical_axis(axis, x.ndim)
    whole = shape_of(x)[axis]
    if isinstance(indices_or_sections, (int, np.integer)):
        if indices_or_sections < 1:
            raise InvalidArgumentError(f"split: the number of parts must be positive, got {indices_or_sections}.")
        if isinstance(whole, int) and whole % indices_or_sections:
            raise ShapeError(
                f"Cannot split axis {axis} of shape {show(shape_of(x))} into {indices_or_sections} equal parts."
            )
        step = whole // int(indices_or_sections)
        cuts: list[Size] = [step * i for i in range(1, int(indices_or_sections))]
    elif isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        given = [size_argument(i, "split: each index") for i in indices_or_sections]
        cuts = [i + whole if isinstance(i, int) and i < 0 else i for i in given]
        bounds = [0, *cuts, whole]
        if all(isinstance(b, int) for b in bounds) and any(a > b for a, b in pairwise(bounds)):  # type: ignore[operator]
            raise ShapeError(
                f"split: indices {cuts} must be ascending and within axis {axis} of shape {show(shape_of(x))}."
            )
    else:
        size_argument(indices_or_sections, "split: `indices_or_sections`", free=False)
    bounds = [0, *cuts, whole]
    return [_part(x, axis, start, stop)() for start, stop in pairwise(bounds)]


@operation("Unstack", "core")
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Any]:
    """Return the slices along `axis` as a list; `num` is needed if their number is unknown.

    Raises:
        ShapeError: If the number of slices is unknown, or `axis` is out of range.

    Source: keras.ops.unstack.
    """
    x = tensor(x)
    axis = canonical_axis(axis, x.ndim)
    count = shape_of(x)[axis] if num is None else num
    if isinstance(count, Dim):
        raise ShapeError(f"unstack needs `num`: the size of axis {axis} of shape {show(shape_of(x))} is unknown.")
    return [squeeze(_part(x, axis, i, i + 1)(), axis) for i in range(count)]


# ----- slices -----


def _slice_length(start: Size, stop: Size, step: int) -> Size:
    if step < 0:
        start, stop, step = stop + 1, start + 1, -step
    length = (stop - start + (step - 1)) // step
    return max(length, 0) if isinstance(length, int) else length


def _slice_abstract(x: TensorSpec, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> TensorSpec:
    sizes = tuple(_slice_length(b, e, s) for b, e, s in zip(starts, stops, steps, strict=True))
    return TensorSpec(sizes, x.dtype)


def slices_of(starts: Shape, stops: Shape, steps: tuple[int, ...]) -> tuple[slice, ...]:
    """Convert to Python slices; the stop -1 of a backward slice means before the first element."""
    return tuple(slice(b, None if s < 0 and e == -1 else e, s) for b, e, s in zip(starts, stops, steps, strict=True))


def _slice_params(old: Shape, chosen: dict[int, tuple[Size, Size, int]]) -> dict[str, Any]:
    triples = [chosen.get(axis, (0, size, 1)) for axis, size in enumerate(old)]
    starts, stops, steps = zip(*triples, strict=True)
    return {"starts": starts, "stops": stops, "steps": steps}


def _slice_vjp(g: Any, out: Any, x: Any, starts: Shape, stops: Shape, steps: tuple[int, ...]) -> list[Any]:
    return [unslice_p.bind(g, starts=starts, stops=stops, steps=steps, shape=shape_of(x))]


slice_p = primitive(
    "slice",  # starts and stops are within the axis; a backward slice may stop at -1
    _slice_abstract,
    kernel=lambda out, x, starts, stops, steps: np.copyto(out, x[slices_of(starts, stops, steps)]),
    view=lambda x, starts, stops, steps: x[slices_of(starts, stops, steps)],
    vjp=_slice_vjp,
)


def _unslice_kernel(out: Any, x: Any, starts: Shape, stops: Shape, steps: tuple[int, ...], shape: Shape) -> None:
    out[...] = 0
    out[slices_of(starts, stops, steps)] = x


unslice_p = primitive(
    "unslice",  # zeros of `shape` with x written where the slice was taken
    lambda x, starts, stops, steps, shape: TensorSpec(shape, x.dtype),
    kernel=_unslice_kernel,
    vjp=lambda g, out, x, starts, stops, steps, shape: [slice_p.bind(g, starts=starts, stops=stops, steps=steps)],
)


@operation("GetItem", tensors="x key")
def get_item(x: Any, key: Any) -> Any:
    """Return `x[key]`, with ints, slices, `...`, None, and at most one integer tensor in the key.

    Raises:
        ShapeError: If there are too many indices, or an int is out of range.
        InvalidTypeError: If the key holds several tensors or a boolean one.
        InvalidArgumentError: If the key holds several `...`.

    Source: keras.src.ops.numpy.GetItem.
    """
    x = tensor(x)
    keys = list(key) if isinstance(key, (tuple, list)) and not _is_index_list(key) else [key]
    keys = _expand_ellipsis(keys, x.ndim)
    chosen: dict[int, tuple[Size, Size, int]] = {}
    gathers: list[tuple[int, Any]] = []
    dropped: set[int] = set()
    new_axes: list[int] = []
    axis = 0
    for item in keys:
        if item is None:
            new_axes.append(axis - len(dropped) + len(new_axes))
            continue
        if axis >= x.ndim:
            raise ShapeError(f"Too many indices ({len(keys)}) for a tensor of shape {show(shape_of(x))}.")
        if isinstance(item, slice):
            chosen[axis] = _canonical_slice(item, shape_of(x)[axis])
        elif isinstance(item, (int, np.integer)) and not isinstance(item, bool):
            start = _canonical_index(int(item), shape_of(x)[axis], axis, shape_of(x))
            chosen[axis] = (start, start + 1, 1)
            dropped.add(axis)
        else:
            gathers.append((axis, item))
        axis += 1
    return _pick(x, chosen, gathers, dropped, new_axes)


def _pick(
    x: Any, chosen: dict[int, Any], gathers: list[tuple[int, Any]], dropped: set[int], new_axes: list[int]
) -> Any:
    params = _slice_params(shape_of(x), chosen) if x.ndim else {}
    if chosen and any((b, e, s) != (0, n, 1) for b, e, s, n in zip(*params.values(), shape_of(x), strict=True)):
        x = slice_p.bind(x, **params)
    if len(gathers) > 1:
        raise InvalidTypeError(
            "Indexing with several tensors at once is not supported; use ops.take_along_axis or ops.take."
        )
    for axis, indices in gathers:
        from graphkit.ops.indexing import take

        if dtype_name(tensor(indices)) == "bool":
            raise InvalidTypeError("Indexing with a boolean tensor has a result of unknown shape; use ops.where.")
        x = take(x, indices, axis=axis)
    if dropped:
        extra = sum(tensor(i).ndim - 1 for _, i in gathers)
        where = gathers[0][0] if gathers else x.ndim
        x = squeeze(x, [a if a <= where else a + extra for a in dropped])
    for position in new_axes:
        x = expand_dims(x, position)
    return x


def _is_index_list(key: Any) -> bool:
    return isinstance(key, list) and all(isinstance(k, (int, np.integer)) for k in key)


def _expand_ellipsis(keys: list[Any], rank: int) -> list[Any]:
    places = [i for i, k in enumerate(keys) if k is Ellipsis]
    if not places:
        return keys
    if len(places) > 1:
        raise InvalidArgumentError("An index may have only one `...`.")
    named = sum(1 for k in keys if k is not None and k is not Ellipsis)
    return keys[: places[0]] + [slice(None)] * (rank - named) + keys[places[0] + 1 :]


def _canonical_index(index: int, size: Size, axis: int, whole: Shape) -> Size:
    if isinstance(size, int) and not -size <= index < size:
        raise ShapeError(f"Index {index} is out of range for axis {axis} of shape {show(whole)}.")
    return index + size if index < 0 else index


def _canonical_slice(item: slice, size: Size) -> tuple[Size, Size, int]:
    step = 1 if item.step is None else int(item.step)
    if isinstance(size, int) and not isinstance(item.start, Dim) and not isinstance(item.stop, Dim):
        begin, end, step = item.indices(size)
        return (begin, end, step) if step < 0 else (begin, max(begin, end), step)
    start: Size
    if step < 0:
        start = size - 1 if item.start is None else _from_end(item.start, size)
        return start, -1 if item.stop is None else _from_end(item.stop, size), step
    start = 0 if item.start is None else _from_end(item.start, size)
    return start, size if item.stop is None else _from_end(item.stop, size), step


def _from_end(bound: Size, size: Size) -> Size:
    return size + bound if isinstance(bound, int) and bound < 0 else bound


@operation("Flip")
def flip(x: Any, axis: Any = None) -> Any:
    """Reverse the order of elements along `axis` (all axes by default).

    Raises:
        ShapeError: If an axis is out of range or given twice.

    Source: keras.ops.flip.
    """
    x = tensor(x)
    axes = canonical_axes(axis, x.ndim)
    return slice_p.bind(x, **_slice_params(shape_of(x), {a: (shape_of(x)[a] - 1, -1, -1) for a in axes}))


# ----- padding -----


def _pad_abstract(x: TensorSpec, value: TensorSpec, widths: Any, mode: str) -> TensorSpec:
    return TensorSpec(tuple(s + before + after for s, (before, after) in zip(x.shape, widths, strict=True)), x.dtype)


def _pad_kernel(out: Any, x: Any, value: Any, widths: Any, mode: str) -> None:
    if mode != "constant":
        np.copyto(out, np.pad(x, widths, mode=mode))  # type: ignore[call-overload]
        return
    for axis, (before, after) in enumerate(widths):
        edge: list[Any] = [slice(None)] * x.ndim
        for part in (slice(0, before), slice(out.shape[axis] - after, None)):
            edge[axis] = part
            out[tuple(edge)] = value
    out[tuple(slice(b, b + n) for (b, _), n in zip(widths, x.shape, strict=True))] = x


def _pad_vjp(g: Any, out: Any, x: Any, value: Any, widths: Any, mode: str) -> list[Any]:
    if mode != "constant":
        return [_unpad_mirrored(g, x, widths, mode), None]
    inside = {a: (before, before + shape_of(x)[a], 1) for a, (before, _) in enumerate(widths)}
    kept = slice_p.bind(g, **_slice_params(shape_of(g), inside))
    from graphkit.ops.elementwise import subtract
    from graphkit.ops.reduction import sum as reduce_sum

    return [kept, lambda: subtract(reduce_sum(g), reduce_sum(kept))]


def _unpad_mirrored(g: Any, x: Any, widths: Any, mode: str) -> Any:
    """Add the gradients of the padding to the elements that it copied, axis by axis."""
    from graphkit.ops.elementwise import add

    for axis in reversed(range(x.ndim)):
        before, after = widths[axis]
        n = shape_of(x)[axis]
        inner = _part(g, axis, before, before + n)()
        for count, start, low in ((before, 0, True), (after, before + n, False)):
            if not count:
                continue
            edge = _part(g, axis, start, start + count)()
            inner = add(inner, _fold_edge(edge, shape_of(inner), axis, count, low, mode))
        g = inner
    return g


def _fold_edge(edge: Any, whole: Shape, axis: int, count: int, low: bool, mode: str) -> Any:
    n = whole[axis]
    if mode == "edge":
        from graphkit.ops.reduction import sum as reduce_sum

        edge, start = reduce_sum(edge, axis=axis, keepdims=True), (0 if low else n - 1)
        count = 1
    else:
        edge = flip(edge, axis)
        skip = 1 if mode == "reflect" else 0
        start = skip if low else n - count - skip
    params = _slice_params(whole, {axis: (start, start + count, 1)})
    return unslice_p.bind(edge, **params, shape=whole)


pad_p = primitive("pad", _pad_abstract, kernel=_pad_kernel, vjp=_pad_vjp)
_PAD_MODES = ("constant", "reflect", "symmetric", "edge", "wrap")


def _wrapped(x: Any, widths: Sequence[tuple[Any, Any]]) -> Any:
    """Pad each axis with elements from its other end, as if `x` repeated periodically."""
    for axis, (before, after) in enumerate(widths):
        if before or after:
            size = shape_of(x)[axis]
            turns = [-(-width // size) if isinstance(size, int) else min(width, 1) for width in (before, after)]
            copies = concatenate([x] * (1 + sum(turns)), axis=axis)
            stop = None if after == turns[1] * size else after - turns[1] * size
            x = copies[(slice(None),) * axis + (slice(turns[0] * size - before, stop),)]
    return x


def _widths(pad_width: Any, rank: int) -> tuple[tuple[Size, Size], ...]:
    """Return (before, after) for each axis, from an int, a pair, or a pair for each axis. Raises ShapeError for anything else."""
    try:
        spread = np.broadcast_to(np.asarray(pad_width, dtype=object), (rank, 2))
    except ValueError:
        raise ShapeError(
            f"pad: `pad_width` must be an int, a pair, or a pair for each of the {rank} axes, got {pad_width!r}."
        ) from None
    pairs = tuple((_width(a), _width(b)) for a, b in spread)
    if any(isinstance(w, int) and w < 0 for pair in pairs for w in pair):
        raise InvalidArgumentError(f"pad: no width may be negative, got pad_width={pad_width!r}.")
    return pairs


def _width(value: Any) -> Size:
    if isinstance(value, Dim) or (isinstance(value, (int, np.integer)) and not isinstance(value, bool)):
        return value if isinstance(value, Dim) else int(value)
    raise InvalidTypeError(f"pad: a width must be an integer, got {value!r}.")


@operation("Pad", tensors="x constant_values")
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """Pad `x`.

    Args:
        x: a tensor.
        pad_width: [(before, after), ...], the number of elements to add to each axis; one pair or int applies to all axes.
        mode: "constant", "reflect", "symmetric", "edge", "wrap", or "empty", whose new elements are 0 here.
        constant_values: the value for mode "constant"; 0 by default.

    Raises:
        InvalidArgumentError: If `mode` is unknown, a width is negative, or `constant_values` is given for another mode.
        ShapeError: If `pad_width` does not fit the axes, or a width is unknown in another mode than "constant".
        InvalidTypeError: If a width is not an integer.

    Source: keras.ops.pad.
    """
    x = tensor(x)
    if mode == "empty":
        mode, constant_values = "constant", None
    if mode not in _PAD_MODES:
        raise InvalidArgumentError(f"pad: mode must be one of {_PAD_MODES}, got {mode!r}.")
    widths = _widths(pad_width, x.ndim)
    if mode != "constant" and constant_values is not None:
        raise InvalidArgumentError(f"pad: `constant_values` requires mode='constant', got mode={mode!r}.")
    if all(w == (0, 0) for w in widths):
        return x
    if mode != "constant" and any(isinstance(w, Dim) for pair in widths for w in pair):
        raise ShapeError(f"pad: mode={mode!r} requires known widths, got {widths}.")
    if mode == "wrap":
        return _wrapped(x, widths)
    return pad_p.bind(
        x, tensor(0 if constant_values is None else constant_values, dtype_name(x)), widths=widths, mode=mode
    )


# ----- creating tensors -----

arange_p = primitive(
    "arange",
    lambda start, stop, step, dtype: TensorSpec((_slice_length(start, stop, step),), dtype),
    kernel=lambda out, start, stop, step, dtype: np.copyto(out, np.arange(start, stop, step), casting="unsafe"),
    nondiff="its result depends on no tensor",
)


def _with_known_ends(function: Callable[..., Any]) -> Callable[..., Any]:
    """Reject an explicit None as an end: it comes from the size of a free axis, and `arange(0, None)` is not `arange(0)`."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for place, name in enumerate(("start", "stop")):
            if (args[place : place + 1] or [kwargs.get(name, 0)])[0] is None:
                size_argument(None, f"arange: `{name}`")
        return function(*args, **kwargs)

    return call


@_with_known_ends
@operation("Arange", tensors="start stop step")
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """Return start, start + step, ... below stop.

    Args:
        start: a number or a size; with `start` alone, the range is 0, 1, ... below it.
        stop: a number or a size, excluded.
        step: a nonzero number; 1 by default.
        dtype: derived from the arguments by default; int32 if a size is unknown.

    Raises:
        UnknownSizeError: If an end is None.
        InvalidArgumentError: If `step` is 0.
        DTypeError: If the dtype is bool.

    Source: keras.ops.arange.
    """
    start, stop, step = (
        (0, start, 1 if step is None else step) if stop is None else (start, stop, 1 if step is None else step)
    )
    if any(v is None for v in (start, stop, step)):
        raise InvalidArgumentError(
            "arange: a bound is None, the unknown size of a symbolic tensor. Compute it inside a layer, where ops.shape(x) "
            "returns a symbolic size."
        )
    if any(isinstance(v, Dim) for v in (start, stop, step)):
        return arange_p.bind(start=start, stop=stop, step=step, dtype=dtypes.standardize(dtype or "int32"))
    kind = dtypes.standardize(dtype) if dtype else dtypes.result_type(*map(_number_type, (start, stop, step)))
    if kind == "bool":
        raise DTypeError(f"arange expects numbers, got start={start}, stop={stop}, step={step}, dtype={dtype}.")
    if step == 0:
        raise InvalidArgumentError("arange: step must not be 0.")
    return np.arange(start, stop, step).astype(dtypes.to_numpy(kind))


def _number_type(value: Any) -> Any:
    """Return the dtype of a number for `result_type`; NumPy's int64 and float64 count as Python numbers."""
    kind = dtype_of(value)
    return {"int64": int, "float64": float}.get(kind, kind)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return a tensor filled with `fill_value` (which is broadcast), `floatx()` by default.

    Raises:
        UnknownSizeError: If a size is None.
        InvalidTypeError: If a size is not an integer.

    Source: keras.ops.full.
    """
    wanted = shape_argument(shape, "full")
    if any(isinstance(s, int) and s < 0 for s in wanted):
        raise ShapeError(f"A tensor cannot have a negative size, got shape {show(wanted)}.")
    if isinstance(fill_value, Symbolic):
        from graphkit.ops.elementwise import cast

        return broadcast_to(cast(fill_value, dtypes.standardize(dtype)), wanted)
    value = tensor(fill_value, dtypes.standardize(dtype))
    if any(isinstance(s, Dim) for s in wanted) or isinstance(value, (Tracer, Variable)):
        return broadcast_to(value, wanted)
    return eager(np.full(wanted, value))


def zeros(shape: Any, dtype: Any = None) -> Any:
    """Return zeros, `floatx()` by default; errors as in `full`. Source: keras.ops.zeros."""
    return full(shape, 0, dtypes.standardize(dtype))


def ones(shape: Any, dtype: Any = None) -> Any:
    """Return ones, `floatx()` by default; errors as in `full`. Source: keras.ops.ones."""
    return full(shape, 1, dtypes.standardize(dtype))


@operation("ZerosLike")
def zeros_like(x: Any, dtype: Any = None) -> Any:
    """Return zeros of the shape (and by default the dtype) of `x`. Source: keras.ops.zeros_like."""
    return full_like(x, 0, dtype)


@operation("OnesLike")
def ones_like(x: Any, dtype: Any = None) -> Any:
    """Return ones of the shape (and by default the dtype) of `x`. Source: keras.ops.ones_like."""
    return full_like(x, 1, dtype)


@operation("FullLike", tensors="x fill_value")
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Fill a tensor of the shape (and by default the dtype) of `x` with `fill_value`. Source: keras.ops.full_like."""
    x = tensor(x)
    return full(shape_of(x), fill_value, dtype_name(x) if dtype is None else dtype)
