"""Windows compared with NumPy's, and what depends on the session's seed."""

from __future__ import annotations

import numpy as np
import pytest

import graphkit
from graphkit.core.windows import window_of


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett"])
@pytest.mark.parametrize("length", [2, 5, 8])
def test_windows_are_those_of_numpy_and_periodic_ones_end_one_step_earlier(name: str, length: int) -> None:
    function = {"hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "bartlett": np.bartlett}[name]
    np.testing.assert_allclose(window_of(name, length, False, "test"), function(length), atol=1e-12)
    np.testing.assert_allclose(window_of(name, length, True, "test"), function(length + 1)[:-1], atol=1e-12)


def test_the_session_seed_starts_all_numbers_anew() -> None:
    def drawn() -> list[np.ndarray]:
        graphkit.utils.set_random_seed(11)
        return [np.asarray(graphkit.random.normal((3,))) for _ in range(2)]

    first, second = drawn(), drawn()
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first[0], first[1])
