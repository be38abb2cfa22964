"""`tf.linalg`: products, norms, diagonals, decompositions, solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.tensorflow.dtypes import dtype_name
from graphkit.tensorflow.table import add_rows, alike, as_tensor, axes_of, dtype_of, shape_of, tensorflow


def _turned(x: Any, transpose: bool, adjoint: bool) -> Any:
    if not (transpose or adjoint):
        return x
    made = ops.swapaxes(x, -1, -2)
    return ops.conj(made) if adjoint and dtype_of(x).startswith("complex") else made


@tensorflow("linalg.matmul matmul", tensors="")
def _matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False, adjoint_b: bool = False,
    a_is_sparse: bool = False, b_is_sparse: bool = False, output_type: Any = None, grad_a: bool = False, grad_b: bool = False,
) -> Any:  # fmt: skip
    a, b = alike(a, b)
    made = ops.matmul(_turned(a, transpose_a, adjoint_a), _turned(b, transpose_b, adjoint_b))
    return made if output_type is None else ops.cast(made, dtype_name(output_type))


@tensorflow("linalg.matvec")
def _matvec(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    adjoint_a: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
) -> Any:
    return ops.squeeze(ops.matmul(_turned(a, transpose_a, adjoint_a), ops.expand_dims(b, -1)), -1)


@tensorflow("linalg.tensordot tensordot")
def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    if np.ndim(axes) == 0:
        return ops.tensordot(a, b, axes=int(axes))
    return ops.tensordot(a, b, axes=tuple(axes_of(part) if np.ndim(part) else (int(part),) for part in axes))


@tensorflow("linalg.einsum einsum", tensors="")
def _einsum(equation: str, *inputs: Any, **kwargs: Any) -> Any:
    return ops.einsum(equation, *(as_tensor(part) for part in inputs))


@tensorflow("linalg.norm norm")
def _norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = None) -> Any:
    axis, keep = axes_of(axis), bool(keepdims)
    if ord in ("euclidean", "fro") or (ord == 2 and not isinstance(axis, tuple)):
        return ops.sqrt(ops.sum(ops.square(ops.absolute(tensor)), axis=axis, keepdims=keep))
    if axis is None:
        flat = ops.reshape(tensor, (-1,))
        made = ops.norm(flat, ord=ord)
        return ops.reshape(made, [1] * len(shape_of(tensor))) if keep else made
    return ops.norm(tensor, ord=ord, axis=axis, keepdims=keep)


@tensorflow("linalg.normalize")
def _normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None) -> Any:
    length = _norm(tensor, ord, axis, keepdims=True)
    return tensor / length, length


@tensorflow("math.l2_normalize linalg.l2_normalize nn.l2_normalize")
def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, dim: Any = None) -> Any:
    axis = axes_of(axis if axis is not None else dim)
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), epsilon))


# ----- diagonals and bands -----


@tensorflow("linalg.band_part")
def _band_part(input: Any, num_lower: Any, num_upper: Any) -> Any:
    lower, upper = int(np.asarray(num_lower)), int(np.asarray(num_upper))
    made = input if upper < 0 else ops.tril(input, upper)
    return made if lower < 0 else ops.triu(made, -lower)


def _one_diagonal(k: Any, what: str) -> int:
    if np.size(k) != 1:
        raise UnsupportedError(
            f"{what} with several diagonals (k={k}) is not supported; call it once for each, or use band_part."
        )
    return int(np.asarray(k).reshape(()))


@tensorflow("linalg.diag", tensors="diagonal")
def _diag(
    diagonal: Any,
    name: Any = "diag",
    k: Any = 0,
    num_rows: int = -1,
    num_cols: int = -1,
    padding_value: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Any:
    offset = _one_diagonal(k, "tf.linalg.diag")
    size = shape_of(diagonal)[-1]
    if num_rows == num_cols == -1:
        rows = columns = size + abs(offset)
    else:
        rows = size + max(-offset, 0) if num_rows == -1 else int(num_rows)
        columns = size + max(offset, 0) if num_cols == -1 else int(num_cols)
    places = np.eye(rows, columns, offset, dtype=bool)
    source = np.zeros((rows, columns), int)
    source[places] = np.arange(int(places.sum()))
    spread = ops.reshape(ops.take(diagonal, source.ravel(), axis=-1), (*shape_of(diagonal)[:-1], rows, columns))
    return ops.where(places, spread, as_tensor(padding_value, dtype_of(diagonal)))


@tensorflow("linalg.diag_part", tensors="input")
def _diag_part(
    input: Any, name: Any = "diag_part", k: Any = 0, padding_value: Any = 0, align: str = "RIGHT_LEFT"
) -> Any:
    return ops.diagonal(input, _one_diagonal(k, "tf.linalg.diag_part"), -2, -1)


@tensorflow("linalg.set_diag", tensors="input diagonal")
def _set_diag(input: Any, diagonal: Any, name: Any = "set_diag", k: Any = 0, align: str = "RIGHT_LEFT") -> Any:
    offset = _one_diagonal(k, "tf.linalg.set_diag")
    rows, columns = shape_of(input)[-2:]
    return ops.where(
        np.eye(rows, columns, offset, dtype=bool), _diag(diagonal, k=offset, num_rows=rows, num_cols=columns), input
    )


@tensorflow("linalg.tensor_diag")
def _tensor_diag(diagonal: Any) -> Any:
    shape = shape_of(diagonal)
    return ops.reshape(_diag(ops.reshape(diagonal, (-1,))), (*shape, *shape))


@tensorflow("linalg.tensor_diag_part")
def _tensor_diag_part(input: Any) -> Any:
    shape = shape_of(input)
    half = shape[: len(shape) // 2]
    size = int(np.prod(half))
    return ops.reshape(ops.diagonal(ops.reshape(input, (size, size))), half)


@tensorflow("linalg.adjoint")
def _adjoint(matrix: Any) -> Any:
    return _turned(matrix, True, True)


@tensorflow("linalg.matrix_transpose", tensors="a")
def _matrix_transpose(a: Any, name: Any = "matrix_transpose", conjugate: bool = False) -> Any:
    made = ops.swapaxes(a, -1, -2)
    return ops.conj(made) if conjugate else made


add_rows("x", {"linalg.trace": lambda x: ops.trace(x, 0, -2, -1)})
add_rows("a b", {"linalg.cross": ops.cross})

# ----- decompositions and solutions -----

add_rows("input", {"linalg.det": ops.det, "linalg.cholesky": ops.cholesky, "linalg.slogdet": ops.slogdet})
add_rows("matrix", {"linalg.logdet": ops.logdet})
add_rows("tensor", {
    "linalg.eigh": lambda tensor: tuple(ops.eigh(tensor)), "linalg.eigvalsh": lambda tensor: ops.eigh(tensor)[0],
    "linalg.eig eig": lambda tensor: tuple(ops.eig(tensor)), "linalg.eigvals eigvals": lambda tensor: ops.eig(tensor)[0],
})  # fmt: skip


@tensorflow("linalg.inv")
def _inv(input: Any, adjoint: bool = False) -> Any:
    return ops.inv(_turned(input, adjoint, adjoint))


@tensorflow("linalg.solve")
def _solve(matrix: Any, rhs: Any, adjoint: bool = False) -> Any:
    return ops.solve(_turned(matrix, adjoint, adjoint), rhs)


@tensorflow("linalg.triangular_solve")
def _triangular_solve(matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False) -> Any:
    kept = ops.tril(matrix) if lower else ops.triu(matrix)
    return ops.solve_triangular(_turned(kept, adjoint, adjoint), rhs, lower=lower != adjoint)


@tensorflow("linalg.cholesky_solve")
def _cholesky_solve(chol: Any, rhs: Any) -> Any:
    return _triangular_solve(chol, _triangular_solve(chol, rhs), adjoint=True)


@tensorflow("linalg.qr")
def _qr(input: Any, full_matrices: bool = False) -> Any:
    return tuple(ops.qr(input, mode="complete" if full_matrices else "reduced"))


@tensorflow("linalg.svd")
def _svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    """(s, u, v) with tensor = u diag(s) v^H. Source: tf.linalg.svd."""
    if not compute_uv:
        return ops.svd(tensor, full_matrices=full_matrices, compute_uv=False)
    u, s, vh = ops.svd(tensor, full_matrices=full_matrices)
    return s, u, _turned(vh, True, True)


@tensorflow("linalg.pinv", tensors="a")
def _pinv(a: Any, rcond: Any = None, validate_args: bool = False) -> Any:
    if rcond is None:
        rcond = 10.0 * max(shape_of(a)[-2:]) * float(np.finfo(dtype_of(a)).eps)
    return ops.pinv(a, rcond=rcond)


@tensorflow("linalg.matrix_rank", tensors="a")
def _matrix_rank(a: Any, tol: Any = None, validate_args: bool = False) -> Any:
    return ops.cast(ops.matrix_rank(a, tol), "int32")


@tensorflow("linalg.lstsq")
def _lstsq(matrix: Any, rhs: Any, l2_regularizer: float = 0.0, fast: bool = True) -> Any:
    if not l2_regularizer and not fast:
        return ops.lstsq(matrix, rhs)
    turned = _turned(matrix, True, True)
    rows, columns = shape_of(matrix)[-2:]
    if rows >= columns:
        normal = ops.matmul(turned, matrix) + l2_regularizer * ops.eye(columns, dtype=dtype_of(matrix))
        return ops.solve(normal, ops.matmul(turned, rhs))
    normal = ops.matmul(matrix, turned) + l2_regularizer * ops.eye(rows, dtype=dtype_of(matrix))
    return ops.matmul(turned, ops.solve(normal, rhs))


@tensorflow("linalg.expm")
def _expm(input: Any) -> Any:
    """The matrix exponential: scaled by 2^-8, a Taylor series, and squared eight times. Source: tf.linalg.expm."""
    scaled = input / 256.0
    term = total = ops.eye(shape_of(input)[-1], dtype=dtype_of(input)) + ops.zeros_like(input)
    for k in range(1, 10):
        term = ops.matmul(term, scaled) / float(k)
        total = total + term
    for _ in range(8):
        total = ops.matmul(total, total)
    return total


@tensorflow("linalg.lu", tensors="input")
def _lu(input: Any, output_idx_type: Any = "int32") -> Any:
    """(lu, permutation). Source: tf.linalg.lu."""
    lu, pivots = ops.lu_factor(input)
    if not isinstance(pivots, np.ndarray):
        raise InvalidArgumentError("tf.linalg.lu returns a permutation that depends on the data; call it on arrays.")
    permutation = np.broadcast_to(np.arange(lu.shape[-1]), pivots.shape).copy()
    for index in np.ndindex(pivots.shape[:-1]):
        for row, other in enumerate(pivots[index]):
            permutation[index][[row, other]] = permutation[index][[other, row]]
    return lu, permutation.astype(dtype_name(output_idx_type))
