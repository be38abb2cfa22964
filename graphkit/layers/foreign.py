"""Layers that wrap a part of another framework. They are known by name, so that the refusal can say why."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit.core.errors import InvalidTypeError
from graphkit.core.serialization import keras_class
from graphkit.layers.layer import Layer

_HOME = "keras.layers"


class _Foreign(Layer):
    """Raises InvalidTypeError when it is made."""

    wraps: ClassVar[str] = ""
    instead: ClassVar[str] = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise InvalidTypeError(f"{type(self).__name__} wraps {self.wraps}, which graphkit does not run. {self.instead}")


@keras_class(_HOME)
class TorchModuleWrapper(_Foreign):
    """A PyTorch module: not here. Source: keras.layers.TorchModuleWrapper."""

    wraps = "a PyTorch module"
    instead = "Export the module with torch.onnx.export and load the .onnx file with graphkit.load."


@keras_class(_HOME)
class JaxLayer(_Foreign):
    """A JAX function: not here. Source: keras.layers.JaxLayer."""

    wraps = "a JAX function"
    instead = "Write it with graphkit.ops in the `call` of a Layer, or as a Lambda."


@keras_class(_HOME)
class FlaxLayer(_Foreign):
    """A Flax module: not here. Source: keras.layers.FlaxLayer."""

    wraps = "a Flax module"
    instead = "Write it with graphkit.ops in the `call` of a Layer."


@keras_class(_HOME)
class TFSMLayer(_Foreign):
    """A TensorFlow SavedModel: not here. Source: keras.layers.TFSMLayer."""

    wraps = "a TensorFlow SavedModel"
    instead = "Convert it with tf2onnx and load the .onnx file with graphkit.load."
