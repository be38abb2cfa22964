"""Pipeline: layers one after the other, as one layer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import SerializationError
from graphkit.core.serialization import keras_class, serialize
from graphkit.layers.layer import Layer, inner_layer


@keras_class("keras.layers")
class Pipeline(Layer):
    """Layers applied in turn, for preprocessing outside of a model or inside. Source: keras.layers.Pipeline."""

    augments = True

    def __init__(self, layers: Any, name: str | None = None) -> None:
        super().__init__(name=name)
        self._pipeline_layers = list(layers)

    @property
    def layers(self) -> list[Layer]:
        """The layers."""
        return self._pipeline_layers

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        """The outputs of the last layer."""
        for layer in self._pipeline_layers:
            takes = _arguments_of(layer)
            given = {"mask": mask, "training": training}
            inputs = layer(inputs, **{n: v for n, v in given.items() if n in takes and v is not None})
            mask = next((m for m in (getattr(t, "mask", None) for t in nest.flatten(inputs)) if m is not None), None)
        return inputs

    def get_config(self) -> dict[str, Any]:
        """The layers' envelopes and the name."""
        return {"layers": serialize(self._pipeline_layers), "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """The pipeline of these layers. Raises SerializationError if there is no list of them."""
        layers = config.get("layers")
        if not isinstance(layers, (list, tuple)):
            raise SerializationError(
                f"`Pipeline` config must contain a `layers` key mapping to a list of serialized layers. Received layers={layers}."
            )
        return cls([inner_layer(config, layer) for layer in layers], name=config.get("name"))


def _arguments_of(layer: Layer) -> Any:
    return inspect.signature(type(layer).call).parameters
