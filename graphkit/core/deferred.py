"""Front-door methods of models live in rooms above them (training, saving, runtime, ...): found by name when first called.

This table is the only place where a lower room names a higher one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = {
    "training": "graphkit.training.trainer",
    "saving": "graphkit.saving.api",
    "model_config": "graphkit.saving.model_config",
    "formats": "graphkit.saving.formats",
    "runtime": "graphkit.runtime.predictor",
    "summary": "graphkit.visualization.summary",
    "plot": "graphkit.visualization.plot",
    "onnx": "graphkit.converters.onnx",
    "lowerings": "graphkit.converters.onnx.registry",
}


def room(name: str) -> Any:
    """The module that answers for "training", "saving", "runtime", "summary", "plot" or "onnx"."""
    return import_module(_ROOMS[name])


# Classes that files may name and that stand in rooms which are not imported for every file, by Keras' module of theirs.
_CLASSES = {
    "keras.utils": "graphkit.utils.feature_space",
    "keras.src.layers.preprocessing.feature_space": "graphkit.utils.feature_space",
}


def import_classes(keras_module: str) -> bool:
    """Import the module that registers the classes of one of Keras' modules; whether there is one."""
    if keras_module not in _CLASSES:
        return False
    import_module(_CLASSES[keras_module])
    return True
