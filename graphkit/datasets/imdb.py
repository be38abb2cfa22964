"""Film reviews as sequences of word indices, good or bad: 25,000 for training and for testing. Source: keras.datasets.imdb."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.datasets import words
from graphkit.datasets.reading import load_npz
from graphkit.datasets.sources import GOOGLE, Source, found

Array = np.ndarray[Any, Any]
__all__ = ["get_word_index", "load_data"]

_FILE = Source(
    "imdb.npz", f"{GOOGLE}imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f", "17 MB"
)
_INDEX = Source("imdb_word_index.json", f"{GOOGLE}imdb_word_index.json", "bfafd718b763782e994055a2d397834f", "1.6 MB")


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
    **old: Any,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)).

    Args:
        path: the name of the file in the cache, or its path.
        num_words: only words with smaller indices are kept; all by default.
        skip_top: words with smaller indices, the most frequent ones, are left out.
        maxlen: only reviews with fewer words are kept.
        seed: of the shuffling.
        start_char: the index before each review; None for none.
        oov_char: the index of words that are left out; None drops them.
        index_from: what is added to the indices of words.
        **old: `nb_words`, the older name of `num_words`.

    Returns:
        Arrays of lists of indices, and labels: 1 for good reviews, 0 for bad ones.

    Raises:
        InvalidArgumentError: no review is shorter than `maxlen`.
        MissingDataSetError: the file is not there.
        UnsafeCodeError: its pickles hold something else than lists of integers.
    """
    num_words = words.old_arguments(old, num_words)
    arrays = load_npz(found(_FILE, path), "x_train", "y_train", "x_test", "y_test")
    generator = np.random.RandomState(seed)
    parts = []
    for rows, labels in (arrays[:2], arrays[2:]):
        mixed, targets = words.shuffled(rows, labels, generator)
        parts.append(words.shorter(words.shifted(mixed, start_char, index_from), targets, maxlen))
    made = words.frequent([*parts[0][0], *parts[1][0]], num_words, skip_top, oov_char)
    first = len(parts[0][0])
    return (np.array(made[:first], object), parts[0][1]), (np.array(made[first:], object), parts[1][1])


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Return the index of each word, without the shift by `index_from`.

    Args:
        path: the name of the file in the cache, or its path.

    Raises:
        MissingDataSetError: the file is not there.
        SerializationError: it is damaged.
    """
    return words.word_index(_INDEX, path)
