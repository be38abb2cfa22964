"""Versions as numbers: as text, "2.10" stands before "2.9" and begins like "2.1"."""

from __future__ import annotations

import re
from typing import Any

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


def version_numbers(version: Any) -> tuple[int, ...]:
    """The numbers that a version begins with, to be compared with tuples: (2, 2, 4) of "2.2.4-tf"; () of what begins with none."""
    found = _NUMBERS.match(str(version or ""))
    return tuple(int(part) for part in found.group().split(".")) if found else ()
