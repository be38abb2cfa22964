"""Normalization of single samples: layer normalization, RMS normalization, division by a norm; moments."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape
from graphkit.core.errors import InvalidArgumentError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops._blocks import channel_sums, row_blocks, row_workspace
from graphkit.ops._convert import as_float, canonical_axes, dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.elementwise import (
    absolute,
    add,
    clip,
    maximum,
    minimum,
    multiply,
    power,
    rsqrt,
    square,
    subtract,
    true_divide,
)
from graphkit.ops.reduction import reduce_mean_p, reduce_sum_p
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import broadcast_to, expand_dims, ones, reshape, squeeze, zeros

__all__ = ["layer_normalization", "moments", "normalize", "rms_normalization"]


def _in_float32(x: Any) -> tuple[Any, str]:
    """Return `x` in at least float32, in which Keras normalizes half floats, and the dtype of the result."""
    x = as_float(x)
    name = dtype_name(x)
    return tensor(x, dtypes.result_type(name, "float32")), name


# ----- layer normalization: over the last axes, from `axis` on -----


def _last_axes(x: Any, axis: int) -> tuple[int, ...]:
    return tuple(range(axis, x.ndim))


def _layer_norm(x: Any, gamma: Any, beta: Any, axis: int, epsilon: float) -> Any:
    return add(multiply(_layer_unit(x, axis, epsilon)[0], gamma), beta)


def _layer_unit(x: Any, axis: int, epsilon: float) -> tuple[Any, Any]:
    """Return `x` with mean 0 and variance 1 over the last axes, and 1 / sqrt(variance + epsilon)."""
    axes = _last_axes(x, axis)
    low = subtract(x, reduce_mean_p.bind(x, axes=axes, keepdims=True))
    inverse = rsqrt(add(reduce_mean_p.bind(square(low), axes=axes, keepdims=True), epsilon))
    return multiply(low, inverse), inverse


def _rows_of(x: Any, axis: int) -> Any:
    width = int(np.prod(x.shape[axis:], dtype=np.int64))
    return np.ascontiguousarray(x).reshape(-1, width)


def _row_sums(x: Any) -> Any:
    """Sum rows into a column by a product with ones, since NumPy's reduction of short rows is slow."""
    return np.matmul(x, np.ones((x.shape[1], 1), x.dtype))


def _center(target: Any, x: Any, squares: Any, epsilon: float) -> Any:
    """Write rows minus their means into `target`; return 1 / sqrt(variance + epsilon) for each row."""
    width = x.shape[1]
    np.subtract(x, _row_sums(x) / x.dtype.type(width), out=target)
    np.multiply(target, target, out=squares)
    variance = _row_sums(squares) / x.dtype.type(width)
    return 1 / np.sqrt(variance + x.dtype.type(epsilon))


def _layer_norm_kernel(
    out: Any, x: Any, gamma: Any, beta: Any, axis: int, epsilon: float, workspace: list[Any]
) -> None:
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    rows, made = _rows_of(x, axis), _rows_of(target, axis)
    gain, shift = gamma.reshape(1, -1), beta.reshape(1, -1)
    for part in row_blocks(rows):
        block = made[part]
        squares = workspace[0][: block.size].reshape(block.shape)
        np.multiply(block, _center(block, rows[part], squares, epsilon), out=block)
        np.multiply(block, gain, out=block)
        np.add(block, shift, out=block)
    if target is not out:
        np.copyto(out, target)


def _layer_norm_vjp(g: Any, out: Any, x: Any, gamma: Any, beta: Any, axis: int, epsilon: float) -> list[Any]:
    return list(layer_normalization_grad_p.bind(g, x, gamma, axis=axis, epsilon=epsilon))


def _layer_norm_grad(g: Any, x: Any, gamma: Any, axis: int, epsilon: float) -> tuple[Any, Any, Any]:
    axes, lead = _last_axes(x, axis), tuple(range(axis))
    unit, inverse = _layer_unit(x, axis, epsilon)
    scaled = multiply(g, gamma)
    low = subtract(scaled, reduce_mean_p.bind(scaled, axes=axes, keepdims=True))
    dx = multiply(
        subtract(low, multiply(unit, reduce_mean_p.bind(multiply(scaled, unit), axes=axes, keepdims=True))), inverse
    )
    d_gamma = reduce_sum_p.bind(multiply(g, unit), axes=lead, keepdims=False)
    return dx, d_gamma, reduce_sum_p.bind(g, axes=lead, keepdims=False)


def _layer_norm_grad_kernel(
    out: Any, g: Any, x: Any, gamma: Any, axis: int, epsilon: float, workspace: list[Any]
) -> None:
    dx, d_gamma, d_beta = out
    target = dx if dx.flags.c_contiguous else np.empty(dx.shape, dx.dtype)
    rows, cotangents, made = _rows_of(x, axis), _rows_of(g, axis), _rows_of(target, axis)
    gain, width = gamma.reshape(1, -1), rows.dtype.type(rows.shape[1])
    sum_gamma, sum_beta = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for part in row_blocks(rows):
        block, given = made[part], cotangents[part]
        unit, product = (w[: block.size].reshape(block.shape) for w in workspace)
        inverse = _center(unit, rows[part], product, epsilon)
        np.multiply(unit, inverse, out=unit)
        np.multiply(given, unit, out=product)
        sum_gamma += channel_sums(product[:, :, None], len(sum_gamma))
        sum_beta += channel_sums(given[:, :, None], len(sum_beta))
        np.multiply(product, gain, out=product)
        slope = _row_sums(product) / width
        np.multiply(given, gain, out=block)
        np.subtract(block, _row_sums(block) / width, out=block)
        np.multiply(unit, slope, out=unit)
        np.subtract(block, unit, out=block)
        np.multiply(block, inverse, out=block)
    np.copyto(d_gamma, sum_gamma.reshape(gamma.shape), casting="unsafe")
    np.copyto(d_beta, sum_beta.reshape(gamma.shape), casting="unsafe")
    if target is not dx:
        np.copyto(dx, target)


layer_normalization_grad_p = primitive(
    "layer_normalization_grad",  # cotangents of x, gamma and beta
    lambda g, x, gamma, axis, epsilon: (x, gamma, gamma),
    kernel=_layer_norm_grad_kernel,
    workspace=lambda specs, params: row_workspace(specs[1:], params) * 2,
    decomposition=_layer_norm_grad,
)


def _layer_norm_abstract(x: TensorSpec, gamma: TensorSpec, beta: TensorSpec, axis: int, epsilon: float) -> TensorSpec:
    _check_last_axes("layer_normalization", x, axis, gamma=gamma, beta=beta)
    return x


def _check_last_axes(where_: str, x: TensorSpec, axis: int, **given: TensorSpec) -> None:
    for name, vector in given.items():
        unlike = [
            a != b
            for a, b in zip(vector.shape, x.shape[axis:], strict=False)
            if not (isinstance(a, Dim) or isinstance(b, Dim))
        ]
        if vector.rank != x.rank - axis or any(unlike):
            raise ShapeError(f"{where_}: {name} must have shape {show(x.shape[axis:])}, got {show(vector.shape)}.")


layer_normalization_p = primitive(
    "layer_normalization",
    _layer_norm_abstract,
    kernel=_layer_norm_kernel,
    workspace=row_workspace,
    decomposition=_layer_norm,
    vjp=_layer_norm_vjp,
)


def _are_last(axes: tuple[int, ...], rank: int) -> bool:
    return bool(axes) and axes == tuple(range(rank - len(axes), rank))


def _over_axes_shape(x: Any, axes: tuple[int, ...], given: Any) -> Any:
    """Reshape a gain or shift over `axes` so that it broadcasts against `x`."""
    given = tensor(given, dtype_name(x))
    if given.ndim == x.ndim or _are_last(axes, x.ndim):
        return given
    return reshape(given, tuple(s if a in axes else 1 for a, s in enumerate(shape_of(x))))


@operation("LayerNorm", "nn", tensors="x gamma beta")
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, rms_scaling: bool = False
) -> Any:
    """Normalize `x` to mean 0 and variance 1 over `axis`, then scale by `gamma` and shift by `beta`.

    Args:
        x: a tensor; half floats are normalized in float32.
        gamma: of the shape of the normalized axes; 1 by default.
        beta: of the shape of the normalized axes; 0 by default. Ignored with `rms_scaling`.
        axis: an axis or several.
        epsilon: added to the variance; `epsilon()` by default.
        rms_scaling: whether to divide by the standard deviation without subtracting the mean.

    Raises:
        ShapeError: If an axis is out of range, or `gamma` or `beta` does not fit.

    Source: keras.ops.layer_normalization; ONNX LayerNormalization.
    """
    x, dtype = _in_float32(x)
    axes = canonical_axes(axis, x.ndim)
    fuzz = dtypes.epsilon() if epsilon is None else float(epsilon)
    sizes: Shape = tuple(shape_of(x)[a] for a in axes)
    if not rms_scaling and _are_last(axes, x.ndim):
        gain = ones(sizes, dtype_name(x)) if gamma is None else reshape(tensor(gamma, dtype_name(x)), sizes)
        shift = zeros(sizes, dtype_name(x)) if beta is None else reshape(tensor(beta, dtype_name(x)), sizes)
        return tensor(layer_normalization_p.bind(x, gain, shift, axis=axes[0], epsilon=fuzz), dtype)
    center = reduce_mean_p.bind(x, axes=axes, keepdims=True)
    low = subtract(x, center)
    inverse = rsqrt(add(reduce_mean_p.bind(square(low), axes=axes, keepdims=True), fuzz))
    made = multiply(x if rms_scaling else low, inverse)
    if gamma is not None:
        made = multiply(made, _over_axes_shape(x, axes, gamma))
    if beta is not None and not rms_scaling:
        made = add(made, _over_axes_shape(x, axes, beta))
    return tensor(made, dtype)


# ----- root mean square -----


def _rms_norm(x: Any, scale: Any, axis: int, epsilon: float) -> Any:
    return multiply(multiply(x, _rms_inverse(x, _last_axes(x, axis), epsilon)), scale)


def _rms_inverse(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    return rsqrt(add(reduce_mean_p.bind(square(x), axes=axes, keepdims=True), epsilon))


def _rms_kernel(out: Any, x: Any, scale: Any, axis: int, epsilon: float, workspace: list[Any]) -> None:
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    rows, made, gain = _rows_of(x, axis), _rows_of(target, axis), scale.reshape(1, -1)
    width = x.dtype.type(rows.shape[1])
    for part in row_blocks(rows):
        block = made[part]
        np.multiply(rows[part], rows[part], out=block)
        inverse = 1 / np.sqrt(np.add.reduce(block, axis=1, keepdims=True) / width + x.dtype.type(epsilon))
        np.multiply(rows[part], inverse, out=block)
        np.multiply(block, gain, out=block)
    if target is not out:
        np.copyto(out, target)


def _rms_vjp(g: Any, out: Any, x: Any, scale: Any, axis: int, epsilon: float) -> list[Any]:
    axes = _last_axes(x, axis)
    inverse = _rms_inverse(x, axes, epsilon)
    unit, scaled = multiply(x, inverse), multiply(g, scale)
    slope = reduce_mean_p.bind(multiply(scaled, unit), axes=axes, keepdims=True)
    return [lambda: multiply(subtract(scaled, multiply(unit, slope)), inverse), lambda: multiply(g, unit)]


def _rms_abstract(x: TensorSpec, scale: TensorSpec, axis: int, epsilon: float) -> TensorSpec:
    _check_last_axes("rms_normalization", x, axis, scale=scale)
    return x


rms_normalization_p = primitive(
    "rms_normalization",
    _rms_abstract,
    kernel=_rms_kernel,
    workspace=row_workspace,
    decomposition=_rms_norm,
    vjp=_rms_vjp,
)


@operation("RMSNorm", "nn", tensors="x scale")
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """Divide `x` by its root mean square over `axis`, then multiply by `scale`.

    Args:
        x: a tensor; half floats are normalized in float32, and a scalar becomes a tensor of shape (1,).
        scale: of the shape of the normalized axes; 1 by default.
        axis: an axis or several.
        epsilon: added to the mean square; `epsilon()` by default.

    Raises:
        ShapeError: If an axis is out of range, or `scale` does not fit.

    Source: keras.ops.rms_normalization.
    """
    x, dtype = _in_float32(x)
    if x.ndim == 0:
        x = reshape(x, (1,))
    axes = canonical_axes(axis, x.ndim)
    fuzz = dtypes.epsilon() if epsilon is None else float(epsilon)
    if _are_last(axes, x.ndim):
        sizes: Shape = tuple(shape_of(x)[a] for a in axes)
        gain = ones(sizes, dtype_name(x)) if scale is None else tensor(scale, dtype_name(x))
        gain = reshape(gain, sizes) if gain.ndim else broadcast_to(gain, sizes)
        return tensor(rms_normalization_p.bind(x, gain, axis=axes[0], epsilon=fuzz), dtype)
    made = multiply(x, _rms_inverse(x, axes, fuzz))
    return tensor(made if scale is None else multiply(made, _over_axes_shape(x, axes, scale)), dtype)


# ----- group normalization: over all axes but the first, for groups of the channels; called by the layer -----


def _group_norm(x: Any, gamma: Any, beta: Any, axis: int, groups: int, epsilon: float) -> Any:
    shape = shape_of(x)
    parts = (*shape[:axis], groups, _channels(shape, axis) // groups, *shape[axis + 1 :])
    spread = (*[1] * axis, *parts[axis : axis + 2], *[1] * (len(shape) - axis - 1))
    split = reshape(x, parts)
    mean, variance = moments(split, axes=[a for a in range(1, len(shape) + 1) if a != axis], keepdims=True)
    factor = multiply(rsqrt(add(variance, epsilon)), reshape(gamma, spread))
    made = add(multiply(subtract(split, mean), factor), reshape(beta, spread))
    return reshape(made, shape)


def _channels(shape: Shape, axis: int) -> int:
    size = shape[axis]
    assert isinstance(size, int)
    return size


def _group_norm_abstract(
    x: TensorSpec, gamma: TensorSpec, beta: TensorSpec, axis: int, groups: int, epsilon: float
) -> TensorSpec:
    for name, vector in (("gamma", gamma), ("beta", beta)):
        if vector.shape != (x.shape[axis],):
            raise ShapeError(
                f"group_normalization: {name} must have shape {show((x.shape[axis],))}, got {show(vector.shape)}."
            )
    return x


group_normalization_p = primitive("group_normalization", _group_norm_abstract, decomposition=_group_norm)


# ----- moments, norms -----


@operation("Moments", "nn")
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> tuple[Any, Any]:
    """Compute the mean and the population variance over `axes`; half floats are accumulated in float32.

    Raises:
        InvalidArgumentError: If `synchronized` is true.
        ShapeError: If an axis is out of range or given twice.

    Source: keras.ops.moments.
    """
    if synchronized:
        raise InvalidArgumentError("moments: synchronized=True requires several devices; there is only one.")
    x, dtype = _in_float32(x)
    places = canonical_axes(axes, x.ndim)
    center = reduce_mean_p.bind(x, axes=places, keepdims=True)
    variance = reduce_mean_p.bind(square(subtract(x, center)), axes=places, keepdims=bool(keepdims))
    center = center if keepdims else squeeze(center, places)
    if dtype != dtype_name(x):
        center, variance = (tensor(clip(v, -65504.0, 65504.0), dtype) for v in (center, variance))
    return center, variance


@operation("Normalize", "nn")
def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """Divide `x` by its norm over `axis`.

    Args:
        x: a tensor; integers become `floatx()`, a scalar becomes a tensor of shape (1,).
        axis: an axis, several, or None for all.
        order: the order of the norm, an int of at least 1.
        epsilon: the minimum of the norm; `epsilon()` by default.

    Raises:
        InvalidArgumentError: If `order` is not an int of at least 1.

    Source: keras.ops.normalize.
    """
    if not isinstance(order, int) or order < 1:
        raise InvalidArgumentError(f"normalize: order must be an int of at least 1, got {order!r}.")
    x = as_float(x)
    x = expand_dims(x, 0) if x.ndim == 0 else x
    fuzz = dtypes.epsilon() if epsilon is None else float(epsilon)
    if order == 2:
        return multiply(x, minimum(rsqrt(reduce_sum(square(x), axis, True)), 1.0 / fuzz))
    size = reduce_sum(absolute(x) if order == 1 else power(absolute(x), order), axis, True)
    return true_divide(x, maximum(size if order == 1 else power(size, 1.0 / order), fuzz))
