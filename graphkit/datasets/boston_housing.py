"""House prices in Boston around 1978: 506 samples of 13 features. Source: keras.datasets.boston_housing."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.datasets.housing import check_split, shuffled_and_split
from graphkit.datasets.reading import load_npz
from graphkit.datasets.sources import GOOGLE, Source, found

Array = np.ndarray[Any, Any]
__all__ = ["load_data"]

_FILE = Source(
    "boston_housing.npz",
    f"{GOOGLE}boston_housing.npz",
    "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
    "57 kB",
)


def load_data(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)).

    Args:
        path: the name of the file in the cache, or its path.
        test_split: the fraction of the samples to test on.
        seed: of the shuffling before the split.

    Returns:
        Features, float64 of shape (n, 13), and prices in thousands of dollars, float64 of shape (n,).

    Raises:
        InvalidArgumentError: `test_split` is not from 0 to below 1.
        MissingDataSetError: the file is not there.
    """
    check_split(test_split)
    x, y = load_npz(found(_FILE, path), "x", "y")
    return shuffled_and_split(x, y, test_split, seed)
