"""Data sets equal TensorFlow's (fixtures/make_dataset_answers.py)."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit.core import seeds
from graphkit.utils import dataset
from tests.utils.dataset_scenarios import SCENARIOS, outcome

ANSWERS = json.loads((Path(__file__).resolve().parents[2] / "fixtures" / "dataset.json").read_text())
TF = types.SimpleNamespace(data=dataset, TensorSpec=dataset.TensorSpec, shape=np.shape)


@pytest.mark.parametrize("name", SCENARIOS)
def test_pipeline_equals_tensorflows(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "_seed", None)  # as where no session seed was set

    made: Any = json.loads(json.dumps(outcome(TF, SCENARIOS[name])))

    assert made == ANSWERS[name]
