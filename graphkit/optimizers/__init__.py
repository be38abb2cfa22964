"""Optimizers, by Keras' names. Source: keras.optimizers (Keras 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.serialization import classes_of, custom_object_scope, resolve
from graphkit.core.serialization import serialize as _serialize
from graphkit.optimizers import schedules
from graphkit.optimizers.adafactor import Adafactor
from graphkit.optimizers.adam import Adam, Adamax, AdamW, Lamb, Nadam
from graphkit.optimizers.loss_scale import LossScaleOptimizer
from graphkit.optimizers.methods import SGD, Adadelta, Adagrad, Ftrl, Lion, RMSprop
from graphkit.optimizers.multi import MultiOptimizer, OptimizerMap
from graphkit.optimizers.muon import Muon
from graphkit.optimizers.optimizer import Optimizer
from graphkit.optimizers.schedule_free import ScheduleFreeAdamW

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]  # fmt: skip


def get(identifier: Any) -> Any:
    """Return an optimizer for a name in any case, a config, a class or an object.

    Raises:
        UnknownClassError: The name is unknown.
        InvalidArgumentError: `identifier` is of an unsupported type.

    Source: keras.optimizers.get.
    """
    if isinstance(identifier, str):
        by_name = {name.lower(): cls for name, cls in classes_of("keras.optimizers").items()}
        return (
            by_name[identifier.lower()]()
            if identifier.lower() in by_name
            else resolve(identifier, "keras.optimizers", "optimizer")
        )
    if isinstance(identifier, Mapping) and isinstance(identifier.get("class_name"), str):
        by_name = {name.lower(): cls for name, cls in classes_of("keras.optimizers").items()}
        found = by_name.get(identifier["class_name"].split(">")[-1].lower())
        if found is not None:
            return found.from_config(identifier["config"])
    return resolve(identifier, "keras.optimizers", "optimizer")


def serialize(optimizer: Any) -> Any:
    """Return an optimizer as JSON data."""
    return _serialize(optimizer)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """Return an optimizer for its config or name; see `get`."""
    with custom_object_scope(custom_objects):
        return get(config)
