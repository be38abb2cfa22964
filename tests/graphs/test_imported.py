"""Surgery on real ONNX files, as layers and as one layer a node: the files of fixtures/onnx, written by tf2onnx and PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import activations, graphs, layers
from graphkit.errors import InvalidArgumentError

FILES = Path(__file__).parents[2] / "fixtures" / "onnx" / "tf2onnx"
LIFT = pytest.mark.parametrize("lift", [True, False], ids=["layers", "nodes"])


def opened(name: str, lift: bool) -> tuple[Any, Any]:
    """Return a model, and inputs for it."""
    model = graphkit.load(FILES / f"{name}.onnx", lift=lift)
    return model, np.load(FILES / f"{name}.npz")["in/x"]


def run(model: Any, x: Any, folder: Path) -> Any:
    """Return what onnxruntime computes for the exported model."""
    model.export(folder / "made.onnx")
    return graphkit.runtime.Predictor(folder / "made.onnx")(x)


@LIFT
def test_every_attention_projection_gets_an_update_of_low_rank(lift: bool, tmp_path: Path) -> None:
    model, x = opened("transformer_block", lift)

    made = graphs.add_lora(model, "*attention*", 2, copy=True)

    assert len(made.trainable_variables) == 8
    np.testing.assert_array_equal(made(x), model(x))
    made.compile("sgd", "mse")
    made.fit(x, np.ones(np.shape(model(x))), epochs=2, verbose=0)
    assert np.abs(np.asarray(made(x)) - np.asarray(model(x))).max() > 0
    np.testing.assert_allclose(run(made, x, tmp_path), made(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("exporter", ["torch_dynamo", "torch_legacy"])
def test_attention_layers_of_pytorch_get_updates_of_low_rank(exporter: str, tmp_path: Path) -> None:
    """The file's many nodes are one MultiHeadAttention, whose four projections get them."""
    folder = FILES.parent / exporter
    model = graphkit.load(folder / "text_transformer.onnx")
    x = np.random.default_rng(0).integers(0, 4, [size or 2 for size in model.inputs[0].shape])

    made = graphs.add_lora(model, layers.MultiHeadAttention, 2, copy=True)

    assert len(made.trainable_variables) == 8
    np.testing.assert_array_equal(made(x), model(x))
    made.compile("sgd", "mse")
    made.fit(x, np.ones(np.shape(model(x))), epochs=2, verbose=0)
    np.testing.assert_allclose(run(made, x, tmp_path), made(x), rtol=1e-4, atol=1e-5)


@LIFT
def test_the_head_gets_another_number_of_classes_and_is_trained_alone(lift: bool, tmp_path: Path) -> None:
    model, x = opened("convnet", lift)

    made = graphs.unfreeze(graphs.freeze(graphs.replace_head(model, 7, copy=True)), layers.Dense)

    assert [v.shape[-1] for v in made.trainable_variables] == [7, 7]
    made.compile("adam", "sparse_categorical_crossentropy")
    made.fit(x, np.arange(len(x)) % 7, epochs=2, verbose=0)
    np.testing.assert_allclose(np.asarray(made(x)).sum(axis=-1), np.ones(len(x)), rtol=1e-5)
    np.testing.assert_allclose(run(made, x, tmp_path), made(x), rtol=1e-4, atol=1e-5)


@LIFT
def test_activations_are_replaced(lift: bool, tmp_path: Path) -> None:
    model, x = opened("residual_block", lift)
    relu = graphs.node(["Relu", "ReLU", "Activation"])

    made = graphs.replace_activation(model, "relu", "gelu")

    wanted = graphs.replace(model, relu, lambda match: activations.gelu(match.input))
    np.testing.assert_array_equal(made(x), wanted(x))
    assert len(graphs.find(made, graphs.node(layers.Activation, activation="gelu"))) == 2
    np.testing.assert_allclose(run(made, x, tmp_path), made(x), rtol=1e-4, atol=1e-5)


@LIFT
def test_a_residual_sum_is_found_and_its_shortcut_removed(lift: bool) -> None:
    model, x = opened("residual_block", lift)
    pattern = graphs.node("Add", graphs.node(["Conv", "Conv2D"], name="conv"), "shortcut")

    (match,) = graphs.find(model, pattern)
    made = graphs.replace(model, pattern, lambda m: m.output - m["shortcut"])

    assert "conv2d_1_2" in match["conv"].name
    conv = graphs.cut(model, outputs=match["conv"])(x)
    np.testing.assert_allclose(graphs.cut(made, outputs=_read_by_relu(made))(x), conv, rtol=1e-4, atol=1e-5)


def _read_by_relu(model: Any) -> Any:
    """The tensor that the last ReLU reads."""
    return graphs.find(model, graphs.node(["Relu", "ReLU", "Activation"]))[-1].input


@LIFT
def test_two_files_become_one(lift: bool, tmp_path: Path) -> None:
    first, x = opened("convnet", lift)
    second, _ = opened("convnet", lift)

    made = graphs.merge([first, second], copy=True)

    for mine, theirs in zip(run(made, x, tmp_path), (first(x), second(x)), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@LIFT
def test_a_file_is_cut_and_joined_again(lift: bool) -> None:
    model, x = opened("convnet", lift)
    middle = next(o.name for o in model.operations if "max_pooling" in o.name)

    lower, upper = graphs.cut(model, outputs=middle), graphs.cut(model, middle)
    made = graphs.merge([lower, upper], connect="order")

    np.testing.assert_allclose(upper(lower(x)), model(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made(x), model(x), rtol=1e-5, atol=1e-6)


def test_nodes_share_their_weights() -> None:
    """The two MatMul nodes of the query and the key."""
    model, x = opened("transformer_block", lift=False)
    names = [f"functional_1.multi_head_attention_1.{part}_1.MatMul" for part in ("query", "key")]

    made = graphs.share(model, names)

    direct = graphkit.load(FILES / "transformer_block.onnx", lift=False)
    query, key = (direct.get_layer(name) for name in names)
    key.set_weights(query.get_weights())
    np.testing.assert_array_equal(made(x), direct(x))
    assert len(made.weights) == len(model.weights) - 1
    assert np.abs(np.asarray(made(x)) - np.asarray(model(x))).max() > 0


def test_nodes_of_other_operators_share_nothing() -> None:
    model, _ = opened("convnet", lift=False)
    names = [o.name for o in model.operations if graphs.patterns.class_of(o) in ("Relu", "Softmax")]

    with pytest.raises(InvalidArgumentError, match="op: 'Relu' and 'Softmax'"):
        graphs.share(model, names)
