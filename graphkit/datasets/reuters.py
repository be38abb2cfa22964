"""News as sequences of word indices, of 46 topics: 11,228 samples. Source: keras.datasets.reuters."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.datasets import words
from graphkit.datasets.reading import load_npz
from graphkit.datasets.sources import GOOGLE, Source, found

Array = np.ndarray[Any, Any]
__all__ = ["get_label_names", "get_word_index", "load_data"]

_FILE = Source(
    "reuters.npz", f"{GOOGLE}reuters.npz", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916", "2 MB"
)
_INDEX = Source(
    "reuters_word_index.json", f"{GOOGLE}reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921", "0.5 MB"
)
_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass crude nat-gas "
    "cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi iron-steel rubber heat jobs lei "
    "bop zinc orange pet-chem dlr gas silver wpi hog lead"
)


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return ((x_train, y_train), (x_test, y_test)).

    Args:
        path: the name of the file in the cache, or its path.
        num_words: only words with smaller indices are kept; all by default.
        skip_top: words with smaller indices, the most frequent ones, are left out.
        maxlen: only news with fewer words are kept.
        test_split: the fraction of the samples to test on.
        seed: of the shuffling before the split.
        start_char: the index before each sample; None for none.
        oov_char: the index of words that are left out; None drops them.
        index_from: what is added to the indices of words.

    Returns:
        Arrays of lists of indices, and the numbers of the topics.

    Raises:
        InvalidArgumentError: no sample is shorter than `maxlen`.
        MissingDataSetError: the file is not there.
        UnsafeCodeError: its pickles hold something else than lists of integers.
    """
    x, y = load_npz(found(_FILE, path), "x", "y")
    rows, labels = words.shuffled(x, y, np.random.RandomState(seed))
    kept, topics = words.shorter(words.shifted(rows, start_char, index_from), labels, maxlen)
    made = words.frequent(kept, num_words, skip_top, oov_char)
    first = int(len(made) * (1 - test_split))
    train, test = np.array(made[:first], object), np.array(made[first:], object)
    return (train, topics[:first]), (test, topics[first:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Return the index of each word, without the shift by `index_from`.

    Args:
        path: the name of the file in the cache, or its path.

    Raises:
        MissingDataSetError: the file is not there.
        SerializationError: it is damaged.
    """
    return words.word_index(_INDEX, path)


def get_label_names() -> tuple[str, ...]:
    """Return the names of the 46 topics, in the order of their numbers."""
    return tuple(_TOPICS.split())
