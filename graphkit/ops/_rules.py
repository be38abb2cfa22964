"""Abstract rules and kernel factories shared by many primitives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphkit.core.dims import Dim, Shape, Size
from graphkit.core.errors import DTypeError, ShapeError
from graphkit.ir.spec import TensorSpec


def same(x: TensorSpec, **_: Any) -> TensorSpec:
    """Return the spec of the (only) input."""
    return x


def same_as_bool(x: TensorSpec, **_: Any) -> TensorSpec:
    """Return the input's shape with dtype bool."""
    return TensorSpec(x.shape, "bool")


def broadcast_sizes(a: Size, b: Size) -> Size | None:
    """Broadcast two sizes; return None if they do not fit.

    An unknown size is assumed to fit another unknown one, and a known one that is not 1.
    """
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    if isinstance(a, Dim):
        return a if isinstance(b, Dim) else b
    return a if isinstance(b, Dim) else None


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Broadcast shapes as NumPy does; sizes may be unknown.

    Raises:
        ShapeError: the shapes do not fit.
    """
    rank = max((len(s) for s in shapes), default=0)
    result: list[Size] = [1] * rank
    for shape in shapes:
        offset = rank - len(shape)
        for axis, size in enumerate(shape):
            joined = broadcast_sizes(result[offset + axis], size)
            if joined is None:
                raise ShapeError(f"Shapes {' and '.join(show(s) for s in shapes)} cannot be broadcast together.")
            result[offset + axis] = joined
    return tuple(result)


def same_sizes(a: Shape, b: Shape) -> bool:
    """Whether two shapes agree as far as their sizes are known."""
    return len(a) == len(b) and all(
        x == y or isinstance(x, Dim) or isinstance(y, Dim) for x, y in zip(a, b, strict=True)
    )


def show(shape: Shape) -> str:
    """Format a shape as Keras prints it: `(None, 3)`."""
    inner = ", ".join("None" if isinstance(s, Dim) else str(s) for s in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def broadcast(*specs: TensorSpec, **_: Any) -> TensorSpec:
    """Broadcast inputs of the same dtype.

    Raises:
        DTypeError: the dtypes differ.
        ShapeError: the shapes do not fit.
    """
    if any(s.dtype != specs[0].dtype for s in specs):
        raise DTypeError(f"The inputs must have the same dtype, got {', '.join(s.dtype for s in specs)}.")
    return TensorSpec(broadcast_shapes(*(s.shape for s in specs)), specs[0].dtype)


def broadcast_to_bool(*specs: TensorSpec, **_: Any) -> TensorSpec:
    """Broadcast inputs of the same dtype to an output of dtype bool; raises as `broadcast` does."""
    return TensorSpec(broadcast(*specs).shape, "bool")


def ufunc(function: Callable[..., Any]) -> Callable[..., Callable[[], Any]]:
    """Return the `prepare` of a NumPy ufunc: one call that writes into the output buffer."""

    def prepare(out: Any, *arrays: Any) -> Callable[[], Any]:
        return partial(function, *arrays, out=out)

    return prepare


def copy(out: Any, x: Any, **_: Any) -> None:
    """Copy `x` into `out`: the kernel of ops that only move or cast elements."""
    np.copyto(out, x, casting="unsafe")
