"""Equations as Keras' ops: what no pattern covers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.spec import TensorSpec
from graphkit.lifting.calls import NotExactError

# (inputs, params, the spec of the first output, sizes) -> the output, or a tuple of them
Op = Callable[[Sequence[Any], Mapping[str, Any], TensorSpec, "Sizes"], Any]
OPS: dict[str, Op] = {}
_MAX_FACTOR = 4096  # of a size that is counted by joining tensors of other sizes


class Sizes:
    """The free sizes of a program as tensors: Keras' ops take no unknown sizes, so they are read off tensors that have them.

    Attributes:
        tensors: the tensors built so far with their specs in the program.
        inputs: the specs of the inputs of the equation that is being built.
    """

    def __init__(self) -> None:
        self.inputs: list[TensorSpec] = []
        self.tensors: list[tuple[TensorSpec, Any]] = []
        self._zeros: dict[Any, Any] = {}

    def zeros(self, size: Any) -> Any:
        """Return int32 zeros of shape (size,)."""
        if isinstance(size, int):
            return np.zeros((size,), np.int32)
        if size not in self._zeros:
            self._zeros[size] = self._measured(size)
        return self._zeros[size]

    def _measured(self, size: Dim) -> Any:
        found = self._read_off(size)
        if found is not None:
            return found
        parts = []
        for monomial, count in size.products():
            if not 0 <= count <= _MAX_FACTOR:
                raise NotExactError(f"no tensor has the free size {size}.")
            part: Any = np.zeros((1,), np.int32)
            for atom in monomial:
                part = ops.reshape(ops.add(ops.expand_dims(part, 1), self._atom(atom)), (-1,))
            parts += [part] * count if monomial else [np.zeros((count,), np.int32)]
        return ops.concatenate(parts, axis=0) if len(parts) > 1 else parts[0]

    def _atom(self, atom: Dim) -> Any:
        found = self._read_off(atom)
        if found is None:
            raise NotExactError(f"no tensor has the free size {atom}.")
        return found

    def _read_off(self, size: Dim) -> Any | None:
        """Return int32 zeros of a size that a tensor has, or None."""
        for spec, tensor in self.tensors:
            if size in spec.shape and isinstance(tensor, SymbolicTensor) and spec.dtype != "string":
                axis = spec.shape.index(size)
                others = tuple(i for i in range(len(spec.shape)) if i != axis)
                zeros = ops.zeros_like(tensor, dtype="int32")
                return ops.sum(zeros, axis=others) if others else zeros
        return None

    def number(self, size: Any) -> Any:
        """Return a size as a number."""
        return size if isinstance(size, int) else ops.sum(ops.add(self.zeros(size), 1))

    def counted(self, size: Any) -> Any:
        """Return the int32 numbers from 0 to size - 1."""
        if isinstance(size, int):
            return np.arange(size, dtype=np.int32)
        return ops.subtract(ops.cumsum(ops.add(self.zeros(size), 1), axis=0), 1)

    def grid(self, sizes: Sequence[Any]) -> Any:
        """Return the int32 numbers from 0 in a shape."""
        made = self.counted(sizes[0])
        for size in sizes[1:]:
            made = ops.add(ops.expand_dims(ops.multiply(made, self.number(size)), -1), self.counted(size))
        return made

    def filled(self, value: Any, spec: TensorSpec) -> Any:
        """Return a tensor of one number, whose shape has free sizes."""
        rank = len(spec.shape)
        shape = [n if isinstance(n, int) else 1 for n in spec.shape]
        made: Any = np.full(shape, value, "float32" if spec.dtype == "bfloat16" else spec.dtype)
        for axis, size in enumerate(spec.shape):
            if isinstance(size, Dim):
                zeros = ops.reshape(self.zeros(size), [-1 if i == axis else 1 for i in range(rank)])
                zeros = ops.cast(zeros, spec.dtype)
                made = ops.logical_or(zeros, made) if spec.dtype == "bool" else ops.add(zeros, made)
        return made


def _op(*names: str) -> Callable[[Op], Op]:
    def add(function: Op) -> Op:
        OPS.update(dict.fromkeys(names, function))
        return function

    return add


def _plain(function: Callable[..., Any]) -> Op:
    return lambda xs, params, spec, sizes: function(*xs)


# Primitives that are an op of Keras without further arguments, where the name differs: the op's name.
_RENAMED = {
    "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan", "atanh": "arctanh",
    "select": "where", "divide": "true_divide", "left_shift": "bitwise_left_shift", "right_shift": "bitwise_right_shift",
}  # fmt: skip
_SAME = (
    "abs acos acosh add arctan2 asin asinh atan atanh bitwise_and bitwise_or bitwise_xor ceil conj cos cosh divide equal erf erfinv "
    "exp expm1 floor floor_divide greater greater_equal imag isinf isnan left_shift less less_equal log log1p logical_and logical_not "
    "logical_or logical_xor matmul maximum minimum mish mod multiply negative not_equal power real relu right_shift round rsqrt select "
    "selu sigmoid sign silu sin sinh softplus softsign sqrt square stop_gradient subtract tan tanh"
)
for _name in _SAME.split():
    OPS[_name] = _plain(getattr(ops, _RENAMED.get(_name, _name)))

_REDUCTIONS = ("sum", "max", "min", "prod", "mean", "all", "any")


def _reduction(function: Callable[..., Any]) -> Op:
    def reduce(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
        axes = tuple(params["axes"])
        return function(xs[0], axis=axes, keepdims=bool(params["keepdims"])) if axes else xs[0]

    return reduce


for _name in _REDUCTIONS:
    OPS[f"reduce_{_name}"] = _reduction(getattr(ops, _name))


@_op("identity")
def _identity(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return xs[0]


@_op("cast")
def _cast(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.cast(xs[0], params["dtype"])


@_op("transpose")
def _transpose(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.transpose(xs[0], tuple(params["axes"]))


@_op("reshape")
def _reshape(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    old, new = sizes.inputs[0].shape, spec.shape
    free = [n for n in new if isinstance(n, Dim)]
    if len(free) <= 1:
        return ops.reshape(xs[0], [-1 if isinstance(n, Dim) else n for n in new])
    x = xs[0]
    for place, count, sizes_ in reversed(_groups(old, new)):
        if tuple(old[place : place + count]) != tuple(sizes_):
            x = _regrouped(x, old, place, count, sizes_, sizes)
            old = (*old[:place], *sizes_, *old[place + count :])
    return x


def _groups(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[int, int, Sequence[Any]]]:
    """Return the smallest groups of axes that a reshape turns into others: where each begins, its length, and its new sizes.

    Raises:
        NotExactError: the groups are not known for all sizes.
    """
    groups, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        start, first = i, j
        a: Any = 1
        b: Any = 1
        while i == start or j == first or a != b:
            if i < len(old) and (i == start or (j > first and not _fits(a, b))):
                a, i = a * old[i], i + 1
            elif j < len(new):
                b, j = b * new[j], j + 1
            elif i < len(old):
                a, i = a * old[i], i + 1
            elif a == b:
                break
            else:
                raise NotExactError(f"the shape {_shown(old)} becomes {_shown(new)}, which Keras cannot infer.")
        groups.append((start, i - start, new[first:j]))
    return groups


def _fits(whole: Any, part: Any) -> bool:
    """Return whether a size is a multiple of another one."""
    if isinstance(part, Dim):
        return isinstance(whole, Dim) and whole.divided_by(part) is not None
    return not isinstance(whole, Dim) and whole % part == 0 if isinstance(whole, int) else True


def _regrouped(x: Any, old: Sequence[Any], place: int, count: int, sizes: Sequence[Any], known: Sizes) -> Any:
    """Return a tensor with a group of axes in other sizes, the other axes as they are."""
    from graphkit.layers import Reshape

    others = [i for i, n in enumerate(old) if isinstance(n, Dim) and not place <= i < place + count]
    inner = sum(isinstance(n, Dim) for n in sizes)
    new = [*old[:place], *sizes, *old[place + count :]]
    if len(others) + inner <= 1:
        return ops.reshape(x, [-1 if isinstance(n, Dim) else n for n in new])
    if inner > 1:
        merged = x if count == 1 else _regrouped(x, old, place, count, (math.prod(old[place : place + count]),), known)
        return ops.take(merged, known.grid(sizes), axis=place)
    if len(others) + inner > 2:
        raise NotExactError(f"the shape {_shown(old)} becomes {_shown(new)}, which has too many free sizes.")
    kept = others[0]  # comes first, where Keras keeps a free size
    to_front = [kept, *(i for i in range(len(old)) if i != kept)]
    place_now = kept if kept < place else kept - count + len(sizes)
    target = [-1 if isinstance(n, Dim) else n for i, n in enumerate(new) if i != place_now]
    made = Reshape(target)(ops.transpose(x, to_front) if kept else x)
    if place_now:
        back = list(range(1, len(new)))
        back.insert(place_now, 0)
        made = ops.transpose(made, back)
    return made


def _shown(shape: Sequence[Any]) -> str:
    return "(" + ", ".join(map(str, shape)) + ")"


@_op("concatenate")
def _concatenate(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.concatenate(list(xs), axis=params["axis"])


@_op("slice")
def _slice(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    key = []
    for n, start, stop, step in zip(
        sizes.inputs[0].shape, params["starts"], params["stops"], params["steps"], strict=True
    ):
        key.append(_slice_of(n, start, stop, step))
    return xs[0][tuple(key)]


def _slice_of(size: Any, start: Any, stop: Any, step: int) -> slice:
    """Return the slice of an axis, with ends that are known: free ones are counted from the end."""
    ends = []
    for end, default in ((start, 0 if step > 0 else -1), (stop, size if step > 0 else None)):
        if isinstance(end, Dim):
            rest = end - size
            if not isinstance(rest, int) or rest > 0:
                raise NotExactError(f"an axis of size {size} is cut at {end}.")
            end = None if rest == 0 else rest
        elif step < 0 and default is None and end < 0:
            end = None
        ends.append(end)
    first, last = ends
    if step > 0 and first == 0:
        first = None
    if step > 0 and isinstance(size, int) and last == size:
        last = None
    return slice(first, last, None if step == 1 else step)


@_op("pad")
def _pad(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    widths = [tuple(pair) for pair in params["widths"]]
    if params["mode"] != "constant":
        return ops.pad(xs[0], widths, mode=params["mode"])
    return ops.pad(xs[0], widths, constant_values=_number(xs[1]))


def _number(value: Any) -> Any:
    if isinstance(value, SymbolicTensor):
        raise NotExactError("a constant of the op is computed in the graph.")
    return np.asarray(value).reshape(-1)[0].item()


@_op("take")
def _take(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.take(xs[0], xs[1], axis=params["axis"])


@_op("take_along_axis")
def _take_along_axis(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.take_along_axis(xs[0], xs[1], axis=params["axis"])


@_op("clip")
def _clip(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.clip(xs[0], params["low"], params["high"])


@_op("softmax", "log_softmax")
def _softmax(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    raise NotExactError("a softmax over several axes.")


@_op("gelu")
def _gelu(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.gelu(xs[0], approximate=params["approximate"])


@_op("elu")
def _elu(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.elu(xs[0], alpha=params["alpha"])


@_op("leaky_relu")
def _leaky_relu(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.leaky_relu(xs[0], negative_slope=params["negative_slope"])


@_op("celu")
def _celu(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.celu(xs[0], alpha=params["alpha"])


@_op("hard_sigmoid")
def _hard_sigmoid(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    alpha, beta = params.get("alpha", 1 / 6), params.get("beta", 0.5)
    return ops.clip(ops.add(ops.multiply(xs[0], alpha), beta), 0.0, 1.0)


@_op("einsum")
def _einsum(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.einsum(_lower(params["equation"]), *xs)


def _lower(equation: str) -> str:
    """Return an equation with the small letters that Keras expects."""
    letters = dict.fromkeys(c for c in equation if c.isalpha())
    return "".join(dict(zip(letters, "abcdefghijklmnopqrstuvwxyz", strict=False)).get(c, c) for c in equation)


def _arg(function: Callable[..., Any]) -> Op:
    def position(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
        kept = len(spec.shape) == len(sizes.inputs[0].shape)
        return ops.cast(function(xs[0], axis=params["axis"], keepdims=kept), spec.dtype)

    return position


OPS |= {"argmax": _arg(ops.argmax), "argmin": _arg(ops.argmin)}


@_op("cumsum", "cumprod")
def _cumulative(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    if params.get("exclusive") or params.get("reverse"):
        raise NotExactError("a cumulative sum that is exclusive or reversed.")
    return ops.cumsum(xs[0], axis=params["axis"])


OPS["cumprod"] = lambda xs, params, spec, sizes: ops.cumprod(xs[0], axis=params["axis"])


@_op("top_k")
def _top_k(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.top_k(xs[0], params["k"])


@_op("argsort")
def _argsort(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.argsort(xs[0], axis=params["axis"])


@_op("scatter_add")
def _scatter_add(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    if params["axis"] != 0 or len(sizes.inputs[1].shape) != 1 or isinstance(params["size"], Dim):
        raise NotExactError("Keras adds up segments along the first axis, of a known number.")
    return ops.segment_sum(xs[0], xs[1], num_segments=params["size"])


@_op("scatter_set")
def _scatter_set(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    if len(sizes.inputs[1].shape) != 1:
        raise NotExactError("Keras sets rows by their number.")
    return ops.scatter_update(xs[0], ops.reshape(xs[1], (-1, 1)), xs[2])


@_op("max_pool", "average_pool")
def _pool(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    raise NotExactError("windows reach over the edges in another way than Keras' 'same'.")


@_op("average_pool")
def _average_pool(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    """Average the padded windows, and correct for what does not count."""
    x, pairs, layout = sizes.inputs[0], params["padding"], params["data_format"]
    first = layout == "channels_first"
    spatial = x.shape[2:] if first else x.shape[1:-1]
    if isinstance(pairs, str) or any(isinstance(n, Dim) for n in spatial):
        raise NotExactError("windows reach over the edges of images of free sizes.")
    pairs = [tuple(p) for p in pairs]
    widths = [(0, 0), (0, 0), *pairs] if first else [(0, 0), *pairs, (0, 0)]
    shape: Any = (1, 1, *spatial) if first else (1, *spatial, 1)
    ones = np.pad(np.ones(shape, x.dtype), widths)

    from graphkit import layers

    window, strides = params["window"], params["strides"]
    pool = getattr(layers, f"AveragePooling{len(window)}D")(window, strides, data_format=layout, dtype=spec.dtype)
    counted = ops.average_pool(ones, window, strides, "valid", layout)
    return ops.true_divide(pool(ops.pad(xs[0], widths)), np.asarray(counted))


@_op("resize")
def _resize(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    axes = tuple(params["axes"])
    if len(spec.shape) != 4 or axes not in ((1, 2), (2, 3)) or any(isinstance(n, Dim) for n in params["sizes"]):
        raise NotExactError("Keras resizes two known axes of images.")
    layout = "channels_last" if axes == (1, 2) else "channels_first"
    return ops.image.resize(
        xs[0], tuple(params["sizes"]), interpolation=params["interpolation"], antialias=params["antialias"], data_format=layout
    )  # fmt: skip


@_op("batch_normalization")
def _batch_normalization(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    x, mean, variance, gamma, beta = xs
    return ops.batch_normalization(
        x, mean, variance, params["axis"], offset=beta, scale=gamma, epsilon=params["epsilon"]
    )


@_op("layer_normalization")
def _layer_normalization(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return ops.layer_normalization(xs[0], xs[1], xs[2], axis=params["axis"], epsilon=params["epsilon"])


@_op("conv")
def _conv(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    pairs = params["padding"]
    x, layout = xs[0], params["data_format"]
    if not isinstance(pairs, str):
        if any(tuple(p) != (0, 0) for p in pairs):
            widths = [(0, 0), (0, 0), *pairs] if layout == "channels_first" else [(0, 0), *pairs, (0, 0)]
            x = ops.pad(x, [tuple(w) for w in widths])
        pairs = "valid"
    return ops.conv(x, xs[1], params["strides"], pairs, layout, params["dilation"])


# ----- tensors that depend on sizes alone -----


@_op("arange")
def _arange(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    start, step = params["start"], params["step"]
    if isinstance(start, Dim) or isinstance(step, Dim):
        raise NotExactError("a range starts at a free size.")
    made = ops.cast(sizes.counted(spec.shape[0]), spec.dtype)
    made = made if step == 1 else ops.multiply(made, step)
    return made if start == 0 else ops.add(made, start)


@_op("size")
def _size(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    return sizes.number(params["value"])


@_op("broadcast_to")
def _broadcast_to(xs: Sequence[Any], params: Mapping[str, Any], spec: TensorSpec, sizes: Sizes) -> Any:
    x = xs[0]
    if all(isinstance(n, int) for n in spec.shape):
        return ops.broadcast_to(x, spec.shape)
    if not isinstance(x, SymbolicTensor) and math.prod(np.shape(x)) == 1:
        return sizes.filled(np.asarray(x).reshape(-1)[0], spec)
    fill = sizes.filled(False if spec.dtype == "bool" else 0, spec)
    return ops.logical_or(x, fill) if spec.dtype == "bool" else ops.add(x, fill)
