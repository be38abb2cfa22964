"""Shapes as values: the result of `tf.shape(x)`, and what is computed from it, is known while a graph is built.

A `Sizes` is an array of ints and `Dim`s. Where an op needs a tensor it becomes one, computed from the tensor whose shape it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import SerializationError
from graphkit.graph.symbolic import SymbolicTensor


class Sizes:
    """An array of integers, some of which are unknown sizes.

    Attributes:
        values: an array of int and Dim, of any rank.
        sources: tensors whose axes have the unknown sizes.
    """

    def __init__(self, values: Any, sources: Sequence[SymbolicTensor]) -> None:
        self.values = _objects(values)
        self.sources = tuple(sources)

    def mapped(self, function: Callable[..., Any], *others: Any) -> Sizes:
        """Return the Sizes that a function computes from the arrays of this and of others, which may also be plain numbers."""
        sources = list(self.sources)
        arrays = []
        for other in others:
            sources += other.sources if isinstance(other, Sizes) else ()
            arrays.append(other.values if isinstance(other, Sizes) else other)
        return Sizes(function(self.values, *arrays), sources)

    def tolist(self) -> Any:
        """Return nested lists of int and Dim."""
        return self.values.tolist()

    def as_tensor(self, dtype: str = "int32") -> Any:
        """Return the values as a tensor, or as an array if all are known.

        Raises SerializationError for a size that no source has.
        """
        flat = [self._counted(size, dtype) for size in self.values.ravel().tolist()]
        if not any(isinstance(size, SymbolicTensor) for size in flat):
            return np.array(flat, dtype).reshape(self.values.shape)
        if not self.values.shape:
            return flat[0]
        parts = [s if isinstance(s, SymbolicTensor) else np.array(s, dtype) for s in flat]
        return ops.reshape(ops.stack(parts), self.values.shape)

    def _counted(self, size: Any, dtype: str) -> Any:
        return ops.sum(ops.cast(self.line(size), dtype)) if isinstance(size, Dim) else size

    def line(self, size: Dim) -> Any:
        """Return a vector of ones whose length is an unknown size. Raises SerializationError if no source has that size."""
        for tensor in self.sources:
            if size in tensor.spec.shape:
                axis = tensor.spec.shape.index(size)
                key = tuple(slice(None) if a == axis else 0 for a in range(len(tensor.spec.shape)))
                return ops.ones_like(tensor[key])
        raise SerializationError(
            f"The size {size} is computed from several unknown sizes, which graphkit does not support."
        )


def sizes_of(tensor: Any) -> Sizes:
    """Return the shape of a tensor, like `tf.shape`."""
    if isinstance(tensor, Sizes):
        return Sizes(list(tensor.values.shape), ())
    if isinstance(tensor, SymbolicTensor):
        return Sizes(list(tensor.spec.shape), [tensor])
    return Sizes(list(np.shape(tensor)), ())


def factor_of(size: Any, old: Any) -> int | None:
    """Return the integer n with `size` = n * `old` for every input, or None if there is none."""
    if isinstance(size, int) and isinstance(old, int):
        return size // old if old and size % old == 0 else None
    quotient = size.divided_by(old) if isinstance(size, Dim) and isinstance(old, Dim) else None
    return quotient if isinstance(quotient, int) and quotient > 0 else None


def gathered(values: Any) -> Any:
    """Return a (nested) list that holds `Sizes` as one `Sizes`; anything else is returned unchanged."""
    if not isinstance(values, (list, tuple)) or not _holds_sizes(values):
        return values
    sources: list[SymbolicTensor] = []

    def plain(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        if isinstance(value, Sizes):
            sources.extend(value.sources)
            return value.tolist()
        return value

    return Sizes(plain(values), sources)


def known(value: Any, what: str) -> Any:
    """Return numbers, or nested lists of them. Raises SerializationError, naming `what`, for an unknown size."""
    value = gathered(value)
    if not isinstance(value, Sizes):
        return value
    if any(isinstance(size, Dim) for size in value.values.ravel().tolist()):
        raise SerializationError(
            f"{what} is {value.tolist()}, which depends on the input; Keras' op requires known numbers."
        )
    return value.tolist()


def _holds_sizes(values: Any) -> bool:
    return any(isinstance(v, Sizes) or (isinstance(v, (list, tuple)) and _holds_sizes(v)) for v in values)


def _objects(values: Any) -> Any:
    """Return an array of Python objects; NumPy's own conversion would call `len` on a Dim."""
    if isinstance(values, np.ndarray):
        return values.astype(object)
    if isinstance(values, list):
        parts = [_objects(v) for v in values]
        if len({part.shape for part in parts}) > 1:
            raise SerializationError(f"The sizes {values} do not have the same rank.")
        array = np.empty((len(parts), *(parts[0].shape if parts else ())), dtype=object)
        for index, part in enumerate(parts):
            array[index] = part if part.shape else part[()]
        return array
    array = np.empty((), dtype=object)
    array[()] = values
    return array
