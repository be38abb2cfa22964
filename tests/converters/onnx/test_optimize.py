"""What `optimize=` folds: the numbers stay, the nodes go, and the file does not claim to hold the layers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import graphkit
from graphkit import Input, Model, layers, ops
from graphkit.converters.onnx import export_model
from graphkit.converters.onnx.export import CONFIG_KEY, NO_CONFIG_KEY, WEIGHTS_KEY
from graphkit.core.errors import InvalidArgumentError
from graphkit.runtime import Predictor

RNG = np.random.default_rng(0)
PRODUCTS = {
    "conv": lambda df: layers.Conv2D(8, 3, data_format=df),
    "conv without bias": lambda df: layers.Conv2D(8, 3, use_bias=False, data_format=df),
    "strides, same": lambda df: layers.Conv2D(8, 3, strides=2, padding="same", data_format=df),
    "groups": lambda df: layers.Conv2D(8, 3, groups=2, data_format=df),
    "depthwise": lambda df: layers.DepthwiseConv2D(3, depth_multiplier=2, data_format=df),
    "separable": lambda df: layers.SeparableConv2D(8, 3, data_format=df),
    "transposed": lambda df: layers.Conv2DTranspose(8, 3, strides=2, data_format=df),
    "transposed without bias": lambda df: layers.Conv2DTranspose(8, 2, padding="same", use_bias=False, data_format=df),
}


def random_weights(model: Any) -> Any:
    """Set all weights to random numbers, variances to positive ones."""
    for weight in model.weights:
        low = 0.3 if "variance" in weight.path else -1.0
        weight.assign(RNG.uniform(low, 1.0, weight.shape).astype(weight.dtype))
    return model


def exported(model: Any, path: Path, x: Any, **options: Any) -> onnx.ModelProto:
    """Export, compare onnxruntime's outputs with the engine's, and return the message."""
    export_model(model, path, check=True, **options)
    want = model(x)
    np.testing.assert_allclose(Predictor(path)(x), want, atol=1e-5 * float(np.abs(want).max()) + 1e-6)
    return onnx.load(path)


def kinds(message: onnx.ModelProto) -> Counter[str]:
    return Counter(n.op_type for n in message.graph.node)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_batch_normalization_is_folded_into_convolutions(product: str, data_format: str, tmp_path: Path) -> None:
    shape = (9, 9, 4) if data_format == "channels_last" else (4, 9, 9)
    x = Input(shape, name="x")
    y = PRODUCTS[product](data_format)(x)
    model = Model(x, layers.BatchNormalization(axis=-1 if data_format == "channels_last" else 1)(y))
    image = RNG.standard_normal((2, *shape)).astype("float32")
    message = exported(random_weights(model), tmp_path / "m.onnx", image, optimize="batch_normalization")
    assert "BatchNormalization" not in kinds(message)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5,), (3, 5)])
def test_batch_normalization_is_folded_into_dense_layers(shape: Any, bias: bool, tmp_path: Path) -> None:
    x = Input(shape, name="x")
    model = random_weights(Model(x, layers.BatchNormalization()(layers.Dense(4, use_bias=bias)(x))))
    message = exported(model, tmp_path / "m.onnx", RNG.standard_normal((2, *shape)).astype("float32"), optimize=True)
    assert set(kinds(message)) <= {"Gemm", "MatMul", "Add"}


def test_what_is_read_elsewhere_or_normalized_over_another_axis_stays(tmp_path: Path) -> None:
    x = Input((9, 9, 9), name="x")
    y = layers.Conv2D(9, 1)(x)
    model = random_weights(
        Model(x, layers.BatchNormalization()(y) + y + layers.BatchNormalization(axis=1)(layers.Conv2D(9, 1)(x)))
    )
    message = exported(model, tmp_path / "m.onnx", RNG.standard_normal((2, 9, 9, 9)).astype("float32"), optimize=True)
    assert kinds(message)["BatchNormalization"] >= 1


def test_a_layer_that_is_called_twice_is_folded_for_each_call(tmp_path: Path) -> None:
    x = Input((9, 9, 2), name="x")
    conv = layers.Conv2D(4, 3)
    model = random_weights(Model(x, layers.BatchNormalization()(conv(x)) + layers.BatchNormalization()(conv(x * 2.0))))
    message = exported(model, tmp_path / "m.onnx", RNG.standard_normal((2, 9, 9, 2)).astype("float32"), optimize=True)
    assert "BatchNormalization" not in kinds(message)
    assert {"conv2d/kernel", "conv2d/kernel_1"} <= {
        i.name.replace(conv.name, "conv2d") for i in message.graph.initializer
    }


def test_what_depends_on_weights_alone_is_computed(tmp_path: Path) -> None:
    x = Input((4,), name="x")
    normalization = layers.Normalization()
    normalization.adapt(RNG.standard_normal((20, 4)).astype("float32"))
    model = Model(x, layers.Dense(3)(normalization(x)))
    rows = RNG.standard_normal((2, 4)).astype("float32")
    before = kinds(exported(model, tmp_path / "m.onnx", rows))
    after = kinds(exported(model, tmp_path / "n.onnx", rows, optimize="constants"))
    assert before - after == Counter(["Sqrt", "Max"])


def test_a_folded_file_does_not_hold_the_layers_and_loads_as_nodes(tmp_path: Path) -> None:
    x = Input((9, 9, 2), name="x")
    model = random_weights(Model(x, layers.BatchNormalization()(layers.Conv2D(3, 3)(x))))
    image = RNG.standard_normal((2, 9, 9, 2)).astype("float32")
    message = exported(model, tmp_path / "m.onnx", image, optimize=True)
    entries = {p.key: p.value for p in message.metadata_props}
    assert CONFIG_KEY not in entries
    assert WEIGHTS_KEY not in entries
    assert entries[NO_CONFIG_KEY] == "optimize (batch_normalization, constants) changed its weights."
    again = graphkit.models.load_model(tmp_path / "m.onnx")
    np.testing.assert_allclose(again(image), model(image), atol=1e-5)


def test_a_file_in_which_nothing_is_folded_holds_the_layers(tmp_path: Path) -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Dense(3, name="dense")(x))
    export_model(model, tmp_path / "m.onnx", optimize=True)
    again = graphkit.models.load_model(tmp_path / "m.onnx")
    assert again.get_layer("dense").get_weights()[0].tolist() == model.get_layer("dense").get_weights()[0].tolist()


def test_the_layers_weights_stay_as_they_were(tmp_path: Path) -> None:
    x = Input((9, 9, 2), name="x")
    model = random_weights(Model(x, layers.BatchNormalization()(layers.Conv2D(3, 3)(x))))
    before = [w.copy() for w in model.get_weights()]
    export_model(model, tmp_path / "m.onnx", optimize=True)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_normalization_in_training_stays(tmp_path: Path) -> None:
    x = Input((9, 9, 2), name="x")
    model = Model(x, layers.BatchNormalization()(layers.Conv2D(3, 3)(x)))
    export_model(model, tmp_path / "m.onnx", optimize=True, training=True)
    assert any("updated" in o.name for o in onnx.load(tmp_path / "m.onnx").graph.output)


def test_an_unknown_optimization_is_refused(tmp_path: Path) -> None:
    x = Input((4,), name="x")
    with pytest.raises(InvalidArgumentError, match=r"'constant'\. Did you mean 'constants'"):
        export_model(Model(x, ops.relu(x)), tmp_path / "m.onnx", optimize="constant")
