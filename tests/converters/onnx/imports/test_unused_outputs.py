"""Outputs of nodes that nothing reads are named in exports unless the operator marks them as optional."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .graphs import graph_model, info, real
from .test_graph import check

node = helper.make_node


def test_a_loop_of_which_the_first_value_is_not_read(tmp_path: Path) -> None:
    def value(name: str, kind: int, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    body = helper.make_graph(
        [
            node("Identity", ["go"], ["go_on"]),
            node("Add", ["count", "one"], ["next"]),
            node("Tanh", ["state"], ["t"]),
            node("Add", ["t", "bias"], ["new"]),
            node("Identity", ["new"], ["row"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64),
            value("go", TensorProto.BOOL),
            value("count", TensorProto.INT32),
            value("state", 1, 2, 3),
        ],
        [
            value("go_on", TensorProto.BOOL),
            value("next", TensorProto.INT32),
            value("new", 1, 2, 3),
            value("row", 1, 2, 3),
        ],
    )
    known = {"steps": np.int64(20), "true": np.bool_(True), "zero": np.int32(0), "one": np.int32(1), "bias": real(3)}
    model = graph_model(
        [
            node("Loop", ["steps", "true", "zero", "x"], ["counted", "last", "rows"], body=body),
            node("ReduceSum", ["rows"], ["y"], keepdims=0),
        ],
        [info("x", 2, 3)],
        ["y"],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in known.items()],
    )
    check(model, tmp_path, real(2, 3))


def test_a_split_of_which_the_last_part_is_not_read(tmp_path: Path) -> None:
    model = graph_model([node("Split", ["x"], ["y", "b", "c"], axis=1)], [info("x", "n", 6)], ["y"], opset=13)
    check(model, tmp_path, real(2, 6))
