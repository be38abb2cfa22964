"""`tf.strings`: functions over arrays of strings, whose elements are bytes objects, as in TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError, UnknownValueError
from graphkit.ir.eager_tensor import eager
from graphkit.ops import texts
from graphkit.tensorflow.dtypes import dtype_name
from graphkit.tensorflow.table import NAMES, as_tensor, is_deferred, strings_of, tensorflow


class RaggedTensor(list[Any]):
    """Rows of different lengths, as `tf.strings.split` returns them: a list of lists of strings. Source: tf.RaggedTensor."""

    dtype = "string"

    def to_list(self) -> list[Any]:
        """Return nested lists."""
        return [row.to_list() if isinstance(row, RaggedTensor) else list(row) for row in self]

    def to_tensor(self, default_value: Any = b"", shape: Any = None, name: str | None = None) -> Any:
        """Return an array in which short rows are filled up."""
        width = max((len(row) for row in self), default=0)
        width = width if shape is None or shape[1] is None else int(shape[1])
        rows = [[*row[:width], *[default_value] * (width - len(row))] for row in self]
        return eager(strings_of(np.array(rows, object).reshape(len(self), width)))

    def row_lengths(self) -> Any:
        """Return the number of elements in each row."""
        return eager(np.array([len(row) for row in self], "int64"))

    def numpy(self) -> Any:
        """Return an array of the rows."""
        made = np.empty(len(self), object)
        made[:] = [np.array(row, object) for row in self]
        return made

    @property
    def flat_values(self) -> Any:
        """All elements in one array."""
        return eager(strings_of([part for row in self for part in row]))

    values = flat_values

    @property
    def shape(self) -> tuple[Any, ...]:
        """The number of rows, and None."""
        return (len(self), None)

    def __repr__(self) -> str:
        return f"<tf.RaggedTensor {self.to_list()}>"


def _rows(parts: Any) -> Any:
    """Return the parts of one string as an array, those of several as rows."""
    if isinstance(parts, list):
        return eager(strings_of(parts) if parts else np.empty(0, object))
    return _nested(parts)


def _nested(parts: Any) -> RaggedTensor:
    if parts.ndim > 1:
        return RaggedTensor(_nested(row) for row in parts)
    return RaggedTensor([part if isinstance(part, bytes) else part.encode() for part in row] for row in parts)


@tensorflow("strings.lower", tensors="")
def lower(input: Any, encoding: str = "") -> Any:
    """Convert to lowercase. Source: tf.strings.lower."""
    return strings_of(texts.lower(input, encoding))


@tensorflow("strings.upper", tensors="")
def upper(input: Any, encoding: str = "") -> Any:
    """Convert to uppercase. Source: tf.strings.upper."""
    return strings_of(texts.upper(input, encoding))


@tensorflow("strings.strip", tensors="")
def strip(input: Any) -> Any:
    """Remove whitespace at both ends. Source: tf.strings.strip."""
    return strings_of(texts.strip(input))


@tensorflow("strings.regex_replace", tensors="")
def regex_replace(input: Any, pattern: Any, rewrite: Any, replace_global: bool = True) -> Any:
    """Replace matches; the pattern is Python's, which agrees with RE2 in all that both have. Source: tf.strings.regex_replace."""
    return strings_of(texts.regex_replace(input, pattern, rewrite, replace_global))


@tensorflow("strings.regex_full_match", tensors="")
def regex_full_match(input: Any, pattern: Any) -> Any:
    """Return whether the pattern matches whole strings. Source: tf.strings.regex_full_match."""
    return np.asarray(texts.regex_full_match(input, pattern), bool)


@tensorflow("strings.length", tensors="")
def length(input: Any, unit: str = "BYTE") -> Any:
    """Return the number of bytes or characters. Source: tf.strings.length."""
    return np.asarray(texts.length(input, unit), "int32")


@tensorflow("strings.substr", tensors="")
def substr(input: Any, pos: Any, len: Any, unit: str = "BYTE") -> Any:
    """Return parts of strings; `pos` and `len` are numbers, or arrays of the strings' shape. Source: tf.strings.substr."""
    array, starts, lengths = np.broadcast_arrays(strings_of(input), np.asarray(pos), np.asarray(len))
    made = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        text: Any = array[index]
        whole = text.decode() if unit == "UTF8_CHAR" else text
        first = int(starts[index])
        size = whole.__len__()
        if not -size <= first <= size:
            raise InvalidArgumentError(f"tf.strings.substr: pos {first} is out of range for a string of length {size}.")
        first = first + size if first < 0 else first
        part = whole[first : first + int(lengths[index])]
        made[index] = part.encode() if isinstance(part, str) else part
    return made


@tensorflow("strings.to_number", tensors="")
def to_number(input: Any, out_type: Any = "float32") -> Any:
    """Parse numbers. Source: tf.strings.to_number."""
    return np.asarray(texts.to_number(input, dtype_name(out_type)), dtype_name(out_type))


@tensorflow("strings.join", tensors="")
def join(inputs: Sequence[Any], separator: str = "") -> Any:
    """Join the strings of several arrays elementwise. Source: tf.strings.join."""
    return strings_of(texts.join(list(inputs), separator))


@tensorflow("strings.reduce_join", tensors="")
def reduce_join(inputs: Any, axis: Any = None, keepdims: bool = False, separator: str = "") -> Any:
    """Join the strings along axes. Source: tf.strings.reduce_join."""
    array, between = strings_of(inputs), separator.encode()
    if not array.ndim:
        return array
    axes = tuple(range(array.ndim)) if axis is None else tuple(int(a) % array.ndim for a in np.ravel(axis))
    kept = [a for a in range(array.ndim) if a not in axes]
    moved = np.transpose(array, [*kept, *axes]).reshape(*(array.shape[a] for a in kept), -1)
    made = np.empty(moved.shape[:-1], object)
    for index in np.ndindex(made.shape):
        made[index] = between.join(moved[index])
    return made.reshape([1 if a in axes else array.shape[a] for a in range(array.ndim)]) if keepdims else made


@tensorflow("strings.split", tensors="")
def split(input: Any, sep: Any = None, maxsplit: int = -1) -> Any:
    """Split at a separator, or at whitespace. Source: tf.strings.split."""
    return _rows(texts.split(input, sep, maxsplit))


@tensorflow("strings.unicode_split", tensors="")
def unicode_split(input: Any, input_encoding: str, errors: str = "replace", replacement_char: int = 65533) -> Any:
    """Split into characters. Source: tf.strings.unicode_split."""
    return _rows(texts.unicode_split(input, input_encoding))


@tensorflow("strings.bytes_split", tensors="")
def bytes_split(input: Any) -> Any:
    """Split into bytes. Source: tf.strings.bytes_split."""
    return _rows(texts.bytes_split(input))


@tensorflow("strings.unicode_decode", tensors="")
def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
) -> Any:
    """Return the code points of one string. Source: tf.strings.unicode_decode."""
    array = strings_of(input)
    if array.ndim:
        return RaggedTensor([ord(c) for c in part.decode(input_encoding, errors)] for part in array)
    return np.array([ord(c) for c in array[()].decode(input_encoding, errors)], "int32")


@tensorflow("strings.unicode_encode", tensors="")
def unicode_encode(input: Any, output_encoding: str, errors: str = "replace", replacement_char: int = 65533) -> Any:
    """Return strings of code points, along the last axis. Source: tf.strings.unicode_encode."""
    array = np.asarray(input)
    made = np.empty(array.shape[:-1], object)
    for index in np.ndindex(made.shape):
        made[index] = "".join(map(chr, array[index])).encode(output_encoding, errors)
    return made


@tensorflow("strings.as_string as_string", tensors="input")
def as_string(
    input: Any, precision: int = -1, scientific: bool = False, shortest: bool = False, width: int = -1, fill: str = ""
) -> Any:
    """Write numbers as strings, as C's printf does. Source: tf.strings.as_string."""
    array = np.asarray(input)
    kind = "e" if scientific else "g" if shortest else "f"
    made = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        value = array[index]
        if array.dtype.kind == "b":
            text = "true" if value else "false"
        elif array.dtype.kind == "f":
            text = format(float(value), f".{precision if precision >= 0 else 6}{kind}")
        else:
            text = value.decode() if isinstance(value, bytes) else str(value)
        made[index] = (text.rjust(width, fill or " ") if width > 0 else text).encode()
    return made


@tensorflow("strings.format", tensors="")
def format_(template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3) -> Any:
    """Put tensors into a template. Source: tf.strings.format."""
    from graphkit.tensorflow.runtime import text_of_tensor

    parts = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    pieces = template.split(placeholder)
    if len(pieces) != len(parts) + 1:
        raise InvalidArgumentError(f"tf.strings.format: {len(pieces) - 1} placeholders, but {len(parts)} inputs.")
    filled = [pieces[0]]
    for part, piece in zip(parts, pieces[1:], strict=True):
        filled += [text_of_tensor(part, summarize), piece]
    return strings_of("".join(filled))


@tensorflow("strings.ngrams", tensors="")
def ngrams(
    data: Any, ngram_width: Any, separator: str = " ", pad_values: Any = None, padding_width: Any = None,
    preserve_short_sequences: bool = False,
) -> Any:  # fmt: skip
    """Return the n-grams of rows of words. Source: tf.strings.ngrams."""
    if pad_values is not None or padding_width is not None:
        raise InvalidArgumentError("tf.strings.ngrams: padding is not supported; add the padding to `data`.")
    widths = [int(w) for w in np.ravel(ngram_width)]
    rows = data if isinstance(data, RaggedTensor) else strings_of(data)
    if not isinstance(rows, RaggedTensor) and rows.ndim == 1:
        return strings_of(_ngrams_of(list(rows), widths, separator, preserve_short_sequences))
    made = [_ngrams_of(list(row), widths, separator, preserve_short_sequences) for row in rows]
    return RaggedTensor(made) if isinstance(data, RaggedTensor) else strings_of(made)


def _ngrams_of(words: list[bytes], widths: list[int], separator: str, keep_short: bool) -> list[bytes]:
    made = [separator.encode().join(words[i : i + w]) for w in widths for i in range(len(words) - w + 1)]
    return made or ([separator.encode().join(words)] if keep_short and words else [])


NAMES["RaggedTensor"] = RaggedTensor


class KeyValueTensorInitializer:
    """The keys and values of a table. Source: tf.lookup.KeyValueTensorInitializer."""

    def __init__(
        self, keys: Any, values: Any, key_dtype: Any = None, value_dtype: Any = None, name: str | None = None
    ) -> None:
        self.keys, self.values = as_tensor(keys, key_dtype), as_tensor(values, value_dtype)


class StaticHashTable:
    """A table from strings or integers to values; not for tensors of traced functions. Source: tf.lookup.StaticHashTable.

    Args:
        initializer: The keys and values.
        default_value: The value of other keys.
        name, experimental_is_anonymous: Accepted, without effect.
    """

    def __init__(
        self, initializer: Any, default_value: Any, name: str | None = None, experimental_is_anonymous: bool = False
    ) -> None:
        self._values = np.asarray(initializer.values)
        self._table = dict(zip(np.asarray(initializer.keys).tolist(), self._values.tolist(), strict=True))
        self._default = np.asarray(as_tensor(default_value)).item()

    def lookup(self, keys: Any, name: str | None = None) -> Any:
        """Return the values of keys."""
        if is_deferred(keys):
            raise UnknownValueError(
                "tf.lookup.StaticHashTable works on arrays; in a model use keras.layers.StringLookup."
            )
        array = np.asarray(as_tensor(keys))
        made = np.array([self._table.get(key, self._default) for key in array.ravel().tolist()], self._values.dtype)
        return eager(made.reshape(array.shape))

    __getitem__ = lookup

    def size(self, name: str | None = None) -> Any:
        """Return the number of keys."""
        return as_tensor(np.int64(len(self._table)))


NAMES["lookup.KeyValueTensorInitializer"] = KeyValueTensorInitializer
NAMES["lookup.StaticHashTable"] = StaticHashTable
