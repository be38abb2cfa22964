"""Attention and its gradient in blocks of scores that stay in the cache: they are never in memory as a whole.

Forward keeps two numbers for each row of scores, its maximum and 1 / the sum of its powers; backward makes the
probabilities again from them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from graphkit.core import threads
from graphkit.ir.spec import TensorSpec

Array = np.ndarray[Any, Any]
BLOCK = 1 << 16  # scores that are worked on at a time
FLOOR = -0.7 * 3.4028234663852886e38  # what a masked score becomes


def _heads_and_rows(shape: Sequence[int], keys: int) -> tuple[int, int]:
    """How many heads, and how many queries of each, make a block; `shape` is (batch, heads, queries, size)."""
    _, heads, queries, _ = shape
    whole = max(queries * keys, 1)
    if whole <= BLOCK:
        return max(1, min(heads, BLOCK // whole)), max(queries, 1)
    return 1, max(1, BLOCK // max(keys, 1))


def scratch(matrices: int, specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    """For each thread so many blocks of scores, and a block of queries; query and key come first."""
    batch, queries, heads, size = (int(s) for s in specs[0].shape)  # type: ignore[arg-type]  # kernels see known sizes only
    keys, width = int(specs[1].shape[1]), int(specs[2].shape[3])  # type: ignore[arg-type]
    per_head, rows = _heads_and_rows((batch, heads, queries, size), keys)
    sizes = [*[per_head * rows * keys] * matrices, per_head * rows * max(size, width)]
    return [TensorSpec((threads.num_threads(), s), specs[0].dtype) for s in sizes]


def _heads_first(x: Array) -> Array:
    return x.transpose(0, 2, 1, 3)


def _shaped(flat: Array, *shape: int) -> Array:
    return flat[: int(np.prod(shape))].reshape(shape)


def _dealt(tasks: list[Callable[[Sequence[Array]], None]], workspace: Sequence[Array], work: int) -> Callable[[], None]:
    """The tasks on as many threads as there are scratch arrays; one thread where it is not worth it."""
    shards = len(workspace[0]) if work >= BLOCK else 1
    runs = [partial(_one_by_one, tasks[i::shards], [w[i] for w in workspace]) for i in range(shards)]
    return runs[0] if shards == 1 else partial(threads.run_all, runs)


def _one_by_one(tasks: Sequence[Callable[[Sequence[Array]], None]], buffers: Sequence[Array]) -> None:
    for task in tasks:
        task(buffers)


def _fill_scores(scores: Array, query: Array, key: Array, hidden: Array | None) -> None:
    """Scores of queries that are scaled already; those that the mask hides become `FLOOR`."""
    np.matmul(query, key.swapaxes(1, 2), out=scores)
    if hidden is not None:
        np.copyto(scores, scores.dtype.type(FLOOR), where=hidden)


def prepare_attention(out: Any, query: Array, key: Array, value: Array, *mask: Array, scale: float, workspace: list[Array]) -> Callable[[], None]:
    """The engine's thunk of `attention`."""
    q, k, v, made = (_heads_first(x) for x in (query, key, value, out[0]))
    top, inverse = out[1]
    batch, heads, queries, _ = q.shape
    keys = k.shape[2]
    seen = np.broadcast_to(mask[0], (batch, heads, queries, keys)) if mask else None
    factor = q.dtype.type(scale)

    def block(i: int, head: slice, row: slice, buffers: Sequence[Array]) -> None:
        part, given = made[i, head, row], q[i, head, row]
        scores = _shaped(buffers[0], *given.shape[:2], keys)
        scaled = _shaped(buffers[1], *given.shape)
        highest, total = top[i, head, row], inverse[i, head, row]
        np.multiply(given, factor, out=scaled)
        _fill_scores(scores, scaled, k[i, head], None if seen is None else ~seen[i, head, row])
        np.maximum.reduce(scores, axis=2, out=highest)
        np.subtract(scores, highest[..., None], out=scores)
        np.exp(scores, out=scores)
        np.add.reduce(scores, axis=2, out=total)
        np.reciprocal(total, out=total)
        np.matmul(scores, v[i, head], out=part)
        np.multiply(part, total[..., None], out=part)

    per_head, rows = _heads_and_rows(q.shape, keys)
    tasks: list[Callable[[Sequence[Array]], None]] = [
        partial(block, i, slice(h, h + per_head), slice(r, r + rows))
        for i in range(batch)
        for h in range(0, heads, per_head)
        for r in range(0, queries, rows)
    ]
    return _dealt(tasks, workspace, batch * heads * queries * keys)


def prepare_attention_grad(
    out: Any,
    cotangent: Array,
    query: Array,
    key: Array,
    value: Array,
    output: Array,
    statistics: Array,
    *mask: Array,
    scale: float,
    workspace: list[Array],
) -> Callable[[], None]:
    """The engine's thunk of `attention_grad`."""
    q, k, v, o, g = (_heads_first(x) for x in (query, key, value, output, cotangent))
    dq, dk, dv = (_heads_first(x) for x in out)
    top, inverse = statistics
    batch, heads, queries, _ = q.shape
    keys = k.shape[2]
    seen = np.broadcast_to(mask[0], (batch, heads, queries, keys)) if mask else None
    factor = q.dtype.type(scale)
    per_head, rows = _heads_and_rows(q.shape, keys)

    def block(i: int, head: slice, row: slice, buffers: Sequence[Array]) -> None:
        given, came = q[i, head, row], g[i, head, row]
        first, second = (_shaped(b, *given.shape[:2], keys) for b in buffers[:2])
        hidden = None if seen is None else ~seen[i, head, row]
        scaled = _shaped(buffers[2], *given.shape)
        product = _shaped(buffers[2], *came.shape)
        np.multiply(came, o[i, head, row], out=product)
        slope = np.add.reduce(product, axis=2, keepdims=True)
        np.multiply(given, factor, out=scaled)
        _fill_scores(first, scaled, k[i, head], hidden)
        np.subtract(first, top[i, head, row, None], out=first)
        np.exp(first, out=first)
        np.multiply(first, inverse[i, head, row, None], out=first)
        _sum_up(dv[i, head], first.swapaxes(1, 2), came, row.start == 0)
        np.matmul(came, v[i, head].swapaxes(1, 2), out=second)
        np.subtract(second, slope, out=second)
        np.multiply(second, first, out=second)
        if hidden is not None:
            np.copyto(second, second.dtype.type(0), where=hidden)
        _sum_up(dk[i, head], second.swapaxes(1, 2), scaled, row.start == 0)
        np.matmul(second, k[i, head], out=dq[i, head, row])
        np.multiply(dq[i, head, row], factor, out=dq[i, head, row])

    def head_blocks(i: int, head: slice, buffers: Sequence[Array]) -> None:
        for start in range(0, queries, rows):
            block(i, head, slice(start, start + rows), buffers)

    if not queries:
        return lambda: [x.fill(0) for x in out]  # type: ignore[return-value]
    tasks: list[Callable[[Sequence[Array]], None]] = [
        partial(head_blocks, i, slice(h, h + per_head)) for i in range(batch) for h in range(0, heads, per_head)
    ]
    return _dealt(tasks, workspace, batch * heads * queries * keys)


def _sum_up(target: Array, a: Array, b: Array, is_first: bool) -> None:
    """The product of `a` and `b` into `target`, or onto it."""
    if is_first:
        np.matmul(a, b, out=target)
    else:
        np.add(target, np.matmul(a, b), out=target)
