"""Losses return real Keras' results at edge cases, with masks and with sample weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import ops
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace
from tests.metrics.edge_scenarios import LOSSES

ANSWERS = json.loads((Path(__file__).resolve().parents[2] / "fixtures" / "metric_edges.json").read_text())


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_those_of_keras(name: str) -> None:
    np.testing.assert_allclose(LOSSES[name](graphkit), ANSWERS["losses"][name], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
def test_masks_of_output_and_loss_leave_out_the_samples_of_both(reduction: str) -> None:
    loss = graphkit.losses.SparseCategoricalCrossentropy(ignore_class=0, reduction=reduction)
    y_true, y_pred = np.array([[0, 1, 1, 1]]), np.full((1, 4, 2), 0.5, "float32") * np.float32([[1], [1], [1], [1]])

    def masked(outputs: Any) -> Any:
        outputs.mask = ops.convert_to_tensor(np.array([[True, True, False, True]]))
        return loss(y_true, outputs)

    program = trace(masked, TensorSpec.of(y_pred))
    (found,) = graphkit.engine.run(program, y_pred)
    assert found == pytest.approx(np.log(2) * (1 if reduction != "sum" else 2), rel=1e-5)


@pytest.mark.parametrize("samples", [2, 3])
def test_one_weight_a_sample_counts_for_all_its_steps(samples: int) -> None:
    y_true, weights = np.arange(samples * 6, dtype="float32").reshape(samples, 3, 2), np.arange(samples, dtype="float32")
    loss = graphkit.losses.MeanSquaredError()
    by_step = (y_true**2).mean(-1) * weights[:, None]
    assert loss(y_true, np.zeros_like(y_true), weights) == pytest.approx(by_step.mean(), rel=1e-6)
    assert loss(y_true, np.zeros_like(y_true), weights[:, None]) == pytest.approx(by_step.mean(), rel=1e-6)
