"""An optional tensor that is left out before one that is given keeps its place, in the graph as on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import KerasTensor, ops

X = np.arange(24, dtype="float32").reshape(1, 3, 2, 4) / 24
ROW = np.array([0.5, -1.0, 2.0, 3.0], "float32")
MASK = np.array([[[[True, False, True]] * 3] * 2])
CALLS: dict[str, Callable[[Any], Any]] = {
    "scale without offset": lambda x: ops.batch_normalization(x, ROW, np.abs(ROW), -1, scale=ROW),
    "beta without gamma": lambda x: ops.layer_normalization(x, beta=ROW),
    "mask without bias": lambda x: ops.dot_product_attention(x, x, x, mask=MASK),
    "scale alone": lambda x: ops.dot_product_attention(x, x, x, scale=0.1),
    "atol without rtol": lambda x: ops.isclose(x, x + 0.3, atol=0.35),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_graph_computes_what_arrays_give(name: str) -> None:
    inputs = graphkit.Input(X.shape[1:])
    model = graphkit.Model(inputs, CALLS[name](inputs))
    expected = np.asarray(CALLS[name](X))
    np.testing.assert_allclose(np.asarray(model(X)), expected, rtol=1e-6)
    again = graphkit.models.model_from_json(model.to_json())
    np.testing.assert_allclose(np.asarray(again(X)), expected, rtol=1e-6)


def test_symbolic_tensors_may_be_given_by_keyword() -> None:
    row = KerasTensor((4,))
    assert ops.batch_normalization(KerasTensor((2, 4)), row, row, axis=-1, scale=row).shape == (2, 4)
    assert ops.layer_normalization(KerasTensor((None, 4)), beta=row).shape == (None, 4)
