"""Programs as data: values, equations, and the list of equations that computes a model.

A program is straight-line SSA: every value is defined once, by an input, a piece of state or an equation, before it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from graphkit.core.errors import GraphError
from graphkit.ir.spec import TensorSpec

if TYPE_CHECKING:
    from graphkit.ir.primitive import Primitive
    from graphkit.ir.variable import Variable


class Value:
    """One tensor of a program; compared by identity. `name` is a hint for readers and may be empty."""

    __slots__ = ("name", "spec")

    def __init__(self, spec: TensorSpec, name: str = "") -> None:
        self.spec = spec
        self.name = name

    def __repr__(self) -> str:
        return f"Value({self.name or hex(id(self))}: {self.spec})"


class Literal:
    """A constant array in a program."""

    __slots__ = ("array", "spec")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.spec = TensorSpec.of(array)

    def __repr__(self) -> str:
        return f"Literal({self.spec})"


Atom: TypeAlias = "Value | Literal"


class Equation:
    """One application of a primitive: `outputs = primitive(*inputs, **params)`.

    `scope` is the path of the layer that emitted it, such as `encoder/dense`. `epoch` is the stretch of the trace that it was
    emitted in, by which gradient tapes know whether they recorded it.
    """

    __slots__ = ("epoch", "inputs", "outputs", "params", "primitive", "scope")

    def __init__(
        self,
        primitive: Primitive,
        inputs: tuple[Atom, ...],
        params: Mapping[str, Any],
        outputs: tuple[Value, ...],
        scope: str = "",
        epoch: int = 0,
    ) -> None:
        self.primitive = primitive
        self.inputs = inputs
        self.params = params
        self.outputs = outputs
        self.scope = scope
        self.epoch = epoch

    def __repr__(self) -> str:
        return f"Equation({self.primitive.name}, {self.scope!r})"


class State(NamedTuple):
    """A variable that a program reads, its value before, and its new value (None: unchanged)."""

    variable: Variable
    before: Value
    after: Atom | None


class Program:
    """Inputs, state, equations, outputs. Immutable by convention: transforms return new programs."""

    __slots__ = ("equations", "inputs", "outputs", "state")

    def __init__(
        self,
        inputs: Sequence[Value],
        state: Sequence[State],
        equations: Sequence[Equation],
        outputs: Sequence[Atom],
    ) -> None:
        self.inputs = tuple(inputs)
        self.state = tuple(state)
        self.equations = tuple(equations)
        self.outputs = tuple(outputs)

    def results(self) -> list[Atom]:
        """Return everything that the program must compute: outputs, then the new values of state."""
        return [*self.outputs, *(s.after for s in self.state if s.after is not None)]

    def atoms_read(self) -> Iterator[Atom]:
        """Yield every atom that an equation or a result reads, as often as it is read."""
        for equation in self.equations:
            yield from equation.inputs
        yield from self.results()

    def check(self) -> None:
        """Verify that every value is defined once and before it is read, and that every abstract rule holds.

        Raises:
            GraphError: If the program is not well formed; the message names the equation.
        """
        made: set[Value] = set()
        for value in (*self.inputs, *(s.before for s in self.state)):
            _make(made, value, "an input")
        for number, equation in enumerate(self.equations):
            where = f"equation {number} ({equation.primitive.name}, {equation.scope or 'no scope'})"
            for atom in equation.inputs:
                if isinstance(atom, Value) and atom not in made:
                    raise GraphError(f"{where} reads {atom!r} before it is computed.")
            specs = equation.primitive.infer([a.spec for a in equation.inputs], equation.params)
            if list(specs) != [v.spec for v in equation.outputs]:
                raise GraphError(
                    f"{where} has outputs {[str(v.spec) for v in equation.outputs]}, but its rule gives {[str(s) for s in specs]}."
                )
            for value in equation.outputs:
                _make(made, value, where)
        for atom in self.results():
            if isinstance(atom, Value) and atom not in made:
                raise GraphError(f"The program's result {atom!r} is never computed.")

    def __str__(self) -> str:
        return format_program(self)


def _make(made: set[Value], value: Value, where: str) -> None:
    if value in made:
        raise GraphError(f"{where} computes {value!r} a second time.")
    made.add(value)


def format_program(program: Program) -> str:
    """Format the program as text, one equation per line."""
    names: dict[Value, str] = {}

    def name(atom: Atom) -> str:
        if isinstance(atom, Literal):
            return str(atom.array.item()) if atom.array.size == 1 else f"<{atom.spec}>"
        return names.setdefault(atom, f"%{len(names)}")

    lines = ["inputs " + ", ".join(f"{name(v)}:{v.spec}" for v in program.inputs)]
    lines += [f"state  {name(s.before)}:{s.before.spec} = {s.variable.path}" for s in program.state]
    for equation in program.equations:
        params = ", ".join(f"{k}={_format_param(v)}" for k, v in equation.params.items())
        made = ", ".join(f"{name(v)}:{v.spec}" for v in equation.outputs)
        read = " ".join(name(a) for a in equation.inputs)
        scope = f"    # {equation.scope}" if equation.scope else ""
        lines.append(f"{made} = {equation.primitive.name}{f'[{params}]' if params else ''} {read}{scope}")
    lines += [f"update {s.variable.path} = {name(s.after)}" for s in program.state if s.after is not None]
    lines.append("return " + ", ".join(name(a) for a in program.outputs))
    return "\n".join(lines)


def _format_param(value: Any) -> str:
    if isinstance(value, Program):
        return f"<program of {len(value.equations)} equations>"
    return str(value) if not callable(value) else getattr(value, "__name__", "function")
