"""Matrices with NaN or infinity give NaN, as in Keras 3.15 on JAX, not NumPy's error. The expected values are Keras'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError

GOOD = np.array([[2.0, 1.0], [1.0, 3.0]], "float32")
NAN = np.full((2, 2), np.nan, "float32")
ONE = np.ones((2, 1), "float32")
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "svd": ops.svd,
    "eigh": ops.eigh,
    "eig": ops.eig,
    "qr": lambda a: ops.qr(a)[0],
    "inv": ops.inv,
    "det": ops.det,
    "slogdet": ops.slogdet,
    "pinv": ops.pinv,
    "solve": lambda a: ops.solve(a, ONE),
    "lstsq": lambda a: ops.lstsq(a, ONE),
    "norm 2": lambda a: ops.norm(a, ord=2),
    "norm nuc": lambda a: ops.norm(a, ord="nuc"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_matrix_of_nan_gives_nan(name: str) -> None:
    for made in nest.flatten(FUNCTIONS[name](NAN)):
        assert np.isnan(np.asarray(made)).all()


@pytest.mark.parametrize("function", [ops.svd, ops.eigh, ops.eig])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_other_matrices_of_a_batch_keep_their_results(function: Callable[[Any], Any], bad: float) -> None:
    batch = np.stack([GOOD, np.array([[bad, 0.0], [0.0, 1.0]], "float32"), GOOD])
    for made, alone in zip(function(batch), function(GOOD), strict=True):
        assert np.isnan(np.asarray(made)[1]).all()
        np.testing.assert_allclose(np.asarray(made)[[0, 2]], np.stack([alone, alone]), rtol=1e-6)


def test_no_rank_is_counted_of_nan() -> None:
    assert int(ops.matrix_rank(NAN)) == 0


def test_cholesky_of_nan_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Cholesky decomposition failed"):
        ops.cholesky(NAN)
