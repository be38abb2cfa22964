"""Linear algebra: systems of equations, determinants, factorizations, eigenvalues, singular values; `ops.linalg`, as in Keras.

Leading axes are batch axes. Ops that elimination can compute have a decomposition (`elimination`), so they export to ONNX.
"""

# VJPs refer to ops that are defined further down, whose types mypy does not know yet.
# mypy: disable-error-code="has-type"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import Dim, Shape
from graphkit.core.errors import DTypeError, InvalidArgumentError, NotDifferentiableError, ShapeError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops._convert import as_float, dtype_name, promote, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_shapes, show
from graphkit.ops.elementwise import (
    absolute,
    add,
    cast,
    divide,
    equal,
    greater,
    log,
    maximum,
    multiply,
    negative,
    reciprocal,
    sign,
    subtract,
    where,
)  # fmt: skip
from graphkit.ops.elimination import cholesky_factor, identity_matrix, lu_factors, qr_factors, solved, triangle
from graphkit.ops.forward import jvp
from graphkit.ops.linear import matmul
from graphkit.ops.reduction import max as reduce_max
from graphkit.ops.reduction import min as reduce_min
from graphkit.ops.reduction import prod
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import arange, broadcast_to, expand_dims, moveaxis, squeeze, swapaxes, zeros_like
from graphkit.ops.statistics import norm

# fmt: off
__all__ = [
    "cholesky", "cholesky_inverse", "det", "eig", "eigh", "inv", "jvp", "logdet", "lstsq", "lu_factor", "matrix_rank", "norm", "pinv",
    "qr", "slogdet", "solve", "solve_triangular", "svd",
]
# fmt: on


def _matrices(what: str, x: Any, square: bool = True, lenient: bool = False) -> Any:
    """Convert `x` to float matrices (..., m, n). Raises ShapeError if they are not; `lenient` accepts one unknown size."""
    x = as_float(x)
    sizes = shape_of(x)
    if x.ndim < 2:
        raise ShapeError(f"{what}: expected input to have rank >= 2. Received input with shape {show(sizes)}.")
    if square and sizes[-1] != sizes[-2] and not (any if lenient else all)(isinstance(s, Dim) for s in sizes[-2:]):
        raise ShapeError(f"{what}: expected square matrices (..., n, n). Received input with shape {show(sizes)}.")
    return x


def _real_matrices(what: str, x: Any, square: bool = True, lenient: bool = False) -> Any:
    """Convert like `_matrices`, for ops without complex support. Raises DTypeError for complex matrices."""
    x = _matrices(what, x, square, lenient)
    if dtype_name(x) in dtypes.COMPLEX:
        raise DTypeError(f"{what} expects real matrices, got {dtype_name(x)}.")
    return x


def _transposed(x: Any) -> Any:
    return swapaxes(x, -1, -2)


def _wide(x: Any) -> Any:
    """Widen half floats to float32, since LAPACK has none."""
    return x if x.dtype.itemsize >= 4 else x.astype(np.float32)


def _each(function: Callable[..., Any], *arrays: Any) -> Any:
    """Apply `function` to matrices; the result is NaN for singular ones."""
    try:
        return function(*arrays)
    except np.linalg.LinAlgError:
        lead = np.broadcast_shapes(*(a.shape[:-2] for a in arrays))
        spread = [np.broadcast_to(a, (*lead, *a.shape[-2:])) for a in arrays]
        if not lead:
            return np.nan
        return np.stack(
            [np.broadcast_to(_each(function, *row), spread[-1].shape[1:]) for row in zip(*spread, strict=True)]
        )


# ----- systems of equations -----


def _solve_abstract(a: TensorSpec, b: TensorSpec) -> TensorSpec:
    n, m = a.shape[-1], b.shape[-2]
    if n != m and isinstance(n, int) and isinstance(m, int):
        raise ShapeError(
            f"solve: matrices of shape {show(a.shape)} do not fit right-hand sides of shape {show(b.shape)}."
        )
    return TensorSpec((*broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:]), b.dtype)


def _solve_vjp(g: Any, out: Any, a: Any, b: Any) -> list[Callable[[], Any]]:
    def right() -> Any:
        return solve_p.bind(_transposed(a), g)

    return [lambda: negative(matmul(right(), _transposed(out))), right]


solve_p = primitive(
    "solve",  # (..., n, n) and (..., n, k)
    _solve_abstract,
    kernel=lambda out, a, b: np.copyto(out, _each(np.linalg.solve, _wide(a), _wide(b)), casting="unsafe"),
    decomposition=solved,
    vjp=_solve_vjp,
)


def _right_side(what: str, a: Any, b: Any, square: bool = True) -> tuple[Any, Any, bool]:
    """Promote both to one dtype; return also whether `b` held vectors, which become columns. Raises ShapeError."""
    a, b = promote(a, b, to_float=True)
    a = _matrices(what, a, square)
    if b.ndim not in (a.ndim - 1, a.ndim):
        raise ShapeError(
            f"{what}: the right-hand sides must have as many axes as the matrices or one less, got shapes {show(shape_of(a))} "
            f"and {show(shape_of(b))}."
        )
    is_vector = b.ndim == a.ndim - 1
    b = expand_dims(b, -1) if is_vector else b
    rows, given = shape_of(a)[-2], shape_of(b)[-2]
    if rows != given and isinstance(rows, int) and isinstance(given, int):
        raise ShapeError(
            f"{what}: matrices of shape {show(shape_of(a))} do not fit right-hand sides with {given} rows, of shape {show(shape_of(b))}."
        )
    return a, b, is_vector


@operation("Solve", "linalg", tensors="a b")
def solve(a: Any, b: Any) -> Any:
    """Solve `a x = b` for x, which has the shape of `b`.

    Args:
        a: (..., n, n); a singular matrix gives NaN.
        b: (..., n) or (..., n, k).

    Raises:
        ShapeError: If `a` is not square or `b` does not fit.

    Source: keras.ops.solve.
    """
    a, b, is_vector = _right_side("solve", a, b)
    made = solve_p.bind(a, b)
    return squeeze(made, -1) if is_vector else made


@operation("SolveTriangular", "linalg", tensors="a b")
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """Solve `a x = b` for x, using only the upper triangle of `a`, or the lower with `lower`.

    Args:
        a: (..., n, n); a singular matrix gives NaN.
        b: (..., n) or (..., n, k).
        lower: which triangle is used.

    Raises:
        ShapeError: If `a` is not square or `b` does not fit.

    Source: keras.ops.solve_triangular.
    """
    a, b, is_vector = _right_side("solve_triangular", a, b)
    made = solve_p.bind(triangle(a, lower), b)
    return squeeze(made, -1) if is_vector else made


@operation("Inv", "linalg")
def inv(x: Any) -> Any:
    """Invert square matrices (..., n, n); a singular matrix gives NaN.

    Raises:
        ShapeError: If the matrices are not square.

    Source: keras.ops.inv.
    """
    return _inverse(_matrices("inv", x))


def _inverse(x: Any) -> Any:
    return solve_p.bind(x, broadcast_to(identity_matrix(shape_of(x)[-1], dtype_name(x)), shape_of(x)))


# ----- determinants -----


def _diagonal(x: Any) -> Any:
    rows, columns = expand_dims(arange(shape_of(x)[-2]), 1), arange(shape_of(x)[-1])
    return reduce_sum(where(equal(rows, columns), x, 0), axis=-1)


def _parity(pivots: Any, dtype: str) -> Any:
    """Return the sign of the row permutation: -1 for an odd number of swaps."""
    stays = equal(pivots, arange(shape_of(pivots)[-1]))
    return prod(where(stays, np.ones((), dtypes.to_numpy(dtype)), -1), axis=-1)


def _det(x: Any) -> Any:
    factors, pivots = lu_factors(x)
    return multiply(prod(_diagonal(factors), axis=-1), _parity(pivots, dtype_name(x)))


def _slogdet(x: Any) -> tuple[Any, Any]:
    factors, pivots = lu_factors(x)
    diagonal = _diagonal(factors)
    return multiply(prod(sign(diagonal), axis=-1), _parity(pivots, dtype_name(x))), reduce_sum(
        log(absolute(diagonal)), axis=-1
    )


def _spread(x: Any) -> Any:
    return expand_dims(x, [-2, -1])


def _numbers(x: TensorSpec) -> TensorSpec:
    return TensorSpec(x.shape[:-2], x.dtype)


def _slogdet_kernel(out: Any, x: Any) -> None:
    sign_, size = np.linalg.slogdet(_wide(x))
    for target, source in zip(out, (np.where(np.isnan(size), size, sign_), size), strict=True):
        np.copyto(target, source, casting="unsafe")


det_p = primitive(
    "det",
    _numbers,
    kernel=lambda out, x: np.copyto(out, np.linalg.det(_wide(x)), casting="unsafe"),
    decomposition=_det,
    vjp=lambda g, out, x: [multiply(_spread(multiply(g, out)), _transposed(_inverse(x)))],
)
slogdet_p = primitive(
    "slogdet",
    lambda x: (_numbers(x), _numbers(x)),
    kernel=_slogdet_kernel,
    decomposition=_slogdet,
    vjp=lambda g, out, x: [None if g[1] is None else multiply(_spread(g[1]), _transposed(_inverse(x)))],
)


@operation("Det", "linalg")
def det(x: Any) -> Any:
    """Compute the determinants (...) of square matrices (..., n, n).

    Raises:
        ShapeError: If the matrices are not square.

    Source: keras.ops.det.
    """
    return det_p.bind(_matrices("det", x))


@operation("Slogdet")
def slogdet(x: Any) -> tuple[Any, Any]:
    """Compute the signs of the determinants, and the logarithms of their absolute values.

    Raises:
        ShapeError: If the matrices are not square.
        DTypeError: If they are complex.

    Source: keras.ops.slogdet.
    """
    sign_, size = slogdet_p.bind(_real_matrices("slogdet", x, lenient=True))
    return sign_, size


@operation("Logdet", "math")
def logdet(x: Any) -> Any:
    """Compute the logarithms of the determinants' absolute values.

    Raises:
        ShapeError: If the matrices are not square.
        DTypeError: If they are complex.

    Source: keras.ops.logdet.
    """
    return slogdet_p.bind(_real_matrices("logdet", x, lenient=True))[1]


# ----- factorizations -----


def _cholesky_kernel(out: Any, x: Any) -> None:
    try:
        made = np.linalg.cholesky(_wide(x))
    except np.linalg.LinAlgError:
        made = np.array(np.nan)
    if not np.isfinite(made).all():
        raise InvalidArgumentError(
            "Cholesky decomposition failed. The input might not be a valid positive definite matrix."
        )
    np.copyto(out, made, casting="unsafe")


def _cholesky_vjp(g: Any, out: Any, x: Any) -> list[Any]:
    """L^-T phi(L^T g) L^-1, symmetrized; phi keeps the lower triangle and half of the diagonal."""
    inner = triangle(matmul(_transposed(out), triangle(g, lower=True)), lower=True)
    n = shape_of(x)[-1]
    inner = multiply(inner, subtract(1, multiply(identity_matrix(n, dtype_name(x)), 0.5)))
    left = solve_p.bind(_transposed(out), inner)
    made = _transposed(solve_p.bind(_transposed(out), _transposed(left)))
    return [multiply(add(made, _transposed(made)), 0.5)]


cholesky_p = primitive(
    "cholesky", lambda x: x, kernel=_cholesky_kernel, decomposition=cholesky_factor, vjp=_cholesky_vjp
)


@operation("Cholesky", "linalg")
def cholesky(x: Any, upper: bool = False) -> Any:
    """Compute the lower triangular L with L L^T = x, or the upper triangular U with U^T U = x.

    Args:
        x: (..., n, n), symmetric and positive definite.
        upper: whether to return U.

    Raises:
        ShapeError: If the matrices are not square.
        InvalidArgumentError: If they are not positive definite.
        DTypeError: If they are complex.

    Source: keras.ops.cholesky.
    """
    made = cholesky_p.bind(_real_matrices("cholesky", x))
    return _transposed(made) if upper else made


@operation("CholeskyInverse", "linalg")
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """Invert the matrices whose Cholesky factor is `x`.

    Args:
        x: (..., n, n), the result of `cholesky`.
        upper: whether the factor is the upper one.

    Raises:
        ShapeError: If the matrices are not square.
        DTypeError: If they are complex.

    Source: keras.ops.cholesky_inverse.
    """
    x = triangle(_real_matrices("cholesky_inverse", x), lower=not upper)
    side = _inverse(x)
    return matmul(side, _transposed(side)) if upper else matmul(_transposed(side), side)


def _smaller(rows: Any, columns: Any) -> Any:
    if isinstance(rows, int) and isinstance(columns, int):
        return min(rows, columns)
    return columns if rows == columns or isinstance(rows, int) else rows


def _lu_abstract(x: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
    return x, TensorSpec((*x.shape[:-2], _smaller(*x.shape[-2:])), "int32")


def _lu_kernel(out: Any, x: Any) -> None:
    factors, pivots = out
    np.copyto(factors, x)
    for index in np.ndindex(x.shape[:-2]):
        _factor_in_place(factors[index], pivots[index])


def _factor_in_place(a: Any, pivots: Any) -> None:
    for k in range(min(a.shape)):
        pivots[k] = pivot = k + int(np.argmax(np.abs(a[k:, k])))
        a[[k, pivot]] = a[[pivot, k]]
        if a[k, k] != 0:
            a[k + 1 :, k] /= a[k, k]
            a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])


lu_factor_p = primitive("lu_factor", _lu_abstract, kernel=_lu_kernel, decomposition=lu_factors)


@operation("LuFactor", "linalg")
def lu_factor(x: Any) -> tuple[Any, Any]:
    """Factor matrices (..., m, n) by LU with partial pivoting.

    Returns:
        U and the strict lower triangle of L (whose diagonal is 1) in one tensor of the shape of `x`, and the pivots
        (..., min(m, n)), int32: the row that is swapped in each step.

    Raises:
        ShapeError: If `x` has fewer than two axes.

    Source: keras.ops.lu_factor.
    """
    factors, pivots = lu_factor_p.bind(_matrices("lu_factor", x, square=False))
    return factors, pivots


def _qr_abstract(x: TensorSpec, complete: bool) -> tuple[TensorSpec, TensorSpec]:
    *lead, m, n = x.shape
    inner = m if complete else _smaller(m, n)
    return TensorSpec((*lead, m, inner), x.dtype), TensorSpec((*lead, inner, n), x.dtype)


def _qr_kernel(out: Any, x: Any, complete: bool) -> None:
    for target, source in zip(out, np.linalg.qr(_wide(x), mode="complete" if complete else "reduced"), strict=True):
        np.copyto(target, source, casting="unsafe")


qr_p = primitive("qr", _qr_abstract, kernel=_qr_kernel, decomposition=qr_factors)


@operation("Qr", "linalg")
def qr(x: Any, mode: str = "reduced") -> tuple[Any, Any]:
    """Factor matrices (..., m, n) into Q with orthonormal columns and an upper triangular R.

    Args:
        x: (..., m, n) of known m and n.
        mode: "reduced" for Q (..., m, k) with k = min(m, n), "complete" for Q (..., m, m).

    Raises:
        InvalidArgumentError: If `mode` is unknown.
        ShapeError: If `x` has fewer than two axes, or m or n is unknown.
        DTypeError: If the matrices are complex.

    Source: keras.ops.qr.
    """
    if mode not in ("reduced", "complete"):
        raise InvalidArgumentError(
            f"`mode` argument value not supported. Expected one of {{'reduced', 'complete'}}. Received: mode={mode}"
        )
    x = _real_matrices("qr", x, square=False)
    if any(isinstance(s, Dim) for s in shape_of(x)[-2:]):
        raise ShapeError(f"qr expects matrices of known size. Received: input.shape = {show(shape_of(x))}")
    q, r = qr_p.bind(x, complete=mode == "complete")
    return q, r


# ----- eigenvalues and singular values -----


def _pair_kernel(function: Callable[..., Any]) -> Callable[..., None]:
    """Make a kernel of a NumPy function that rejects matrices with NaN or infinity: their results are NaN, as in JAX."""

    def kernel(out: Any, x: Any, **params: Any) -> None:
        x = _wide(x)
        is_finite = np.isfinite(x).all(axis=(-2, -1))
        made = function(np.where(is_finite[..., None, None], x, 0), **params)
        for target, source in zip(out, made, strict=True):
            np.copyto(target, source, casting="unsafe")
            target[~is_finite] = np.nan

    return kernel


def _eigh_vjp(g: Any, out: Any, x: Any) -> list[Any]:
    """V (diag(g_w) + F * (V^T g_V)) V^T with F_ij = 1 / (w_j - w_i) off the diagonal."""
    values, vectors = out
    n = shape_of(x)[-1]
    inner: Any = zeros_like(x) if g[0] is None else multiply(identity_matrix(n, dtype_name(x)), expand_dims(g[0], -2))
    if g[1] is not None:
        gaps = subtract(expand_dims(values, -2), expand_dims(values, -1))
        same = equal(gaps, 0)
        inner = add(inner, where(same, 0, divide(matmul(_transposed(vectors), g[1]), where(same, 1, gaps))))
    made = matmul(matmul(vectors, inner), _transposed(vectors))
    return [multiply(add(made, _transposed(made)), 0.5)]


eigh_p = primitive(
    "eigh",  # of symmetric matrices
    lambda x: (TensorSpec(x.shape[:-1], x.dtype), x),
    kernel=_pair_kernel(lambda x: np.linalg.eigh((x + np.swapaxes(x, -1, -2)) / 2)),
    vjp=_eigh_vjp,
)


def _eig_abstract(x: TensorSpec) -> tuple[TensorSpec, TensorSpec]:
    whole = "complex128" if x.dtype == "float64" else "complex64"
    return TensorSpec(x.shape[:-1], whole), TensorSpec(x.shape, whole)


eig_p = primitive(
    "eig",
    _eig_abstract,
    kernel=_pair_kernel(np.linalg.eig),
    nondiff="its results are complex; symmetric matrices have ops.eigh",
)


@operation("Eigh", "linalg")
def eigh(x: Any) -> tuple[Any, Any]:
    """Compute the eigenvalues (..., n), ascending, and eigenvectors (..., n, n), as columns, of symmetric matrices.

    Raises:
        ShapeError: If the matrices are not square.
        DTypeError: If they are complex.

    Source: keras.ops.eigh.
    """
    values, vectors = eigh_p.bind(_real_matrices("eigh", x))
    return values, vectors


@operation("Eig", "linalg")
def eig(x: Any) -> tuple[Any, Any]:
    """Compute the complex eigenvalues (..., n) and eigenvectors (..., n, n), as columns, of square matrices.

    Raises:
        ShapeError: If the matrices are not square.

    Source: keras.ops.eig.
    """
    values, vectors = eig_p.bind(_matrices("eig", x))
    return values, vectors


def _svd_abstract(x: TensorSpec, full: bool) -> tuple[TensorSpec, TensorSpec, TensorSpec]:
    *lead, m, n = x.shape
    k = _smaller(m, n)
    shapes: Sequence[Shape] = ((*lead, m, m if full else k), (*lead, k), (*lead, n if full else k, n))
    u, s, v = (TensorSpec(shape, x.dtype) for shape in shapes)
    return u, s, v


def _svd_vjp(g: Any, out: Any, x: Any, full: bool) -> list[Any]:
    """Differentiate for distinct singular values, with F_ij = 1 / (s_j^2 - s_i^2) off the diagonal. Source: Townsend, 2016."""
    u, s, vt = out
    m, n = shape_of(x)[-2:]
    if full and m != n and (g[0] is not None or g[2] is not None):
        raise NotDifferentiableError(
            "There is no gradient through svd(full_matrices=True) of matrices that are not square. Use full_matrices=False."
        )
    k = _smaller(m, n)
    if full and m != n:
        u, vt = u[..., :k], vt[..., :k, :]
    unit = identity_matrix(k, dtype_name(x))
    squares = multiply(s, s)
    gaps = subtract(expand_dims(squares, -2), expand_dims(squares, -1))
    same = equal(gaps, 0)
    spread = where(same, 0, reciprocal(where(same, 1, gaps)))
    across, down = expand_dims(s, -2), expand_dims(s, -1)
    inner: Any = multiply(multiply(unit, across), 0) if g[1] is None else multiply(unit, expand_dims(g[1], -2))
    outside: Any = None
    if g[0] is not None:
        skew = matmul(_transposed(u), g[0])
        inner = add(inner, multiply(multiply(spread, subtract(skew, _transposed(skew))), across))
        rest = subtract(g[0], matmul(u, skew))
        outside = matmul(divide(rest, across), vt)
    if g[2] is not None:
        skew = matmul(vt, _transposed(g[2]))
        inner = add(inner, multiply(down, multiply(spread, subtract(skew, _transposed(skew)))))
        rest = subtract(g[2], matmul(_transposed(skew), vt))
        more = matmul(u, divide(rest, down))
        outside = more if outside is None else add(outside, more)
    made = matmul(matmul(u, inner), vt)
    return [made if outside is None else add(made, outside)]


svd_p = primitive(
    "svd", _svd_abstract, kernel=_pair_kernel(lambda x, full: np.linalg.svd(x, full_matrices=full)), vjp=_svd_vjp
)


@operation("SVD", "linalg")
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Compute the singular value decomposition U diag(s) V^T of matrices (..., m, n).

    Args:
        x: (..., m, n).
        full_matrices: whether U is (..., m, m) and V^T (..., n, n), or (..., m, k) and (..., k, n) with k = min(m, n).
        compute_uv: whether U and V^T are returned.

    Returns:
        (U, s, V^T), or s without `compute_uv`; the singular values s (..., k) are descending.

    Raises:
        ShapeError: If `x` has fewer than two axes.
        DTypeError: If the matrices are complex.

    Source: keras.ops.svd.
    """
    u, s, v = svd_p.bind(_real_matrices("svd", x, square=False), full=bool(full_matrices and compute_uv))
    return (u, s, v) if compute_uv else s


def _epsilon(x: Any) -> float:
    return float(np.finfo(_wide(np.empty((), dtypes.to_numpy(dtype_name(x)))).dtype).eps)


def _longest(x: Any) -> Any:
    """Return the larger of a matrix's two sizes, as a tensor where one is not known."""
    rows, columns = shape_of(x)[-2:]
    if isinstance(rows, int) and isinstance(columns, int):
        return max(rows, columns)
    return cast(maximum(tensor(rows), tensor(columns)), dtype_name(x))


@operation("MatrixRank", "linalg")
def matrix_rank(x: Any, tol: Any = None) -> Any:
    """Compute the ranks (int32) of matrices: the number of singular values above `tol`.

    Args:
        x: (..., m, n).
        tol: an absolute threshold; by default the largest singular value * max(m, n) * epsilon of the dtype.

    Raises:
        ShapeError: If `x` has fewer than two axes.
        DTypeError: If the matrices are complex.

    Source: keras.ops.matrix_rank.
    """
    x = _real_matrices("matrix_rank", x, square=False)
    s = svd_p.bind(x, full=False)[1]
    limit = multiply(reduce_max(s, axis=-1, keepdims=True), multiply(_longest(x), _epsilon(x))) if tol is None else tol
    return reduce_sum(cast(greater(s, limit), "int32"), axis=-1)


def _inverted(s: Any, rcond: Any) -> Any:
    """Return 1 / s, and 0 for singular values at most `rcond` times the largest."""
    kept = greater(s, multiply(reduce_max(s, axis=-1, keepdims=True), rcond))
    return where(kept, divide(1, where(kept, s, 1)), 0)


@operation("Pinv", "linalg")
def pinv(x: Any, rcond: Any = None) -> Any:
    """Compute the Moore-Penrose pseudoinverses (..., n, m) of matrices (..., m, n).

    Args:
        x: (..., m, n).
        rcond: singular values up to `rcond` times the largest count as 0; 10 * max(m, n) * epsilon of the dtype by default.

    Raises:
        ShapeError: If `x` has fewer than two axes.
        DTypeError: If the matrices are complex.

    Source: keras.ops.pinv.
    """
    x = _real_matrices("pinv", x, square=False)
    rcond = multiply(_longest(x), 10.0 * _epsilon(x)) if rcond is None else rcond
    u, s, vt = svd_p.bind(x, full=False)
    return matmul(multiply(_transposed(vt), expand_dims(_inverted(s, rcond), -2)), _transposed(u))


@operation("Lstsq", "linalg", tensors="a b")
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """Compute the least-squares solution of `a x = b` with the smallest norm.

    Args:
        a: (m, n).
        b: (m,) or (m, k).
        rcond: singular values up to `rcond` times the largest count as 0; max(m, n) * epsilon of the dtype by default.

    Returns:
        (n,) or (n, k).

    Raises:
        ShapeError: If `a` is not one matrix, or `b` does not fit.
        DTypeError: If they are complex.

    Source: keras.ops.lstsq.
    """
    a, b, is_vector = _right_side("lstsq", a, b, square=False)
    a = _real_matrices("lstsq", a, square=False)
    if a.ndim != 2:
        raise ShapeError(f"lstsq expects a single matrix, got shape {show(shape_of(a))}.")
    rcond = multiply(_longest(a), _epsilon(a)) if rcond is None else rcond
    u, s, vt = svd_p.bind(a, full=False)
    made = matmul(_transposed(vt), multiply(expand_dims(_inverted(s, rcond), -1), matmul(_transposed(u), b)))
    return squeeze(made, -1) if is_vector else made


# ----- norms -----


def singular_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """Compute the norm over two axes by singular values: the largest (2), the smallest (-2) or their sum ("nuc")."""
    reduce = {2: reduce_max, -2: reduce_min, "nuc": reduce_sum}[ord]
    made = reduce(svd_p.bind(moveaxis(x, list(axes), [-2, -1]), full=False)[1], axis=-1)
    return expand_dims(made, list(axes)) if keepdims else made
