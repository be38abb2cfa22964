"""The seed of the session, from which layers and initializers draw their own."""

from __future__ import annotations

import random

_generator: random.Random = random.Random()
_epoch = 0


def set_session_seed(seed: int) -> None:
    """Make every seed drawn from now on follow from `seed`."""
    global _epoch
    _generator.seed(seed)
    _epoch += 1


def epoch() -> int:
    """How often the session's seed was set: streams that follow from it start anew when this changes."""
    return _epoch


def draw_seed() -> int:
    """A new seed: an integer of 31 bits."""
    return _generator.randrange(2**31)
