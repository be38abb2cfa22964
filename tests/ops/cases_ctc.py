"""Cases of decoding."""

from __future__ import annotations

import numpy as np

import graphkit.ops.ctc  # registers its primitives  # noqa: F401
from tests.ops.case import Case, case, fixed, real

CASES: list[Case] = [
    case(
        "ctc_beam_search", real(2, 5, 4, low=-3, high=-0.1), fixed(5, 3, dtype=np.int32), beam_width=8, top_paths=2, mask_index=0,
        free=False,
    ),
]  # fmt: skip
