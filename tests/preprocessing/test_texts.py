"""Texts, vocabularies and categories, compared with real Keras (fixtures/make_text_answers.py)."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import pytest

import graphkit
from graphkit import ops
from graphkit.ops import texts
from graphkit.utils import dataset
from tests.preprocessing.text_scenarios import SCENARIOS, outcome

ANSWERS = json.loads((Path(__file__).resolve().parents[2] / "fixtures" / "texts.json").read_text())
TF = types.SimpleNamespace(data=dataset, strings=texts, constant=ops.convert_to_tensor)


def rounded(value: Any) -> Any:
    """Return a structure with its numbers as approximations."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return pytest.approx(value, rel=1e-4, abs=1e-4) if isinstance(value, float) else value


@pytest.mark.parametrize("name", SCENARIOS)
def test_results_equal_keras(name: str) -> None:
    made = json.loads(json.dumps(outcome(graphkit, TF, SCENARIOS[name])))

    assert made == rounded(ANSWERS[name])
