"""Weights are read from the file directly into the model's arrays."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, layers
from graphkit.core.errors import SerializationError
from graphkit.saving.archive import Section


def a_model() -> Any:
    x = Input((8,), name="x")
    return Model(x, layers.Dense(4)(layers.LayerNormalization()(layers.Dense(16)(x))))


def test_no_initializer_runs_for_weights_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = a_model()
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")
    model.save_weights(tmp_path / "m.weights.h5")

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("an initializer ran")

    for kind in ("GlorotUniform", "Zeros", "Ones"):
        monkeypatch.setattr(getattr(graphkit.initializers, kind), "__call__", refuse)
    bare = graphkit.models.model_from_json(model.to_json())
    bare.load_weights(tmp_path / "m.weights.h5")
    for opened in (graphkit.load(tmp_path / "m.keras"), graphkit.load(tmp_path / "m.h5"), bare):
        for mine, theirs in zip(opened.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_packed_archive_opens_like_a_stored_one(tmp_path: Path, packing: int) -> None:
    model = a_model()
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(tmp_path / "n.keras", "w", packing) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    for mine, theirs in zip(graphkit.load(tmp_path / "n.keras").get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_flipped_bit_in_the_weights_is_noticed(tmp_path: Path) -> None:
    model = a_model()
    model.save(tmp_path / "m.keras")
    data = bytearray((tmp_path / "m.keras").read_bytes())
    where = data.find(model.get_weights()[0].tobytes())
    assert where > 0
    data[where + 3] ^= 1
    (tmp_path / "m.keras").write_bytes(data)
    with pytest.raises(SerializationError, match=r"model\.weights\.h5.*CRC"):
        graphkit.load(tmp_path / "m.keras")


def test_a_section_reads_like_the_part_itself(tmp_path: Path) -> None:
    whole = bytes(range(200))
    (tmp_path / "f").write_bytes(whole)
    part = io.BytesIO(whole[30:130])
    with Section(tmp_path / "f", 30, 100) as section:
        for offset, whence, count in [(0, 0, 10), (-5, 2, 20), (50, 0, 60), (-10, 1, 4), (200, 0, 5), (0, 0, -1)]:
            assert section.seek(offset, whence) == part.seek(offset, whence)
            assert section.read(count) == part.read(count)
