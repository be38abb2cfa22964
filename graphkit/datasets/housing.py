"""What the two data sets of house prices share."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError

Array = np.ndarray[Any, Any]


def check_split(test_split: float) -> None:
    """Check the fraction of the test data.

    Raises:
        InvalidArgumentError: it is not from 0 to below 1.
    """
    if not 0 <= test_split < 1:
        raise InvalidArgumentError(
            f"Invalid `test_split` argument: {test_split}. It must be between 0 and 1 (exclusive of 1)."
        )


def shuffled_and_split(
    x: Array, y: Array, test_split: float, seed: int
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)), in Keras' order for this seed."""
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    first = int(len(x) * (1 - test_split))
    return (x[:first], y[:first]), (x[first:], y[first:])
