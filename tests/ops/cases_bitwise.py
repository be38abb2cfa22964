"""Cases of integers as bits and of divisors."""

from __future__ import annotations

import graphkit.ops.bitwise  # registers its primitives  # noqa: F401
from tests.ops.case import Case, boolean, case, whole

_SIGNED = whole(3, 4, low=-9, high=9)

CASES: list[Case] = [
    *(case(name, _SIGNED, whole(4, low=-5, high=9)) for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "gcd")),
    *(case(name, boolean(3, 4), boolean(4)) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")),
    *(case(name, _SIGNED, whole(4, high=5)) for name in ("left_shift", "right_shift")),
    case("bitwise_not", _SIGNED),
]
