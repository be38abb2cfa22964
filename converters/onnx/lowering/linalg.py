"""Linear algebra. Systems of equations, determinants and factors are expanded to elimination by columns."""

from __future__ import annotations

from ..registry import limitation

limitation("ONNX has no operator for eigenvalues or singular values", "eig", "eigh", "svd")
