"""The defects, one module for each part of the project."""

from __future__ import annotations

from tests.planted.lists import computing, files, graphs, known, layering, naming, optimizing, training

DEFECTS = [
    *known.DEFECTS,
    *optimizing.DEFECTS,
    *training.DEFECTS,
    *layering.DEFECTS,
    *computing.DEFECTS,
    *graphs.DEFECTS,
    *files.DEFECTS,
    *naming.DEFECTS,
]
