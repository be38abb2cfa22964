"""Elementwise kernels of several steps, run block by block so that the steps find their numbers in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.ir.spec import TensorSpec

BLOCK = 1 << 14  # elements: a few blocks of float32 fit the nearest cache


def in_blocks(step: Callable[..., None], scratch: int = 0) -> dict[str, Any]:
    """The `kernel` and `workspace` parts of a primitive whose output and inputs all have one shape and dtype.

    `step(out, *inputs, *scratches, **params)` works on flat arrays of at most `BLOCK` elements. `out` is never an input.
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
    """The polynomial with these coefficients (constant term first) at `x`, into `out`."""
    constants = [np.asarray(c, x.dtype) for c in coefficients]
    np.multiply(x, constants[-1], out=out)
    for constant in constants[-2:0:-1]:
        np.add(out, constant, out=out)
        np.multiply(out, x, out=out)
    np.add(out, constants[0], out=out)


