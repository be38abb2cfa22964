"""Fourier transforms: ONNX' DFT takes (..., n, 2), with real and imaginary parts along the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..builder import GraphBuilder, Operand
from ..registry import lowering


@lowering("fft")
def _fft(b: GraphBuilder, re: Operand, im: Operand, *, inverse: bool) -> Any:
    """DFT requires a batch axis before the axis that it transforms."""
    rank = re.rank
    parts = [b.unsqueeze(part, rank) if rank > 1 else b.unsqueeze(part, 0, 2) for part in (re, im)]
    joined = b.op("Concat", *parts, axis=-1)
    axis = max(rank - 1, 1)
    if b.opset >= 20:
        made = b.op("DFT", joined, None, b.constant(np.int64(axis)), inverse=int(inverse))
    else:
        made = b.op("DFT", joined, axis=axis, inverse=int(inverse))
    halves = [b.op("Gather", made, b.constant(np.int64(i)), axis=-1) for i in range(2)]
    return tuple(b.squeeze(half, 0) if rank == 1 else half for half in halves)
