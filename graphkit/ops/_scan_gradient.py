"""The backward pass of a scan's body: what each forward step keeps, and the step that runs backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from graphkit.core import dtypes
from graphkit.core.errors import GraphError
from graphkit.ir.gradient import vjp
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Equation, Program, Value
from graphkit.ir.simplify import eliminate_dead, simplify
from graphkit.ir.spec import TensorSpec
from graphkit.ir.split import Split
from graphkit.ir.tracing import Tracer, replay, trace


class BodyGradient(NamedTuple):
    """How a scan is differentiated; the lists hold indexes of the scan's inputs.

    Attributes:
        forward: the body with additional results: what the backward step needs from each step.
        backward: (cotangents of `carried`, sums for `summed`, cotangents of results, kept values, `slices`, `constants`)
            -> (cotangents of `carried`, sums for `summed`, cotangents of `spread`).
        carried, summed, spread: the float and complex carries, constants and sequences, which get cotangents.
        slices, constants: the sequences and constants that the backward step reads.
    """

    forward: Program
    backward: Program
    carried: list[int]
    summed: list[int]
    spread: list[int]
    slices: list[int]
    constants: list[int]


def differentiate_body(body: Program, carries: int, sequences: int, has_cotangent: Sequence[bool]) -> BodyGradient:
    """Split the gradient of a scan's body into what runs with the forward scan and what runs backward.

    Args:
        body: (carries, slices, constants) -> (carries, results).
        carries: the number of carries.
        sequences: the number of sequences, of which the body reads a slice at each step.
        has_cotangent: for each result, whether it has a cotangent.
    """
    stop = carries + sequences
    floats = [i for i, v in enumerate(body.inputs) if dtypes.is_differentiable(v.spec.dtype)]
    carried = [i for i in floats if i < carries]
    joint, found = _joint(body, carries, carried, floats, has_cotangent)
    split = Split(joint, len(body.inputs), carries, stop, len(body.outputs))
    position = {v: i for i, v in enumerate(joint.inputs[: len(body.inputs)])}
    slices = [position[v] for v in split.leaves if v in position and carries <= position[v] < stop]
    constants = [position[v] for v in split.leaves if v in position and position[v] >= stop]
    kept = [v for v in split.leaves if position.get(v, -1) < carries]
    summed = [i for i in floats if i >= stop and i in found]
    spread = [i for i in floats if carries <= i < stop and i in found]
    cts = list(joint.inputs[len(body.inputs) :])
    ordered = [*cts, *kept, *(joint.inputs[i] for i in slices), *(joint.inputs[i] for i in constants)]
    gradients = list(joint.outputs[len(body.outputs) :])
    step = eliminate_dead(Program(ordered, (), split.backward, gradients))
    forward = eliminate_dead(
        Program(joint.inputs[: len(body.inputs)], (), split.forward, [*joint.outputs[: len(body.outputs)], *kept])
    )
    backward = _accumulating(step, len(carried), [joint.inputs[i].spec for i in summed], found, summed, spread, carried)
    return BodyGradient(forward, backward, carried, summed, spread, slices, constants)


def _joint(
    body: Program, carries: int, carried: list[int], floats: list[int], has_cotangent: Sequence[bool]
) -> tuple[Program, list[int]]:
    """Return a program of the body's outputs and the gradients of some inputs, and the indexes of these inputs."""
    count = len(body.inputs)
    results = [i for i, given in enumerate(has_cotangent, carries) if given]
    specs = [v.spec for v in body.inputs] + [body.outputs[i].spec for i in (*carried, *results)]
    found: list[int] = []

    def both(*args: Any) -> list[Any]:
        outputs = replay(body, args[:count])
        cotangents: list[Any] = [None] * len(outputs)
        for i, cotangent in zip([*carried, *results], args[count:], strict=True):
            cotangents[i] = cotangent
        gradients = vjp(outputs, cotangents, [args[i] for i in floats])
        there = {i: g for i, g in zip(floats, gradients, strict=True) if g is not None}
        for i in carried:
            there.setdefault(i, PRIMITIVES["broadcast_to"].bind(_zero(specs[i].dtype), shape=specs[i].shape))
        found.extend(sorted(there))
        return [*outputs, *(there[i] for i in sorted(there))]

    return simplify(trace(both, *specs)), found


def _zero(dtype: str) -> Any:
    from graphkit.ir.tracing import constant

    return constant(0, dtype)


def _accumulating(
    step: Program,
    carried: int,
    sums: Sequence[TensorSpec],
    found: list[int],
    summed: list[int],
    spread: list[int],
    carries: list[int],
) -> Program:
    """Return the backward step with running sums of the constants' gradients."""
    place = {index: number for number, index in enumerate(found)}

    def body(*args: Any) -> list[Any]:
        cts, totals, rest = args[:carried], args[carried : carried + len(sums)], args[carried + len(sums) :]
        made = replay(step, [*cts, *rest])
        grown = [PRIMITIVES["add"].bind(t, made[place[i]]) for t, i in zip(totals, summed, strict=True)]
        return [*(made[place[i]] for i in carries), *grown, *(made[place[i]] for i in spread)]

    specs = [v.spec for v in step.inputs]
    return trace(body, *specs[:carried], *sums, *specs[carried:])


def widened(out: Sequence[Any], params: Mapping[str, Any], extra: Sequence[TensorSpec]) -> list[Tracer]:
    """Change params of the equation that made `out`, and return the additional results that it then has.

    The equation is replaced in place: its outputs stay the same values, and nothing is computed twice. Only in the recording of a
    gradient tape, where it was computed already, it is computed once more.

    Args:
        out: the results of the equation so far.
        params: the params to replace.
        extra: the specs of the additional results.

    Raises:
        GraphError: the equation is not part of the current trace.
    """
    current = out[0].trace
    place = next((i for i, e in enumerate(current.equations) if e.outputs and e.outputs[0] is out[0].value), None)
    if place is None:
        raise GraphError("The loop to be differentiated is not part of the current trace.")
    old = current.equations[place]
    made = tuple(Value(s) for s in extra)
    new = Equation(
        old.primitive, old.inputs, {**old.params, **params}, (*old.outputs, *made), old.scope, old.epoch
    )
    current.equations[place] = new
    current.computed(new)
    return [current.wrap(v) for v in made]
