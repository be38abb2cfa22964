"""The nets of keras.applications, built by real Keras and by graphkit: the same configs, weights and outputs.

Needs an interpreter with Keras 3, as `test_real_keras` does. One net at a time is built in a process of its own, and with small
images, so that the largest fit into memory.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.converters.onnx import model_to_onnx
from tests.applications.builds import CASES, built, config_of, fill, pixels, scaled_for, weights_of, with_features
from tests.interop.test_real_keras import keras_python

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
EXPORTED = {
    "ConvNeXtTiny.features", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0.first", "InceptionResNetV2.features",
    "InceptionV3.first", "MobileNet", "MobileNetV2.first", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2.first",
    "VGG16.small", "Xception.features",
}  # fmt: skip


def assert_close(found: list[Any], expected: list[Any]) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        largest = float(np.abs(theirs).max())
        assert largest > 0
        np.testing.assert_allclose(np.asarray(mine), theirs, atol=1e-4 * largest, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_a_net_is_that_of_real_keras(case: str, tmp_path: Path) -> None:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    target = tmp_path / "answers.npz"
    command = [python, "-m", "fixtures.make_application_answers", "--case", case, "--out", str(target), "--small"]
    variables = {**os.environ, "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "jax"), "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=variables)
    with np.load(target) as answers:
        expected, parameters = [answers["features"], answers["outputs"]], int(answers["parameters"])
        described = json.loads(str(answers["described"]))

    model: Any = built(graphkit, case, small=True)
    assert config_of(model) == described["config"]
    assert weights_of(model) == described["weights"]
    assert model.count_params() == parameters
    fill(model)
    images = scaled_for(case, pixels(model))
    assert_close(with_features(graphkit, model)(images), expected)
    if case in EXPORTED:
        assert_close([graphkit.runtime.Predictor(model_to_onnx(model))(images)], expected[1:])
    del model
    gc.collect()
