"""NumPy kernels of pooling: whole-array operations on strided views, one for each tap of the window, a few images at a time.

They work on any axes, so neither data format is transposed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import threads
from graphkit.ops._correlate import Array, Thunk, runner
from graphkit.ops._windows import Ints, Pairs

_CHUNK_BYTES = 512 * 1024
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Pool:
    """A pooling over `axes` of sizes `sizes`, with `outs` windows along each."""

    axes: Ints
    sizes: Ints
    outs: Ints
    window: Ints
    strides: Ints
    pads: Pairs
    dilation: Ints = ()  # for depthwise convolutions, which slide in the same way; () means none

    @property
    def is_padded(self) -> bool:
        """Whether any window reaches beyond the input."""
        return any(len(self.counts(i)) and self.counts(i).min() < k for i, k in enumerate(self.window))

    @property
    def is_disjoint(self) -> bool:
        """Whether no element lies in two windows."""
        return all(s >= k for k, s in zip(self.window, self.strides, strict=True))

    @property
    def is_tiling(self) -> bool:
        """Whether every element lies in exactly one window."""
        whole = all(o * k == n for o, k, n in zip(self.outs, self.window, self.sizes, strict=True))
        return whole and self.window == self.strides and not self.is_padded

    def counts(self, i: int) -> Array:
        """Return the number of input elements in each window along the i-th axis."""
        starts = np.arange(self.outs[i]) * self.strides[i] - self.pads[i][0]
        return np.minimum(starts + self.window[i], self.sizes[i]) - np.maximum(starts, 0)

    def tap(self, i: int, k: int) -> tuple[slice, slice]:
        """Return the slice of windows along the i-th axis whose k-th element is inside the input, and the slice of these elements."""
        n, o, s, before = self.sizes[i], self.outs[i], self.strides[i], self.pads[i][0]
        k = k * self.dilation[i] if self.dilation else k
        low = min(max(-((k - before) // s), 0), o)
        high = max(min((n - 1 + before - k) // s + 1, o), low)
        first = low * s + k - before
        return slice(low, high), slice(first, first + (high - low - 1) * s + 1 if high > low else first, s)

    def taps(self, rank: int) -> Iterator[tuple[Slices, Slices]]:
        """Yield slices of the output and of the input for every tap, in the order of the window's elements."""
        for position in itertools.product(*map(range, self.window)):  # the last axis runs fastest
            at_out: list[slice] = [slice(None)] * rank
            at_in: list[slice] = [slice(None)] * rank
            for i, k in enumerate(position):
                at_out[self.axes[i]], at_in[self.axes[i]] = self.tap(i, k)
            yield tuple(at_out), tuple(at_in)

    def weight(self, rank: int, dtype: Any) -> Array:
        """Return 1 / the number of elements of each window, shaped to broadcast over an output."""
        total = np.ones((1,) * rank)
        for i, axis in enumerate(self.axes):
            shape = [1] * rank
            shape[axis] = self.outs[i]
            total = total * np.maximum(self.counts(i), 1).reshape(shape)
        return (1.0 / total).astype(dtype)


def chunk_images(shape: Sequence[int], itemsize: int) -> int:
    """Return the number of images per chunk: what fits the cache, but few enough that every thread has work."""
    each = max(math.prod(shape[1:]) * itemsize, 1)
    return max(min(_CHUNK_BYTES // each, -(-shape[0] // threads.num_threads())), 1)


def between_size(pool: Pool, shape: Sequence[int]) -> int:
    """Return the largest number of elements of an intermediate result between two axes, for one image."""
    sizes, most = list(shape), 0
    for axis, out in zip(pool.axes[:-1], pool.outs[:-1], strict=True):
        sizes[axis] = out
        most = max(most, math.prod(sizes[1:]))
    return most


def sharded(images: int, step: int, shards: int, make: Callable[[int, slice], list[Thunk]]) -> list[list[Thunk]]:
    """Return the thunks of each thread: `make(thread, images)` for each of its chunks."""
    chunks = [slice(i, min(i + step, images)) for i in range(0, images, step)]
    made: list[list[Thunk]] = []
    for shard in range(shards):
        own = chunks[len(chunks) * shard // shards : len(chunks) * (shard + 1) // shards]
        made.append([thunk for chunk in own for thunk in make(shard, chunk)])
    return made


def reduce_windows(pool: Pool, function: Any, lowest: Any, x: Array, out: Array, between: Array) -> list[Thunk]:
    """Compute out = windows of x reduced by a ufunc, axis by axis, alternating between the halves of `between`."""
    thunks: list[Thunk] = []
    source = x
    half = between.size // 2
    for i, axis in enumerate(pool.axes):
        shape = list(source.shape)
        shape[axis] = pool.outs[i]
        last = i == len(pool.axes) - 1
        target = out if last else between[(i % 2) * half :][: math.prod(shape)].reshape(shape)
        thunks += _reduce_axis(pool, i, function, lowest, source, target)
        source = target
    return thunks


def _reduce_axis(pool: Pool, i: int, function: Any, lowest: Any, source: Array, target: Array) -> list[Thunk]:
    axis, whole = pool.axes[i], slice(0, pool.outs[i])
    taps = [pool.tap(i, k) for k in range(pool.window[i])]
    full = [tap for tap in taps if tap[0] == whole]
    rest = [tap for tap in taps if tap[0] != whole and tap[0].stop > tap[0].start]
    if not full:
        return [partial(target.fill, lowest), *(_reduce_tap(function, axis, tap, source, target) for tap in rest)]
    views = [_along(source, axis, at_in) for _, at_in in full]
    if len(full) == 1:
        thunks: list[Thunk] = [partial(np.copyto, target, views[0])]
    else:
        thunks = [partial(function, views[0], views[1], out=target)]
        thunks += [partial(function, target, view, out=target) for view in views[2:]]
    return thunks + [_reduce_tap(function, axis, tap, source, target) for tap in rest]


def _reduce_tap(function: Any, axis: int, tap: tuple[slice, slice], source: Array, target: Array) -> Thunk:
    to = _along(target, axis, tap[0])
    return partial(function, to, _along(source, axis, tap[1]), out=to)


def _along(array: Array, axis: int, part: slice) -> Array:
    return array[(slice(None),) * axis + (part,)]


def scatter_max(
    pool: Pool, g: Array, x: Array, y: Array, dx: Array, left: Array, share: Array, hit: Array
) -> list[Thunk]:
    """Compute dx = g at the first element of each window that equals its maximum y.

    `left`, `share` and `hit` (bool) are scratch arrays of the shape of g.
    """
    thunks: list[Thunk] = [] if pool.is_tiling else [partial(dx.fill, 0)]
    thunks.append(partial(np.copyto, left, g))
    taps = list(pool.taps(x.ndim))
    disjoint, closing = pool.is_disjoint, not pool.is_padded
    for number, (at_out, at_in) in enumerate(taps):
        rest, part, equal, target = left[at_out], share[at_out], hit[at_out], dx[at_in]
        if not rest.size:
            continue
        last = number == len(taps) - 1
        if last and closing:  # what no earlier element took
            thunks.append(partial(np.copyto, target, rest) if disjoint else partial(np.add, target, rest, target))
            continue
        thunks += [partial(np.equal, x[at_in], y[at_out], equal), partial(np.multiply, rest, equal, part)]
        thunks.append(partial(np.copyto, target, part) if disjoint else partial(np.add, target, part, target))
        if not last:
            thunks.append(partial(np.subtract, rest, part, rest))
    return thunks


def pick_max(
    pool: Pool, h: Array, x: Array, y: Array, out: Array, share: Array, hit: Array, open_: Array
) -> list[Thunk]:
    """Compute out = h at the first element of each window of x that equals its maximum y."""
    thunks: list[Thunk] = [partial(out.fill, 0), partial(open_.fill, True)]
    for at_out, at_in in pool.taps(x.ndim):
        if not out[at_out].size:
            continue
        thunks += [
            partial(np.equal, x[at_in], y[at_out], hit[at_out]),
            partial(np.logical_and, hit[at_out], open_[at_out], hit[at_out]),
            partial(np.greater, open_[at_out], hit[at_out], open_[at_out]),
            partial(np.multiply, h[at_in], hit[at_out], share[at_out]),
            partial(np.add, out[at_out], share[at_out], out[at_out]),
        ]
    return thunks


def spread_mean(pool: Pool, g: Array, weight: Array, dx: Array, share: Array) -> list[Thunk]:
    """Compute dx: each element of g, times its weight, is added to all elements of its window."""
    thunks: list[Thunk] = [] if pool.is_tiling else [partial(dx.fill, 0)]
    thunks.append(partial(np.multiply, g, weight, share))
    for at_out, at_in in pool.taps(dx.ndim):
        target, part = dx[at_in], share[at_out]
        if part.size:
            thunks.append(
                partial(np.copyto, target, part) if pool.is_disjoint else partial(np.add, target, part, target)
            )
    return thunks


__all__ = [
    "Pool",
    "between_size",
    "chunk_images",
    "pick_max",
    "reduce_windows",
    "runner",
    "scatter_max",
    "sharded",
    "spread_mean",
]
