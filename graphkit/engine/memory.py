"""Memory planning: the pool of buffers and the lifetimes of values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.dims import static_size
from graphkit.ir.program import Atom, Equation, Program, Value
from graphkit.ir.spec import TensorSpec

Array = np.ndarray[Any, Any]
_ALIGN = 64  # bytes: a cache line, and the widest vector register


class Pool:
    """A pool of memory blocks; `take` returns the smallest free block that fits, else a new one."""

    def __init__(self) -> None:
        self._free: list[Array] = []
        self.allocated = 0  # bytes

    def take(self, spec: TensorSpec) -> tuple[Array, Array]:
        """Return an array of this spec and the block that backs it (an empty one for strings, which are objects)."""
        dtype = dtypes.to_numpy(spec.dtype)
        if dtype.hasobject:
            return np.empty(spec.shape, dtype), np.empty(0, np.uint8)
        count = static_size(spec.shape)
        needed = max(count * dtype.itemsize, 1)
        block = self._fitting(needed)
        return block[: count * dtype.itemsize].view(dtype).reshape(spec.shape), block

    def _fitting(self, needed: int) -> Array:
        fits = [i for i, block in enumerate(self._free) if needed <= block.size <= 4 * needed + 4096]
        if fits:
            return self._free.pop(min(fits, key=lambda i: self._free[i].size))
        size = -(-needed // _ALIGN) * _ALIGN
        self.allocated += size
        raw = np.empty(size + _ALIGN, np.uint8)
        offset = -raw.ctypes.data % _ALIGN
        return raw[offset : offset + size]

    def give(self, block: Array) -> None:
        """Return a block to the pool."""
        if block.size:
            self._free.append(block)


def last_readers(program: Program, roots: dict[Value, Value]) -> dict[Value, int]:
    """Map each root value to the index of the last equation that reads it or a view of it; results live to the end."""
    last: dict[Value, int] = {}
    for index, equation in enumerate(program.equations):
        for value in (*values_of(equation.inputs), *equation.outputs):
            last[roots.get(value, value)] = index
    for value in values_of(program.results()):
        last[roots.get(value, value)] = len(program.equations)
    return last


def values_of(atoms: Iterable[Atom]) -> list[Value]:
    """Return the atoms that are values, not literals."""
    return [a for a in atoms if isinstance(a, Value)]


def may_overwrite(equation: Equation, index: int) -> bool:
    """Return whether the output fits in this input's buffer: a single output of the same shape and dtype."""
    atom = equation.inputs[index]
    return isinstance(atom, Value) and len(equation.outputs) == 1 and atom.spec == equation.outputs[0].spec
