"""TensorFlow.js layers models, built here from the published description of the format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.errors import SerializationError
from graphkit.saving import inspect_file

RNG = np.random.default_rng(0)
KERNEL, BIAS = RNG.normal(size=(4, 3)).astype("float32"), RNG.normal(size=3).astype("float32")
X = RNG.normal(size=(2, 4)).astype("float32")


def layers_model(folder: Path, rows: list[dict[str, Any]], shards: dict[str, bytes], **more: Any) -> Path:
    dense = {
        "name": "d",
        "trainable": True,
        "units": 3,
        "activation": "linear",
        "use_bias": True,
        "batch_input_shape": [None, 4],
    }
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [{"class_name": "Dense", "config": dense}]}}
    made = {
        "format": "layers-model",
        "generatedBy": "keras v2.4.0",
        "modelTopology": {"keras_version": "2.4.0", "backend": "tensorflow", "model_config": config},
        "weightsManifest": [{"paths": list(shards), "weights": rows}],
        **more,
    }
    for name, data in shards.items():
        (folder / name).write_bytes(data)
    (folder / "model.json").write_text(json.dumps(made))
    return folder / "model.json"


def row(name: str, array: Any) -> dict[str, Any]:
    return {"name": name, "shape": list(array.shape), "dtype": "float32"}


def test_weights_stand_in_shards_that_cut_anywhere(tmp_path: Path) -> None:
    data = KERNEL.tobytes() + BIAS.tobytes()
    shards = {"group1-shard1of3.bin": data[:17], "group1-shard2of3.bin": data[17:50], "group1-shard3of3.bin": data[50:]}
    path = layers_model(tmp_path, [row("d/kernel", KERNEL), row("d/bias", BIAS)], shards)

    np.testing.assert_allclose(graphkit.load(path)(X), X @ KERNEL + BIAS, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_quantized_weights_are_scaled(kind: str, tmp_path: Path) -> None:
    low, scale = float(KERNEL.min()), float(np.ptp(KERNEL)) / np.iinfo(kind).max
    stored = np.round((KERNEL - low) / scale).astype(kind)
    rows = [
        {
            "name": "d/kernel",
            "shape": [4, 3],
            "dtype": "float32",
            "quantization": {"dtype": kind, "scale": scale, "min": low},
        },
        row("d/bias", BIAS),
    ]
    path = layers_model(tmp_path, rows, {"w.bin": stored.tobytes() + BIAS.tobytes()})

    np.testing.assert_allclose(graphkit.load(path).get_weights()[0], stored * scale + low, rtol=1e-5, atol=1e-6)


def test_half_precision_weights_are_widened(tmp_path: Path) -> None:
    rows = [
        {
            "name": "d/kernel",
            "shape": [4, 3],
            "dtype": "float32",
            "quantization": {"dtype": "float16", "original_dtype": "float32"},
        },
        row("d/bias", BIAS),
    ]
    path = layers_model(tmp_path, rows, {"w.bin": KERNEL.astype("float16").tobytes() + BIAS.tobytes()})

    np.testing.assert_array_equal(graphkit.load(path).get_weights()[0], KERNEL.astype("float16").astype("float32"))


def test_inspect_says_what_it_is(tmp_path: Path) -> None:
    path = layers_model(
        tmp_path, [row("d/kernel", KERNEL), row("d/bias", BIAS)], {"w.bin": KERNEL.tobytes() + BIAS.tobytes()}
    )

    report = inspect_file(path)

    assert (report["format"], report["keras_version"], report["parameters"]) == (
        "TensorFlow.js layers model",
        "2.4.0",
        15,
    )
    assert report["classes"] == {"Dense": 1}


@pytest.mark.parametrize(
    ("rows", "shards", "message"),
    [
        ([row("d/kernel", KERNEL)], {"w.bin": b"123"}, "take 48 bytes, the files hold 3"),
        ([{"name": "d/kernel", "shape": [4, 3], "dtype": "float128"}], {"w.bin": b""}, "known dtypes are"),
        ([{"name": "d/kernel", "shape": [-4, 3], "dtype": "float32"}], {"w.bin": b""}, "has the shape"),
        ([{"name": "d/kernel"}], {"w.bin": b""}, "a weight of the manifest is"),
    ],
)
def test_a_bad_manifest_is_refused(rows: Any, shards: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(SerializationError, match=message):
        graphkit.load(layers_model(tmp_path, rows, shards))


@pytest.mark.parametrize("name", ["../w.bin", "/etc/passwd", "a\\w.bin", "gone.bin"])
def test_shards_stand_beside_it(name: str, tmp_path: Path) -> None:
    path = layers_model(tmp_path, [], {}, weightsManifest=[{"paths": [name], "weights": []}])

    with pytest.raises(SerializationError, match="beside it"):
        graphkit.load(path)


def test_a_graph_model_is_named(tmp_path: Path) -> None:
    path = layers_model(tmp_path, [], {}, format="graph-model", modelTopology={"node": []})

    with pytest.raises(SerializationError, match=r"TensorFlow\.js graph model"):
        graphkit.load(path)
