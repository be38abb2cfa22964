"""Values that must be known while a graph is evaluated: sizes, axes, repeats."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from graphkit.core.dims import Dim
from graphkit.core.errors import UnknownSizeError
from graphkit.ir.tracing import Tracer, measured_size
from graphkit.ops import _convert

from .sizes import Sizes

# The arguments that are sizes: unknown ones may be new unknown sizes. Others, such as axes, decide the rank of the result.
_SIZES = frozenset({"shape", "input", "sizes", "repeats", "tiles", "pads", "starts", "ends", "split", "K", "depth"})


def array(value: Any, argument: str) -> Any:
    """Return a value as a plain array.

    Raises:
        UnknownSizeError: it depends on the data.
    """
    if isinstance(value, Tracer):
        raise UnknownSizeError(
            f"{argument} is computed from the values of a tensor, so the shape of the result is not known while the graph is traced."
        )
    return value.values if isinstance(value, Sizes) else np.asarray(value)


def ints(value: Any, argument: str) -> list[Any]:
    """Return a vector or scalar of sizes as a list of ints (and `Dim`s)."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (int, Dim)):
        return [value]
    if isinstance(value, Tracer):
        return _measured(value, argument)
    return [int(v) if not isinstance(v, Dim) else v for v in array(value, argument).reshape(-1).tolist()]


def _measured(value: Tracer, argument: str) -> list[Any]:
    """Return sizes that are computed from data: ints where the program is traced for given data, else new unknown sizes."""
    shape = value.spec.shape
    is_size = argument in _SIZES or value.trace.samples is not None
    if not is_size or len(shape) > 1 or not all(isinstance(n, int) for n in shape):
        array(value, argument)  # raises
    count = shape[0] if shape else 1
    assert isinstance(count, int)
    return [measured_size(value, partial(_element, place=i), f"{argument}{i}") for i in range(count)]


def _element(numbers: Any, place: int) -> int:
    return int(np.asarray(numbers).reshape(-1)[place])


def shape_of(value: Any) -> tuple[Any, ...]:
    """Return the sizes of a tensor: ints, and `Dim`s where they are not known."""
    return value.shape if isinstance(value, Sizes) else _convert.shape_of(value)
