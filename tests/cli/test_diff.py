"""`graphkit diff`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from graphkit import Input, Model, layers
from graphkit.cli import main


def saved(path: Path, value: float = 0.0) -> Path:
    x = Input((3,), name="x")
    d = layers.Dense(2, kernel_initializer="ones", bias_initializer="zeros", name="d")
    model = Model(x, d(x), name="net")
    d.bias.assign([value, value])
    model.save(path)
    return path


def test_equal_models_are_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = saved(tmp_path / "a.keras"), saved(tmp_path / "b.onnx")

    assert main(["diff", str(a), str(b)]) == 0
    assert capsys.readouterr().out == (
        f"--- {a}\n+++ {b}\nweights: 2 equal, 0 different\n"
        "numbers: 2 of 2 layers agree within 0.0001 of the largest value\n"
        "  output d: (2, 2) differs by up to 0, 0 of the largest value\nthe models agree\n"
    )


def test_different_models_are_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = saved(tmp_path / "a.keras"), saved(tmp_path / "b.keras", 0.5)

    assert main(["diff", str(a), str(b)]) == 1
    text = capsys.readouterr().out
    assert "! d, bias: values differ by up to 0.5" in text
    assert "they part at\n! d: (2, 2) differs by up to 0.5" in text
    assert text.endswith("the models differ in weights and numbers\n")


@pytest.mark.parametrize(("only", "code"), [("structure", 0), ("weights", 1), ("numbers", 1)])
def test_the_exit_code_may_depend_on_one_kind(only: str, code: int, tmp_path: Path) -> None:
    a, b = saved(tmp_path / "a.keras"), saved(tmp_path / "b.keras", 0.5)

    assert main(["diff", str(a), str(b), "--only", only]) == code


def test_given_inputs_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = saved(tmp_path / "a.keras"), saved(tmp_path / "b.keras", 0.5)
    np.savez(tmp_path / "x.npz", x=np.full((4, 3), 100.0))

    assert main(["diff", str(a), str(b), "--inputs", str(tmp_path / "x.npz"), "--tolerance", "0.01", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["differs"] == ["weights"]
    assert report["outputs"][0]["shape"] == [4, 2]
    assert main(["diff", str(a), str(b), "--no-numbers", "--only", "numbers"]) == 0


@pytest.mark.parametrize("missing", ["a.keras", "b.keras", "x.npz"])
def test_what_cannot_be_read_is_2(missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [saved(tmp_path / "a.keras"), saved(tmp_path / "b.keras"), tmp_path / "x.npz"]
    np.savez(paths[2], x=np.ones((1, 3)))
    (tmp_path / missing).unlink()
    arguments = ["diff", str(paths[0]), str(paths[1]), "--inputs", str(paths[2])]

    assert main(arguments) == 2
    assert capsys.readouterr().err == f"graphkit: error: no such file: {tmp_path / missing}\n"
    (tmp_path / missing).write_bytes(b"nothing\n")
    assert main(arguments) == 2
    assert missing in capsys.readouterr().err
