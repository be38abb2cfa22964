"""`graphkit demo`: the data, the model, and a short run of the entire command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from graphkit.cli import demo, main
from graphkit.datasets import digits
from graphkit.datasets.digits import load_digits
from graphkit.errors import SerializationError

FILES = {"model.json", "model.keras", "model.onnx", "model.svg", "model.weights.h5", "report.json", "summary.txt"}


def test_the_digits_are_images_from_0_to_1() -> None:
    images, labels = load_digits()

    assert images.shape == (1797, 8, 8, 1)
    assert images.min() == 0
    assert images.max() == 1
    assert sorted(set(labels.tolist())) == list(range(10))


def test_no_image_is_both_learnt_and_held_out() -> None:
    _, labels = load_digits()
    training, held_out = demo.split(labels, np.random.default_rng(0))

    assert not set(training) & set(held_out)
    assert len(training) + len(held_out) == len(labels)
    assert 0.19 < np.bincount(labels[held_out]).min() / np.bincount(labels).min() < 0.21


def test_pairs_are_balanced_and_from_their_part() -> None:
    images, labels = load_digits()
    images = np.arange(len(labels), dtype="float32").reshape(-1, 1, 1, 1) * np.ones_like(
        images
    )  # each image encodes its index
    part = np.arange(0, 300)
    pairs = demo.make_pairs(images, labels, part, 2, np.random.default_rng(0))
    left, right = (p[:, 0, 0, 0].astype(int) for p in (pairs.left, pairs.right))

    assert pairs.same.mean() == 0.5
    np.testing.assert_array_equal(labels[left] == labels[right], pairs.same[:, 0] > 0.5)
    np.testing.assert_array_equal(labels[left], pairs.digit)
    assert set(right) <= set(part)


def test_the_encoder_is_shared() -> None:
    model = demo.build()

    assert len(model.get_layer("encoder").nodes) == 2
    assert model.output_shape == [(None, 1), (None, 10)]


def test_the_distance_is_1_for_equal_codes() -> None:
    code = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    other = code + np.float32(0.25)

    np.testing.assert_allclose(demo.exponent_neg_manhattan_distance([code, code]), np.ones((3, 1)))
    np.testing.assert_allclose(
        demo.exponent_neg_manhattan_distance([code, other]), np.full((3, 1), np.exp(-1.25)), rtol=1e-5
    )


def test_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A short run with few pairs and one epoch: the three engines agree, whatever the model has learnt."""
    monkeypatch.setattr(demo, "_PAIRS", 1)
    monkeypatch.setattr(demo, "_BATCH_LATENCY", 8)

    assert main(["demo", "--out", str(tmp_path / "made"), "--epochs", "1", "--seed", "3"]) == 0
    report = json.loads((tmp_path / "made" / "report.json").read_text())
    assert {p.name for p in (tmp_path / "made").iterdir()} == FILES
    assert max(report["largest_difference"].values()) <= 1e-5
    assert report["accuracy"]["graphkit"]["digit"] > 0.5
    assert "All three agree." in capsys.readouterr().out


def test_an_installation_without_the_digits_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits.resources, "files", lambda package: tmp_path)
    with pytest.raises(
        SerializationError, match=r"The digits of the demo are missing: .*optdigits\.npz.*Reinstall graphkit"
    ):
        load_digits()
