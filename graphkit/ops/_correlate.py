"""NumPy kernels of convolution: windows are gathered into matrices that fit the cache, with one matrix product for each.

Everything here is channels-last and has known sizes. The output is divided into chunks: several images, or several rows of one
image. The windows of a chunk are gathered ("im2col") into a buffer that stays in the second-level cache, and multiplied by
the weights at once. The chunks are distributed over threads. All buffers and views are made in advance: a step only runs
copies and matrix products.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from graphkit.core import dtypes, threads
from graphkit.ir.spec import TensorSpec
from graphkit.ops._windows import Ints, Pairs, reach

Array = np.ndarray[Any, Any]
Thunk = Callable[[], Any]
_CHUNK_BYTES = 384 * 1024  # of gathered windows; with its input and output a chunk stays within 1 MB of cache
_FEW_CHANNELS = 2  # up to this many, windows are gathered tap by tap, in copies as long as an output row
# If a row of a strided operand fits twice into a ufunc's buffer, NumPy copies it there and back, at three times the cost.
_UFUNC_BUFFER = 512
_SMALL_PRODUCT = 1_000_000  # multiplications up to which OpenBLAS multiplies without copying its operands first
_SMALL_ROWS = 48  # blocks of fewer rows gain nothing


@dataclass(frozen=True)
class Geometry:
    """One correlation: `batch` images of `sizes` x (`groups` * `channels`) become images of `outs` x (`groups` * `filters`)."""

    batch: int
    sizes: Ints
    outs: Ints
    window: Ints
    strides: Ints
    dilation: Ints
    pads: Pairs
    groups: int
    channels: int  # of one group
    filters: int  # of one group

    @property
    def taps(self) -> int:
        """The number of positions in a window."""
        return math.prod(self.window)

    @property
    def depth(self) -> int:
        """The length of one gathered window of one group."""
        return self.taps * self.channels

    @property
    def is_padded(self) -> bool:
        """Whether any window reaches beyond the image."""
        ends = (
            (o - 1) * s + k for o, s, k in zip(self.outs, self.strides, reach(self.window, self.dilation), strict=True)
        )
        return any(b > 0 or end - b > n for (b, _), end, n in zip(self.pads, ends, self.sizes, strict=True))

    @property
    def is_pointwise(self) -> bool:
        """Whether the images need no gathering: they already have the layout of gathered windows."""
        plain = self.taps == 1 and self.groups == 1 and set(self.strides) == {1} and not any(map(any, self.pads))
        return plain and self.sizes == self.outs

    @property
    def by_tap(self) -> bool:
        """Whether windows are gathered tap by tap, which keeps copies long even with few channels."""
        return self.groups == 1 and self.channels <= _FEW_CHANNELS < self.depth

    def rows(self, image_rows: int) -> int:
        """Return the number of windows in this many output rows of one image."""
        return image_rows * math.prod(self.outs[1:])


class Chunk(NamedTuple):
    """A range of images and a range of their output rows (along the first spatial axis)."""

    first: int
    images: int
    top: int
    rows: int


class Step(NamedTuple):
    """How the output is divided: chunks of at most `images` images and `rows` rows."""

    images: int
    rows: int


def step_of(g: Geometry, itemsize: int, shards: int) -> Step:
    """Choose chunks of about `_CHUNK_BYTES`, if possible one or more for each thread."""
    row_bytes = max(g.rows(1) * (g.depth + g.filters) * g.groups * itemsize, 1)
    height = max(g.outs[0], 1)
    if row_bytes * height > _CHUNK_BYTES or g.batch < shards:
        wanted = min(max(_CHUNK_BYTES // row_bytes, 1), max(-(-height * max(g.batch, 1) // shards), 1), height)
        return Step(1, -(-height // -(-height // wanted)))
    images = min(_CHUNK_BYTES // (row_bytes * height), -(-g.batch // shards))
    return Step(max(images, 1), height)


def chunks_of(g: Geometry, step: Step) -> list[Chunk]:
    """Return all chunks in order."""
    return [
        Chunk(first, min(step.images, g.batch - first), top, min(step.rows, g.outs[0] - top))
        for first in range(0, g.batch, step.images)
        for top in range(0, g.outs[0], step.rows)
    ]


def deal(chunks: Sequence[Chunk], shards: int) -> list[Sequence[Chunk]]:
    """Split the chunks into `shards` runs of nearly equal length, and drop empty runs."""
    bounds = [len(chunks) * i // shards for i in range(shards + 1)]
    return [chunks[a:b] for a, b in itertools.pairwise(bounds) if b > a]


class Buffers:
    """The scratch arrays of one thread: padded images, gathered windows, products that cannot be written in place."""

    def __init__(self, padded: Array, windows: Array, product: Array) -> None:
        self.padded = padded
        self.windows = windows
        self.product = product


class Sizes(NamedTuple):
    """The number of elements in each scratch array of one thread."""

    padded: int
    windows: int
    product: int


def sizes_of(g: Geometry, step: Step) -> Sizes:
    """Return the scratch that one chunk needs at most."""
    rows = g.rows(step.rows) * step.images
    padded = step.images * math.prod(_padded_sizes(g, step.rows)) * g.channels * g.groups if g.is_padded else 0
    return Sizes(padded, rows * g.depth * g.groups, rows * g.filters * g.groups)


def _padded_sizes(g: Geometry, rows: int) -> Ints:
    """Return the size of the part of the padded image that this many output rows read."""
    counts = (rows, *g.outs[1:])
    return tuple((o - 1) * s + k for o, s, k in zip(counts, g.strides, reach(g.window, g.dilation), strict=True))


def accumulator_dtype(dtype: str) -> str:
    """Return the dtype of products and sums: float32 for half precision."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def scratch_specs(geometries: Sequence[Geometry], dtype: str, extra: int = 0) -> list[TensorSpec]:
    """Return the specs of the workspace: weights (and `extra` elements), then the buffers of each thread."""
    made = accumulator_dtype(dtype)
    shards = threads.num_threads()
    itemsize = dtypes.bits(made) // 8
    needs = [sizes_of(g, step_of(g, itemsize, shards)) for g in geometries]
    weights = sum(g.depth * g.filters * g.groups for g in geometries) + extra
    most = [max((need[i] for need in needs), default=0) for i in range(3)]
    return [TensorSpec((weights,), made), *(TensorSpec((shards, size), made) for size in most)]


def buffers_of(workspace: Sequence[Array]) -> list[Buffers]:
    """Return the buffers of each thread from the workspace."""
    return [Buffers(*parts) for parts in zip(*workspace[1:4], strict=True)]


# ----- gathering -----


def gather(g: Geometry, chunk: Chunk, x: Array, buffers: Buffers) -> tuple[list[Thunk], Array]:
    """Return thunks that gather the windows of a chunk, and the matrix (with groups: matrices) that then holds them.

    The matrix has a row for each window and a column for each tap and channel.
    """
    rows = g.rows(chunk.rows) * chunk.images
    images = x[chunk.first : chunk.first + chunk.images]
    if g.is_pointwise and x.dtype == buffers.windows.dtype:
        part = images[:, chunk.top : chunk.top + chunk.rows]
        matrix = part.reshape(rows, g.channels)
        if np.shares_memory(matrix, part):
            return [], matrix
    thunks, source = _source(g, chunk, images, buffers)
    seen = _windows(g, chunk, source)  # (image, *outs, *window, channel)
    rank = len(g.outs)
    if g.by_tap:
        held = buffers.windows[: rows * g.depth].reshape(*g.window, g.channels, chunk.images, chunk.rows, *g.outs[1:])
        order = (*range(rank + 1, 2 * rank + 2), *range(rank + 1))
        return [*thunks, partial(np.copyto, held, seen.transpose(order), casting="unsafe")], held.reshape(
            g.depth, rows
        ).T
    flat = buffers.windows[: rows * g.depth * g.groups]
    if g.groups == 1:
        held = flat.reshape(seen.shape)
        return [*thunks, partial(np.copyto, held, seen, casting="unsafe")], held.reshape(rows, g.depth)
    seen = np.moveaxis(_split_last(seen, g.groups), -2, 0)
    held = flat.reshape(seen.shape)
    return [*thunks, partial(np.copyto, held, seen, casting="unsafe")], held.reshape(g.groups, rows, g.depth)


def _split_last(array: Array, groups: int) -> Array:
    """Split the last axis into (groups, rest), as a view whatever the strides."""
    each = array.shape[-1] // groups
    shape = (*array.shape[:-1], groups, each)
    return as_strided(array, shape, (*array.strides[:-1], array.strides[-1] * each, array.strides[-1]))


def _source(g: Geometry, chunk: Chunk, images: Array, buffers: Buffers) -> tuple[list[Thunk], Array]:
    """Return thunks that pad the images, and the part of the (padded) images that the chunk's windows read."""
    starts = [-before for before, _ in g.pads]
    starts[0] += chunk.top * g.strides[0]
    spans = _padded_sizes(g, chunk.rows)
    if not g.is_padded:
        return [], images[(slice(None), *(slice(a, a + n) for a, n in zip(starts, spans, strict=True)))]
    shape = (chunk.images, *spans, images.shape[-1])
    padded = buffers.padded[: math.prod(shape)].reshape(shape)
    inner: list[slice] = [slice(None)]
    taken: list[slice] = [slice(None)]
    thunks: list[Thunk] = []
    for start, span, size in zip(starts, spans, g.sizes, strict=True):
        low = min(max(-start, 0), span)
        high = max(min(size - start, span), low)
        for part in (slice(0, low), slice(high, span)):
            if part.stop > part.start:
                thunks.append(partial(padded[(*inner, part)].fill, 0))
        inner.append(slice(low, high))
        taken.append(slice(start + low, start + high))
    thunks.append(partial(np.copyto, padded[tuple(inner)], images[tuple(taken)], casting="unsafe"))
    return thunks, padded


def _windows(g: Geometry, chunk: Chunk, source: Array) -> Array:
    """Return a view (image, *outs, *window, channel) of the source."""
    outs = (chunk.rows, *g.outs[1:])
    moves = tuple(s * n for s, n in zip(source.strides[1:-1], g.strides, strict=True))
    taps = tuple(s * n for s, n in zip(source.strides[1:-1], g.dilation, strict=True))
    return as_strided(
        source,
        (chunk.images, *outs, *g.window, source.shape[-1]),
        (source.strides[0], *moves, *taps, source.strides[-1]),
        writeable=False,
    )


# ----- the three products -----


def correlate(
    g: Geometry, x: Array, weights: Array, bias: Array | None, out: Array, buffers: Sequence[Buffers]
) -> list[list[Thunk]]:
    """Compute out = windows of x @ weights (+ bias), as thunks for each thread.

    Args:
        weights: ([groups,] depth, filters).
        bias: (groups, n, filters), the bias repeated n times; n divides the number of windows in a row.
    """
    step = step_of(g, buffers[0].windows.itemsize, len(buffers))
    shards: list[list[Thunk]] = []
    for buffer, chunks in zip(buffers, deal(chunks_of(g, step), len(buffers)), strict=False):
        shards.append([t for chunk in chunks for t in _multiply(g, chunk, x, weights, bias, out, buffer)])
    return shards


def _multiply(
    g: Geometry, chunk: Chunk, x: Array, weights: Array, bias: Array | None, out: Array, buffers: Buffers
) -> Iterator[Thunk]:
    gathering, matrix = gather(g, chunk, x, buffers)
    yield from gathering
    target = out[chunk.first : chunk.first + chunk.images, chunk.top : chunk.top + chunk.rows]
    product, late = _place(g, chunk, target, buffers)
    blocks = block_count(g, product.shape[-2])
    yield partial(np.matmul, in_blocks(matrix, blocks), weights, in_blocks(product, blocks))
    if bias is not None:
        tiled: Array = bias.reshape(g.groups, 1, -1)
        long: Array = product.reshape(g.groups, -1, tiled.shape[-1])
        yield partial(np.add, long, tiled, long)
    if late is not None:
        yield partial(np.copyto, *late, casting="unsafe")


def block_count(g: Geometry, rows: int) -> int:
    """Return the number of row blocks into which the products of a chunk are divided."""
    return 1 if g.groups > 1 else _blocks(rows, g.depth * g.filters)


def _blocks(rows: int, each: int) -> int:
    """Return a number of equal row blocks small enough that BLAS does not copy them (`each`: multiplications per row)."""
    limit = _SMALL_PRODUCT // max(each, 1)
    if rows <= limit or limit < _SMALL_ROWS:
        return 1
    sizes = [n for n in range(limit, _SMALL_ROWS - 1, -1) if rows % n == 0]
    return rows // sizes[0] if sizes else 1


def in_blocks(matrix: Array, blocks: int) -> Array:
    """View the rows of a matrix as a stack of blocks."""
    if blocks == 1:
        return matrix
    rows, columns = matrix.shape
    each = rows // blocks
    return as_strided(matrix, (blocks, each, columns), (matrix.strides[0] * each, *matrix.strides))


def _place(g: Geometry, chunk: Chunk, target: Array, buffers: Buffers) -> tuple[Array, tuple[Array, Array] | None]:
    """Return where the product is written, and (to, from) of a copy to its final place if that is elsewhere."""
    rows = g.rows(chunk.rows) * chunk.images
    if g.groups == 1:
        if target.flags.c_contiguous and target.dtype == buffers.product.dtype:
            return target.reshape(rows, g.filters), None
        product: Array = buffers.product[: rows * g.filters].reshape(rows, g.filters)
        return product, (target, product.reshape(target.shape))
    product = buffers.product[: rows * g.filters * g.groups].reshape(g.groups, rows, g.filters)
    split = np.moveaxis(_split_last(target, g.groups), -2, 0)
    return product, (split, product.reshape(split.shape))


def correlate_weights(
    g: Geometry, x: Array, y: Array, sums: Array, product: Array, buffers: Sequence[Buffers]
) -> tuple[list[list[Thunk]], list[Array]]:
    """Compute sums[thread] = transposed windows of x @ y over that thread's chunks: the gradient of the weights, in parts.

    `product[thread]` holds one such matrix for each block (see `most_blocks`).
    """
    step = step_of(g, buffers[0].windows.itemsize, len(buffers))
    shards: list[list[Thunk]] = []
    for i, chunks in enumerate(deal(chunks_of(g, step), len(buffers))):
        shards.append([])
        for number, chunk in enumerate(chunks):
            gathering, matrix = gather(g, chunk, x, buffers[i])
            target = y[chunk.first : chunk.first + chunk.images, chunk.top : chunk.top + chunk.rows]
            right, late = _place(g, chunk, target, buffers[i])
            copies = [] if late is None else [partial(np.copyto, late[1], late[0], casting="unsafe")]
            adding = _add_product(g, matrix, right, sums[i], product[i], first=number == 0)
            shards[i] += [*gathering, *copies, *adding]
    return shards, list(sums[: len(shards)])


def _add_product(g: Geometry, matrix: Array, right: Array, total: Array, product: Array, first: bool) -> list[Thunk]:
    """Compute total += transposed matrix @ right, in blocks; the `first` product overwrites the total."""
    blocks = block_count(g, right.shape[-2])
    left = in_blocks(matrix, blocks).swapaxes(-1, -2)
    if blocks == 1:
        if first:
            return [partial(np.matmul, left, right, total)]
        return [partial(np.matmul, left, right, product[0]), partial(np.add, total, product[0], total)]
    thunks: list[Thunk] = [partial(np.matmul, left, in_blocks(right, blocks), product[:blocks])]
    if first:
        return [*thunks, partial(np.add.reduce, product[:blocks], 0, None, total)]
    return [*thunks, *(partial(np.add, total, part, total) for part in product[:blocks])]


def most_blocks(g: Geometry, itemsize: int) -> int:
    """Return the largest number of blocks that any chunk is divided into."""
    rows = {g.rows(c.rows) * c.images for c in chunks_of(g, step_of(g, itemsize, threads.num_threads()))}
    return max((block_count(g, n) for n in rows), default=1)


def scatter_specs(g: Geometry, dtype: str) -> list[TensorSpec]:
    """Return the scratch of `scatter`: the weights, then for each thread the products, y and dx of one chunk."""
    made = accumulator_dtype(dtype)
    outs, images = math.prod(g.outs), scatter_images(g, dtypes.bits(made) // 8)
    sizes = (outs * g.channels * g.window[-1], outs * g.filters, math.prod(g.sizes) * g.channels)
    weights = TensorSpec((g.depth * g.filters,), made)
    return [weights, *(TensorSpec((threads.num_threads(), images * size), made) for size in sizes)]


def scatter_images(g: Geometry, itemsize: int) -> int:
    """Return the number of images that `scatter` processes at a time."""
    each = max(math.prod(g.outs) * g.channels * g.window[-1] * itemsize, 1)
    return max(min(_CHUNK_BYTES // each, -(-g.batch // threads.num_threads())), 1)


def scatter(
    g: Geometry, taps: Sequence[tuple[Any, Any]], y: Array, weights: Array, dx: Array, scratch: Sequence[Array]
) -> list[list[Thunk]]:
    """Compute dx: y @ the weights of each tap, added at the elements that the tap read ("col2im").

    Args:
        g: the forward correlation.
        taps: for each tap slices of the output and of the input.
        weights: (taps, filters, channels).
    """
    step = scatter_images(g, weights.itemsize)
    chunks = [Chunk(i, min(step, g.batch - i), 0, g.outs[0]) for i in range(0, g.batch, step)]
    return [
        [t for chunk in own for t in _scatter_chunk(g, taps, chunk, y, weights, dx, [part[i] for part in scratch])]
        for i, own in enumerate(deal(chunks, len(scratch[0])))
    ]


def _scatter_chunk(
    g: Geometry,
    taps: Sequence[tuple[Any, Any]],
    chunk: Chunk,
    y: Array,
    weights: Array,
    dx: Array,
    scratch: Sequence[Array],
) -> Iterator[Thunk]:
    images = slice(chunk.first, chunk.first + chunk.images)
    rows, line = g.rows(g.outs[0]) * chunk.images, g.window[-1]
    blocks = _blocks(rows, g.filters * g.channels)
    left, target = y[images], dx[images]
    if not left.flags.c_contiguous or left.dtype != weights.dtype:
        left = scratch[1][: left.size].reshape(left.shape)
        yield partial(np.copyto, left, y[images], casting="unsafe")
    if not target.flags.c_contiguous or target.dtype != weights.dtype:
        target = scratch[2][: target.size].reshape(target.shape)
    product = scratch[0][: line * rows * g.channels].reshape(line, blocks, rows // blocks, g.channels)
    placed = product.reshape(line, chunk.images, *g.outs, g.channels)
    left = left.reshape(blocks, 1, rows // blocks, g.filters)
    yield partial(target.fill, 0)
    for first in range(0, g.taps, line):
        yield partial(np.matmul, left, weights[first : first + line], product.swapaxes(0, 1))
        for (at_out, at_in), part in zip(taps[first : first + line], placed, strict=True):
            place = target[at_in]
            if place.size:
                yield partial(np.add, place, part[at_out], place)
    if not np.shares_memory(target, dx):
        yield partial(np.copyto, dx[images], target, casting="unsafe")


def runner(before: Sequence[Thunk], shards: Sequence[Sequence[Thunk]], after: Sequence[Thunk] = ()) -> Thunk:
    """Return one thunk that runs `before`, then the shards in parallel, then `after`."""
    tasks = [_sequence(shard) for shard in shards if shard]
    first, last = tuple(before), tuple(after)

    def run() -> None:
        for thunk in first:
            thunk()
        threads.run_all(tasks)
        for thunk in last:
            thunk()

    return run


def _sequence(thunks: Sequence[Thunk]) -> Thunk:
    fixed = tuple(thunks)

    def run() -> None:
        before = np.setbufsize(_UFUNC_BUFFER)
        try:
            for thunk in fixed:
                thunk()
        finally:
            np.setbufsize(before)

    return run
