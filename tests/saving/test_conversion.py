"""Conversion from any format to any other; what is lost is reported, or an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.cli import main
from graphkit.errors import InvalidArgumentError
from graphkit.saving import formats
from graphkit.saving.conversion import LossyConversionError, target_format

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
OPTIONS: dict[str, dict[str, Any]] = {".weights.json": {"max_shard_size": 1.0}, ".onnx": {"opset": 18}}
SAID = {
    "model": "layers and their connections",
    "weights": "the weights",
    "compile": "the compile settings",
    "state": "state of the optimizer",
}


SUFFIXES = sorted({s for f in formats.all_formats() if f.is_written for s in f.suffixes} - {".json"})


@pytest.fixture
def model() -> Any:
    x = layers.Input((4,), name="x")
    made: Any = models.Model(
        x, layers.Dense(2, name="head")(layers.Dense(3, activation="relu", name="in")(x)), name="net"
    )
    made.compile("adam", "mse")
    made.train_on_batch(X, np.ones((3, 2)))
    return made


def same_numbers(target: Path, model: Any) -> None:
    if target.suffix == ".onnx":
        np.testing.assert_allclose(graphkit.runtime.Predictor(target)(X), model(X), rtol=1e-5, atol=1e-6)
        return
    alone = target.suffix in (".npz", ".safetensors") or ".weights." in target.name
    other = models.clone_model(model) if alone else graphkit.load(target)
    if alone:
        other.load_weights(target)
    np.testing.assert_array_equal(other(X), model(X))


@pytest.mark.parametrize("source", [".keras", ".h5"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_becomes_every_other(source: str, suffix: str, model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / f"source{source}")
    target, lost = tmp_path / f"target{suffix}", []

    graphkit.convert(tmp_path / f"source{source}", target, lost=lost, **OPTIONS.get(suffix, {}))

    same_numbers(target, model)
    missing = [words for part, words in SAID.items() if part not in target_format(target, {}).holds]
    assert len(lost) == len(missing)
    assert all(any(words in said for said in lost) for words in missing)


def test_the_state_of_the_optimizer_goes_along(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "a.h5")

    graphkit.convert(tmp_path / "a.h5", tmp_path / "b.keras", strict=True)

    again = graphkit.load(tmp_path / "b.keras")
    for ours, theirs in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_strict_refuses_a_loss_and_leaves_no_file(model: Any, tmp_path: Path) -> None:
    with pytest.raises(LossyConversionError, match="was not written: the compile settings"):
        graphkit.convert(model, tmp_path / "m.onnx", strict=True)

    assert list(tmp_path.iterdir()) == []


def test_json_and_weights_make_a_model(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "m.json")
    model.save_weights(tmp_path / "w.safetensors")
    lost: list[str] = []

    graphkit.convert(tmp_path / "m.json", tmp_path / "m.keras", weights=tmp_path / "w.safetensors", lost=lost)

    same_numbers(tmp_path / "m.keras", model)
    assert lost == []


def test_json_alone_is_said_to_have_no_weights(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "m.json")
    lost: list[str] = []

    graphkit.convert(tmp_path / "m.json", tmp_path / "m.keras", lost=lost)

    assert lost == ["the source has no weights: those written are newly initialized"]


def test_an_unknown_suffix_lists_what_is_known(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"known formats are \.keras .* \.safetensors"):
        graphkit.convert(model, tmp_path / "m.pb")


def test_an_option_of_another_format_is_refused(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="Keras 3 archive has no option 'opset'"):
        graphkit.convert(model, tmp_path / "m.keras", opset=18)


def test_the_command_says_what_is_lost(model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.save(tmp_path / "m.keras")

    assert main(["convert", str(tmp_path / "m.keras"), str(tmp_path / "m.onnx")]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "m.onnx")
    assert "the compile settings (optimizer, loss, metrics)" in said.err


def test_the_command_is_strict_where_asked(model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.save(tmp_path / "m.keras")

    assert main(["convert", str(tmp_path / "m.keras"), str(tmp_path / "m.npz"), "--strict"]) == 2
    assert "was not written" in capsys.readouterr().err
    assert not (tmp_path / "m.npz").exists()


def test_the_command_takes_weights(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "m.json")
    model.save_weights(tmp_path / "w.npz")

    assert (
        main(["convert", str(tmp_path / "m.json"), str(tmp_path / "m.h5"), "--weights", str(tmp_path / "w.npz")]) == 0
    )
    same_numbers(tmp_path / "m.h5", model)


def test_the_command_notes_what_is_written_in_other_terms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gru = {"name": "g", "batch_input_shape": [None, 5, 3], "units": 4, "recurrent_activation": "hard_sigmoid"}
    config = {"class_name": "Sequential", "config": [{"class_name": "GRU", "config": gru}], "keras_version": "2.1.2"}
    (tmp_path / "old.json").write_text(json.dumps(config))

    assert main(["convert", str(tmp_path / "old.json"), str(tmp_path / "new.keras")]) == 0

    assert "layer 'g' uses hard_sigmoid_keras2, which is written as Rescaling and ReLU" in capsys.readouterr().err
