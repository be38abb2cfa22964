"""Callbacks behave like real Keras', for all arguments and results. See fixtures/make_callback_answers.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import graphkit
from tests.training.callback_scenarios import scenarios

SCENARIOS = scenarios(graphkit)
ANSWERS = json.loads((Path(__file__).resolve().parents[2] / "fixtures" / "callbacks.json").read_text())["answers"]


def test_every_scenario_has_an_answer() -> None:
    assert set(SCENARIOS) == set(ANSWERS)


@pytest.mark.filterwarnings("ignore:Can save best model only")
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_callback_does_what_that_of_keras_does(name: str) -> None:
    found, wanted = SCENARIOS[name](), ANSWERS[name]

    assert set(found) == set(wanted)
    for part, value in found.items():
        if part in ("rates", "weight") or isinstance(value, float):
            assert value == pytest.approx(wanted[part], rel=1e-5, nan_ok=True), part
        else:
            assert value == wanted[part], part
