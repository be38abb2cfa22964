"""Elementwise kernels of several steps, run block by block so that each step finds its data in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphkit.ir.spec import TensorSpec

BLOCK = 1 << 14  # elements: a few blocks of float32 fit the second-level cache


def in_blocks(step: Callable[..., None], scratch: int = 0) -> dict[str, Any]:
    """Return the `kernel` and `workspace` of a primitive whose output and inputs all have the same shape and dtype.

    Args:
        step: `step(out, *inputs, *scratches, **params)` on flat arrays of at most `BLOCK` elements; `out` is never an input.
        scratch: the number of scratch arrays.
    """

    def kernel(out: Any, *arrays: Any, workspace: list[Any], **params: Any) -> None:
        target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
        flat = [target.reshape(-1), *(np.ascontiguousarray(a).reshape(-1) for a in arrays)]
        for start in range(0, out.size, BLOCK):
            parts = [f[start : start + BLOCK] for f in flat]
            step(*parts, *(w[: len(parts[0])] for w in workspace), **params)
        if target is not out:
            np.copyto(out, target)

    def workspace(specs: list[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
        return [TensorSpec((BLOCK,), specs[0].dtype)] * scratch

    return {"kernel": kernel, "workspace": workspace}


def horner(coefficients: tuple[float, ...], x: Any, out: Any) -> None:
    """Evaluate the polynomial with these coefficients (constant term first) at `x`, into `out`."""
    constants = [np.asarray(c, x.dtype) for c in coefficients]
    np.multiply(x, constants[-1], out=out)
    for constant in constants[-2:0:-1]:
        np.add(out, constant, out=out)
        np.multiply(out, x, out=out)
    np.add(out, constants[0], out=out)


# ----- rows: blocks along the first axis -----

ROW_BLOCK = 1 << 15  # elements processed at a time


def row_blocks(x: Any) -> Iterator[slice]:
    """Yield slices of the first axis with about `ROW_BLOCK` elements each."""
    rows = max(1, ROW_BLOCK // max(1, x[0].size if len(x) else 1))
    return (slice(start, start + rows) for start in range(0, len(x), rows))


def channel_sums(block: Any, channels: int) -> Any:
    """Sum a (before, channels, after) block for each channel, in float64; the channels may be repeated along their axis."""
    sums = (
        np.add.reduce(block[:, :, 0], axis=0)
        if block.shape[2] == 1
        else np.add.reduce(np.add.reduce(block, axis=2), axis=0)
    )
    return np.add.reduce(sums.reshape(-1, channels).astype(np.float64), axis=0)


def row_workspace(specs: list[TensorSpec], params: dict[str, Any]) -> list[TensorSpec]:
    """Return scratch for one block of rows, or for one row if that is longer."""
    axis = params["axis"]
    sizes: list[int] = [int(s) for s in specs[0].shape]  # type: ignore[arg-type]  # kernels see known sizes only
    row = int(np.prod(sizes[axis:], dtype=np.int64))
    return [TensorSpec((max(row, ROW_BLOCK),), specs[0].dtype)]
