"""Rearrange the elements of weights into the layout that ONNX expects for kernels and gates, and back.

A step is a tuple: ("transpose", axes), ("reshape", shape), ("take", axis, indices), ("pad", axis, before, after). `indices` is
a permutation. Every step can be undone, so a reader recovers the layer's weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from .builder import GraphBuilder, Input

Step: TypeAlias = "tuple[Any, ...]"
Array: TypeAlias = "np.ndarray[Any, Any]"


def apply_steps(array: Array, steps: Sequence[Step]) -> Array:
    """Apply steps to an array."""
    for kind, *rest in steps:
        array = _APPLY[kind](array, *rest)
    return array


def undo_steps(array: Array, shape: Sequence[int], steps: Sequence[Step]) -> Array:
    """Invert `apply_steps`.

    Args:
        array: the result of `apply_steps`.
        shape: the shape of the array before the steps.
        steps: the steps that were applied.
    """
    shapes = [tuple(shape)]
    probe = np.empty(tuple(shape), np.int8)
    for step in steps:
        probe = apply_steps(probe, [step])
        shapes.append(probe.shape)
    for (kind, *rest), before in zip(reversed(list(steps)), reversed(shapes[:-1]), strict=True):
        array = _UNDO[kind](array, before, *rest)
    return array


def emit_steps(b: GraphBuilder, value: Input, steps: Sequence[Step]) -> str:
    """Apply steps by nodes; return the name of the result."""
    name = b.name_of(value)
    for kind, *rest in steps:
        name = _EMIT[kind](b, name, *rest)
    return name


def _pad(array: Array, axis: int, before: int, after: int) -> Array:
    widths = [(0, 0)] * array.ndim
    widths[axis] = (before, after)
    return np.pad(array, widths)


def _unpad(array: Array, shape: Sequence[int], axis: int, before: int, after: int) -> Array:
    kept = [slice(None)] * array.ndim
    kept[axis] = slice(before, before + shape[axis])
    return array[tuple(kept)]


_APPLY: dict[str, Any] = {
    "transpose": lambda x, axes: x.transpose(axes),
    "reshape": lambda x, shape: x.reshape(shape),
    "take": lambda x, axis, indices: np.take(x, indices, axis),
    "pad": _pad,
}
_UNDO: dict[str, Any] = {
    "transpose": lambda x, shape, axes: x.transpose(np.argsort(axes)),
    "reshape": lambda x, shape, _: x.reshape(shape),
    "take": lambda x, shape, axis, indices: np.take(x, np.argsort(indices), axis),
    "pad": _unpad,
}


def _emit_pad(b: GraphBuilder, name: str, axis: int, before: int, after: int) -> Any:
    """Pad a vector: only vectors are padded, so the `axes` input (since opset 18) is not needed."""
    assert axis == 0
    return b.op("Pad", name, b.ints([before, after]))


def _emit_transpose(b: GraphBuilder, name: str, axes: tuple[int, ...]) -> str:
    """Merge consecutive transposes; drop those that cancel."""
    source, before = b.root.turned.get(name, (name, tuple(range(len(axes)))))
    axes = tuple(before[a] for a in axes)
    if axes == tuple(range(len(axes))):
        return source
    made = str(b.op("Transpose", source, perm=list(axes)))
    b.root.turned[made] = (source, axes)
    return made


_EMIT: dict[str, Any] = {
    "transpose": _emit_transpose,
    "reshape": lambda b, x, shape: b.op("Reshape", x, b.ints(shape)),
    "take": lambda b, x, axis, indices: b.op("Gather", x, b.ints(indices), axis=axis),
    "pad": _emit_pad,
}
