"""How categories become numbers: indices, one-hot, multi-hot, counts."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from graphkit import ops
from graphkit.core import nest
from graphkit.core.declared import Declared, argument, must
from graphkit.core.errors import InvalidArgumentError

_OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}


def known_mode(layer: Any, name: str, mode: Any) -> str:
    """The mode by its present name. Raises InvalidArgumentError for one that the layer does not have."""
    wanted = _OLD_MODES.get(mode, mode) if isinstance(mode, str) else mode
    if wanted not in layer.output_modes:
        raise InvalidArgumentError(
            f"Unknown value for argument `output_mode` of layer {layer.name!r}: {mode!r}. {type(layer).__name__} knows "
            f"{', '.join(map(repr, layer.output_modes))}."
        )
    return str(wanted)


_dense = must(
    lambda value: not value,
    "`{name}=True` of layer {owner.name!r}: graphkit has dense tensors only. Leave `{name}` out.",
)


class EncodingArguments(Declared, kw_only=True):
    """Of layers whose output are categories, as `output_modes` allows."""

    output_modes: ClassVar[tuple[str, ...]] = ("int", "one_hot", "multi_hot", "count")

    output_mode: str = argument(default="int", check=known_mode)
    sparse: bool = argument(default=False, check=_dense, convert=bool)


class RaggedArgument(Declared, kw_only=True):
    """Of layers that may have had ragged outputs."""

    ragged: bool = argument(default=False, check=_dense, convert=bool)


class TakesPlainValues:
    """Mixin of layers that take a string, a number, or lists of them as well as arrays."""

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The layer on arrays, or on values that stand for one."""
        return super().__call__(as_categories(inputs), *args, **kwargs)  # type: ignore[misc]


_PLAIN = (str, bytes, int, float, np.generic)


def as_categories(value: Any) -> Any:
    """Strings and numbers, alone or in lists, as an array; anything else as it is."""
    leaves = nest.flatten(value)
    if isinstance(value, np.ndarray) or not leaves or not all(isinstance(leaf, _PLAIN) for leaf in leaves):
        return value
    texts = any(isinstance(leaf, (str, bytes)) for leaf in leaves)
    return np.asarray(value, object if texts else None)


def by_number(data: Any) -> Any:
    """The batches of a PyDataset, one after the other; other data as they are."""
    if hasattr(data, "num_batches") and hasattr(data, "__getitem__"):
        number = data.num_batches
        return (data[i] for i in range(len(data) if number is None else number))
    return data


def encode(indices: Any, mode: str, depth: int, dtype: str, count_weights: Any = None) -> Any:
    """Indices (batch, ..., n) as they are (int), one-hot (batch, ..., n, depth), or multi-hot or counted (batch, ..., depth).

    Indices outside 0..depth-1 give zeros. As in Keras the samples' own axis is the second one.
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
