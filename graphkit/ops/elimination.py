"""Linear algebra by elimination, written with ops: solve, cholesky, qr and LU factors for readers that lack these operators.

Each is a scan over the columns of (..., n, n) matrices. One-hot vectors select rows and columns, so sizes may be
unknown.
"""

from __future__ import annotations

from typing import Any

from graphkit.ops._convert import dtype_name, shape_of
from graphkit.ops.control import scan
from graphkit.ops.elementwise import (
    absolute,
    add,
    cast,
    equal,
    greater,
    greater_equal,
    less,
    logical_and,
    multiply,
    sqrt,
    square,
    subtract,
    true_divide,
    where,
)  # fmt: skip
from graphkit.ops.linear import matmul
from graphkit.ops.reduction import argmax
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import arange, broadcast_to, concatenate, expand_dims, moveaxis, swapaxes


def identity_matrix(size: Any, dtype: str) -> Any:
    """Return the (size, size) identity matrix; the size may be unknown."""
    places = arange(size)
    return cast(equal(expand_dims(places, 1), places), dtype)


def triangle(x: Any, lower: bool) -> Any:
    """Set the elements of (..., m, n) above the diagonal to zero (below it for `lower=False`)."""
    rows, columns = expand_dims(arange(shape_of(x)[-2]), 1), arange(shape_of(x)[-1])
    return where(greater_equal(rows, columns) if lower else greater_equal(columns, rows), x, 0)


def _column(a: Any, k: Any) -> Any:
    """Return column `k`, (..., m)."""
    return reduce_sum(where(equal(arange(shape_of(a)[-1]), k), a, 0), axis=-1)


def _row(a: Any, k: Any) -> Any:
    """Return row `k`, (..., 1, n); `k` is one number for all matrices, or (..., 1, 1), one for each."""
    return reduce_sum(where(equal(expand_dims(arange(shape_of(a)[-2]), 1), k), a, 0), axis=-2, keepdims=True)


def _pivot(a: Any, k: Any) -> Any:
    """Return the row at or below `k` with the largest absolute value in column `k`, (...)."""
    sizes = where(less(arange(shape_of(a)[-2]), k), -1.0, absolute(_column(a, k)))
    return argmax(sizes, axis=-1)


def _swapped(a: Any, k: Any, pivot: Any) -> Any:
    """Swap the rows `k` and `pivot` (...)."""
    place = expand_dims(pivot, [-2, -1])
    rows = expand_dims(arange(shape_of(a)[-2]), 1)
    return where(equal(rows, k), _row(a, place), where(equal(rows, place), _row(a, k), a))


def solved(a: Any, b: Any) -> Any:
    """Solve `a x = b` for (..., n, n) and (..., n, k), by Gauss-Jordan elimination with partial pivoting."""
    n = shape_of(a)[-1]

    def step(state: Any, k: Any) -> Any:
        whole = _swapped(state, k, _pivot(state[..., :n], k))
        row = _row(whole, k)
        row = true_divide(row, expand_dims(_column(row, k), -1))
        factors = expand_dims(_column(whole, k), -1)
        is_k = equal(expand_dims(arange(n), 1), k)
        return where(is_k, row, subtract(whole, multiply(factors, row))), None

    made, _ = scan(step, concatenate([a, b], axis=-1), arange(n))
    return made[..., n:]


def lu_factors(a: Any) -> tuple[Any, Any]:
    """Compute the LU decomposition with partial pivoting.

    Returns:
        L (below the diagonal; its own diagonal is 1) and U (on and above it) in one (..., m, n) tensor, and the row
        swapped in at each step, (..., min(m, n)), int32.
    """
    rows, columns = shape_of(a)[-2:]
    count = min(rows, columns) if isinstance(rows, int) and isinstance(columns, int) else columns

    def step(state: Any, k: Any) -> Any:
        pivot = _pivot(state, k)
        whole = _swapped(state, k, pivot)
        row = _row(whole, k)
        below = greater(arange(rows), k)
        diagonal = _column(row, k)
        factors = where(below, true_divide(_column(whole, k), where(equal(diagonal, 0), 1, diagonal)), 0)
        right = greater(arange(columns), k)
        made = subtract(whole, multiply(expand_dims(factors, -1), where(right, row, 0)))
        stored = logical_and(expand_dims(below, 1), equal(arange(columns), k))
        return where(stored, expand_dims(factors, -1), made), pivot

    made, pivots = scan(step, a, arange(count))
    return made, moveaxis(pivots, 0, -1)


def cholesky_factor(a: Any) -> Any:
    """Compute the lower triangular L with L L^T = a."""
    n = shape_of(a)[-1]

    def step(state: Any, k: Any) -> Any:
        column = where(less(arange(n), k), 0, _column(state, k))
        top = reduce_sum(where(equal(arange(n), k), column, 0), axis=-1, keepdims=True)
        column = true_divide(column, sqrt(top))
        return subtract(state, multiply(expand_dims(column, -1), expand_dims(column, -2))), column

    return moveaxis(scan(step, a, arange(n))[1], 0, -1)


def qr_factors(a: Any, complete: bool) -> tuple[Any, Any]:
    """Compute Q and R by Householder reflections, with the signs of LAPACK."""
    m, n = shape_of(a)[-2:]
    count = min(m, n) if isinstance(m, int) and isinstance(n, int) else n
    places = arange(m)
    q = broadcast_to(identity_matrix(m, dtype_name(a)), (*shape_of(a)[:-2], m, m))

    def step(state: Any, k: Any) -> Any:
        r, q = state
        column = where(less(places, k), 0, _column(r, k))
        tail = reduce_sum(square(where(equal(places, k), 0, column)), axis=-1, keepdims=True)
        head = reduce_sum(where(equal(places, k), column, 0), axis=-1, keepdims=True)
        done = equal(tail, 0)  # nothing to eliminate: the matrix is unchanged
        length = sqrt(where(done, 1, add(square(head), tail)))
        mirror = add(column, where(equal(places, k), where(less(head, 0), multiply(length, -1), length), 0))
        scale = true_divide(where(done, 0, 2), where(done, 1, reduce_sum(square(mirror), axis=-1, keepdims=True)))
        v = expand_dims(mirror, -1)
        scaled = multiply(v, expand_dims(scale, -1))
        r = subtract(r, multiply(scaled, matmul(swapaxes(v, -1, -2), r)))
        q = subtract(q, multiply(matmul(q, v), swapaxes(scaled, -1, -2)))
        return (r, q), None

    (r, q), _ = scan(step, (a, q), arange(count))
    r = triangle(r, lower=False)
    return (q, r) if complete else (q[..., :count], r[..., :count, :])


__all__ = ["cholesky_factor", "identity_matrix", "lu_factors", "qr_factors", "solved", "triangle"]
