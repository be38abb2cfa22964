"""Activations that are ONNX operators, or a few of them; the others are expanded."""

from __future__ import annotations

from typing import Any

from graphkit.core import dtypes
from graphkit.ir.program import Equation

from ..builder import GraphBuilder, Input, Operand
from ..registry import lowering


@lowering("leaky_relu")
def _leaky_relu(b: GraphBuilder, x: Operand, *, negative_slope: float) -> Any:
    return b.op("LeakyRelu", x, alpha=float(negative_slope))


@lowering("elu")
def _elu(b: GraphBuilder, x: Operand, *, alpha: float) -> Any:
    return b.op("Elu", x, alpha=float(alpha))


@lowering("celu")
def _celu(b: GraphBuilder, x: Operand, *, alpha: float) -> Any:
    return b.op("Celu", x, alpha=float(alpha))


@lowering("selu")
def _selu(b: GraphBuilder, x: Operand) -> Any:
    return b.op("Selu", x)


@lowering("softplus")
def _softplus(b: GraphBuilder, x: Operand) -> Any:
    return b.op("Softplus", x)


@lowering("softsign")
def _softsign(b: GraphBuilder, x: Operand) -> Any:
    return b.op("Softsign", x)


@lowering("hard_sigmoid")
def _hard_sigmoid(b: GraphBuilder, x: Operand, *, alpha: float, beta: float, edge: float = 0.0) -> Any:
    return b.op("HardSigmoid", x, alpha=float(alpha), beta=float(beta))


def _whole_float(equation: Equation) -> bool:
    return equation.inputs[0].spec.dtype not in dtypes.HALF  # those are rounded after each step


@lowering("hard_silu", since=14, when=_whole_float)
def _hard_silu(b: GraphBuilder, x: Operand) -> Any:
    return b.op("HardSwish", x)


@lowering("silu")
def _silu(b: GraphBuilder, x: Operand) -> Any:
    """Write two nodes, which onnxruntime fuses; Swish, which it runs by its definition, takes 3 times as long."""
    return b.op("Mul", x, b.op("Sigmoid", x))


@lowering("silu", since=24, when=_whole_float, standard=True)
def _swish(b: GraphBuilder, x: Operand) -> Any:
    return b.op("Swish", x)


@lowering("gelu", since=20)
def _gelu(b: GraphBuilder, x: Operand, *, approximate: bool) -> Any:
    return b.op("Gelu", x, approximate="tanh" if approximate else "none")


@lowering("mish", since=18)
def _mish(b: GraphBuilder, x: Operand) -> Any:
    return b.op("Mish", x)


def _one_axis(equation: Equation) -> bool:
    return len(equation.params["axes"]) == 1


@lowering("softmax", when=_one_axis)
def _softmax(b: GraphBuilder, x: Operand, *, axes: tuple[int, ...]) -> Any:
    return b.op("Softmax", x, axis=axes[0])


@lowering("log_softmax", when=_one_axis)
def _log_softmax(b: GraphBuilder, x: Operand, *, axes: tuple[int, ...]) -> Any:
    return b.op("LogSoftmax", x, axis=axes[0])


@lowering("erfc")
def _erfc(b: GraphBuilder, x: Operand) -> Any:
    """1 - erf(x) for x < 1/2; above, where that difference cancels, t exp(-x^2 + P(t)) with t = 1 / (1 + x / 2).

    Coefficients: Numerical Recipes' Chebyshev fit of erfc, relative error below 1.2e-7.
    """
    near = b.op("Sub", b.like(x, 1), b.op("Erf", x))
    positive = b.op("Max", x, b.like(x, 0))
    t = b.op("Reciprocal", b.op("Add", b.op("Mul", positive, b.like(x, 0.5)), b.like(x, 1)))
    total: Any = b.like(x, _ERFC[-1])
    for coefficient in reversed(_ERFC[:-1]):
        total = b.op("Add", b.op("Mul", total, t), b.like(x, coefficient))
    far = b.op("Mul", t, b.op("Exp", b.op("Sub", total, b.op("Mul", positive, positive))))
    return b.op("Where", b.op("Less", x, b.like(x, 0.5)), near, far)


_ERFC = (
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
)  # fmt: skip


@lowering("erfinv")
def _erfinv(b: GraphBuilder, x: Operand) -> Any:
    return inverse_erf(b, x, x.dtype)


def inverse_erf(b: GraphBuilder, x: Input, dtype: str) -> Any:
    """Write Giles' single-precision approximation: a polynomial in w = -log(1 - x^2), and one in sqrt(w) for the tails.

    Source: M. Giles, "Approximating the erfinv function", GPU Computing Gems 2 (2011).
    """

    def number(value: float) -> str:
        return b.constant(value, dtype)

    def polynomial(w: Any, coefficients: tuple[float, ...]) -> Any:
        total: Any = number(coefficients[0])
        for coefficient in coefficients[1:]:
            total = b.op("Add", b.op("Mul", total, w), number(coefficient))
        return total

    one = number(1)
    w = b.op("Neg", b.op("Log", b.op("Mul", b.op("Sub", one, x), b.op("Add", one, x))))
    centre = polynomial(b.op("Sub", w, number(2.5)), _CENTRE)
    tail = polynomial(b.op("Sub", b.op("Sqrt", w), number(3)), _TAIL)
    inside = b.op("Mul", b.op("Where", b.op("Less", w, number(5)), centre, tail), x)
    edge = b.op("Equal", b.op("Abs", x), one)
    return b.op("Where", edge, b.op("Div", x, number(0)), inside)


_CENTRE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727,
    1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406,
    2.83297682,
)  # fmt: skip
