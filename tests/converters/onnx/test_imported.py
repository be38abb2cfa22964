"""Nodes of imported graphs are written as they were: with their names, attributes, subgraphs, and no more of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import graphkit
from graphkit.converters.onnx import model_to_onnx
from tests.converters.onnx.imports.graphs import graph_model, info, reference, saved, weights

RNG = np.random.default_rng(0)


def again(model: onnx.ModelProto, folder: Path, *arrays: Any, **options: Any) -> onnx.ModelProto:
    """Import and export a model, compare the outputs in onnxruntime, and return the export."""
    made = model_to_onnx(graphkit.load(saved(model, folder), lift=False), **options)
    onnx.checker.check_model(made, full_check=True)
    for got, want in zip(reference(made, *arrays), reference(model, *arrays), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    return made


def loop(counted: bool) -> onnx.ModelProto:
    """Return a loop that multiplies its state by an outer weight and adds an outer value, 4 times or as often as an input says."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["h", "w"], ["product"], name="inner/product"),
            helper.make_node("Add", ["product", "shift"], ["h_out"], name="inner/sum"),
            helper.make_node("Identity", ["go"], ["go_out"]),
            *([] if counted else [helper.make_node("Identity", ["h_out"], ["kept"])]),
        ],
        "body",
        [info("i", dtype="int64", is_scalar=True), info("go", dtype="bool", is_scalar=True), info("h", 2, 3)],
        [info("go_out", dtype="bool", is_scalar=True), info("h_out", 2, 3), *([] if counted else [info("kept", 2, 3)])],
    )
    outputs = ["last"] if counted else ["last", "all"]
    nodes = [
        helper.make_node("Relu", ["x"], ["shift"], name="relu"),
        helper.make_node("Loop", ["count", "", "x"], outputs, name="steps", body=body),
    ]
    inputs = [info("x", 2, 3), *([info("count", dtype="int64", is_scalar=True)] if counted else [])]
    constants = weights(w=RNG.standard_normal((3, 3)).astype("float32") * 0.3)
    return graph_model(nodes, inputs, outputs, constants if counted else [*constants, *weights(count=np.int64(4))])


@pytest.mark.parametrize("counted", [False, True])
def test_a_loop_keeps_its_body(counted: bool, tmp_path: Path) -> None:
    arrays = [RNG.standard_normal((2, 3)).astype("float32"), *([np.asarray(3)] if counted else [])]
    made = again(loop(counted), tmp_path, *arrays)
    assert [n.op_type for n in made.graph.node] == ["Relu", "Loop"]
    assert [n.name for n in made.graph.node] == ["relu", "steps"]
    (body,) = [a.g for a in made.graph.node[1].attribute if a.name == "body"]
    assert [n.name for n in body.node][:2] == ["inner/product", "inner/sum"]
    assert [t.name for t in made.graph.initializer if t.name == "w"] == ["w"]


def test_a_branch_keeps_its_graphs(tmp_path: Path) -> None:
    def branch(op_type: str) -> onnx.GraphProto:
        node = helper.make_node(op_type, ["x", "w"], ["made"], name=f"{op_type}_inside")
        return helper.make_graph([node], op_type, [], [info("made", 2, 3)])

    model = graph_model(
        [helper.make_node("If", ["flag"], ["y"], name="choice", then_branch=branch("Add"), else_branch=branch("Mul"))],
        [info("x", 2, 3), info("flag", dtype="bool", is_scalar=True)],
        ["y"],
        weights(w=np.float32([1, 2, 3])),
    )
    x = RNG.standard_normal((2, 3)).astype("float32")
    for flag in (True, False):
        made = again(model, tmp_path, x, np.asarray(flag))
        assert [n.op_type for n in made.graph.node] == ["If"]


def test_operators_of_machine_learning_stay(tmp_path: Path) -> None:
    model = graph_model(
        [
            helper.make_node("Scaler", ["x"], ["scaled"], domain="ai.onnx.ml", offset=[0.5, 0.1], scale=[2.0, 3.0]),
            helper.make_node("Normalizer", ["scaled"], ["y"], domain="ai.onnx.ml", norm="L2"),
        ],
        [info("x", "n", 2)],
        ["y"],
        domains=["ai.onnx.ml"],
    )
    made = again(model, tmp_path, RNG.standard_normal((4, 2)).astype("float32"))
    assert [n.op_type for n in made.graph.node] == ["Scaler", "Normalizer"]


def shifted() -> onnx.ModelProto:
    """Return a model with an operator whose dtypes were extended in opset 28."""
    return graph_model(
        [helper.make_node("BitShift", ["x", "n"], ["y"], direction="LEFT")],
        [info("x", 3, dtype="int32")],
        ["y"],
        weights(n=np.int32([1, 2, 3])),
        opset=28,
        output_dtype="int32",
    )


def test_the_opset_of_a_newer_file_is_kept(tmp_path: Path) -> None:
    made = again(shifted(), tmp_path, np.int32([1, 5, 7]))
    assert [o.version for o in made.opset_import] == [28]
    assert [n.op_type for n in made.graph.node] == ["BitShift"]


def test_a_node_whose_dtypes_an_older_opset_lacks_is_expanded(tmp_path: Path) -> None:
    made = again(shifted(), tmp_path, np.int32([1, 5, 7]), opset=21)
    assert {"BitShift", "Cast", "Where"} == {n.op_type for n in made.graph.node}


def test_a_remainder_of_floats_is_expanded_where_the_opset_has_only_that_of_c(tmp_path: Path) -> None:
    model = graph_model(
        [helper.make_node("Mod", ["x", "w"], ["y"])],
        [info("x", 4)],
        ["y"],
        weights(w=np.float32([3, -3, 2, -2])),
        opset=28,
    )
    x = np.float32([-4.5, 4.5, 5, -5])
    assert [n.op_type for n in again(model, tmp_path, x).graph.node] == ["Mod"]
    assert "Where" in [n.op_type for n in again(model, tmp_path, x, opset=21).graph.node]


def test_an_operator_that_was_withdrawn_is_expanded(tmp_path: Path) -> None:
    model = graph_model(
        [helper.make_node("Scatter", ["x", "at", "w"], ["y"], axis=0)],
        [info("x", 3, 2)],
        ["y"],
        weights(at=np.int64([[0, 2]]), w=np.float32([[7, 8]])),
        opset=10,
    )
    made = again(model, tmp_path, RNG.standard_normal((3, 2)).astype("float32"))
    assert "Scatter" not in [n.op_type for n in made.graph.node]
