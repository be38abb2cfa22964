"""Branches and loops: If, Loop, Scan. Source: onnx.ai/onnx/operators.

On arrays a loop runs step by step. In a trace, a few steps are written one after another, which folds what depends on the number of
the step; more steps, or an unknown number of them, become a scan. If the condition depends on the data, the scan keeps the values of
the last step for which it held, as far as the number of steps is bounded; otherwise the loop is a `while_loop`, which has no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.dims import Dim
from graphkit.core.errors import GraphKitError, InvalidArgumentError, UnsupportedError
from graphkit.ir.tracing import Tracer, current_trace, measured_size

from ..element_types import NAMES_OF_TYPES
from .counting import counted_steps
from .evaluate import Body
from .known import shape_of
from .sequences import Growing, Stacked
from .sizes import Sizes
from .table import operator

_MAX_STEPS = 10_000_000
_UNROLLED = 16  # steps that a trace writes one after another
_MAX_UNROLLED = 1024  # if a scan is impossible, because values change their shapes
_MAX_MASKED = 4096  # steps of a scan whose condition depends on the data


class _DependsOnDataError(Exception):
    """The condition of a loop is not known."""


def _values(made: Sequence[Any]) -> list[Any]:
    """Return the results of a graph, unknown sizes as tensors."""
    return [v.as_tensor() if isinstance(v, Sizes) else v for v in made]


@operator("If")
def if_(condition: Any, *, then_branch: Body, else_branch: Body) -> Any:
    """Run one of two graphs."""
    if isinstance(condition, Tracer):
        branches = [lambda branch=branch: tuple(_values(branch())) for branch in (then_branch, else_branch)]
        return tuple(ops.cond(ops.reshape(condition, ()), *branches))
    branch = then_branch if bool(np.asarray(condition).reshape(-1)[0]) else else_branch
    return tuple(branch())


# ----- Loop -----


@operator("Loop")
def loop(count: Any = None, condition: Any = None, *carried: Any, body: Body) -> Any:
    """Run a graph repeatedly; values are carried from step to step, and others are collected."""
    steps, start = _steps(count), None if condition is None else _flag(condition)
    if current_trace() is None:
        return _by_step(steps, start, carried, body)
    known = isinstance(steps, int) and not isinstance(start, Tracer)
    counted = None if start is False else _counted(steps, carried, body)
    carried = tuple(_values(carried))
    # A start that depends on the data decides nothing while sizes are unknown: only shapes are inferred then.
    if isinstance(counted, Dim) or (counted is not None and counted > _UNROLLED and not isinstance(start, Tracer)):
        return _by_scan(counted, carried, body, counts=True)
    if counted is not None and not isinstance(start, Tracer):
        steps, known = counted, True
    try:
        if known and (steps <= _UNROLLED or start is False):
            return _by_step(steps, start, carried, body)
        if isinstance(steps, (int, Dim)) and not isinstance(start, Tracer):
            return _by_scan(steps, carried, body)
    except _DependsOnDataError:
        pass
    except GraphKitError:
        if not known or steps > _MAX_UNROLLED:
            raise
        return _by_step(steps, start, carried, body)
    if isinstance(steps, int) and steps <= _MAX_MASKED:
        return _by_masked_scan(steps, start, carried, body)
    return _by_while(steps, start, carried, body)


def _counted(steps: Any, carried: Sequence[Any], body: Body) -> Any:
    """Return the number of steps of a loop that runs, if its condition compares a counter with a limit, else None."""
    counted = counted_steps(body.graph, carried, body.outer)
    if isinstance(counted, int):
        counted = max(counted, 1)
    if counted is None or steps is None or counted == steps:
        return counted
    return min(counted, steps) if isinstance(counted, int) and isinstance(steps, int) else None


def _steps(count: Any) -> Any:
    """Return the number of steps: an int, a Dim, a tracer, or None for no limit."""
    if count is None or isinstance(count, Tracer):
        return count if count is None else ops.reshape(count, ())
    value = (count.values if isinstance(count, Sizes) else np.asarray(count)).reshape(-1)[0]
    return value if isinstance(value, Dim) else int(value)


def _flag(value: Any) -> Any:
    return ops.reshape(value, ()) if isinstance(value, Tracer) else bool(np.asarray(value).reshape(-1)[0])


def _by_step(steps: Any, start: Any, carried: Sequence[Any], body: Body) -> Any:
    """Run the steps one after another.

    Raises:
        _DependsOnDataError: whether there is another step depends on the data, in a trace.
    """
    limit = _MAX_STEPS if steps is None else steps
    go_on, values = start is not False, list(carried)
    collected: list[list[Any]] = [[] for _ in range(len(body.graph.output) - 1 - len(carried))]
    step = 0
    while go_on and step < limit:
        if step >= _MAX_STEPS:
            raise InvalidArgumentError(f"a Loop ran more than {_MAX_STEPS} steps.")
        made = body(np.asarray(step, np.int64), np.asarray(True), *values)
        if isinstance(made[0], Tracer):
            raise _DependsOnDataError
        go_on, values = _flag(made[0]), made[1 : 1 + len(carried)]
        for rows, value in zip(collected, made[1 + len(carried) :], strict=True):
            rows.append(value)
        step += 1
    return (*values, *(_stacked(rows, body.graph.output[1 + len(carried) + i]) for i, rows in enumerate(collected)))


def _stacked(rows: list[Any], declared: Any) -> Any:
    if rows:
        return ops.stack(_values(rows), axis=0)
    kind = declared.type.tensor_type
    sizes = [d.dim_value for d in kind.shape.dim]
    return ops.zeros((0, *sizes), dtype=NAMES_OF_TYPES.get(kind.elem_type, "float32"))


def _by_scan(steps: Any, carried: Sequence[Any], body: Body, counts: bool = False) -> Any:
    """Run a known number of steps as a scan. Sequences that it carries must be empty at first, and get one tensor in each step.

    Args:
        steps: an int or a Dim.
        carried: the first values of what the loop carries.
        body: its graph.
        counts: whether `steps` follows from the condition, which is then ignored.

    Raises:
        _DependsOnDataError: whether there is another step depends on the data.
    """
    if any(isinstance(v, list) and v for v in carried):
        raise UnsupportedError("a loop that carries a sequence which is not empty at first cannot be traced.")

    def step(carry: Any, number: Any) -> Any:
        given = iter(carry)
        made = body(number, np.asarray(True), *(Growing() if isinstance(v, list) else next(given) for v in carried))
        if not counts and isinstance(made[0], Tracer):
            raise _DependsOnDataError
        if not counts and not _flag(made[0]):
            raise UnsupportedError("the body of a Loop always ends it after one step.")
        made = _values(made[1:])
        ends = list(zip(made, carried, strict=False))
        grown = tuple(_appended(v) for v, first in ends if isinstance(first, list))
        return tuple(v for v, first in ends if not isinstance(first, list)), (grown, tuple(made[len(carried) :]))

    tensors = tuple(v for v in carried if not isinstance(v, list))
    last, (grown, collected) = ops.scan(step, tensors, ops.arange(steps, dtype="int64"))
    values, sequences = iter(last), iter(grown)
    return (*(Stacked(next(sequences)) if isinstance(v, list) else next(values) for v in carried), *collected)


def _appended(value: Any) -> Any:
    if not isinstance(value, Growing) or len(value.added) != 1:
        raise UnsupportedError("a traced loop must append one tensor in each step to a sequence that it carries.")
    return value.added[0]


def _by_masked_scan(steps: int, start: Any, carried: Sequence[Any], body: Body) -> Any:
    """Run all steps as a scan, and keep the values of the last one for which the condition held."""

    def step(carry: Any, number: Any) -> Any:
        runs, count, *values = carry
        made = _values(body(number, np.asarray(True), *values))
        new, results = made[1 : 1 + len(carried)], made[1 + len(carried) :]
        kept = [ops.where(runs, n, o) for n, o in zip(new, values, strict=True)]
        goes_on = ops.logical_and(runs, ops.reshape(made[0], ()))
        return (goes_on, ops.add(count, ops.cast(runs, "int64")), *kept), tuple(results)

    first = ops.convert_to_tensor(True if start is None else start, "bool")
    (_, count, *values), collected = ops.scan(
        step, (first, np.asarray(0, np.int64), *carried), ops.arange(steps, dtype="int64")
    )
    if not collected:
        return tuple(values)
    done = measured_size(count, int, "Loop")
    return (*values, *(rows[:done] for rows in collected))


def _by_while(steps: Any, start: Any, carried: Sequence[Any], body: Body) -> Any:
    """Run steps while the condition holds; nothing can be collected."""
    if len(body.graph.output) - 1 > len(carried):
        raise UnsupportedError(
            "the number of steps of a Loop that collects results depends on the data and has no bound of "
            f"{_MAX_MASKED} steps or less, so the shapes of the results are not known while the graph is traced."
        )

    def goes_on(number: Any, runs: Any, *values: Any) -> Any:
        return runs if steps is None else ops.logical_and(runs, ops.less(number, steps))

    def step(number: Any, runs: Any, *values: Any) -> Any:
        made = _values(body(number, np.asarray(True), *values))
        return ops.add(number, np.asarray(1, np.int64)), ops.reshape(ops.cast(made[0], "bool"), ()), *made[1:]

    limit = steps if steps is None or isinstance(steps, (Tracer, Dim)) else np.asarray(steps, np.int64)
    steps = limit if limit is None else ops.cast(ops.convert_to_tensor(limit), "int64")
    first = ops.convert_to_tensor(True if start is None else start, "bool")
    return tuple(ops.while_loop(goes_on, step, (np.asarray(0, np.int64), first, *carried))[2:])


# ----- Scan -----


@operator("Scan")
def scan_batched(lengths: Any = None, *inputs: Any, body: Body, num_scan_inputs: int, directions: Any = None) -> Any:
    """Run a graph over the steps of sequences, for each row of a batch; results end with zeros (version 8)."""
    rows = shape_of(inputs[0])[0]
    if isinstance(rows, Dim):
        raise UnsupportedError("Scan of version 8 requires a batch of known size.")
    count = len(inputs) - num_scan_inputs
    made = []
    for row in range(rows):
        steps = None if lengths is None else int(np.asarray(lengths).reshape(-1)[row])
        given = [v[row] for v in inputs[:count]] + [v[row][:steps] for v in inputs[count:]]
        results = scan(*given, body=body, num_scan_inputs=num_scan_inputs, scan_input_directions=directions)
        longest = shape_of(inputs[count])[1]
        made.append([*results[:count], *(_lengthened(r, longest) for r in results[count:])])
    return tuple(ops.stack([one[k] for one in made]) for k in range(len(made[0])))


def _lengthened(rows: Any, length: Any) -> Any:
    missing = length - shape_of(rows)[0]
    if isinstance(missing, int) and missing == 0:
        return rows
    return ops.pad(rows, [(0, missing), *[(0, 0)] * (len(shape_of(rows)) - 1)])


@operator("Scan", since=9)
def scan(
    *inputs: Any,
    body: Body,
    num_scan_inputs: int,
    scan_input_axes: Any = None,
    scan_input_directions: Any = None,
    scan_output_axes: Any = None,
    scan_output_directions: Any = None,
) -> Any:
    """Run a graph over the steps of sequences, carrying states."""
    count = len(inputs) - num_scan_inputs
    states, sequences = list(inputs[:count]), inputs[count:]
    axes = scan_input_axes or (0,) * num_scan_inputs
    backwards = scan_input_directions or (0,) * num_scan_inputs
    outputs = len(body.graph.output) - count
    moved = [ops.moveaxis(s, a, 0) if a else s for s, a in zip(sequences, axes, strict=True)]
    moved = [ops.flip(s, axis=0) if d else s for s, d in zip(moved, backwards, strict=True)]

    def step(carry: Any, parts: Any) -> Any:
        made = _values(body(*carry, *parts))
        return tuple(made[:count]), tuple(made[count:])

    try:
        states, collected = ops.scan(step, tuple(states), tuple(moved))
    except GraphKitError:
        if current_trace() is not None:
            raise
        states, collected = _on_arrays(step, states, moved)  # the body needs the numbers
    finished = []
    for i, value in enumerate(collected):
        value = ops.flip(value, axis=0) if (scan_output_directions or (0,) * outputs)[i] else value
        axis = (scan_output_axes or (0,) * outputs)[i]
        finished.append(ops.moveaxis(value, 0, axis) if axis else value)
    return (*states, *finished)


def _on_arrays(step: Any, states: Sequence[Any], sequences: Sequence[Any]) -> tuple[Any, list[Any]]:
    rows = []
    carry: Any = tuple(states)
    for number in range(len(sequences[0])):
        carry, made = step(carry, tuple(s[number] for s in sequences))
        rows.append(made)
    return carry, [ops.stack(list(column)) for column in zip(*rows, strict=True)]
