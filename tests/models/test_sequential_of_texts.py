"""A Sequential that starts with a layer for texts or integers, without an Input. Expected values are computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Sequential, layers

TEXTS = np.array(["blue red", "green purple"])
TOKENS = [[2, 4, 0, 0], [3, 1, 0, 0]]


def vectorizer(**options: Any) -> Any:
    made = layers.TextVectorization(max_tokens=20, **options)
    made.adapt(["red green blue", "green blue", "blue"])
    return made


@pytest.mark.parametrize("texts", [TEXTS, TEXTS.astype(object), TEXTS[:, None]], ids=["str", "object", "column"])
@pytest.mark.parametrize("nested", [False, True])
def test_texts(texts: Any, nested: bool) -> None:
    model = Sequential([vectorizer(output_sequence_length=4)])
    model = Sequential([model]) if nested else model

    assert np.asarray(model(texts)).tolist() == TOKENS
    assert model.predict(texts, verbose=0).tolist() == TOKENS


@pytest.mark.parametrize("called", [False, True])
def test_it_is_saved_and_opened(called: bool, tmp_path: Path) -> None:
    model = Sequential([vectorizer(output_sequence_length=4)])
    if called:
        model(TEXTS)
    model.save(tmp_path / "m.keras")

    assert np.asarray(graphkit.load(tmp_path / "m.keras")(TEXTS)).tolist() == TOKENS


def test_layers_behind_it_are_built() -> None:
    model = Sequential(
        [vectorizer(output_sequence_length=4), layers.Embedding(20, 3), layers.Flatten(), layers.Dense(2)]
    )

    assert np.asarray(model(TEXTS)).shape == (2, 2)


def test_words_and_whole_numbers() -> None:
    words = Sequential([layers.StringLookup(vocabulary=["red", "blue"])])
    back = Sequential([layers.StringLookup(vocabulary=["red", "blue"], invert=True)])

    assert np.asarray(words(np.array([["blue"], ["x"]]))).tolist() == [[2], [0]]
    assert np.asarray(back(np.array([[1], [2]]))).tolist() == [["red"], ["blue"]]


def test_whole_numbers_are_not_rounded() -> None:
    large = 2**40 + 1
    lookup = Sequential([layers.IntegerLookup(vocabulary=[large, 7])])
    hashing = layers.Hashing(50)

    assert np.asarray(lookup(np.array([[large], [7], [large - 1]]))).tolist() == [[1], [2], [0]]
    np.testing.assert_array_equal(Sequential([hashing])(np.array([[large]])), hashing(np.array([[large]])))


def test_hashing_takes_what_it_is_given(tmp_path: Path) -> None:
    model = Sequential([layers.Hashing(7)])
    words = np.array([["red"], ["blue"]])
    wanted = np.asarray(model(words))
    model.save(tmp_path / "m.keras")

    np.testing.assert_array_equal(graphkit.load(tmp_path / "m.keras")(words), wanted)
    np.testing.assert_array_equal(layers.Hashing(7)(words), wanted)
