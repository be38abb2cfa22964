"""Gradients with respect to some of a program's inputs, in the requested order."""

from __future__ import annotations

import numpy as np
import pytest

from graphkit import ops
from graphkit.engine import run
from graphkit.ir.gradient import grad
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace

A, B, C = (np.array(v, "float32") for v in ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]))


@pytest.mark.parametrize("wrt", [None, [0], [1], [2], [2, 0], [1, 2], [1, 1]], ids=str)
def test_gradients_are_those_of_the_inputs_asked_for(wrt: list[int] | None) -> None:
    program = trace(lambda a, b, c: ops.sum(a * b + 2.0 * c), spec(2), spec(2), spec(2))
    by_input = [B, A, np.full(2, 2.0)]

    value, *found = run(grad(program, wrt), A, B, C)

    assert value == pytest.approx(float((A * B + 2 * C).sum()))
    for gradient, index in zip(found, range(3) if wrt is None else wrt, strict=True):
        np.testing.assert_allclose(gradient, by_input[index])
