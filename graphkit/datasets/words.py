"""What the two data sets of texts share: sequences of word indices, and the index of words."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, SerializationError
from graphkit.datasets.sources import Source, found

Array = np.ndarray[Any, Any]
Rows = list[list[int]]
_LARGEST = 1 << 27  # bytes of an index of words


def shuffled(rows: Array, labels: Array, generator: Any) -> tuple[Array, Array]:
    """Return samples in Keras' order for this state of a `RandomState`."""
    order = np.arange(len(rows))
    generator.shuffle(order)
    return rows[order], labels[order]


def shifted(rows: Iterable[Sequence[int]], start_char: int | None, index_from: int | None) -> Rows:
    """Return sequences with their indices shifted by `index_from`, after `start_char` if there is one."""
    shift = index_from or 0
    first = [] if start_char is None else [start_char]
    return [[*first, *(word + shift for word in row)] for row in rows]


def shorter(rows: Rows, labels: Array, maxlen: int | None) -> tuple[Rows, Array]:
    """Return the sequences shorter than `maxlen`, and their labels.

    Raises:
        InvalidArgumentError: there are none.
    """
    if not maxlen:
        return rows, labels
    kept = [i for i, row in enumerate(rows) if len(row) < maxlen]
    if not kept:
        raise InvalidArgumentError(
            f"After filtering for sequences shorter than maxlen={maxlen}, no sequence was kept. Increase maxlen."
        )
    return [rows[i] for i in kept], labels[kept]


def frequent(rows: Rows, num_words: int | None, skip_top: int, oov_char: int | None) -> Rows:
    """Return sequences in which words outside of the wanted range are replaced by `oov_char`, or left out if it is None."""
    last = num_words or max(max(row) for row in rows)
    if oov_char is None:
        return [[w for w in row if skip_top <= w < last] for row in rows]
    return [[w if skip_top <= w < last else oov_char for w in row] for row in rows]


def word_index(source: Source, path: str) -> dict[str, int]:
    """Return the index of words of a JSON file.

    Raises:
        MissingDataSetError: the file is not there.
        SerializationError: it is damaged.
    """
    place = found(source, path)
    try:
        if place.stat().st_size > _LARGEST:
            raise ValueError("the file is too large")
        made = json.loads(place.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SerializationError(f"{place} cannot be read as an index of words: {error}") from error
    if not isinstance(made, dict):
        raise SerializationError(f"{place} holds no index of words.")
    return made


def old_arguments(given: dict[str, Any], num_words: int | None) -> int | None:
    """Return `num_words`, which Keras 1 called `nb_words`.

    Raises:
        InvalidTypeError: another argument is given.
    """
    if "nb_words" in given:
        warnings.warn("The `nb_words` argument in `load_data` has been renamed `num_words`.", stacklevel=3)
        num_words = given.pop("nb_words")
    if given:
        raise InvalidTypeError(f"Unrecognized keyword arguments: {given}.")
    return num_words
