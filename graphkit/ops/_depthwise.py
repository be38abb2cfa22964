"""NumPy kernels of depthwise convolution: each tap of the window multiplies a shifted view, a few images at a time.

Matrix products would have a depth of only a few taps. All arrays are channels-last; filter `j` of channel `c` is output
channel `c * multiplier + j`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import dtypes, threads
from graphkit.ir.spec import TensorSpec
from graphkit.ops._correlate import Array, Geometry, Thunk, accumulator_dtype
from graphkit.ops._pool import Pool, Slices, chunk_images, sharded


def applies(g: Geometry) -> bool:
    """Whether this is a depthwise convolution: several groups of one channel each."""
    return g.groups > 1 and g.channels == 1


def scratch_specs(g: Geometry, dtype: str) -> list[TensorSpec]:
    """Return the scratch: the kernel repeated along an output row, products of a chunk, sums and ones for the kernel's gradient."""
    made, shards = accumulator_dtype(dtype), threads.num_threads()
    images = _step(g, dtypes.bits(made) // 8)
    rows = images * math.prod(g.outs)
    sizes = (shards, rows * g.groups), (2 * shards, g.taps * g.filters * g.groups), (rows,)
    return [
        TensorSpec((g.taps * g.filters * g.outs[-1] * g.groups,), made),
        *(TensorSpec(size, made) for size in sizes),
    ]


def _step(g: Geometry, itemsize: int) -> int:
    return chunk_images(
        (g.batch, 3, *g.outs, g.groups), itemsize
    )  # an input, an output and a product stay in the cache


def _taps(g: Geometry) -> list[tuple[Slices, Slices]]:
    rank = len(g.outs)
    return list(
        Pool(tuple(range(1, rank + 1)), g.sizes, g.outs, g.window, g.strides, g.pads, g.dilation).taps(rank + 2)
    )


def _spread(g: Geometry, kernel: Array, store: Array) -> tuple[Thunk, Array]:
    """Repeat the kernel to (taps, multiplier, output width, channels), for long inner loops instead of short ones."""
    spread = store.reshape(*g.window, g.filters, g.outs[-1], g.groups)
    source = np.moveaxis(kernel.reshape(*g.window, 1, g.groups, g.filters), -1, len(g.window))
    first = partial(np.copyto, spread, source, casting="unsafe")
    return first, spread.reshape(g.taps, g.filters, g.outs[-1], g.groups)


def convolve(
    g: Geometry, x: Array, kernel: Array, bias: Array | None, out: Array, scratch: Sequence[Array]
) -> tuple[list[Thunk], list[list[Thunk]]]:
    """Compute out = x convolved (+ bias): thunks that run first, and thunks for each thread."""
    first, weights = _spread(g, kernel, scratch[0])
    taps = _taps(g)

    def make(shard: int, part: slice) -> list[Thunk]:
        thunks: list[Thunk] = []
        for j in range(g.filters):
            target = out[part][..., j :: g.filters]
            product = scratch[1][shard][: target.size].reshape(target.shape)
            thunks.append(
                partial(target.fill, 0)
                if bias is None
                else partial(np.copyto, target, bias[j :: g.filters], casting="unsafe")
            )
            for (at_out, at_in), weight in zip(taps, weights[:, j], strict=True):
                made, place = product[at_out], target[at_out]
                if place.size:
                    multiply = partial(np.multiply, x[part][at_in], weight[at_out[-2]], made, casting="unsafe")
                    thunks += [multiply, partial(np.add, place, made, place, casting="unsafe")]
        return thunks

    return [first], sharded(g.batch, _step(g, scratch[1].itemsize), len(scratch[1]), make)


def input_gradient(
    g: Geometry, y: Array, kernel: Array, dx: Array, scratch: Sequence[Array]
) -> tuple[list[Thunk], list[list[Thunk]]]:
    """Compute dx, the input's gradient, from y, the cotangent of the output; thunks as in `convolve`."""
    first, weights = _spread(g, kernel, scratch[0])
    taps = _taps(g)

    def make(shard: int, part: slice) -> list[Thunk]:
        target = dx[part]
        thunks: list[Thunk] = [partial(target.fill, 0)]
        for j in range(g.filters):
            source = y[part][..., j :: g.filters]
            product = scratch[1][shard][: source.size].reshape(source.shape)
            for (at_out, at_in), weight in zip(taps, weights[:, j], strict=True):
                made, place = product[at_out], target[at_in]
                if place.size:
                    multiply = partial(np.multiply, source[at_out], weight[at_out[-2]], made, casting="unsafe")
                    thunks += [multiply, partial(np.add, place, made, place, casting="unsafe")]
        return thunks

    return [first], sharded(g.batch, _step(g, scratch[1].itemsize), len(scratch[1]), make)


def kernel_gradient(
    g: Geometry, x: Array, y: Array, dk: Array, scratch: Sequence[Array]
) -> tuple[list[Thunk], list[list[Thunk]], list[Thunk]]:
    """Compute dk, products of x and y summed over images and positions: thunks that run first, for each thread, and last."""
    taps = _taps(g)
    shards = len(scratch[1])
    sums, one = scratch[2][:shards].reshape(shards, g.taps, g.filters, g.groups), scratch[2][shards:]
    ones = scratch[3]

    def make(shard: int, part: slice) -> list[Thunk]:
        thunks: list[Thunk] = []
        row = one[shard][: g.groups]
        for j in range(g.filters):
            source = y[part][..., j :: g.filters]
            for (at_out, at_in), total in zip(taps, sums[shard, :, j], strict=True):
                shape = source[at_out].shape
                product = scratch[1][shard][: math.prod(shape)].reshape(shape)
                if product.size:
                    lines = product.reshape(-1, g.groups)
                    thunks.append(partial(np.multiply, x[part][at_in], source[at_out], product, casting="unsafe"))
                    thunks += [partial(np.matmul, ones[: len(lines)], lines, row), partial(np.add, total, row, total)]
        return thunks

    target = dk.reshape(g.taps, g.groups, g.filters).swapaxes(1, 2)
    last: list[Thunk] = [partial(np.add, sums[0], more, sums[0]) for more in sums[1:]]
    last.append(partial(np.copyto, target, sums[0], casting="unsafe"))
    first: list[Thunk] = [partial(sums.fill, 0), partial(ones.fill, 1)]
    return first, sharded(g.batch, _step(g, scratch[1].itemsize), shards, make), last


__all__: list[Any] = ["applies", "convolve", "input_gradient", "kernel_gradient", "scratch_specs"]
