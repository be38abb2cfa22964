"""Keras layers that wrap parts of other frameworks. They are registered so that the error can explain why they do not load."""

from __future__ import annotations

from typing import Any, ClassVar

from graphkit.core.errors import InvalidTypeError
from graphkit.core.serialization import keras_class
from graphkit.layers.layer import Layer

_HOME = "keras.layers"


class _Foreign(Layer):
    """A layer whose constructor always raises InvalidTypeError."""

    wraps: ClassVar[str] = ""
    instead: ClassVar[str] = ""

    def __init_subclass__(cls, *, wraps: str = "", instead: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.wraps, cls.instead = wraps or cls.wraps, instead or cls.instead

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise InvalidTypeError(f"{type(self).__name__} wraps {self.wraps}, which graphkit does not run. {self.instead}")


_BY_ONNX = "Export the module with torch.onnx.export and load the .onnx file with graphkit.load."
_BY_OPS = "Write it with graphkit.ops in the `call` of a Layer."


@keras_class(_HOME)
class TorchModuleWrapper(_Foreign, wraps="a PyTorch module", instead=_BY_ONNX):
    """A PyTorch module: not supported. Source: keras.layers.TorchModuleWrapper."""


@keras_class(_HOME)
class JaxLayer(_Foreign, wraps="a JAX function", instead=f"{_BY_OPS[:-1]}, or as a Lambda."):
    """A JAX function: not supported. Source: keras.layers.JaxLayer."""


@keras_class(_HOME)
class FlaxLayer(_Foreign, wraps="a Flax module", instead=_BY_OPS):
    """A Flax module: not supported. Source: keras.layers.FlaxLayer."""


@keras_class(_HOME)
class TFSMLayer(
    _Foreign,
    wraps="a TensorFlow SavedModel",
    instead="Convert it with tf2onnx and load the .onnx file with graphkit.load.",
):
    """A TensorFlow SavedModel: not supported. Source: keras.layers.TFSMLayer."""
