"""How categories become numbers: indices, one-hot, multi-hot, counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError
from graphkit.layers.layer import Layer

_OLD_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}


def output_mode(layer: Layer, mode: Any, allowed: Sequence[str]) -> str:
    """The mode by its present name. Raises InvalidArgumentError for one that the layer does not have."""
    wanted = _OLD_MODES.get(mode, mode) if isinstance(mode, str) else mode
    if wanted not in allowed:
        raise InvalidArgumentError(
            f"Unknown value for argument `output_mode` of layer {layer.name!r}: {mode!r}. {type(layer).__name__} knows "
            f"{', '.join(map(repr, allowed))}."
        )
    return str(wanted)


def refuse_sparse(layer: Layer, sparse: Any) -> None:
    """Raise InvalidArgumentError for `sparse=True`: there are dense tensors only."""
    if sparse:
        raise InvalidArgumentError(
            f"`sparse=True` of layer {layer.name!r}: graphkit has dense tensors only. Leave `sparse` out."
        )


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
