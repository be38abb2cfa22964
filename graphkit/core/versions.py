"""Versions as tuples of numbers: as text, "2.10" sorts before "2.9" and starts with "2.1"."""

from __future__ import annotations

import re
from typing import Any

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def version_numbers(version: Any) -> tuple[int, ...]:
    """Return the leading numbers of a version, as a tuple that compares correctly: (2, 2, 4) for "2.2.4-tf", () without any."""
    found = _NUMBERS.match(str(version or ""))
    return tuple(int(part) for part in found.group().split(".")) if found else ()
