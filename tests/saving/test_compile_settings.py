"""What `compile` was given, read from a file: all parts, and what is left out."""

from __future__ import annotations

import pytest

from graphkit.converters.keras_legacy.compile_settings import optimizer_of
from graphkit.saving.compile_settings import compile_arguments


def test_each_part_is_read() -> None:
    settings = {
        "optimizer": "sgd", "loss": "mse", "loss_weights": [2.0], "metrics": ["mae"], "weighted_metrics": ["accuracy"],
    }  # fmt: skip

    made = compile_arguments(settings)

    assert (made["loss"], made["loss_weights"]) == ("mse", [2.0])
    assert (made["metrics"], made["weighted_metrics"]) == (["mae"], ["accuracy"])
    assert type(made["optimizer"]).__name__ == "SGD"


def test_an_unknown_metric_is_left_out_and_named() -> None:
    with pytest.warns(UserWarning, match="The weighted_metric 'marvel' of the file is left out"):
        made = compile_arguments({"optimizer": "sgd", "loss": "mse", "weighted_metrics": ["mae", "marvel"]})

    assert made["weighted_metrics"] == ["mae"]


@pytest.mark.parametrize(("version", "initial"), [("2.2.4", 0.0), ("2.2.4-tf", 0.1), ("2.15.0", 0.1)])
def test_adagrad_of_keras_itself_began_with_zero(version: str, initial: float) -> None:
    made = optimizer_of({"class_name": "Adagrad", "config": {"lr": 0.01}}, version)

    assert made.initial_accumulator_value == initial
