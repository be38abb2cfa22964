"""Inspect tensors of the layer graph."""

from __future__ import annotations

from typing import Any

from graphkit.core import dtypes, nest


def is_keras_tensor(x: Any) -> bool:
    """Return whether `x` is a symbolic tensor of the layer graph. Source: keras.utils.is_keras_tensor."""
    from graphkit.graph.symbolic import SymbolicTensor

    return isinstance(x, SymbolicTensor)


def standardize_dtype(dtype: Any) -> str:
    """Return the Keras name of a dtype; of None, `floatx()`. Source: keras.utils.standardize_dtype."""
    return dtypes.standardize(dtype)


def get_source_inputs(tensor: Any) -> list[Any]:
    """Return the inputs that a symbolic tensor, or a structure of them, depends on, in depth-first order.

    Source: keras.utils.get_source_inputs.
    """
    found: list[Any] = []
    open_tensors, seen = list(reversed(nest.flatten(tensor))), set()
    while open_tensors:
        one = open_tensors.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        made_by = one.history
        feeding = made_by.operation.nodes[made_by.node_index].input_tensors if made_by is not None else None
        if feeding:
            open_tensors += reversed(feeding)
        else:
            found.append(one)
    return found
