"""Bilinear UpSampling2D in older files: aligned to the corners of pixels, as in TensorFlow 1, or to their centres."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import graphkit

ROW = np.array([0.0, 1.0, 3.0], "float32")
X = np.tile(ROW[None, None, :, None], (1, 3, 1, 1))
CORNERS = [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]
CENTRES = [0.0, 0.25, 0.75, 1.5, 2.5, 3.0]


def opened(version: str | None, interpolation: str = "bilinear") -> Any:
    layer = {
        "class_name": "UpSampling2D",
        "config": {
            "name": "up",
            "trainable": True,
            "batch_input_shape": [None, 3, 3, 1],
            "dtype": "float32",
            "size": [2, 2],
            "data_format": "channels_last",
            "interpolation": interpolation,
        },
    }
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}, "backend": "tensorflow"}
    return graphkit.models.model_from_json(json.dumps({**config, **({"keras_version": version} if version else {})}))


@pytest.mark.parametrize("version", ["2.2.0", "2.2.3", "2.2.4", "2.2.5", "2.3.0", "2.3.1"])
def test_keras_2_2_and_2_3_scale_from_the_corners(version: str) -> None:
    np.testing.assert_allclose(opened(version)(X)[0, 0, :, 0], CORNERS, rtol=1e-6)


def test_a_version_of_two_meanings_is_told() -> None:
    with pytest.warns(UserWarning, match=r"if TensorFlow 1\.13 wrote the file"):
        model = opened("2.2.4-tf")

    np.testing.assert_allclose(model(X)[0, 0, :, 0], CENTRES, rtol=1e-6)


@pytest.mark.parametrize("version", ["2.3.0-tf", "2.4.0", "2.5.0"])
def test_tensorflow_2_scales_from_the_centres(version: str) -> None:
    np.testing.assert_allclose(opened(version)(X)[0, 0, :, 0], CENTRES, rtol=1e-6)


@pytest.mark.parametrize("version", ["2.2.4", "2.3.1", "2.4.0"])
def test_nearest_is_the_same_in_all_versions(version: str) -> None:
    np.testing.assert_allclose(opened(version, "nearest")(X)[0, 0, :, 0], [0, 0, 1, 1, 3, 3])
