"""Rewrites that save nodes in ONNX and are of no use to other readers of programs.

A Pad with zeros is folded into the convolution that follows it, and into a max pooling of values that are never negative.
A reduction followed by a reshape that restores its axes with size 1 becomes a reduction with keepdims.
Slices that cut a tensor into parts become a Split. A product of matrices and the sum with a bias become a Gemm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Atom, Equation, Literal, Program, Value
from graphkit.ir.simplify import eliminate_dead
from graphkit.ops._windows import spatial_axes

Makers: TypeAlias = "Mapping[Value, Equation]"
Rule: TypeAlias = "Callable[[Equation, Equation, Makers], Equation | None]"
_NOT_NEGATIVE = ("relu", "sigmoid", "softplus", "softmax", "square", "abs", "exp")


def tidied(program: Program) -> Program:
    """Return an equivalent program with fewer equations."""
    makers: dict[Value, Equation] = {}
    reads = Counter(a for e in program.equations for a in e.inputs if isinstance(a, Value))
    reads.update(a for a in program.results() if isinstance(a, Value))
    equations: list[Equation] = []
    changed = False
    for equation in program.equations:
        made = _rewritten(equation, makers, reads)
        changed |= made is not None
        equation = made if made is not None else equation
        makers.update(dict.fromkeys(equation.outputs, equation))
        equations.append(equation)
    equations, split = _with_splits(equations)
    if not changed and not split:
        return program
    return eliminate_dead(Program(program.inputs, program.state, equations, program.outputs))


# ----- slices that are all parts of a tensor -----


def _with_splits(equations: list[Equation]) -> tuple[list[Equation], bool]:
    """Replace slices that cut a value into parts along an axis by one split, at the place of the first of them."""
    slices: dict[tuple[Atom, int], dict[tuple[int, int], Equation]] = {}
    for equation in equations:
        axis = _cut_axis(equation) if equation.primitive.name == "slice" else None
        if axis is not None:
            ends = (equation.params["starts"][axis], equation.params["stops"][axis])
            slices.setdefault((equation.inputs[0], axis), {})[ends] = equation
    made: dict[int, Equation | None] = {}
    for (x, axis), found in slices.items():
        bounds = sorted(found)
        stops = [0, *(stop for _, stop in bounds)]
        if len(bounds) < 2 or [start for start, _ in bounds] != stops[:-1] or stops[-1] != x.spec.shape[axis]:
            continue
        parts = [found[b] for b in bounds]
        outputs = tuple(part.outputs[0] for part in parts)
        params = {"axis": axis, "sizes": tuple(stop - start for start, stop in bounds)}
        first, *rest = [e for e in equations if any(e is part for part in parts)]
        made[id(first)] = Equation(PRIMITIVES["split_parts"], (x,), params, outputs, first.scope)
        made.update(dict.fromkeys(map(id, rest)))
    return [e for old in equations if (e := made.get(id(old), old)) is not None], bool(made)


def _cut_axis(equation: Equation) -> int | None:
    """Return the only axis that a slice cuts, at known places and without steps, else None."""
    starts, stops, steps = (equation.params[key] for key in ("starts", "stops", "steps"))
    shape = equation.inputs[0].spec.shape
    axes = [a for a, bounds in enumerate(zip(starts, stops, steps, strict=True)) if bounds != (0, shape[a], 1)]
    if len(axes) != 1 or steps[axes[0]] != 1:
        return None
    (axis,) = axes
    known = all(isinstance(n, int) for n in (starts[axis], stops[axis], shape[axis]))
    return axis if known and starts[axis] < stops[axis] else None


def _rewritten(equation: Equation, makers: Makers, reads: Mapping[Value, int]) -> Equation | None:
    if equation.primitive.name == "concatenate":
        return _merged(equation, makers, reads)
    first = equation.inputs[0] if equation.inputs else None
    maker = makers.get(first) if isinstance(first, Value) else None
    rule = _RULES.get((equation.primitive.name, maker.primitive.name)) if maker is not None else None
    if rule is None or maker is None:
        return None
    only_reader = sum(reads[v] for v in maker.outputs) == 1  # a pad may be repeated for free, other work may not
    return rule(equation, maker, makers) if only_reader or maker.primitive.name == "pad" else None


def _merged(equation: Equation, makers: Makers, reads: Mapping[Value, int]) -> Equation | None:
    """Concatenate the parts of concatenations along the same axis that nothing else reads."""
    inputs: list[Atom] = []
    for atom in equation.inputs:
        maker = makers.get(atom) if isinstance(atom, Value) else None
        is_part = maker is not None and maker.primitive.name == "concatenate" and maker.params == equation.params
        inputs += maker.inputs if maker is not None and is_part and reads[maker.outputs[0]] == 1 else [atom]
    if len(inputs) == len(equation.inputs):
        return None
    return Equation(equation.primitive, tuple(inputs), equation.params, equation.outputs, equation.scope)


def _filling(pad: Equation) -> float | None:
    """Return the number that a pad inserts, if it is known."""
    filling = pad.inputs[1]
    is_number = pad.params["mode"] == "constant" and isinstance(filling, Literal) and filling.array.size == 1
    return float(filling.array.reshape(())) if is_number and isinstance(filling, Literal) else None


def _widths(pad: Equation, data_format: str) -> list[tuple[int, int]] | None:
    """Return the spatial widths of a pad that pads no other axis and crops nothing, else None."""
    widths = pad.params["widths"]
    spatial = spatial_axes(len(widths), data_format)
    if not all(isinstance(n, int) and n >= 0 for w in widths for n in w):
        return None
    if any(tuple(w) != (0, 0) for axis, w in enumerate(widths) if axis not in spatial):
        return None
    return [widths[axis] for axis in spatial]


def _with(equation: Equation, source: Atom, **params: Any) -> Equation:
    inputs = (source, *equation.inputs[1:])
    return Equation(equation.primitive, inputs, {**equation.params, **params}, equation.outputs, equation.scope)


def _padded_convolution(conv: Equation, pad: Equation, makers: Makers) -> Equation | None:
    own, more = conv.params["padding"], _widths(pad, conv.params["data_format"])
    if more is None or _filling(pad) != 0 or isinstance(own, str) or any(min(pair) < 0 for pair in own):
        return None
    pads = tuple((a + c, b + d) for (a, b), (c, d) in zip(own, more, strict=True))
    return _with(conv, pad.inputs[0], padding=pads)


def _padded_pooling(pool: Equation, pad: Equation, makers: Makers) -> Equation | None:
    """Fold a pad into a max pooling.

    ONNX pads a max pooling with values that never win. Every window must contain at least one value. Minus infinity never wins
    either, nor do zeros if no value is negative.
    """
    more = _widths(pad, pool.params["data_format"])
    source = pad.inputs[0]
    maker = makers.get(source) if isinstance(source, Value) else None
    unpadded = not isinstance(pool.params["padding"], str) and not any(map(any, pool.params["padding"]))
    number = _filling(pad)
    never_wins = number == -np.inf or (number == 0 and maker is not None and _is_never_negative(maker))
    if more is None or not unpadded or not never_wins:
        return None
    if any(max(w) >= k for w, k in zip(more, pool.params["window"], strict=True)):
        return None
    return _with(pool, source, padding=tuple(more))


def _is_never_negative(equation: Equation) -> bool:
    if equation.primitive.name == "clip":
        return bool(equation.params["low"] >= 0)
    return equation.primitive.name in _NOT_NEGATIVE


def _kept_axes(reshape: Equation, reduction: Equation, makers: Makers) -> Equation | None:
    x, axes = reduction.inputs[0].spec.shape, reduction.params["axes"]
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(x))
    if reduction.params["keepdims"] or kept != reshape.params["shape"]:
        return None
    params = {**reduction.params, "keepdims": True}
    return Equation(reduction.primitive, reduction.inputs, params, reshape.outputs, reduction.scope)


def _gemm(addition: Equation, product: Equation, makers: Makers) -> Equation | None:
    """Add the bias in the product, where both are of floats that onnxruntime's Gemm computes in."""
    (x, y), (result, bias) = (a.spec for a in product.inputs), (a.spec for a in addition.inputs)
    is_vector = bias.shape in (y.shape[1:], (1, *y.shape[1:]))
    if x.rank != 2 or y.rank != 2 or result.dtype not in ("float32", "float64") or not is_vector:
        return None
    inputs = (*product.inputs, addition.inputs[1])
    return Equation(PRIMITIVES["gemm"], inputs, {}, addition.outputs, addition.scope)


_REDUCTIONS = ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_mean")
_RULES: dict[tuple[str, str], Rule] = {
    ("add", "matmul"): _gemm,
    ("conv", "pad"): _padded_convolution,
    ("max_pool", "pad"): _padded_pooling,
    **{("reshape", reduction): _kept_axes for reduction in _REDUCTIONS},
}
