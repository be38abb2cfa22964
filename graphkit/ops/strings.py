"""String ops for preprocessing layers: table lookup, hashing, tokenization. Keras has no public ops for these."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, TypedDict, Unpack

import numpy as np

from graphkit.core.dims import Dim, Size
from graphkit.core.errors import DTypeError, InvalidArgumentError, NotBuiltError, ShapeError
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ops._convert import tensor
from graphkit.ops._hashing import BLOCK, Bytes, fingerprint, sip_hash

__all__: list[str] = []

_DISCRETE = "strings and integers have no gradient"
NO_VOCABULARY = "A lookup layer has no vocabulary yet: pass `vocabulary`, or call `adapt` with some sample data."
PUNCTUATION = "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"
_REMOVED = str.maketrans("", "", PUNCTUATION)
_LOWERED = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")  # ASCII only, as in TensorFlow
_SPACES = re.compile(r"[ \t\n\v\f\r]+")


def text_of(value: Any) -> str:
    """Convert an element of an array to str; bytes are decoded as UTF-8."""
    if isinstance(value, np.ndarray):
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _items(x: Any) -> list[Any]:
    """Return the elements as Python objects; iterating over an eager tensor would give tensors."""
    return x.view(np.ndarray).ravel().tolist()  # type: ignore[no-any-return]


def _each(function: Callable[[Any], Any]) -> Callable[..., None]:
    """Make an elementwise kernel."""

    def kernel(out: Any, x: Any, **params: Any) -> None:
        flat = [function(v, **params) for v in _items(x)]
        made = np.empty(len(flat), out.dtype)
        made[:] = flat
        np.copyto(out, made.reshape(out.shape))

    return kernel


def _of_dtype(x: TensorSpec, wanted: Sequence[str], what: str) -> None:
    if x.dtype not in wanted:
        raise DTypeError(f"{what} expects a tensor of dtype {' or '.join(wanted)}, got {x.dtype}.")


# ----- tables -----


def _table_dtype(values: tuple[Any, ...]) -> str:
    return "string" if values and isinstance(values[0], str) else "int64"


def _lookup_abstract(x: TensorSpec, keys: tuple[Any, ...], values: tuple[Any, ...], default: Any) -> TensorSpec:
    _of_dtype(x, (_table_dtype(keys),) if keys else ("string", "int64"), "table_lookup")
    return TensorSpec(x.shape, _table_dtype((default,)))


@lru_cache(maxsize=256)
def _table(keys: tuple[Any, ...], values: tuple[Any, ...]) -> dict[Any, Any]:
    """Return the table as a dict. An empty one means that the vocabulary is not set yet: only shapes can be inferred."""
    if not keys:
        raise NotBuiltError(NO_VOCABULARY)
    return dict(zip(keys, values, strict=True))


def _lookup_kernel(out: Any, x: Any, keys: tuple[Any, ...], values: tuple[Any, ...], default: Any) -> None:
    table, read = _table(keys, values), text_of if x.dtype.kind in "OSU" else int
    made = np.empty(x.size, out.dtype)
    found = [table.get(read(v), default) for v in _items(x)]
    if default is None and None in found:
        unknown = [v for v, index in zip(_items(x), found, strict=True) if index is None]
        raise InvalidArgumentError(
            f"When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values {unknown[:8]}, consider setting "
            "`num_oov_indices=1`."
        )
    made[:] = found
    np.copyto(out, made.reshape(out.shape))


table_lookup_p: Primitive = primitive("table_lookup", _lookup_abstract, kernel=_lookup_kernel, nondiff=_DISCRETE)


def table_lookup(x: Any, keys: Sequence[Any], values: Sequence[Any], default: Any) -> Any:
    """Map each element to the value of its key.

    Args:
        x: strings or int64, as the keys.
        keys: strings or ints.
        values: as many strings or ints.
        default: the result for an element that is not a key; None refuses such elements (in ONNX they become -1).

    Raises:
        DTypeError: If the dtype of `x` is not that of the keys.
        NotBuiltError: If there are no keys, when it is computed.
        InvalidArgumentError: If there is no default and an element is not a key, when it is computed.
    """
    return table_lookup_p.bind(tensor(x), keys=tuple(keys), values=tuple(values), default=default)


# ----- hashes -----


def _as_string_abstract(x: TensorSpec, **_: Any) -> TensorSpec:
    if x.dtype not in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        raise DTypeError(f"as_string expects integers, got {x.dtype}.")
    return TensorSpec(x.shape, "string")


def _hash_abstract(x: TensorSpec, key: tuple[int, int] | None) -> TensorSpec:
    _of_dtype(x, ("string",), "string_hash")
    return TensorSpec(x.shape, "uint64")


def _blocks_of(sizes: Any) -> int:
    return int(np.max(sizes, initial=0)) // BLOCK + 1


def _bytes_abstract(x: TensorSpec, blocks: Size) -> tuple[TensorSpec, TensorSpec]:
    _of_dtype(x, ("string",), "string_bytes")
    return TensorSpec((x.shape[0], blocks * BLOCK), "uint8"), TensorSpec((x.shape[0],), "int64")


def _encoded(x: Any) -> list[bytes]:
    return [v if isinstance(v, bytes) else str(v).encode() for v in _items(x)]


def _bytes_kernel(out: Any, x: Any, blocks: int) -> None:
    for row, text in enumerate(_encoded(x)):
        out[0][row] = np.frombuffer(text.ljust(blocks * BLOCK, b"\0"), np.uint8)
        out[1][row] = len(text)


string_bytes_p = primitive("string_bytes", _bytes_abstract, kernel=_bytes_kernel, nondiff=_DISCRETE)
"""Strings (n,) as rows of UTF-8 bytes, zero-padded to `blocks` blocks of 64, and their lengths."""

_BLOCKS = count()


def _hash_of_bytes(x: Any, key: tuple[int, int] | None) -> Any:
    """Compute the hash from bytes. The number of blocks depends on the strings, so in a trace it is a named `Dim`."""
    from graphkit.ops.shaping import reshape, shape

    flat = reshape(x, (-1,))
    blocks = _blocks_of([len(t) for t in _encoded(x)]) if isinstance(x, np.ndarray) else None
    text = Bytes(*string_bytes_p.bind(flat, blocks=blocks or Dim.named(f"blocks_{next(_BLOCKS)}")))
    return reshape(fingerprint(text) if key is None else sip_hash(text, key), shape(x))


def _hash_kernel(out: Any, x: Any, key: tuple[int, int] | None) -> None:
    np.copyto(out, _hash_of_bytes(x, key))


as_string_p = primitive("as_string", _as_string_abstract, kernel=_each(lambda v: str(int(v))), nondiff=_DISCRETE)
string_hash_p = primitive(
    "string_hash", _hash_abstract, kernel=_hash_kernel, decomposition=_hash_of_bytes, nondiff=_DISCRETE
)


def as_string(x: Any) -> Any:
    """Convert integers to decimal strings.

    Raises:
        DTypeError: If `x` is not an integer tensor.
    """
    return as_string_p.bind(tensor(x))


def string_hash(x: Any, key: Any = None) -> Any:
    """Hash each string to uint64: by FarmHash's Fingerprint64, or by SipHash with a `key` of two integers.

    Raises:
        DTypeError: If `x` is not a string tensor.
    """
    return string_hash_p.bind(tensor(x), key=None if key is None else (int(key[0]), int(key[1])))


# ----- tokenization -----


Split = str | Callable[[Any], Any] | None


class Steps(TypedDict):
    """How texts are standardized and split into tokens."""

    lower: bool  # lowercase ASCII letters
    strip: bool  # remove punctuation
    change: Callable[[Any], Any] | None  # a user-defined function of a batch of texts, instead of both
    split: Split  # "whitespace", "character", a function from a batch of texts to lists of tokens, or None
    ngrams: tuple[int, ...] | None


def token_rows(x: Any, steps: Steps) -> Iterator[list[str]]:
    """Yield the tokens of each sample of texts (batch,), (batch, 1), or without a split (batch, n).

    Raises:
        ShapeError: If a user-defined function returns another number of rows.
    """
    texts = _changed(x, steps)
    split, ngrams = steps["split"], steps["ngrams"]
    if split is None:
        rows: Iterable[Any] = texts.reshape(len(texts), -1)
    elif callable(split):
        rows = _result(split, texts.reshape(-1), f"split={split!r}", len(texts))
    else:
        rows = map(list if split == "character" else _words, texts.reshape(-1))
    for row in rows:
        words = [text_of(word) for word in row]
        yield words if ngrams is None else _joined(words, ngrams)


def _changed(x: Any, steps: Steps) -> Any:
    """Standardize texts."""
    change, texts = steps["change"], np.empty(x.shape, object)
    texts.reshape(-1)[:] = [text_of(v) for v in _items(x)]
    if change is not None:
        rows = _result(change, texts, f"standardize={change!r}", len(texts))
        texts.reshape(-1)[:] = [text_of(v) for v in _items(np.asarray(rows, object))]  # a function may return bytes
    for table in ([_LOWERED] if steps["lower"] else []) + ([_REMOVED] if steps["strip"] else []):
        texts.reshape(-1)[:] = [text.translate(table) for text in texts.ravel()]
    return texts


def _result(function: Callable[[Any], Any], texts: Any, what: str, number: int) -> Any:
    """Apply a user-defined function to a batch of texts. Raises ShapeError if it returns another number of rows."""
    made = function(texts)
    if not hasattr(made, "__len__") or isinstance(made, (str, bytes)) or len(made) != number:
        raise ShapeError(f"{what} must return as many rows as it gets texts: {number}. It returned {made!r:.120}")
    return made


def _words(text: str) -> list[str]:
    return [word for word in _SPACES.split(text) if word]


def _joined(words: list[str], ngrams: tuple[int, ...]) -> list[str]:
    return [" ".join(words[i : i + n]) for n in ngrams for i in range(len(words) - n + 1)]


def _text_spec(width: str) -> Callable[..., TensorSpec]:
    def abstract(x: TensorSpec, *, split: str | None, **params: Any) -> TensorSpec:
        _of_dtype(x, ("string",), "a text")
        if x.rank not in (1, 2) or (split is not None and x.rank == 2 and x.shape[1] != 1):
            raise ShapeError(f"Texts that are split must have the shape (batch,) or (batch, 1), got {x}.")
        return TensorSpec((x.shape[0], params[width]), "int64")

    return abstract


def _indices_kernel(
    out: Any, x: Any, keys: Any, values: Any, default: int, length: int, **steps: Unpack[Steps]
) -> None:
    table = _table(keys, values)
    out[...] = 0
    for row, words in zip(out, token_rows(x, steps), strict=True):
        found = [table.get(w, default) if w else 0 for w in words[:length]]
        row[: len(found)] = found


def _counts_kernel(out: Any, x: Any, keys: Any, values: Any, default: int, depth: int, **steps: Unpack[Steps]) -> None:
    table = _table(keys, values)
    out[...] = 0
    for row, words in zip(out, token_rows(x, steps), strict=True):
        for word in words:
            index = table.get(word, default)
            if word and 0 <= index < depth:
                row[index] += 1


text_indices_p = primitive("text_indices", _text_spec("length"), kernel=_indices_kernel, nondiff=_DISCRETE)
text_counts_p = primitive("text_counts", _text_spec("depth"), kernel=_counts_kernel, nondiff=_DISCRETE)


def text_indices(x: Any, keys: Any, values: Any, default: int, length: Size, **steps: Any) -> Any:
    """Map the tokens of texts to indices by a table.

    Args:
        x: strings (batch,) or (batch, 1).
        keys: the tokens of the table.
        values: their indices.
        default: the index of unknown tokens; an empty token is 0.
        length: the number of tokens for each text, which is truncated or padded with 0.
        steps: the items of `Steps`.

    Returns:
        (batch, length), int64.

    Raises:
        DTypeError: If `x` is not a string tensor.
        ShapeError: If `x` has a wrong shape, or a user-defined function returns another number of rows.
        NotBuiltError: If there are no keys, when it is computed.
    """
    return text_indices_p.bind(
        tensor(x), keys=tuple(keys), values=tuple(values), default=default, length=length, **steps
    )


def text_counts(x: Any, keys: Any, values: Any, default: int, depth: int, **steps: Any) -> Any:
    """Count how often each index below `depth` occurs among the tokens of texts; returns (batch, depth), int64.

    Arguments and errors are those of `text_indices`.
    """
    return text_counts_p.bind(tensor(x), keys=tuple(keys), values=tuple(values), default=default, depth=depth, **steps)


# ----- arithmetic of hashes -----

_MIX = np.asarray(0xC6A4A7935BD1E995, np.uint64)
_CROSS_SEED = np.asarray(0xDECAFCAFFE, np.uint64)


def hash_bucket(hashes: Any, number: int) -> Any:
    """Compute uint64 hashes modulo `number`, as int64, with signed arithmetic only, which every runtime can divide."""
    from graphkit.ops.bitwise import bitwise_and, right_shift
    from graphkit.ops.elementwise import cast, mod

    one = np.asarray(1, np.uint64)
    half, odd = cast(right_shift(hashes, one), "int64"), cast(bitwise_and(hashes, one), "int64")
    return mod(mod(half, np.asarray(number, np.int64)) * np.asarray(2, np.int64) + odd, np.asarray(number, np.int64))


def crossed_hash(features: Sequence[Any]) -> Any:
    """Combine several features of the same shape into one uint64 hash; strings enter by their fingerprint.

    This is TensorFlow's `tf.sparse.cross_hashed` before the modulo.

    Args:
        features: string or integer tensors.
    """
    from graphkit.ops.bitwise import bitwise_xor, right_shift
    from graphkit.ops.elementwise import cast, multiply

    def shift_mix(x: Any) -> Any:
        return bitwise_xor(x, right_shift(x, np.asarray(47, np.uint64)))

    result: Any = _CROSS_SEED
    for feature in features:
        x = tensor(feature)
        word = string_hash(x) if TensorSpec.of(x).dtype == "string" else cast(cast(x, "int64"), "uint64")
        result = bitwise_xor(bitwise_xor(result, _MIX), multiply(shift_mix(multiply(word, _MIX)), _MIX))
        result = shift_mix(multiply(shift_mix(multiply(result, _MIX)), _MIX))
    return result
