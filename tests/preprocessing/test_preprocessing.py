"""Preprocessing of sequences and texts; the expected values are those of Keras 2's documentation and of Keras 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit.errors import InvalidArgumentError, ShapeError
from graphkit.preprocessing.sequence import pad_sequences
from graphkit.preprocessing.text import Tokenizer, hashing_trick, one_hot, text_to_word_sequence

ROWS = [[1], [2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
        ({"value": -1}, [[-1, -1, 1], [-1, 2, 3], [4, 5, 6]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [4, 5, 6]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6]]),
        ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [4, 5]]),
        ({"maxlen": 0}, [[], [], []]),
    ],
)
def test_sequences_are_filled_up_and_cut_off(arguments: dict[str, Any], wanted: list[list[int]]) -> None:
    result = pad_sequences(ROWS, **arguments)

    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, np.array(wanted).reshape(3, -1))


def test_elements_may_be_vectors() -> None:
    result = pad_sequences([np.ones((1, 2)), np.ones((3, 2)), []], dtype="float32")

    assert result.shape == (3, 3, 2)
    assert result[0, 0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["padding", "truncating"])
def test_an_end_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`{name}` must be 'pre' or 'post', got 'left'"):
        pad_sequences(ROWS, **{name: "left"})


def test_numbers_are_no_sequences() -> None:
    with pytest.raises(InvalidArgumentError, match="must be a list of sequences"):
        pad_sequences([1, 2])


def test_elements_must_be_of_one_shape() -> None:
    with pytest.raises(ShapeError, match="must have the same shape"):
        pad_sequences([np.ones((1, 2)), np.ones((1, 3))])


def test_words_are_without_punctuation_and_capitals() -> None:
    assert text_to_word_sequence("The cat, the Dog!") == ["the", "cat", "the", "dog"]
    assert text_to_word_sequence("A.B", lower=False) == ["A", "B"]


def test_words_are_numbered_by_frequency() -> None:
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(["a b a", "c a b"])

    assert tokenizer.word_index == {"a": 1, "b": 2, "c": 3}
    assert tokenizer.texts_to_sequences(["c a z"]) == [[3, 1]]
    assert tokenizer.document_count == 2


def test_unknown_and_rare_words_have_a_number_of_their_own() -> None:
    tokenizer = Tokenizer(num_words=3, oov_token="?")
    tokenizer.fit_on_texts(["a b a", "c a b"])

    assert tokenizer.word_index == {"?": 1, "a": 2, "b": 3, "c": 4}
    assert tokenizer.texts_to_sequences(["a b z"]) == [[2, 1, 1]]


def test_characters_and_lists_are_words_too() -> None:
    tokenizer = Tokenizer(char_level=True)
    tokenizer.fit_on_texts(["aab", ["x"]])

    assert tokenizer.word_index == {"a": 1, "b": 2, "x": 3}


@pytest.mark.parametrize(("mode", "wanted"), [("binary", [0, 1, 1]), ("count", [0, 2, 1]), ("freq", [0, 2 / 3, 1 / 3])])
def test_texts_as_rows(mode: str, wanted: list[float]) -> None:
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(["a b a"])

    np.testing.assert_allclose(tokenizer.texts_to_matrix(["a b a"], mode), [wanted])


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="mode must be 'binary', 'count' or 'freq', got 'tfidf'"):
        Tokenizer().texts_to_matrix(["a"], "tfidf")


def test_hashes_are_the_same_in_every_run() -> None:
    assert one_hot("a b a", 50) == hashing_trick("a b a", 50)
    assert len(set(one_hot("a b a", 50))) == 2
    assert all(1 <= n < 50 for n in one_hot("any words at all", 50))
