"""Compare the arguments and defaults of Keras' public names with graphkit's. See tests/docs/keras_coverage.py."""

from __future__ import annotations

from tests.docs.keras_coverage import _row, snapshot


def differing(*modules: str) -> list[str]:
    """Return the differences from Keras in the arguments of the public names of some of its modules."""
    rows = [_row(m, name, wanted) for m in modules for name, wanted in snapshot()["modules"][m].items()]
    return [f"{row.path}: {row.remark}" for row in rows if row.state == "differs"]
