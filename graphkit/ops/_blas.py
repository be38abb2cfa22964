"""Matrix products cut into shards for our own threads.

BLAS is held at one thread while a program runs (`threads.single_blas`): its own threads wait for each other by spinning, which
keeps a core from the shards of the other kernels, and on a busy machine takes far longer than the product itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from graphkit.core import threads

_WORTH_SHARDING = 1 << 22  # multiplications from which on two threads gain more than handing over costs


def suits_blas(x: Any) -> bool:
    """Whether BLAS takes these strides; NumPy multiplies others (such as broadcast ones) by a plain loop."""
    (rows, columns), (row_step, step) = x.shape[-2:], x.strides[-2:]
    plain = step == x.itemsize and row_step >= columns * step and row_step % x.itemsize == 0
    turned = row_step == x.itemsize and step >= rows * row_step and step % x.itemsize == 0
    return bool(plain or turned or x.size == 0)


def product(out: Any, a: Any, b: Any) -> Callable[[], Any]:
    """A call without arguments that computes `out = a @ b`, on several threads where that is worth it."""
    shards = _shards(out, a, b)
    return shards[0] if len(shards) == 1 else partial(threads.run_all, shards)


def _shards(out: Any, a: Any, b: Any) -> list[Callable[[], Any]]:
    """The product as parts: by the first axis of a batch, else by the longer axis of the result."""
    count = threads.num_threads()
    if count == 1 or out.size * a.shape[-1] < _WORTH_SHARDING or out.dtype.kind != "f":
        return [partial(np.matmul, a, b, out)]
    if out.ndim > 2 and len(out) >= count:
        lead = out.shape[:-2]
        a, b = np.broadcast_to(a, (*lead, *a.shape[-2:])), np.broadcast_to(b, (*lead, *b.shape[-2:]))
        return [partial(np.matmul, a[p], b[p], out[p]) for p in _pieces(len(out), count)]
    if out.shape[-2] >= out.shape[-1]:
        return [partial(np.matmul, a[..., p, :], b, out[..., p, :]) for p in _pieces(out.shape[-2], count)]
    return [partial(np.matmul, a, b[..., p], out[..., p]) for p in _pieces(out.shape[-1], count)]


def _pieces(size: int, count: int) -> list[slice]:
    """An axis in `count` nearly equal slices."""
    return [slice(lo, hi) for lo, hi in pairwise(size * i // count for i in range(count + 1))]
