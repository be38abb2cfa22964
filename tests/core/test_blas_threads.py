"""BLAS has one thread while the engine's threads run, and its previous number afterwards."""

from __future__ import annotations

import pytest

from graphkit.core import threads


def test_blas_has_its_threads_back_afterwards() -> None:
    control = threads._blas_control()
    if control is None:
        pytest.skip("NumPy's BLAS cannot be told its number of threads")
    get, put = control
    blas, own = get(), threads.num_threads()
    try:
        put(2)
        threads.set_num_threads(2)
        with threads.single_blas():
            assert get() == 1
            with threads.single_blas():
                assert get() == 1
            assert get() == 1
        assert get() == 2
    finally:
        put(blas)
        threads.set_num_threads(own)
