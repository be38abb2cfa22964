"""House prices in California in 1990: 20,640 samples of 8 features. Source: keras.datasets.california_housing."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError
from graphkit.datasets.housing import check_split, shuffled_and_split
from graphkit.datasets.reading import load_npz
from graphkit.datasets.sources import GOOGLE, Source, found

Array = np.ndarray[Any, Any]
__all__ = ["load_data"]

_FILE = Source(
    "california_housing.npz",
    f"{GOOGLE}california_housing.npz",
    "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
    "0.7 MB",
)
_SMALL = 600


def load_data(
    version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)).

    Args:
        version: "large", or "small" for the first 600 samples.
        path: the name of the file in the cache, or its path.
        test_split: the fraction of the samples to test on.
        seed: of the shuffling before the split.

    Returns:
        Features of shape (n, 8), and prices in dollars of shape (n,).

    Raises:
        InvalidArgumentError: another `version`, or `test_split` is not from 0 to below 1.
        MissingDataSetError: the file is not there.
    """
    check_split(test_split)
    if version not in ("small", "large"):
        raise InvalidArgumentError(f"Argument `version` must be one of 'small', 'large'. Received: version={version}")
    x, y = load_npz(found(_FILE, path), "x", "y")
    if version == "small":
        x, y = x[:_SMALL], y[:_SMALL]
    return shuffled_and_split(x, y, test_split, seed)
