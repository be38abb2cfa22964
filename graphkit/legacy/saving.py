"""Configs in the short form of Keras 2: a class name and its config. Source: keras.legacy.saving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import InvalidArgumentError, UnknownClassError
from graphkit.saving import custom_object_scope, get_custom_objects, get_registered_name, get_registered_object

__all__ = ["deserialize_keras_object", "serialize_keras_object"]


def serialize_keras_object(instance: Any) -> Any:
    """Return a config of the short form: `{"class_name": ..., "config": ...}`, or the name of a function.

    Args:
        instance: A Keras object, a function, or None.

    Raises:
        InvalidArgumentError: The object has neither `get_config` nor a name.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        return {"class_name": get_registered_name(type(instance)), "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return get_registered_name(instance)
    raise InvalidArgumentError(f"Cannot serialize {instance!r} because it doesn't implement `get_config()`.")


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """Return the object of a config of the short form, or the function with a name.

    Args:
        identifier: A config, the name of a function or class, an object (which is returned), or None.
        module_objects: Classes and functions by name, which are looked up last.
        custom_objects: Classes and functions by name, which are looked up first.
        printable_module_name: What the objects are, for errors.

    Raises:
        UnknownClassError: There is no object of this name.
        InvalidArgumentError: `identifier` is no config, name or object.
    """
    if identifier is None or not isinstance(identifier, (str, dict)):
        if identifier is None or callable(identifier) or hasattr(identifier, "get_config"):
            return identifier
        raise InvalidArgumentError(f"Could not interpret serialized {printable_module_name}: {identifier!r:.100}")
    if isinstance(identifier, str):
        found = _looked_up(identifier, module_objects, custom_objects, printable_module_name)
        return found() if isinstance(found, type) else found
    if "class_name" not in identifier or "config" not in identifier:
        raise InvalidArgumentError(
            f"Improper config format for {sorted(identifier)}: expects the keys 'class_name' and 'config'."
        )
    cls = _looked_up(str(identifier["class_name"]), module_objects, custom_objects, printable_module_name)
    config = dict(identifier["config"])
    with custom_object_scope(dict(custom_objects or {})):
        return cls.from_config(config) if hasattr(cls, "from_config") else cls(**config)


def _looked_up(name: str, module_objects: Any, custom_objects: Any, kind: str) -> Any:
    for place in (custom_objects, get_custom_objects(), module_objects):
        if place and name in place:
            return place[name]
    found = get_registered_object(name, dict(custom_objects or {}), dict(module_objects or {}))
    if found is None:
        raise UnknownClassError(
            f"Unknown {kind}: {name!r}. Please ensure you are using a `keras.utils.custom_object_scope` and that this object is "
            "included in the scope, or pass `custom_objects`."
        )
    return found
