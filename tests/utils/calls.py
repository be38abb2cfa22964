"""Calls of keras.utils, which fixtures/make_utils_answers.py makes with real Keras, and the tests with graphkit."""

from __future__ import annotations

from typing import Any

from tests.utils.sample_files import images, sounds, texts

FOLDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "images.plain": ("image", {"image_size": (6, 5), "shuffle": False}),
    "images.categorical": ("image", {"image_size": 4, "shuffle": False, "label_mode": "categorical", "batch_size": 2}),
    "images.binary_crop": (
        "image",
        {"image_size": (5, 4), "shuffle": False, "label_mode": "binary", "crop_to_aspect_ratio": True},
    ),
    "images.grey": ("image", {"image_size": (4, 4), "shuffle": False, "color_mode": "grayscale"}),
    "images.first": ("image", {"image_size": (4, 4), "shuffle": False, "data_format": "channels_first"}),
    "images.no_labels": ("image", {"image_size": (4, 4), "shuffle": False, "labels": None}),
    "images.own_labels": ("image", {"image_size": (4, 4), "shuffle": False, "labels": [3, 1, 3, 2, 1]}),
    "images.classes": ("image", {"image_size": (4, 4), "shuffle": False, "class_names": ["dogs", "cats"]}),
    "images.training": (
        "image",
        {"image_size": (4, 4), "seed": 7, "validation_split": 0.4, "subset": "validation", "shuffle": True},
    ),
    "texts.plain": ("text", {"shuffle": False, "max_length": 6}),
    "texts.classes": ("text", {"shuffle": False, "class_names": ["pos", "neg"], "label_mode": "categorical"}),
    "sounds.plain": ("audio", {"shuffle": False}),
    "sounds.cut": ("audio", {"shuffle": False, "output_sequence_length": 15}),
}
MAKERS = {"image": images, "text": texts, "audio": sounds}
SERIES: dict[str, dict[str, Any]] = {
    "series.plain": {"sequence_length": 3},
    "series.strided": {"sequence_length": 4, "sequence_stride": 3, "sampling_rate": 2, "batch_size": 2},
    "series.part": {"sequence_length": 2, "start_index": 3, "end_index": 15, "batch_size": None},
}
SPLITS: dict[str, dict[str, Any]] = {
    "split.left": {"left_size": 0.3},
    "split.right": {"right_size": 4},
    "split.both": {"left_size": 2, "right_size": 3},
    "split.fractions": {"left_size": 0.25, "right_size": 0.33},
}

TABLE: dict[str, list[Any]] = {
    "city": ["b", "a", "c", "a", "b", "a"],
    "day": [3, 1, 1, 2, 3, 3],
    "size": [1.5, -2.0, 0.25, 4.0, 8.0, -1.0],
    "share": [0.1, 0.9, 0.35, 0.2, 0.75, 0.5],
}


def feature_spaces(space: Any, layers: Any) -> dict[str, Any]:
    """Return feature spaces of all kinds, made with a package's FeatureSpace and layers."""
    return {
        "concat": space(
            {
                "city": "string_categorical",
                "day": "integer_categorical",
                "size": "float_normalized",
                "share": space.float_discretized(num_bins=4),
            },
            crosses=[("city", "day")],
            crossing_dim=6,
        ),
        "hashed": space(
            {
                "city": space.string_hashed(num_bins=5),
                "day": "integer_hashed",
                "size": "float",
                "share": "float_rescaled",
            },
            hashing_dim=3,
        ),
        "dict": space(
            {
                "city": space.string_categorical(max_tokens=3, num_oov_indices=2, output_mode="int"),
                "day": space.integer_categorical(output_mode="int"),
                "size": space.float_rescaled(scale=0.5, offset=3.0),
                "share": space.float_discretized(num_bins=3, output_mode="int"),
            },
            crosses=[space.cross(("city", "day"), crossing_dim=7, output_mode="int")],
            output_mode="dict",
        ),
        "own_layer": space(
            {
                "city": space.feature("string", layers.StringLookup(output_mode="multi_hot"), "float"),
                "size": space.feature("float32", layers.Rescaling(2.0), "float"),
            }
        ),
    }
