"""Models compiled and trained by real Keras: from the same start, the same history, weights and optimizer state."""

from __future__ import annotations

import json
import pathlib
import zipfile
from typing import Any

import numpy as np
import pytest

from graphkit import layers, models  # noqa: F401 (they register their classes)
from graphkit.core import nest
from graphkit.core.serialization import deserialize

KERAS = pathlib.Path(__file__).parents[2] / "fixtures" / "keras"
CASES = [c for c in json.loads((KERAS / "index.json").read_text())["cases"] if c["id"].startswith("compiled.")]
# The gradient of a bias before batch normalization consists of rounding errors, which Adam scales up.
LOOSE = {"compiled.batch_norm": 5e-4}
IDS = [c["id"].removeprefix("compiled.") for c in CASES]


def arrays(data: Any, prefix: str) -> list[np.ndarray]:
    found = []
    while f"{prefix}_{len(found)}" in data:
        found.append(data[f"{prefix}_{len(found)}"])
    return found


class Trained:
    """Return the compiled model of a golden case, as saved, and its data."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        with zipfile.ZipFile(KERAS / f"{row['id']}.keras") as archive:
            config = json.loads(archive.read("config.json"))
        self.model = deserialize(config)
        self.model.compile_from_config(config["compile_config"])
        self.data = dict(np.load(KERAS / f"{row['id']}.npz"))
        self.x, self.y = (arrays(self.data, name) for name in ("x", "y"))
        if len(self.y) == 1:
            self.y = self.y[0]
        elif isinstance(self.model.output, dict):
            self.y = nest.pack(self.model.output, self.y)

    def fit(self) -> dict[str, list[float]]:
        options = dict(self.row["fit"])
        if "sample_weight" in options:
            options["sample_weight"] = np.array(options["sample_weight"], "float32")
        if "class_weight" in options:
            options["class_weight"] = {int(k): v for k, v in options["class_weight"].items()}
        if options.pop("validate", False):
            options["validation_data"] = (self.x, self.y)
        return self.model.fit(self.x, self.y, verbose=0, **options).history

    def state(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        return self.model.get_weights(), self.model.optimizer.get_weights()


def assert_histories(found: dict[str, list[float]], wanted: dict[str, list[float]]) -> None:
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("row", CASES, ids=IDS)
def test_three_epochs_give_the_history_weights_and_optimizer_state_of_keras(row: dict[str, Any]) -> None:
    case = Trained(row)
    case.model.set_weights(arrays(case.data, "start_w"))
    assert_histories(case.fit(), row["history"])
    weights, slots = case.state()
    for found, wanted in zip(weights, arrays(case.data, "w"), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=LOOSE.get(row["id"], 2e-5))
    for found, wanted in zip(slots, arrays(case.data, "opt"), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-5)
    paths = [v.path.split("/")[-1] for v in case.model.optimizer.variables]
    assert paths == [p.split("/")[-1] for p in row["optimizer_variables"]]


@pytest.mark.parametrize("row", CASES, ids=IDS)
def test_training_goes_on_from_saved_weights_and_optimizer_state(row: dict[str, Any]) -> None:
    case = Trained(row)
    case.model.set_weights(arrays(case.data, "w"))
    case.model.optimizer.build(case.model.trainable_weights)
    case.model.optimizer.set_weights(arrays(case.data, "opt"))
    assert_histories(case.fit(), row["history_after"])
    for found, wanted in zip(case.model.get_weights(), arrays(case.data, "after_w"), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=LOOSE.get(row["id"], 3e-5))


@pytest.mark.parametrize("row", CASES, ids=IDS)
def test_evaluate_gives_the_results_of_keras_by_the_same_names(row: dict[str, Any]) -> None:
    case = Trained(row)
    case.model.set_weights(arrays(case.data, "w"))
    found = case.model.evaluate(case.x, case.y, batch_size=8, verbose=0, return_dict=True)
    assert list(found) == list(row["evaluate"])
    for name, value in row["evaluate"].items():
        assert found[name] == pytest.approx(value, rel=2e-5, abs=1e-5), name
    assert case.model.metrics_names == row["metrics_names"]
