"""Layers that hash categories into bins, with TensorFlow's hashes: Hashing, HashedCrossing."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.core.declared import argument, is_positive_int, must
from graphkit.core.errors import DTypeError, InvalidArgumentError, ShapeError
from graphkit.core.serialization import keras_class
from graphkit.ir.spec import TensorSpec
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.preprocessing.categories import EncodingArguments, TakesPlainValues, as_categories, encode
from graphkit.layers.preprocessing.lookup import salt_of
from graphkit.ops.strings import as_string, crossed_hash, hash_bucket, string_hash

_HOME = "keras.layers"


_bins = must(
    is_positive_int,
    "The `num_bins` for layer {owner.name!r} (Hashing) cannot be `None` or non-positive values. Received: num_bins={value}.",
)


@keras_class(_HOME)
class Hashing(EncodingArguments, TakesPlainValues, BuiltInLayer):
    """Hashes strings or integers into bins: FarmHash, or with a salt SipHash, modulo `num_bins`.

    Args:
        num_bins: the number of bins, including that of the mask.
        mask_value: the input that is mapped to bin 0, which is then used for nothing else.
        salt: the key of the hash: an int, or a list of two.
        output_mode: "int", "one_hot", "multi_hot" or "count".
        sparse: must be False: only dense tensors are supported.

    Raises:
        InvalidArgumentError: an argument is invalid, or `dtype` is not int32 or int64 in mode "int".

    Source: keras.layers.Hashing.
    """

    takes_dtype = "any"  # inputs are hashed as they are
    argument_order = "num_bins mask_value salt output_mode sparse"

    num_bins: int = argument(check=_bins)
    mask_value: Any = argument(default=None)
    salt: Any = argument(default=None, check=salt_of)

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        if given["dtype"] is None:
            given["dtype"] = "int64" if given["output_mode"] == "int" else dtypes.floatx()

    def __post_init__(self) -> None:
        if self.output_mode == "int" and self.compute_dtype not in ("int32", "int64"):
            raise InvalidArgumentError(
                f"When `output_mode='int'`, `dtype` of layer {self.name!r} should be 'int32' or 'int64'. Received: {self.compute_dtype}"
            )

    def call(self, inputs: Any) -> Any:
        """Return the bins, or their encoding."""
        return encode(self._bins(inputs), self.output_mode, self.num_bins, self.compute_dtype)

    def _bins(self, inputs: Any) -> Any:
        masked = self.mask_value is not None and self.num_bins > 1
        kind = TensorSpec.of(inputs).dtype
        x = inputs if kind == "string" else as_string(ops.cast(inputs, "int64"))
        bins = hash_bucket(string_hash(x, self.salt), self.num_bins - 1 if masked else self.num_bins)
        if not masked:
            return bins
        mask = (
            np.asarray(str(self.mask_value), object)
            if kind == "string"
            else np.asarray(self.mask_value, dtypes.to_numpy(kind))
        )
        return ops.where(ops.equal(inputs, mask), ops.zeros_like(bins), bins + np.asarray(1, np.int64))


@keras_class(_HOME)
class HashedCrossing(EncodingArguments, BuiltInLayer):
    """Hashes combinations of integer or string features into bins. Source: keras.layers.HashedCrossing.

    Args:
        num_bins: the number of bins.
        output_mode: "int" or "one_hot".
        sparse: must be False: only dense tensors are supported.
    """

    output_modes = ("int", "one_hot")
    argument_order = "num_bins output_mode sparse name dtype"
    config_order = "num_bins output_mode sparse name dtype"

    num_bins: int = argument()

    def __pre_init__(self, given: dict[str, Any], more: dict[str, Any]) -> None:
        if given["output_mode"] == "int" and given["dtype"] is None:
            given["dtype"] = "int64"

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer on a list of arrays, or of strings, numbers or lists of them."""
        plain = isinstance(inputs, (list, tuple))
        return super().__call__([as_categories(x) for x in inputs] if plain else inputs, *args, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Return the bins or one-hot vectors for tensors of the same shape: (), (batch,) or (batch, 1).

        Raises:
            InvalidArgumentError: `inputs` is not a list of at least two.
            ShapeError: the shapes differ, or are none of these.
            DTypeError: an input holds neither integers nor strings.
        """
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise InvalidArgumentError(
                f"`HashedCrossing` should be called on a list of at least two inputs (layer {self.name!r}). Received: inputs={inputs}"
            )
        specs = [TensorSpec.of(x) for x in inputs]
        first = specs[0].shape
        if any(s.shape != first for s in specs) or len(first) > 2 or (len(first) == 2 and first[1] != 1):
            raise ShapeError(
                "All `HashedCrossing` inputs should have the same shape, `()`, `(batch_size,)` or `(batch_size, 1)`. Received by layer "
                f"{self.name!r}: "
                f"{[tuple(x.shape) for x in inputs]}"
            )
        if not all(s.dtype == "string" or dtypes.is_int(s.dtype) for s in specs):
            raise DTypeError(
                f"All `HashedCrossing` inputs should have an integer or string dtype. Received by layer {self.name!r}: "
                f"{[s.dtype for s in specs]}"
            )
        return encode(
            hash_bucket(crossed_hash(inputs), self.num_bins), self.output_mode, self.num_bins, self.compute_dtype
        )
