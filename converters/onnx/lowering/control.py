"""Loops and branches: Scan, Loop and If. Bodies refer to captured values of the enclosing graph by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from graphkit.core import dtypes
from graphkit.core.dims import Size
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ops.control import fitted

from .. import driver
from ..builder import GraphBuilder, Operand, value_info
from ..dims import shape_vector, size_scalar
from ..registry import lowering


class Body:
    """The graph of a loop body or branch under construction."""

    def __init__(self, b: GraphBuilder, name: str) -> None:
        self.builder = b.child()
        self.name = b.root.names.unique(f"{b.scope}/{name}" if b.scope else name)
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def input(self, spec: TensorSpec, hint: str) -> Operand:
        """Declare a new input."""
        name = self.builder.root.names.unique(f"{self.name}/{hint}")
        self.inputs.append(value_info(name, spec))
        self.builder.root.dtypes[name] = spec.dtype
        return Operand(self.builder, spec, name)

    def lower(self, program: Program, arguments: Sequence[Operand]) -> list[Operand]:
        """Write a program into the body and return the operands of its outputs."""
        program = fitted(program, [a.spec for a in arguments])
        names = driver.lower_body(self.builder, program, list(arguments))
        return [Operand(self.builder, atom.spec, name) for atom, name in zip(program.outputs, names, strict=True)]

    def output(self, value: Operand, spec: TensorSpec | None = None) -> None:
        """Declare an output under a new name, since one value may be several outputs."""
        name = self.builder.op("Identity", value)
        self.outputs.append(value_info(name, spec or value.spec))

    def graph(self) -> onnx.GraphProto:
        """Return the finished graph."""
        return helper.make_graph(self.builder.nodes, self.name, self.inputs, self.outputs)


def _several(made: Any) -> tuple[str, ...]:
    return made if isinstance(made, tuple) else (made,)


@lowering("scan")
def _scan(
    b: GraphBuilder, *operands: Operand, body: Program, carries: int, sequences: int, length: Size, reverse: bool
) -> tuple[str, ...]:
    """Write a Scan; where the length may be 0, which onnxruntime rejects, inside an If."""
    options: dict[str, Any] = {"carries": carries, "sequences": sequences, "length": length, "reverse": reverse}
    assert b.equation is not None
    results = [v.spec for v in b.equation.outputs[carries:]]
    if isinstance(length, int):
        return _steps(b, *operands, body=body, **options) if length else _no_steps(b, operands[:carries], results)
    none, some = Body(b, "no_steps"), Body(b, "steps")
    for part, made in (
        (none, _no_steps(none.builder, operands[:carries], results)),
        (some, _steps(some.builder, *operands, body=body, **options)),
    ):
        for name, value in zip(made, b.equation.outputs, strict=True):
            part.output(Operand(part.builder, value.spec, name))
    is_empty = b.op("Equal", size_scalar(b, length), b.constant(np.asarray(0, np.int64)))
    count = len(b.equation.outputs)
    return _several(b.op("If", is_empty, outputs=count, then_branch=none.graph(), else_branch=some.graph()))


def _no_steps(b: GraphBuilder, carried: Sequence[Operand], results: Sequence[TensorSpec]) -> tuple[str, ...]:
    """Return the initial carries, and results with no rows."""
    empty = [
        b.op("Expand", b.constant(np.zeros((), dtypes.to_numpy(s.dtype))), shape_vector(b, (0, *s.shape[1:])))
        for s in results
    ]
    return (*(b.op("Identity", c) for c in carried), *empty)


def _steps(
    b: GraphBuilder, *operands: Operand, body: Program, carries: int, sequences: int, length: Size, reverse: bool
) -> tuple[str, ...]:
    stop = carries + sequences
    part = Body(b, "body")
    carried = [part.input(o.spec, f"carry_{i}") for i, o in enumerate(operands[:carries])]
    slices = [part.input(TensorSpec(o.shape[1:], o.dtype), f"slice_{i}") for i, o in enumerate(operands[carries:stop])]
    feeds: list[Any] = list(operands[carries:stop])
    if not sequences:  # ONNX' Scan takes its length from a sequence
        part.input(TensorSpec((), "int64"), "step")
        zero, one = (b.constant(np.asarray(n, np.int64)) for n in (0, 1))
        feeds = [b.op("Range", zero, size_scalar(b, length), one)]
    made = part.lower(body, [*carried, *slices, *operands[stop:]])
    for number, value in enumerate(made):
        part.output(value, operands[number].spec if number < carries else None)
    results = len(made) - carries
    directions: dict[str, Any] = {
        "scan_input_directions": [1] * len(feeds), "scan_output_directions": [1] * results if results else None,
    } if reverse else {}  # fmt: skip
    return _several(
        b.op(
            "Scan",
            *operands[:carries],
            *feeds,
            outputs=len(made),
            body=part.graph(),
            num_scan_inputs=len(feeds),
            **directions,
        )
    )


@lowering("while_loop")
def _while_loop(
    b: GraphBuilder, *operands: Operand, test: Program, body: Program, carries: int, test_constants: int
) -> tuple[str, ...]:
    carried, first, second = (
        operands[:carries],
        operands[carries : carries + test_constants],
        operands[carries + test_constants :],
    )
    holds = driver.lower_body(b, fitted(test, [o.spec for o in (*carried, *first)]), [*carried, *first])[0]
    part = Body(b, "body")
    part.input(TensorSpec((), "int64"), "iteration")
    part.input(TensorSpec((), "bool"), "condition")
    inside = [part.input(o.spec, f"carry_{i}") for i, o in enumerate(carried)]
    after = [
        Operand(part.builder, o.spec, v.name)
        for o, v in zip(carried, part.lower(body, [*inside, *second]), strict=True)
    ]
    part.output(part.lower(test, [*after, *first])[0])
    for value in after:
        part.output(value)
    return _several(b.op("Loop", None, holds, *carried, outputs=carries, body=part.graph()))


@lowering("cond")
def _cond(b: GraphBuilder, predicate: Operand, *operands: Operand, true: Program, false: Program) -> tuple[str, ...]:
    graphs = []
    for name, program in (("then", true), ("else", false)):
        part = Body(b, name)
        for value in part.lower(program, operands):
            part.output(value)
        graphs.append(part.graph())
    count = len(graphs[0].output)
    return _several(b.op("If", predicate, outputs=count, then_branch=graphs[0], else_branch=graphs[1]))
