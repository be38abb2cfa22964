"""Sizes that are computed from the sizes of tensors, as JSON data that layers keep in their configs.

An expression is an int, ["size", index of an input, axis], or ["+" | "*" | "//" | "max", ...] of expressions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from graphkit.core.dims import Dim, largest
from graphkit.core.errors import InvalidArgumentError, SerializationError, ShapeError
from graphkit.graph.symbolic import SymbolicTensor

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "*": operator.mul, "//": operator.floordiv, "max": largest}


def expression(size: Any, inputs: list[SymbolicTensor], sources: Sequence[SymbolicTensor]) -> Any:
    """Return a size as an expression.

    Args:
        size: an int or a Dim.
        inputs: tensors whose axes may be used; a source that is needed is appended.
        sources: further tensors.

    Raises:
        SerializationError: no axis of these tensors has a size that it is computed from.
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
            raise SerializationError(f"the size {size} does not occur in the tensors that it was computed from")
        return expression(dim, inputs, sources)
    sign, first, second = atom
    return [sign, expression(first, inputs, sources), expression(second, inputs, sources)]


def checked(value: Any, where: str) -> Any:
    """Return an expression that was read from a config, as lists. Raises InvalidArgumentError if it is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)) and len(value) > 1 and value[0] in ("size", *_SIGNS):
        if value[0] == "size" and len(value) == 3 and all(type(v) is int and v >= 0 for v in value[1:]):
            return list(value)
        if value[0] != "size" and (value[0] != "//" or len(value) == 3):
            return [value[0], *(checked(v, where) for v in value[1:])]
    raise InvalidArgumentError(
        f"{where} must be an int or ['size', input, axis], ['+', ...], ['*', ...], ['max', ...], ['//', dividend, divisor]; got {value!r}."
    )


def evaluated(size: Any, shapes: Sequence[Sequence[Any]], where: str) -> Any:
    """Return the size that an expression gives for inputs of these shapes: an int, or a Dim while it is unknown.

    Raises:
        ShapeError: it refers to an input or axis that does not exist.
    """
    if isinstance(size, int):
        return size
    sign, *parts = size
    if sign == "size":
        number, axis = parts
        if number >= len(shapes) or axis >= len(shapes[number]):
            raise ShapeError(f"{where} depends on axis {axis} of input {number}, which does not exist.")
        return shapes[number][axis]
    return reduce(_SIGNS[sign], [evaluated(part, shapes, where) for part in parts])
