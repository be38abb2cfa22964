"""ONNX graphs as functional models: one layer a node, with the file's names and weights. Outputs are compared with onnxruntime."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

import graphkit
from graphkit import errors
from graphkit.converters.onnx.imports.layers import OnnxInitializer, OnnxNode
from graphkit.saving.formats import ConverterWarning
from graphkit.saving.keras3_differences import NotInKerasWarning

from .graphs import graph_model, info, real, reference, saved, weights

node = helper.make_node


def opened(model: onnx.ModelProto, folder: Path, **options: Any) -> Any:
    return graphkit.models.load_model(saved(model, folder), **options)


def outputs(model: Any, *arrays: Any) -> list[Any]:
    made = model(arrays[0] if len(arrays) == 1 else list(arrays))
    return [np.asarray(v) for v in (made if isinstance(made, list) else [made])]


def check(model: onnx.ModelProto, folder: Path, *arrays: Any) -> Any:
    """Compare the imported model with onnxruntime: called, predicted, exported, and read back from JSON and `.keras`."""
    wanted = reference(model, *arrays)
    imported = opened(model, folder)
    imported.export(folder / "again.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotInKerasWarning)
        imported.save(folder / "again.keras")
    copies = [imported, graphkit.models.load_model(folder / "again.keras")]
    copies.append(graphkit.models.model_from_json(imported.to_json()))
    copies[-1].set_weights(imported.get_weights())
    results = [outputs(copy, *arrays) for copy in copies]
    results.append(reference(str(folder / "again.onnx"), *arrays))
    for made in results:
        assert len(made) == len(wanted)
        for one, expected in zip(made, wanted, strict=True):
            assert one.dtype == expected.dtype
            np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-5)
    return imported


def mlp() -> onnx.ModelProto:
    return graph_model(
        [
            node("Gemm", ["x", "fc1.weight", "fc1.bias"], ["h"], name="/fc1/Gemm", transB=1),
            node("Relu", ["h"], ["r"], name="/Relu"),
            node("MatMul", ["r", "fc2.weight"], ["y"], name="/fc2/MatMul"),
        ],
        [info("x", "batch", 4)],
        ["y"],
        weights(fc1__weight=real(5, 4), fc1__bias=real(5), fc2__weight=real(5, 3)),
    )


def test_each_node_is_a_layer_of_its_name(tmp_path: Path) -> None:
    model = check(mlp(), tmp_path, real(2, 4))
    assert [layer.name for layer in model.layers] == ["x", "fc1.Gemm", "Relu", "fc2.MatMul"]
    assert model.get_layer("fc1.Gemm").onnx_name == "/fc1/Gemm"
    assert model.get_layer("/fc1/Gemm") is model.get_layer("fc1.Gemm")


def test_initializers_are_weights_of_their_names_in_the_layout_of_the_file(tmp_path: Path) -> None:
    model = opened(mlp(), tmp_path)
    found = {v.name: (v.path, v.shape) for v in model.trainable_variables}
    assert found == {
        "fc1.weight": ("fc1.weight", (5, 4)),
        "fc1.bias": ("fc1.bias", (5,)),
        "fc2.weight": ("fc2.weight", (5, 3)),
    }


def test_an_export_has_the_nodes_names_and_initializers_of_the_file(tmp_path: Path) -> None:
    opened(mlp(), tmp_path).export(tmp_path / "again.onnx")
    again, first = onnx.load(tmp_path / "again.onnx").graph, mlp().graph
    assert [(n.name, n.op_type, list(n.input), list(n.output)) for n in again.node] == [
        (n.name, n.op_type, list(n.input), list(n.output)) for n in first.node
    ]
    assert {t.name for t in again.initializer} == {t.name for t in first.initializer}
    assert [o.name for o in again.output] == ["y"]


@pytest.mark.parametrize(
    ("trainable", "expected"),
    [(None, ["w", "b"]), (True, ["w", "b", "scale"]), (False, []), ("b*", ["b"]), (["w", "scale"], ["w", "scale"])],
)
def test_which_initializers_are_trained(tmp_path: Path, trainable: Any, expected: list[str]) -> None:
    model = graph_model(
        [node("MatMul", ["x", "w"], ["h"]), node("Add", ["h", "b"], ["s"]), node("Mul", ["s", "scale"], ["y"])],
        [info("x", "n", 4)],
        ["y"],
        weights(w=real(4, 3), b=real(3), scale=np.float32(2.0)),
    )
    imported = opened(model, tmp_path, trainable=trainable)
    assert [v.name for v in imported.trainable_variables] == expected
    np.testing.assert_allclose(outputs(imported, real(2, 4))[0], reference(model, real(2, 4))[0], rtol=1e-5)


def test_a_pattern_that_fits_no_initializer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidArgumentError, match=r"'fc3\*' fits none of the 3 initializers"):
        opened(mlp(), tmp_path, trainable="fc3*")


def test_an_initializer_that_several_nodes_read_is_one_variable(tmp_path: Path) -> None:
    model = graph_model(
        [node("MatMul", ["x", "w"], ["h"]), node("MatMul", ["h", "w"], ["y"])],
        [info("x", "n", 4)],
        ["y"],
        weights(w=real(4, 4)),
    )
    imported = check(model, tmp_path, real(2, 4))
    assert [type(layer) for layer in imported.layers].count(OnnxInitializer) == 1
    assert len(imported.trainable_variables) == 1

    x = real(2, 4)
    (weight,) = imported.trainable_variables
    _, (gradient,) = graphkit.value_and_grad(lambda: graphkit.ops.sum(imported(x)), [weight])()
    w, ones = weight.numpy().astype(np.float64), np.ones((2, 4))
    np.testing.assert_allclose(gradient, x.T @ ones @ w.T + (x @ w).T @ ones, rtol=1e-4)


def test_constants_identities_and_shape_arithmetic_become_part_of_the_layers(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Constant", [], ["zero"], value_int=0),
        node("Gather", ["shape", "zero"], ["batch"], axis=0),
        node("Constant", [], ["axes"], value_ints=[0]),
        node("Unsqueeze", ["batch", "axes"], ["row"]),
        node("Constant", [], ["rest"], value_ints=[2, 6]),
        node("Concat", ["row", "rest"], ["target"], axis=0),
        node("Identity", ["x"], ["same"]),
        node("Reshape", ["same", "target"], ["y"], name="reshape"),
    ]
    imported = check(graph_model(nodes, [info("x", "n", 12)], ["y"]), tmp_path, real(3, 12))
    assert [layer.name for layer in imported.layers] == ["x", "reshape"]
    assert imported.output_shape == (None, 2, 6)
    assert len(onnx.load(tmp_path / "again.onnx").graph.node) == 1


def test_sizes_that_are_used_as_numbers(tmp_path: Path) -> None:
    nodes = [
        node("Shape", ["x"], ["shape"], start=1, end=2),
        node("Cast", ["shape"], ["length"], to=1),
        node("Div", ["x", "length"], ["y"]),
    ]
    check(graph_model(nodes, [info("x", "n", "time")], ["y"]), tmp_path, real(3, 5))


def test_a_shape_is_an_output(tmp_path: Path) -> None:
    model = graph_model([node("Shape", ["x"], ["y"])], [info("x", "n", "time")], ["y"], output_dtype="int64")
    check(model, tmp_path, real(3, 5))


def test_outputs_that_no_node_computes(tmp_path: Path) -> None:
    nodes = [node("Identity", ["x"], ["same"]), node("Relu", ["x"], ["y"]), node("Identity", ["y"], ["again"])]
    check(graph_model(nodes, [info("x", "n", 4)], ["same", "y", "again"]), tmp_path, real(3, 4))


def test_several_outputs_and_left_out_inputs(tmp_path: Path) -> None:
    nodes = [
        node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2),
        node("Clip", ["a", "", "top"], ["c"]),
        node("Concat", ["b", "c"], ["y"], axis=1),
    ]
    check(graph_model(nodes, [info("x", "n", 6)], ["y"], weights(top=np.float32(0.3))), tmp_path, real(3, 6))


def function(name: str, nodes: list[onnx.NodeProto], inputs: list[str], attributes: list[str]) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, inputs, ["z"], nodes, imports, attributes)


def test_calls_of_own_functions_become_the_nodes_of_the_function(tmp_path: Path) -> None:
    leaky = node("LeakyRelu", ["h"], ["z"], name="act")
    reference_to = leaky.attribute.add(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    assert reference_to.ref_attr_name == "slope"
    block = function("Block", [node("MatMul", ["x", "w"], ["h"], name="mm"), leaky], ["x", "w"], ["slope"])
    outer = helper.make_node("Block", ["x", "w"], ["z"], name="inner", domain="own")
    outer.attribute.add(name="slope", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT)
    twice = function("Twice", [outer], ["x", "w"], ["slope"])  # listed before what it calls
    model = graph_model(
        [node("Twice", ["x", "w"], ["y"], name="/block", domain="own", slope=0.25)],
        [info("x", "n", 4)],
        ["y"],
        weights(w=real(4, 4)),
        functions=[twice, block],
        domains=["own"],
    )
    imported = check(model, tmp_path, real(3, 4))
    assert [layer.name for layer in imported.layers] == ["x", "block.inner.mm", "block.inner.act"]
    assert [v.path for v in imported.trainable_variables] == ["w"]
    assert [o.name for o in onnx.load(tmp_path / "again.onnx").graph.output] == ["y"]


def branches(condition: str, initializers: list[onnx.TensorProto], first: list[onnx.NodeProto]) -> onnx.ModelProto:
    plus = helper.make_graph([node("Add", ["x", "w"], ["p"])], "then", [], [info("p")])
    minus = helper.make_graph([node("Sub", ["x", "w"], ["m"])], "else", [], [info("m")])
    chosen = node("If", [condition], ["y"], then_branch=plus, else_branch=minus)
    return graph_model([*first, chosen], [info("x", "n", 4)], ["y"], [*weights(w=real(4)), *initializers])


@pytest.mark.parametrize("value", [True, False])
def test_an_if_whose_condition_is_known_is_its_branch(tmp_path: Path, value: bool) -> None:
    imported = check(branches("c", weights(c=np.array(value)), []), tmp_path, real(3, 4))
    nodes = [layer.op_type for layer in imported.layers if isinstance(layer, OnnxNode)]
    assert nodes == ["Add" if value else "Sub"]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_if_that_depends_on_the_data(tmp_path: Path, sign: float) -> None:
    first = [
        node("ReduceSum", ["x"], ["total"], keepdims=0),
        node("Greater", ["total", "zero"], ["c"]),
    ]
    model = branches("c", weights(zero=np.float32(0)), first)
    check(model, tmp_path, sign * np.abs(real(3, 4)))


def loop(count: Any, collects: bool = True) -> onnx.ModelProto:
    """h = tanh(h @ w + x[:, i]), collecting h."""
    body_nodes = [
        node("Identity", ["go"], ["go_on"]),
        node("Gather", ["x", "i"], ["now"], axis=1),
        node("MatMul", ["h", "w"], ["hw"]),
        node("Add", ["hw", "now"], ["s"]),
        node("Tanh", ["s"], ["h_next"]),
        node("Identity", ["h_next"], ["row"]),
    ]
    inputs = [info("i", dtype="int64", is_scalar=True), info("go", dtype="bool", is_scalar=True), info("h")]
    results = [info("go_on", dtype="bool", is_scalar=True), info("h_next"), *([info("row")] if collects else [])]
    body = helper.make_graph(body_nodes, "body", inputs, results)
    first = [
        node("Shape", ["x"], ["sizes"]),
        node("Gather", ["sizes", "one"], ["steps"]),
        node("Gather", ["x", "zero"], ["h0"], axis=1),
    ]
    made = ["last", "rows"] if collects else ["last"]
    nodes = [*first, node("Loop", [count or "steps", "", "h0"], made, body=body)]
    one, zero = weights(one=np.array(1), zero=np.array(0))
    return graph_model(nodes, [info("x", "n", "time", 4)], made, [one, zero, *weights(w=real(4, 4), three=np.array(3))])


@pytest.mark.parametrize("count", [None, "three"])
def test_a_loop_is_traced_as_a_scan(tmp_path: Path, count: str | None) -> None:
    imported = check(loop(count), tmp_path, real(2, 5, 4))
    x = real(2, 5, 4)
    (w,) = imported.trainable_variables
    _, (gradient,) = graphkit.value_and_grad(lambda: graphkit.ops.sum(imported(x)[0]), [w])()
    start = w.numpy().copy()

    def total(values: Any) -> float:
        h = x[:, 0].astype(np.float64)
        for i in range(3 if count else 5):
            h = np.tanh(h @ values + x[:, i])
        return float(h.sum())

    numeric = np.zeros_like(start, dtype=np.float64)
    for place in np.ndindex(*start.shape):
        moved = start.astype(np.float64)
        moved[place] += 1e-6
        numeric[place] = (total(moved) - total(start.astype(np.float64))) / 1e-6
    np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-4)


def test_a_loop_that_builds_a_sequence(tmp_path: Path) -> None:
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, None))
    body = helper.make_graph(
        [
            node("Identity", ["go"], ["go_on"]),
            node("Gather", ["x", "i"], ["now"], axis=1),
            node("SequenceInsert", ["seq", "now"], ["longer"]),
        ],
        "body",
        [
            info("i", dtype="int64", is_scalar=True),
            info("go", dtype="bool", is_scalar=True),
            helper.make_value_info("seq", kind),
        ],
        [info("go_on", dtype="bool", is_scalar=True), helper.make_value_info("longer", kind)],
    )
    nodes = [
        node("SequenceEmpty", [], ["empty"]),
        node("Shape", ["x"], ["sizes"], start=1, end=2),
        node("Squeeze", ["sizes"], ["steps"]),
        node("Loop", ["steps", "", "empty"], ["all"], body=body),
        node("ConcatFromSequence", ["all"], ["stacked"], axis=1, new_axis=1),
        node("ConcatFromSequence", ["all"], ["joined"], axis=1),
        node("SequenceAt", ["all", "second"], ["one"]),
    ]
    model = graph_model(nodes, [info("x", "n", "time", 4)], ["stacked", "joined", "one"], weights(second=np.array(1)))
    check(model, tmp_path, real(2, 5, 4))


def test_batch_normalization_trains_with_the_statistics_of_the_batch(tmp_path: Path) -> None:
    names = ["scale", "bias", "mean", "var"]
    model = graph_model(
        [node("BatchNormalization", ["x", *names], ["y"], epsilon=1e-3, momentum=0.8)],
        [info("x", "n", 3)],
        ["y"],
        weights(scale=real(3), bias=real(3, seed=1), mean=real(3, seed=2), var=np.abs(real(3, seed=3))),
        opset=15,
    )
    imported = check(model, tmp_path, real(16, 3))
    assert [v.name for v in imported.trainable_variables] == ["scale", "bias"]
    assert [v.name for v in imported.non_trainable_variables] == ["mean", "var"]

    x = real(16, 3, seed=5)
    values = {v.name: v.numpy().copy() for v in imported.variables}
    made = imported(x, training=True)
    mean, var = x.mean(0), x.var(0)
    np.testing.assert_allclose(
        made, (x - mean) / np.sqrt(var + 1e-3) * values["scale"] + values["bias"], rtol=1e-4, atol=1e-5
    )
    moved = {v.name: v.numpy() for v in imported.non_trainable_variables}
    np.testing.assert_allclose(moved["mean"], 0.8 * values["mean"] + 0.2 * mean, rtol=1e-5)
    np.testing.assert_allclose(moved["var"], 0.8 * values["var"] + 0.2 * var, rtol=1e-5)


def test_dropout_drops_only_in_training(tmp_path: Path) -> None:
    model = graph_model([node("Dropout", ["x"], ["y"])], [info("x", "n", 1000)], ["y"], opset=10)
    imported = check(model, tmp_path, real(2, 1000))
    made = np.asarray(imported(np.ones((1, 1000), np.float32), training=True))
    assert 300 < (made == 0).sum() < 700
    assert set(np.unique(made)) == {0.0, 2.0}


def test_fit_trains_the_initializers(tmp_path: Path) -> None:
    model = opened(mlp(), tmp_path)
    x, target = real(64, 4), real(64, 3, seed=1)
    model.compile("adam", "mse")
    losses = model.fit(x, target, epochs=30, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    model.export(tmp_path / "tuned.onnx")
    np.testing.assert_allclose(
        reference(str(tmp_path / "tuned.onnx"), x)[0], model.predict(x, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_models_are_cut_and_extended_with_layers(tmp_path: Path) -> None:
    model = opened(mlp(), tmp_path)
    backbone = graphkit.Model(model.input, model.get_layer("Relu").output)
    head = graphkit.layers.Dense(2)(backbone.output)
    extended = graphkit.Model(model.input, head)
    x = real(3, 4)
    values = {v.name: v.numpy() for v in model.trainable_variables}
    hidden = np.maximum(x @ values["fc1.weight"].T + values["fc1.bias"], 0)
    np.testing.assert_allclose(backbone(x), hidden, rtol=1e-5)
    kernel, bias = extended.layers[-1].get_weights()
    np.testing.assert_allclose(extended(x), hidden @ kernel + bias, rtol=1e-5)


def test_shared_initializers_survive_a_cut(tmp_path: Path) -> None:
    model = graph_model(
        [
            node("MatMul", ["x", "w"], ["h"], name="first"),
            node("MatMul", ["h", "w"], ["k"], name="second"),
            node("MatMul", ["k", "w"], ["y"], name="third"),
        ],
        [info("x", "n", 4)],
        ["y"],
        weights(w=real(4, 4)),
    )
    imported = opened(model, tmp_path)
    tail = graphkit.Model(imported.get_layer("first").output, imported.output)
    x, w = real(2, 4), imported.trainable_variables[0].numpy()
    np.testing.assert_allclose(tail(x), x @ w @ w, rtol=1e-4)
    np.testing.assert_allclose(tail.predict(x, verbose=0), x @ w @ w, rtol=1e-4)
    np.testing.assert_allclose(graphkit.models.clone_model(tail).count_params(), 16)


def test_a_model_that_is_called_runs_as_one_compiled_program(tmp_path: Path) -> None:
    from graphkit.layers.stamp import has_foreign_parts

    assert not has_foreign_parts(opened(mlp(), tmp_path))


def test_initializers_that_are_inputs_as_well_are_not_asked_for(tmp_path: Path) -> None:
    model = graph_model(
        [node("MatMul", ["x", "w"], ["y"])], [info("x", "n", 4), info("w", 4, 3)], ["y"], weights(w=real(4, 3))
    )
    imported = opened(model, tmp_path)
    assert imported.input_names == ["x"]
    np.testing.assert_allclose(outputs(imported, real(2, 4))[0], real(2, 4) @ real(4, 3), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.node[0].input.__setitem__(0, "nothing"), "there is no value 'nothing'"),
        (lambda g: g.output[0].__setattr__("name", "none"), "there is no value 'none'"),
        (lambda g: g.node[1].__setattr__("op_type", "Rellu"), "no operator 'Rellu'.*Relu"),
        (lambda g: g.node[1].__setattr__("domain", "mine"), "imports no version of the domain 'mine'"),
        (lambda g: g.input[0].type.tensor_type.ClearField("shape"), "Input 'x' declares no shape"),
        (lambda g: g.input[0].type.tensor_type.__setattr__("elem_type", 99), "element type 99"),
        (lambda g: g.initializer[0].dims.__setitem__(0, 6), "'fc1.weight' cannot be read"),
        (lambda g: g.input.pop(), "no inputs|no value 'x'"),
    ],
)
def test_a_malformed_graph_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    model = mlp()
    change(model.graph)
    with pytest.raises(errors.GraphKitError, match=message):
        opened(model, tmp_path)


def test_a_function_that_calls_itself_is_refused(tmp_path: Path) -> None:
    again = function("Again", [helper.make_node("Again", ["x"], ["z"], domain="own")], ["x"], [])
    model = graph_model(
        [node("Again", ["x"], ["y"], domain="own")], [info("x", "n", 4)], ["y"], functions=[again], domains=["own"]
    )
    with pytest.raises(errors.SerializationError, match="nested more than"):
        opened(model, tmp_path)


def test_a_node_layer_refuses_a_config_that_describes_no_node() -> None:
    good = {"node": {"op_type": "Relu", "input": ["x"], "output": ["y"]}, "inputs": [["input", 0]], "opsets": {"": 20}}
    OnnxNode(**good)
    for key, value in (("node", {"op_typ": 1}), ("inputs", [["inputs", 0]]), ("inputs", [["tensor", 5]])):
        with pytest.raises(errors.SerializationError):
            OnnxNode(**{**good, key: value})


@pytest.mark.parametrize("form", [bytes, bytearray, lambda data: onnx.load_from_string(data)])
def test_a_model_in_memory_is_opened(form: Any) -> None:
    model = graphkit.load(form(mlp().SerializeToString()))
    np.testing.assert_allclose(outputs(model, real(2, 4))[0], reference(mlp(), real(2, 4))[0], rtol=1e-5)


def test_a_map_of_classes_is_a_tensor_with_a_column_for_each(tmp_path: Path) -> None:
    classes = node("ZipMap", ["p"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=[4, 7, 9])
    model = graph_model([node("Softmax", ["x"], ["p"]), classes], [info("x", "n", 3)], [], domains=["ai.onnx.ml"])
    kind = helper.make_map_type_proto(onnx.TensorProto.INT64, helper.make_tensor_type_proto(1, []))
    model.graph.output.append(helper.make_value_info("probabilities", helper.make_sequence_type_proto(kind)))
    with pytest.warns(ConverterWarning, match="its columns are the classes 4, 7, 9"):
        imported = opened(model, tmp_path)
    (maps,) = reference(model, real(2, 3))
    np.testing.assert_allclose(imported(real(2, 3)), [list(row.values()) for row in maps], rtol=1e-5)
    imported.export(tmp_path / "again.onnx")
    assert [o.name for o in onnx.load(tmp_path / "again.onnx").graph.output] == ["probabilities"]


@pytest.mark.parametrize(
    ("comparison", "counter", "extra"),
    [
        ("Less", "next", 0), ("Less", "count", 0), ("LessOrEqual", "next", 0), ("Greater", "next", 0), ("GreaterOrEqual", "count", 0),
        ("Less", "next", -2), ("Less", "i", 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("steps", [1, 5, 40])
def test_a_loop_whose_condition_counts_is_a_scan(
    tmp_path: Path, comparison: str, counter: str, extra: int, steps: int
) -> None:
    """`while count < n` with n from the input: the collected values have a symbolic size, and there is a gradient."""
    sides = ["limit", counter] if comparison.startswith("Greater") else [counter, "limit"]
    body = helper.make_graph(
        [
            node("Add", ["count", "one"], ["next"]),
            node(comparison, sides, ["more"]),
            node("And", ["more", "go"], ["go_on"]),
            node("Tanh", ["h"], ["t"]),
            node("MatMul", ["t", "w"], ["h_next"]),
            node("Identity", ["h_next"], ["row"]),
        ],
        "body",
        [
            info("i", dtype="int64", is_scalar=True),
            info("go", dtype="bool", is_scalar=True),
            info("count", dtype="int64", is_scalar=True),
            info("h"),
        ],
        [
            info("go_on", dtype="bool", is_scalar=True),
            info("next", dtype="int64", is_scalar=True),
            info("h_next"),
            info("row"),
        ],
    )
    nodes = [
        node("Shape", ["x"], ["sizes"], start=1, end=2),
        node("Squeeze", ["sizes"], ["length"]),
        node("Add", ["length", "extra"], ["limit"]),
        node("ReduceMean", ["x"], ["h0"], axes=[1], keepdims=0),
        node("Loop", ["", "yes", "zero", "h0"], ["n", "last", "rows"], body=body),
        node("Identity", ["last"], ["y"]),
    ]
    constants = weights(
        one=np.array(1), zero=np.array(0), extra=np.array(extra), yes=np.array(True), w=real(3, 3) * 0.7
    )
    model = graph_model(nodes, [info("x", "n", "time", 3)], ["y", "rows"], constants, opset=17)
    x = real(2, steps, 3)
    imported = opened(model, tmp_path)
    for made, expected in zip(outputs(imported, x), reference(model, x), strict=True):
        np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)
    imported.export(tmp_path / "again.onnx")
    again = reference(str(tmp_path / "again.onnx"), x)
    np.testing.assert_allclose(again[1], reference(model, x)[1], rtol=1e-4, atol=1e-5)
    _, (gradient,) = graphkit.value_and_grad(
        lambda: graphkit.ops.sum(imported(x)[0]), list(imported.trainable_variables)
    )()
    assert np.abs(gradient).max() > 0


def test_the_export_of_a_lifted_model_has_the_names_of_the_files_outputs(tmp_path: Path) -> None:
    lifted = graphkit.load(mlp())
    lifted.export(tmp_path / "again.onnx")
    assert [o.name for o in onnx.load(tmp_path / "again.onnx").graph.output] == ["y"]


@pytest.mark.parametrize(
    ("operator", "second", "rank"),
    [
        ("Reshape", np.array([3, -1]), 2), ("Expand", np.array([5, 2, 3]), 3), ("Tile", np.array([2, 3]), 2),
        ("ReduceSum", np.array([1]), 2), ("Unsqueeze", np.array([0]), 3), ("Squeeze", np.array([0]), 1),
        ("CumSum", np.array(1), 2), ("Pad", np.array([1, 0, 0, 2]), 2),
        ("Trilu", np.array(1), 2),
    ],
)  # fmt: skip
def test_shapes_and_axes_that_are_inputs(tmp_path: Path, operator: str, second: Any, rank: int) -> None:
    """What an operator does may depend on values: the shapes are those that the file declares, or new unknown sizes."""
    x = real(1, 3) if operator == "Squeeze" else real(2, 3)
    shape = list(second.shape)
    graph = helper.make_graph(
        [node(operator, ["x", "s"], ["y"])],
        "g",
        [info("x", *x.shape), info("s", *shape, dtype="int64", is_scalar=not shape)],
        [info("y", *(f"y{i}" for i in range(rank)))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    imported = opened(model, tmp_path)
    (expected,) = reference(model, x, second)
    np.testing.assert_allclose(outputs(imported, x, second)[0], expected, rtol=1e-5)
    imported.export(tmp_path / "again.onnx")
    np.testing.assert_allclose(reference(str(tmp_path / "again.onnx"), x, second)[0], expected, rtol=1e-5)
    variable = graphkit.Variable(x)
    _, (gradient,) = graphkit.value_and_grad(lambda: graphkit.ops.sum(imported([variable, second])), [variable])()
    assert gradient.shape == x.shape


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16"])
def test_what_is_not_a_number_is_quantized_as_onnxruntime_does(dtype: str) -> None:
    model = graph_model(
        [node("QuantizeLinear", ["x", "s", "z"], ["y"])],
        [info("x", "n")],
        ["y"],
        weights(s=np.float32(0.5), z=np.array(3, dtype)),
        opset=21,
        output_dtype=dtype,
    )
    x = np.array([np.nan, np.inf, -np.inf, 1.3, 1e9, -1e9, 0.25, 0.75], np.float32)
    np.testing.assert_array_equal(outputs(graphkit.load(model, lift=False), x)[0], reference(model, x)[0])


@pytest.mark.parametrize("group", [1, 2])
def test_a_convolution_over_four_axes(tmp_path: Path, group: int) -> None:
    """Exporters of JAX write pooling of channels-last images as a convolution over all of their axes."""
    model = graph_model(
        [node("Conv", ["x", "w", "b"], ["y"], strides=[1, 2, 2, 1], pads=[0, 1, 0, 0, 0, 0, 1, 0], group=group)],
        [info("x", "n", 2, 3, 6, 5, 4)],
        ["y"],
        weights(w=real(4, 2 // group, 1, 2, 2, 1), b=real(4)),
    )
    x = real(2, 2, 3, 6, 5, 4)
    made = outputs(opened(model, tmp_path), x)[0]
    w, b = real(4, 2 // group, 1, 2, 2, 1), real(4)
    padded = np.pad(x, [(0, 0), (0, 0), (0, 0), (1, 0), (0, 1), (0, 0)])
    each = 4 // group
    for o in range(4):
        inputs = padded[:, (o // each) * (2 // group) : (o // each + 1) * (2 // group)]
        expected = b[o] + sum(
            inputs[:, c, :, i : i + 6 : 2, j : j + 5 : 2] * w[o, c, 0, i, j, 0]
            for c in range(2 // group)
            for i in range(2)
            for j in range(2)
        )
        np.testing.assert_allclose(made[:, o], expected, rtol=1e-4, atol=1e-5)


def test_a_sequence_of_another_length_than_in_the_file_is_refused(tmp_path: Path) -> None:
    nodes = [
        node("SplitToSequence", ["x"], ["parts"], axis=0, keepdims=1),
        node("ConcatFromSequence", ["parts"], ["y"], axis=1),
    ]
    model = graph_model(nodes, [info("x", 3, 4)], ["y"], opset=17)
    imported = opened(model, tmp_path)
    np.testing.assert_array_equal(outputs(imported, real(3, 4))[0], reference(model, real(3, 4))[0])
    for rows in (2, 5):
        with pytest.raises(errors.ShapeError, match="expects shape"):
            imported(real(rows, 4))


@pytest.mark.parametrize("lift", [False, True])
def test_a_batch_of_another_size_than_in_the_file_is_refused(tmp_path: Path, lift: bool) -> None:
    """Unlike layers of Keras, the nodes of a file hold numbers that follow from its batch size."""
    nodes = [node("Relu", ["x"], ["r"]), node("Reshape", ["r", "s"], ["y"])]
    model = graph_model(nodes, [info("x", 1, 2, 3)], ["y"], weights(s=np.array([1, -1])))
    imported = graphkit.load(model, lift=lift)
    assert outputs(imported, real(1, 2, 3))[0].shape == (1, 6)
    for run in (imported, imported.predict):
        with pytest.raises(errors.ShapeError, match=r"expects shape \(1, 2, 3\), got \(4, 2, 3\)"):
            run(real(4, 2, 3))
