"""Layers that map categories to indices by a vocabulary: StringLookup, IntegerLookup, TextVectorization."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument, must, or_none
from graphkit.core.dims import Size
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, NotBuiltError, SerializationError, ShapeError
from graphkit.core.files import write_bytes
from graphkit.core.serialization import keras_class, refuse_path_from_file
from graphkit.ir.recording import is_tracing
from graphkit.ir.tracing import measured_size
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.preprocessing.categories import (
    EncodingArguments,
    RaggedArgument,
    TakesPlainValues,
    as_categories,
    batches_of,
    encode,
)
from graphkit.layers.shapes import symbolic_of_shapes
from graphkit.ops.strings import (
    Steps,
    as_string,
    hash_bucket,
    string_hash,
    table_lookup,
    text_counts,
    text_indices,
    text_of,
    token_rows,
)

_HOME = "keras.layers"
_VOCABULARY = "vocabulary.txt"


def salt_of(layer: Any, name: str, salt: Any) -> list[int] | None:
    """Return the key of a salted hash: two integers, which may be given as one.

    Raises:
        InvalidArgumentError: `salt` is something else.
    """
    if salt is None:
        return None
    pair = [salt, salt] if isinstance(salt, int) else list(salt) if isinstance(salt, (list, tuple)) else []
    if len(pair) != 2 or not all(isinstance(s, int) for s in pair):
        raise InvalidArgumentError(
            f"The `salt` argument of layer {layer.name!r} can only be two integers or one. Received: salt={salt}."
        )
    return pair


class _TokenCounts:
    """Counts tokens, and the documents that contain them, for `adapt`."""

    def __init__(self) -> None:
        self.counts: Counter[Any] = Counter()
        self.documents: Counter[Any] = Counter()
        self.number = 0

    def add(self, rows: Iterable[list[Any]]) -> None:
        """Count samples, each a list of tokens."""
        for row in rows:
            self.counts.update(row)
            self.documents.update(set(row))
            self.number += 1

    def most_frequent(self, without: tuple[Any, ...]) -> list[Any]:
        """Return the tokens by descending frequency; equally frequent ones in descending order."""
        ranked = ((n, t.encode() if isinstance(t, str) else t, t) for t, n in self.counts.items() if t not in without)
        return [t for _, _, t in sorted(ranked, key=lambda item: item[:2], reverse=True)]

    def inverse_frequencies(self, tokens: list[Any]) -> Any:
        """Return log(1 + documents / (1 + documents with the token))."""
        return np.log(1 + self.number / (1 + np.array([self.documents[t] for t in tokens], np.float64)))


_size_or_none = or_none(
    must(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "`vocabulary_size` of layer {owner.name!r} must be an integer, 0 or more, got {value!r}.",
    )
)


def _listed(value: Any) -> Any:
    """Return a vocabulary or weights as a list; None for the path of a file."""
    return None if value is None or isinstance(value, str) else np.asarray(value).tolist()


class VocabularyArguments(EncodingArguments, kw_only=True):
    """The arguments of layers with a vocabulary."""

    idf_weights: Any = argument(default=None, save=_listed, names_file=True)
    pad_to_max_tokens: bool = argument(default=False)
    encoding: str = argument(default="utf-8")
    _size: int | None = argument(default=None, hidden=True, alias="vocabulary_size", check=_size_or_none)
    _given: Any = argument(default=None, hidden=True, alias="has_input_vocabulary")


_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
_SPECIAL = "invert max_tokens num_oov_indices oov_token mask_token output_mode sparse pad_to_max_tokens"
_VALUES = "idf_weights vocabulary vocabulary_size"


class KeepsAssets:
    """Mixin of layers whose vocabulary is stored in a file: `asset_files` returns it, `load_asset_files` reads it."""

    def save_assets(self: Any, dir_path: Any) -> None:
        """Write the vocabulary, if it was learned, to a folder as `vocabulary.txt`. Source: keras Layer.save_assets."""
        for name, data in self.asset_files().items():
            write_bytes(Path(dir_path) / name, data)

    def load_assets(self: Any, dir_path: Any) -> None:
        """Read the vocabulary from a folder that `save_assets` wrote. Source: keras Layer.load_assets.

        Raises:
            SerializationError: the tokens are integers, and a line is not one.
        """
        self.load_asset_files({p.name: p.read_bytes() for p in Path(dir_path).iterdir() if p.is_file()})


class IndexLookup(VocabularyArguments, TakesPlainValues, KeepsAssets, BuiltInLayer):
    """Base of the lookup layers: a vocabulary, indices of unknown tokens, encodings.

    Indices in mode "int": 0 for the mask token if there is one, then `num_oov_indices` for unknown tokens, then the vocabulary.

    Args:
        max_tokens: the largest number of indices, special ones included; None for no limit.
        num_oov_indices: the number of indices for unknown (out-of-vocabulary) tokens.
        mask_token: the token of index 0; None for no mask.
        oov_token: the token that `invert` returns for indices of unknown tokens.
        vocabulary: a list or array of tokens, or the path of a text file with one per line; else learned by `adapt`.
        idf_weights: a weight for each token of the vocabulary, for mode "tf_idf".
        invert: whether to map indices to tokens.
        output_mode: "int", "one_hot", "multi_hot", "count" or "tf_idf".
        sparse: must be False: only dense tensors are supported.
        pad_to_max_tokens: whether encodings have `max_tokens` elements even for a smaller vocabulary.
        encoding: of the vocabulary file.
        oov_method: how an unknown integer selects one of several indices: "floormod" or "farmhash".
        salt: the key of the hash of unknown tokens: an int, or a list of two.

    Raises:
        InvalidArgumentError: an argument is invalid, or the vocabulary has repeated or reserved tokens.
    """

    kind: ClassVar[type] = str  # of a token
    autocast_tokens = False

    max_tokens: int | None = argument(default=None)
    num_oov_indices: int = argument(default=1)
    mask_token: Any = argument(default=None)
    oov_token: Any = argument(default="[UNK]")
    vocabulary: Any = argument(default=None, save=_listed, names_file=True)
    invert: bool = argument(default=False, kw_only=True)
    oov_method: str = argument(default="floormod", kw_only=True)
    salt: Any = argument(default=None, check=salt_of, kw_only=True)

    @property
    def output_modes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The modes; with `invert` only "int"."""
        return ("int",) if self.invert else _MODES

    def __post_init__(self) -> None:
        self._given = bool(self.vocabulary is not None if self._given is None else self._given)
        self._check()
        self.input_vocabulary = self.vocabulary if not isinstance(self.vocabulary, str) else None
        self.input_idf_weights = self.idf_weights
        self._tokens: list[Any] = []
        self._seen = _TokenCounts()
        self._idf: Any = None
        if self.vocabulary is not None:
            self.set_vocabulary(self.vocabulary, self.idf_weights)

    def _check(self) -> None:
        wrong = {
            "max_tokens": self.max_tokens is not None and self.max_tokens <= 1,
            "pad_to_max_tokens": self.pad_to_max_tokens and self.max_tokens is None,
            "num_oov_indices": self.num_oov_indices < 0,
            "oov_method": self.oov_method not in ("floormod", "farmhash"),
            "idf_weights": (self.idf_weights is not None)
            != (self.output_mode == "tf_idf" and self.vocabulary is not None),
        }
        name = next((n for n, bad in wrong.items() if bad), None)
        if name is not None:
            raise InvalidArgumentError(
                f"Layer {self.name!r}: invalid value for `{name}`: {getattr(self, name)!r}. `max_tokens` must be greater than 1, "
                "`pad_to_max_tokens` requires it, `num_oov_indices` must not be negative, `oov_method` must be 'floormod' or "
                "'farmhash', and `idf_weights` must be given if and only if a `vocabulary` is given in mode 'tf_idf'."
            )

    # ----- the vocabulary -----

    @property
    def _oov_start(self) -> int:
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    @property
    def _token_start(self) -> int:
        return self._oov_start + self.num_oov_indices

    @property
    def refuses_unknown(self) -> bool:
        """Whether tokens outside of the vocabulary are an error, since they have no index."""
        return not self.num_oov_indices and not self.invert

    @property
    def lacks_vocabulary(self) -> bool:
        """Whether the config announces a vocabulary that has not been loaded yet."""
        return not self._tokens and (self._size or 0) > self._token_start

    def vocabulary_size(self) -> int:
        """Return the number of indices, including those of the mask and of unknown tokens."""
        return len(self._tokens) + self._token_start

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the tokens in the order of their indices.

        Args:
            include_special_tokens: whether to include the mask and unknown tokens.
        """
        special = [self.mask_token] * self._oov_start + [self.oov_token] * self.num_oov_indices
        return [*(special if include_special_tokens else ()), *self._tokens]

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the vocabulary.

        Args:
            vocabulary: a list or array of tokens, with or without the special ones at the start, or the path of a text file.
            idf_weights: a weight for each token, for mode "tf_idf".

        Raises:
            InvalidArgumentError: the vocabulary is empty or too large, tokens are repeated or reserved, or the file cannot be read.
            ShapeError: `idf_weights` does not have one weight for each token.
            UnsafePathError: the path of the file comes from a config that is being loaded.
        """
        if isinstance(vocabulary, str):
            vocabulary = self._read(vocabulary)
        tokens = [self._token(t) for t in np.asarray(vocabulary).ravel().tolist()]
        if not tokens:
            raise InvalidArgumentError(
                f"Cannot set an empty vocabulary (layer {self.name!r}). Received: vocabulary={vocabulary}"
            )
        special = [self.mask_token] * self._oov_start + [self.oov_token] * self.num_oov_indices
        found = bool(special) and tokens[: len(special)] == special
        own = tokens[len(special) :] if found else tokens
        self._check_tokens(own, special)
        self._set_tokens(own)
        if self.output_mode == "tf_idf" and idf_weights is not None:
            self._set_idf(np.asarray(idf_weights, np.float64), len(tokens), found)

    def _check_tokens(self, tokens: list[Any], special: list[Any]) -> None:
        repeated = [t for t, n in Counter(tokens).items() if n > 1]
        if repeated:
            raise InvalidArgumentError(
                f"The vocabulary passed to layer {self.name!r} has at least one repeated term. Please uniquify it. The repeated "
                f"terms are: {repeated[:10]}"
            )
        reserved = [
            t for t in (self.mask_token, self.oov_token if self.invert else None) if t is not None and t in tokens
        ]
        if reserved:
            raise InvalidArgumentError(
                f"Found reserved token {reserved[0]!r} at an unexpected location in the vocabulary of layer {self.name!r}. Leave "
                f"out the mask and OOV tokens, or put them at the start in exactly this order: {special}."
            )
        size = len(tokens) + self._token_start
        if self.max_tokens is not None and size > self.max_tokens:
            raise InvalidArgumentError(
                f"Attempted to set a vocabulary larger than the maximum vocab size (layer {self.name!r}). Received vocabulary size "
                f"is {size}; `max_tokens` is {self.max_tokens}."
            )

    def _set_tokens(self, tokens: list[Any]) -> None:
        self._tokens, self._size = tokens, len(tokens) + self._token_start

    def _set_idf(self, weights: Any, expected: int, found: bool) -> None:
        if weights.ndim != 1 or len(weights) != expected:
            raise ShapeError(
                f"`idf_weights` of layer {self.name!r} must have one axis and the vocabulary's length {expected}, got shape "
                f"{weights.shape}."
            )
        front = 0 if found else self._token_start
        back = self.max_tokens - front - len(weights) if self.pad_to_max_tokens and self.max_tokens else 0
        padded = np.pad(weights, (front, back), constant_values=((weights.mean(), 0.0),))
        self._idf = padded.astype(dtypes.to_numpy(dtypes.floatx()))

    def _read(self, path: str) -> list[Any]:
        refuse_path_from_file(f"Layer {self.name!r} ({type(self).__name__})", "vocabulary", path)
        if self.output_mode == "tf_idf":
            raise InvalidArgumentError(
                f"output_mode 'tf_idf' of layer {self.name!r} does not support loading a vocabulary from file."
            )
        try:
            with open(path, encoding=getattr(self, "encoding", None) or "utf-8") as file:
                return [self._token(line.rstrip("\n")) for line in file]
        except (OSError, ValueError) as error:
            raise InvalidArgumentError(
                f"The vocabulary file {path!r} of layer {self.name!r} cannot be read: {str(error).rstrip('.')}."
            ) from error

    def _token(self, value: Any) -> Any:
        return text_of(value) if self.kind is str else int(value)

    # ----- adapt -----

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the vocabulary from data.

        Args:
            data: an array or list of samples, or a source of batches: a Dataset, PyDataset or generator.
            steps: the number of batches to use; all by default.

        Raises:
            InvalidArgumentError: the layer was given a vocabulary.
        """
        self.reset_state()
        for array in itertools.islice(batches_of(data, f"layer {self.name!r}"), steps):
            self.update_state(array[:, None] if array.ndim == 1 else array)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch of samples."""
        array = np.asarray(data)
        self.count_rows(
            [
                [self._token(v) for v in row.ravel().tolist()]
                for row in (array.reshape(1, -1) if array.ndim < 2 else array)
            ]
        )

    def count_rows(self, rows: list[list[Any]]) -> None:
        """Count samples that are lists of tokens.

        Raises:
            InvalidArgumentError: the layer was given a vocabulary.
        """
        if self._given:
            raise InvalidArgumentError(
                f"Cannot adapt layer {self.name!r} after setting a static vocabulary via `vocabulary` argument or "
                "`set_vocabulary()` method."
            )
        self._seen.add(rows)

    def finalize_state(self) -> None:
        """Set the vocabulary from the counts."""
        if self._given or not self._seen.counts:
            return
        tokens = self._seen.most_frequent((self.mask_token, self.oov_token))
        if self.max_tokens is not None:
            tokens = tokens[: self.max_tokens - self._token_start]
        self._set_tokens(tokens)
        if self.output_mode == "tf_idf":
            self._set_idf(self._seen.inverse_frequencies(tokens), len(tokens), False)
        self.reset_state()

    def reset_state(self) -> None:
        """Reset the counts."""
        self._seen = _TokenCounts()

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs for inputs of this shape (with the batch axis)."""
        inputs = symbolic_of_shapes(input_shape, "int64" if self.invert or self.kind is int else "string")
        return self.compute_output_spec(inputs).shape

    # ----- lookup -----

    def table(self) -> tuple[list[Any], list[Any], Any]:
        """Return the lookup table (keys, values, default); without a vocabulary it has no keys."""
        default = self.oov_token if self.invert else self._oov_start if self.num_oov_indices == 1 else -1
        if self.refuses_unknown:
            default = None  # unknown tokens are refused
        if not self._tokens:
            return [], [], default
        indices = list(range(self._token_start, self._token_start + len(self._tokens)))
        tokens = list(self._tokens)
        if self.mask_token is not None:
            tokens.insert(0, self.mask_token)
            indices.insert(0, 0 if self.output_mode == "int" else -1)
        if self.invert:
            return indices, tokens, default
        return tokens, indices, default

    def _depth(self) -> int:
        depth = self.max_tokens if self.pad_to_max_tokens else self._size
        if depth is None:
            raise NotBuiltError(
                f"When using `output_mode={self.output_mode}` and `pad_to_max_tokens=False`, layer {self.name!r} must have its vocabulary "
                "before it is called. Either pass a `vocabulary` argument to the layer, or call `adapt` with some sample data."
            )
        return depth

    def call(self, inputs: Any) -> Any:
        """Return indices (int64), tokens (with `invert`), or an encoding.

        Raises:
            NotBuiltError: the mode is not "int", and the size of the encoding is unknown.
        """
        if self.output_mode != "int":
            self._depth()
        x = (
            inputs
            if inputs.dtype == "string" or getattr(inputs.dtype, "kind", "") in ("O", "U", "S")
            else ops.cast(inputs, "int64")
        )
        found = self._with_unknown(x, table_lookup(x, *self.table()))
        return found if self.output_mode == "int" else self.encoded(found)

    def _with_unknown(self, x: Any, found: Any) -> Any:
        """Assign unknown tokens one of several indices, by the token's hash or remainder."""
        if self.invert or self.num_oov_indices <= 1:
            return found
        bins = np.asarray(self.num_oov_indices, np.int64)
        if self.kind is str or self.oov_method == "farmhash":
            bucket = hash_bucket(string_hash(x if self.kind is str else as_string(x), self.salt), self.num_oov_indices)
        else:
            bucket = ops.mod(x, bins)
        known = ops.not_equal(found, np.asarray(-1, np.int64))
        if self.mask_token is not None and self.output_mode != "int":  # the mask's index is -1 as well
            known = ops.logical_or(
                known, ops.equal(table_lookup(x, [self.mask_token], [1], 0), np.asarray(1, np.int64))
            )
        return ops.where(known, found, bucket + np.asarray(self._oov_start, np.int64))

    def encoded(self, indices: Any) -> Any:
        """Encode indices in the output mode."""
        counts = encode(indices, "count" if self.output_mode == "tf_idf" else self.output_mode, self._depth(), "int64")
        return self.weighted(counts)

    def weighted(self, counts: Any) -> Any:
        """Return counts, multiplied by the weights of the tokens in mode "tf_idf"."""
        if self.output_mode != "tf_idf":
            return counts
        counts = ops.cast(counts, dtypes.floatx())
        return counts if self._idf is None else counts * self._idf  # without weights there is no vocabulary either

    # ----- config and files -----

    def get_build_config(self) -> dict[str, Any] | None:
        """Return an empty config: there is nothing to build."""
        return {}

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Write the weights of mode "tf_idf" to `store`."""
        if self._idf is not None:
            store["idf_weights"] = self._idf

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Read the weights of mode "tf_idf" from `store`.

        Raises:
            ShapeError: there is not one weight for each index.
        """
        if "idf_weights" in store:
            weights = np.asarray(store["idf_weights"])
            if weights.ndim != 1 or (self._tokens and len(weights) != self._depth()):
                raise ShapeError(
                    f"`idf_weights` of layer {self.name!r} must have shape ({self._depth()},), one weight for each index; those in the "
                    f"file have shape {weights.shape}."
                )
            self._idf = weights

    def asset_files(self) -> dict[str, bytes]:
        """Return the vocabulary as a text file with one token per line if it was learned; a given one is in the config."""
        if self.input_vocabulary is not None or not self._tokens:
            return {}
        return {_VOCABULARY: "\n".join(map(str, self.get_vocabulary())).encode()}

    def load_asset_files(self, files: Mapping[str, bytes]) -> None:
        """Read the vocabulary from its text file.

        Raises:
            SerializationError: the tokens are integers, and a line is not one.
        """
        if self.input_vocabulary is None and _VOCABULARY in files:
            lines = files[_VOCABULARY].decode("utf-8").split("\n")
            try:
                self._set_tokens([self._token(line) for line in lines][self._token_start :])
            except ValueError:
                raise SerializationError(
                    f"The vocabulary of layer {self.name!r} has lines that are not integers."
                ) from None


@keras_class(_HOME)
class StringLookup(IndexLookup):
    """Maps strings to indices or encodings by a vocabulary, or with `invert` indices to strings. Source: keras.layers.StringLookup.

    Arguments as for `IndexLookup`, without `oov_method`.
    """

    @property
    def takes_dtype(self) -> str:
        """The dtype of an input created for this layer."""
        return "int64" if self.invert else "string"

    argument_order = (
        "max_tokens num_oov_indices mask_token oov_token vocabulary idf_weights invert output_mode pad_to_max_tokens sparse "
        "encoding name salt"
    )
    config_order = f"{_SPECIAL} {_VALUES} oov_method salt encoding"


_int64 = must(
    lambda value: value == "int64", "`vocabulary_dtype` of IntegerLookup must be 'int64'. Received: {value!r}"
)


@keras_class(_HOME)
class IntegerLookup(IndexLookup):
    """Maps integers to indices or encodings by a vocabulary, or with `invert` back. Source: keras.layers.IntegerLookup.

    Arguments as for `IndexLookup`, without `encoding`; `vocabulary_dtype` must be "int64".
    """

    kind = int
    takes_dtype = "int64"
    argument_order = (
        "max_tokens num_oov_indices mask_token oov_token vocabulary vocabulary_dtype idf_weights invert output_mode sparse "
        "pad_to_max_tokens oov_method salt name"
    )
    config_order = f"{_SPECIAL} vocabulary_dtype {_VALUES} oov_method salt"

    oov_token: Any = argument(default=-1)
    encoding: str = argument(init=False)
    vocabulary_dtype: str = argument(default="int64", check=_int64, kw_only=True)


_STANDARDIZATIONS = ("lower_and_strip_punctuation", "lower", "strip_punctuation", None)
_SPLITS = ("whitespace", "character", None)
_LOOKUP_ARGUMENTS = "max_tokens vocabulary idf_weights pad_to_max_tokens output_mode sparse encoding"


_standardization = must(
    lambda value: callable(value) or value in _STANDARDIZATIONS,
    f"`{{name}}` of layer {{owner.name!r}} must be one of {_STANDARDIZATIONS} or a function. Received: {{value!r}}",
)
_split = must(
    lambda value: callable(value) or value in _SPLITS,
    f"`{{name}}` of layer {{owner.name!r}} must be one of {_SPLITS} or a function. Received: {{value!r}}",
)
_ngrams = must(
    lambda value: (
        isinstance(value, int) or (isinstance(value, (list, tuple)) and all(isinstance(n, int) for n in value))
    ),
    "`{name}` of layer {owner.name!r} must be None, an integer or a tuple of integers. Received: ngrams={value!r}",
)
_length = must(
    lambda value: isinstance(value, int) and value >= 0,
    "`{name}` of layer {owner.name!r} must be None or an integer, 0 or more. Received: {name}={value!r}",
)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@keras_class(_HOME)
class TextVectorization(VocabularyArguments, RaggedArgument, KeepsAssets, BuiltInLayer):
    """Splits texts into tokens and maps them to indices by a vocabulary. Input (batch,) or (batch, 1) of strings.

    Args:
        max_tokens: the largest number of indices, special ones included; None for no limit.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation", None, or a function from an array of strings to
            one of the same shape, which cannot be exported to ONNX.
        split: "whitespace", "character", None, or a function from an array of strings (batch,) to lists of tokens.
        ngrams: n to form sequences of 1 to n tokens, or a tuple of the lengths.
        output_mode: "int", "multi_hot", "count" or "tf_idf".
        output_sequence_length: to pad or truncate the indices to; by default the number of tokens of the longest text of a batch.
        pad_to_max_tokens, vocabulary, idf_weights, encoding: as for `StringLookup`.
        sparse, ragged: must be False: only dense tensors are supported.

    Raises:
        InvalidArgumentError: an argument is invalid, or `output_sequence_length` is set in a mode other than "int".

    Source: keras.layers.TextVectorization.
    """

    output_modes = _MODES
    takes_dtype = "string"
    argument_order = (
        "max_tokens standardize split ngrams output_mode output_sequence_length pad_to_max_tokens vocabulary idf_weights sparse "
        "ragged encoding name"
    )
    config_order = (
        "max_tokens standardize split ngrams output_mode output_sequence_length pad_to_max_tokens sparse ragged vocabulary "
        "idf_weights encoding vocabulary_size"
    )

    max_tokens: int | None = argument(default=None)
    standardize: Any = argument(default="lower_and_strip_punctuation", check=_standardization)
    split: Any = argument(default="whitespace", check=_split)
    ngrams: Any = argument(default=None, check=or_none(_ngrams), convert=_tupled)
    vocabulary: Any = argument(default=None, save=_listed, names_file=True, kw_only=True)
    output_sequence_length: int | None = argument(default=None, check=or_none(_length), kw_only=True)

    def __post_init__(self) -> None:
        shared = {name: getattr(self, name) for name in _LOOKUP_ARGUMENTS.split()}
        self._lookup_layer = StringLookup(
            **shared,
            mask_token="",
            has_input_vocabulary=self._given,
            vocabulary_size=self._size,
        )
        if self.output_mode != "int" and self.output_sequence_length is not None:
            raise InvalidArgumentError(
                f"`output_sequence_length` must not be set if `output_mode` of layer {self.name!r} is not 'int'."
            )

    def build(self, input_shape: Any = None) -> None:
        """Do nothing: there are no weights."""

    def _steps(self) -> Steps:
        kind = self.standardize if isinstance(self.standardize, str) else ""
        return {
            "lower": kind.startswith("lower"),
            "strip": "strip" in kind,
            "change": self.standardize if callable(self.standardize) else None,
            "split": self.split,
            "ngrams": tuple(range(1, self.ngrams + 1)) if isinstance(self.ngrams, int) else self.ngrams,
        }

    # ----- the vocabulary -----

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learn the vocabulary from data.

        Args:
            data: an array or list of texts, or a source of batches: a Dataset, PyDataset or generator.
            batch_size: accepted, without effect.
            steps: the number of batches to use; all by default.

        Raises:
            InvalidArgumentError: the layer was given a vocabulary.
            ShapeError: the texts are not (batch,) or (batch, 1).
        """
        self._lookup_layer.reset_state()
        for batch in itertools.islice(batches_of(data, f"layer {self.name!r}"), steps):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Count the tokens of a batch of texts.

        Raises:
            ShapeError: the texts are not (batch,) or (batch, 1).
        """
        texts = np.atleast_1d(np.asarray(data, object))
        if self.split is not None and texts.size != len(texts):
            raise ShapeError(f"Layer {self.name!r} expects texts of shape (batch,) or (batch, 1), got {texts.shape}.")
        self._lookup_layer.count_rows(list(token_rows(texts, self._steps())))

    def finalize_state(self) -> None:
        """Set the vocabulary from the counts."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Reset the counts."""
        self._lookup_layer.reset_state()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Set the vocabulary: see `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Return the tokens in the order of their indices: see `StringLookup.get_vocabulary`."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Return the number of indices."""
        return self._lookup_layer.vocabulary_size()

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs for texts of this shape (with the batch axis)."""
        return self.compute_output_spec(symbolic_of_shapes(input_shape, "string")).shape

    # ----- the call -----

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer on texts: an array, a string or a list of strings."""
        inputs = as_categories(inputs)
        plain = isinstance(inputs, np.ndarray) and not is_tracing()
        if plain and inputs.ndim == 0:
            return self(inputs.reshape(1))[0]
        return super().__call__(inputs, *args, **kwargs)

    def _longest(self, texts: Any) -> int:
        return max(map(len, token_rows(texts, self._steps())), default=0)

    def call(self, inputs: Any) -> Any:
        """Return indices (batch, length), or an encoding (batch, depth).

        Raises:
            InvalidTypeError: the mode is "one_hot".
            NotBuiltError: the mode is not "int", and the size of the encoding is unknown.
        """
        lookup = self._lookup_layer
        if self.output_mode == "int":
            given = self.output_sequence_length
            if given is None and self.split is None and self.ngrams is None and inputs.ndim == 1:
                return ops.squeeze(self._indices(inputs, 1), -1)
            return self._indices(
                inputs, measured_size(inputs, self._longest, f"{self.name}/tokens") if given is None else given
            )
        if self.output_mode == "one_hot":
            raise InvalidTypeError(
                f"Layer {self.name!r}: output_mode 'one_hot' is not supported, since texts differ in their number of tokens; use "
                "'multi_hot' or 'count'."
            )
        counts = text_counts(inputs, *lookup.table(), lookup._depth(), **self._steps())
        if self.output_mode == "multi_hot":
            return ops.cast(ops.greater(counts, 0), "int64")
        return lookup.weighted(counts)

    def _indices(self, inputs: Any, length: Size) -> Any:
        return text_indices(inputs, *self._lookup_layer.table(), length, **self._steps())

    # ----- config and files -----

    def get_config(self) -> dict[str, Any]:
        """Return the config, with the current size of the vocabulary."""
        return {**super().get_config(), "vocabulary_size": self.vocabulary_size()}

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Write the variables of the inner StringLookup to `store`."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Read the variables of the inner StringLookup from `store`."""
        self._lookup_layer.load_own_variables(store)

    def asset_files(self) -> dict[str, bytes]:
        """Return the files of the inner StringLookup."""
        return self._lookup_layer.asset_files()

    def load_asset_files(self, files: Mapping[str, bytes]) -> None:
        """Read the files of the inner StringLookup."""
        self._lookup_layer.load_asset_files(files)
