"""keras.utils.legacy: the older functions that convert objects to and from JSON data."""

from __future__ import annotations

from graphkit.saving import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize_keras_object", "serialize_keras_object"]
