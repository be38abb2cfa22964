"""Lifted classifiers whose classes are strings can be saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import graphkit
from graphkit.saving.keras3_differences import NotInKerasWarning


def test_labels_that_are_strings_stay_in_a_node(tmp_path: Path) -> None:
    classifier = helper.make_node(
        "LinearClassifier", ["x"], ["label", "scores"], name="classifier", domain="ai.onnx.ml", classlabels_strings=["a", "b", "c"],
        coefficients=[1.0, 0.5, -1.0, 0.25, 0.5, -0.5], intercepts=[0.0, 0.1, 0.2], post_transform="SOFTMAX",
    )  # fmt: skip
    graph = helper.make_graph(
        [classifier],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, ["batch"]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 3]),
        ],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "m.onnx")
    lifted = graphkit.load(tmp_path / "m.onnx")
    with pytest.warns(NotInKerasWarning):
        lifted.save(tmp_path / "m.keras")
    x = np.array([[1.0, 2.0], [-1.0, 0.5]], np.float32)
    (labels, scores), (again, same) = lifted(x), graphkit.load(tmp_path / "m.keras")(x)
    assert [str(v) for v in np.asarray(labels)] == [str(v) for v in np.asarray(again)]
    np.testing.assert_allclose(same, scores)
    assert not lifted.import_report.is_whole
