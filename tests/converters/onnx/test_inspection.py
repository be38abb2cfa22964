"""What `graphkit inspect` says of ONNX files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import graphkit
from graphkit import Input, Model, layers
from graphkit.converters.onnx.tools.flops import flops
from graphkit.core.errors import SerializationError
from graphkit.saving.inspection import report_as_text


def value(name: str, sizes: list[Any] | None, element_type: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, element_type, sizes)


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: list[Any],
    outputs: list[Any],
    weights: dict[str, Any] | None = None,
    **kwargs: Any,
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "net", inputs, outputs, tensors)
    opsets = kwargs.pop("opset_imports", [helper.make_opsetid("", 18)])
    return helper.make_model(graph, ir_version=8, opset_imports=opsets, producer_name="by hand", **kwargs)


def inspected(message: onnx.ModelProto, folder: Path) -> Any:
    (folder / "m.onnx").write_bytes(message.SerializeToString())
    return graphkit.inspect(folder / "m.onnx")


def small() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["c", "sizes"], ["flat"]),
    ]
    weights = {"k": np.ones((6, 3, 3, 3), "f4"), "b": np.ones(6, "f4"), "sizes": np.array([0, -1])}
    return model_of(nodes, [value("x", ["N", 3, 8, 8])], [value("flat", ["N", 384])], weights)


def test_inputs_outputs_opsets_and_weights(tmp_path: Path) -> None:
    report = inspected(small(), tmp_path)

    assert report["format"] == "ONNX"
    assert report["parameters"] == 6 * 27 + 6
    found = report["onnx"]
    assert found["opsets"] == {"ai.onnx": 18}
    assert found["producer"] == "by hand"
    assert found["inputs"] == {"x": "float32 (N, 3, 8, 8)"}
    assert found["outputs"] == {"flat": "float32 (N, 384)"}
    assert found["weights"]["by_type"]["int64"] == {"tensors": 1, "elements": 2, "bytes": 16}
    assert found["weights"]["bytes"] == 4 * 168 + 16
    assert found["operators"] == {"ai.onnx": {"Conv": 1, "Reshape": 1}}
    assert found["not_trainable"] == {"of type int64": ["sizes"]}
    assert json.loads(json.dumps(report)) == report


def test_the_text_holds_all_of_it(tmp_path: Path) -> None:
    text = report_as_text(inspected(small(), tmp_path))

    for line in (
        "  producer        by hand", "  IR version      8", "  opsets          ai.onnx 18", "  inputs          x: float32 (N, 3, 8, 8)",
        "  outputs         flat: float32 (N, 384)", "  parameters      168", "  bytes           688",
        "    168 float32 in 2 tensors, 672 bytes", f"  FLOPs           {2 * 384 * 27 + 384:,} for N=1", "  ai.onnx: 2 nodes",
        "       1 Conv", "    1 initializer of type int64: sizes",
    ):  # fmt: skip
        assert line in text.splitlines(), text


CASES: dict[str, tuple[onnx.NodeProto, list[list[int]], list[int], int]] = {
    "a product of matrices": (helper.make_node("MatMul", ["a", "b"], ["y"]), [[5, 2, 3], [3, 4]], [5, 2, 4], 2 * 5 * 2 * 3 * 4),
    "a transposed Gemm with a bias": (
        helper.make_node("Gemm", ["a", "b", "c"], ["y"], transA=1), [[3, 2], [3, 4], [4]], [2, 4], 2 * 2 * 3 * 4 + 8,
    ),
    "a convolution of two groups": (
        helper.make_node("Conv", ["a", "b"], ["y"], group=2, strides=[2]), [[1, 4, 9], [6, 2, 3]], [1, 6, 4], 2 * 24 * 2 * 3,
    ),
    "a transposed convolution": (helper.make_node("ConvTranspose", ["a", "b"], ["y"]), [[1, 4, 5], [4, 6, 3]], [1, 6, 7], 2 * 20 * 6 * 3),
    "an LSTM": (
        helper.make_node("LSTM", ["a", "b", "c"], ["y"], hidden_size=5), [[7, 2, 3], [1, 20, 3], [1, 20, 5]], [7, 1, 2, 5],
        2 * 7 * 2 * 20 * (3 + 5),
    ),
    "an einsum": (
        helper.make_node("Einsum", ["a", "b"], ["y"], equation="bij,bjk->bik"), [[2, 3, 4], [2, 4, 5]], [2, 3, 5], 240,
    ),
    "a pooling": (helper.make_node("MaxPool", ["a"], ["y"], kernel_shape=[2, 2], strides=[2, 2]), [[1, 3, 8, 8]], [1, 3, 4, 4], 48 * 4),
    "an elementwise operator": (helper.make_node("Add", ["a", "b"], ["y"]), [[4, 3], [3]], [4, 3], 12),
    "a reduction": (helper.make_node("ReduceSum", ["a"], ["y"]), [[4, 3]], [1, 1], 12),
    "a change of the shape": (helper.make_node("Transpose", ["a"], ["y"]), [[4, 3]], [3, 4], 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_floating_point_operations(name: str) -> None:
    node, shapes, result, count = CASES[name]
    inputs = [value(n, list(s)) for n, s in zip(node.input, shapes, strict=True)]

    assert flops(model_of([node], inputs, [value("y", list(result))])) == (count, {}, {})


def test_operations_of_functions_are_counted_at_each_call() -> None:
    function = helper.make_function(
        "own", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [helper.make_opsetid("", 18)]
    )
    nodes = [
        helper.make_node("Twice", ["x"], ["h"], domain="own"),
        helper.make_node("Twice", ["h"], ["y"], domain="own"),
    ]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    message = model_of(nodes, [value("x", [3])], [value("y", [3])], functions=[function], opset_imports=opsets)

    assert flops(message) == (6, {}, {})


def test_the_size_of_a_free_axis_can_be_given() -> None:
    assert flops(small(), {"N": 10}).total == 10 * flops(small()).total


def test_loops_and_unknown_operators_are_named_not_guessed(tmp_path: Path) -> None:
    nodes = [helper.make_node("Magic", ["x"], ["h"], domain="own"), helper.make_node("Relu", ["h"], ["y"])]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    report = inspected(model_of(nodes, [value("x", [3])], [value("y", None)], opset_imports=opsets), tmp_path)

    assert report["onnx"]["flops"]["not_counted"] == {"own.Magic": 1, "Relu": 1}
    assert "own.Magic" in report["onnx"]["unknown_operators"]
    text = report_as_text(report)
    assert "    not counted, since sizes or repetitions are not known: 1 own.Magic, 1 Relu" in text
    assert "  unknown operators:\n    own.Magic: graphkit has no operator 'Magic' of the domain 'own'." in text


def test_a_domain_without_a_version_is_named(tmp_path: Path) -> None:
    message = model_of([helper.make_node("Magic", ["x"], ["y"], domain="own")], [value("x", [3])], [value("y", [3])])

    assert inspected(message, tmp_path)["onnx"]["unknown_operators"] == {
        "own.Magic": "the file imports no version of the domain 'own'"
    }


def test_operators_in_subgraphs_and_functions_are_counted(tmp_path: Path) -> None:
    def branch(name: str, operator: str) -> onnx.GraphProto:
        return helper.make_graph([helper.make_node(operator, ["x"], [name])], name, [], [value(name, [3])])

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("t", "Relu"), else_branch=branch("e", "Neg"))
    message = model_of([node], [value("c", [], TensorProto.BOOL), value("x", [3])], [value("y", [3])])
    report = inspected(message, tmp_path)["onnx"]

    assert report["operators"] == {"ai.onnx": {"If": 1, "Relu": 1, "Neg": 1}}
    assert report["flops"]["not_counted"] == {"If": 1}


def test_data_files_are_counted_and_those_of_large_models_are_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(small(), tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    report = graphkit.inspect(tmp_path / "m.onnx")
    assert report["parameters"] == 168
    assert report["onnx"]["data_files"] == {"w.bin": 688}
    assert report["problems"] == []
    assert "    688 bytes of these in the file 'w.bin'" in report_as_text(report)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a data file is opened")

    monkeypatch.setattr("graphkit.converters.onnx.tools.inspection._MOST_BYTES", 100)
    monkeypatch.setattr("graphkit.converters.onnx.tools.inspection._imported", refuse)
    text = report_as_text(graphkit.inspect(tmp_path / "m.onnx"))
    assert text.endswith("whether it loads was not tried, since it is large")


def test_what_the_nodes_become(tmp_path: Path) -> None:
    report = inspected(small(), tmp_path)

    assert report["onnx"]["lifting"]["nodes"] == 2
    assert sum(report["onnx"]["lifting"]["layers"].values()) >= 1
    assert report["onnx"]["lifting"]["is_whole"]
    assert "  lifting         2 nodes become " in report_as_text(report)


def test_what_stays_a_node_is_named_with_the_reason(tmp_path: Path) -> None:
    nodes = [helper.make_node("RandomNormalLike", ["x"], ["y"], name="noise")]
    report = inspected(model_of(nodes, [value("x", [1, 4])], [value("y", [1, 4])]), tmp_path)

    assert list(report["onnx"]["lifting"]["kept"]) == ["noise"]
    assert not report["onnx"]["lifting"]["is_whole"]
    assert "    stays a node: noise: Keras has no op for 'random_normal'." in report_as_text(report)


def big(*shape: int) -> Any:
    return np.linspace(-1, 1, int(np.prod(shape)), dtype="f4").reshape(shape)


UNTRAINED: dict[str, tuple[list[onnx.NodeProto], dict[str, Any], str]] = {
    "a comparison": (
        [
            helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Greater", ["h", "x"], ["g"], name="greater"),
            helper.make_node("Where", ["g", "x", "x"], ["y"]),
        ],
        {"w": big(40, 40)}, "behind greater of 'greater', which has no gradient: ",
    ),
    "rounding to integers": (
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("ArgMax", ["h"], ["y"], name="argmax")],
        {"w": big(40, 40)}, "behind argmax of 'argmax', which has no gradient: ",
    ),
    "running statistics": (
        [helper.make_node("BatchNormalization", ["x", "s", "b", "w", "v"], ["y"])],
        {"s": big(40), "b": big(40), "w": big(40), "v": np.ones(40, "f4")}, "of type float32 that training does not change",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTRAINED)
def test_weights_that_cannot_be_trained_are_named_with_the_reason(name: str, tmp_path: Path) -> None:
    nodes, weights, reason = UNTRAINED[name]
    element_type = TensorProto.INT64 if name == "rounding to integers" else TensorProto.FLOAT
    shape = [1, 40] if name == "rounding to integers" else [3, 40]
    report = inspected(model_of(nodes, [value("x", [3, 40])], [value("y", shape, element_type)], weights), tmp_path)

    found = {why: names for why, names in report["onnx"]["not_trainable"].items() if "w" in names}
    assert len(found) == 1, report["onnx"]["not_trainable"]
    assert next(iter(found)).startswith(reason)
    assert "  cannot be trained:" in report_as_text(report)


def test_weights_with_a_gradient_are_not_listed(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Gelu", ["h"], ["y"])]
    opsets = [helper.make_opsetid("", 20)]
    message = model_of(nodes, [value("x", [3, 40])], [value("y", [3, 40])], {"w": big(40, 40)}, opset_imports=opsets)

    assert inspected(message, tmp_path)["onnx"]["not_trainable"] == {}


def test_a_file_of_many_gigabytes_is_inspected_by_its_structure(tmp_path: Path) -> None:
    message = small()
    weight = message.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.dims[:] = [1 << 20, 1 << 20, 3, 3]
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="w.bin")
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(64)
    report = inspected(message, tmp_path)

    assert report["onnx"]["weights"]["bytes"] == 4 * ((9 << 40) + 6) + 16
    assert report["problems"][0].startswith("The data file 'w.bin' has 64 bytes, but the weights end at ")


def spoiled(kind: str) -> onnx.ModelProto:
    message = small()
    weight, node = message.graph.initializer[0], message.graph.node[0]
    if kind == "short":
        weight.raw_data = weight.raw_data[:-4]
    elif kind == "negative":
        weight.dims[0] = -6
    elif kind == "type":
        weight.data_type = 99
    elif kind == "name":
        node.input[0] = "elsewhere"
    elif kind == "output":
        message.graph.output[0].name = "nothing"
    else:
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(
            key="location", value={"missing": "w.bin", "outside": "../w.bin", "offset": "m.onnx"}[kind]
        )
        weight.external_data.add(key="offset", value="far" if kind == "offset" else "0")
    return message


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("short", "The weight 'k' of shape [6, 3, 3, 3] and type float32 needs 648 bytes of data, got 644."),
        ("negative", "The weight 'k' has a negative size: [-6, 3, 3, 3]."),
        ("type", "The weight 'k' is of the unknown type 99."),
        ("name", "Node 'conv' (Conv) reads 'elsewhere', which nothing computes."),
        ("output", "The output 'nothing' is computed by no node."),
        ("missing", "The data file 'w.bin' is missing; it must be beside the model."),
        ("outside", "No other file is opened."),
        ("offset", "The weight 'k' has the offset 'far' and the length '648', which are not numbers."),
    ],
)
def test_what_is_wrong_with_a_damaged_file(kind: str, problem: str, tmp_path: Path) -> None:
    report = inspected(spoiled(kind), tmp_path)

    assert any(problem in text for text in report["problems"]), report["problems"]
    assert "  does not load:" in report_as_text(report)


@pytest.mark.parametrize("content", [b"", b"\x08\x08garbage", b"{}", b"PK\x03\x04"])
def test_what_is_no_model_is_a_typed_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)

    with pytest.raises(SerializationError, match=r"m\.onnx"):
        graphkit.inspect(tmp_path / "m.onnx")


def test_a_truncated_file_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(small().SerializeToString()[:-40])

    with pytest.raises(SerializationError, match="truncated"):
        graphkit.inspect(tmp_path / "m.onnx")


def test_our_own_export_names_its_layers(tmp_path: Path) -> None:
    x = Input((4,), name="x")
    Model(x, layers.Dense(3, name="y")(x)).export(tmp_path / "m.onnx")
    report = graphkit.inspect(tmp_path / "m.onnx")

    assert report["parameters"] == 15
    assert report["onnx"]["flops"] == {"count": 2 * 12 + 3, "sizes": {"batch": 1}, "not_counted": {}}
    assert "graphkit.config" in report["onnx"]["metadata"]
    assert report_as_text(report).endswith("  loads as it is")
