"""Two consecutive transposes are merged into the right one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from graphkit import ops
from graphkit.engine import run
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace

X = np.arange(24.0, dtype="float32").reshape(2, 3, 4)


@pytest.mark.parametrize("orders", list(itertools.product([(1, 2, 0), (2, 0, 1), (0, 2, 1)], repeat=2)), ids=str)
def test_transposes_in_a_row(orders: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    first, second = orders
    program = trace(lambda x: ops.transpose(ops.transpose(x, first), second), TensorSpec.of(X))
    np.testing.assert_array_equal(run(program, X)[0], X.transpose(first).transpose(second))
