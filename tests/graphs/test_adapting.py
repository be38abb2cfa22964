"""Freezing, LoRA, activations, heads and input sizes: against the net built directly, and against what is trained."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, activations, graphs, layers, ops
from graphkit.errors import InvalidArgumentError, ShapeError, UnknownNameError, UnsupportedError
from tests.graphs.test_edits import X, net

Y = np.ones((5, 2), "float32")


def trained(model: Any) -> list[str]:
    return [v.path for v in model.trainable_variables]


def fitted(model: Any, x: Any = X, y: Any = Y) -> Any:
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=2, verbose=0)
    return model


# ----- what is trained -----


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ({}, []),
        ({"which": "encoder"}, ["first", "shared", "head"]),
        ({"which": "encoder/dense"}, ["first", "shared", "head"]),
        ({"which": layers.Dense, "nested": False}, ["dense"]),
        ({"until": "encoder"}, ["shared", "head"]),
        ({"until": "act"}, ["dense", "shared", "head"]),
    ],
)
def test_frozen_layers_are_not_trained_but_those_of_the_old_model_are(arguments: Any, left: list[str]) -> None:
    model = net()

    made = graphs.freeze(model, **arguments, copy=True)

    assert sorted({path.split("/")[0] for path in trained(made)}) == sorted(left)
    assert len(trained(model)) == len(model.weights)
    if left:
        fitted(made)
        moved = {
            v.path.split("/")[0]
            for v, old in zip(made.weights, model.weights, strict=True)
            if (v.array != old.array).any()
        }
        assert moved <= set(left)


def test_a_frozen_model_stays_frozen_in_a_file(tmp_path: Any) -> None:
    graphs.freeze(net(), "encoder").save(tmp_path / "m.keras")

    assert "dense/kernel" not in trained(graphkit.load(tmp_path / "m.keras"))


def test_layers_are_trained_again() -> None:
    frozen = graphs.freeze(net())

    assert trained(frozen) == []
    assert trained(graphs.unfreeze(frozen, "head")) == ["head/kernel", "head/bias"]
    assert trained(graphs.unfreeze(frozen, "encoder/dense")) == ["dense/kernel", "dense/bias"]
    assert len(trained(graphs.unfreeze(frozen))) == 8


# ----- LoRA -----


def test_an_update_of_low_rank_is_trained_instead_of_a_weight() -> None:
    """Its gradient agrees with that of the net in which the update is written out."""
    model = net()

    made = graphs.add_lora(model, ["first", "encoder/dense"], 2, alpha=4, copy=True)

    np.testing.assert_array_equal(made(X), model(X))
    assert trained(made) == [f"{n}/lora_kernel_{p}" for n in ("first", "dense") for p in "ab"]
    fitted(made)
    first, old = made.get_layer("first"), model.get_layer("first")
    a, b = (np.asarray(v) for v in first.lora_weights)
    hidden = X @ (old.kernel.numpy() + 4 / 2 * a @ b)
    np.testing.assert_allclose(graphs.cut(made, outputs="first")(X), hidden, rtol=1e-5, atol=1e-6)
    assert np.abs(b).max() > 0


def test_the_projections_of_an_attention_layer_get_updates() -> None:
    steps = Input((5, 8))
    attention = layers.MultiHeadAttention(2, 4, name="attention")
    model = Model(steps, layers.Dense(1, name="head")(attention(steps, steps)))
    data = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")

    made = graphs.add_lora(model, layers.MultiHeadAttention, 2, copy=True)

    np.testing.assert_array_equal(made(data), model(data))
    assert len(trained(made)) == 8
    before = made.get_weights()
    fitted(made, data, np.ones((2, 5, 1)))
    moved = {v.path for v, old in zip(made.weights, before, strict=True) if (v.array != old).any()}
    assert moved
    assert moved <= set(trained(made))


def test_nodes_of_onnx_graphs_get_layers_beside_them() -> None:
    model = matmul_model()
    data = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")

    made = graphs.add_lora(model, "MatMul", 2, copy=True)

    np.testing.assert_array_equal(made(data), model(data))
    assert [v.shape for v in made.trainable_variables] == [(4, 2), (2, 5)]
    fitted(made, data, np.ones((2, 3, 5)))
    assert np.abs(np.asarray(made(data)) - np.asarray(model(data))).max() > 0


def test_a_nested_model_stands_for_its_layers() -> None:
    assert trained(graphs.add_lora(net(), "encoder", 1)) == ["dense/lora_kernel_a", "dense/lora_kernel_b"]


def test_layers_without_a_matrix_are_passed_over() -> None:
    made = graphs.add_lora(net(), "*", 1, nested=False)

    assert sorted({path.split("/")[0] for path in trained(made)}) == ["first", "head", "shared"]


@pytest.mark.parametrize("left", [False, True])
def test_only_products_with_the_last_axis_get_layers_beside_them(left: bool) -> None:
    """A square matrix on the other side keeps the shape as well."""
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(1).normal(size=(4, 4)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["w", "x"] if left else ["x", "w"], ["y"], "product")],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 4])],
        [numpy_helper.from_array(weight, "w")],
    )
    model = opened(graph)

    if left:
        with pytest.raises(UnsupportedError, match="last axis"):
            graphs.add_lora(model, "MatMul", 2)
    else:
        assert len(graphs.add_lora(model, "MatMul", 2).trainable_variables) == 2


def matmul_model() -> Any:
    """An imported graph of one matrix product and a ReLU."""
    from onnx import TensorProto, helper, numpy_helper

    weight = np.random.default_rng(1).normal(size=(4, 5)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"], "product"), helper.make_node("Relu", ["h"], ["y"], "relu")],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3, 5])],
        [numpy_helper.from_array(weight, "w")],
    )
    return opened(graph)


def opened(graph: Any) -> Any:
    """Open a graph with one layer a node."""
    import onnx
    from onnx import helper

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return graphkit.models.load_model(path)


def test_tensors_of_onnx_graphs_are_found_by_their_names() -> None:
    model = matmul_model()
    data = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")

    made = graphs.cut(model, outputs="h")

    np.testing.assert_allclose(np.maximum(np.asarray(made(data)), 0), model(data), rtol=1e-6)


def test_outputs_of_onnx_graphs_are_renamed_in_exported_files(tmp_path: Path) -> None:
    made = graphs.rename(matmul_model(), {"x": "features", "relu": "scores"})

    made.export(tmp_path / "m.onnx")

    data = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    outputs = graphkit.runtime.Predictor(tmp_path / "m.onnx")
    np.testing.assert_allclose(outputs({"features": data}), made(data), rtol=1e-6)
    assert [info.name for info in outputs.outputs] == ["scores"]


# ----- activations -----


def test_an_activation_is_replaced_wherever_it_is_computed() -> None:
    def build(activation: Any) -> Any:
        inputs = Input((8,))
        x = layers.Dense(4, activation=activation, name="a")(inputs)
        x = layers.Activation(activation, name="b")(x)
        x = layers.TimeDistributed(layers.Dense(3, activation=activation), name="c")(layers.Reshape((2, 2))(x))
        x = activations.get(activation)(layers.GRU(3, name="d")(x))
        return Model(inputs, layers.Dense(1, activation="tanh")(x))

    model = build("relu")
    wanted = build("gelu")
    wanted.set_weights(model.get_weights())

    made = graphs.replace_activation(model, "relu", "gelu")

    np.testing.assert_allclose(made(X), wanted(X), rtol=1e-5, atol=1e-6)
    assert model.get_layer("a").activation is activations.relu


@pytest.mark.parametrize(
    ("layer", "is_relu"),
    [
        (layers.ReLU(), True),
        (layers.ReLU(6.0), False),
        (layers.ReLU(negative_slope=0.1), False),
        (layers.LeakyReLU(0.0), True),
        (lambda x: ops.relu(x), True),
        (lambda x: ops.maximum(x, 0.0), True),
        (lambda x: ops.relu6(x), False),
        (layers.Dropout(0.5), False),
    ],
)  # fmt: skip
def test_only_what_computes_the_activation_is_replaced(layer: Any, is_relu: bool) -> None:
    inputs = Input((8,))
    model = Model(inputs, layers.Dense(2, activation="relu")(layer(inputs)))

    made = graphs.replace_activation(model, "relu", "tanh")

    assert bool(graphs.find(made, graphs.node(layers.Activation, activation="tanh"))) is is_relu


def test_operators_of_onnx_graphs_are_replaced_too() -> None:
    model = matmul_model()
    data = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")

    made = graphs.replace_activation(model, "relu", "gelu")

    hidden = graphs.cut(model, outputs="h")(data)
    np.testing.assert_allclose(made(data), activations.gelu(hidden), rtol=1e-5, atol=1e-6)
    assert made.output_names == model.output_names


# ----- head, input size -----


def image_net(*, flat: bool = False) -> Any:
    pixels = Input((8, 8, 3), name="pixels")
    block_input = Input((8, 8, 3))
    block = Model(block_input, layers.BatchNormalization()(layers.Conv2D(4, 3, name="conv")(block_input)), name="block")
    x = block(pixels)
    x = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
    return Model(pixels, layers.Activation("softmax")(layers.Dense(5, name="head")(x)), name="net")


def test_the_head_gets_another_number_of_classes() -> None:
    model = image_net()

    made = graphs.replace_head(model, 7)

    data = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    assert made.get_layer("head").kernel.shape == (4, 7)
    np.testing.assert_allclose(np.asarray(made(data)).sum(axis=-1), np.ones(2), rtol=1e-6)
    assert model.output_shape == (None, 5)


def test_the_head_of_an_onnx_graph_gets_another_number_of_classes() -> None:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], "fc", transB=1)],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(np.ones((5, 4), "float32"), "w"), numpy_helper.from_array(np.ones(5, "float32"), "b")],
    )
    model = opened(graph)

    assert graphs.replace_head(model, 3).output_shape == (None, 3)


def test_the_input_gets_another_size_also_in_nested_models() -> None:
    model = image_net()

    made = graphs.resize_input(model, (12, None, 3))

    block = model.get_layer("block")
    data = np.random.default_rng(0).normal(size=(2, 12, 10, 3)).astype("float32")
    new_input = Input((12, 10, 3))
    normal = block.layers[2](block.get_layer("conv")(new_input))
    wanted = Model(new_input, model.layers[-1](model.get_layer("head")(layers.GlobalAveragePooling2D()(normal))))
    np.testing.assert_allclose(made(data), wanted(data), rtol=1e-5, atol=1e-6)
    assert made.get_layer("block").input_shape == (None, 12, None, 3)


# ----- errors -----


def fixed_reshape() -> Any:
    pixels = Input((8, 8, 3))
    return Model(pixels, layers.Dense(1)(ops.reshape(pixels, (-1, 192))))


WRONG: dict[str, tuple[Any, Any, str]] = {
    "both": (lambda: graphs.freeze(net(), "head", until="act"), InvalidArgumentError, "either"),
    "nothing to freeze": (lambda: graphs.freeze(net(), "LSTM"), UnknownNameError, "matches"),
    "no rank": (lambda: graphs.add_lora(net(), "first", 0), InvalidArgumentError, "positive integer"),
    "twice": (lambda: graphs.add_lora(graphs.add_lora(net(), "first", 1), "first", 1), InvalidArgumentError, "already"),
    "no weights": (lambda: graphs.add_lora(net(), "act", 1), UnsupportedError, "have none"),
    "two inputs": (lambda: graphs.add_lora(net(), "total", 1), UnsupportedError, "have none"),
    "no such activation": (lambda: graphs.replace_activation(net(), "relo", "gelu"), ValueError, "relo"),
    "an activation that does not occur": (lambda: graphs.replace_activation(net(), "elu", "gelu"), UnknownNameError, "'elu'"),
    "no units": (lambda: graphs.replace_head(net(), 0), InvalidArgumentError, "got 0"),
    "several outputs": (lambda: graphs.replace_head(graphs.cut(net(), outputs=["first", "head"]), 3), InvalidArgumentError, "one output"),
    "another class": (lambda: graphs.replace_head(graphs.cut(net(), outputs="encoder"), 3), UnsupportedError, "Functional"),
    "something behind it": (lambda: graphs.replace_head(graphs.cut(net(), outputs="total"), 3), UnsupportedError, "graphs.cut"),
    "a flat net": (lambda: graphs.resize_input(image_net(flat=True), (12, 12, 3)), ShapeError, "'head'"),
    "channels": (lambda: graphs.resize_input(image_net(), (8, 8, 1)), ShapeError, "'conv'"),
    "the batch axis": (lambda: graphs.resize_input(fixed_reshape(), (16, 16, 3)), ShapeError, "batch axis"),
    "rank": (lambda: graphs.resize_input(image_net(), (8, 8)), InvalidArgumentError, "3 sizes"),
    "no such input": (lambda: graphs.resize_input(image_net(), {"pixel": (8, 8, 3)}), UnknownNameError, "'pixels'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_raise_typed_errors_that_say_what_to_do(case: str) -> None:
    call, error, words = WRONG[case]

    with pytest.raises(error, match=words):
        call()
