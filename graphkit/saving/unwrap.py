"""The config of a model inside other data: JSON in JSON, an object with other keys, the bare result of get_config()."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import SerializationError
from graphkit.core.serialization import is_envelope
from graphkit.saving import bounds, formats

_MAX_WRAPS = 8
_CONTEXT = ("keras_version", "backend")


def layers_in(entry: Mapping[str, Any]) -> list[Any] | None:
    """Return the entries of `layers` of a model's envelope, of any version; None for a layer."""
    config = entry.get("config")
    if isinstance(config, list):
        return config
    if isinstance(config, Mapping) and isinstance(config.get("layers"), list):
        return list(config["layers"])
    return None


def unwrapped(config: Any, what: str) -> Mapping[str, Any]:
    """Return the envelope of a model that is `config` or inside it. Raises SerializationError, naming `what`, if there is none."""
    found = config
    context: dict[str, Any] = {}
    for _ in range(_MAX_WRAPS):
        if isinstance(found, (str, bytes)):
            found = bounds.parse_json(found, what)
            continue
        if not isinstance(found, (Mapping, list)):
            raise SerializationError(f"{what} holds a {type(found).__name__}, not the config of a model.")
        if isinstance(found, Mapping):
            context = {**{k: found[k] for k in _CONTEXT if k in found}, **context}
        if is_envelope(found):
            return {**context, **dict(found)}
        inner = _one_step_in(found)
        if inner is None:
            break
        found = inner
    shown = sorted(map(str, found))[:10] if isinstance(found, Mapping) else type(found).__name__
    raise SerializationError(f"{what} is not the config of a model: it has no class_name and config, but {shown}.")


def _one_step_in(found: Any) -> Any:
    if isinstance(found, list):  # the config of a Sequential of Keras 1
        return _dump("Sequential", found) if found and all(is_envelope(e) for e in found) else None
    foreign = formats.unwrapped_by_format(found)
    if foreign is not None:
        return foreign
    if isinstance(found.get("layers"), list):  # the result of get_config(), without its class
        return _dump("Functional" if "output_layers" in found else "Sequential", found)
    candidates = [v for v in found.values() if _may_hold_model(v)]
    return candidates[0] if len(candidates) == 1 else None


def _dump(class_name: str, config: Any) -> dict[str, Any]:
    """Return the envelope of a get_config(). Its version is None, unknown: an envelope without the key is of Keras 1.0."""
    return {"class_name": class_name, "config": config, "keras_version": None}


def _may_hold_model(value: Any) -> bool:
    """Whether an entry of an unknown object is a model: `{"keras_model": {...}, "classes": [...]}`."""
    if isinstance(value, str):
        return value.lstrip()[:1] == "{" and '"class_name"' in value
    if not isinstance(value, Mapping):
        return False
    return (is_envelope(value) and _has_layers(value["config"])) or _has_layers(value) or _may_hold_one(value)


def _may_hold_one(value: Mapping[str, Any]) -> bool:
    return sum(isinstance(v, Mapping) and is_envelope(v) and _has_layers(v["config"]) for v in value.values()) == 1


def _has_layers(config: Any) -> bool:
    return isinstance(config, list) or (isinstance(config, Mapping) and isinstance(config.get("layers"), list))
