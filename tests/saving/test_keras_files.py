"""`.keras` files of real Keras and of graphkit: the same config, layout and optimizer state."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from tests import goldens

CASES = sorted(goldens.cases())
COMPILED = [case for case in CASES if case.startswith("compiled.")]


def opened(case: str) -> Any:
    return graphkit.models.load_model(goldens.model_file(case), compile=False)


@pytest.mark.parametrize("case", COMPILED)
def test_a_compiled_model_comes_with_its_optimizer_state(case: str, tmp_path: Path) -> None:
    graphkit.models.load_model(goldens.model_file(case)).save(tmp_path / "again.keras")

    for path in (goldens.model_file(case), tmp_path / "again.keras"):
        model: Any = graphkit.models.load_model(path)
        state = [np.asarray(v.numpy()) for v in model.optimizer.variables]
        for mine, theirs in zip(state, goldens.numbered(case, "opt_"), strict=True):
            np.testing.assert_array_equal(mine, theirs)


# ----- the text itself -----

# Differences between the files of Keras and graphkit; each is harmless for both readers.
EXPLAINED = {
    "shared_object_id": "the address of an object in the memory of the process that wrote the file",
    "quantization_config": "always null without quantisation, which graphkit does not have",
    "compile_config": "the state of training is compared apart",
    "build_config": "layers without weights need no shapes to be built",
    "activity_regularizer": "null in some layers' configs and absent in others'",
    "rms_scaling": "gone from LayerNormalization's documentation, always false",
}


def differences(theirs: Any, mine: Any, path: str = "") -> list[str]:
    """Return where two configs differ, apart from the explained differences."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        keys = [
            k for k in {**theirs, **mine} if k not in EXPLAINED or (k in theirs and k in mine and k == "build_config")
        ]
        if "name" not in theirs and path.endswith(".config"):
            keys = [k for k in keys if k != "name"]  # the op ExtractPatches, whose config forgets it
        if "training" not in theirs and mine.get("training") is False:
            keys.remove(
                "training"
            )  # a recurrent layer with initial_state: Keras omits a default that it writes elsewhere
        found = [
            f"{path}.{k}: {'only Keras' if k in theirs else 'only graphkit'}"
            for k in keys
            if (k in theirs) != (k in mine)
        ]
        return found + [
            d for k in keys if k in theirs and k in mine for d in differences(theirs[k], mine[k], f"{path}.{k}")
        ]
    if isinstance(theirs, list) and isinstance(mine, list) and len(theirs) == len(mine):
        return [d for i, (a, b) in enumerate(zip(theirs, mine, strict=True)) for d in differences(a, b, f"{path}[{i}]")]
    same = (
        theirs == mine or {theirs, mine} == {"__tensor__", "__numpy__"} if isinstance(theirs, str) else theirs == mine
    )
    return [] if same else [f"{path}: Keras {theirs!r:.60}, graphkit {mine!r:.60}"]


@pytest.mark.parametrize("case", CASES)
def test_the_config_is_keras_config(case: str) -> None:
    with zipfile.ZipFile(goldens.model_file(case)) as archive:
        theirs = json.loads(archive.read("config.json"))

    found = differences(theirs, json.loads(opened(case).to_json()))

    # Keras declares the results of polar and view_as_complex as float32, and computes complex64.
    assert [d for d in found if not d.endswith("config.dtype: Keras 'float32', graphkit 'complex64'")] == []


def test_members_and_metadata_are_those_of_keras(tmp_path: Path) -> None:
    opened("Dense.plain").save(tmp_path / "m.keras")

    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        assert json.loads(archive.read("metadata.json"))["keras_version"].startswith("3.")


@pytest.mark.parametrize(
    "case", ["Dense.plain", "graph.two_levels", "LSTM.last", "BatchNormalization.dense", "Bidirectional.stacked"]
)
def test_paths_and_attributes_of_the_weights_file_are_those_of_keras(case: str, tmp_path: Path) -> None:
    opened(case).save(tmp_path / "m.keras")

    assert weights_layout(tmp_path / "m.keras") == weights_layout(goldens.model_file(case))


def weights_layout(path: Path) -> dict[str, Any]:
    """Return the paths in a weights file, with shapes, dtypes and attributes."""
    import io

    import h5py

    found: dict[str, Any] = {}
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(
            lambda name, o: found.update(
                {name: (getattr(o, "shape", None), str(getattr(o, "dtype", "")), dict(o.attrs))}
            )
        )
    return found


@pytest.mark.parametrize("name", ["w.weights.h5", "m.keras", "m.h5"])
def test_a_layer_that_does_not_fit_is_skipped_as_a_whole(name: str, tmp_path: Path) -> None:
    """As in Keras, whose Dense stops at its kernel: the bias keeps its values, although it would fit."""
    source = models.Sequential([layers.Input((3,)), layers.Dense(2, name="d", bias_initializer="ones")])
    (source.save_weights if name.startswith("w") else source.save)(tmp_path / name)
    other = models.Sequential([layers.Input((4,)), layers.Dense(2, name="d")])

    with pytest.warns(UserWarning, match="Skipping loading weights"):
        other.load_weights(tmp_path / name, skip_mismatch=True)

    np.testing.assert_array_equal(other.layers[0].bias, [0.0, 0.0])
