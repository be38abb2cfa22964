"""Every optimizer makes real Keras' updates, has the same variables, and writes the same config."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import optimizers
from tests.goldens import FOLDER

INDEX = json.loads((FOLDER / "index.json").read_text())["tables"]
ROWS = [r for r in INDEX if r["table"] == "optimizers"]
IDS = [r["id"] for r in ROWS]
TABLE = dict(np.load(FOLDER / "table.optimizers.npz"))
RATES = dict(np.load(FOLDER / "table.schedules.npz"))
SCHEDULES = [r for r in INDEX if r["table"] == "schedules"]


def variables() -> list[graphkit.Variable]:
    return [graphkit.Variable(TABLE[f"start_{i}"], name=name) for i, name in enumerate(("kernel", "bias"))]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_five_steps_and_the_variables_are_those_of_keras(row: dict[str, Any]) -> None:
    optimizer, weights = optimizers.deserialize(row["object"]), variables()
    for step in range(5):
        optimizer.apply([TABLE[f"gradients_{i}"][step] for i in range(2)], weights)
        for i, weight in enumerate(weights):
            np.testing.assert_allclose(weight.array, TABLE[f"{row['id']}/steps_{i}"][step], rtol=2e-5, atol=2e-6)
    assert [v.path.split("/")[-1] for v in optimizer.variables] == [p.split("/")[-1] for p in row["variables"]]
    for i, variable in enumerate(optimizer.variables):
        np.testing.assert_allclose(variable.array, TABLE[f"{row['id']}/variable_{i}"], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_config_is_that_of_keras(row: dict[str, Any]) -> None:
    found = optimizers.serialize(optimizers.deserialize(row["object"]))
    assert (
        found["config"] == pytest.approx(row["object"]["config"])
        if _flat(row)
        else found["config"] == row["object"]["config"]
    )
    assert {k: found[k] for k in ("module", "class_name", "registered_name")} == {
        k: row["object"][k] for k in ("module", "class_name", "registered_name")
    }


def _flat(row: dict[str, Any]) -> bool:
    return all(isinstance(v, (int, float)) for v in row["object"]["config"].values())


@pytest.mark.parametrize("row", SCHEDULES, ids=[r["id"] for r in SCHEDULES])
def test_learning_rates_are_those_of_keras(row: dict[str, Any]) -> None:
    schedule = optimizers.schedules.deserialize(row["object"])
    wanted = RATES[row["id"]]
    found = [float(schedule(step)) for step in range(len(wanted))]
    np.testing.assert_allclose(found, wanted, rtol=5e-5, atol=1e-8)
    assert schedule.get_config() == row["object"]["config"]
