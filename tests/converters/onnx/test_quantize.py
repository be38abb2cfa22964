"""Weights in fewer bits: half floats, and 8-bit integers with a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import graphkit
from graphkit import Input, Model, layers
from graphkit.converters.onnx import export_model, quantization_report
from graphkit.converters.onnx.export import NO_CONFIG_KEY
from graphkit.core.errors import InvalidArgumentError
from graphkit.runtime import Predictor

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((8, 12, 12, 3)).astype("float32")


def convnet() -> Any:
    """Return a net whose outputs are of about the size of 1."""
    graphkit.utils.set_random_seed(0)
    x = Input((12, 12, 3), name="image")
    y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3)(x)))
    y = layers.Dense(32, activation="relu", name="hidden")(layers.Flatten()(layers.MaxPooling2D()(y)))
    return Model(x, layers.Dense(10, name="class")(y))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 1e-3), ("bfloat16", 1e-2)])
def test_weights_are_stored_in_half_and_computed_in_float32(dtype: str, tolerance: float, tmp_path: Path) -> None:
    model = convnet()
    export_model(model, tmp_path / "m.onnx", dtype=dtype, check=True)
    export_model(model, tmp_path / "whole.onnx")
    message = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(message, full_check=True)
    kind = {"float16": onnx.TensorProto.FLOAT16, "bfloat16": onnx.TensorProto.BFLOAT16}[dtype]
    halves = [t for t in message.graph.initializer if t.data_type == kind]
    assert all(t.name.endswith(f"/{dtype}") for t in halves)
    assert len(halves) == 3
    assert [v.type.tensor_type.elem_type for v in (*message.graph.input, *message.graph.output)] == [1, 1]
    assert (tmp_path / "m.onnx").stat().st_size < 0.75 * (tmp_path / "whole.onnx").stat().st_size
    want = model(IMAGES)
    got = Predictor(tmp_path / "m.onnx")(IMAGES)
    assert 0 < np.abs(got - want).max() < tolerance * np.abs(want).max()


def test_a_file_with_half_weights_loads_as_the_layers_with_the_weights_that_it_computes_with(tmp_path: Path) -> None:
    model = convnet()
    export_model(model, tmp_path / "m.onnx", dtype="float16")
    again = graphkit.models.load_model(tmp_path / "m.onnx")
    kernel, stored = (m.get_layer("hidden").get_weights()[0] for m in (model, again))
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, kernel.astype("float16").astype("float32"))
    np.testing.assert_allclose(again(IMAGES), Predictor(tmp_path / "m.onnx")(IMAGES), atol=1e-6)


def test_weights_that_float16_cannot_hold_are_refused(tmp_path: Path) -> None:
    x = Input((32,), name="x")
    model = Model(x, layers.Dense(32, name="wide")(x))
    model.get_layer("wide").kernel.assign(np.full((32, 32), 1e6, "float32"))
    with pytest.raises(InvalidArgumentError, match=r"'wide/kernel' has values up to 1e\+06, which float16 cannot hold"):
        export_model(model, tmp_path / "m.onnx", dtype="float16")
    export_model(model, tmp_path / "m.onnx", dtype="bfloat16")


def test_dynamic_quantization_reports_the_change(tmp_path: Path) -> None:
    model = convnet()
    export_model(model, tmp_path / "m.onnx", quantize="dynamic")
    message = onnx.load(tmp_path / "m.onnx")
    assert [n.op_type for n in message.graph.node].count("MatMulInteger") == 2
    report = quantization_report(tmp_path / "m.onnx")
    assert report is not None
    assert report.method == "dynamic"
    assert report.bytes_after < 0.5 * report.bytes_before
    (change,) = report.outputs
    assert change.name == "class"
    assert 0 < change.mean <= change.largest < 0.05 * change.scale
    want = model(IMAGES)
    assert np.abs(Predictor(tmp_path / "m.onnx")(IMAGES) - want).max() < 0.05 * np.abs(want).max()


@pytest.mark.parametrize("batches", [[IMAGES], [{"image": IMAGES[:4]}, {"image": IMAGES[4:]}], iter([IMAGES, IMAGES])])
def test_static_quantization_calibrates_with_batches(batches: Any, tmp_path: Path) -> None:
    model = convnet()
    export_model(model, tmp_path / "m.onnx", quantize=batches)
    message = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(message, full_check=True)
    operators = [n.op_type for n in message.graph.node]
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(operators)
    assert "BatchNormalization" not in operators
    report = quantization_report(tmp_path / "m.onnx")
    assert report is not None
    assert report.method == "static"
    want, got = model(IMAGES), Predictor(tmp_path / "m.onnx")(IMAGES)
    assert np.abs(got - want).max() < 0.1 * np.abs(want).max()
    assert report.outputs[0].largest == pytest.approx(float(np.abs(got - want).max()), rel=0.2)
    assert NO_CONFIG_KEY in {p.key for p in message.metadata_props}


def test_calibration_data_may_come_from_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=np.repeat(IMAGES, 8, axis=0))
    export_model(convnet(), tmp_path / "m.onnx", quantize=str(tmp_path / "data.npz"))
    report = quantization_report(tmp_path / "m.onnx")
    assert report is not None
    assert report.samples == 64


def test_a_file_of_floats_has_no_report(tmp_path: Path) -> None:
    export_model(convnet(), tmp_path / "m.onnx")
    assert quantization_report(tmp_path / "m.onnx") is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quantize": "static"}, "quantize expects None, 'dynamic', an iterable of batches"),
        ({"quantize": 8}, "quantize expects None, 'dynamic', an iterable of batches"),
        ({"quantize": []}, "the calibration data hold no batch"),
        ({"quantize": "missing.npz"}, "there is no file 'missing.npz'"),
        ({"dtype": "float8"}, "dtype expects None or one of float16, bfloat16, got 'float8'"),
        ({"dtype": "float16", "quantize": "dynamic"}, "give one of them"),
    ],
)
def test_invalid_options_are_refused(options: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        export_model(convnet(), tmp_path / "m.onnx", **options)
    assert not (tmp_path / "m.onnx").exists()
