"""Convert words to integers. Source: keras.preprocessing.text (Keras 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence"]

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(text: str, filters: str = _FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """Split a text into words.

    Args:
        text: the text.
        filters: characters that are replaced by `split`.
        lower: convert to lower case.
        split: the separator.
    """
    text = text.lower() if lower else text
    for letter in filters:
        text = text.replace(letter, split)
    return [word for word in text.split(split) if word]


def hashing_trick(text: str, n: int, hash_function: Any = None, **kwargs: Any) -> list[int]:
    """Convert a text to integers from 1 to n - 1, the hashes of its words.

    Args:
        text: the text.
        n: the number of hash values, plus 1.
        hash_function: from str to int; by default MD5, which is the same in every process.
        **kwargs: options of `text_to_word_sequence`.
    """
    from hashlib import md5

    hashed = (
        hash_function
        if callable(hash_function)
        else lambda w: int(md5(w.encode(), usedforsecurity=False).hexdigest(), 16)
    )
    return [int(hashed(word)) % (n - 1) + 1 for word in text_to_word_sequence(text, **kwargs)]


def one_hot(text: str, n: int, **kwargs: Any) -> list[int]:
    """Convert a text to integers from 1 to n - 1, as `hashing_trick`."""
    return hashing_trick(text, n, **kwargs)


class Tokenizer:
    """Maps words to integers in the order of their frequency, starting at 1 with the most frequent.

    Args:
        num_words: keep only the `num_words - 1` most frequent words.
        filters: characters that are removed from texts.
        lower: convert texts to lower case.
        split: the separator of words.
        char_level: use characters instead of words.
        oov_token: replaces unknown words and has index 1; without it they are dropped.

    Source: keras.preprocessing.text.Tokenizer (Keras 2).
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = _FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.num_words = kwargs.pop("nb_words", num_words)
        self.filters, self.lower, self.split, self.char_level, self.oov_token = (
            filters,
            lower,
            split,
            char_level,
            oov_token,
        )
        self.word_counts: Counter[str] = Counter()
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}
        self.document_count = 0

    def _words(self, text: Any) -> list[str]:
        if not isinstance(text, str):
            return list(text)
        if self.char_level:
            return list(text.lower() if self.lower else text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Update the vocabulary with the words of these texts."""
        for text in texts:
            self.word_counts.update(self._words(text))
            self.document_count += 1
        ranked = sorted(self.word_counts, key=lambda w: -self.word_counts[w])  # stable: earlier words first
        listed = [self.oov_token, *ranked] if self.oov_token is not None else ranked
        self.word_index = {word: number for number, word in enumerate(listed, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """Convert each text to a list of word indices."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        limit = self.num_words or len(self.word_index) + 1
        sequences = []
        for text in texts:
            numbers = (self.word_index.get(word, unknown) for word in self._words(text))
            kept = (n if n is not None and n < limit else unknown for n in numbers)
            sequences.append([n for n in kept if n is not None])
        return sequences

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> Any:
        """Convert each text to a row of a matrix (texts, words).

        Args:
            texts: strings, or lists of words.
            mode: "binary" for which words occur, "count" for how often, "freq" for their relative frequency.

        Raises:
            InvalidArgumentError: another mode.
        """
        if mode not in ("binary", "count", "freq"):
            raise InvalidArgumentError(f"texts_to_matrix: mode must be 'binary', 'count' or 'freq', got {mode!r}.")
        sequences = self.texts_to_sequences(texts)
        matrix = np.zeros((len(sequences), self.num_words or len(self.word_index) + 1))
        for row, sequence in zip(matrix, sequences, strict=True):
            np.add.at(row, sequence, 1.0)
            row /= max(1, len(sequence)) if mode == "freq" else 1
        return np.minimum(matrix, 1.0) if mode == "binary" else matrix
