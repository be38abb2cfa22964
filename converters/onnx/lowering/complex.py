"""Complex numbers, which onnxruntime has no kernels for."""

from __future__ import annotations

from ..registry import limitation

limitation(
    "onnxruntime computes with real numbers only; keep real and imaginary parts as two tensors (ops.fft takes and returns such pairs)",
    "real", "imag", "conj", "complex",
)  # fmt: skip
