"""`tf.math`, `tf.bitwise` and the functions of `tf` that compute elementwise, reduce, sort or count."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError, UnknownValueError
from graphkit.tensorflow.dtypes import dtype_name
from graphkit.tensorflow.table import (
    add_rows,
    alike,
    as_tensor,
    axes_of,
    dtype_of,
    is_deferred,
    number,
    shape_of,
    tensorflow,
)
from graphkit.tensorflow.tensors import Sizes

# ----- elementwise, of one tensor -----

add_rows("x", {
    "acos": ops.arccos, "acosh": ops.arccosh, "asin": ops.arcsin, "asinh": ops.arcsinh, "atan": ops.arctan, "atanh": ops.arctanh,
    "abs": ops.absolute, "cos": ops.cos, "cosh": ops.cosh, "exp": ops.exp, "floor": ops.floor, "negative": ops.negative,
    "round": ops.round, "sigmoid": ops.sigmoid, "sign": ops.sign, "sin": ops.sin, "sinh": ops.sinh, "sqrt": ops.sqrt,
    "square": ops.square, "tan": ops.tan, "tanh": ops.tanh, "logical_not": ops.logical_not,
}, math=True)  # fmt: skip
add_rows("x", {
    "nn.sigmoid": ops.sigmoid, "nn.tanh": ops.tanh, "math.ceil": ops.ceil, "math.rint": ops.round, "math.log": ops.log,
    "math.log1p": ops.log1p, "math.expm1": ops.expm1, "math.rsqrt": ops.rsqrt, "math.reciprocal": ops.reciprocal,
    "math.erf math.special.erf": ops.erf, "math.erfc math.special.erfc": ops.erfc, "math.erfinv": ops.erfinv,
    "math.erfcinv": lambda x: ops.erfinv(1 - x),
    "math.is_nan": ops.isnan, "math.is_finite": ops.isfinite, "math.is_inf": ops.isinf, "math.conj": ops.conj,
    "math.log_sigmoid": ops.log_sigmoid, "math.reciprocal_no_nan": lambda x: ops.divide_no_nan(ops.ones_like(x), x),
    "math.bessel_i0 math.special.bessel_i0": ops.i0,
    "math.bessel_i0e math.special.bessel_i0e": lambda x: ops.i0(x) * ops.exp(-ops.absolute(x)),
    "math.ndtri": lambda x: ops.erfinv(2 * x - 1) * math.sqrt(2.0),
    "math.is_non_decreasing": lambda x: _monotonic(x, ops.less_equal),
    "math.is_strictly_increasing": lambda x: _monotonic(x, ops.less),
})  # fmt: skip
add_rows("features", {"math.softplus nn.softplus": ops.softplus, "math.softsign nn.softsign": ops.softsign})
add_rows("input", {"math.real": ops.real, "math.imag": ops.imag, "math.angle": ops.angle})
add_rows("x", {"bitwise.invert": ops.bitwise_not})


def _monotonic(x: Any, compare: Callable[..., Any]) -> Any:
    flat = ops.reshape(x, (-1,))
    return ops.all(compare(flat[:-1], flat[1:]))


# Stirling's series, after shifting small arguments up by a product: log gamma(x) = log gamma(x + 8) - log(x (x + 1) ... (x + 7)).
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680)
_DIGAMMA = (-1 / 12, 1 / 120, -1 / 252, 1 / 240)


@tensorflow("math.lgamma")
def _lgamma(x: Any) -> Any:
    """The logarithm of the absolute value of gamma(x). Source: tf.math.lgamma."""
    reflected = ops.less(x, 0.5)
    positive = ops.where(reflected, 1.0 - x, x)
    shifted = positive + 8.0
    inverse = 1.0 / shifted
    tail = sum(c * inverse ** (2 * k + 1) for k, c in enumerate(_STIRLING))
    product = math.prod([positive + float(k) for k in range(8)], start=ops.ones_like(positive))
    value = (shifted - 0.5) * ops.log(shifted) - shifted + 0.5 * math.log(2 * math.pi) + tail - ops.log(product)
    mirror = math.log(math.pi) - ops.log(ops.absolute(ops.sin(math.pi * x))) - value
    return ops.where(reflected, mirror, value)


@tensorflow("math.digamma")
def _digamma(x: Any) -> Any:
    """The derivative of lgamma. Source: tf.math.digamma."""
    reflected = ops.less(x, 0.5)
    positive = ops.where(reflected, 1.0 - x, x)
    shifted = positive + 8.0
    inverse = 1.0 / shifted
    value = ops.log(shifted) - 0.5 * inverse + sum(c * inverse ** (2 * k + 2) for k, c in enumerate(_DIGAMMA))
    value = value - sum(1.0 / (positive + float(k)) for k in range(8))
    return ops.where(reflected, value - math.pi / ops.tan(math.pi * x), value)


@tensorflow("math.lbeta", tensors="x")
def _lbeta(x: Any) -> Any:
    return ops.sum(_lgamma(x), axis=-1) - _lgamma(ops.sum(x, axis=-1))


@tensorflow("math.zero_fraction nn.zero_fraction")
def _zero_fraction(value: Any) -> Any:
    return ops.mean(ops.cast(ops.equal(value, 0), "float32"))


@tensorflow("math.invert_permutation")
def _invert_permutation(x: Any) -> Any:
    return ops.cast(ops.argsort(x), dtype_of(x))


@tensorflow("math.polyval", tensors="x")
def _polyval(coeffs: Any, x: Any) -> Any:
    total = ops.zeros_like(x)
    for coefficient in coeffs:
        total = total * x + coefficient
    return total


# ----- elementwise, of two tensors -----


_OF_SIZES = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "math.floordiv": operator.floordiv,
}


def _both(operation: Callable[..., Any], name: str = "") -> Callable[..., Any]:
    """Return a function of two tensors; of unknown sizes it computes a size, so that it can be part of a shape."""
    on_sizes = _OF_SIZES.get(name)

    def call(x: Any, y: Any) -> Any:
        if on_sizes is not None and (isinstance(x, Dim) or isinstance(y, Dim)):
            parts = [v if isinstance(v, Dim) or is_deferred(v) else np.asarray(v) for v in (x, y)]
            if all(
                isinstance(v, Dim) or (isinstance(v, np.ndarray) and v.dtype.kind in "iu" and not v.ndim) for v in parts
            ):
                return on_sizes(*(v if isinstance(v, Dim) else int(v) for v in parts))
        return operation(*alike(x, y))

    return call


def _divide(x: Any, y: Any) -> Any:
    if dtype_of(x).startswith(("int", "uint")) and dtype_of(y).startswith(("int", "uint")):
        wide = "float32" if dtype_of(x) in ("int8", "uint8", "int16", "uint16") else "float64"
        return ops.true_divide(ops.cast(x, wide), ops.cast(y, wide))
    return ops.true_divide(x, y)


def _truncated(x: Any, y: Any) -> Any:
    return ops.cast(ops.sign(x) * ops.sign(y) * (ops.absolute(x) // ops.absolute(y)), dtype_of(x))


def _pairs(parameters: str, rows: dict[str, Callable[..., Any]], math: bool = False) -> None:
    for names, operation in rows.items():
        both = f"math.{names} {names}" if math else names
        for name in both.split():
            add_rows(parameters, {name: _both(operation, names)}, tensors="")


_pairs("x y", {
    "add": ops.add, "subtract": ops.subtract, "multiply": ops.multiply, "divide": _divide, "truediv": _divide, "pow": ops.power,
    "maximum": ops.maximum, "minimum": ops.minimum, "equal": ops.equal, "not_equal": ops.not_equal, "less": ops.less,
    "less_equal": ops.less_equal, "greater": ops.greater, "greater_equal": ops.greater_equal, "logical_and": ops.logical_and,
    "logical_or": ops.logical_or,
}, math=True)  # fmt: skip
_pairs("x y", {
    "math.floordiv": ops.floor_divide, "math.floormod math.mod": ops.mod, "math.logical_xor": ops.logical_xor,
    "math.squared_difference": lambda x, y: ops.square(x - y), "math.divide_no_nan": ops.divide_no_nan,
    "math.multiply_no_nan": lambda x, y: ops.where(ops.equal(y, 0), ops.zeros_like(x * y), x * y),
    "math.xdivy": lambda x, y: ops.where(ops.equal(x, 0), ops.zeros_like(x / y), x / _unless(ops.equal(x, 0), y)),
    "math.xlogy": lambda x, y: ops.where(ops.equal(x, 0), ops.zeros_like(x * y), x * ops.log(_unless(ops.equal(x, 0), y))),
    "math.xlog1py": lambda x, y: ops.where(ops.equal(x, 0), ops.zeros_like(x * y), x * ops.log1p(_unless(ops.equal(x, 0), y))),
    "realdiv": ops.true_divide, "truncatediv": _truncated, "truncatemod": lambda x, y: x - _truncated(x, y) * y,
    "bitwise.bitwise_and": ops.bitwise_and, "bitwise.bitwise_or": ops.bitwise_or, "bitwise.bitwise_xor": ops.bitwise_xor,
    "bitwise.left_shift": ops.left_shift, "bitwise.right_shift": ops.right_shift,
})  # fmt: skip
_pairs("x1 x2", {"math.nextafter": ops.nextafter})
_pairs("scalar x", {"math.scalar_mul scalar_mul": ops.multiply})
_pairs("y x", {"math.atan2 atan2": ops.arctan2})


def _unless(condition: Any, y: Any) -> Any:
    """Return y with ones where the condition holds, so that neither value nor gradient is undefined there."""
    return ops.where(condition, ops.ones_like(y), y)


@tensorflow("complex dtypes.complex")
def _complex(real: Any, imag: Any) -> Any:
    return ops.view_as_complex(ops.stack(ops.broadcast_arrays(real, imag) if hasattr(ops, "broadcast_arrays") else
                                         [real + ops.zeros_like(imag), imag + ops.zeros_like(real)], axis=-1))  # fmt: skip


@tensorflow("math.add_n add_n math.accumulate_n", tensors="")
def _add_n(inputs: Sequence[Any], shape: Any = None, tensor_dtype: Any = None) -> Any:
    parts = [as_tensor(part) for part in inputs]
    return sum(parts[1:], start=parts[0])


@tensorflow("clip_by_value")
def _clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    low, high = (
        v if isinstance(v, (int, float)) else as_tensor(v, dtype_of(t)) for v in (clip_value_min, clip_value_max)
    )
    return ops.cast(ops.minimum(ops.maximum(t, low), high), dtype_of(t))


@tensorflow("clip_by_norm")
def _clip_by_norm(t: Any, clip_norm: Any, axes: Any = None) -> Any:
    squares = ops.sum(ops.square(t), axis=axes_of(axes), keepdims=True)
    positive = ops.greater(squares, 0)
    length = ops.where(positive, ops.sqrt(ops.where(positive, squares, ops.ones_like(squares))), squares)
    return t * clip_norm / ops.maximum(length, clip_norm)


@tensorflow("linalg.global_norm", tensors="")
def _global_norm(t_list: Sequence[Any]) -> Any:
    squares = [ops.sum(ops.square(as_tensor(t))) for t in t_list if t is not None]
    return ops.sqrt(sum(squares[1:], start=squares[0]))


@tensorflow("clip_by_global_norm", tensors="")
def _clip_by_global_norm(t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None) -> Any:
    norm = _global_norm(t_list) if use_norm is None else as_tensor(use_norm)
    factor = clip_norm / ops.maximum(norm, clip_norm)
    return [None if t is None else as_tensor(t) * factor for t in t_list], norm


# ----- reductions -----


@tensorflow("math.reduce_prod reduce_prod", tensors="")
def _reduce_prod(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if isinstance(input_tensor, Sizes) and not keepdims:
        return input_tensor.prod()
    return _kept(ops.prod)(as_tensor(input_tensor), axes_of(axis), bool(keepdims))


def _reduction(operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return operation(input_tensor, axis=axes_of(axis), keepdims=bool(keepdims))

    return call


def _kept(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reduction whose result has the dtype of its input, also for integers, as in TensorFlow."""
    return lambda x, axis, keepdims: ops.cast(operation(x, axis=axis, keepdims=keepdims), dtype_of(x))


def _mean(x: Any, axis: Any, keepdims: bool) -> Any:
    made = ops.mean(x, axis=axis, keepdims=keepdims)
    return ops.cast(ops.trunc(made), dtype_of(x)) if "int" in dtype_of(x) else made


def _length(x: Any, axis: Any, keepdims: bool) -> Any:
    return ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=keepdims))


for _name, _operation in {
    "sum": _kept(ops.sum), "mean": _mean, "max": ops.max, "min": ops.min, "any": ops.any, "all": ops.all,
    "logsumexp": ops.logsumexp,
}.items():  # fmt: skip
    tensorflow(f"math.reduce_{_name} reduce_{_name}")(_reduction(_operation))
for _name, _operation in {"variance": ops.var, "std": ops.std, "euclidean_norm": _length}.items():
    tensorflow(f"math.reduce_{_name}")(_reduction(_operation))


def _extreme(operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(input: Any, axis: Any = None, output_type: Any = "int64") -> Any:
        return ops.cast(operation(input, axis=0 if axis is None else number(axis, "axis")), dtype_name(output_type))

    return call


tensorflow("math.argmax argmax")(_extreme(ops.argmax))
tensorflow("math.argmin argmin")(_extreme(ops.argmin))


@tensorflow("math.count_nonzero")
def _count_nonzero(input: Any, axis: Any = None, keepdims: Any = None, dtype: Any = "int64") -> Any:
    counted = ops.sum(ops.cast(ops.not_equal(input, 0), "int32"), axis=axes_of(axis), keepdims=bool(keepdims))
    return ops.cast(counted, dtype_name(dtype))


def _running(operation: Callable[..., Any], start: float) -> Callable[..., Any]:
    def call(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
        dtype, axis = dtype_of(x), number(axis, "axis") % len(shape_of(x))
        x = ops.flip(x, axis) if reverse else x
        if exclusive:
            rank = len(shape_of(x))
            x = ops.pad(x, [(1, 0) if a == axis else (0, 0) for a in range(rank)], constant_values=start)
            x = x[tuple(slice(None, -1) if a == axis else slice(None) for a in range(rank))]
        made = ops.cast(operation(x, axis=axis), dtype)
        return ops.flip(made, axis) if reverse else made

    return call


def _logcumsumexp(x: Any, axis: int) -> Any:
    return ops.associative_scan(ops.logaddexp, x, axis=axis)


tensorflow("math.cumsum cumsum")(_running(ops.cumsum, 0))
tensorflow("math.cumprod")(_running(ops.cumprod, 1))
tensorflow("math.cumulative_logsumexp")(_running(_logcumsumexp, -math.inf))

# ----- order and counting -----


@tensorflow("math.top_k nn.top_k")
def _top_k(input: Any, k: Any = 1, sorted: bool = True, index_type: Any = "int32") -> Any:
    values, places = ops.top_k(input, number(k, "k"), sorted=sorted)
    return TopK(values, ops.cast(places, dtype_name(index_type)))


class TopK(tuple[Any, ...]):
    """The pair (values, indices) of `tf.math.top_k`."""

    def __new__(cls, *parts: Any) -> TopK:  # noqa: D102  # described by the class
        return super().__new__(cls, parts[0] if len(parts) == 1 else parts)

    @property
    def values(self) -> Any:
        """The largest elements."""
        return self[0]

    @property
    def indices(self) -> Any:
        """Their positions."""
        return self[1]


@tensorflow("math.in_top_k nn.in_top_k")
def _in_top_k(targets: Any, predictions: Any, k: Any) -> Any:
    return ops.in_top_k(targets, predictions, number(k, "k"))


def _descending(direction: str) -> bool:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise InvalidArgumentError(f"direction must be 'ASCENDING' or 'DESCENDING', got {direction!r}.")
    return direction == "DESCENDING"


@tensorflow("sort")
def _sort(values: Any, axis: int = -1, direction: str = "ASCENDING") -> Any:
    made = ops.sort(values, axis=axis)
    return ops.flip(made, axis) if _descending(direction) else made


@tensorflow("argsort")
def _argsort(values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False) -> Any:
    keys = values
    if _descending(direction):
        keys = ops.bitwise_not(values) if dtype_of(values).startswith(("int", "uint")) else ops.negative(values)
    return ops.cast(ops.argsort(keys, axis=axis), "int32")


@tensorflow("searchsorted")
def _searchsorted(sorted_sequence: Any, values: Any, side: str = "left", out_type: Any = "int32") -> Any:
    if len(shape_of(sorted_sequence)) == 1:
        return ops.cast(ops.searchsorted(sorted_sequence, values, side=side), dtype_name(out_type))
    compare = ops.less if side == "left" else ops.less_equal
    below = compare(ops.expand_dims(sorted_sequence, -2), ops.expand_dims(values, -1))
    return ops.sum(ops.cast(below, dtype_name(out_type)), axis=-1)


@tensorflow("math.bincount", tensors="arr weights")
def _bincount(
    arr: Any, weights: Any = None, minlength: Any = None, maxlength: Any = None, dtype: Any = "int32", axis: Any = None,
    binary_output: bool = False,
) -> Any:  # fmt: skip
    if is_deferred(arr) and minlength is None:
        raise UnknownValueError(
            "tf.math.bincount of a tensor whose values are not known needs `minlength` and `maxlength`."
        )
    size = max(0 if is_deferred(arr) or not np.size(arr) else int(np.max(np.asarray(arr))) + 1, int(minlength or 0))
    size = min(size, int(maxlength)) if maxlength is not None else size
    hits = ops.cast(ops.equal(ops.expand_dims(arr, -1), np.arange(size, dtype=dtype_of(arr))), dtype_name(dtype))
    if weights is not None:
        hits = ops.cast(hits, dtype_of(weights)) * ops.expand_dims(weights, -1)
    rank = len(shape_of(arr))
    reduced = tuple(range(rank)) if axis in (None, 0) else (rank - 1,)
    counted = ops.max(hits, axis=reduced) if binary_output else ops.sum(hits, axis=reduced)
    return ops.cast(counted, dtype_of(weights) if weights is not None else dtype_name(dtype))


@tensorflow("math.confusion_matrix")
def _confusion_matrix(
    labels: Any, predictions: Any, num_classes: Any = None, weights: Any = None, dtype: Any = "int32"
) -> Any:
    if num_classes is None:
        if is_deferred(labels) or is_deferred(predictions):
            raise UnknownValueError(
                "tf.math.confusion_matrix of tensors whose values are not known needs `num_classes`."
            )
        num_classes = int(max(np.max(np.asarray(labels)), np.max(np.asarray(predictions)))) + 1
    size = number(num_classes, "num_classes")
    rows = ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), size, dtype="float64")
    columns = ops.one_hot(ops.cast(ops.reshape(predictions, (-1,)), "int32"), size, dtype="float64")
    if weights is not None:
        columns = columns * ops.expand_dims(ops.cast(ops.reshape(as_tensor(weights), (-1,)), "float64"), -1)
    return ops.cast(ops.matmul(ops.transpose(rows), columns), dtype_name(dtype))


@tensorflow("histogram_fixed_width_bins")
def _histogram_bins(values: Any, value_range: Any, nbins: Any = 100, dtype: Any = "int32") -> Any:
    low, high = (float(v) for v in np.asarray(value_range))
    bins = ops.floor((values - low) / (high - low) * float(number(nbins, "nbins")))
    return ops.cast(ops.clip(bins, 0, number(nbins, "nbins") - 1), dtype_name(dtype))


@tensorflow("histogram_fixed_width")
def _histogram(values: Any, value_range: Any, nbins: Any = 100, dtype: Any = "int32") -> Any:
    bins = ops.reshape(_histogram_bins(values, value_range, nbins), (-1,))
    return ops.sum(ops.one_hot(bins, number(nbins, "nbins"), dtype=dtype_name(dtype)), axis=0)


# ----- segments -----


def _segments(ids: Any, what: str) -> int:
    if is_deferred(ids):
        raise UnknownValueError(
            f"tf.math.{what} of ids whose values are not known: use tf.math.unsorted_{what} with num_segments."
        )
    return int(np.max(np.asarray(ids))) + 1 if np.size(ids) else 0


def _mean_of(data: Any, ids: Any, count: int, root: bool = False) -> Any:
    counted = ops.segment_sum(ops.ones_like(ops.cast(ids, dtype_of(data))), ids, count)
    counted = ops.maximum(ops.reshape(counted, (-1, *[1] * (len(shape_of(data)) - 1))), 1)
    return ops.segment_sum(data, ids, count) / (ops.sqrt(counted) if root else counted)


def _filled(operation: Callable[..., Any], fill: Callable[[str], Any]) -> Callable[..., Any]:
    """Return a segment function with TensorFlow's value for segments without elements."""

    def call(data: Any, ids: Any, count: int) -> Any:
        made = operation(data, ids, count)
        there = ops.greater(ops.segment_sum(ops.ones_like(ops.cast(ids, "int32")), ids, count), 0)
        there = ops.reshape(there, (-1, *[1] * (len(shape_of(data)) - 1)))
        return ops.where(there, made, ops.cast(np.asarray(fill(dtype_of(data))), dtype_of(data)))

    return call


def _lowest(dtype: str) -> Any:
    return np.finfo(dtype).min if "float" in dtype else np.iinfo(dtype).min


def _highest(dtype: str) -> Any:
    return np.finfo(dtype).max if "float" in dtype else np.iinfo(dtype).max


_SEGMENTS: dict[str, tuple[Callable[..., Any], Callable[[str], Any], Callable[[str], Any]]] = {
    "sum": (ops.segment_sum, lambda _: 0, lambda _: 0),
    "prod": (ops.segment_prod, lambda _: 1, lambda _: 1),
    "max": (ops.segment_max, lambda _: 0, _lowest),
    "min": (ops.segment_min, lambda _: 0, _highest),
    "mean": (_mean_of, lambda _: 0, lambda _: 0),
}


def _add_segments(name: str, operation: Callable[..., Any], sorted_fill: Any, unsorted_fill: Any) -> None:
    @tensorflow(f"math.segment_{name}")
    def by_sorted_ids(data: Any, segment_ids: Any) -> Any:
        return _filled(operation, sorted_fill)(data, segment_ids, _segments(segment_ids, f"segment_{name}"))

    @tensorflow(f"math.unsorted_segment_{name}")
    def by_ids(data: Any, segment_ids: Any, num_segments: Any) -> Any:
        rank = len(shape_of(segment_ids))
        if rank > 1:
            data = ops.reshape(data, (-1, *shape_of(data)[rank:]))
            segment_ids = ops.reshape(segment_ids, (-1,))
        return _filled(operation, unsorted_fill)(data, segment_ids, number(num_segments, "num_segments"))


for _name, _row in _SEGMENTS.items():
    _add_segments(_name, *_row)


@tensorflow("math.unsorted_segment_sqrt_n")
def _sqrt_n(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    return _mean_of(data, segment_ids, number(num_segments, "num_segments"), root=True)


def check_same_rank(name: str, *tensors: Any) -> None:
    """Raise ShapeError if tensors have different numbers of axes."""
    if len({len(shape_of(t)) for t in tensors}) > 1:
        raise ShapeError(
            f"tf.{name} expects tensors of the same rank, got shapes {', '.join(str(shape_of(t)) for t in tensors)}."
        )


def check_float(name: str, tensor: Any) -> None:
    """Raise DTypeError for a tensor that is neither float nor complex."""
    if not dtype_of(tensor).startswith(("float", "bfloat", "complex")):
        raise DTypeError(f"tf.{name} expects a float tensor, got {dtype_of(tensor)}.")
