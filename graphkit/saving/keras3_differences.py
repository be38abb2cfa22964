"""Features of a model that Keras 3 does not have: layers and ops under graphkit's own names. Keras 3 cannot open files with them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from graphkit.activations import written_as_layers
from graphkit.core.serialization import OWN, classes_of, is_own

_OTHERS = frozenset({"compile_config", "registered_name", "module"})  # keys that are not searched


class NotInKerasWarning(UserWarning):
    """A file was written that Keras 3 cannot open, but graphkit can."""


def missing_in_keras(model: Any) -> list[str]:
    """Describe what a model has that Keras 3 does not, layer by layer."""
    try:
        config = model.get_config()
    except NotImplementedError:  # a user-defined class of models
        return []
    return list(dict.fromkeys(_found(config, getattr(model, "name", ""))))


def optimizer_differences(model: Any) -> Iterator[str]:
    """Describe what a compiled model's optimizer of older Keras does that files of Keras 3 cannot express."""
    optimizer = model.optimizer if getattr(model, "compiled", False) else None
    if getattr(optimizer, "epsilon_outside", False):
        yield f"{type(optimizer).__name__} of older Keras adds epsilon after the square root; Keras 3 adds it under the root"
    if getattr(optimizer, "schedule_decay", 1.0) != 1.0:
        name, decay = getattr(optimizer, "name", ""), getattr(optimizer, "schedule_decay", 1.0)
        yield f"schedule_decay={decay} of the optimizer {name!r}, which Keras 3 does not have"


def written_otherwise(model: Any) -> list[str]:
    """Describe what Keras 3 does not have and a file expresses with Keras' layers instead, layer by layer."""
    try:
        stack: list[tuple[Any, str]] = [(model.get_config(), getattr(model, "name", ""))]
    except NotImplementedError:  # a user-defined class of models
        return []
    found = []
    while stack:
        value, owner = stack.pop()
        if isinstance(value, Mapping):
            function = written_as_layers(value)
            if function is not None:
                kinds = [layer["class_name"] for layer in value["config"]["layers"]]
                found.append(f"layer {owner!r} uses {function.__name__}, which is written as {' and '.join(kinds)}")
                continue
            inner = value.get("config")
            name = inner.get("name") if isinstance(inner, Mapping) else None
            owner = str(name) if name and "class_name" in value else owner
            stack += [(item, owner) for key, item in reversed(list(value.items())) if key not in _OTHERS]
        elif isinstance(value, (list, tuple)):
            stack += [(item, owner) for item in reversed(value)]
    return list(dict.fromkeys(found))


def warn_of_missing(model: Any, path: Any) -> None:
    """Warn if Keras 3 cannot open what was written to `path`, or if the file does not hold everything of the optimizer."""
    for lost in optimizer_differences(model):
        warnings.warn(f"{str(path)!r} does not hold: {lost}.", NotInKerasWarning, stacklevel=3)
    found = missing_in_keras(model)
    if found:
        shown = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
        warnings.warn(f"Keras 3 cannot open {str(path)!r}: {shown}. graphkit can.", NotInKerasWarning, stacklevel=3)


def missing_layers() -> set[str]:
    """Return the names of the layers that graphkit has and Keras 3 does not."""
    return set(classes_of(f"{OWN}.layers"))


def _found(value: Any, owner: str) -> Iterator[str]:
    stack = [(value, owner)]
    while stack:
        value, owner = stack.pop()
        if isinstance(value, str) and value.startswith(f"{OWN}>"):
            yield f"layer {owner!r} uses {value.removeprefix(f'{OWN}>')}, which Keras 3 does not have"
        elif isinstance(value, Mapping):
            inner = value.get("config")
            name = inner.get("name") if isinstance(inner, Mapping) else None
            owner = str(name) if name and "class_name" in value else owner
            if is_own(value):
                yield f"{_kind(value)} {owner!r} is a {value['class_name']}, which Keras 3 does not have"
            if value.get("module") == "keras.layers" and isinstance(inner, Mapping) and inner.get("time_major"):
                yield f"layer {owner!r} has time_major=True, which Keras 3 does not have"
            stack += [(item, owner) for key, item in reversed(list(value.items())) if key not in _OTHERS]
        elif isinstance(value, (list, tuple)):
            stack += [(item, owner) for item in reversed(value)]


def _kind(entry: Mapping[str, Any]) -> str:
    """Return "layer", "op", "initializer", ...: the last part of the module that an envelope names, in the singular."""
    return str(entry.get("module")).split(".")[-1].removesuffix("s")
