"""TensorFlow's names under `graphkit run` compute what TensorFlow computes, call by call."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.cli.impersonate import impersonating
from graphkit.tensorflow import NAMES, hint_for
from tests.tensorflow import calls

RECORDED = json.loads((Path(__file__).parents[2] / "fixtures" / "tensorflow_answers.json").read_text(encoding="utf-8"))
LESS_EXACT = {
    'tf.image.resize(image, (8, 9), "bicubic")': 4e-4,  # TensorFlow reads the cubic weights off a table with 1024 steps
}
"""Calls whose numbers TensorFlow computes less exactly, with the relative difference."""


def test_every_call_has_an_answer() -> None:
    assert sorted(RECORDED["answers"]) == sorted(calls.CALLS)


@pytest.mark.parametrize("call", calls.CALLS)
def test_a_call_gives_what_tensorflow_gives(call: str) -> None:
    with impersonating():
        import tensorflow as tf  # type: ignore[import-not-found, import-untyped, unused-ignore]

        given = calls.described(eval(call, {**calls.values(), "tf": tf}))
    wanted = RECORDED["answers"][call]

    assert [leaf[1] for leaf in given] == [leaf[1] for leaf in wanted]
    assert [leaf[0] for leaf in given] == [leaf[0] for leaf in wanted]
    for (kind, _, numbers), (_, _, expected) in zip(given, wanted, strict=True):
        if kind == "string":
            assert numbers == expected
        else:
            limit = LESS_EXACT.get(call, 2e-5)
            np.testing.assert_allclose(
                np.array(numbers, float), np.array(expected, float), rtol=limit, atol=limit * _largest(expected)
            )


def _largest(numbers: Any) -> float:
    finite = np.array(numbers, float)
    return float(np.max(np.abs(finite[np.isfinite(finite)]), initial=1e-3))


def names_with_arguments() -> list[str]:
    """Return the functions of the table whose arguments TensorFlow's signature tells."""
    return sorted(
        n
        for n, wanted in RECORDED["names"].items()
        if wanted is not None and n in NAMES and not inspect.isclass(NAMES[n])
    )


@pytest.mark.parametrize("name", names_with_arguments())
def test_a_function_takes_the_arguments_of_tensorflow(name: str) -> None:
    """In the same order, with the same defaults; `name` has no effect and is taken by all."""
    own = [
        (p.name if p.kind is not p.VAR_POSITIONAL else f"*{p.name}", "" if p.default is p.empty else p.default)
        for p in inspect.signature(NAMES[name]).parameters.values()
        if p.name != "name" and p.kind not in (p.VAR_KEYWORD, p.KEYWORD_ONLY)
    ]
    wanted = [(n, d) for n, d in RECORDED["names"][name] if not n.startswith("_")]

    assert [n for n, _ in own][: len(wanted)] == [n for n, _ in wanted]
    assert [n for n, d in own if d == "" and not n.startswith("*")] == [
        n for n, d in wanted if d == "" and not n.startswith("*")
    ]


def test_every_public_name_is_there_or_says_what_to_use() -> None:
    absent = [n for n in RECORDED["names"] if n not in NAMES and n != "GradientTape" and not hint_for(n)]

    assert absent == []


@pytest.mark.slow
def test_the_answers_are_those_of_real_tensorflow(tmp_path: Path) -> None:
    """Needs an interpreter with TensorFlow, which the environment variable GRAPHKIT_TF_KERAS_PYTHON names."""
    python = os.environ.get("GRAPHKIT_TF_KERAS_PYTHON")
    if not python:
        pytest.skip("set GRAPHKIT_TF_KERAS_PYTHON to an interpreter that has TensorFlow")
    script = Path(__file__).parents[2] / "fixtures" / "make_tensorflow_answers.py"
    subprocess.run([python, str(script), str(tmp_path / "answers.json")], check=True, capture_output=True)
    fresh = json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))["answers"]

    for call, wanted in RECORDED["answers"].items():
        for (kind, shape, numbers), (*same, expected) in zip(fresh[call], wanted, strict=True):
            assert [kind, shape] == same, call
            if kind != "string":
                np.testing.assert_allclose(
                    np.array(numbers, float), np.array(expected, float), rtol=1e-4, atol=1e-5, err_msg=call
                )
