"""What inspect reports for each format, without reading weights."""

from __future__ import annotations

import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.errors import SerializationError
from graphkit.saving import inspect_file


def net() -> Any:
    x = layers.Input((4,))
    made: Any = models.Model(x, layers.Dense(2, name="d")(x))
    made.compile("adam", "mse")
    return made


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "k2.h5"])
def test_the_optimizer_is_named(name: str, tmp_path: Path) -> None:
    net().save(tmp_path / name, **({"keras_version": 2} if name == "k2.h5" else {}))

    report = inspect_file(tmp_path / name)

    assert (report["optimizer"], report["parameters"], report["needs"]) == ("Adam", 10, [])


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("w.safetensors", {}, "safetensors weights"),
        ("w.weights.json", {"max_shard_size": 1e-8}, "weights in several files"),
        ("w.npz", {}, "weights in npz"),
        ("w.weights.h5", {}, "weights in HDF5"),
    ],
)
def test_weights_alone_are_counted_and_no_model(
    name: str, arguments: dict[str, Any], said: str, tmp_path: Path
) -> None:
    net().save_weights(tmp_path / name, **arguments)

    report = inspect_file(tmp_path / name)

    assert (report["format"], report["parameters"]) == (said, 10)
    assert report["needs"] == ["the model that these weights belong to: build it, then call model.load_weights(path)"]
    with pytest.raises(SerializationError, match=r"model\.load_weights\(path\)"):
        graphkit.load(tmp_path / name)


def test_an_index_without_its_files_is_an_error(tmp_path: Path) -> None:
    net().save_weights(tmp_path / "w.weights.json", max_shard_size=1e-8)
    (tmp_path / "w_00001.weights.h5").unlink()

    with pytest.raises(SerializationError, match=r"'w_00001\.weights\.h5', which is not beside it"):
        inspect_file(tmp_path / "w.weights.json")


def test_a_config_with_a_layer_named_weight_map_is_a_model(tmp_path: Path) -> None:
    x = layers.Input((4,))
    named: Any = models.Model(x, layers.Dense(2, name="weight_map")(x))
    (tmp_path / "m.json").write_text(named.to_json())

    assert inspect_file(tmp_path / "m.json")["format"] == "JSON config"


def test_a_large_archive_is_not_read(tmp_path: Path) -> None:
    net().save(tmp_path / "m.keras")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.zeros((1 << 22, 4), "float32"))
    with zipfile.ZipFile(tmp_path / "m.keras") as source, zipfile.ZipFile(tmp_path / "big.keras", "w") as made:
        made.writestr("config.json", source.read("config.json"))
        made.write(tmp_path / "w.h5", "model.weights.h5")

    tracemalloc.start()
    report = inspect_file(tmp_path / "big.keras")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert report["parameters"] == 4 << 22
    assert most < 4 << 20  # of 64 MiB


def test_links_out_of_a_folder_are_refused(tmp_path: Path) -> None:
    net().save(tmp_path / "folder", zipped=False)
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "folder" / "metadata.json").unlink()
    (tmp_path / "folder" / "metadata.json").symlink_to(tmp_path / "secret")

    with pytest.raises(SerializationError, match="link that leads out of the folder"):
        graphkit.load(tmp_path / "folder")
