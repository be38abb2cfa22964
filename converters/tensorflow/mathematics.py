"""TensorFlow's mathematical functions: `tf.math`, operators, reductions, `tf.linalg`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import SerializationError

from .sizes import Sizes, known
from .table import add_rows, dtype_of, tensorflow

# ----- elementwise -----


def _with_sizes(operation: Callable[..., Any], on_sizes: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operator that computes with `operation` on tensors and with `on_sizes` on `Sizes`."""

    def call(x: Any, y: Any) -> Any:
        sizes = [v for v in (x, y) if isinstance(v, Sizes)]
        plain = all(isinstance(v, (Sizes, int, np.integer, np.ndarray)) for v in (x, y))
        if sizes and plain:
            if isinstance(x, Sizes):
                return x.mapped(on_sizes, y)
            return sizes[0].mapped(lambda b: on_sizes(x, b))
        x, y = (v.as_tensor() if isinstance(v, Sizes) else v for v in (x, y))
        return operation(x, y)

    return call


_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "__operators__.add math.add compat.v1.add": _with_sizes(ops.add, lambda a, b: a + b),
    "__operators__.sub math.subtract": _with_sizes(ops.subtract, lambda a, b: a - b),
    "__operators__.mul math.multiply compat.v1.multiply": _with_sizes(ops.multiply, lambda a, b: a * b),
    "__operators__.floordiv math.floordiv compat.v1.floor_div floor_div": _with_sizes(
        ops.floor_divide, lambda a, b: a // b
    ),
    "__operators__.mod math.floormod math.mod compat.v1.floormod": _with_sizes(ops.mod, lambda a, b: a - a // b * b),
}
add_rows("x y", _ARITHMETIC, takes_sizes=True)
add_rows(
    "x y",
    {
        "__operators__.truediv math.truediv math.divide compat.v1.div compat.v1.divide RealDiv": ops.true_divide,
        "__operators__.pow math.pow": ops.power,
        "__operators__.eq math.equal": ops.equal,
        "__operators__.ne math.not_equal": ops.not_equal,
        "__operators__.lt math.less": ops.less,
        "__operators__.le math.less_equal": ops.less_equal,
        "__operators__.gt math.greater": ops.greater,
        "__operators__.ge math.greater_equal": ops.greater_equal,
        "__operators__.and math.logical_and": ops.logical_and,
        "__operators__.or math.logical_or": ops.logical_or,
        "__operators__.xor math.logical_xor": ops.logical_xor,
    },
)
add_rows("scalar x", {"math.scalar_mul compat.v1.scalar_mul": ops.multiply})
add_rows(
    "real imag", {"dtypes.complex complex": lambda real, imag: ops.view_as_complex(ops.stack([real, imag], axis=-1))}
)


@tensorflow("math.add_n", "math.accumulate_n")
def _add_n(inputs: Any, shape: Any = None, tensor_dtype: Any = None) -> Any:
    total = inputs[0]
    for term in inputs[1:]:
        total = total + term
    return total


@tensorflow("clip_by_value")
def _clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    return ops.clip(t, clip_value_min, clip_value_max)


@tensorflow("clip_by_norm")
def _clip_by_norm(t: Any, clip_norm: Any, axes: Any = None) -> Any:
    length = ops.sqrt(ops.sum(ops.square(t), axis=axes, keepdims=True))
    return t * clip_norm / ops.maximum(length, clip_norm)


# ----- reductions -----


def _reduction(operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(input_tensor: Any, axis: Any, keepdims: Any, keep_dims: Any, reduction_indices: Any) -> Any:
        axis = axis if axis is not None else reduction_indices
        return operation(input_tensor, axis=_axes(axis), keepdims=bool(keepdims or keep_dims))

    return call


def _axes(axis: Any) -> Any:
    return tuple(np.ravel(axis).tolist()) if isinstance(axis, (list, tuple, np.ndarray)) else axis


def _product(input_tensor: Any, axis: Any, keepdims: Any, *more: Any) -> Any:
    if isinstance(input_tensor, Sizes):
        return input_tensor.mapped(lambda values: math.prod(values.ravel().tolist()))
    return ops.prod(input_tensor, axis=_axes(axis), keepdims=bool(keepdims))


def _length(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return ops.sqrt(ops.sum(ops.square(x), axis=axis, keepdims=keepdims))


_REDUCED = "input_tensor axis= keepdims= keep_dims= reduction_indices="
add_rows(
    _REDUCED,
    {
        f"math.reduce_{name} compat.v1.reduce_{name} compat.v1.math.reduce_{name}": _reduction(operation)
        for name, operation in {
            "sum": ops.sum, "mean": ops.mean, "max": ops.max, "min": ops.min, "any": ops.any, "all": ops.all, "variance": ops.var,
            "std": ops.std, "logsumexp": ops.logsumexp, "euclidean_norm": _length,
        }.items()
    },
)  # fmt: skip
add_rows(_REDUCED, {"math.reduce_prod compat.v1.reduce_prod": _product}, takes_sizes=True)


def _extreme(operation: Callable[..., Any]) -> Callable[..., Any]:
    def call(input: Any, axis: Any = None, dimension: Any = None, output_type: Any = "int64") -> Any:
        axis = axis if axis is not None else dimension
        return ops.cast(operation(input, axis=0 if axis is None else axis), dtype_of(output_type))

    return call


tensorflow("math.argmax", "compat.v1.argmax", "compat.v1.math.argmax")(_extreme(ops.argmax))
tensorflow("math.argmin", "compat.v1.argmin", "compat.v1.math.argmin")(_extreme(ops.argmin))


@tensorflow("math.count_nonzero", "compat.v1.count_nonzero")
def _count_nonzero(input: Any, axis: Any = None, keepdims: Any = None, dtype: Any = "int64") -> Any:
    counted = ops.sum(ops.cast(ops.not_equal(input, 0), "int32"), axis=_axes(axis), keepdims=bool(keepdims))
    return ops.cast(counted, dtype_of(dtype))


def _running(operation: Callable[..., Any], start: float) -> Callable[..., Any]:
    def call(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
        x = ops.flip(x, axis) if reverse else x
        if exclusive:
            size = x.shape[axis]
            places = [slice(None)] * (axis % len(x.shape)) + [slice(0, size - 1)]
            widths = [(1, 0) if a == axis % len(x.shape) else (0, 0) for a in range(len(x.shape))]
            x = ops.pad(x[tuple(places)], widths, constant_values=start)
        made = operation(x, axis=axis)
        return ops.flip(made, axis) if reverse else made

    return call


tensorflow("math.cumsum")(_running(ops.cumsum, 0))
tensorflow("math.cumprod")(_running(ops.cumprod, 1))


@tensorflow("math.top_k", "nn.top_k")
def _top_k(input: Any, k: int = 1, sorted: bool = True, index_type: Any = None) -> Any:
    return list(ops.top_k(input, int(known(k, "tf.math.top_k's k")), sorted=sorted))


@tensorflow("sort")
def _sort(values: Any, axis: int = -1, direction: str = "ASCENDING") -> Any:
    made = ops.sort(values, axis=axis)
    return ops.flip(made, axis) if direction == "DESCENDING" else made


@tensorflow("argsort")
def _argsort(values: Any, axis: int = -1, direction: str = "ASCENDING", stable: bool = False) -> Any:
    return ops.argsort(ops.negative(values) if direction == "DESCENDING" else values, axis=axis)


# ----- products and norms -----


@tensorflow("linalg.matmul", "matmul")
def _matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    output_type: Any = None,
    grad_a: bool = False,
    grad_b: bool = False,
) -> Any:
    a = ops.swapaxes(a, -1, -2) if transpose_a or adjoint_a else a
    b = ops.swapaxes(b, -1, -2) if transpose_b or adjoint_b else b
    return ops.matmul(a, b)


@tensorflow("linalg.matvec")
def _matvec(a: Any, b: Any, transpose_a: bool = False, adjoint_a: bool = False) -> Any:
    return ops.squeeze(_matmul(a, ops.expand_dims(b, -1), transpose_a or adjoint_a), -1)


@tensorflow("tensordot", "linalg.tensordot")
def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    return ops.tensordot(a, b, axes=axes)


@tensorflow("norm", "compat.v1.norm", "linalg.norm")
def _norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = None, keep_dims: Any = None) -> Any:
    axis, keep = _axes(axis), bool(keepdims or keep_dims)
    if ord in ("euclidean", "fro", 2) and not (ord == 2 and isinstance(axis, tuple)):
        return _length(tensor, axis, keep)
    return ops.norm(tensor, ord=ord, axis=axis, keepdims=keep)


@tensorflow("math.l2_normalize", "nn.l2_normalize", "linalg.l2_normalize", "compat.v1.math.l2_normalize")
def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, dim: Any = None) -> Any:
    axis = _axes(axis if axis is not None else dim)
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), epsilon))


@tensorflow("linalg.normalize")
def _normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None) -> Any:
    length = _norm(tensor, ord, axis, keepdims=True)
    return [tensor / length, length]


@tensorflow("linalg.band_part")
def _band_part(input: Any, num_lower: int, num_upper: int) -> Any:
    made = input if num_upper < 0 else ops.tril(input, num_upper)
    return made if num_lower < 0 else ops.triu(made, -num_lower)


@tensorflow("linalg.diag", "linalg.tensor_diag")
def _diag(diagonal: Any, k: int = 0) -> Any:
    return ops.expand_dims(diagonal, -1) * ops.eye(diagonal.shape[-1], dtype=diagonal.dtype)


add_rows("input k=", {"linalg.diag_part": lambda input, k: ops.diagonal(input, k or 0, -2, -1)})
add_rows("x", {"linalg.trace": lambda x: ops.trace(x, 0, -2, -1)})
add_rows("input adjoint=", {"linalg.inv": lambda input, adjoint: ops.inv(input)})
add_rows("input", {"linalg.det": ops.det, "linalg.cholesky": ops.cholesky})


@tensorflow("einsum", "linalg.einsum")
def _einsum(equation: str, *inputs: Any, **more: Any) -> Any:
    if not inputs:
        raise SerializationError(
            f"the file has the equation {equation!r} of tf.einsum, but tf.keras did not write its tensors"
        )
    operands = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], list) else inputs
    return ops.einsum(equation, *operands)
