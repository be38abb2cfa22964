"""The defects, a module for each part of the project."""

from __future__ import annotations

from tests.planted.lists import known

DEFECTS = [*known.DEFECTS]
