"""The session's seed, from which layers and initializers draw theirs."""

from __future__ import annotations

import random

_generator: random.Random = random.Random()
_epoch = 0
_seed: int | None = None


def set_session_seed(seed: int) -> None:
    """Make all seeds drawn from now on follow from `seed`."""
    global _epoch, _seed
    _generator.seed(seed)
    _seed = seed
    _epoch += 1


def session_seed() -> int | None:
    """Return the seed that was set; None if there is none."""
    return _seed


def epoch() -> int:
    """Return how often the session's seed was set. Random streams derived from it restart when this changes."""
    return _epoch


def draw_seed() -> int:
    """Return a new seed: an integer of 31 bits."""
    return _generator.randrange(2**31)
