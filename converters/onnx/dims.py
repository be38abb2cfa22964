"""Unknown sizes in ONNX: -1 and 0 where the operator accepts them, otherwise nodes that compute them from the graph's inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.core.dims import Dim, Shape, Size, is_static
from graphkit.core.errors import ExportError

if TYPE_CHECKING:
    from .builder import GraphBuilder

INT64_MAX = int(np.iinfo(np.int64).max)
INT64_MIN = int(np.iinfo(np.int64).min)


def size_vector(b: GraphBuilder, size: Size) -> str:
    """Return the name of a size as an int64 tensor of shape (1,). Each size is computed once, in the outermost graph."""
    if isinstance(size, int):
        return b.ints([size])
    root = b.root
    known = root.sizes.get(size)
    if known is None:
        outer, root.equation = root.equation, None
        try:
            known = root.sizes[size] = _compute(root, size)
        finally:
            root.equation = outer
    return known


def _compute(root: GraphBuilder, size: Dim) -> str:
    total: str | None = None
    for coefficient, atoms in sorted(size.terms(), key=lambda term: -len(term[1])):
        term = _term(root, coefficient, atoms)
        total = term if total is None else root.op("Add", total, term)
    assert total is not None
    return total


def _term(root: GraphBuilder, coefficient: int, atoms: Sequence[Any]) -> str:
    product: str | None = root.ints([coefficient]) if coefficient != 1 or not atoms else None
    for atom in atoms:
        factor = _named(root, atom) if isinstance(atom, str) else _OF_TWO[atom[0]](root, *atom[1:])
        product = factor if product is None else root.op("Mul", product, factor)
    assert product is not None
    return product


def _named(root: GraphBuilder, name: str) -> str:
    key = Dim.named(name)
    known = root.sizes.get(key)
    if known is not None:
        return known
    source = root.dim_sources.get(name)
    if source is None:
        raise ExportError(
            f"The size {name!r} is not an axis of any input of the graph, so ONNX cannot compute it. "
            "Give that axis of the Input a fixed size."
        )
    made = root.size_of(*source)
    root.sizes[key] = made
    return made


def _floor_division(root: GraphBuilder, dividend: Dim, divisor: int) -> str:
    """Divide, rounding down. ONNX' Div truncates towards zero, so the remainder (Mod, sign of the divisor) is subtracted first."""
    number, by = size_vector(root, dividend), root.ints([divisor])
    if not _never_negative(dividend):
        number = root.op("Sub", number, root.op("Mod", number, by))
    made: str = root.op("Div", number, by)
    return made


def _largest(root: GraphBuilder, a: Size, b: Size) -> str:
    made: str = root.op("Max", size_vector(root, a), size_vector(root, b))
    return made


_OF_TWO: dict[str, Callable[..., str]] = {"//": _floor_division, "max": _largest}


def _never_negative(size: Dim) -> bool:
    return all(coefficient >= 0 and all(isinstance(a, str) for a in atoms) for coefficient, atoms in size.terms())


def shape_vector(b: GraphBuilder, shape: Sequence[Size]) -> str:
    """Return the name of a shape as an int64 vector: a constant, or a Concat of constant runs and computed sizes."""
    if is_static(tuple(shape)):
        return b.ints(int(s) for s in shape if isinstance(s, int))
    key = ("shape", tuple(shape))
    root = b.root
    known = root.sizes.get(key)
    if known is None:
        parts: list[str] = []
        run: list[int] = []
        for size in shape:
            if isinstance(size, int):
                run.append(size)
                continue
            if run:
                parts.append(b.ints(run))
                run = []
            parts.append(size_vector(b, size))
        if run:
            parts.append(b.ints(run))
        outer, root.equation = root.equation, None
        try:
            known = parts[0] if len(parts) == 1 else root.op("Concat", *parts, axis=0)
        finally:
            root.equation = outer
        root.sizes[key] = known
    return known


def size_scalar(b: GraphBuilder, size: Size) -> str:
    """Return the name of a size as an int64 scalar."""
    if isinstance(size, int):
        return b.constant(np.asarray(size, np.int64))
    return b.squeeze(size_vector(b, size), 0)


def reshape_target(b: GraphBuilder, old: Shape, new: Shape) -> tuple[str, bool]:
    """Return the `shape` input of Reshape and whether it needs `allowzero`: 0 copies an axis, -1 infers one."""
    if any(size == 0 for size in new):
        return shape_vector(b, new), True
    sizes: list[Size] = [
        0 if isinstance(s, Dim) and axis < len(old) and old[axis] == s else s for axis, s in enumerate(new)
    ]
    unknown = [axis for axis, size in enumerate(sizes) if isinstance(size, Dim)]
    if not unknown:
        return b.ints(int(s) for s in sizes if isinstance(s, int)), False
    # Next to a copied axis of size 0, -1 is ambiguous, and onnxruntime rejects it.
    if len(unknown) == 1 and not any(size == 0 for size in (*old, *sizes)):
        sizes[unknown[0]] = -1
        return b.ints(int(s) for s in sizes if isinstance(s, int)), False
    return shape_vector(b, new), True  # every size is explicit, and one of them may be 0 at run time


def slice_bound(bound: Size, size: Size, step: int, *, is_stop: bool) -> Size:
    """Return a slice bound in ONNX' terms: the end as the largest int, offsets from the end as negative ints.

    Args:
        bound: the start or stop.
        size: of the axis.
        step: of the slice.
        is_stop: whether it is the stop.
    """
    if step > 0:
        if is_stop and bound == size:
            return INT64_MAX if isinstance(size, Dim) else bound
    elif is_stop and bound == -1:
        return INT64_MIN
    if isinstance(bound, Dim) or isinstance(size, Dim):
        offset = bound - size
        if isinstance(offset, int) and offset < 0:
            return offset
    return bound
