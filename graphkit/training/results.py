"""The results of a step: which of them a compiled step must compute each time, and which are computed when they are read.

A result that follows from the new state alone (a metric's result from its sums) need not be computed in every step: it is a
program of its own, evaluated on the variables when somebody reads it, which gives the same numbers until the next step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphkit.ir.program import Atom, Equation, Program, Value
from graphkit.ir.tracing import replay, tracing
from graphkit.ir.variable import Variable


class LateResults:
    """The outputs of a step that follow from the new values of variables alone.

    Args:
        program: Computes them from these values.
        variables: The variables, in the order of the program's inputs.
    """

    def __init__(self, program: Program, variables: Sequence[Variable]) -> None:
        self._program, self._variables = program, list(variables)

    def __call__(self) -> list[Any]:
        """Compute the results from the current values."""
        with tracing(None):
            return replay(self._program, [v.numpy() for v in self._variables])


def split(program: Program) -> tuple[Program, LateResults, list[bool]]:
    """Return the program of a step without its late outputs, these outputs, and which outputs they are."""
    sources = {
        s.after: s.variable for s in program.state if isinstance(s.after, Value) and not s.variable.made_trainable
    }
    late: set[Value] = set(sources)
    for equation in program.equations:
        inputs = [a for a in equation.inputs if isinstance(a, Value)]
        if inputs and all(a in late for a in inputs):
            late.update(equation.outputs)
    is_late = [isinstance(o, Value) and o in late for o in program.outputs]
    outputs = [o for o, one in zip(program.outputs, is_late, strict=True) if one]
    rest = [o for o, one in zip(program.outputs, is_late, strict=True) if not one]
    equations = _needed(program.equations, outputs, sources)
    read = [a for e in equations for a in e.inputs] + outputs
    inputs = list(dict.fromkeys(a for a in read if isinstance(a, Value) and a in sources))
    closed = Program(inputs, [], equations, outputs)
    return (
        Program(program.inputs, program.state, program.equations, rest),
        LateResults(closed, [sources[v] for v in inputs]),
        is_late,
    )


def _needed(
    equations: Sequence[Equation], outputs: Sequence[Atom], sources: Mapping[Value, Variable]
) -> list[Equation]:
    """Return the equations between the sources and the outputs."""
    wanted = {o for o in outputs if isinstance(o, Value) and o not in sources}
    found: list[Equation] = []
    for equation in reversed(equations):
        if any(v in wanted for v in equation.outputs):
            found.append(equation)
            wanted.update(a for a in equation.inputs if isinstance(a, Value) and a not in sources)
    return found[::-1]


class Later:
    """A result that could not be traced (a metric that reads its numbers): a function, called when the result is read."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function


def plain(value: Any) -> Any:
    """Return a result as a float, or as an array if it has axes; anything else is returned unchanged."""
    if isinstance(value, Later):
        with tracing(None):
            value = value.function()
    if isinstance(value, Variable):
        value = value.numpy()
    if isinstance(value, Mapping):
        return plain_logs(value)
    if isinstance(value, (bool, str)) or value is None:
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        return value
    if array.dtype.kind not in "biuf" or (array.ndim and array.size != 1 and array.dtype.kind == "O"):
        return value
    return float(array) if array.ndim == 0 else np.asarray(array)


def plain_logs(logs: Any) -> dict[str, Any]:
    """Return the results of a step as floats, sorted by name; a result that is a dict adds its own names."""
    flat: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        made = plain(value)
        flat.update(made if isinstance(made, Mapping) else {name: made})
    return flat
