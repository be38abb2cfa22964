"""What all tests share: a clean session, and one thread for BLAS where nothing else is said."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

# Modules of checks: their assertions are to say what differs, as those of test modules do.
pytest.register_assert_rewrite("tests.ops.walk", "tests.layers.own_layers")


@pytest.fixture(autouse=True)
def _fresh_session() -> None:
    """Automatic names start anew, seeds are fixed: a test does not depend on those before it."""
    from graphkit.core.names import reset_names
    from graphkit.core.seeds import set_session_seed

    reset_names()
    set_session_seed(0)
