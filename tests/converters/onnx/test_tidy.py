"""Exports lack the nodes that an operator's attributes can replace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from graphkit import Input, Model, layers, ops
from graphkit.converters.onnx import model_to_onnx, program_to_onnx
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.runtime import Predictor
from tests.converters.onnx.comparing import parity

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 9, 9, 3)).astype("float32")


def exported(function: Any, shape: Any = (None, None, 3)) -> tuple[list[str], Any]:
    """Return the operators of a model's export, after comparing it with the NumPy engine."""
    x = Input(shape, name="x")
    model = Model(x, function(x))
    for layer in model.layers:
        layer.set_weights([RNG.normal(0.5, 0.5, w.shape).astype(w.dtype) for w in layer.get_weights()])
    np.testing.assert_allclose(Predictor(model)(IMAGES), model(IMAGES), atol=2e-5, rtol=1e-4)
    graph = model_to_onnx(model).graph
    return [n.op_type for n in graph.node], graph


def attribute(graph: Any, op_type: str, name: str) -> list[int]:
    node = next(n for n in graph.node if n.op_type == op_type)
    return next((list(a.ints) for a in node.attribute if a.name == name), [])


def test_padding_before_a_convolution_is_the_convolutions() -> None:
    nodes, graph = exported(lambda x: layers.Conv2D(4, 3, strides=2)(layers.ZeroPadding2D(((0, 1), (2, 1)))(x)))
    assert "Pad" not in nodes
    assert attribute(graph, "Conv", "pads") == [0, 2, 1, 1]


def test_padding_that_two_convolutions_read_is_both_theirs() -> None:
    def function(x: Any) -> Any:
        x = layers.ZeroPadding2D(1)(x)
        return layers.Add()([layers.Conv2D(4, 3)(x), layers.DepthwiseConv2D(3, depth_multiplier=1)(x)[..., :1]])

    assert "Pad" not in exported(function)[0]


def test_padding_adds_to_that_of_the_convolution() -> None:
    _, graph = exported(lambda x: layers.Conv2D(4, 3, padding="same")(layers.ZeroPadding2D(1)(x)))
    assert attribute(graph, "Conv", "pads") == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: layers.Conv2D(4, 3)(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1.0)), "not zero"),
        (lambda x: layers.Conv2D(4, 3)(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")), "no constant"),
        (lambda x: layers.Conv2D(4, 3)(ops.pad(x, ((0, 0), (0, 0), (0, 0), (1, 1)))), "channels"),
        (lambda x: layers.Conv2D(4, 3, strides=2, padding="same")(layers.ZeroPadding2D(1)(x)), "open padding"),
        (lambda x: layers.MaxPooling2D(3)(layers.ZeroPadding2D(1)(x)), "may be negative"),
        (lambda x: layers.AveragePooling2D(3)(layers.ZeroPadding2D(1)(x)), "zeros count"),
        (lambda x: layers.MaxPooling2D(2, strides=1)(layers.ZeroPadding2D(2)(layers.ReLU()(x))), "windows of zeros"),
    ],
)
def test_other_padding_stays(function: Any, why: str) -> None:
    assert "Pad" in exported(function)[0], why


@pytest.mark.parametrize("activation", [layers.ReLU(), layers.ReLU(6.0), layers.Activation("sigmoid")])
def test_padding_of_what_is_never_negative_is_the_max_poolings(activation: Any) -> None:
    nodes, graph = exported(
        lambda x: layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(activation(layers.Conv2D(4, 1)(x))))
    )
    assert "Pad" not in nodes
    assert attribute(graph, "MaxPool", "pads") == [1, 1, 1, 1]


def test_axes_that_a_reshape_brings_back_are_kept() -> None:
    def squeeze_and_excite(x: Any) -> Any:
        x = layers.Conv2D(4, 1)(x)
        s = layers.Reshape((1, 1, 4))(layers.GlobalAveragePooling2D()(x))
        return layers.Multiply()([x, layers.Conv2D(4, 1, activation="sigmoid")(s)])

    nodes, _ = exported(squeeze_and_excite)
    assert "Reshape" not in nodes
    assert nodes.count("GlobalAveragePool") == 1


def test_a_reduction_that_is_read_elsewhere_stays() -> None:
    def function(x: Any) -> Any:
        mean = ops.mean(x, axis=(1, 2))
        return layers.Concatenate()([mean, layers.Flatten()(ops.reshape(mean, (-1, 1, 1, 3)) * x[:, :1, :1])])

    assert exported(function)[0].count("ReduceMean") == 1


def test_images_are_turned_before_what_is_done_to_each_channel() -> None:
    def function(x: Any) -> Any:
        x = layers.Rescaling(0.5)(x)
        x = layers.Normalization(mean=(0.1, 0.2, 0.3), variance=(1.0, 2.0, 3.0))(x)
        return layers.Conv2D(4, 3)(x)

    nodes, _ = exported(function)
    assert nodes.count("Transpose") == 2  # and one back, for the output
    assert nodes[0] == "Transpose"


def test_an_image_that_is_also_read_as_it_is_is_turned_late() -> None:
    def function(x: Any) -> Any:
        return layers.Concatenate()([layers.Conv2D(4, 3)(x)[:, :1, :1], ops.cumsum(x, axis=1)[:, :1, :1]])

    nodes, graph = exported(function)
    assert nodes.count("Transpose") == 1
    assert next(n for n in graph.node if n.op_type == "CumSum").input[0] == "x"


def _below_zero(x: Any) -> Any:
    return ops.clip(x, -1.0, 1.0)


@pytest.mark.parametrize("before", [None, _below_zero])
def test_padding_stays_before_a_pooling_of_values_that_may_be_negative(before: Any) -> None:
    x = layers.Input((4, 4, 1))
    y = x if before is None else layers.Lambda(before)(x)
    model = Model(x, layers.MaxPooling2D(2)(layers.ZeroPadding2D(1)(y)))
    data = -np.ones((1, 4, 4, 1), "float32")

    np.testing.assert_array_equal(model.predict(data, verbose=0), model(data))
    assert model.predict(data, verbose=0).max() == 0.0


def test_any_of_no_elements_is_false(tmp_path: Path) -> None:
    x = layers.Input((None,), name="x")
    Model(x, ops.any(x > 0, axis=1)).export(tmp_path / "m.onnx")

    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])

    assert session.run(None, {"x": np.zeros((2, 0), "float32")})[0].tolist() == [False, False]


@pytest.mark.parametrize(("op", "operator"), [(ops.mean, "GlobalAveragePool"), (ops.max, "GlobalMaxPool")])
@pytest.mark.parametrize("keepdims", [True, False])
def test_a_reduction_over_an_image_is_a_global_pooling(op: Any, operator: str, keepdims: bool) -> None:
    program = trace(lambda x: op(x, axis=(2, 3), keepdims=keepdims), spec("b", 3, "h", "w"))
    nodes = [n.op_type for n in program_to_onnx(program).graph.node]
    assert nodes == ([operator] if keepdims else [operator, "Squeeze"])
    assert parity(program, [np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype("float32")]) == []


def test_nested_concatenations_are_one() -> None:
    program = trace(lambda x: ops.concatenate([x, ops.concatenate([x + 1.0, x * 2.0], 1)], 1), spec("b", 3))
    nodes = [n.op_type for n in program_to_onnx(program).graph.node]
    assert nodes.count("Concat") == 1
    assert parity(program, [np.ones((2, 3), np.float32)]) == []


def test_slices_that_are_all_parts_are_one_split() -> None:
    program = trace(lambda x: (x[..., 4:] * 2.0, x[..., :1], x[..., 1:4]), spec("b", 3, 6))
    nodes = [n.op_type for n in program_to_onnx(program).graph.node]
    assert nodes == ["Split", "Mul"]
    assert parity(program, [np.random.default_rng(0).standard_normal((2, 3, 6)).astype("float32")]) == []
    others = trace(lambda x: (x[:, 1:3], x[:, 3:]), spec("b", 6))
    assert [n.op_type for n in program_to_onnx(others).graph.node] == ["Slice", "Slice"]


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_parts_of_channels_need_no_transposes(data_format: str) -> None:
    axis = 3 if data_format == "channels_last" else 1

    def function(x: Any) -> Any:
        y = layers.Conv2D(6, 1, data_format=data_format)(x)
        a, b = ops.split(y, 2, axis=axis)
        return layers.Conv2D(2, 1, data_format=data_format)(a * b)

    x = Input((8, 8, 3) if axis == 3 else (3, 8, 8))
    nodes = [n.op_type for n in model_to_onnx(Model(x, function(x))).graph.node]
    assert "Split" in nodes
    assert nodes.count("Transpose") == (2 if axis == 3 else 0)


def test_a_pad_with_minus_infinity_is_part_of_the_max_pooling() -> None:
    def function(x: Any) -> Any:
        padded = ops.pad(x, [[0, 0], [0, 0], [1, 1], [1, 1]], constant_values=-np.inf)
        return ops.max_pool(padded, 3, 2, "valid", "channels_first")

    program = trace(function, spec("b", 2, 8, 8))
    assert [n.op_type for n in program_to_onnx(program).graph.node] == ["MaxPool"]
    assert parity(program, [np.random.default_rng(0).standard_normal((2, 2, 8, 8)).astype("float32")]) == []
