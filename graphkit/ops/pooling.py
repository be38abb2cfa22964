"""Max and average pooling over one, two or three spatial axes, and their derivatives.

Padding is ignored: a maximum or mean is taken over the elements of the window that are inside the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import dtypes, threads
from graphkit.core.dims import Shape
from graphkit.core.layout import standardize_data_format
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops import _pool as kernels
from graphkit.ops._convert import as_float, shape_of, tensor
from graphkit.ops._correlate import Array, Thunk, runner
from graphkit.ops._dispatch import operation
from graphkit.ops._pool import Pool
from graphkit.ops._windows import (
    Ints,
    Padding,
    channel_axis,
    check_image_rank,
    check_output,
    image_shape,
    known_padding,
    output_sizes,
    per_axis,
    resolve_padding,
    spatial_axes,
    spatial_sizes,
)

__all__ = ["average_pool", "max_pool"]

# ----- shapes -----


def _ones(window: Sequence[int]) -> Ints:
    return (1,) * len(window)


def _abstract(x: TensorSpec, window: Ints, strides: Ints, padding: Padding, data_format: str) -> TensorSpec:
    outs = output_sizes(spatial_sizes(x.shape, data_format), window, strides, _ones(window), padding)
    check_output("pooling", outs, x.shape, window, strides, _ones(window), padding)
    return TensorSpec(image_shape(x.shape[0], outs, x.shape[channel_axis(x.rank, data_format)], data_format), x.dtype)


def _like_input(g: TensorSpec, x: TensorSpec, y: TensorSpec, **_: Any) -> TensorSpec:
    return x


def _like_output(h: TensorSpec, x: TensorSpec, y: TensorSpec, **_: Any) -> TensorSpec:
    return y


def _grad_abstract(
    g: TensorSpec, sizes: Shape, window: Ints, strides: Ints, padding: Padding, data_format: str
) -> TensorSpec:
    return TensorSpec(image_shape(g.shape[0], sizes, g.shape[channel_axis(g.rank, data_format)], data_format), g.dtype)


# ----- kernels -----


def _pool(
    x_shape: Sequence[int], y_shape: Sequence[int], window: Ints, strides: Ints, padding: Padding, data_format: str
) -> Pool:
    axes = tuple(spatial_axes(len(x_shape), data_format))
    sizes, outs = tuple(x_shape[a] for a in axes), tuple(y_shape[a] for a in axes)
    return Pool(axes, sizes, outs, window, strides, known_padding(padding, sizes, window, strides, _ones(window)))


def _step(shape: Sequence[int], dtype: str) -> int:
    return kernels.chunk_images(shape, dtypes.bits(dtype) // 8)


def _scratch(images: int, per_image: int, dtype: str) -> TensorSpec:
    return TensorSpec((threads.num_threads(), images * per_image), dtype)


def _elements(shape: Sequence[Any]) -> int:
    return int(np.prod(shape[1:], dtype=np.int64))


def _reduce_workspace(specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    x = specs[0]
    y = _abstract(x, **params)
    pool = _pool(x.shape, y.shape, **params)  # type: ignore[arg-type]
    between = kernels.between_size(pool, x.shape)  # type: ignore[arg-type]
    return [_scratch(_step(x.shape, x.dtype), 2 * between, x.dtype)]  # type: ignore[arg-type]


def _max_prepare(out: Array, x: Array, workspace: list[Array], **params: Any) -> Thunk:
    pool = _pool(x.shape, out.shape, **params)
    lowest = _lowest(x.dtype)
    step = _step(x.shape, dtypes.of_array(x))

    def make(shard: int, part: slice) -> list[Thunk]:
        return kernels.reduce_windows(pool, np.maximum, lowest, x[part], out[part], workspace[0][shard])

    return runner([], kernels.sharded(x.shape[0], step, len(workspace[0]), make))


def _lowest(dtype: Any) -> Any:
    if dtype.kind in "iu":
        return np.iinfo(dtype).min
    return False if dtype.kind == "b" else -np.inf


def _mean_prepare(out: Array, x: Array, workspace: list[Array], **params: Any) -> Thunk:
    pool = _pool(x.shape, out.shape, **params)
    weight = pool.weight(x.ndim, x.dtype)
    step = _step(x.shape, dtypes.of_array(x))

    def make(shard: int, part: slice) -> list[Thunk]:
        thunks = kernels.reduce_windows(pool, np.add, 0, x[part], out[part], workspace[0][shard])
        return [*thunks, partial(np.multiply, out[part], weight, out[part])]

    return runner([], kernels.sharded(x.shape[0], step, len(workspace[0]), make))


def _max_grad_workspace(specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    _, x, y = specs
    step, per_image = _step(x.shape, x.dtype), _elements(y.shape)  # type: ignore[arg-type]
    return [_scratch(step, per_image, dtype) for dtype in (x.dtype, x.dtype, "bool")]


def _like(flat: Array, array: Array) -> Array:
    return flat[: array.size].reshape(array.shape)


def _max_grad_prepare(out: Array, g: Array, x: Array, y: Array, workspace: list[Array], **params: Any) -> Thunk:
    pool = _pool(x.shape, y.shape, **params)

    def make(shard: int, part: slice) -> list[Thunk]:
        scratch = [_like(flat[shard], y[part]) for flat in workspace]
        return kernels.scatter_max(pool, g[part], x[part], y[part], out[part], *scratch)

    return runner([], kernels.sharded(x.shape[0], _step(x.shape, dtypes.of_array(x)), len(workspace[0]), make))


def _max_pick_workspace(specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    _, x, y = specs
    step, per_image = _step(x.shape, x.dtype), _elements(y.shape)  # type: ignore[arg-type]
    return [_scratch(step, per_image, dtype) for dtype in (x.dtype, "bool", "bool")]


def _max_pick_prepare(out: Array, h: Array, x: Array, y: Array, workspace: list[Array], **params: Any) -> Thunk:
    pool = _pool(x.shape, y.shape, **params)

    def make(shard: int, part: slice) -> list[Thunk]:
        scratch = [_like(flat[shard], y[part]) for flat in workspace]
        return kernels.pick_max(pool, h[part], x[part], y[part], out[part], *scratch)

    return runner([], kernels.sharded(x.shape[0], _step(x.shape, dtypes.of_array(x)), len(workspace[0]), make))


def _mean_grad_workspace(specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    g = specs[0]
    x = _grad_abstract(g, **params)
    return [_scratch(_step(x.shape, x.dtype), _elements(g.shape), g.dtype)]  # type: ignore[arg-type]


def _mean_grad_prepare(out: Array, g: Array, sizes: Ints, workspace: list[Array], **params: Any) -> Thunk:
    pool = _pool(out.shape, g.shape, **params)
    weight = pool.weight(g.ndim, g.dtype)

    def make(shard: int, part: slice) -> list[Thunk]:
        return kernels.spread_mean(pool, g[part], weight, out[part], _like(workspace[0][shard], g[part]))

    return runner([], kernels.sharded(out.shape[0], _step(out.shape, dtypes.of_array(out)), len(workspace[0]), make))


# ----- primitives -----

max_pool_p: Primitive = primitive(
    "max_pool",
    _abstract,
    prepare=_max_prepare,
    workspace=_reduce_workspace,
    vjp=lambda g, out, x, **params: [max_pool_grad_p.bind(g, x, out, **params)],
)

max_pool_grad_p: Primitive = primitive(
    "max_pool_grad",  # (g, x, y = max_pool(x)): g at the first maximum of each window, zero elsewhere
    _like_input,
    prepare=_max_grad_prepare,
    workspace=_max_grad_workspace,
    vjp=lambda h, out, g, x, y, **params: [max_pool_pick_p.bind(h, x, y, **params), None, None],
)

max_pool_pick_p: Primitive = primitive(
    "max_pool_pick",  # (h, x, y = max_pool(x)): h at the first maximum of each window of x
    _like_output,
    prepare=_max_pick_prepare,
    workspace=_max_pick_workspace,
    vjp=lambda g, out, h, x, y, **params: [max_pool_grad_p.bind(g, x, y, **params), None, None],
)

average_pool_p: Primitive = primitive(
    "average_pool",
    _abstract,
    prepare=_mean_prepare,
    workspace=_reduce_workspace,
    vjp=lambda g, out, x, **params: [
        average_pool_grad_p.bind(g, sizes=spatial_sizes(shape_of(x), params["data_format"]), **params)
    ],
    sums=True,
)

average_pool_grad_p: Primitive = primitive(
    "average_pool_grad",  # (g): spreads each mean's gradient evenly over its window; `sizes` are the input's
    _grad_abstract,
    prepare=_mean_grad_prepare,
    workspace=_mean_grad_workspace,
    vjp=lambda h, out, g, sizes, **params: [average_pool_p.bind(h, **params)],
    sums=True,
)


# ----- public -----


def _bind(op: str, made: Any, x: Any, pool_size: Any, strides: Any, padding: Any, data_format: Any) -> Any:
    check_image_rank(op, shape_of(x))
    rank, layout = x.ndim - 2, standardize_data_format(data_format)
    window = per_axis(pool_size, rank, "pool_size")
    moves = window if strides is None else per_axis(strides, rank, "strides")
    pads = resolve_padding(padding, spatial_sizes(shape_of(x), layout), window, moves, _ones(window))
    return made.bind(x, window=window, strides=moves, padding=pads, data_format=layout)


@operation("MaxPool", "nn", tensors="inputs")
def max_pool(inputs: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", data_format: Any = None) -> Any:
    """Take the maximum of each window along the spatial axes.

    Args:
        inputs: (batch, *spatial, channels), or channels first, with 1 to 3 spatial axes.
        pool_size: an int, or one for each spatial axis.
        strides: an int, or one for each spatial axis; `pool_size` by default.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first"; `image_data_format()` by default.

    Raises:
        ShapeError: If `inputs` has a wrong number of axes, or a window does not fit.
        InvalidArgumentError: If another argument has a wrong length or value.

    Source: keras.ops.max_pool.
    """
    return _bind("max_pool", max_pool_p, tensor(inputs), pool_size, strides, padding, data_format)


@operation("AveragePool", "nn", tensors="inputs")
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: Any = "valid", data_format: Any = None
) -> Any:
    """Average each window along the spatial axes; arguments and errors as in `max_pool`. Source: keras.ops.average_pool."""
    return _bind("average_pool", average_pool_p, as_float(inputs), pool_size, strides, padding, data_format)
