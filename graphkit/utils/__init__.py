"""Helpers for training, with Keras' names. Source: keras.utils (Keras 3)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graphkit.config import disable_interactive_logging, enable_interactive_logging, is_interactive_logging_enabled
from graphkit.core.serialization import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)  # fmt: skip
from graphkit.core.serialization import serialize as serialize_keras_object
from graphkit.training.progbar import Progbar
from graphkit.utils.arrays import normalize, to_categorical
from graphkit.utils.batches import Batches, PyDataset, Sequence
from graphkit.utils.config import Config
from graphkit.utils.dataset import Dataset
from graphkit.utils.files import get_file
from graphkit.utils.parts import pack_x_y_sample_weight, split_dataset, unpack_x_y_sample_weight
from graphkit.utils.session import clear_session, set_random_seed
from graphkit.utils.tensors import get_source_inputs, is_keras_tensor, standardize_dtype
from graphkit.utils.timeseries import timeseries_dataset_from_array

if TYPE_CHECKING:
    from graphkit.preprocessing.sequence import pad_sequences
    from graphkit.saving import deserialize_keras_object
    from graphkit.utils import bounding_boxes, legacy
    from graphkit.utils.feature_space import FeatureSpace
    from graphkit.utils.folders import (
        audio_dataset_from_directory,
        image_dataset_from_directory,
        text_dataset_from_directory,
    )
    from graphkit.utils.images import array_to_img, img_to_array, load_img, save_img
    from graphkit.visualization import model_to_dot, plot_model

__all__ = [
    "Batches", "Config", "CustomObjectScope", "Dataset", "FeatureSpace", "Progbar", "PyDataset", "Sequence", "array_to_img",
    "audio_dataset_from_directory", "bounding_boxes", "clear_session", "custom_object_scope", "deserialize_keras_object",
    "disable_interactive_logging", "enable_interactive_logging", "get_custom_objects", "get_file", "get_registered_name",
    "get_registered_object", "get_source_inputs", "image_dataset_from_directory", "img_to_array",
    "is_interactive_logging_enabled", "is_keras_tensor", "legacy", "load_img", "model_to_dot", "normalize",
    "pack_x_y_sample_weight", "pad_sequences", "plot_model", "register_keras_serializable", "save_img",
    "serialize_keras_object", "set_random_seed", "split_dataset", "standardize_dtype", "text_dataset_from_directory",
    "timeseries_dataset_from_array", "to_categorical", "unpack_x_y_sample_weight",
]  # fmt: skip

# Imported when first used.
_LAZY = {
    "FeatureSpace": "graphkit.utils.feature_space",
    "array_to_img": "graphkit.utils.images",
    "audio_dataset_from_directory": "graphkit.utils.folders",
    "deserialize_keras_object": "graphkit.saving",
    "image_dataset_from_directory": "graphkit.utils.folders",
    "img_to_array": "graphkit.utils.images",
    "load_img": "graphkit.utils.images",
    "model_to_dot": "graphkit.visualization",
    "pad_sequences": "graphkit.preprocessing.sequence",
    "plot_model": "graphkit.visualization",
    "save_img": "graphkit.utils.images",
    "text_dataset_from_directory": "graphkit.utils.folders",
}
_MODULES = ("bounding_boxes", "legacy")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _MODULES:
        return import_module(f"graphkit.utils.{name}")
    raise AttributeError(f"module 'graphkit.utils' has no attribute {name!r}")
