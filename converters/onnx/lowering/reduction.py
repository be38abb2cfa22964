"""Reductions, argmax and argmin, cumulative sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphkit.ir.program import Equation

from ..builder import GraphBuilder, Input, Operand
from ..dims import size_scalar
from ..registry import lowering

# The first opset in which the axes are an input (18 if not listed); before, they are an attribute.
AXES_INPUT_SINCE = {"ReduceSum": 13}
REDUCTIONS = {
    "reduce_sum": "ReduceSum", "reduce_mean": "ReduceMean", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
}  # fmt: skip


def reduce(b: GraphBuilder, op_type: str, x: Input, axes: tuple[int, ...], keepdims: bool) -> str:
    """Write a Reduce operator in the form that the opset has."""
    if not axes:
        return b.name_of(x)
    if b.opset >= AXES_INPUT_SINCE.get(op_type, 18):
        made: str = b.op(op_type, x, b.ints(axes), keepdims=int(keepdims))
    else:
        made = b.op(op_type, x, axes=list(axes), keepdims=int(keepdims))
    return made


def _reduction(op_type: str) -> Any:
    def write(b: GraphBuilder, x: Operand, *, axes: tuple[int, ...], keepdims: bool) -> str:
        return reduce(b, op_type, x, axes, keepdims)

    return write


for _primitive, _operator in REDUCTIONS.items():
    lowering(_primitive)(_reduction(_operator))


def _is_global(equation: Equation) -> bool:
    """Return whether a reduction is a pooling over whole channels-first images."""
    x, axes = equation.inputs[0].spec, equation.params["axes"]
    return x.rank == 4 and tuple(axes) == (2, 3) and x.dtype == "float32" and isinstance(x.shape[1], int)


def _global_pooling(op_type: str) -> Any:
    """Return the lowering to a global pooling, which onnxruntime computes in the layout that its convolutions use."""

    def write(b: GraphBuilder, x: Operand, *, axes: tuple[int, ...], keepdims: bool) -> str:
        made: str = b.op(op_type, x)
        return made if keepdims else b.squeeze(made, *axes)

    return write


lowering("reduce_mean", when=_is_global)(_global_pooling("GlobalAveragePool"))
lowering("reduce_max", when=_is_global)(_global_pooling("GlobalMaxPool"))


@lowering("reduce_all")
def _all(b: GraphBuilder, x: Operand, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    return b.cast(reduce(b, "ReduceMin", b.cast(x, "int32"), axes, keepdims), "bool")


@lowering("reduce_any")
def _any(b: GraphBuilder, x: Operand, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    """Compare with 0 instead of casting: the maximum over no elements is the smallest integer, which a cast makes True."""
    most = reduce(b, "ReduceMax", b.cast(x, "int32"), axes, keepdims)
    return b.op("Greater", most, b.constant(np.asarray(0, np.int32)))


def _position(op_type: str) -> Any:
    def write(b: GraphBuilder, x: Operand, *, axis: int, keepdims: bool) -> Any:
        source = b.cast(x, "int32") if x.dtype == "bool" else x
        return b.cast(b.op(op_type, source, axis=axis, keepdims=int(keepdims)), b.result.dtype)

    return write


lowering("argmax")(_position("ArgMax"))
lowering("argmin")(_position("ArgMin"))


@lowering("cumsum")
def _cumsum(b: GraphBuilder, x: Operand, *, axis: int, exclusive: bool, reverse: bool) -> Any:
    return b.op("CumSum", x, b.constant(np.asarray(axis, np.int64)), exclusive=int(exclusive), reverse=int(reverse))


@lowering("cumprod")
def _cumprod(b: GraphBuilder, x: Operand, *, axis: int, exclusive: bool, reverse: bool) -> Any:
    """Before opset 26, ONNX has no CumProd: each element is the product over a copy of its line, with ones outside of its range."""
    places = b.op(
        "Range",
        *(b.constant(np.asarray(0, np.int64)), size_scalar(b, x.shape[axis]), b.constant(np.asarray(1, np.int64))),
    )
    rank = x.rank
    result = b.unsqueeze(places, *range(1, rank - axis + 1))  # positions along the axis of the results
    factor = b.unsqueeze(places, *range(1, rank - axis)) if rank - axis > 1 else places  # and along that of the factors
    compare = {
        (False, False): "LessOrEqual",
        (True, False): "Less",
        (False, True): "GreaterOrEqual",
        (True, True): "Greater",
    }
    reached = b.op(compare[exclusive, reverse], factor, result)
    spread = b.op("Where", reached, b.unsqueeze(x, axis), b.like(x, 1))
    return reduce(b, "ReduceProd", spread, (axis + 1,), False)


@lowering("cumprod", since=26)
def _cumprod_operator(b: GraphBuilder, x: Operand, *, axis: int, exclusive: bool, reverse: bool) -> Any:
    return b.op("CumProd", x, b.constant(np.asarray(axis, np.int64)), exclusive=int(exclusive), reverse=int(reverse))
