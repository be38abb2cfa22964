"""Pipeline: a sequence of layers as one layer."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from graphkit.core import nest
from graphkit.core.declared import argument
from graphkit.core.errors import SerializationError
from graphkit.core.serialization import keras_class
from graphkit.layers.declared import BuiltInLayer
from graphkit.layers.layer import Layer, inner_layer


@keras_class("keras.layers")
class Pipeline(BuiltInLayer):
    """Applies layers one after another, inside a model or outside for preprocessing. Source: keras.layers.Pipeline."""

    augments = True

    argument_order = config_order = "layers name"
    passes_on = False

    _pipeline_layers: list[Layer] = argument(convert=list, alias="layers")

    @property
    def layers(self) -> list[Layer]:
        """The layers, in the order in which they are applied."""
        return self._pipeline_layers

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        """Return the outputs of the last layer."""
        for layer in self._pipeline_layers:
            takes = _arguments_of(layer)
            given = {"mask": mask, "training": training}
            inputs = layer(inputs, **{n: v for n, v in given.items() if n in takes and v is not None})
            mask = next((m for m in (getattr(t, "mask", None) for t in nest.flatten(inputs)) if m is not None), None)
        return inputs

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Return a new pipeline with this config.

        Raises:
            SerializationError: the config has no list of layers.
        """
        layers = config.get("layers")
        if not isinstance(layers, (list, tuple)):
            raise SerializationError(
                f"`Pipeline` config must contain a `layers` key mapping to a list of serialized layers. Received layers={layers}."
            )
        return cls([inner_layer(config, layer) for layer in layers], name=config.get("name"))


def _arguments_of(layer: Layer) -> Any:
    return inspect.signature(type(layer).call).parameters
