"""Matrix products, split into shards for graphkit's own threads.

BLAS is limited to one thread while a program runs (`threads.single_blas`): its threads busy-wait for each other, which
takes a core from the shards of other kernels and, on a busy machine, takes far longer than the product itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from graphkit.core import threads

_WORTH_SHARDING = 1 << 22  # multiplications from which a second thread saves more than it costs


def suits_blas(x: Any) -> bool:
    """Whether BLAS accepts these strides; NumPy multiplies others (such as broadcast arrays) in a plain loop."""
    (rows, columns), (row_step, step) = x.shape[-2:], x.strides[-2:]
    plain = step == x.itemsize and row_step >= columns * step and row_step % x.itemsize == 0
    transposed = row_step == x.itemsize and step >= rows * row_step and step % x.itemsize == 0
    return bool(plain or transposed or x.size == 0)


def product(out: Any, a: Any, b: Any) -> Callable[[], Any]:
    """Return a call without arguments that computes `out = a @ b`, on several threads where that pays off."""
    shards = _shards(out, a, b)
    return shards[0] if len(shards) == 1 else partial(threads.run_all, shards)


def _shards(out: Any, a: Any, b: Any) -> list[Callable[[], Any]]:
    """Split the product along the first axis of a batch, else along the longer axis of the result."""
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
    """Split an axis into `count` nearly equal slices."""
    return [slice(lo, hi) for lo, hi in pairwise(size * i // count for i in range(count + 1))]
