"""Dtypes beside float32: those that onnxruntime has no kernels for are computed in another."""

from __future__ import annotations

from typing import Any

from graphkit import ops
from tests.ops.case import Row, composed

_ADDED = ("int8", "uint8", "int16", "int64", "uint32", "float64", "float16")


def _matmul_in_bfloat16(x: Any) -> Any:
    return ops.cast(ops.matmul(ops.cast(x, "bfloat16"), ops.cast(ops.ones((3, 2)), "bfloat16")), "float32")


CASES: list[Row] = [
    *(composed(f"add of {dtype}", lambda x: ops.add(x, x), f"b 3:{dtype}") for dtype in _ADDED),
    composed("tan of float64", ops.tan, "b 3:float64"),
    composed(
        "cast through bfloat16",
        lambda x: ops.cast(ops.exp(ops.cast(x, "bfloat16")), "float32"),
        "b 3",
        tolerance=2e-2,
    ),
    composed("matmul of bfloat16", _matmul_in_bfloat16, "b 3", tolerance=5e-2),
]
