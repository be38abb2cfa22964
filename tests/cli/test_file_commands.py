"""`graphkit inspect`, `extract`, `rename`, `set-batch`, `set-shape` and `view`: what they print, write and return."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

import graphkit
from graphkit import Input, Model, layers
from graphkit.cli import main


def saved(folder: Path, suffix: str = "onnx") -> Path:
    x = Input((4,), name="x")
    h = layers.Dense(3, activation="relu", name="first")(x)
    path = folder / f"m.{suffix}"
    Model(x, layers.Dense(2, name="second")(h), name="net").save(path)
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_inspect_prints_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "inspect", saved(tmp_path))

    assert code == 0
    assert out.splitlines()[0] == f"{tmp_path / 'm.onnx'}: ONNX"
    assert "  inputs          x: float32 (batch, 4)" in out.splitlines()


def test_inspect_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = said(capsys, "inspect", saved(tmp_path), "--json")

    assert '"operators": {' in out


def test_extract_cuts_onnx_files_by_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, target = saved(tmp_path), tmp_path / "p.onnx"
    end = next(n.output[0] for n in onnx.load(path).graph.node if n.op_type == "Relu")

    assert said(capsys, "extract", path, "--to", end, "-o", target) == (0, f"{target}\n", "")
    assert [v.name for v in onnx.load(target).graph.output] == [end]


@pytest.mark.parametrize("suffix", ["keras", "onnx"])
def test_extract_cuts_other_files_by_their_layers(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, target = saved(tmp_path, "keras"), tmp_path / f"p.{suffix}"
    x, model = np.ones((2, 4), "float32"), graphkit.load(path)
    want = Model(model.input, model.get_layer("first").output)(x)

    assert said(capsys, "extract", path, "--to", "first", "-o", target) == (0, f"{target}\n", "")
    np.testing.assert_allclose(graphkit.load(target)(x), want, rtol=1e-6)


def test_extract_begins_at_a_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "p.keras"
    assert said(capsys, "extract", saved(tmp_path, "keras"), "--from", "second", "-o", target)[0] == 0
    assert graphkit.load(target).input_shape == (None, 3)


def test_rename_replaces_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path)

    assert said(capsys, "rename", path, "x=image", "second=scores") == (0, f"{path}\n", "")
    graph = onnx.load(path).graph
    assert [graph.input[0].name, graph.output[0].name] == ["image", "scores"]


def test_set_batch_and_set_shape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, target = saved(tmp_path), tmp_path / "p.onnx"

    assert said(capsys, "set-batch", path, "4", "-o", target) == (0, f"{target}\n", "")
    assert graphkit.inspect(target)["onnx"]["inputs"] == {"x": "float32 (4, 4)"}
    assert said(capsys, "set-shape", target, "x=N,4") == (0, f"{target}\n", "")
    assert graphkit.inspect(target)["onnx"]["outputs"] == {"second": "float32 (N, 2)"}
    assert said(capsys, "set-shape", target, "x=?,4")[0] == 0
    assert graphkit.inspect(target)["onnx"]["inputs"] == {"x": "float32 (?, 4)"}


def test_notes_go_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = Input((4,), name="a"), Input((3,), name="b")
    Model([a, b], [layers.Dense(3, name="p")(a), layers.Dense(3, name="q")(b)]).export(tmp_path / "m.onnx")
    code, out, err = said(capsys, "set-shape", tmp_path / "m.onnx", "a=2,4")

    assert (code, out) == (0, f"{tmp_path / 'm.onnx'}\n")
    assert err == "note: the input 'b' keeps its sizes, float32 (batch, 3)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("extract", "--to", "frist", "-o", "p.keras"), "frist"),
        (("rename", "q=r"), "no tensor or node 'q'"),
        (("set-batch", "0"), None),
        (("set-shape", "x=1,5"), "does not work with x=(1, 5)"),
        (("set-shape", "x=0,4"), None),
        (("set-shape", "x"), None),
        (("rename", "x"), None),
        (("rename", "x="), None),
    ],
)
def test_mistakes_are_2_and_one_line(
    arguments: tuple[str, ...],
    message: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *rest = arguments
    path = saved(tmp_path, "keras" if command == "extract" else "onnx")
    before = path.read_bytes()
    if message is None:
        with pytest.raises(SystemExit, match="2"):
            main([command, str(path), *rest])
        assert "expects" in capsys.readouterr().err
    else:
        code, _, err = said(capsys, command, path, *rest)
        assert code == 2
        assert message in err
        assert err.count("\n") == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("arguments", [("rename", "x=y"), ("set-batch", "2"), ("set-shape", "x=2,4")])
def test_files_that_are_not_onnx_are_not_changed(
    arguments: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, argument = arguments
    code, _, err = said(capsys, command, saved(tmp_path, "keras"), argument)

    assert code == 2
    assert "is not an ONNX file" in err
    assert f"graphkit convert {tmp_path / 'm.keras'} {tmp_path / 'm.onnx'}" in err


def test_view_says_how_to_install_netron(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "netron", None)

    code, out, err = said(capsys, "view", saved(tmp_path))
    assert (code, out) == (2, "")
    assert err == "graphkit: error: graphkit view needs Netron, which is not installed: pip install netron\n"


@pytest.mark.parametrize("suffix", ["onnx", "keras"])
def test_view_shows_an_onnx_file(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []

    def start(path: str, address: int, browse: bool) -> tuple[str, int]:
        shown.append((Path(path).name, onnx.load(path).graph.input[0].name, browse))
        return "localhost", address

    monkeypatch.setitem(sys.modules, "netron", SimpleNamespace(start=start, wait=lambda: None))
    code, out, _ = said(capsys, "view", saved(tmp_path, suffix), "--port", "8123", "--no-browser")

    assert (code, out) == (0, "http://localhost:8123 (Ctrl+C to stop)\n")
    assert shown == [("m.onnx", "x", False)]
