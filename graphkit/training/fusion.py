"""Chains of elementwise equations over large arrays made one equation that works block by block.

An optimizer's update is a dozen passes over arrays as large as the weights: each would read and write all of them from
memory. In blocks that stay in the cache, memory is passed once. The result of a chain may take the place of any of its
inputs, so a weight or slot is updated where it lives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes
from graphkit.core.threads import num_threads, run_all
from graphkit.ir.primitive import Primitive
from graphkit.ir.program import Atom, Equation, Literal, Program, Value
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import replay

Array = np.ndarray[Any, Any]
Thunk = Callable[[], Any]

BLOCK = 1 << 14  # elements: the arrays of a chain stay in the second-level cache
SMALLEST = 1 << 15  # elements: below this, an array fits the cache anyway
THREADED = 1 << 17  # elements: from here on, halves on several threads pay
_FUSED = frozenset(
    "abs add clip divide exp log maximum minimum multiply negative reciprocal rsqrt sigmoid sign sqrt square subtract tanh".split()
)


def fuse(program: Program) -> Program:
    """The same program with its chains of large elementwise equations fused."""
    groups = _groups(program)
    inside = {id(e) for group in groups.values() for e in group}
    equations: list[Equation] = []
    for equation in program.equations:
        group = groups.get(id(equation))
        if group is not None:
            equations.append(_fused(group))
        elif id(equation) not in inside:
            equations.append(equation)
    return Program(program.inputs, program.state, equations, program.outputs)


def _groups(program: Program) -> dict[int, list[Equation]]:
    """The chains, by the identity of their last equation; each in the order of the program."""
    producers = {e.outputs[0]: e for e in program.equations if _fits(e)}
    readers: dict[Value, list[Any]] = {}
    for equation in program.equations:
        for atom in equation.inputs:
            if isinstance(atom, Value):
                readers.setdefault(atom, []).append(equation)
    for atom in program.results():
        if isinstance(atom, Value):
            readers.setdefault(atom, []).append(None)  # a result is made for itself
    position = {id(e): i for i, e in enumerate(program.equations)}
    taken: set[int] = set()
    groups: dict[int, list[Equation]] = {}
    for last in reversed(program.equations):
        if id(last) in taken or not _fits(last):
            continue
        group = [last]
        members = {id(last)}
        for equation in group:  # grows while it is walked
            for atom in equation.inputs:
                made = producers.get(atom) if isinstance(atom, Value) else None
                if made is None or id(made) in members or made.outputs[0].spec != last.outputs[0].spec:
                    continue
                if all(r is not None and id(r) in members for r in readers[made.outputs[0]]):
                    group.append(made)
                    members.add(id(made))
        taken |= members
        if len(group) > 1:
            groups[id(last)] = sorted(group, key=lambda e: position[id(e)])
    return groups


def _fits(equation: Equation) -> bool:
    if equation.primitive.name not in _FUSED or len(equation.outputs) != 1:
        return False
    spec = equation.outputs[0].spec
    if not spec.is_static or _size(spec) < SMALLEST or not dtypes.is_float(spec.dtype):
        return False
    return all(_may_enter(atom, spec) for atom in equation.inputs)


def _may_enter(atom: Atom, spec: TensorSpec) -> bool:
    """Values like the result, and scalars."""
    if atom.spec.rank == 0:
        return atom.spec.dtype == spec.dtype
    return isinstance(atom, Value) and atom.spec == spec


def _size(spec: TensorSpec) -> int:
    return int(np.prod(spec.shape, dtype=np.int64))  # type: ignore[arg-type]


def _fused(group: Sequence[Equation]) -> Equation:
    made = {e.outputs[0] for e in group}
    outer: list[Atom] = []
    for equation in group:
        outer += [a for a in equation.inputs if isinstance(a, Value) and a not in made and a not in outer]
    body = Program([a for a in outer if isinstance(a, Value)], [], list(group), [group[-1].outputs[0]])
    return Equation(blockwise_p, tuple(outer), {"body": body}, group[-1].outputs, group[-1].scope)


# ----- the kernel -----


def _prepare(out: Array, *arrays: Array, body: Program) -> Thunk:
    """All calls on all blocks, bound once."""
    if not all(a.flags.c_contiguous for a in (out, *arrays)):
        return _calls(body, [*arrays], out, out.shape)[1]
    flat_out, flat = out.reshape(-1), [a.reshape(-1) if a.ndim else a for a in arrays]
    count = num_threads() if out.size >= THREADED else 1
    share = -(-out.size // count)
    shards = [_shard(body, flat, flat_out, start, min(start + share, out.size)) for start in range(0, out.size, share)]
    return shards[0] if len(shards) == 1 else lambda: run_all(shards)


def _shard(body: Program, flat: Sequence[Array], out: Array, first: int, end: int) -> Thunk:
    scratch: dict[Value, Array] = {}
    calls: list[Thunk] = []
    for start in range(first, end, BLOCK):
        stop = min(start + BLOCK, end)
        views = [a[start:stop] if a.ndim else a for a in flat]
        calls += _calls(body, views, out[start:stop], (stop - start,), scratch)[0]

    def run() -> None:
        for call in calls:
            call()

    return run


def _calls(
    body: Program, arrays: Sequence[Array], out: Array, shape: tuple[int, ...], scratch: dict[Value, Array] | None = None
) -> tuple[list[Thunk], Thunk]:
    """The calls that compute the body on these arrays, alone and as one; intermediate values stand in `scratch`."""
    scratch = {} if scratch is None else scratch
    free: list[Array] = []
    last = {a: i for i, e in enumerate(body.equations) for a in e.inputs if isinstance(a, Value)}
    env: dict[Value, Array] = dict(zip(body.inputs, arrays, strict=True))
    calls: list[Thunk] = []
    size = int(np.prod(shape))
    for number, equation in enumerate(body.equations):
        value = equation.outputs[0]
        inputs = [a.array if isinstance(a, Literal) else env[a] for a in equation.inputs]
        if value is body.outputs[0]:
            env[value] = out
        else:
            if value not in scratch:
                scratch[value] = free.pop() if free else np.empty(size, out.dtype)
            env[value] = scratch[value][:size].reshape(shape)
        calls.append(equation.primitive.thunk(env[value], inputs, equation.params, []))
        for atom in set(equation.inputs):
            if isinstance(atom, Value) and atom in scratch and last[atom] == number:
                free.append(scratch[atom])

    def run() -> None:
        for call in calls:
            call()

    return calls, run


blockwise_p = Primitive(
    "blockwise",  # known to the engine alone: no file and no other reader ever sees it
    lambda *specs, body: body.outputs[0].spec,
    prepare=_prepare,
    decomposition=lambda *args, body: replay(body, args)[0],
    inplace=tuple(range(16)),
)
