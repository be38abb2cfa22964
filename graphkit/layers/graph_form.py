"""Layers that files hold as the graph of their ops: Keras has no class for them, but all of the ops."""

from __future__ import annotations

from typing import Any

from graphkit.core import nest
from graphkit.core.errors import GraphKitError, InvalidTypeError
from graphkit.core.names import counted_anew
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.layers.context import call_context


def layer_as_model(layer: Any) -> Any:
    """Return the functional model of the ops that a layer's `call` consists of, for the shapes of its first call.

    Raises:
        InvalidTypeError: the layer has not been called, or a result does not depend on its inputs.
    """
    from graphkit.layers.input_layer import Input
    from graphkit.models.functional import Functional

    if not layer.nodes:
        raise InvalidTypeError(
            f"{type(layer).__name__} {layer.name!r} has never been called, so its graph is not known."
        )
    node = layer.nodes[0]
    tensors = nest.flatten(node.args[0])
    inputs = [
        Input(
            batch_shape=t.shape,
            dtype=t.dtype,
            name=f"{layer.name}_input_{i}" if len(tensors) > 1 else f"{layer.name}_input",
        )
        for i, t in enumerate(tensors)
    ]
    with call_context(training=False), counted_anew():
        outputs = layer.call(nest.pack(node.args[0], inputs))
    outputs = nest.map_structure(lambda o: o if isinstance(o, SymbolicTensor) else _constant(o, layer), outputs)
    return Functional(nest.pack(node.args[0], inputs), outputs, name=layer.name)


def _constant(value: Any, layer: Any) -> Any:
    raise InvalidTypeError(
        f"{type(layer).__name__} {layer.name!r} gives {type(value).__name__}, which does not depend on its inputs; "
        "it cannot be saved as a graph."
    )


class SavedAsGraph:
    """Mixin of layers without weights that Keras does not have: files hold the graph of their ops, which Keras opens.

    A layer that has not been called, or whose ops need sizes that are not known, is saved under its own name instead.
    """

    @property
    def saves_graph(self) -> bool:
        """Whether a file gets the graph of the layer's ops."""
        return self.as_saved() is not self

    def as_saved(self) -> Any:
        """Return the model that stands for this layer in a file, or the layer itself."""
        try:
            return layer_as_model(self)
        except (GraphKitError, TypeError, ValueError):  # what an op raises that is given None for a size
            return self
