"""Modules of higher packages, imported when they are first needed: `Model.fit`, `save`, `export` and `plot` are defined in them.

This table is the only place where a lower package names a higher one.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "initializers": "graphkit.initializers",
    "training": "graphkit.training.trainer",
    "steps": "graphkit.training.steps",
    "saving": "graphkit.saving.api",
    "model_config": "graphkit.saving.model_config",
    "runtime": "graphkit.runtime.predictor",
    "summary": "graphkit.visualization.summary",
    "plot": "graphkit.visualization.plot",
    "onnx": "graphkit.converters.onnx",
    "onnx_tools": "graphkit.converters.onnx.tools",
    "lowerings": "graphkit.converters.onnx.registry",
    "operators": "graphkit.converters.onnx.operators.table",
}


def deferred(name: str) -> Any:
    """Return the module that the table lists under a name, such as "training" or "onnx"."""
    return import_module(_MODULES[name])


# Modules that register classes for files but are imported only for files that use them, by the module that files name.
_CLASSES = {
    "graphkit.onnx": "graphkit.converters.onnx.imports.layers",
    "keras.utils": "graphkit.utils.feature_space",
    "keras.src.layers.preprocessing.feature_space": "graphkit.utils.feature_space",
}


def import_classes(keras_module: str) -> bool:
    """Import the module that registers the classes of one of Keras' modules. Return whether there is one."""
    if keras_module not in _CLASSES:
        return False
    import_module(_CLASSES[keras_module])
    return True
