"""Two layer classes used only in keras.applications; files refer to them by Keras' modules."""

from __future__ import annotations

from typing import Any

from graphkit import initializers
from graphkit.core.declared import argument
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import BuiltInLayer


@keras_class("keras.src.applications.convnext")
class LayerScale(BuiltInLayer):
    """A learned factor for each channel (Touvron et al. 2021, arXiv:2103.17239). Source: keras.applications.convnext.

    Args:
        init_values: the initial value of the factors.
        projection_dim: the number of channels.
    """

    keras_registered_name = "LayerScale"

    init_values: float = argument()
    projection_dim: int = argument()

    def build(self, input_shape: Any) -> None:
        """Create the factors (projection_dim,)."""
        self.gamma = self.add_weight(shape=(self.projection_dim,), initializer=initializers.Constant(self.init_values))

    def call(self, inputs: Any) -> Any:
        """Return the scaled inputs."""
        return inputs * self.gamma


@keras_class("keras.src.applications.inception_resnet_v2")
class CustomScaleLayer(BuiltInLayer):
    """inputs[0] + scale * inputs[1]. Source: keras.applications.inception_resnet_v2."""

    keras_registered_name = "CustomScaleLayer"

    scale: float = argument()

    def call(self, inputs: Any) -> Any:
        """Return the sum."""
        return inputs[0] + inputs[1] * self.scale
