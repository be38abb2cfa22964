"""Models and weights in files: `.keras` archives, `.weights.h5`, `.npz`, JSON. Source: keras.saving (Keras 3)."""

from graphkit.core.serialization import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from graphkit.core.serialization import serialize as serialize_keras_object
from graphkit.saving.api import load_model, load_weights, save_model, save_weights
from graphkit.saving.file_editor import KerasFileEditor
from graphkit.saving.inspection import inspect_file
from graphkit.saving.model_config import deserialize_keras_object, model_from_json, model_to_json

__all__ = [
    "CustomObjectScope",
    "KerasFileEditor",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "inspect_file",
    "load_model",
    "load_weights",
    "model_from_json",
    "model_to_json",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
