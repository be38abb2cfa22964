"""Complex numbers, which onnxruntime has no kernels for."""

from __future__ import annotations

from ..registry import limitation

limitation(
    "onnxruntime computes with real numbers only; keep real and imaginary part as two tensors (ops.fft takes and gives such pairs)",
    "real", "imag", "conj", "complex",
)  # fmt: skip
