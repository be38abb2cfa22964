"""Metrics and losses with thresholds, ties, weights and absent classes, for real Keras (fixtures/make_metric_answers.py) and graphkit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

RANDOM = np.random.default_rng(3)
F = np.float32
HALVES = F([[0.5, 0.25, 0.75], [0.5, 0.5, 0.0], [1.0, 0.5, 0.25], [0.0, 0.75, 0.5]])
BITS = F([[1, 0, 1], [0, 1, 0], [1, 1, 0], [1, 0, 0]])
WEIGHTS = F([0.5, 2.0, 0.0, 1.5])
BY_LABEL = F([[0.5, 1, 2], [2, 0, 1], [1, 3, 0.5], [1.5, 1, 1]])
TIES = F([[0.2, 0.6, 0.4, 0.2, 0.2], [0.5, 0.5, 0.5, 0.5, 0.1]])
TIED = F([[0, 1, 0, 0, 1], [1, 0, 0, 1, 0]])
CLASSES = np.array([0, 2, 2, 1, 3, 0, 2, 3])
GUESSED = np.array([0, 2, 1, 1, 3, 2, 2, 0])
LOGITS = F(RANDOM.normal(size=(4, 3)) * 3)
REALS, OTHERS = F(RANDOM.normal(size=(7, 2))), F(RANDOM.normal(size=(7, 2)))
IDS = np.array([1, 2, 0, 2])
SORTED_IDS = np.array([[3, 1, 0], [1, 0, 2], [0, 2, 1], [1, 2, 0]])
EMBEDDED = F(RANDOM.normal(size=(6, 4)))
EMBEDDED /= np.linalg.norm(EMBEDDED, axis=1, keepdims=True)

Row = tuple[str, dict[str, Any], list[tuple[Any, ...]]]  # class, arguments, batches of (y_true, y_pred[, sample_weight])
BINARY: list[tuple[Any, ...]] = [(BITS[:2], HALVES[:2]), (BITS[2:], HALVES[2:])]
WEIGHTED: list[tuple[Any, ...]] = [(BITS[:2], HALVES[:2], WEIGHTS[:2]), (BITS[2:], HALVES[2:], WEIGHTS[2:])]
LABELLED: list[tuple[Any, ...]] = [(BITS, HALVES, BY_LABEL)]
FLAT: list[tuple[Any, ...]] = [(BITS.ravel(), HALVES.ravel()), (BITS.ravel(), 1 - HALVES.ravel(), BY_LABEL.ravel())]

ROWS: list[Row] = [
    *(
        (kind, arguments, data)
        for kind in ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives", "Precision", "Recall")
        for arguments in ({}, {"thresholds": 0.25}, {"thresholds": [0.0, 0.5, 0.75, 1.0]})
        for data in (BINARY, WEIGHTED, LABELLED)
    ),
    *(
        (kind, arguments, data)
        for kind in ("Precision", "Recall")
        for arguments in ({"class_id": 0}, {"class_id": 2, "thresholds": 0.25}, {"top_k": 2}, {"top_k": 1, "class_id": 1})
        for data in (BINARY, WEIGHTED, LABELLED)
    ),
    *((kind, {"top_k": k}, [(TIED, TIES)]) for kind in ("Precision", "Recall") for k in (1, 2, 3, 4)),
    *(
        (kind, {name: value, **more}, data)
        for kind, name in (
            ("SensitivityAtSpecificity", "specificity"),
            ("SpecificityAtSensitivity", "sensitivity"),
            ("PrecisionAtRecall", "recall"),
            ("RecallAtPrecision", "precision"),
        )
        for value in (0.0, 0.4, 0.5, 0.75, 1.0)
        for more in ({"num_thresholds": 5}, {"num_thresholds": 1}, {})
        for data in (FLAT, LABELLED)
    ),
    *(
        ("AUC", {"curve": curve, "summation_method": method, **more}, data)
        for curve in ("ROC", "PR")
        for method in ("interpolation", "minoring", "majoring")
        for more in ({"num_thresholds": 5}, {"thresholds": [0.75, 0.25, 0.5]}, {})
        for data in (FLAT, LABELLED, WEIGHTED)
    ),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 7}, FLAT),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 7}, [(1 - BITS.ravel(), HALVES.ravel())]),
    ("AUC", {"from_logits": True, "num_thresholds": 9}, [(BITS, LOGITS)]),
    *(
        ("AUC", {"multi_label": True, "num_thresholds": 5, **more}, data)
        for more in (
            {},
            {"num_labels": 3},
            {"label_weights": [1.0, 2.0, 5.0]},
            {"label_weights": [1.0, 2.0, 5.0], "curve": "PR"},
        )
        for data in (BINARY, WEIGHTED)
    ),
    ("AUC", {"label_weights": [1.0, 2.0, 5.0], "num_thresholds": 5}, BINARY),
    *(("BinaryAccuracy", arguments, data) for arguments in ({}, {"threshold": 0.75}) for data in (BINARY, WEIGHTED)),
    *(
        ("FBetaScore", {"average": average, **more}, data)
        for average in (None, "micro", "macro", "weighted")
        for more in ({"beta": 2.0, "threshold": 0.5}, {"beta": 0.5}, {"threshold": 0.25})
        for data in (BINARY, WEIGHTED)
    ),
    ("F1Score", {"threshold": 0.5}, BINARY),
    *(
        (kind, {"num_classes": 4, **more}, data)
        for kind, more in (
            ("MeanIoU", {}),
            ("MeanIoU", {"ignore_class": 2}),
            ("IoU", {"target_class_ids": [0, 3]}),
            ("IoU", {"target_class_ids": [2], "ignore_class": 0}),
        )
        for data in ([(CLASSES, GUESSED)], [(CLASSES, GUESSED, np.arange(8.0))], [(CLASSES[:3], GUESSED[:3]), (CLASSES[3:4], GUESSED[3:4])])
    ),
    ("BinaryIoU", {}, [(BITS, HALVES)]),
    ("BinaryIoU", {"target_class_ids": [1], "threshold": 0.25}, [(BITS, HALVES), (BITS, 1 - HALVES)]),
    ("OneHotIoU", {"num_classes": 3, "target_class_ids": [0, 2]}, [(np.eye(3)[IDS], LOGITS)]),
    ("OneHotIoU", {"num_classes": 3, "target_class_ids": [0, 2], "axis": 1}, [(np.eye(3)[IDS][:, :, None], LOGITS[:, :, None])]),
    ("OneHotMeanIoU", {"num_classes": 3, "sparse_y_pred": True}, [(np.eye(3)[IDS], np.array([1, 1, 0, 2]))]),
    *(
        ("R2Score", {"class_aggregation": aggregation, **more}, data)
        for aggregation in (None, "uniform_average", "variance_weighted_average")
        for more in ({}, {"num_regressors": 2})
        for data in ([(REALS, OTHERS)], [(REALS[:3], OTHERS[:3]), (REALS[3:], OTHERS[3:])], [(REALS, OTHERS, np.arange(1.0, 8.0))])
    ),
    *((kind, {}, [(REALS, OTHERS), (OTHERS, REALS, np.arange(7.0))]) for kind in ("ConcordanceCorrelation", "PearsonCorrelation")),
    ("ConcordanceCorrelation", {"axis": 0}, [(REALS, OTHERS)]),
    *(
        (kind, {}, [(REALS[:4], OTHERS[:4]), (REALS[4:], OTHERS[4:], F([1, 0, 3]))])
        for kind in ("MeanSquaredError", "MeanAbsoluteError", "RootMeanSquaredError", "CosineSimilarity", "LogCoshError")
    ),
    *(
        ("TopKCategoricalAccuracy", {"k": k}, [(np.eye(5)[[1, 4]], TIES), (np.eye(5)[[0, 3]], TIES, F([1, 3]))]) for k in (1, 2, 3)
    ),
    *(("SparseTopKCategoricalAccuracy", {"k": k}, [(np.array([1, 4]), TIES), (np.array([0, 3]), TIES, F([1, 3]))]) for k in (1, 2, 3)),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, [(IDS, SORTED_IDS)]),
    ("SparseTopKCategoricalAccuracy", {"k": 1, "from_sorted_ids": True}, [(IDS, SORTED_IDS)]),
    ("CategoricalAccuracy", {}, [(np.eye(5)[[0, 1]], TIES), (np.eye(5)[[2, 0]], TIES, F([1, 3]))]),
    ("SparseCategoricalAccuracy", {}, [(np.array([[0], [1]]), TIES), (np.array([[2], [0]]), TIES, F([1, 3]))]),
    ("Accuracy", {}, [(IDS, np.array([1, 0, 0, 2])), (IDS, np.array([1, 0, 0, 2]), WEIGHTS)]),
]  # fmt: skip


def scenarios(keras: Any) -> dict[str, Callable[[], list[Any]]]:
    """Return name -> a function that returns the results of a metric after each batch."""
    made: dict[str, Callable[[], list[Any]]] = {}
    for number, (kind, arguments, data) in enumerate(ROWS):
        said = " ".join(f"{k}={v}" for k, v in arguments.items())
        made[f"{number} {kind} {said}".strip()] = lambda k=kind, a=arguments, d=data: results(keras, k, a, d)
    for number, (metric, data) in enumerate((m, d) for m in ("Sum", "Mean") for d in VALUES):
        made[f"{metric} {number}"] = lambda m=metric, d=data: added(getattr(keras.metrics, m)(), d)
    return made


VALUES: list[list[tuple[Any, ...]]] = [
    [(F([1, 2, 4]),), (F([8.0]),)],
    [(F([1, 2, 4]), F([1, 0, 3])), (F([8.0]), F([0.5]))],
    [(HALVES, WEIGHTS), (HALVES[:2],)],
    [(HALVES, BY_LABEL)],
    [(F(3.0),), (F(5.0), F(2.0))],
]


def results(keras: Any, kind: str, arguments: dict[str, Any], data: list[tuple[Any, ...]]) -> list[Any]:
    return added(getattr(keras.metrics, kind)(**arguments), data)


def added(metric: Any, data: list[tuple[Any, ...]]) -> list[Any]:
    found = []
    for batch in data:
        metric.update_state(*batch)
        found.append(np.asarray(metric.result(), "float64"))
    return found


LOSSES: dict[str, Callable[[Any], Any]] = {
    "circle": lambda k: k.losses.Circle()(np.array([0, 1, 0, 2, 1, 0]), EMBEDDED),
    "circle with itself": lambda k: k.losses.Circle(remove_diagonal=False)(np.array([0, 1, 0, 2, 1, 0]), EMBEDDED),
    "circle by gamma and margin": lambda k: k.losses.Circle(gamma=10.0, margin=0.1)(np.array([0, 1, 0, 2, 1, 0]), EMBEDDED),
    "weights of steps": lambda k: k.losses.MeanSquaredError()(
        F(np.arange(12)).reshape(2, 3, 2), np.zeros((2, 3, 2)), F([[1, 0, 2], [0, 3, 1]])
    ),
    "large class numbers": lambda k: k.losses.SparseCategoricalCrossentropy(ignore_class=16777217)(
        np.array([16777217, 1]), F([[0.5, 0.5], [0.25, 0.75]])
    ),
    "ignored classes": lambda k: k.losses.SparseCategoricalCrossentropy(ignore_class=1)(IDS, np.full((4, 3), 1 / 3), WEIGHTS),
    "huber at its delta": lambda k: k.losses.Huber(delta=0.5)(F([[0.5, 1.0, 0.0]]), F([[0.0, 0.0, 0.0]])),
    "hinge of zeros and ones": lambda k: k.losses.Hinge()(F([[0, 1, 1]]), F([[0.5, -0.5, 2.0]])),
    "hinge of signs": lambda k: k.losses.Hinge()(F([[-1, 1, 1]]), F([[0.5, -0.5, 2.0]])),
    "mape of nothing": lambda k: k.losses.MeanAbsolutePercentageError()(F([[0.0, 2.0]]), F([[0.0, 1.0]])),
    "mse of a broadcast target": lambda k: k.losses.MeanSquaredError()(F(np.arange(6)).reshape(2, 3), F([[1], [2]])),
}  # fmt: skip
