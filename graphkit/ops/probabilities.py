"""Softmax and its variants, and cross-entropies."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, public_shape
from graphkit.core.errors import ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops._convert import as_float, canonical_axes, canonical_axis, dtype_name, promote, shape_of
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast, same, show
from graphkit.ops.elementwise import (
    add,
    cast,
    clip,
    exp,
    greater,
    log,
    maximum,
    multiply,
    negative,
    stop_gradient,
    subtract,
    true_divide,
    where,
)
from graphkit.ops.indexing import sort, take_along_axis
from graphkit.ops.nn import log_sigmoid
from graphkit.ops.reduction import cumsum, reduce_max_p, reduce_sum_p, reduced_shape
from graphkit.ops.shaping import arange, expand_dims, reshape, squeeze

__all__ = [
    "binary_crossentropy", "categorical_crossentropy", "log_softmax", "softmax", "sparse_categorical_crossentropy", "sparsemax",
]  # fmt: skip


def _total(x: Any, axes: tuple[int, ...]) -> Any:
    return reduce_sum_p.bind(x, axes=axes, keepdims=True)


def _minus_max(x: Any, axes: tuple[int, ...]) -> Any:
    return subtract(x, stop_gradient(reduce_max_p.bind(x, axes=axes, keepdims=True)))


def _softmax(x: Any, axes: tuple[int, ...]) -> Any:
    power = exp(_minus_max(x, axes))
    return true_divide(power, _total(power, axes))


def _log_softmax(x: Any, axes: tuple[int, ...]) -> Any:
    low = _minus_max(x, axes)
    return subtract(low, log(_total(exp(low), axes)))


def _row_workspace(specs: list[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    return [TensorSpec(reduced_shape(specs[0].shape, params["axes"], True), specs[0].dtype)]


def _row_and_whole(specs: list[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    return [*_row_workspace(specs, params), specs[0]]


def _softmax_kernel(out: Any, x: Any, axes: tuple[int, ...], workspace: list[Any]) -> None:
    (row,) = workspace
    np.maximum.reduce(x, axis=axes, keepdims=True, out=row)
    np.subtract(x, row, out=out)
    np.exp(out, out=out)
    np.add.reduce(out, axis=axes, keepdims=True, out=row)
    np.divide(out, row, out=out)


def _log_softmax_kernel(out: Any, x: Any, axes: tuple[int, ...], workspace: list[Any]) -> None:
    row, power = workspace
    np.maximum.reduce(x, axis=axes, keepdims=True, out=row)
    np.subtract(x, row, out=out)
    np.exp(out, out=power)
    np.add.reduce(power, axis=axes, keepdims=True, out=row)
    np.log(row, out=row)
    np.subtract(out, row, out=out)


def _softmax_grad_kernel(out: Any, g: Any, y: Any, axes: tuple[int, ...], workspace: list[Any]) -> None:
    (row,) = workspace
    np.multiply(g, y, out=out)
    np.add.reduce(out, axis=axes, keepdims=True, out=row)
    np.subtract(g, row, out=out)
    np.multiply(out, y, out=out)


def _log_softmax_grad_kernel(out: Any, g: Any, y: Any, axes: tuple[int, ...], workspace: list[Any]) -> None:
    (row,) = workspace
    np.add.reduce(g, axis=axes, keepdims=True, out=row)
    np.exp(y, out=out)
    np.multiply(out, row, out=out)
    np.subtract(g, out, out=out)


softmax_grad_p = primitive(
    "softmax_grad",  # (g, y = softmax(x))
    broadcast,
    kernel=_softmax_grad_kernel,
    workspace=_row_workspace,
    decomposition=lambda g, y, axes: multiply(y, subtract(g, _total(multiply(g, y), axes))),
)
log_softmax_grad_p = primitive(
    "log_softmax_grad",  # (g, y = log_softmax(x))
    broadcast,
    kernel=_log_softmax_grad_kernel,
    workspace=_row_workspace,
    decomposition=lambda g, y, axes: subtract(g, multiply(exp(y), _total(g, axes))),
)
softmax_p = primitive(
    "softmax",
    same,
    kernel=_softmax_kernel,
    workspace=_row_workspace,
    decomposition=_softmax,
    vjp=lambda g, out, x, axes: [softmax_grad_p.bind(g, out, axes=axes)],
)
log_softmax_p = primitive(
    "log_softmax",
    same,
    kernel=_log_softmax_kernel,
    workspace=_row_and_whole,
    decomposition=_log_softmax,
    vjp=lambda g, out, x, axes: [log_softmax_grad_p.bind(g, out, axes=axes)],
)


def _over_axes(x: Any, axis: Any, made: Any) -> Any:
    x = as_float(x)
    if x.ndim == 0:
        return reshape(made.bind(reshape(x, (1,)), axes=(0,)), ())
    return made.bind(x, axes=canonical_axes(axis, x.ndim))


@operation("Softmax", "nn")
def softmax(x: Any, axis: Any = -1) -> Any:
    """Divide exp(x) by its sum over `axis` (an int, several, or None for all).

    Warns for a single axis of size 1, over which the result is always 1.

    Raises:
        ShapeError: If an axis is out of range or given twice.

    Source: keras.ops.softmax.
    """
    x = as_float(x)
    if isinstance(axis, int) and -x.ndim <= axis < x.ndim and x.shape[axis] == 1:
        shape = public_shape(tuple(x.shape))
        warnings.warn(
            f"You are using a softmax over axis {axis} of a tensor of shape {shape}. This axis has size 1. The softmax will "
            "always return the value 1, which is likely not what you intended. Did you mean to use a sigmoid instead?",
            stacklevel=2,
        )
    return _over_axes(x, axis, softmax_p)


@operation("LogSoftmax", "nn")
def log_softmax(x: Any, axis: Any = -1) -> Any:
    """Compute log(softmax(x)) without underflow; `axis` as in `softmax`. Source: keras.ops.log_softmax."""
    return _over_axes(x, axis, log_softmax_p)


@operation("Sparsemax", "nn")
def sparsemax(x: Any, axis: int = -1) -> Any:
    """Compute sparsemax, a softmax-like function whose smaller outputs are exactly 0.

    The threshold is computed as in Keras, which sums the cumulative sums where Martins and Astudillo (2016) take the last
    one. So outputs need not sum to 1, but saved models give the same results as in Keras.

    Raises:
        ShapeError: If `axis` is out of range.

    Source: keras.ops.sparsemax.
    """
    x = as_float(x)
    axis = canonical_axis(axis, x.ndim)
    falling = negative(sort(negative(x), axis=axis))
    sums = cumsum(falling, axis=axis)
    counts = cast(arange(shape_of(x)[axis]), dtype_name(x))
    counts = add(reshape(counts, (-1,) + (1,) * (x.ndim - axis - 1)), 1)
    support = greater(multiply(falling, counts), subtract(sums, 1))
    chosen = _total(cast(support, dtype_name(x)), (axis,))
    kept = _total(where(support, sums, 0.0), (axis,))
    return maximum(subtract(x, true_divide(subtract(kept, 1), chosen)), 0.0)


# ----- cross-entropies -----


def _clipped(probabilities: Any) -> Any:
    fuzz = dtypes.epsilon()
    return clip(probabilities, fuzz, 1.0 - fuzz)


def _log_probabilities(output: Any, from_logits: bool, axis: int) -> Any:
    if from_logits:
        return log_softmax_p.bind(output, axes=(axis,))
    return log(_clipped(true_divide(output, _total(output, (axis,)))))


def _same_shape(target: Any, output: Any, where_: str) -> None:
    a, b = shape_of(target), shape_of(output)
    unlike = any(x != y and not (isinstance(x, Dim) or isinstance(y, Dim)) for x, y in zip(a, b, strict=False))
    if len(a) != len(b) or unlike:
        raise ShapeError(f"{where_}: target and output must have the same shape, got {show(a)} and {show(b)}.")


@operation("CategoricalCrossentropy", "nn", tensors="target output")
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Compute -sum(target * log(output)) over `axis`.

    Args:
        target: probabilities, of the shape of `output`.
        output: logits, or probabilities, which are normalized to sum 1 and clipped to [epsilon, 1 - epsilon].
        from_logits: whether `output` holds logits.
        axis: the class axis.

    Raises:
        ShapeError: If the shapes differ, or the tensors are scalars.

    Source: keras.ops.categorical_crossentropy.
    """
    target, output = promote(target, output, to_float=True)
    _same_shape(target, output, "categorical_crossentropy")
    if output.ndim < 1:
        raise ShapeError("categorical_crossentropy: target and output must have at least one axis, got scalars.")
    axis = canonical_axis(axis, output.ndim)
    product = multiply(target, _log_probabilities(output, from_logits, axis))
    return negative(reduce_sum_p.bind(product, axes=(axis,), keepdims=False))


@operation("SparseCategoricalCrossentropy", "nn", tensors="target output")
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Any:
    """Compute -log(output[target]) along `axis`.

    Args:
        target: integer classes, of the shape of `output` without `axis`; a trailing axis of size 1 is dropped.
        output: logits, or probabilities, which are normalized to sum 1 and clipped to [epsilon, 1 - epsilon].
        from_logits: whether `output` holds logits.
        axis: the class axis.

    Raises:
        ShapeError: If `target` does not fit, or `output` is a scalar.
        InvalidArgumentError: If a class does not exist.

    Source: keras.ops.sparse_categorical_crossentropy.
    """
    target, output = cast(target, "int32"), as_float(output)
    if output.ndim < 1:
        raise ShapeError("sparse_categorical_crossentropy: output must have at least one axis, got a scalar.")
    axis = canonical_axis(axis, output.ndim)
    if target.ndim == output.ndim and shape_of(target)[-1] == 1:
        target = squeeze(target, -1)
    whole = shape_of(output)
    _same_shape(target, _Shaped((*whole[:axis], *whole[axis + 1 :])), "sparse_categorical_crossentropy")
    found = take_along_axis(_log_probabilities(output, from_logits, axis), expand_dims(target, axis), axis=axis)
    return negative(squeeze(found, axis))


class _Shaped:
    """A stand-in for a tensor of which only the shape is used."""

    def __init__(self, shape: Any) -> None:
        self.shape = shape


def _binary_from_logits(target: Any, output: Any) -> Any:
    hit = multiply(target, log_sigmoid(output))
    return negative(add(hit, multiply(subtract(1.0, target), log_sigmoid(negative(output)))))


def _binary_from_probabilities(target: Any, output: Any) -> Any:
    output = _clipped(output)
    return negative(add(multiply(target, log(output)), multiply(subtract(1.0, target), log(subtract(1.0, output)))))


_BINARY: dict[bool, Callable[[Any, Any], Any]] = {True: _binary_from_logits, False: _binary_from_probabilities}


@operation("BinaryCrossentropy", "nn", tensors="target output")
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Any:
    """Compute -target * log(output) - (1 - target) * log(1 - output) elementwise.

    Args:
        target: probabilities, of the shape of `output`.
        output: logits, or probabilities, which are clipped to [epsilon, 1 - epsilon].
        from_logits: whether `output` holds logits.

    Raises:
        ShapeError: If the shapes differ.

    Source: keras.ops.binary_crossentropy.
    """
    target, output = promote(target, output, to_float=True)
    _same_shape(target, output, "binary_crossentropy")
    return _BINARY[bool(from_logits)](target, output)
