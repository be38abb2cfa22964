"""Small weights and their slots side by side in memory, so that one call updates them all.

A net has dozens of biases and scales; an update of a dozen operations on each of them costs more in calls than in numbers.
The arena lays those of one dtype into one flat variable (and each slot likewise). The variables themselves become views
of it: whoever reads, saves or assigns them sees no difference. The flat variables exist in the compiled training step
alone, where the update comes after everything that reads the weights; a step that is exported has none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.ir.variable import Variable

LARGEST = 1 << 14  # elements: larger weights are worth a call of their own
Pair = tuple[Any, Variable]


class Arena:
    """The flat storage of some variables and of their slots."""

    def __init__(self, members: Sequence[Variable], slots: dict[str, list[Variable]]) -> None:
        self.members = list(members)
        self.flat, views = _lay_out(self.members, "weights")
        self._bound = list(zip(self.members, views, strict=True))
        self.slots: dict[str, Variable] = {}
        for name, variables in slots.items():
            self.slots[name], views = _lay_out(variables, name)
            self._bound += zip(variables, views, strict=True)
        self.active = False

    @property
    def is_current(self) -> bool:
        """Whether all of them still live here."""
        return all(variable.array is view for variable, view in self._bound)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Updates that are traced inside use the flat variables."""
        self.active = True
        try:
            yield
        finally:
            self.active = False

    def gather(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs with those of the members made one; as they are, if the arena is not in use or one has no gradient."""
        found = {variable: gradient for gradient, variable in pairs}
        if not self.active or any(m not in found for m in self.members):
            return list(pairs)
        parts = [ops.reshape(ops.cast(found[m], m.dtype), (-1,)) for m in self.members]
        inside = set(self.members)
        return [(ops.concatenate(parts), self.flat), *((g, v) for g, v in pairs if v not in inside)]

    def touch(self) -> None:
        """Say that the members have new numbers."""
        for variable in self.members:
            variable.version += 1


def _lay_out(variables: Sequence[Variable], name: str) -> tuple[Variable, list[np.ndarray[Any, Any]]]:
    """A flat variable, and the part of it that each variable lives in from now on."""
    total = sum(v.array.size for v in variables)
    dtype = variables[0].dtype
    flat = Variable(np.empty(total, dtypes.to_numpy(dtype)), dtype=dtype, trainable=False, name=f"small_{name}")
    views, start = [], 0
    for variable in variables:
        view = flat.array[start : start + variable.array.size].reshape(variable.shape)
        start += variable.array.size
        variable.share(view)
        views.append(view)
    return flat, views
