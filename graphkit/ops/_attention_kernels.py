"""Attention and its gradient, computed on blocks of scores that stay in the cache; the whole matrix is never stored.

Forward keeps one number per row of scores, the log of the sum of exponentials, from which backward recomputes the
probabilities. Scores of moderate size are exponentiated without subtracting the row's maximum. All views are made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from graphkit.core import threads
from graphkit.ir.spec import TensorSpec

Array = np.ndarray[Any, Any]
Thunk = Callable[[], Any]
BLOCK = 1 << 17  # scores processed at a time
FLOOR = -0.7 * 3.4028234663852886e38  # the value of a masked score
_ORDINARY = 60.0  # exponentials of scores up to this size, and their sums, stay far from the limits of float32


class Cut(NamedTuple):
    """The size of a block: a number of heads, and a number of queries of each."""

    heads: int
    queries: int

    @classmethod
    def of(cls, heads: int, queries: int, keys: int, matrices: int) -> Cut:
        """Return the block size at which `matrices` blocks fit the cache."""
        limit, whole = max(BLOCK // matrices, 1), max(queries * keys, 1)
        if whole <= limit:
            return cls(max(1, min(heads, limit // whole)), max(queries, 1))
        return cls(1, max(1, limit // max(keys, 1)))


def scratch(matrices: int, specs: Sequence[TensorSpec], params: Any) -> list[TensorSpec]:
    """Return the scratch of each thread: `matrices` blocks of scores, a block of queries and a block of values.

    `specs` starts with those of query, key and value.
    """
    _, queries, heads, size = (int(s) for s in specs[0].shape)  # type: ignore[arg-type]  # kernels see known sizes only
    keys, width = int(specs[1].shape[1]), int(specs[2].shape[3])  # type: ignore[arg-type]
    cut = Cut.of(heads, queries, keys, matrices)
    rows = cut.heads * cut.queries
    sizes = [*[rows * keys] * matrices, rows * size, rows * max(width, 1)]
    return [TensorSpec((threads.num_threads(), s), specs[0].dtype) for s in sizes]


def _heads_first(*tensors: Array) -> Iterator[Array]:
    return (x.transpose(0, 2, 1, 3) for x in tensors)


def _shaped(flat: Array, *shape: int) -> Array:
    return flat[: int(np.prod(shape))].reshape(shape)


def _on_threads(shards: Sequence[Sequence[Thunk]], work: int) -> Thunk:
    """Run the shards in parallel, or one after another if there is little work."""
    runs = [partial(_all, shard) for shard in shards if shard]
    return partial(threads.run_all, runs) if work >= BLOCK // 4 else partial(_all, runs)


def _all(thunks: Sequence[Thunk]) -> None:
    for thunk in thunks:
        thunk()


def _mask_out(scores: Array, visible: Array | None, fill: float) -> None:
    if visible is not None:
        np.copyto(scores, scores.dtype.type(fill), where=~visible)


def _broadcast_mask(mask: Sequence[Array], shape: tuple[int, ...], keys: int) -> Array | None:
    return np.broadcast_to(mask[0], (*shape[:3], keys)) if mask else None


# ----- forward -----


def prepare_attention(
    out: Any, query: Array, key: Array, value: Array, *mask: Array, scale: float, workspace: list[Array]
) -> Thunk:
    """Return the engine's thunk of `attention`."""
    output, q, k, v = _heads_first(out[0], query, key, value)
    batch, heads, queries, _ = q.shape
    keys = k.shape[2]
    visible = _broadcast_mask(mask, q.shape, keys)
    cut, factor, ones = Cut.of(heads, queries, keys, 1), q.dtype.type(scale), np.ones(keys, q.dtype)
    shards: list[list[Thunk]] = [[] for _ in workspace[0]]
    for i, h, r in (
        (i, h, r) for i in range(batch) for h in range(0, heads, cut.heads) for r in range(0, queries, cut.queries)
    ):
        shard = (i * heads // cut.heads + h // cut.heads + r // cut.queries) % len(shards)
        head, at = slice(h, h + cut.heads), (i, slice(h, h + cut.heads), slice(r, r + cut.queries))
        query_block = q[at]
        scores = _shaped(workspace[0][shard], *query_block.shape[:2], keys)
        scaled = _shaped(workspace[1][shard], *query_block.shape)
        sums = _shaped(workspace[2][shard], *query_block.shape[:2])
        visible_block = None if visible is None else visible[at]
        shards[shard] += [
            partial(np.multiply, query_block, factor, scaled),
            partial(np.matmul, scaled, k[i, head].swapaxes(1, 2), scores),
            partial(_exponentiate, scores, visible_block, ones, sums, out[1][at]),
            partial(np.matmul, scores, v[i, head], output[at]),
            partial(_finish, output[at], sums, out[1][at]),
        ]
    return _on_threads(shards, batch * heads * queries * keys)


def _exponentiate(scores: Array, visible: Array | None, ones: Array, sums: Array, top: Array) -> None:
    """Exponentiate the scores in place; `sums` gets the row sums, `top` what was subtracted from each row first."""
    _mask_out(scores, visible, FLOOR)
    if visible is None and scores.min() > -_ORDINARY and scores.max() < _ORDINARY:
        top.fill(0)
    else:
        np.maximum.reduce(scores, axis=2, out=top)
        np.subtract(scores, top[..., None], out=scores)
    np.exp(scores, out=scores)
    np.matmul(scores, ones, out=sums)


def _finish(output: Array, sums: Array, logarithms: Array) -> None:
    """Divide by the sums, and add their logarithm to `logarithms`, which already holds what was subtracted."""
    np.divide(output, sums[..., None], out=output)
    np.log(sums, out=sums)
    np.add(logarithms, sums, out=logarithms)


# ----- backward -----


def prepare_attention_grad(
    out: Any, cotangent: Array, query: Array, key: Array, value: Array, output: Array, logarithms: Array, *mask: Array,
    scale: float, workspace: list[Array],
) -> Thunk:  # fmt: skip
    """Return the engine's thunk of `attention_grad`."""
    dq, dk, dv, g, q, k, v, o = _heads_first(*out, cotangent, query, key, value, output)
    batch, heads, queries, _ = q.shape
    keys = k.shape[2]
    if not queries:
        return lambda: [x.fill(0) for x in out]
    visible = _broadcast_mask(mask, q.shape, keys)
    cut, factor = Cut.of(heads, queries, keys, 2), q.dtype.type(scale)
    shards: list[list[Thunk]] = [[] for _ in workspace[0]]
    for number, (i, h) in enumerate((i, h) for i in range(batch) for h in range(0, heads, cut.heads)):
        shard, head = number % len(shards), (i, slice(h, h + cut.heads))
        key_head, value_head = k[head], v[head]
        for r in range(0, queries, cut.queries):  # all in one shard, since they add to the same sums
            at = (*head, slice(r, r + cut.queries))
            query_block, g_block = q[at], g[at]
            weights, slopes = (_shaped(w[shard], *query_block.shape[:2], keys) for w in workspace[:2])
            scaled, weighted = (
                _shaped(workspace[2][shard], *query_block.shape),
                _shaped(workspace[3][shard], *g_block.shape),
            )
            visible_block = None if visible is None else visible[at]
            product = np.matmul if not r else _add_matmul
            shards[shard] += [
                partial(np.multiply, query_block, factor, scaled),
                partial(np.matmul, scaled, key_head.swapaxes(1, 2), weights),
                partial(_restore_probabilities, weights, visible_block, logarithms[at], g_block, weighted),
                partial(product, weights.swapaxes(1, 2), weighted, dv[head]),
                partial(np.matmul, weighted, value_head.swapaxes(1, 2), slopes),
                partial(_slopes, slopes, weights, visible_block, weighted, o[at]),
                partial(product, slopes.swapaxes(1, 2), scaled, dk[head]),
                partial(np.matmul, slopes, key_head, dq[at]),
                partial(np.multiply, dq[at], factor, dq[at]),
            ]
    return _on_threads(shards, batch * heads * queries * keys)


def _restore_probabilities(
    scores: Array, visible: Array | None, logarithms: Array, cotangent: Array, weighted: Array
) -> None:
    """Turn scores into probabilities, or into exponentials where the cotangent can be divided by their sums instead."""
    _mask_out(scores, visible, FLOOR)
    if np.abs(logarithms).max() < _ORDINARY:
        np.multiply(cotangent, np.exp(-logarithms)[..., None], out=weighted)
        np.exp(scores, out=scores)
        return
    np.copyto(weighted, cotangent)
    np.subtract(scores, logarithms[..., None], out=scores)
    np.exp(scores, out=scores)
    if visible is not None:  # rows that are masked throughout: the log of their number of keys is lost beside FLOOR
        scores[logarithms <= FLOOR / 2] = 1 / scores.shape[2]


def _slopes(slopes: Array, weights: Array, visible: Array | None, weighted: Array, output: Array) -> None:
    """Turn the cotangent of the probabilities into that of the scores, in place; overwrites `weighted`."""
    np.multiply(weighted, output, out=weighted)
    np.subtract(slopes, np.add.reduce(weighted, axis=2, keepdims=True), out=slopes)
    np.multiply(slopes, weights, out=slopes)
    _mask_out(slopes, visible, 0.0)


def _add_matmul(a: Array, b: Array, out: Array) -> None:
    np.add(out, np.matmul(a, b), out=out)
