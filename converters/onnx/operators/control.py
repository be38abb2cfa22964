"""Branches and loops: If, Loop, Scan. Source: onnx.ai/onnx/operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core.errors import InvalidArgumentError, UnsupportedError
from graphkit.ir.tracing import Tracer

from .evaluate import Body
from .known import shape_of
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


def _is_true(value: Any) -> bool:
    if isinstance(value, Tracer):
        raise UnsupportedError(
            "the condition of a Loop depends on the data, so the loop cannot be traced with these outputs."
        )
    return bool(np.asarray(value).reshape(-1)[0])


@operator("Loop")
def loop(count: Any, condition: Any, *carried: Any, body: Body) -> Any:
    """Run a graph repeatedly; values are carried from step to step, and others are collected."""
    if any(isinstance(v, Tracer) for v in (count, condition)):
        raise UnsupportedError("the number of steps of a Loop depends on the data, which cannot be traced yet.")
    limit = _MAX_STEPS if count is None else int(np.asarray(count).reshape(-1)[0])
    go_on = True if condition is None else _is_true(condition)
    values = list(carried)
    collected: list[list[Any]] = [[] for _ in range(len(body.graph.output) - 1 - len(carried))]
    step = 0
    while go_on and step < limit:
        if step >= _MAX_STEPS:
            raise InvalidArgumentError(f"a Loop ran more than {_MAX_STEPS} steps.")
        made = body(np.asarray(step, np.int64), np.asarray(True), *values)
        go_on = _is_true(made[0]) if condition is not None or not isinstance(made[0], Tracer) else True
        values = made[1 : 1 + len(carried)]
        for rows, value in zip(collected, made[1 + len(carried) :], strict=True):
            rows.append(value)
        step += 1
    return (*values, *(_stacked(rows, body.graph.output[1 + len(carried) + i]) for i, rows in enumerate(collected)))


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
