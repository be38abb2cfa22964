"""Every public op of Keras, called with what its documentation implies, gives Keras' results and refuses what Keras refuses.

Needs an interpreter with Keras 3 and JAX, as tests/interop/test_real_keras.py. Arrays are computed by Keras' NumPy backend, which
compiles nothing; symbolic results are those of the JAX backend.
"""

from __future__ import annotations

import os
import pickle
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

import graphkit
from tests.interop import keras_ops_sweep as sweep
from tests.interop.keras_ops_differences import KEPT, KEPT_EXPRESSIONS
from tests.interop.test_real_keras import keras_python

pytestmark = pytest.mark.slow
SCRIPT = Path(sweep.__file__)


def _name(op: str) -> str:
    return op.removeprefix("ops.")


@lru_cache(maxsize=1)
def _found() -> tuple[dict[Any, Any], dict[str, list[str]]]:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    folder = Path(os.environ.get("TMPDIR", "/tmp"))
    keras: dict[Any, Any] = {}
    for backend, modes in (("numpy", "array"), ("jax", "[!a]*")):
        target = folder / f"keras_ops_{os.getpid()}_{backend}.pickle"
        environment = {**os.environ, "KERAS_BACKEND": backend}
        command = [python, str(SCRIPT), "keras", str(target), "*", modes]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        keras.update(pickle.loads(target.read_bytes()))
        target.unlink()
    ours = {
        (title, mode): sweep.outcome(graphkit, one, shapes)
        for title, one in sweep.calls.every()
        for mode, shapes in sweep.modes(one)
    }
    return keras, sweep.faults(keras, ours)


def test_every_difference_is_on_the_list() -> None:
    _, faults = _found()
    assert {op: rows[:3] for op, rows in faults.items() if _name(op) not in KEPT} == {}


def test_every_entry_of_the_list_is_a_difference() -> None:
    _, faults = _found()
    assert sorted(KEPT.keys() - {_name(op) for op in faults}) == []


def test_the_calls_are_many() -> None:
    keras, faults = _found()
    different = sum(map(len, faults.values()))
    print(f"{len(keras)} comparisons with Keras, {len(keras) - different} equal, {different} different on purpose")
    assert len(keras) > 40000
    assert different < len(keras) / 25


def test_every_expression_gives_what_keras_gives() -> None:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    target = Path(os.environ.get("TMPDIR", "/tmp")) / f"keras_expressions_{os.getpid()}.pickle"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [python, str(SCRIPT), "expressions", "keras", str(target)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    keras = pickle.loads(target.read_bytes())
    target.unlink()
    ours = sweep.evaluated(graphkit)
    wrong = {
        line: (result, ours[line])
        for line, result in keras.items()
        if not sweep.same(result, ours[line])
        and not (isinstance(result, tuple) and result[:1] == ("raised",))
        and not any(part in line for part in KEPT_EXPRESSIONS)
    }
    assert wrong == {}
