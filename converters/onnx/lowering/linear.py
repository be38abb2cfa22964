"""Matrix products and contractions."""

from __future__ import annotations

from typing import Any

from graphkit.core.dims import Shape, is_static, product
from graphkit.ir.primitive import primitive
from graphkit.ir.program import Equation
from graphkit.ops.elementwise import add
from graphkit.ops.linear import matmul

from ..builder import GraphBuilder, Operand
from ..registry import lowering


@lowering("matmul")
def _matmul(b: GraphBuilder, x: Operand, y: Operand) -> Any:
    return b.op("MatMul", x, y)


@lowering("matmul_int8")
def _matmul_int8(b: GraphBuilder, x: Operand, y: Operand) -> Any:
    return b.op("MatMulInteger", x, y)


def _gemm_form(x: Any, y: Any, bias: Any) -> Any:
    return add(matmul(x, y), bias)


# A dense layer of matrices as one operator; `tidy` makes it of a product and a sum.
gemm_p = primitive("gemm", decomposition=_gemm_form)


@lowering("gemm")
def _gemm(b: GraphBuilder, x: Operand, y: Operand, bias: Operand) -> Any:
    return b.op("Gemm", x, y, bias)


def _terms(equation: str) -> tuple[str, str, str]:
    given, target = equation.split("->")
    left, right = given.split(",")
    return left, right, target


def _is_dense(equation: Equation) -> bool:
    """Return whether an einsum contracts the last axes of its first operand with the first axes of a second of known shape.

    That is what layers do with their kernels. It is one MatMul, with reshapes that copy the unknown leading axes.
    """
    left, right, target = _terms(equation.params["equation"])
    count = sum(1 for letter in left if letter in right)
    rows, columns = left[: len(left) - count], right[count:]
    fits = count > 0 and left[len(left) - count :] == right[:count] and target == rows + columns and bool(rows)
    return fits and is_static(equation.inputs[1].spec.shape) and is_static(equation.inputs[0].spec.shape[len(rows) :])


@lowering("einsum", when=_is_dense)
def _dense_einsum(b: GraphBuilder, x: Operand, y: Operand, *, equation: str) -> Any:
    left, right, _ = _terms(equation)
    count = sum(1 for letter in left if letter in right)
    rows: Shape = x.shape[: len(left) - count]
    summed, columns = y.shape[:count], y.shape[count:]
    matrix = b.reshape(y, y.shape, (product(summed), product(columns)))
    flat: Shape = (*rows, product(summed))
    made = b.op("MatMulInteger" if x.dtype == "int8" else "MatMul", b.reshape(x, x.shape, flat), matrix)
    return b.reshape(made, (*rows, product(columns)), (*rows, *columns))
