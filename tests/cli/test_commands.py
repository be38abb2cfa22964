"""The command line: exit codes, what is printed, what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.cli import main


def saved(folder: Path) -> Path:
    inputs = layers.Input((4,), name="x")
    model = models.Model(inputs, layers.Dense(2, name="y")(inputs), name="small")
    model.save(folder / "small.keras")
    return folder / "small.keras"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"graphkit {graphkit.__version__}\n"


COMMANDS = "inspect summary plot convert diff extract rename set-batch set-shape view run demo doctor"


@pytest.mark.parametrize("command", COMMANDS.split())
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert f"usage: graphkit {command}" in text
    assert command == "doctor" or "examples:" in text


@pytest.mark.parametrize("arguments", [[], ["fly"], ["summary"], ["plot", "a.keras", "--rankdir", "UP"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: graphkit" in capsys.readouterr().err


def test_summary_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", str(saved(tmp_path)), "--trainable"]) == 0
    assert 'Model: "small"' in capsys.readouterr().out


def test_plot_writes_beside_the_model_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plot", str(saved(tmp_path))]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "small.svg")
    assert (tmp_path / "small.svg").read_text().startswith("<svg")


def test_plot_writes_a_page(tmp_path: Path) -> None:
    assert main(["plot", str(saved(tmp_path)), "-o", str(tmp_path / "m.html"), "--nodes", "--expand-nested"]) == 0
    assert "<!doctype html>" in (tmp_path / "m.html").read_text()


def test_convert_gives_a_model_with_the_same_outputs(tmp_path: Path) -> None:
    source, target = saved(tmp_path), tmp_path / "small.onnx"
    x = np.ones((3, 4), "float32")

    assert main(["convert", str(source), str(target), "--opset", "18"]) == 0
    np.testing.assert_allclose(graphkit.runtime.Predictor(target)(x), graphkit.load(source)(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("command", [["summary"], ["plot"], ["run"]])
def test_a_missing_file_is_one_line_and_2(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, str(tmp_path / "none.keras")]) == 2
    assert capsys.readouterr().err == f"graphkit: error: no such file: {tmp_path / 'none.keras'}\n"


def test_a_bad_file_is_one_line_and_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.keras"
    bad.write_bytes(b"not a model\n" * 20)

    assert main(["summary", str(bad)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("graphkit: error: ")
    assert error.count("\n") == 1
    assert "bad.keras" in error


@pytest.mark.parametrize("arguments", [["--debug", "summary"], ["summary", "--debug"]])
def test_debug_shows_where_it_failed(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        main([*arguments, str(tmp_path / "none.keras")])


def test_an_interruption_is_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphkit.cli.doctor.examine", stop)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "graphkit: interrupted\n"


def test_a_closed_pipe_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("graphkit.cli.doctor.examine", stop)
    monkeypatch.setattr("sys.stderr", open(tmp_path / "err", "w"))  # noqa: SIM115 (main closes it)
    assert main(["doctor"]) == 0


def test_doctor_runs_a_net_and_says_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for part in (
        "python",
        "numpy",
        "BLAS",
        "CPUExecutionProvider",
        "Graphviz",
        "Keras 3 archive",
        "graphkit.converters.onnx",
        "self test",
        "No problems found.",
    ):
        assert part in text


def test_doctor_warns_of_two_runtimes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("graphkit.runtime.installed_runtimes", lambda: ["onnxruntime 1.20.0", "onnxruntime-gpu 1.20.0"])
    assert main(["doctor"]) == 1
    assert "overwrite each other's files" in capsys.readouterr().out


def test_doctor_names_what_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no session today")

    monkeypatch.setattr("graphkit.runtime.Predictor", broken)
    assert main(["doctor"]) == 1
    assert "! export to ONNX: RuntimeError: no session today" in capsys.readouterr().out
