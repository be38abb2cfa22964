"""Infinite values and empty tensors give what real Keras 3.15.1 gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.engine import run
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace

INF, NAN = np.inf, np.nan
WIDE = np.array([[INF, 1.0, -INF], [-INF, -INF, -INF], [INF, INF, 2.0]], np.float32)

GIVEN: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "median": (lambda x: ops.median(x, axis=1), WIDE, [1.0, -INF, INF]),
    "nanmedian": (lambda x: ops.nanmedian(x, axis=0), WIDE, [INF, 1.0, -INF]),
    "median beside NaN": (ops.median, np.array([1.0, NAN, 3.0], np.float32), NAN),
    "hypot": (lambda x: ops.hypot(x, x[::-1]), np.array([INF, 3.0, NAN, 4.0, -INF], np.float32), [INF, 5.0, NAN, 5.0, INF]),
    "hypot beside NaN": (lambda x: ops.hypot(x, -INF), np.array([NAN, 1.0], np.float32), [INF, INF]),
    "fmod": (lambda x: ops.fmod(x, INF), np.array([2.5, -2.5, 0.0], np.float32), [2.5, -2.5, 0.0]),
    "fmod of bytes": (lambda x: ops.fmod(x, np.array([-7, -1, 5], np.int8)), np.array([-128, -128, 7], np.int8), [-2, 0, 2]),
    "einsum over a diagonal": (lambda x: ops.einsum("ii->i", x), WIDE, [INF, -INF, 2.0]),
    "geomspace below 0": (lambda x: ops.geomspace(x, x * 100, num=3), np.array([-1.0, 2.0], np.float32), [[-1, 2], [-10, 20], [-100, 200]]),
    "clip from below": (lambda x: ops.clip(x, 0, None), np.array([-1.0, INF], np.float32), [0.0, INF]),
    "clip from above": (lambda x: ops.clip(x, None, 0), np.array([-1.0, INF], np.float32), [-1.0, 0.0]),
    "round bytes": (lambda x: ops.round(x, -1), np.array([4, 15, 25, 255], np.uint8), [0, 20, 20, 255]),
    "logsumexp of nothing": (lambda x: ops.logsumexp(x, axis=0), np.zeros((0, 2), np.float32), [-INF, -INF]),
    "quantile beyond the ends": (lambda x: ops.quantile(x, [-0.5, 1.5]), np.array([2.0, 1.0], np.float32), [1.0, 2.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_numbers_at_infinity_are_those_of_keras(name: str) -> None:
    function, x, wanted = GIVEN[name]
    made = function(x)
    traced = run(trace(function, spec(*x.shape, dtype=str(x.dtype))), x)[0]
    for found in (made, traced):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, equal_nan=True)
