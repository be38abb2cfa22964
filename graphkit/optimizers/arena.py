"""Small weights and their slots in contiguous memory, so that one call updates them all.

A model has dozens of biases and scales. A dozen operations on each of them cost more in calls than in arithmetic.
The arena places those of one dtype in one flat variable (and so for each slot). The variables become views of it,
which makes no difference to reading, saving or assigning them. The flat variables are used only in the compiled training
step, where the update comes after everything that reads the weights; an exported step does not contain them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import dtypes
from graphkit.ir.program import Program, Value
from graphkit.ir.variable import Variable

LARGEST = 1 << 14  # elements; larger weights are updated one by one
Pair = tuple[Any, Variable]


class Arena:
    """The flat storage of some variables and of their slots.

    Args:
        members: Variables of one dtype.
        slots: The slots of the members, in the same order, by the slot's name.
    """

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
        """Whether all members and slots are still views of the arena."""
        return all(variable.array is view for variable, view in self._bound)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Let updates that are traced inside the block use the flat variables."""
        self.active = True
        try:
            yield
        finally:
            self.active = False

    def gather(self, pairs: Sequence[Pair]) -> list[Pair]:
        """Merge the (gradient, variable) pairs of the members into one; unchanged if the arena is not in use or a gradient is missing."""
        found = {variable: gradient for gradient, variable in pairs}
        if not self.active or any(m not in found for m in self.members):
            return list(pairs)
        parts = [ops.reshape(ops.cast(found[m], m.dtype), (-1,)) for m in self.members]
        inside = set(self.members)
        return [(ops.concatenate(parts), self.flat), *((g, v) for g, v in pairs if v not in inside)]

    def is_safe(self, program: Program) -> bool:
        """Return whether nothing in a traced step reads or assigns a member or its slots after the flat update has begun.

        The flat variables change the members without the program showing it.
        """
        flats = {self.flat, *self.slots.values()}
        start = _first_reader(program, {s.before for s in program.state if s.variable in flats})
        if start is None:
            return True
        bound = {variable for variable, _ in self._bound}
        inside = [s for s in program.state if s.variable in bound]
        before = {s.before for s in inside}
        late = {a for e in program.equations[start:] for a in e.inputs if isinstance(a, Value)}
        late.update(a for a in program.outputs if isinstance(a, Value))
        return not (before & late) and all(s.after is None for s in inside)

    def touch(self) -> None:
        """Mark the values of the members as changed."""
        for variable in self.members:
            variable.version += 1


def _first_reader(program: Program, values: set[Value]) -> int | None:
    """Return the index of the first equation that reads one of these values."""
    readers = (
        i for i, e in enumerate(program.equations) if any(isinstance(a, Value) and a in values for a in e.inputs)
    )
    return next(readers, None)


def _lay_out(variables: Sequence[Variable], name: str) -> tuple[Variable, list[np.ndarray[Any, Any]]]:
    """Create a flat variable; return it and the view that each variable uses from now on."""
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
