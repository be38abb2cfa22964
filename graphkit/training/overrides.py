"""Which training methods a model has of its own, and what follows from that."""

from __future__ import annotations

from typing import Any

from graphkit.models.trainer import Trainer

# Methods whose override changes what a step of `fit` or `evaluate` does with its data.
_OF_DATA = ("train_step", "test_step", "compute_loss", "compute_metrics", "make_train_function", "make_test_function")


def overrides(model: Any, name: str) -> bool:
    """Return whether a model has its own method of this name, from its class or set as an attribute."""
    return getattr(type(model), name) is not getattr(Trainer, name) or name in model.__dict__


def takes_data_as_given(model: Any, kind: str) -> bool:
    """Return whether a model's own methods receive the data, which are then not arranged by the model's inputs and outputs."""
    if kind == "predict":
        return overrides(model, "predict_step") or overrides(model, "make_predict_function")
    return any(overrides(model, name) for name in _OF_DATA)
