"""Functions over arrays of strings under TensorFlow's names, for user-defined standardization and splitting of texts.

They accept strings, bytes, and nested lists or arrays of them, but not symbolic tensors, for which they raise
InvalidTypeError. Regular expressions are Python's.
Source: tf.strings (TensorFlow 2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidTypeError
from graphkit.ir.operators import Symbolic
from graphkit.ops.strings import PUNCTUATION, text_of

__all__ = [
    "PUNCTUATION", "bytes_split", "join", "length", "lower", "regex_full_match", "regex_replace", "split", "strip", "substr",
    "to_number", "unicode_split", "upper",
]  # fmt: skip

Strings = Any
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER, _UPPER = str.maketrans(_CAPITALS, _CAPITALS.lower()), str.maketrans(_CAPITALS.lower(), _CAPITALS)


def as_texts(value: Any) -> Any:
    """Convert strings, bytes, or nested lists of them to an array of str.

    Raises:
        InvalidTypeError: If `value` is a symbolic tensor.
    """
    if isinstance(value, Symbolic):
        raise InvalidTypeError(f"Functions over strings work on arrays, not on symbolic tensors: {value!r:.80}")
    array = np.asarray(value, object)
    made = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        made[index] = text_of(array[index])
    return made


def _each(function: Callable[[str], Any], value: Any, dtype: Any = object) -> Any:
    texts = as_texts(value)
    made = np.empty(texts.shape, dtype)
    for index in np.ndindex(texts.shape):
        made[index] = function(texts[index])
    return made if made.ndim else made[()]


def lower(input: Strings, encoding: str = "", name: str | None = None) -> Any:
    """Convert to lowercase: ASCII letters, or all letters with encoding="utf-8"."""
    return _each(str.lower if encoding == "utf-8" else lambda text: text.translate(_LOWER), input)


def upper(input: Strings, encoding: str = "", name: str | None = None) -> Any:
    """Convert to uppercase: ASCII letters, or all letters with encoding="utf-8"."""
    return _each(str.upper if encoding == "utf-8" else lambda text: text.translate(_UPPER), input)


def strip(input: Strings, name: str | None = None) -> Any:
    """Remove whitespace at both ends."""
    return _each(lambda text: text.strip(" \t\n\v\f\r"), input)


def regex_replace(
    input: Strings, pattern: str, rewrite: str, replace_global: bool = True, name: str | None = None
) -> Any:
    """Replace the matches of `pattern` by `rewrite`: all of them, or the first with `replace_global=False`."""
    compiled = re.compile(text_of(pattern))
    return _each(lambda text: compiled.sub(text_of(rewrite), text, count=0 if replace_global else 1), input)


def regex_full_match(input: Strings, pattern: str, name: str | None = None) -> Any:
    """Return whether `pattern` matches the whole string."""
    compiled = re.compile(text_of(pattern))
    return _each(lambda text: compiled.fullmatch(text) is not None, input, bool)


def length(input: Strings, unit: str = "BYTE", name: str | None = None) -> Any:
    """Return the number of bytes, or of characters with unit="UTF8_CHAR"."""
    return _each(lambda text: len(text if unit == "UTF8_CHAR" else text.encode()), input, np.int32)


def substr(input: Strings, pos: int, len: int, unit: str = "BYTE", name: str | None = None) -> Any:
    """Return `len` bytes from `pos` on, or characters with unit="UTF8_CHAR"."""

    def part(text: str) -> str:
        if unit == "UTF8_CHAR":
            return text[pos:][:len]
        return text.encode()[pos:][:len].decode("utf-8", "replace")

    return _each(part, input)


def to_number(input: Strings, out_type: Any = "float32", name: str | None = None) -> Any:
    """Parse strings as numbers.

    Raises:
        ValueError: If a string is not a number.
    """
    kind = np.dtype(getattr(out_type, "name", out_type))
    return _each(int if kind.kind in "iu" else float, input, kind)


def join(inputs: Sequence[Strings], separator: str = "", name: str | None = None) -> Any:
    """Join the strings of several arrays elementwise; the arrays are broadcast."""
    parts = np.broadcast_arrays(*(as_texts(part) for part in inputs))
    made = np.empty(parts[0].shape, object)
    for index in np.ndindex(made.shape):
        made[index] = separator.join(str(part[index]) for part in parts)
    return made if made.ndim else made[()]


def split(input: Strings, sep: str | None = None, maxsplit: int = -1, name: str | None = None) -> Any:
    """Split into lists at `sep`, or at whitespace without empty parts."""
    separator = text_of(sep) if sep else None
    return _rows(lambda text: text.split(separator, maxsplit), input)


def unicode_split(input: Strings, input_encoding: str = "UTF-8", name: str | None = None) -> Any:
    """Split into lists of characters."""
    return _rows(list, input)


def bytes_split(input: Strings, name: str | None = None) -> Any:
    """Split into lists of bytes."""
    return _rows(lambda text: [bytes([value]) for value in text.encode()], input)


def _rows(function: Callable[[str], list[Any]], value: Any) -> Any:
    """Return an array of lists of the shape of `value`, or a list for a single string."""
    return _each(function, value)
