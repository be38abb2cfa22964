"""fit, evaluate, predict and the `_on_batch` methods return what real Keras' do, for all arguments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphkit
from tests.training.fit_scenarios import scenarios

SCENARIOS = scenarios(graphkit)
with np.load(Path(__file__).resolve().parents[2] / "fixtures" / "fit.npz", allow_pickle=False) as file:
    ANSWERS = dict(file)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras warns of it too (pd_steps)
@pytest.mark.parametrize("name", SCENARIOS)
def test_training_is_that_of_keras(name: str) -> None:
    found = SCENARIOS[name]()

    wanted = {k.split("/")[1]: v for k, v in ANSWERS.items() if k.split("/")[0] == name}
    assert set(found) == set(wanted)
    for part, array in found.items():
        np.testing.assert_allclose(array, wanted[part], rtol=1e-4, atol=1e-5, err_msg=part)
