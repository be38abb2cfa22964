"""Sizes that depend on values: ONNX computes them from the tensor that has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, ops
from graphkit.converters.onnx import program_to_onnx
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ops.indexing import with_classes_p
from tests.converters.onnx.comparing import parity, run_onnx


@pytest.mark.parametrize("numbers", [[[0, 1, 1]], [[0, 6, 1], [2, 2, 2]], [[-1, 0, 0]]])
def test_bincount_counts_as_far_as_the_numbers_go(numbers: list[Any]) -> None:
    x = np.array(numbers, "int32")
    message = program_to_onnx(trace(lambda x: ops.bincount(x, minlength=4), spec("batch", "n", dtype="int32")))

    (made,) = run_onnx(message, [x]).values()

    np.testing.assert_array_equal(made, ops.bincount(x, minlength=4))


def test_segments_follow_from_their_ids() -> None:
    program = trace(lambda x, ids: ops.segment_sum(x, ids), spec("n", 2), spec("n", dtype="int32"))
    x, ids = np.arange(8, dtype="float32").reshape(4, 2), np.array([0, 2, 2, 3], "int32")

    (made,) = run_onnx(program_to_onnx(program), [x, ids]).values()

    np.testing.assert_array_equal(made, ops.segment_sum(x, ids))


def test_a_model_that_counts_predicts_as_it_computes() -> None:
    x = layers.Input((None,), dtype="int32")
    model = graphkit.Model(x, ops.bincount(x, minlength=4))
    data = np.array([[0, 5, 5]], "int32")

    np.testing.assert_array_equal(model.predict(data, verbose=0), model(data))


def test_a_known_size_passes_the_numbers_on() -> None:
    program = trace(lambda x: with_classes_p.bind(x, size=5, least=0), spec("n", dtype="int32"))

    assert parity(program, [np.array([0, 4], "int32")]) == []
