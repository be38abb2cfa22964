"""Shuffling with a buffer, in the order of TensorFlow's data sets: the same seeds give the same order.

Source: tf.data.Dataset.shuffle; random numbers by Philox 4x32-10 (Salmon et al., 2011).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from graphkit.core import seeds

_LOW = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_DEFAULT_SEED = 87654321  # of TensorFlow, where only the operation has a seed
_LARGEST = 2**31 - 1


def philox(first: int, second: int) -> Iterator[int]:
    """Yield random numbers of 32 bits for a pair of seeds."""
    number = 0
    while True:
        yield from _block((number & _LOW, number >> 32 & _LOW, second & _LOW, second >> 32 & _LOW), first)
        number += 1


def _block(counter: tuple[int, int, int, int], seed: int) -> tuple[int, int, int, int]:
    a, b, c, d = counter
    low, high = seed & _LOW, seed >> 32 & _LOW
    for _ in range(10):
        p, q = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = q >> 32 ^ b ^ low, q & _LOW, p >> 32 ^ d ^ high, p & _LOW
        low, high = low + _WEYL[0] & _LOW, high + _WEYL[1] & _LOW
    return a, b, c, d


def seed_pair(seed: int | None) -> tuple[int, int]:
    """Return the two seeds that TensorFlow derives from the session's seed and the seed of an operation."""
    session = seeds.session_seed()
    own = seeds.draw_seed() if seed is None else int(seed)
    if session is None:
        session = seeds.draw_seed() if seed is None else _DEFAULT_SEED
    pair = session, own
    return (0, _LARGEST) if pair == (0, 0) else pair


class Shuffler:
    """Shuffles iterators; each iteration has a new order, or all have the same.

    Args:
        size: the number of elements in the buffer.
        seed: of the orders; None draws one from the session's seed.
        renews: whether each iteration has a new order.
    """

    def __init__(self, size: int, seed: int | None, renews: bool = True) -> None:
        self._size, self._pair, self._renews = size, seed_pair(seed), renews
        self._seeds = philox(*self._pair)

    def __call__(self, elements: Iterator[Any]) -> Iterator[Any]:
        """Yield the elements in the next order."""
        pair = (next(self._seeds), next(self._seeds)) if self._renews else self._pair
        return _shuffled(elements, self._size, philox(*pair))


def _shuffled(elements: Iterator[Any], size: int, numbers: Iterator[int]) -> Iterator[Any]:
    # The buffer is a ring, as in TensorFlow: the position of an element decides which number selects it.
    ring: list[Any] = []
    start = end = 0
    is_empty = False
    while True:
        while not is_empty and end - start < size:
            item = next(elements, _END)
            if item is _END:
                is_empty = True
            elif end < size:
                ring.append(item)
                end += 1
            else:
                ring[end % size] = item
                end += 1
        if end == start:
            return
        chosen = (start + next(numbers) % (end - start)) % size
        first = start % size
        made, ring[chosen] = ring[chosen], ring[first]
        start += 1
        yield made


_END = object()

Transform = Callable[[Iterator[Any]], Iterator[Any]]
