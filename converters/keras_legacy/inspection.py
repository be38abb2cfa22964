"""Inspection of Keras' HDF5 files, without reading their weights."""

from __future__ import annotations

from math import prod
from typing import Any

from graphkit.core.errors import SerializationError
from graphkit.saving.inspection import optimizer_name, report_of_config, report_of_weights
from graphkit.saving.keras_formats import Hdf5Weights
from graphkit.saving.source import Source
from graphkit.saving.stores import Table, open_hdf5

from .hdf5 import json_attribute, text_of, weight_groups


def report_of_hdf5(source: Source) -> dict[str, Any]:
    """Return the layers, optimizer and parameter counts of a whole model, or of a weights file."""
    what = source.what
    with open_hdf5(source.path, what) as table:
        attributes = table.attributes.get("", {})
        by_layer = _parameters_by_layer(table, what)
        if "model_config" not in attributes:
            return _of_weights(table, by_layer)
        config = json_attribute(attributes, "model_config", what)
        optimizer = None
        if "training_config" in attributes:
            training = json_attribute(attributes, "training_config", what)
            optimizer = optimizer_name(training.get("optimizer_config")) if isinstance(training, dict) else None
        if "keras_version" in attributes and isinstance(config, dict):
            config.setdefault("keras_version", text_of(attributes["keras_version"]))
    report = {**report_of_config(config, what), "optimizer": optimizer}
    for layer in report["layers"]:
        layer["parameters"] = by_layer.get(layer["name"], None if "/" in layer["name"] else 0)
    return {**report, "parameters": sum(by_layer.values())}


def _of_weights(table: Table, by_layer: dict[str, int]) -> dict[str, Any]:
    groups = (table.attributes.get(group, {}) for group in ("", "model_weights"))
    version = next((text_of(group["keras_version"]) for group in groups if "keras_version" in group), None)
    layers = [{"name": name, "class": None, "parameters": count} for name, count in by_layer.items()]
    return {**report_of_weights(table), "format": Hdf5Weights.name, "keras_version": version, "layers": layers}


def _parameters_by_layer(table: Table, what: str) -> dict[str, int]:
    try:
        groups = weight_groups(table, what)
    except SerializationError:
        return {}
    return {g.layer_name: sum(prod(e.shape) for e in g.entries) for g in groups}
