"""The public ops against NumPy, argument by argument, where both have a function of the name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit.ops as ops

R = np.random.Generator(np.random.Philox(3))
X, Y = R.standard_normal((3, 4)), R.standard_normal((3, 4)) * 2
Z, V, M = R.standard_normal((2, 3, 4)), R.standard_normal(4), R.standard_normal((4, 5))
P, N = np.abs(X) + 0.1, np.arange(12, dtype=np.int32).reshape(3, 4) - 5
T = np.array([1, 0, 3], np.int32)
HOLES = np.array([[1.0, np.nan, 2.0], [np.nan, 3.0, -1.0]])
SPECIAL = np.array([0.0, -0.0, 1e-30, np.inf, -np.inf, np.nan])

CALLS: dict[str, Callable[[Any], Any]] = {
    # products
    "matmul": lambda o: o.matmul(X, M),
    "matmul of a batch": lambda o: o.matmul(Z, M),
    "matmul of a row": lambda o: o.matmul(V, M),
    "matmul of a column": lambda o: o.matmul(Z, V),
    "matmul of vectors": lambda o: o.matmul(V, V),
    "matmul of integers": lambda o: o.matmul(N, N.T),
    "dot": lambda o: o.dot(Z, M),
    "dot of many axes": lambda o: o.dot(X, R.standard_normal((2, 4, 3)) * 0 + 1),
    "dot with a scalar": lambda o: o.dot(X, np.float64(2)),
    "tensordot by count": lambda o: o.tensordot(Z, M, axes=1),
    "tensordot by axes": lambda o: o.tensordot(Z, Z, axes=([0, 2], [0, 2])),
    "tensordot of nothing": lambda o: o.tensordot(V, V, axes=0),
    "einsum of a projection": lambda o: o.einsum(
        "btd,dhk->bthk", Z, R.permuted(np.arange(40.0)).reshape(4, 2, 5) * 0 + 0.5
    ),
    "einsum with an ellipsis": lambda o: o.einsum("...ij,...jk->...ik", Z, M),
    "einsum without a target": lambda o: o.einsum("ij,jk", X, M),
    "einsum of one": lambda o: o.einsum("ij->j", X),
    "einsum of three": lambda o: o.einsum("ij,jk,k->i", X, M, np.ones(5)),
    "einsum of a diagonal": lambda o: o.einsum("ii->i", X[:, :3]),
    "einsum of a trace": lambda o: o.einsum("ii", X[:, :3]),
    "einsum of a broadcast": lambda o: o.einsum("...i,...i->...", X, X[:1]),
    "outer": lambda o: o.outer(X, V),
    "inner": lambda o: o.inner(X, Y),
    "vdot": lambda o: o.vdot(X, Y),
    "kron": lambda o: o.kron(X, V),
    "cross": lambda o: o.cross(X[:, :3], Y[:, :3]),
    # order and places
    "take": lambda o: o.take(X, T, axis=1),
    "take of the flattened": lambda o: o.take(X, T),
    "take from the end": lambda o: o.take(X, np.array([-1, 0]), axis=0),
    "take_along_axis": lambda o: o.take_along_axis(X, T[:, None], axis=1),
    "sort": lambda o: o.sort(X, axis=0),
    "argsort": lambda o: o.argsort(X, axis=1),
    "argsort of the flattened": lambda o: o.argsort(X, axis=None),
    "searchsorted": lambda o: o.searchsorted(np.array([0.0, 1, 2]), np.array([0.5, 1.0, 9.0]), side="right"),
    "digitize": lambda o: o.digitize(X, np.array([-1.0, 0.0, 1.0])),
    "bincount": lambda o: o.bincount(T),
    "bincount with weights": lambda o: o.bincount(T, weights=np.array([0.5, 1.0, 2.0])),
    "isin": lambda o: o.isin(N, T),
    # making
    "eye": lambda o: o.eye(3, 4, k=1, dtype="float64"),
    "tri": lambda o: o.tri(3, 4, k=-1, dtype="float64"),
    "tril": lambda o: o.tril(Z, k=1),
    "triu": lambda o: o.triu(Z, k=-1),
    "linspace": lambda o: o.linspace(V, V + 1, 5),
    "linspace without its end": lambda o: o.linspace(0.0, 1.0, 4, endpoint=False, dtype="float64"),
    "logspace": lambda o: o.logspace(0.0, 2.0, 4, dtype="float64"),
    "geomspace": lambda o: o.geomspace(1.0, 8.0, 4, dtype="float64"),
    "meshgrid": lambda o: np.stack(o.meshgrid(V, T)),
    "meshgrid by matrix": lambda o: np.stack(o.meshgrid(V, V[:2], indexing="ij")),
    "diag of a vector": lambda o: o.diag(V, k=1),
    "diag of a matrix": lambda o: o.diag(X, k=-1),
    "diagonal": lambda o: o.diagonal(Z, offset=1, axis1=1, axis2=2),
    "trace": lambda o: o.trace(Z, axis1=0, axis2=2),
    "vander": lambda o: o.vander(V, N=3, increasing=True),
    "nan_to_num": lambda o: o.nan_to_num(SPECIAL, nan=7.0),
    "identity": lambda o: o.identity(3, dtype="float64"),
    # moving
    "roll": lambda o: o.roll(X, 2),
    "roll of two axes": lambda o: o.roll(X, (1, -2), axis=(0, 1)),
    "rot90": lambda o: o.rot90(X, k=3),
    "flip": lambda o: o.flip(Z, axis=(0, 2)),
    "hstack": lambda o: o.hstack([V, V]),
    "vstack": lambda o: o.vstack([V, V]),
    "dstack": lambda o: o.dstack([X, Y]),
    "append": lambda o: o.append(X, Y, axis=1),
    "tile": lambda o: o.tile(X, (2, 1, 3)),
    "repeat": lambda o: o.repeat(X, 3, axis=1),
    "repeat by counts": lambda o: o.repeat(X, np.array([1, 0, 2]), axis=0),
    "moveaxis": lambda o: o.moveaxis(Z, (0, 1), (2, 0)),
    "split": lambda o: np.stack(o.split(X, 2, axis=1)),
    "array_split": lambda o: np.concatenate(o.array_split(X, 3, axis=1), axis=1),
    "pad by reflection": lambda o: o.pad(X, ((1, 2), (0, 3)), mode="reflect"),
    # elements
    "log2": lambda o: o.log2(P),
    "log10": lambda o: o.log10(P),
    "exp2": lambda o: o.exp2(X),
    "cbrt": lambda o: o.cbrt(X),
    "logaddexp": lambda o: o.logaddexp(X, Y),
    "logaddexp of infinities": lambda o: o.logaddexp(
        np.array([-np.inf, np.inf, -np.inf]), np.array([-np.inf, 1.0, 2.0])
    ),
    "hypot": lambda o: o.hypot(X, Y),
    "arctan2": lambda o: o.arctan2(np.array([1.0, -1, 1, -1, 0, 0, 1]), np.array([1.0, 1, -1, -1, 1, -1, 0])),
    "sinc": lambda o: o.sinc(X),
    "trunc": lambda o: o.trunc(Y),
    "fmod": lambda o: o.fmod(Y, X),
    "fmax": lambda o: o.fmax(HOLES, 0.5),
    "fmin": lambda o: o.fmin(HOLES, 0.5),
    "heaviside": lambda o: o.heaviside(np.array([-1.0, 0, 2]), np.array([0.5, 0.5, 0.5])),
    "signbit": lambda o: o.signbit(SPECIAL[:5]),
    "isclose": lambda o: o.isclose(SPECIAL, SPECIAL, equal_nan=True),
    "isfinite": lambda o: o.isfinite(SPECIAL),
    "isposinf": lambda o: o.isposinf(SPECIAL),
    "mod": lambda o: o.mod(Y, X),
    "floor_divide": lambda o: o.floor_divide(Y, X),
    "diff": lambda o: o.diff(X, n=2, axis=1),
    "select": lambda o: o.select([X > 1, X > 0], [X, Y], 0.5),
    "round": lambda o: o.round(Y, decimals=1),
    # statistics
    "average": lambda o: o.average(X, axis=1, weights=V**2),
    "median": lambda o: o.median(X, axis=1),
    "median of an even number": lambda o: o.median(X),
    "quantile": lambda o: o.quantile(X, np.array([0.1, 0.5]), axis=0),
    "quantile to the nearest": lambda o: o.quantile(X, 0.3, axis=1, method="nearest"),
    "percentile": lambda o: o.percentile(X, 30.0, axis=(0, 1), keepdims=True),
    "nansum": lambda o: o.nansum(HOLES, axis=0),
    "nanmean": lambda o: o.nanmean(HOLES, axis=1),
    "nanmax": lambda o: o.nanmax(HOLES, axis=0),
    "nanstd": lambda o: o.nanstd(HOLES, axis=1),
    "ptp": lambda o: o.ptp(X, axis=0),
    "corrcoef": lambda o: o.corrcoef(X),
    "trapezoid": lambda o: o.trapezoid(X, dx=0.5, axis=0),
    "cumprod": lambda o: o.cumprod(X, axis=1),
    "cumsum of the flattened": lambda o: o.cumsum(X),
    "var": lambda o: o.var(X, axis=0),
    "std": lambda o: o.std(X, keepdims=True),
    "count_nonzero": lambda o: o.count_nonzero(N, axis=1),
    "norm": lambda o: (o.norm if hasattr(o, "norm") else o.linalg.norm)(X, axis=1),
    "norm of order 1": lambda o: (o.norm if hasattr(o, "norm") else o.linalg.norm)(X, ord=1, axis=0),
    "norm of a matrix": lambda o: (o.norm if hasattr(o, "norm") else o.linalg.norm)(X, ord=np.inf, axis=(0, 1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_op_computes_what_numpy_does(name: str) -> None:
    call = CALLS[name]
    found, wanted = np.asarray(call(ops)), np.asarray(call(np))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


# Keras' rules for dtypes; found by calling keras.ops (3.x) on the same arguments.
_BOOL, _U8, _HALF, _F32 = X > 0, np.arange(6, dtype=np.uint8).reshape(2, 3), X.astype(np.float16), X.astype(np.float32)
DTYPES: dict[str, tuple[Callable[[], Any], str]] = {
    "exp of integers is a float": (lambda: ops.exp(N), "float32"),
    "sum of integers": (lambda: ops.sum(N), "int32"),
    "sum of small unsigned integers": (lambda: ops.sum(_U8), "uint32"),
    "sum of booleans": (lambda: ops.sum(_BOOL), "int32"),
    "mean of integers": (lambda: ops.mean(N), "float32"),
    "integer and Python float": (lambda: ops.add(N, 1.5), "float32"),
    "integer and half": (lambda: ops.add(N, _HALF), "float16"),
    "half and Python float": (lambda: ops.multiply(_HALF, 2.0), "float16"),
    "uint8 and int32": (lambda: ops.multiply(_U8, N[:2, :3]), "int32"),
    "integers divided": (lambda: ops.true_divide(N, 2), "float32"),
    "integers divided down": (lambda: ops.floor_divide(N, 2), "int32"),
    "where of integer and float": (lambda: ops.where(_BOOL, N, 1.0), "float32"),
    "booleans multiplied by floats": (lambda: ops.multiply(_BOOL, _F32), "float32"),
    "argmax": (lambda: ops.argmax(_F32), "int32"),
    "round of integers": (lambda: ops.round(N), "int32"),
    "int8 products": (lambda: ops.matmul(N.astype(np.int8), N.T.astype(np.int8)), "int32"),
    "arange of integers": (lambda: ops.arange(5), "int32"),
    "arange of floats": (lambda: ops.arange(0.0, 1.0, 0.25), "float32"),
    "one_hot": (lambda: ops.one_hot(T, 4), "float32"),
    "eye": (lambda: ops.eye(2), "float32"),
    "moments of halves": (lambda: ops.moments(_HALF, axes=(0,))[0], "float16"),
}


@pytest.mark.parametrize("name", DTYPES)
def test_the_dtype_is_the_one_that_keras_gives(name: str) -> None:
    call, wanted = DTYPES[name]
    assert np.asarray(call()).dtype == wanted
