"""Linear algebra. Solvers, determinants and factorizations are expanded to column-by-column elimination."""

from __future__ import annotations

from ..registry import limitation

limitation("ONNX has no operator for eigenvalues or singular values", "eig", "eigh", "svd")
