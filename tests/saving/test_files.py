"""Files are written completely or not at all; the suffix decides the format written, the content the format read."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.core import files
from graphkit.errors import InvalidArgumentError, InvalidTypeError, SerializationError
from graphkit.saving import archive

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def net() -> Any:
    x = layers.Input((4,), name="x")
    inner = models.Sequential(
        [layers.Input((4,)), layers.Dense(3, activation="relu"), layers.BatchNormalization()], name="inner"
    )
    return models.Model(x, layers.Dense(2, name="head")(inner(x)), name="net")


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.hdf5"])
def test_a_model_comes_back_from_every_format(tmp_path: Path, name: str) -> None:
    model = net()

    model.save(tmp_path / name)

    np.testing.assert_array_equal(graphkit.load(tmp_path / name)(X), model(X))
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    model = net()
    model.save(tmp_path / "m.h5")
    (tmp_path / "m.h5").rename(tmp_path / "m.keras")

    np.testing.assert_array_equal(graphkit.load(tmp_path / "m.keras")(X), model(X))


def test_a_json_file_holds_the_model_without_weights(tmp_path: Path) -> None:
    model = net()
    model.save(tmp_path / "m.json")

    again = graphkit.load(tmp_path / "m.json")
    again.set_weights(model.get_weights())

    np.testing.assert_array_equal(again(X), model(X))


def test_json_within_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(net().to_json()))

    assert graphkit.load(tmp_path / "m.json").name == "net"


@pytest.mark.parametrize("weights_format", ["h5", "npz"])
def test_an_archive_may_be_a_folder(tmp_path: Path, weights_format: str) -> None:
    model = net()

    for _ in range(2):  # the second replaces the first
        model.save(tmp_path / "folder", zipped=False, weights_format=weights_format)

    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == [
        "config.json",
        "metadata.json",
        archive.WEIGHTS[weights_format],
    ]
    np.testing.assert_array_equal(graphkit.load(tmp_path / "folder")(X), model(X))
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("name", ["w.weights.h5", "w.npz"])
def test_weights_go_alone(tmp_path: Path, name: str) -> None:
    model, other = net(), net()

    model.save_weights(tmp_path / name)
    other.load_weights(tmp_path / name)

    np.testing.assert_array_equal(other(X), model(X))


def test_weights_are_taken_from_a_whole_model_too(tmp_path: Path) -> None:
    model, other = net(), net()
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.h5")

    for name in ("m.keras", "m.h5"):
        other.set_weights([np.zeros_like(w) for w in other.get_weights()])
        other.load_weights(tmp_path / name)
        np.testing.assert_array_equal(other(X), model(X))


def test_weights_by_name_leave_other_layers_alone(tmp_path: Path) -> None:
    model = net()
    model.save(tmp_path / "m.h5")
    x = layers.Input((3,))
    other: Any = models.Model(x, layers.Dense(5, name="new")(layers.Dense(2, name="head")(x)))
    kept = other.get_layer("new").get_weights()

    other.load_weights(tmp_path / "m.h5", by_name=True)

    np.testing.assert_array_equal(other.get_layer("head").get_weights()[0], model.get_layer("head").get_weights()[0])
    np.testing.assert_array_equal(other.get_layer("new").get_weights()[0], kept[0])


def test_skip_mismatch_takes_what_fits(tmp_path: Path) -> None:
    model = net()
    model.save_weights(tmp_path / "w.weights.h5")
    x = layers.Input((4,), name="x")
    inner = models.Sequential(
        [layers.Input((4,)), layers.Dense(3, activation="relu"), layers.BatchNormalization()], name="inner"
    )
    other: Any = models.Model(x, layers.Dense(7, name="head")(inner(x)))

    with pytest.warns(UserWarning, match=r"Skipping loading weights of .*Dense layer 'head'"):
        other.load_weights(tmp_path / "w.weights.h5", skip_mismatch=True)

    np.testing.assert_array_equal(other.get_layer("inner").get_weights()[0], model.get_layer("inner").get_weights()[0])


def test_a_failing_save_keeps_the_old_file_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = net()
    model.save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(archive, "write_hdf5", fail)
    for target in ("m.keras", "new.keras"):
        with pytest.raises(OSError, match="disk full"):
            model.save(tmp_path / target)

    assert (tmp_path / "m.keras").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.keras"]


def test_a_layer_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    x = layers.Input((4,))
    model = models.Model(x, layers.Activation(lambda t: t * 2.0)(x))

    with pytest.raises(SerializationError, match="lambda cannot be written"):
        model.save(tmp_path / "m.keras")
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_those_of_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"old")
    (tmp_path / "m.keras").chmod(0o640)

    net().save(tmp_path / "m.keras")

    assert stat.S_IMODE((tmp_path / "m.keras").stat().st_mode) == 0o640


def test_overwrite_false_keeps_the_file(tmp_path: Path) -> None:
    net().save(tmp_path / "m.keras")

    with pytest.raises(InvalidArgumentError, match="exists already"):
        net().save(tmp_path / "m.keras", overwrite=False)


@pytest.mark.parametrize(
    ("name", "message"), [("m.tf", "`.keras` extension"), ("m", "`.keras` extension"), ("no/m.keras", "does not exist")]
)
def test_a_target_that_cannot_be_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        net().save(tmp_path / name)


def test_unknown_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match="frobnicate"):
        net().save(tmp_path / "m.keras", frobnicate=1)


def test_an_npz_of_weights_is_no_model(tmp_path: Path) -> None:
    net().save_weights(tmp_path / "w.npz")

    with pytest.raises(SerializationError, match="holds weights in npz, without a model"):
        graphkit.load(tmp_path / "w.npz")


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    net().save_weights(tmp_path / "w.weights.h5")

    with pytest.raises(SerializationError, match="holds weights in HDF5, without a model"):
        graphkit.load(tmp_path / "w.weights.h5")


def test_replacing_removes_its_part_when_the_block_fails(tmp_path: Path) -> None:
    def write() -> None:
        with files.replacing(tmp_path / "x") as part:
            part.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_convert_reads_one_format_and_writes_another(tmp_path: Path) -> None:
    model = net()
    model.save(tmp_path / "m.h5")

    graphkit.convert(tmp_path / "m.h5", tmp_path / "m.keras")

    np.testing.assert_array_equal(graphkit.load(tmp_path / "m.keras")(X), model(X))


def test_bfloat16_weights_come_back(tmp_path: Path) -> None:
    x = layers.Input((4,))
    model: Any = models.Model(x, layers.Dense(2, dtype="bfloat16")(x))

    for name in ("w.weights.h5",):
        model.save_weights(tmp_path / name)
        again: Any = models.clone_model(model)
        again.load_weights(tmp_path / name)
        np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
