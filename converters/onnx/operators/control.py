"""Branches and loops: If, Loop, Scan. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import GraphKitError, InvalidArgumentError, UnsupportedError
from graphkit.ir.recording import is_tracing
from graphkit.ir.tracing import Tracer

from .evaluate import Body
from .known import ints, shape_of
from .sequences import Growing, Stacked
from .table import operator

_MAX_STEPS = 10_000_000


@operator("If")
def if_(condition: Any, *, then_branch: Body, else_branch: Body) -> Any:
    """Run one of two graphs."""
    if isinstance(condition, Tracer):
        made = ops.cond(ops.reshape(condition, ()), lambda: tuple(then_branch()), lambda: tuple(else_branch()))
        return tuple(made)
    branch = then_branch if bool(np.asarray(condition).reshape(-1)[0]) else else_branch
    return tuple(branch())


class _NotPlainError(Exception):
    """A loop whose condition depends on the data: it is no scan."""


@operator("Loop")
def loop(count: Any, condition: Any, *carried: Any, body: Body) -> Any:
    """Run a graph repeatedly; values are carried from step to step, and others are collected.

    A traced loop becomes a scan if only the number of steps ends it, else a while loop. If a carried value changes its shape, or the
    graph needs the number of the step, the steps are written out, which requires their number.
    """
    length = _number(count)
    if condition is not None and not isinstance(condition, Tracer) and not bool(np.asarray(condition).reshape(-1)[0]):
        length = 0
    if not is_tracing():
        return _unrolled(length, condition, carried, body)
    try:
        if isinstance(length, Tracer) or length is None or isinstance(condition, Tracer):
            raise _NotPlainError
        return _scanned(length, carried, body)
    except _NotPlainError:
        if isinstance(length, int) and not isinstance(condition, Tracer):
            return _unrolled(length, condition, carried, body)
        return _while(length, condition, carried, body)
    except GraphKitError:
        if not isinstance(length, int):
            raise
        return _unrolled(length, condition, carried, body)


def _number(count: Any) -> Any:
    """Return the largest number of steps: an int, a Dim, a tracer, or None if there is no limit."""
    if count is None or isinstance(count, Tracer):
        return count
    (number,) = ints(count, "M")
    return number


def _collects(body: Body, carried: Sequence[Any]) -> int:
    """Return how many values a loop collects."""
    return len(body.graph.output) - 1 - len(carried)


def _scanned(length: Any, carried: Sequence[Any], body: Body) -> tuple[Any, ...]:
    """Run a loop that only the number of steps ends. Sequences that it carries must be built by appending one tensor a step."""
    states = [v for v in carried if not isinstance(v, list)]
    if any(v for v in carried if isinstance(v, list)):
        raise UnsupportedError("a loop that carries a sequence which is not empty at first cannot be traced.")

    def step(carry: Any, number: Any) -> Any:
        given = iter(carry)
        values = [Growing() if isinstance(v, list) else next(given) for v in carried]
        go_on, *made = body(ops.cast(number, "int64"), np.asarray(True), *values)
        if isinstance(go_on, Tracer) or not bool(np.asarray(go_on).reshape(-1)[0]):
            raise _NotPlainError
        grown = [_appended(v) for v, first in zip(made, carried, strict=False) if isinstance(first, list)]
        kept = [v for v, first in zip(made, carried, strict=False) if not isinstance(first, list)]
        return tuple(kept), (tuple(grown), tuple(made[len(carried) :]))

    last, (grown, collected) = ops.scan(step, tuple(states), ops.arange(length))
    ends, sequences = iter(last), iter(grown)
    return (*(Stacked(next(sequences)) if isinstance(v, list) else next(ends) for v in carried), *collected)


def _appended(value: Any) -> Any:
    if not isinstance(value, Growing) or len(value.added) != 1:
        raise UnsupportedError("a traced loop must append one tensor a step to a sequence that it carries.")
    return value.added[0]


def _unrolled(length: Any, condition: Any, carried: Sequence[Any], body: Body) -> tuple[Any, ...]:
    """Run the steps one after the other, which requires that their number is known, or each condition as it is computed."""
    limit = _MAX_STEPS if length is None else int(length)
    values = list(carried)
    collected: list[list[Any]] = [[] for _ in range(_collects(body, carried))]
    step, go_on = 0, True
    while go_on and step < limit:
        if step >= _MAX_STEPS:
            raise InvalidArgumentError(f"a Loop ran more than {_MAX_STEPS} steps.")
        ends, *made = body(np.asarray(step, np.int64), np.asarray(True), *values)
        if isinstance(ends, Tracer):
            raise UnsupportedError("the condition of a Loop depends on the data, so its steps cannot be written out.")
        go_on = bool(np.asarray(ends).reshape(-1)[0])
        values = made[: len(carried)]
        for rows, value in zip(collected, made[len(carried) :], strict=True):
            rows.append(value)
        step += 1
    return (*values, *(_stacked(rows, body.graph.output[1 + len(carried) + i]) for i, rows in enumerate(collected)))


def _while(length: Any, condition: Any, carried: Sequence[Any], body: Body) -> tuple[Any, ...]:
    """Run a loop whose end depends on the data."""
    if _collects(body, carried) or any(isinstance(v, list) for v in carried):
        raise UnsupportedError(
            "the number of steps of a Loop depends on the data, so the size of what it collects is not known while the graph is traced."
        )
    first = ops.convert_to_tensor(np.asarray(True)) if condition is None else ops.reshape(condition, ())
    limit = None if length is None else ops.reshape(ops.cast(ops.convert_to_tensor(length), "int64"), ())

    def goes_on(number: Any, go_on: Any, *values: Any) -> Any:
        return go_on if limit is None else ops.logical_and(go_on, ops.less(number, limit))

    def step(number: Any, go_on: Any, *values: Any) -> Any:
        made = body(number, go_on, *values)
        again = ops.cast(ops.reshape(made[0], ()), "bool")
        return (ops.add(number, np.asarray(1, np.int64)), again, *made[1:])

    _, _, *last = ops.while_loop(goes_on, step, (np.asarray(0, np.int64), first, *carried))
    return tuple(last)


def _stacked(rows: list[Any], declared: Any, axis: int = 0) -> Any:
    if rows:
        return ops.stack(rows, axis=axis)
    from ..element_types import NAMES_OF_TYPES

    kind = declared.type.tensor_type
    sizes = [d.dim_value for d in kind.shape.dim]
    return ops.zeros((0, *sizes), dtype=NAMES_OF_TYPES.get(kind.elem_type, "float32"))


@operator("Scan")
def scan_batched(lengths: Any, *inputs: Any, body: Body, num_scan_inputs: int, directions: Any = None) -> Any:
    """Run a graph over the steps of sequences, for each row of a batch (version 8)."""
    rows = shape_of(inputs[0])[0]
    count = len(inputs) - num_scan_inputs
    made = []
    for row in range(rows):
        steps = None if lengths is None else int(np.asarray(lengths)[row])
        given = [v[row] for v in inputs[:count]] + [v[row][:steps] for v in inputs[count:]]
        made.append(scan(*given, body=body, num_scan_inputs=num_scan_inputs, scan_input_directions=directions))
    return tuple(ops.stack([one[k] for one in made]) for k in range(len(made[0])))


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
        made = body(*carry, *parts)
        return tuple(made[:count]), tuple(made[count:])

    states, collected = ops.scan(step, tuple(states), tuple(moved))
    finished = []
    for i, value in enumerate(collected):
        value = ops.flip(value, axis=0) if (scan_output_directions or (0,) * outputs)[i] else value
        axis = (scan_output_axes or (0,) * outputs)[i]
        finished.append(ops.moveaxis(value, 0, axis) if axis else value)
    return (*states, *finished)
