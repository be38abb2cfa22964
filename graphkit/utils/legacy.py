"""keras.utils.legacy: the older pair of functions for objects as JSON data."""

from __future__ import annotations

from graphkit.saving import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize_keras_object", "serialize_keras_object"]
