"""Cases of Fourier transforms."""

from __future__ import annotations

import graphkit.ops.fourier  # registers its primitives  # noqa: F401
from tests.ops.case import Case, case, real

CASES: list[Case] = [
    case("fft", real(2, 5), real(2, 5), inverse=False),
    case("fft", real(2, 3, 8), real(2, 3, 8), inverse=True),
    case("fft", real(6), real(6), inverse=False),
]
