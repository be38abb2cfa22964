"""Lifted models: what is shared, frozen, kept, refused and reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import graphkit
from graphkit.core.errors import InvalidArgumentError

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype("float32")


def file(
    folder: Path,
    nodes: list[Any],
    weights: dict[str, Any],
    inputs: dict[str, list[Any]],
    outputs: list[str],
    opset: int = 18,
) -> Path:
    """Write an ONNX file with float inputs and return its path."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in inputs.items()],
        [helper.make_empty_tensor_value_info(n) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    path = folder / "net.onnx"
    onnx.save(model, path)
    return path


def both(path: Path, **options: Any) -> tuple[Any, Any]:
    """Return the model of the nodes and the lifted one."""
    return graphkit.load(path, lift=False), graphkit.load(path, **options)


def names(model: Any) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_a_layer_is_named_after_its_node(tmp_path: Path) -> None:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="/encoder/linear/Gemm", transB=1)
    path = file(tmp_path, [node], {"w": normal(3, 4), "b": normal(3)}, {"x": ["batch", 4]}, ["y"])
    plain, lifted = both(path)
    x = normal(2, 4)
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-5, atol=1e-6)
    assert type(lifted.get_layer("encoder.linear.Gemm")).__name__ == "Dense"


def test_calls_with_the_same_weights_share_a_layer(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["r"], name="relu"),
        helper.make_node("MatMul", ["r", "w"], ["y"], name="second"),
    ]
    path = file(tmp_path, nodes, {"w": normal(4, 4)}, {"x": ["batch", 4]}, ["y"])
    plain, lifted = both(path)
    x = normal(3, 4)
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-5, atol=1e-6)
    assert names(lifted).count("Dense") == 1
    assert len(lifted.trainable_variables) == 1


def test_a_weight_that_two_layers_need_stays_one_variable(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("Transpose", ["w"], ["t"], name="turn", perm=[1, 0]),
        helper.make_node("MatMul", ["a", "t"], ["y"], name="second"),
    ]
    path = file(tmp_path, nodes, {"w": normal(4, 3)}, {"x": ["batch", 4]}, ["y"])
    plain, lifted = both(path)
    x = normal(2, 4)
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-5, atol=1e-6)
    assert len(lifted.trainable_variables) == 1
    assert any("used elsewhere" in reason for reason in lifted.import_report.refused.values())

    def gradient(model: Any) -> Any:
        _, (g,) = graphkit.value_and_grad(lambda: graphkit.ops.sum(model(x) ** 2), model.trainable_variables)()
        return np.asarray(g).reshape(-1)

    np.testing.assert_allclose(gradient(lifted), gradient(plain), rtol=1e-4)


def test_a_weight_that_the_graph_computes_is_not_baked_into_a_layer(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["w", "scale"], ["v"], name="scaled"),
        helper.make_node("MatMul", ["x", "v"], ["y"], name="product"),
    ]
    path = file(tmp_path, nodes, {"w": normal(4, 3), "scale": normal(4, 1)}, {"x": ["batch", 4]}, ["y"])
    plain, lifted = both(path)
    x = normal(2, 4)
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-5, atol=1e-6)
    assert sorted(int(v.numpy().size) for v in lifted.trainable_variables) == [4, 12]


def test_what_training_does_not_change_stays_frozen(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    path = file(tmp_path, [node], {"w": normal(4, 3)}, {"x": ["batch", 4]}, ["y"])
    assert graphkit.load(path, trainable=False).trainable_variables == []
    assert len(graphkit.load(path).trainable_variables) == 1


def test_dropout_becomes_a_layer(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Dropout", ["x", "ratio"], ["d"], name="drop"),
        helper.make_node("MatMul", ["d", "w"], ["y"], name="product"),
    ]
    path = file(tmp_path, nodes, {"w": normal(4, 3), "ratio": np.array(0.25, "float32")}, {"x": ["batch", 4]}, ["y"])
    lifted = graphkit.load(path)
    assert lifted.get_layer("drop").rate == 0.25


def test_a_node_that_keras_cannot_compute_stays_with_the_reason(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="product"),
        helper.make_node("Det", ["a"], ["y"], name="determinants"),
    ]
    path = file(tmp_path, nodes, {"w": normal(4, 3)}, {"x": ["batch", 3, 4]}, ["y"])
    plain, lifted = both(path)
    x = normal(2, 3, 4)
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-5, atol=1e-6)
    assert lifted.import_report.kept == {"determinants": "Keras has no op for 'det'."}
    assert names(lifted).count("OnnxNode") == 1
    assert "kept as a node: determinants" in str(lifted.import_report)


def test_float64_is_not_rounded_by_a_layer(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"], name="relu")],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["batch", 2])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, ["batch", 2])],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    x = np.array([[1 / 3, -1.0]])
    made = np.asarray(graphkit.load(path)(x))
    assert made.dtype == np.float64
    np.testing.assert_array_equal(made, [[1 / 3, 0.0]])


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 0, 1, 1], [2, 0, 0, 1]])
@pytest.mark.parametrize("size", [7, 8, "size"])
def test_padding_is_exact_for_any_size(tmp_path: Path, pads: list[int], size: Any) -> None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv", pads=pads, strides=[2, 2])
    weights = {"w": normal(2, 3, 3, 3), "b": normal(2)}
    path = file(tmp_path, [node], weights, {"x": ["batch", 3, size, size]}, ["y"])
    plain, lifted = both(path)
    for n in (7, 8) if size == "size" else (size,):
        x = normal(2, 3, n, n)
        np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-4, atol=1e-5)
    assert "Conv2D" in names(lifted)


@pytest.mark.parametrize("include", [0, 1])
def test_average_pooling_counts_padding_as_the_file_says(tmp_path: Path, include: int) -> None:
    node = helper.make_node(
        "AveragePool", ["x"], ["y"], name="pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2],
        count_include_pad=include,
    )  # fmt: skip
    path = file(tmp_path, [node], {}, {"x": ["batch", 2, 7, 8]}, ["y"])
    plain, lifted = both(path)
    x = normal(2, 2, 7, 8)
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-5, atol=1e-6)
    assert lifted.import_report.is_whole


def test_a_row_that_may_attend_to_nothing_is_no_mask_of_keras(tmp_path: Path) -> None:
    mask = np.zeros((3, 3), "float32")
    mask[1] = -np.inf
    nodes = [
        helper.make_node("MatMul", ["x", "wq"], ["q"], name="q"),
        helper.make_node("MatMul", ["x", "wk"], ["k"], name="k"),
        helper.make_node("MatMul", ["x", "wv"], ["v"], name="v"),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1], name="t"),
        helper.make_node("MatMul", ["q", "kt"], ["s"], name="scores"),
        helper.make_node("Div", ["s", "two"], ["d"], name="scaled"),
        helper.make_node("Add", ["d", "mask"], ["m"], name="masked"),
        helper.make_node("Softmax", ["m"], ["p"], axis=-1, name="softmax"),
        helper.make_node("MatMul", ["p", "v"], ["o"], name="mixed"),
        helper.make_node("MatMul", ["o", "wo"], ["y"], name="out"),
    ]
    weights = {n: normal(4, 4) for n in ("wq", "wk", "wv", "wo")} | {"two": np.array(2.0, "float32"), "mask": mask}
    plain, lifted = both(file(tmp_path, nodes, weights, {"x": ["batch", 3, 4]}, ["y"]))
    x = normal(2, 3, 4)
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-4, atol=1e-5, equal_nan=True)
    assert "MultiHeadAttention" not in names(lifted)

    weights["mask"] = np.where(np.tri(3), 0, -np.inf).astype("float32")
    plain, lifted = both(file(tmp_path, nodes, weights, {"x": ["batch", 3, 4]}, ["y"]))
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-4, atol=1e-5)
    assert "MultiHeadAttention" in names(lifted)


def image_net(folder: Path) -> Path:
    """Write a convnet with a branch and dense layers, and return its path."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "g", "b2", "m", "v"], ["n"], name="norm"),
        helper.make_node("Relu", ["n"], ["r"], name="relu"),
        helper.make_node("Conv", ["r", "w2"], ["d"], name="conv2", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["d", "r"], ["a"], name="add"),
        helper.make_node("Concat", ["a", "r"], ["j"], name="join", axis=1),
        helper.make_node("MaxPool", ["j"], ["p"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"], name="flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], name="head", transB=1),
    ]
    weights = {
        "w1": normal(3, 2, 3, 3), "b1": normal(3), "b2": normal(3), "g": normal(3), "m": normal(3), "v": np.abs(normal(3)),
        "w2": normal(3, 3, 3, 3), "w3": normal(5, 54), "b3": normal(5),
    }  # fmt: skip
    return file(folder, nodes, weights, {"x": ["batch", 2, 6, 6]}, ["y"])


def test_a_net_can_be_turned_to_channels_last(tmp_path: Path) -> None:
    path = image_net(tmp_path)
    plain, turned = both(path, data_format="channels_last")
    x = normal(2, 2, 6, 6)
    np.testing.assert_allclose(turned(np.moveaxis(x, 1, -1)), plain(x), rtol=1e-4, atol=1e-4)
    formats = {layer.data_format for layer in turned.layers if type(layer).__name__ in ("Conv2D", "MaxPooling2D")}
    assert formats == {"channels_last"}
    moved = [
        o for o in turned.operations if type(o).__name__ == "Permute" or getattr(o, "class_name", "") == "Transpose"
    ]
    assert len(moved) == 1  # before Flatten


def test_the_data_format_is_one_of_two(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="channels_last"):
        graphkit.load(image_net(tmp_path), data_format="NHWC")


def test_a_lifted_model_is_saved_as_keras(tmp_path: Path) -> None:
    path = image_net(tmp_path)
    graphkit.convert(path, tmp_path / "net.keras")
    again = graphkit.load(tmp_path / "net.keras")
    x = normal(2, 2, 6, 6)
    np.testing.assert_allclose(again(x), graphkit.load(path, lift=False)(x), rtol=1e-4, atol=1e-4)
    assert "OnnxNode" not in names(again)


def test_a_lifted_model_trains_and_is_exported(tmp_path: Path) -> None:
    model = graphkit.load(image_net(tmp_path))
    model.compile("sgd", "mse")
    x, y = normal(8, 2, 6, 6), normal(8, 5)
    before = model.evaluate(x, y, verbose=0)
    model.optimizer.learning_rate = 1e-4
    model.fit(x, y, epochs=2, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before
    model.export(tmp_path / "again.onnx", verbose=False)
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-3, atol=1e-3)


def test_a_normalization_whose_weights_are_used_elsewhere_becomes_an_op(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("BatchNormalization", ["x", "g", "b", "m", "v"], ["n"], name="norm"),
        helper.make_node("Mul", ["n", "g"], ["y"], name="again"),
    ]
    weights = {"g": normal(3), "b": normal(3), "m": normal(3), "v": np.abs(normal(3))}
    plain, lifted = both(file(tmp_path, nodes, weights, {"x": ["batch", 3]}, ["y"]))
    x = normal(2, 3)
    np.testing.assert_allclose(lifted(x), plain(x), rtol=1e-4, atol=1e-5)
    assert lifted.import_report.is_whole
    assert "BatchNormalization" not in names(lifted)


def test_load_model_gives_one_layer_a_node(tmp_path: Path) -> None:
    path = image_net(tmp_path)
    assert names(graphkit.models.load_model(path)).count("OnnxNode") == 9
    assert "OnnxNode" not in names(graphkit.load(path))
