"""Metrics return real Keras' results for thresholds, ties, weights and absent classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import metrics, ops
from graphkit.errors import ShapeError
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace
from tests.metrics.edge_scenarios import BITS, BY_LABEL, CLASSES, GUESSED, HALVES, IDS, LOGITS, scenarios

SCENARIOS = scenarios(graphkit)
ANSWERS = json.loads((Path(__file__).resolve().parents[2] / "fixtures" / "metric_edges.json").read_text())


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", [name for name, answer in ANSWERS["metrics"].items() if answer is not None])
def test_results_are_those_of_keras(name: str) -> None:
    for found, wanted in zip(SCENARIOS[name](), ANSWERS["metrics"][name], strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


# The direction in which each metric improves, as in Keras' callbacks.
DIRECTIONS = {
    "up": "Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy SparseTopKCategoricalAccuracy TopKCategoricalAccuracy "
    "AUC Precision PrecisionAtRecall Recall RecallAtPrecision SensitivityAtSpecificity SpecificityAtSensitivity "
    "ConcordanceCorrelation PearsonCorrelation F1Score FBetaScore BinaryIoU IoU MeanIoU OneHotIoU OneHotMeanIoU CosineSimilarity "
    "R2Score",
    "down": "CategoricalHinge Hinge SquaredHinge BinaryCrossentropy CategoricalCrossentropy KLDivergence Poisson "
    "SparseCategoricalCrossentropy LogCoshError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError "
    "MeanSquaredLogarithmicError RootMeanSquaredError",
    None: "FalseNegatives FalsePositives TrueNegatives TruePositives Mean Sum",
}
NEEDED: dict[str, dict[str, Any]] = {
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "MeanIoU": {"num_classes": 2},
    "OneHotMeanIoU": {"num_classes": 2},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
}


@pytest.mark.parametrize(("direction", "names"), DIRECTIONS.items(), ids=str)
def test_metrics_say_which_way_they_are_better(direction: str | None, names: str) -> None:
    made = {name: getattr(metrics, name)(**NEEDED.get(name, {})) for name in names.split()}
    assert {name: metric._direction for name, metric in made.items()} == dict.fromkeys(made, direction)


def test_the_mean_of_a_loss_is_better_when_lower_and_of_another_function_nobody_knows() -> None:
    assert metrics.MeanMetricWrapper(graphkit.losses.mean_squared_error)._direction == "down"
    assert metrics.MeanMetricWrapper(lambda y_true, y_pred: y_pred)._direction is None


def test_counts_can_be_read() -> None:
    y_true, y_pred = np.array([1, 1, 0, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    precision, recall, auc = metrics.Precision(), metrics.Recall(), metrics.AUC(num_thresholds=3)
    for metric in (precision, recall, auc):
        metric.update_state(y_true, y_pred)

    assert (precision.true_positives.numpy(), precision.false_positives.numpy()) == ([2.0], [1.0])
    assert (recall.true_positives.numpy(), recall.false_negatives.numpy()) == ([2.0], [0.0])
    assert auc.true_negatives.numpy().tolist() == [0, 1, 2]
    assert not hasattr(precision, "false_negatives")
    counted = metrics.TruePositives()
    counted.update_state(y_true, y_pred)
    assert counted.accumulator.numpy() == [2.0]


def test_thresholds_of_auc_have_their_ends_and_the_config_has_not() -> None:
    auc = metrics.AUC(thresholds=[0.75, 0.5])
    assert auc.thresholds == pytest.approx([-1e-7, 0.5, 0.75, 1 + 1e-7], abs=1e-12)
    assert metrics.AUC(num_thresholds=3).thresholds == pytest.approx([-1e-7, 0.5, 1 + 1e-7], abs=1e-12)
    again = metrics.AUC.from_config(auc.get_config())
    assert again.thresholds == auc.thresholds
    assert again.num_thresholds == auc.num_thresholds == 4


def test_a_class_of_predictions_without_classes_is_refused() -> None:
    for kind in (metrics.Precision, metrics.Recall):
        with pytest.raises(ShapeError, match="class_id=2"):
            kind(class_id=2).update_state(np.array([0, 1, 1]), np.array([0.2, 0.1, 0.6]))


def test_a_mask_of_the_output_leaves_samples_out_of_metrics() -> None:
    metric = metrics.MeanSquaredError()

    def masked(outputs: Any) -> Any:
        outputs.mask = ops.convert_to_tensor(np.array([True, False]))
        metric.update_state(np.zeros((2, 1), "float32"), outputs)
        return outputs

    graphkit.engine.run(trace(masked, TensorSpec((2, 1), "float32")), np.float32([[2.0], [9.0]]))
    assert metric.result() == 4.0


def test_thresholds_of_labels_count_what_lies_above_them() -> None:
    auc = metrics.AUC(num_thresholds=5, multi_label=True, num_labels=3)
    auc.update_state(BITS, HALVES)
    cuts = np.array(auc.thresholds)[:, None, None]
    np.testing.assert_array_equal(auc.true_positives.numpy(), ((cuts < HALVES) * BITS).sum(1))
    np.testing.assert_array_equal(auc.false_positives.numpy(), ((cuts < HALVES) * (1 - BITS)).sum(1))
    np.testing.assert_array_equal(auc.false_negatives.numpy(), ((cuts >= HALVES) * BITS).sum(1))
    np.testing.assert_array_equal(auc.true_negatives.numpy(), ((cuts >= HALVES) * (1 - BITS)).sum(1))


@pytest.mark.parametrize("label", [0, 1, 2])
def test_a_class_has_its_own_weights_of_labels(label: int) -> None:
    precision = metrics.Precision(class_id=label, thresholds=0.25)
    precision.update_state(BITS, HALVES, BY_LABEL)
    above, weight = HALVES[:, label] > 0.25, BY_LABEL[:, label]
    assert precision.result() == pytest.approx((above * BITS[:, label] * weight).sum() / (above * weight).sum(), rel=1e-6)


def test_the_confusion_matrix_has_targets_as_rows_and_outputs_as_columns() -> None:
    metric = metrics.MeanIoU(num_classes=4)
    metric.update_state(CLASSES, GUESSED)
    wanted = np.zeros((4, 4))
    np.add.at(wanted, (CLASSES, GUESSED), 1)
    np.testing.assert_array_equal(metric.total_cm.numpy(), wanted)


def test_classes_may_stand_along_another_axis() -> None:
    truth, outputs = np.eye(3)[IDS], LOGITS
    last, first = (metrics.OneHotIoU(3, [0, 2], axis=axis) for axis in (-1, 1))
    last.update_state(truth[:, None, :], outputs[:, None, :])
    first.update_state(truth[:, :, None], outputs[:, :, None])
    np.testing.assert_array_equal(first.total_cm.numpy(), last.total_cm.numpy())
