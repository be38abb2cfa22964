"""Every metric returns real Keras' results after each of three batches, weighted where Keras' were."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from graphkit import metrics
from graphkit.core.serialization import find_class
from graphkit.engine import compile_program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace
from tests.goldens import FOLDER

ROWS = [r for r in json.loads((FOLDER / "index.json").read_text())["tables"] if r["table"] == "metrics"]
IDS = [r["id"] for r in ROWS]
TABLE = dict(np.load(FOLDER / "table.metrics.npz"))


def made(row: dict[str, Any]) -> metrics.Metric:
    return find_class(row["object"])(**row["arguments"])


def batches(row: dict[str, Any]) -> list[list[np.ndarray]]:
    names = ("y_true", "y_pred", "sample_weight")
    found = [[TABLE.get(f"{row['id']}/{name}_{k}") for name in names] for k in range(3)]
    return [[a for a in batch if a is not None] for batch in found if batch[0] is not None]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_result_after_each_batch_is_that_of_keras(row: dict[str, Any]) -> None:
    metric = made(row)
    for k, batch in enumerate(batches(row)):
        metric.update_state(*batch)
        np.testing.assert_allclose(metric.result(), TABLE[f"{row['id']}/result_{k}"], rtol=3e-5, atol=3e-6)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_a_traced_update_does_what_an_eager_one_does(row: dict[str, Any]) -> None:
    eager, traced = made(row), made(row)
    batch = batches(row)[0]
    eager.update_state(*batch)
    program = trace(traced.update_state, *(TensorSpec.of(a) for a in batch))
    compile_program(program)(*batch)
    np.testing.assert_allclose(traced.result(), eager.result(), rtol=1e-6)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_reset_starts_anew_and_the_config_makes_the_same_metric_again(row: dict[str, Any]) -> None:
    metric = made(row)
    first = batches(row)[0]
    metric.update_state(*first)
    once = np.array(metric.result())
    metric.reset_state()
    again = metrics.deserialize(metrics.serialize(metric))
    for one in (metric, again):
        one.update_state(*first)
        # Vectorized logarithms depend on the alignment of arrays.
        np.testing.assert_allclose(one.result(), once, rtol=3e-7)


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_name_and_state_are_those_of_keras(row: dict[str, Any]) -> None:
    metric = made(row)
    metric.update_state(*batches(row)[0])
    assert metric.name == re.sub(r"_\d+$", "", row["name"])
    assert [(v.name, list(v.shape)) for v in metric.variables] == [(n, s) for n, s in row["variables"]]
