"""Functions with custom gradients, of which only the values are exported; operations on bits that ONNX lacks."""

from __future__ import annotations

from typing import Any

from ..builder import GraphBuilder, Operand
from ..registry import limitation, lowering


@lowering("custom_gradient")
def _custom_gradient(b: GraphBuilder, *operands: Operand, results: int, **_: Any) -> tuple[Operand, ...]:
    return operands[:results]


limitation("ONNX (before opset 26) has no operator that reinterprets bits as another type", "bitcast")
limitation("ONNX has no operator that steps to the next representable float", "nextafter")
