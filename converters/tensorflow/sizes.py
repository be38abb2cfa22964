"""Shapes as values: what `tf.shape(x)` gives, and what is computed from it, is known while a graph is put together.

A `Sizes` is an array of ints and `Dim`s. Where it meets a tensor it becomes one, counted off the tensor whose shape was asked for.
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
    """Whole numbers, some of which are unknown sizes.

    Attributes:
        values: an array of int and Dim, of any rank.
        sources: tensors on which the unknown ones can be counted.
    """

    def __init__(self, values: Any, sources: Sequence[SymbolicTensor]) -> None:
        self.values = _objects(values)
        self.sources = tuple(sources)

    def mapped(self, function: Callable[..., Any], *others: Any) -> Sizes:
        """The function on the arrays of this and others; what others are plain numbers stay what they are."""
        sources = list(self.sources)
        arrays = []
        for other in others:
            sources += other.sources if isinstance(other, Sizes) else ()
            arrays.append(other.values if isinstance(other, Sizes) else other)
        return Sizes(function(self.values, *arrays), sources)

    def tolist(self) -> Any:
        """Nested lists of int and Dim."""
        return self.values.tolist()

    def as_tensor(self, dtype: str = "int32") -> Any:
        """A tensor of the numbers: an array where all are known."""
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
        """A vector of as many ones as an unknown size says."""
        for tensor in self.sources:
            if size in tensor.spec.shape:
                axis = tensor.spec.shape.index(size)
                key = tuple(slice(None) if a == axis else 0 for a in range(len(tensor.spec.shape)))
                return ops.ones_like(tensor[key])
        raise SerializationError(
            f"The size {size} is computed from several unknown sizes, which graphkit cannot count."
        )


def sizes_of(tensor: Any) -> Sizes:
    """What `tf.shape` gives."""
    if isinstance(tensor, Sizes):
        return Sizes(list(tensor.values.shape), ())
    if isinstance(tensor, SymbolicTensor):
        return Sizes(list(tensor.spec.shape), [tensor])
    return Sizes(list(np.shape(tensor)), ())


def factor_of(size: Any, old: Any) -> int | None:
    """The whole number by which `size` is a multiple of `old`, if it is one for every input."""
    if isinstance(size, int) and isinstance(old, int):
        return size // old if old and size % old == 0 else None
    quotient = size.divided_by(old) if isinstance(size, Dim) and isinstance(old, Dim) else None
    return quotient if isinstance(quotient, int) and quotient > 0 else None


def expression(size: Any, inputs: list[SymbolicTensor], sources: Sequence[SymbolicTensor]) -> Any:
    """A size as JSON data: an int, ["size", number of an input, axis], or ["+" | "*" | "//", ...] of such.

    Args:
        size: an int or a Dim.
        inputs: tensors on which it may be counted; a source that is needed is put behind them.
        sources: further ones.

    Raises SerializationError where it is counted on none of them.
    """
    if not isinstance(size, Dim):
        return int(size)
    for tensor in (*inputs, *sources):
        if size in tensor.spec.shape:
            if not any(tensor is known for known in inputs):
                inputs.append(tensor)
            number = next(i for i, known in enumerate(inputs) if known is tensor)
            return ["size", number, tensor.spec.shape.index(size)]
    terms = []
    for coefficient, atoms in size.terms():
        factors = [_atom_expression(atom, size, inputs, sources) for atom in atoms]
        terms.append(["*", coefficient, *factors] if factors else coefficient)
    return ["+", *terms]


def _atom_expression(atom: Any, size: Dim, inputs: list[SymbolicTensor], sources: Sequence[SymbolicTensor]) -> Any:
    dim = Dim({(atom,): 1})
    if isinstance(atom, str) or any(dim in tensor.spec.shape for tensor in (*inputs, *sources)):
        if dim == size:
            raise SerializationError(f"the size {size} is that of no tensor that it was computed from")
        return expression(dim, inputs, sources)
    _, dividend, divisor = atom
    return ["//", expression(dividend, inputs, sources), divisor]


def gathered(values: Any) -> Any:
    """A (nested) list that holds sizes as one `Sizes`; anything else as it is."""
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
    """Plain numbers or nested lists of such. Raises SerializationError where a size is not known."""
    value = gathered(value)
    if not isinstance(value, Sizes):
        return value
    if any(isinstance(size, Dim) for size in value.values.ravel().tolist()):
        raise SerializationError(
            f"{what} is {value.tolist()}, which depends on the input; an op of Keras wants numbers there."
        )
    return value.tolist()


def _holds_sizes(values: Any) -> bool:
    return any(isinstance(v, Sizes) or (isinstance(v, (list, tuple)) and _holds_sizes(v)) for v in values)


def _objects(values: Any) -> Any:
    """An array of Python objects; NumPy would ask a Dim for its length."""
    if isinstance(values, np.ndarray):
        return values.astype(object)
    if isinstance(values, list):
        parts = [_objects(v) for v in values]
        if len({part.shape for part in parts}) > 1:
            raise SerializationError(f"The sizes {values} are not of one rank.")
        array = np.empty((len(parts), *(parts[0].shape if parts else ())), dtype=object)
        for index, part in enumerate(parts):
            array[index] = part if part.shape else part[()]
        return array
    array = np.empty((), dtype=object)
    array[()] = values
    return array
