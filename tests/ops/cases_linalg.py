"""Cases of linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphkit.ops.linalg  # registers its primitives  # noqa: F401
from tests.ops.case import Case, Draw, case, real


def _regular(*shape: int) -> Draw:
    """Matrices far from singular, drawn anew."""

    def draw(generator: np.random.Generator) -> Any:
        return generator.uniform(-1, 1, shape) + 2 * np.eye(shape[-2], shape[-1])[..., ::-1]

    return draw


def _definite(*shape: int) -> Draw:
    def draw(generator: np.random.Generator) -> Any:
        x = generator.uniform(-1, 1, shape)
        return x @ np.swapaxes(x, -1, -2) + np.diag(np.arange(1.0, shape[-1] + 1))

    return draw


CASES: list[Case] = [
    case("solve", _regular(3, 3), real(3, 2)),
    case("solve", _regular(2, 3, 3), real(2, 3, 1), free=False),
    case("det", _regular(3, 3)),
    case("det", _regular(2, 2, 2)),
    case("slogdet", _regular(2, 3, 3)),
    case("cholesky", _definite(3, 3), gradient=False),  # differences would have to keep the matrix symmetric
    case("cholesky", _definite(2, 4, 4), gradient=False),
    case("lu_factor", _regular(3, 3), second=False),
    case("lu_factor", _regular(2, 4, 3), free=False, second=False),
    case("lu_factor", _regular(3, 4), free=False, second=False),
    case("qr", _regular(3, 3), complete=False, second=False),
    case("qr", _regular(2, 4, 3), complete=False, free=False, second=False),
    case("qr", _regular(4, 3), complete=True, free=False, second=False),
    case("qr", _regular(2, 3), complete=False, free=False, second=False),
    case("eigh", _definite(3, 3), exact=False, second=False),
    case("eig", _regular(3, 3)),
    case("svd", _regular(4, 3), full=False, exact=False, free=False, second=False),
    case("svd", _regular(2, 3, 3), full=True, exact=False, second=False),
    case("svd", _regular(2, 4), full=True, free=False, gradient=False),
]
