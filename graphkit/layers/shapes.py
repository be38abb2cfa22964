"""Shapes as arguments of layers: for `build`, in configs, and as `input_shape` of a first layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core import nest
from graphkit.core.dims import public_shape
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.spec import TensorSpec

_SHAPE_ARGUMENTS = ("input_shape", "batch_input_shape", "batch_shape", "input_dim", "input_length")


def shapes_of(value: Any) -> Any:
    """Return the shape of a tensor, or a structure of shapes of several, in the form that `build` expects."""
    return _merged_shape(nest.map_structure(_shape_or_none, value))


def _shape_or_none(value: Any) -> Any:
    """Return a shape wrapped in an object that `nest` treats as a leaf."""
    return _ShapeLeaf(public_shape(TensorSpec.of(value).shape)) if hasattr(value, "shape") else None


class _ShapeLeaf:
    def __init__(self, shape: tuple[int | None, ...]) -> None:
        self.shape = shape


def _merged_shape(structure: Any) -> Any:
    """Return a structure of wrapped shapes as plain ones: a tuple, or a list or dict of tuples."""
    if isinstance(structure, _ShapeLeaf):
        return structure.shape
    if isinstance(structure, (list, tuple)):
        return [_merged_shape(s) for s in structure]
    if isinstance(structure, Mapping):
        return {k: _merged_shape(v) for k, v in structure.items()}
    return None


def tupled(shape: Any) -> Any:
    """Convert shapes from JSON, which are lists, to tuples."""
    if isinstance(shape, (list, tuple)):
        if all(s is None or isinstance(s, int) for s in shape):
            return tuple(shape)
        return [tupled(s) for s in shape]
    return {k: tupled(v) for k, v in shape.items()} if isinstance(shape, Mapping) else shape


def symbolic_of_shapes(shape: Any, dtype: str) -> Any:
    """Return symbolic tensors of these shapes, in the same structure."""
    if shape is None:
        return None
    if isinstance(shape, (list, tuple)) and all(s is None or isinstance(s, int) for s in shape):
        return SymbolicTensor(shape, dtype)
    if isinstance(shape, (list, tuple)):
        return [symbolic_of_shapes(s, dtype) for s in shape]
    return {k: symbolic_of_shapes(s, dtype) for k, s in shape.items()}


def pop_shape_argument(kwargs: dict[str, Any]) -> tuple[int | None, ...] | None:
    """Remove the arguments that give a first layer its input shape, and return that shape with the batch axis, or None."""
    given = {k: kwargs.pop(k) for k in _SHAPE_ARGUMENTS if k in kwargs}
    batch = kwargs.pop("batch_size", None)
    if given.get("batch_shape") is not None or given.get("batch_input_shape") is not None:
        return tuple(given.get("batch_shape") or given["batch_input_shape"])
    if given.get("input_shape") is not None:
        shape = given["input_shape"]
        return (batch, *(shape if isinstance(shape, (list, tuple)) else (shape,)))
    if given.get("input_dim") is not None:
        lead = (given["input_length"],) if "input_length" in given else ()
        return (batch, *lead, given["input_dim"])
    return None
