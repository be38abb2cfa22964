"""Configs of Keras 0.1 to 0.3 translated to Keras 1: `{"name": "Sequential", "layers": [{"name": "Dense", ...}, ...]}`.

The class of a layer is under `name`, with its arguments beside it. Source: files of 2015 and 2016.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import SerializationError

Config = dict[str, Any]

_DROPPED = ("cache_enabled", "name", "custom_name", "layers", "input_shape", "target", "beta")
_RENAMED = {"Reshape": {"dims": "target_shape"}}
_REMOVED = ("Graph", "Siamese", "SiamesePruner", "AutoEncoder", "LambdaMerge")


def is_keras0(found: Mapping[str, Any]) -> bool:
    """Whether a config is of Keras 0."""
    layers = found.get("layers")
    return (
        isinstance(layers, list)
        and bool(layers)
        and all(isinstance(e, Mapping) and isinstance(e.get("name"), str) and "class_name" not in e for e in layers)
    )


def in_keras1_words(found: Mapping[str, Any]) -> Config:
    """Return the envelope of a Sequential. Raises SerializationError for classes that Keras 1 removed."""
    return {"class_name": "Sequential", "config": _layers(found["layers"], Counter()), "keras_version": "0"}


def _layers(entries: list[Any], counts: Counter[str]) -> list[Config]:
    return [_layer(entry, counts) for entry in entries]


def _layer(entry: Mapping[str, Any], counts: Counter[str]) -> Config:
    class_name = str(entry["name"])
    if class_name == "Sequential":
        return {"class_name": "Sequential", "config": _layers(entry["layers"], counts)}
    if class_name in _REMOVED:
        raise SerializationError(
            f"The file is of Keras 0, and Keras 1 removed {class_name!r}. Build the graph in Python, then call model.load_weights(path)."
        )
    counts[class_name] += 1
    renamed = _RENAMED.get(class_name, {})
    made = {renamed.get(k, k): v for k, v in entry.items() if k not in _DROPPED}
    if made.get("truncate_gradient") == -1:  # the whole sequence, as in later versions
        del made["truncate_gradient"]
    made["name"] = entry.get("custom_name") or f"{class_name.lower()}_{counts[class_name]}"
    shape = entry.get("input_shape")
    if isinstance(shape, list) and "batch_input_shape" not in made:
        made["batch_input_shape"] = [None, *shape]
    if isinstance(entry.get("layers"), list):
        made["layers"] = _layers(entry["layers"], counts)
    return {"class_name": class_name, "config": made}
