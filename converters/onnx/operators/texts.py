"""Strings and encoded images. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.ir.tracing import Tracer
from graphkit.utils.images import pillow

from .known import array
from .table import MICROSOFT, operator


def strings(value: Any) -> Any:
    """Return strings as an object array of str.

    Raises:
        UnsupportedError: they are not known: operators on strings compute on arrays, not in a traced program.
    """
    if isinstance(value, Tracer):
        raise UnsupportedError(
            "strings are computed on arrays only, so this operator cannot be part of a traced program."
        )
    raw = np.asarray(value)
    made = np.empty(raw.shape, object)
    made.reshape(-1)[:] = [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in raw.reshape(-1)]
    return made


@operator("StringConcat")
def string_concat(a: Any, b: Any) -> Any:
    """Join strings element by element."""
    left, right = np.broadcast_arrays(strings(a), strings(b))
    return np.asarray(left + right, object)


@operator("StringNormalizer")
def string_normalizer(
    x: Any,
    *,
    case_change_action: str = "NONE",
    is_case_sensitive: int = 0,
    locale: str | None = None,
    stopwords: Any = None,
) -> Any:
    """Remove stopwords and change the case."""
    texts = strings(x)
    stops = set(stopwords or ()) if is_case_sensitive else {s.lower() for s in stopwords or ()}
    kept = [t for t in texts.reshape(-1) if (t if is_case_sensitive else t.lower()) not in stops]
    change = {"LOWER": str.lower, "UPPER": str.upper}.get(case_change_action, str)
    row = [change(t) for t in kept] or [""]
    return np.array(row if texts.ndim == 1 else [row], object)


@operator("StringSplit")
def string_split(x: Any, *, delimiter: str | None = None, maxsplit: int | None = None) -> Any:
    """Split strings into parts, padded with empty strings, and count the parts."""
    texts = strings(x)
    rows = [t.split(delimiter or None, -1 if maxsplit is None else maxsplit) for t in texts.reshape(-1)]
    width = max(map(len, rows), default=0)
    padded = np.array([r + [""] * (width - len(r)) for r in rows], object).reshape(*texts.shape, width)
    return padded, np.array([len(r) for r in rows], np.int64).reshape(texts.shape)


@operator("RegexFullMatch")
def regex_full_match(x: Any, *, pattern: str) -> Any:
    """Return whether each string matches a pattern as a whole."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidArgumentError(f"the pattern {pattern!r:.80} is invalid: {error}") from None
    texts = strings(x)
    return np.array([compiled.fullmatch(t) is not None for t in texts.reshape(-1)], bool).reshape(texts.shape)


@operator("TfIdfVectorizer")
def tf_idf_vectorizer(
    x: Any, *, max_gram_length: int, max_skip_count: int, min_gram_length: int, mode: str, ngram_counts: Any, ngram_indexes: Any,
    pool_int64s: Any = None, pool_strings: Any = None, weights: Any = None,
) -> Any:  # fmt: skip
    """Count n-grams, weighted."""
    raw = array(x, "input")
    rows = raw.reshape(1, -1) if raw.ndim < 2 else raw
    pool = list(pool_strings) if pool_strings else [int(v) for v in pool_int64s]
    grams: dict[tuple[Any, ...], int] = {}
    bounds = [*ngram_counts, len(pool)]
    for n, (start, stop) in enumerate(pairwise(bounds), start=1):
        for place in range(start, stop, n):
            grams[tuple(pool[place : place + n])] = len(grams)
    width = max(ngram_indexes) + 1
    made = np.zeros((len(rows), width), np.float32)
    for number, row in enumerate(rows):
        tokens = [
            t.decode("utf-8") if isinstance(t, bytes) else t if isinstance(t, str) else int(t) for t in row.tolist()
        ]
        found: Counter[tuple[Any, ...]] = Counter()
        for n in range(max(min_gram_length, 1), min(max_gram_length, len(tokens)) + 1):
            for skip in range(max_skip_count + 1 if n > 1 else 1):
                reach = (n - 1) * (skip + 1)
                if reach >= len(tokens):
                    break
                for start in range(len(tokens) - reach):
                    found[tuple(tokens[start : start + reach + 1 : skip + 1])] += 1
        for gram, count in found.items():
            if gram in grams:
                place = ngram_indexes[grams[gram]]
                weight = weights[grams[gram]] if weights else 1.0
                made[number, place] += {"TF": count, "IDF": weight, "TFIDF": weight * count}[mode]
    return made[0] if raw.ndim < 2 else made


_MARKS = ("\x02", "\x03")  # start and end of a text


@operator("Tokenizer", domain=MICROSOFT)
def tokenizer(
    x: Any, *, mark: int, mincharnum: int, pad_value: str, separators: Any = None, tokenexp: str | None = None
) -> Any:
    """Cut strings into tokens: what a pattern matches, what is between separators, or characters; rows are padded."""
    if bool(separators) == bool(tokenexp):
        raise InvalidArgumentError("Tokenizer expects either separators or tokenexp.")
    texts = strings(x)
    cut = _tokens(tokenexp or "|".join(f"(?:{s})" for s in separators or ()), bool(tokenexp))
    rows = [[t for t in cut(text) if len(t) >= mincharnum] for text in texts.reshape(-1)]
    rows = [[_MARKS[0], *row, _MARKS[1]] for row in rows] if mark else rows
    width = max(map(len, rows), default=0)
    made = np.full((len(rows), width), pad_value, object)
    for row, tokens in zip(made, rows, strict=True):
        row[: len(tokens)] = tokens
    return made.reshape(*texts.shape, width)


def _tokens(pattern: str, is_token: bool) -> Callable[[str], list[str]]:
    if not is_token and pattern == "(?:)":
        return list
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidArgumentError(f"the pattern {pattern!r:.80} is invalid: {error}") from None
    if is_token:
        return lambda text: [found.group(0) for found in compiled.finditer(text)]
    return compiled.split


_PIXELS = {"RGB": "RGB", "BGR": "RGB", "Grayscale": "L"}


@operator("ImageDecoder", since=20)
def image_decoder(encoded: Any, *, pixel_format: str = "RGB") -> Any:
    """Decode the bytes of an image file to (height, width, channels); what is no image gives an empty one."""
    if pixel_format not in _PIXELS:
        raise UnsupportedError(f"pixel_format expects one of {sorted(_PIXELS)}, got {pixel_format!r}.")
    files = pillow()
    data = array(encoded, "encoded_stream")
    try:
        image = np.asarray(files.open(BytesIO(data.tobytes())).convert(_PIXELS[pixel_format]))
    except (OSError, SyntaxError, ValueError, files.DecompressionBombError):
        return np.zeros((0, 0, 1 if pixel_format == "Grayscale" else 3), np.uint8)
    image = image[:, :, None] if image.ndim == 2 else image
    return np.ascontiguousarray(image[:, :, ::-1]) if pixel_format == "BGR" else image
