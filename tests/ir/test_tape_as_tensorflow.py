"""Gradient tapes give what TensorFlow's give (fixtures/make_tape_answers.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.core import nest
from tests.ir.tape_scenarios import SCENARIOS, Library, outcome

ANSWERS = json.loads((Path(__file__).resolve().parents[2] / "fixtures" / "tape.json").read_text())
LIBRARY = Library(graphkit, graphkit.GradientTape, graphkit.ops.convert_to_tensor)


@pytest.mark.parametrize("name", SCENARIOS)
def test_tape_gives_what_tensorflows_gives(name: str) -> None:
    found, wanted = outcome(LIBRARY, SCENARIOS[name]), ANSWERS[name]

    assert nest.describe(found) == nest.describe(wanted)
    for one, other in zip(nest.flatten(found), nest.flatten(wanted), strict=True):
        _assert_same(one, other)


def _assert_same(one: Any, other: Any) -> None:
    if other is None or isinstance(other, str):
        assert one == other
    else:
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-6)
