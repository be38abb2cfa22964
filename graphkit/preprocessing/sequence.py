"""Pad sequences of different lengths to one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit.core.errors import InvalidArgumentError, ShapeError

__all__ = ["pad_sequences"]

_SIDES = ("pre", "post")


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray[Any, Any]:
    """Pad sequences of different lengths to one array of shape (number of sequences, maxlen, ...).

    Args:
        sequences: lists or arrays; their elements may be arrays of equal shape.
        maxlen: the length of the rows; by default that of the longest sequence.
        dtype: of the result.
        padding: "pre" or "post", the end at which to pad.
        truncating: "pre" or "post", the end at which to truncate.
        value: the padding value.

    Raises:
        InvalidArgumentError: `sequences` is not a list of sequences, or an unknown `padding` or `truncating`.
        ShapeError: the elements differ in shape.

    Source: keras.utils.pad_sequences.
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in _SIDES:
            raise InvalidArgumentError(f"pad_sequences: `{name}` must be 'pre' or 'post', got {side!r}.")
    try:
        rows = [np.asarray(s) for s in sequences]
        lengths = [len(r) for r in rows]
    except TypeError:
        raise InvalidArgumentError(
            f"pad_sequences: `sequences` must be a list of sequences, got {sequences!r:.80}."
        ) from None
    size = maxlen if maxlen is not None else max(lengths, default=0)
    shapes = {r.shape[1:] for r in rows if len(r)}
    if len(shapes) > 1:
        raise ShapeError(
            f"pad_sequences: the elements of all sequences must have the same shape, got {sorted(shapes)}."
        )
    result = np.full(
        (len(rows), size, *next(iter(shapes), ())), value, dtype=object if dtype is object or dtype is str else dtype
    )
    for number, row in enumerate(rows):
        kept = row[max(0, len(row) - size) :] if truncating == "pre" else row[:size]
        if len(kept):
            at = slice(size - len(kept), size) if padding == "pre" else slice(0, len(kept))
            result[number, at] = kept
    return result
