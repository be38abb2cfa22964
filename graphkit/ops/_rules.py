"""Abstract rules and kernel makers that many primitives share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphkit.core.dims import Dim, Shape, Size
from graphkit.core.errors import DTypeError, ShapeError
from graphkit.ir.spec import TensorSpec


def same(x: TensorSpec, **_: Any) -> TensorSpec:
    """The output is like the (only) input."""
    return x


def same_as_bool(x: TensorSpec, **_: Any) -> TensorSpec:
    """The input's shape, bool."""
    return TensorSpec(x.shape, "bool")


def broadcast_sizes(a: Size, b: Size) -> Size | None:
    """The size of two axes that meet by broadcasting, None if they cannot.

    An unknown size is trusted to fit a known one that is not 1, and another unknown one.
    """
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    if isinstance(a, Dim):
        return a if isinstance(b, Dim) else b
    return a if isinstance(b, Dim) else None


def broadcast_shapes(*shapes: Shape) -> Shape:
    """NumPy's broadcasting with unknown sizes. Raises ShapeError naming the shapes."""
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
    """Whether two shapes are the same as far as their sizes are known."""
    return len(a) == len(b) and all(
        x == y or isinstance(x, Dim) or isinstance(y, Dim) for x, y in zip(a, b, strict=True)
    )


def show(shape: Shape) -> str:
    """A shape as Keras prints it: `(None, 3)`."""
    inner = ", ".join("None" if isinstance(s, Dim) else str(s) for s in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def broadcast(*specs: TensorSpec, **_: Any) -> TensorSpec:
    """Inputs of one dtype, broadcast against each other."""
    if any(s.dtype != specs[0].dtype for s in specs):
        raise DTypeError(f"The inputs must have one dtype, got {', '.join(s.dtype for s in specs)}.")
    return TensorSpec(broadcast_shapes(*(s.shape for s in specs)), specs[0].dtype)


def broadcast_to_bool(*specs: TensorSpec, **_: Any) -> TensorSpec:
    """Inputs of one dtype, broadcast; the output is bool."""
    return TensorSpec(broadcast(*specs).shape, "bool")


def ufunc(function: Callable[..., Any]) -> Callable[..., Callable[[], Any]]:
    """The `prepare` of a NumPy ufunc: one call, straight into the output buffer."""

    def prepare(out: Any, *arrays: Any) -> Callable[[], Any]:
        return partial(function, *arrays, out=out)

    return prepare


def copy(out: Any, x: Any, **_: Any) -> None:
    """Kernel of what changes nothing but where numbers stand."""
    np.copyto(out, x, casting="unsafe")
