"""Scripts written for Keras print under `graphkit run` what they print with real Keras.

The scripts of examples/keras run unchanged with both. fixtures/scripts holds what they print with real Keras; the slow test runs
it again, if the environment variable GRAPHKIT_KERAS_PYTHON (JAX) or GRAPHKIT_TF_KERAS_PYTHON (TensorFlow) names an interpreter.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.interop.test_real_keras import keras_python

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "examples" / "keras").glob("*.py"))
RECORDED = ROOT / "fixtures" / "scripts"
TOLERANCE = 2e-3  # training in float32 amplifies differences of rounding
_NUMBER = re.compile(r"(?<![A-Za-z_])-?\d+\.?\d*(?:e[+-]?\d+)?")


def differences(got: str, expected: str) -> list[str]:
    """Return the lines that differ; the numbers of a line that starts with `~` are not compared."""
    ours, theirs = _lines(got), _lines(expected)
    found = [f"{len(ours)} lines instead of {len(theirs)}"] if len(ours) != len(theirs) else []
    found += [f"{a!r} instead of {b!r}" for a, b in zip(ours, theirs, strict=False) if not _same(a, b)]
    return found


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _same(ours: str, theirs: str) -> bool:
    if _NUMBER.sub("#", ours).split() != _NUMBER.sub("#", theirs).split():
        return False
    if theirs.startswith("~"):
        return True
    numbers = [[float(n) for n in _NUMBER.findall(line)] for line in (ours, theirs)]
    return bool(np.allclose(*numbers, rtol=TOLERANCE, atol=TOLERANCE * 0.1))


def _run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, cwd=folder, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def _backend(script: Path) -> str:
    found = re.search(r"^# backend: (jax|tensorflow)$", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{script.name} names no backend"
    return found[1]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_it_prints_what_real_keras_printed(script: Path, tmp_path: Path) -> None:
    got = _run([sys.executable, "-m", "graphkit.cli", "run", str(script)], {}, tmp_path)
    expected = (RECORDED / f"{script.stem}.txt").read_text(encoding="utf-8")
    assert differences(got, expected) == []


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_recorded_output_is_real_keras(script: Path, tmp_path: Path) -> None:
    backend = _backend(script)
    variable = "GRAPHKIT_KERAS_PYTHON" if backend == "jax" else "GRAPHKIT_TF_KERAS_PYTHON"
    python = keras_python() if backend == "jax" else os.environ.get(variable)
    if python is None:
        pytest.skip(f"left out: set {variable} to an interpreter that has Keras on {backend}")
    got = _run([python, str(script)], {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}, tmp_path)
    assert differences(got, (RECORDED / f"{script.stem}.txt").read_text(encoding="utf-8")) == []


def test_every_recorded_output_belongs_to_a_script() -> None:
    assert {p.stem for p in RECORDED.glob("*.txt")} == {p.stem for p in SCRIPTS}


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("loss 0.12340", "loss 0.12341", True),
        ("loss 0.1234", "loss 0.2234", False),
        ("loss 0.1234", "mse 0.1234", False),
        ("~ accuracy 0.5", "~ accuracy 0.9", True),
        ("~ accuracy 0.5", "~ loss 0.9", False),
        ("a\nb", "a", False),
    ],
)
def test_lines_are_compared_by_text_and_numbers(ours: str, theirs: str, same: bool) -> None:
    assert (differences(ours, theirs) == []) is same
