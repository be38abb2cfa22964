"""Cases of complex numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphkit.ops.complex  # registers its primitives  # noqa: F401
from tests.ops.case import Case, case, real


def _numbers(generator: np.random.Generator) -> Any:
    return generator.uniform(-1, 1, (3, 4)) + 1j * generator.uniform(-1, 1, (3, 4))


CASES: list[Case] = [
    *(case(name, _numbers) for name in ("real", "imag", "conj")),
    case("complex", real(3, 4), real(3, 4)),
]
