"""A layer with a weight, written with the package's own op."""

from __future__ import annotations

from typing import Any

from acmenet.ops import soft_limit
from graphkit.extend import Layer, register_keras_serializable


@register_keras_serializable(package="acmenet")
class SoftLimit(Layer):
    """Limit each feature to a learned range.

    Args:
        power: the sharpness of the bend, an even number.
    """

    def __init__(self, power: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.power = power

    def build(self, input_shape: Any) -> None:
        """Make the weight: the limit of each feature."""
        self.limit = self.add_weight(name="limit", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs: Any) -> Any:
        """Return the limited inputs."""
        return self.limit * soft_limit(inputs / self.limit, power=self.power)
