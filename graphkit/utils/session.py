"""The session's seeds and names."""

from __future__ import annotations

import gc
import random

import numpy as np

from graphkit.core.errors import InvalidArgumentError
from graphkit.core.names import reset_names
from graphkit.core.seeds import set_session_seed


def set_random_seed(seed: int) -> None:
    """Make everything random follow from `seed`: Python, NumPy, weights, dropout, shuffling. Source: keras.utils.set_random_seed."""
    if not isinstance(seed, int):
        raise InvalidArgumentError(
            f"Expected `seed` argument to be an integer. Received: seed={seed} (of type {type(seed)})"
        )
    random.seed(seed)
    np.random.seed(seed)
    set_session_seed(seed)


def clear_session(free_memory: bool = True) -> None:
    """Start automatic names anew, and collect what nobody holds any more. Source: keras.utils.clear_session."""
    reset_names()
    if free_memory:
        gc.collect()
