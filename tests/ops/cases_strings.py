"""Cases of strings: tables, hashes, texts."""

from __future__ import annotations

import graphkit.ops.strings  # registers its primitives  # noqa: F401
from tests.ops.case import Case, case, value, whole

_WORDS = value([["a", "b"], ["zebra", ""]], object)
_TEXTS = value(["Foo bar, foo!", "", "  baz\tBAR "], object)
_LENGTHS = value(
    ["ab日x"[: n % 5] * (n // 5) + "é" * (n % 5) for n in (0, 1, 3, 5, 9, 16, 17, 31, 34, 60, 64, 65, 90, 140)], object
)
_SENTENCES = value(
    ["a", "Grüße, 世界", "", "seventy-seven characters, which do not fit into a single block of sixty-four"], object
)
_TABLE = {"keys": ("", "foo", "bar"), "values": (0, 2, 3), "default": 1}
_LETTERS = {"keys": ("b", "d"), "values": (2, 3), "default": 1}
_STEPS = {"lower": True, "strip": True, "change": None, "split": "whitespace", "ngrams": None}

CASES: list[Case] = [
    case("table_lookup", _WORDS, keys=("a", "zebra"), values=(3, 4), default=-1),
    case("table_lookup", value([3, 9, 4], "int64"), keys=(3, 4), values=(10, 20), default=0),
    case("as_string", whole(2, 3, low=-9, high=99), exact=False),
    case("string_hash", _WORDS, key=None),
    case("string_hash", _WORDS, key=(17, 5)),
    case("string_hash", _LENGTHS, key=None),
    case("string_hash", _LENGTHS, key=(-3, 5)),
    case("string_bytes", _LENGTHS, blocks=3),
    *(case("string_hash", _SENTENCES, key=key) for key in (None, (17, 5))),
    case("string_bytes", _SENTENCES, blocks=2),
    case("text_indices", _TEXTS, **_TABLE, length=4, **_STEPS),
    case("text_indices", _TEXTS, **_TABLE, length=2, **{**_STEPS, "strip": False}),
    *(
        case(
            "text_indices", value([["A, b!  c\t d"], [""]], object), **_LETTERS, length=4, **{**_STEPS, "split": split}
        )
        for split in (None, "whitespace")
    ),
    case("text_counts", value([["A, b!  c\n d"], [""]], object), **_LETTERS, depth=4, **_STEPS),
    case("text_counts", _TEXTS, **{**_TABLE, "values": (-1, 2, 3)}, depth=4, **_STEPS),
    case("text_counts", _WORDS, keys=("a", "b"), values=(1, 2), default=0, depth=3, **{**_STEPS, "split": None}),
]
