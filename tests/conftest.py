"""Shared by all tests: a clean session, and one BLAS thread unless the environment sets another number."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

# Modules of checks: their assertions are to say what differs, as those of test modules do.
pytest.register_assert_rewrite("tests.ops.walk", "tests.layers.own_layers")


@pytest.fixture(autouse=True)
def _fresh_session() -> None:
    """Reset automatic names and fix seeds, so that a test does not depend on earlier ones."""
    from graphkit.core.names import reset_names
    from graphkit.core.seeds import set_session_seed

    reset_names()
    set_session_seed(0)
