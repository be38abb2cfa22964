"""Batch normalization, with given statistics or with those of the batch; the latter has a kernel for its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.dims import Dim
from graphkit.core.errors import ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops._blocks import ROW_BLOCK, channel_sums, row_blocks, row_workspace
from graphkit.ops._convert import as_float, canonical_axis, dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import show
from graphkit.ops.elementwise import add, multiply, rsqrt, square, subtract, true_divide
from graphkit.ops.reduction import reduce_mean_p, reduce_sum_p, spread
from graphkit.ops.shaping import expand_dims, ones, squeeze, zeros

__all__ = ["batch_normalization", "batch_normalization_training"]


def _along(vector: Any, rank: int, axis: int) -> Any:
    """Reshape a vector over `axis` so that it broadcasts against a tensor of this rank."""
    return expand_dims(vector, [a for a in range(rank) if a != axis])


# ----- batch normalization with given statistics -----


def _batch_norm(x: Any, mean: Any, variance: Any, scale: Any, offset: Any, axis: int, epsilon: float) -> Any:
    inverse = multiply(rsqrt(add(variance, epsilon)), scale)
    shift = subtract(offset, multiply(mean, inverse))
    return add(multiply(x, _along(inverse, x.ndim, axis)), _along(shift, x.ndim, axis))


def _three_axes(x: Any, axis: int) -> Any:
    """View a contiguous array as (before, channels, after); a few channels are repeated, for long inner loops."""
    before, channels = int(np.prod(x.shape[:axis], dtype=np.int64)), x.shape[axis]
    after = int(np.prod(x.shape[axis + 1 :], dtype=np.int64))
    if after == 1:
        while before % 2 == 0 and before and channels < 1024:
            before, channels = before // 2, channels * 2
    return np.ascontiguousarray(x).reshape(before, channels, after)


def _repeated(vector: Any, flat: Any) -> Any:
    """Repeat a vector over channels as often as `_three_axes` does, ready to be broadcast."""
    return np.tile(vector, flat.shape[1] // len(vector))[:, None]


def _scale_and_shift(out: Any, x: Any, scale: Any, shift: Any) -> None:
    for part in row_blocks(x):
        np.multiply(x[part], scale, out=out[part])
        np.add(out[part], shift, out=out[part])


def _batch_norm_kernel(
    out: Any, x: Any, mean: Any, variance: Any, scale: Any, offset: Any, axis: int, epsilon: float
) -> None:
    inverse = scale / np.sqrt(variance + np.asarray(epsilon, x.dtype))
    shift = offset - mean * inverse
    if out.flags.c_contiguous:
        flat = _three_axes(x, axis)
        _scale_and_shift(_three_axes(out, axis), flat, _repeated(inverse, flat), _repeated(shift, flat))
        return
    spread_out = (slice(None),) + (None,) * (x.ndim - axis - 1)
    np.multiply(x, inverse[spread_out], out=out)
    np.add(out, shift[spread_out], out=out)


batch_normalization_p = primitive(
    "batch_normalization",
    lambda x, mean, variance, scale, offset, axis, epsilon: x,
    kernel=_batch_norm_kernel,
    decomposition=_batch_norm,
    sums=True,
)


@operation("BatchNorm", "nn", tensors="x mean variance offset scale")
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """Compute (x - mean) / sqrt(variance + epsilon) * scale + offset.

    Args:
        x: floats; integers become `floatx()`.
        mean: a vector over `axis`.
        variance: a vector over `axis`.
        axis: the axis of the channels.
        offset: a vector over `axis`; None means 0.
        scale: a vector over `axis`; None means 1.

    Raises:
        ShapeError: a vector does not fit `axis`.

    Source: keras.ops.batch_normalization; ONNX BatchNormalization.
    """
    x = as_float(x)
    dtype = dtype_name(x)
    axis = canonical_axis(axis, x.ndim)
    vectors = _channel_vectors(x, axis, mean=mean, variance=variance, scale=scale, offset=offset)
    return batch_normalization_p.bind(x, *(tensor(v, dtype) for v in vectors), axis=axis, epsilon=float(epsilon))


def _channel_vectors(x: Any, axis: int, **given: Any) -> list[Any]:
    """Return vectors over the channels; a missing scale is ones, a missing offset zeros. Raises ShapeError if one does not fit."""
    channels = shape_of(x)[axis]
    vectors = []
    for name, vector in given.items():
        if vector is None:
            vector = (ones if name == "scale" else zeros)((channels,), dtype_name(x))
        if not isinstance(channels, Dim) and shape_of(vector) != (channels,):
            raise ShapeError(
                f"batch_normalization: {name} must have shape ({channels},), one value for each channel of axis {axis} of "
                f"{show(shape_of(x))}; got {show(shape_of(vector))}."
            )
        vectors.append(vector)
    return vectors


# ----- batch normalization with the statistics of the batch -----


def _train_abstract(
    x: TensorSpec, scale: TensorSpec, offset: TensorSpec, axis: int, epsilon: float
) -> tuple[TensorSpec, ...]:
    return x, scale, scale


def _others(x: Any, axis: int) -> tuple[int, ...]:
    return tuple(a for a in range(x.ndim) if a != axis)


def _train(x: Any, scale: Any, offset: Any, axis: int, epsilon: float) -> tuple[Any, Any, Any]:
    axes = _others(x, axis)
    center = reduce_mean_p.bind(x, axes=axes, keepdims=True)
    centered = subtract(x, center)
    variance = reduce_mean_p.bind(square(centered), axes=axes, keepdims=False)
    inverse = multiply(rsqrt(add(variance, epsilon)), scale)
    y = add(multiply(centered, _along(inverse, x.ndim, axis)), _along(offset, x.ndim, axis))
    return y, squeeze(center, axes), variance


def _scratch_block(x: Any, scratch: Any) -> Any:
    rows = max(1, ROW_BLOCK // max(1, x[0].size)) if x.size else 0
    return scratch[: rows * x.shape[1] * x.shape[2]].reshape(rows, *x.shape[1:])


def _train_kernel(out: Any, x: Any, scale: Any, offset: Any, axis: int, epsilon: float, workspace: list[Any]) -> None:
    y, center, variance = out
    flat = _three_axes(x, axis)
    scratch = _scratch_block(flat, workspace[0])
    channels = len(scale)
    count = max(1, flat.size // max(1, channels))
    total = np.zeros(channels)
    for part in row_blocks(flat):
        total += channel_sums(flat[part], channels)
    np.copyto(center, total / count, casting="unsafe")
    total[:] = 0
    means = _repeated(center, flat)
    for part in row_blocks(flat):
        centered = scratch[: len(flat[part])]
        np.subtract(flat[part], means, out=centered)
        np.square(centered, out=centered)
        total += channel_sums(centered, channels)
    np.copyto(variance, total / count, casting="unsafe")
    _batch_norm_kernel(y, x, center, variance, scale, offset, axis, epsilon)


def _train_vjp(g: Any, out: Any, x: Any, scale: Any, offset: Any, axis: int, epsilon: float) -> list[Any]:
    g_y, g_mean, g_variance = g
    _, center, variance = out
    cotangents: list[Any] = [None, None, None]
    if g_y is not None:
        cotangents = list(batch_norm_grad_p.bind(g_y, x, center, variance, scale, axis=axis, epsilon=epsilon))
    if g_mean is not None or g_variance is not None:
        cotangents[0] = _statistics_cotangent(cotangents[0], g_mean, g_variance, x, center, axis)
    return cotangents


def _statistics_cotangent(dx: Any, g_mean: Any, g_variance: Any, x: Any, center: Any, axis: int) -> Any:
    """Add to `dx` the cotangents that reach x through the mean and the variance."""
    from graphkit.ops.reduction import count

    each = true_divide(1.0, count(x, _others(x, axis)))
    if g_mean is not None:
        part = _along(multiply(g_mean, each), x.ndim, axis)
        dx = part if dx is None else add(dx, part)
    if g_variance is not None:
        part = multiply(
            subtract(x, _along(center, x.ndim, axis)), _along(multiply(g_variance, multiply(each, 2.0)), x.ndim, axis)
        )
        dx = part if dx is None else add(dx, part)
    return spread(dx, x, (), True)


def _train_grad(
    g: Any, x: Any, center: Any, variance: Any, scale: Any, axis: int, epsilon: float
) -> tuple[Any, Any, Any]:
    axes, rank = _others(x, axis), x.ndim
    inverse = rsqrt(add(variance, epsilon))
    unit = multiply(subtract(x, _along(center, rank, axis)), _along(inverse, rank, axis))
    d_offset = reduce_sum_p.bind(g, axes=axes, keepdims=False)
    d_scale = reduce_sum_p.bind(multiply(g, unit), axes=axes, keepdims=False)
    mean_g = reduce_mean_p.bind(g, axes=axes, keepdims=True)
    mean_gu = reduce_mean_p.bind(multiply(g, unit), axes=axes, keepdims=True)
    rest = subtract(subtract(g, mean_g), multiply(unit, mean_gu))
    return multiply(rest, _along(multiply(scale, inverse), rank, axis)), d_scale, d_offset


def _train_grad_kernel(
    out: Any, g: Any, x: Any, center: Any, variance: Any, scale: Any, axis: int, epsilon: float, workspace: list[Any]
) -> None:
    dx, d_scale, d_offset = out
    if not dx.flags.c_contiguous:
        whole = np.empty(dx.shape, dx.dtype)
        _train_grad_kernel((whole, d_scale, d_offset), g, x, center, variance, scale, axis, epsilon, workspace)
        np.copyto(dx, whole)
        return
    flat_g, flat_x, flat_dx = (_three_axes(a, axis) for a in (g, x, dx))
    scratch = _scratch_block(flat_x, workspace[0])
    inverse = 1 / np.sqrt(variance.astype(np.float64) + epsilon)
    channels = len(scale)
    sum_g, sum_gx = np.zeros(channels), np.zeros(channels)
    means = _repeated(center, flat_x)
    for part in row_blocks(flat_x):
        centered = scratch[: len(flat_x[part])]
        np.subtract(flat_x[part], means, out=centered)
        np.multiply(centered, flat_g[part], out=centered)
        sum_gx += channel_sums(centered, channels)
        sum_g += channel_sums(flat_g[part], channels)
    np.copyto(d_offset, sum_g, casting="unsafe")
    np.copyto(d_scale, sum_gx * inverse, casting="unsafe")
    # dx = a * g - b * (x - mean) - c, channel by channel
    count = max(1, flat_x.size // max(1, channels))
    a = scale * inverse
    b, c = a * inverse * inverse * sum_gx / count, a * sum_g / count
    a, b, c = (_repeated(v.astype(x.dtype), flat_x) for v in (a, b, c - b * center))
    for part in row_blocks(flat_x):
        centered, target = scratch[: len(flat_x[part])], flat_dx[part]
        np.multiply(flat_x[part], b, out=centered)
        np.multiply(flat_g[part], a, out=target)
        np.subtract(target, centered, out=target)
        np.subtract(target, c, out=target)


batch_norm_grad_p = primitive(
    "batch_normalization_grad",  # the cotangents of x, scale and offset
    lambda g, x, center, variance, scale, axis, epsilon: (x, scale, scale),
    kernel=_train_grad_kernel,
    workspace=lambda specs, params: row_workspace(specs[1:], params),
    decomposition=_train_grad,
    sums=True,
)
batch_normalization_training_p = primitive(
    "batch_normalization_training",
    _train_abstract,
    kernel=_train_kernel,
    workspace=row_workspace,
    decomposition=_train,
    vjp=_train_vjp,
    sums=True,
)


def batch_normalization_training(
    x: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """Normalize `x` by its own mean and variance, over all axes but `axis`.

    The same as `moments` and `batch_normalization`, in one pass.

    Args:
        x: floats; integers become `floatx()`.
        axis: the axis of the channels.
        offset: a vector over `axis`; None means 0.
        scale: a vector over `axis`; None means 1.

    Returns:
        The normalized tensor, the mean and the variance.

    Raises:
        ShapeError: a vector does not fit `axis`.
    """
    x = as_float(x)
    axis = canonical_axis(axis, x.ndim)
    vectors = [tensor(v, dtype_name(x)) for v in _channel_vectors(x, axis, scale=scale, offset=offset)]
    y, center, variance = batch_normalization_training_p.bind(x, *vectors, axis=axis, epsilon=float(epsilon))
    return y, center, variance
