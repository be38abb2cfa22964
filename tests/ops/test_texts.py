"""Functions over arrays of strings; the values are those of TensorFlow 2.21's tf.strings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import Input
from graphkit.ops import texts

WORDS = np.array(["Ab c", " É "], object)


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (texts.lower(WORDS), ["ab c", " É "]),
        (texts.lower(WORDS, encoding="utf-8"), ["ab c", " é "]),
        (texts.upper(WORDS), ["AB C", " É "]),
        (texts.strip(WORDS), ["Ab c", "É"]),
        (texts.regex_replace(WORDS, "[ b]", "_"), ["A__c", "_É_"]),
        (texts.regex_replace(WORDS, " ", "", replace_global=False), ["Abc", "É "]),
        (texts.regex_full_match(WORDS, "[A-Za-z ]+"), [True, False]),
        (texts.length(WORDS), [4, 4]),
        (texts.length(WORDS, unit="UTF8_CHAR"), [4, 3]),
        (texts.substr(WORDS, 1, 2), ["b ", "É"]),
        (texts.join([WORDS, ["x", "y"]], "-"), ["Ab c-x", " É -y"]),
        (texts.to_number(["1", "2.5"]), [1.0, 2.5]),
        (texts.split(["a b", "c"]), [["a", "b"], ["c"]]),
        (texts.split(["a,b,", ","], sep=","), [["a", "b", ""], ["", ""]]),
        (texts.unicode_split(["ab"]), [["a", "b"]]),
        (texts.bytes_split(["ab"]), [[b"a", b"b"]]),
    ],
)
def test_functions_over_strings(made: Any, wanted: Any) -> None:
    assert made.tolist() == wanted


def test_one_string_gives_one_string() -> None:
    assert texts.lower("A") == "a"
    assert texts.split("a b") == ["a", "b"]


def test_symbolic_tensors_are_refused() -> None:
    with pytest.raises(TypeError, match="not on symbolic tensors"):
        texts.lower(Input((1,), dtype="string"))
