"""The session's random seeds and automatic names."""

from __future__ import annotations

import gc
import random

import numpy as np

from graphkit.core.errors import InvalidArgumentError
from graphkit.core.names import reset_names
from graphkit.core.seeds import set_session_seed


def set_random_seed(seed: int) -> None:
    """Seed all random number generators: Python's, NumPy's, and those of weights, dropout and shuffling.

    Raises:
        InvalidArgumentError: `seed` is not an integer.

    Source: keras.utils.set_random_seed.
    """
    if not isinstance(seed, int):
        raise InvalidArgumentError(
            f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})"
        )
    random.seed(seed)
    np.random.seed(seed)
    set_session_seed(seed)


def clear_session(free_memory: bool = True) -> None:
    """Reset automatic names and, with `free_memory`, run the garbage collector. Source: keras.utils.clear_session."""
    reset_names()
    if free_memory:
        gc.collect()
