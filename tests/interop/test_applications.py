"""Nets of keras.applications, made by real Keras with random weights and statistics: the same outputs in graphkit and onnxruntime.

Needs an interpreter with Keras 3, as `test_real_keras` does. `benchmarks/applications.py` does the same for all of them.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.converters.onnx import model_to_onnx
from tests.interop.test_real_keras import keras_python

pytestmark = pytest.mark.slow
MAKER = Path(__file__).parents[2] / "benchmarks" / "make_application.py"
# A small net of each family, with small images, and the transposes that its export needs: one for the images, and in
# ConvNeXt those around each layer normalization.
NETS = {
    "MobileNetV2": (96, 1),
    "MobileNetV3Small": (64, 1),
    "EfficientNetB0": (64, 1),
    "DenseNet121": (64, 1),
    "ResNet50": (64, 1),
    "ConvNeXtTiny": (64, 43),
}


@pytest.mark.parametrize("net", NETS)
def test_a_net_of_keras_applications_gives_the_same_numbers(net: str, tmp_path: Path) -> None:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    size, transposes = NETS[net]
    variables = {**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax")}
    subprocess.run([python, str(MAKER), net, str(tmp_path), str(size)], check=True, capture_output=True, env=variables)
    with np.load(tmp_path / f"{net}.npz") as told:
        x, y = told["x"], told["y"]
    model: Any = graphkit.load(tmp_path / f"{net}.keras")
    exported = model_to_onnx(model)
    predictor = graphkit.runtime.Predictor(exported)
    for rows in (1, 2):
        for made in (model(x[:rows]), predictor(x[:rows])):
            np.testing.assert_allclose(made, y[:rows], atol=1e-4 * y.max(), rtol=0)
    assert [n.op_type for n in exported.graph.node].count("Transpose") == transposes
