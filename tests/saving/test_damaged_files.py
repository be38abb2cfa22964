"""Truncated files and files with changed bytes: a graphkit error or a model, nothing else. Hundreds of files, so it is slow."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.errors import GraphKitError
from graphkit.saving import inspect_file

NAMES = ["m.keras", "m.h5", "m.json", "m.onnx", "w.weights.h5", "w.npz", "w.safetensors", "w.weights.json", "k2.h5"]


def net() -> Any:
    x = layers.Input((4, 3), name="x")
    made: Any = models.Model(x, layers.Dense(2, name="head")(layers.LSTM(3, name="in")(x)), name="net")
    made.compile("adam", "mse", metrics=["mae"])
    made.train_on_batch(np.ones((2, 4, 3)), np.ones((2, 2)))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, model = tmp_path_factory.mktemp("damaged"), net()
    for name in NAMES:
        options = {"keras_version": 2} if name == "k2.h5" else {}
        model.save_weights(path / name) if name.startswith("w") else model.save(path / name, **options)
    return path


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    if rng.random() < 0.3:
        return bytes(changed[: rng.integers(len(changed))])
    for _ in range(int(rng.integers(1, 9))):
        at = int(rng.integers(len(changed)))
        if rng.random() < 0.5:
            at = int(at % min(len(changed), 2000))  # headers come first
        changed[at] = int(rng.choice([rng.integers(256), 0, 255, changed[at] ^ (1 << int(rng.integers(8)))]))
    return bytes(changed)


def attempt(path: Path, model: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for read in (graphkit.load, inspect_file, model.load_weights):
            try:
                read(path)
            except GraphKitError:
                continue


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_an_error_of_ours(name: str, folder: Path, tmp_path: Path) -> None:
    rng, data, model = np.random.default_rng(7), (folder / name).read_bytes(), net()
    for shard in folder.glob("w_*.h5"):
        (tmp_path / shard.name).write_bytes(shard.read_bytes())

    for _ in range(200):
        (tmp_path / name).write_bytes(damaged(data, rng))
        attempt(tmp_path / name, model)


@pytest.mark.slow
def test_damaged_files_of_older_keras_too(tmp_path: Path) -> None:
    rng, model = np.random.default_rng(8), net()
    found = sorted((Path(__file__).parents[2] / "fixtures" / "legacy").glob("*.gz"))[:12]
    assert found

    for packed in found:
        data = gzip.decompress(packed.read_bytes())
        for _ in range(20):
            (tmp_path / packed.stem).write_bytes(damaged(data, rng))
            attempt(tmp_path / packed.stem, model)
