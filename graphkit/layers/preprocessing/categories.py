"""Encodings of categories: indices, one-hot, multi-hot, counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import nest
from graphkit.core.declared import Declared, argument, must
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError

_OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}


def known_mode(layer: Any, name: str, mode: Any) -> str:
    """Return the mode under its current name.

    Raises:
        InvalidArgumentError: the layer does not have this mode.
    """
    wanted = _OLD_MODES.get(mode, mode) if isinstance(mode, str) else mode
    if wanted not in layer.output_modes:
        raise InvalidArgumentError(
            f"Unknown value for argument `output_mode` of layer {layer.name!r}: {mode!r}. {type(layer).__name__} accepts "
            f"{', '.join(map(repr, layer.output_modes))}."
        )
    return str(wanted)


_dense = must(
    lambda value: not value,
    "`{name}=True` of layer {owner.name!r} is not supported: graphkit has only dense tensors. Leave `{name}` out.",
)


class EncodingArguments(Declared, kw_only=True):
    """The arguments of layers that encode categories in one of `output_modes`."""

    output_modes: ClassVar[tuple[str, ...]] = ("int", "one_hot", "multi_hot", "count")

    output_mode: str = argument(default="int", check=known_mode)
    sparse: bool = argument(default=False, check=_dense, convert=bool)


class RaggedArgument(Declared, kw_only=True):
    """The argument of layers that have ragged outputs in TensorFlow."""

    ragged: bool = argument(default=False, check=_dense, convert=bool)


class TakesPlainValues:
    """Mixin of layers that accept arrays, and also a string, a number, or lists of them."""

    takes_numbers = True

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer on an array, a string or number, or a list of them."""
        return super().__call__(as_categories(inputs), *args, **kwargs)  # type: ignore[misc]


_PLAIN = (str, bytes, int, float, np.generic)


def as_categories(value: Any) -> Any:
    """Convert strings and numbers, single or in lists, to an array; return anything else unchanged."""
    leaves = nest.flatten(value)
    if isinstance(value, np.ndarray) or not leaves or not all(isinstance(leaf, _PLAIN) for leaf in leaves):
        return value
    texts = any(isinstance(leaf, (str, bytes)) for leaf in leaves)
    return np.asarray(value, object if texts else None)


def batches_of(data: Any, where: str) -> Iterator[Any]:
    """Yield the batches that `adapt` learns from, as arrays: one for an array or table, else those of a source of batches.

    Of batches (x, y) only x is used.

    Args:
        data: an array, table or list of samples; or a data set, PyDataset, generator or list of arrays.
        where: the layer, for messages.

    Raises:
        InvalidTypeError: the data are none of these.
    """
    if hasattr(data, "num_batches") and hasattr(data, "__getitem__"):
        numbered, number = data, data.num_batches
        data = (numbered[i] for i in range(len(numbered) if number is None else number))
    elif _is_one_batch(data):
        yield _array(data)
        return
    if isinstance(data, (str, bytes, Mapping)) or not isinstance(data, Iterable):
        raise InvalidTypeError(
            f"adapt() of {where} got unsupported data of type {type(data).__name__}; it expects an array or list of samples, or a "
            "source of batches: a Dataset, a PyDataset, a generator or a list of arrays."
        )
    for batch in data:
        yield _array(batch[0] if isinstance(batch, tuple) else batch)


def _is_one_batch(data: Any) -> bool:
    if hasattr(data, "shape") or hasattr(data, "to_numpy"):
        return True
    return isinstance(data, (list, tuple)) and not any(getattr(item, "ndim", 0) for item in data)


def _array(value: Any) -> Any:
    array = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    return array.astype(object) if array.dtype.kind in "US" else array


def encode(indices: Any, mode: str, depth: int, dtype: str, count_weights: Any = None) -> Any:
    """Encode indices; those outside 0..depth-1 give zeros.

    Args:
        indices: integers (), (batch,) or (batch, n, ...).
        mode: "int" (the indices), "one_hot" (a new last axis), "multi_hot" or "count", which, as in Keras, reduce axis 1.
        depth: the number of categories.
        dtype: of the result.
        count_weights: weights of the indices for mode "count", of the same shape.
    """
    if mode == "int":
        return ops.cast(indices, dtype)
    if indices.ndim == 0:
        indices = ops.expand_dims(indices, -1)
    if mode == "one_hot":
        if indices.ndim > 1 and indices.shape[-1] == 1:
            indices = ops.squeeze(indices, -1)
        return ops.one_hot(indices, depth, dtype=dtype)
    axis = 1 if indices.ndim > 1 else 0
    if mode == "multi_hot":
        return ops.max(ops.one_hot(indices, depth, dtype=dtype), axis=axis)
    if count_weights is None:
        return ops.cast(ops.sum(ops.one_hot(indices, depth, dtype=dtype), axis=axis), dtype)
    return ops.sum(
        ops.one_hot(indices, depth, dtype=count_weights.dtype) * ops.expand_dims(count_weights, -1), axis=axis
    )
