"""Elementwise operations: a table of those that are one ONNX operator, and functions for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphkit.core import dtypes
from graphkit.core.dims import is_static, product
from graphkit.ir.program import Equation

from ..builder import GraphBuilder, Operand
from ..registry import lowering

# primitive -> ONNX operator with the same inputs and no attributes
DIRECT: dict[str, str] = {
    "identity": "Identity", "add": "Add", "subtract": "Sub", "multiply": "Mul", "power": "Pow",
    "maximum": "Max", "minimum": "Min", "negative": "Neg", "abs": "Abs", "sign": "Sign", "sqrt": "Sqrt", "exp": "Exp",
    "log": "Log", "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh",
    "cosh": "Cosh", "tanh": "Tanh", "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "floor": "Floor", "ceil": "Ceil",
    "round": "Round", "less": "Less", "less_equal": "LessOrEqual",
    "greater": "Greater", "greater_equal": "GreaterOrEqual", "logical_and": "And", "logical_or": "Or", "logical_xor": "Xor",
    "logical_not": "Not", "isnan": "IsNaN", "isinf": "IsInf", "sigmoid": "Sigmoid", "relu": "Relu", "erf": "Erf",
    "equal": "Equal", "divide": "Div", "select": "Where",
}  # fmt: skip


def _direct(op_type: str) -> Any:
    def write(b: GraphBuilder, *operands: Operand) -> str:
        made: str = b.op(op_type, *operands)
        return made

    return write


for _primitive, _operator in DIRECT.items():
    lowering(_primitive)(_direct(_operator))


def _may_add_bias(equation: Equation) -> bool:
    x, bias = (a.spec for a in equation.inputs)
    return x.rank > bias.rank > 1 and is_static(bias.shape) and x.shape[x.rank - bias.rank :] == bias.shape


@lowering("add", when=_may_add_bias)
def _add_bias(b: GraphBuilder, x: Operand, bias: Operand) -> Any:
    """Add a bias of several axes before the reshape that splits the last axis into them, so that this one may be merged."""
    source, shape = b.root.reshaped.get(x.name, (None, ()))
    lead = x.rank - bias.rank
    if source is None or bias.array is None or shape != (*x.shape[:lead], product(bias.shape)):
        return b.op("Add", x, bias)
    flat = b.reshape(bias, bias.shape, shape[lead:])
    return b.reshape(b.op("Add", source, flat), shape, x.shape)


@lowering("stop_gradient")
def _stop_gradient(b: GraphBuilder, x: Operand) -> Operand:
    return x


@lowering("floor", "ceil", "round", when=lambda e: not dtypes.is_float(e.inputs[0].spec.dtype))
def _round_integers(b: GraphBuilder, x: Operand) -> Operand:
    return x


@lowering("sigmoid", when=lambda e: e.inputs[0].spec.dtype in dtypes.HALF)
def _half_sigmoid(b: GraphBuilder, x: Operand) -> Any:
    """Round after each step, as the engine and JAX do."""
    one = b.like(x, 1)
    return b.op("Div", one, b.op("Add", one, b.op("Exp", b.op("Neg", x))))


@lowering("cast")
def _cast(b: GraphBuilder, x: Operand, *, dtype: str) -> str:
    return b.cast(x, dtype)


@lowering("not_equal")
def _not_equal(b: GraphBuilder, x: Operand, y: Operand) -> Any:
    return b.op("Not", b.op("Equal", x, y))


@lowering("square")
def _square(b: GraphBuilder, x: Operand) -> Any:
    return b.op("Mul", x, x)


@lowering("rsqrt")
def _rsqrt(b: GraphBuilder, x: Operand) -> Any:
    return b.op("Reciprocal", b.op("Sqrt", x))


@lowering("expm1")
def _expm1(b: GraphBuilder, x: Operand) -> Any:
    """exp(x) - 1; near zero, where that difference cancels, 2t / (1 - t) with t = tanh(x / 2)."""
    one = b.like(x, 1)
    t = b.op("Tanh", b.op("Mul", x, b.like(x, 0.5)))
    near = b.op("Div", b.op("Mul", t, b.like(x, 2)), b.op("Sub", one, t))
    return b.op("Where", b.op("Less", b.op("Abs", x), one), near, b.op("Sub", b.op("Exp", x), one))


@lowering("log1p")
def _log1p(b: GraphBuilder, x: Operand) -> Any:
    """log(1 + x); near zero, where that sum loses digits, 2 * atanh(x / (2 + x))."""
    far = b.op("Log", b.op("Add", x, b.like(x, 1)))
    if x.dtype == "float64":
        return far
    near = b.op("Mul", b.op("Atanh", b.op("Div", x, b.op("Add", x, b.like(x, 2)))), b.like(x, 2))
    return b.op("Where", b.op("Less", b.op("Abs", x), b.like(x, 0.5)), near, far)


@lowering("floor_divide")
def _floor_divide(b: GraphBuilder, x: Operand, y: Operand) -> Any:
    """ONNX' Div of integers truncates towards zero, so the remainder (with the divisor's sign) is subtracted first."""
    if dtypes.is_float(x.dtype):
        return b.op("Floor", b.op("Div", x, y))
    return _integer_division(
        b, x, y, lambda by: b.op("Div", b.op("Sub", x, b.op("Mod", x, by)), by), of_minus_one=lambda: b.op("Neg", x)
    )


def _integer_division(
    b: GraphBuilder, x: Operand, y: Operand, divide: Callable[[Any], Any], of_minus_one: Callable[[], Any] | None = None
) -> Any:
    """Write a quotient or remainder of integers that is 0 where `y` is 0, as in the engine.

    In onnxruntime a division by 0 is an error, and the smallest integer divided by -1 kills the process (SIGFPE), so both are
    computed with a divisor of 1 and replaced afterwards.
    """
    if y.number is not None and y.number not in (0, -1):
        return divide(y)
    one, nothing = b.like(y, 1), b.op("Equal", y, b.like(y, 0))
    by = b.op("Where", nothing, one, y)
    if y.dtype not in dtypes.SIGNED:
        return b.op("Where", nothing, b.like(x, 0), divide(by))
    minus = b.op("Equal", y, b.like(y, -1))
    made = divide(b.op("Where", minus, one, by))
    made = b.op("Where", minus, of_minus_one() if of_minus_one else b.like(x, 0), made)
    return b.op("Where", nothing, b.like(x, 0), made)


@lowering("mod")
def _mod(b: GraphBuilder, x: Operand, y: Operand) -> Any:
    """The remainder with the sign of the divisor; for floats ONNX has only C's fmod, which has the sign of the dividend."""
    if not dtypes.is_float(x.dtype):
        return _integer_division(b, x, y, lambda by: b.op("Mod", x, by))
    remainder = b.op("Mod", x, y, fmod=1)
    zero = b.like(x, 0)
    differ = b.op("Xor", b.op("Less", remainder, zero), b.op("Less", y, zero))
    apply = b.op("And", differ, b.op("Not", b.op("Equal", remainder, zero)))
    return b.op("Where", apply, b.op("Add", remainder, y), remainder)


@lowering("fmod")
def _fmod(b: GraphBuilder, x: Operand, y: Operand) -> Any:
    if dtypes.is_float(x.dtype):
        return b.op("Mod", x, y, fmod=1)
    return _integer_division(b, x, y, lambda by: b.op("Mod", x, by, fmod=1))


@lowering("clip")
def _clip(b: GraphBuilder, x: Operand, *, low: float, high: float, edge: float = 0.5) -> Any:
    return b.op("Clip", x, b.like(x, low), b.like(x, high))


@lowering("relu_grad")
def _relu_grad(b: GraphBuilder, g: Operand, y: Operand) -> Any:
    return b.op("Where", b.op("Greater", y, b.like(y, 0)), g, b.like(g, 0))
