"""Functions with gradients of their own, which need only their values here; what ONNX cannot say of bits."""

from __future__ import annotations

from typing import Any

from ..builder import GraphBuilder, Operand
from ..registry import limitation, lowering


@lowering("custom_gradient")
def _custom_gradient(b: GraphBuilder, *operands: Operand, results: int, **_: Any) -> tuple[Operand, ...]:
    return operands[:results]


limitation("ONNX (below opset 26) cannot read bits as another type", "bitcast")
limitation("ONNX has no operator that steps from one float to the next", "nextafter")
