"""Functional models: a graph between symbolic inputs and outputs, itself callable as a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from graphkit.core import nest
from graphkit.core.dims import Dim
from graphkit.core.errors import GraphError, InvalidArgumentError, InvalidTypeError, NameConflictError, ShapeError
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import keras_class
from graphkit.graph.layer_graph import LayerGraph
from graphkit.graph.node import Node
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, trace_structured
from graphkit.ir.variable import Variable
from graphkit.layers.context import call_context, current_context
from graphkit.layers.input_layer import Input, InputLayer
from graphkit.layers.layer import Layer
from graphkit.models.model import Model
from graphkit.ops._convert import tensor

if TYPE_CHECKING:
    import networkx


@keras_class("keras.src.models.functional")
class Functional(Model):
    """A model made of symbolic inputs and outputs.

    Args:
        inputs: a symbolic tensor, or a list or dict (or nest) of them.
        outputs: likewise.
        name, trainable: as for layers.

    Attributes:
        graph: the frozen networkx MultiDiGraph of its calls.

    Raises DisconnectedGraphError, NameConflictError, InvalidTypeError for what is no graph. Source: keras.Model.
    """

    keras_registered_name = "Functional"

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any) -> None:
        inputs = kwargs.pop("input") if inputs is None and "input" in kwargs else inputs
        outputs = kwargs.pop("output") if outputs is None and "output" in kwargs else outputs
        _check_tensors(inputs, "inputs")
        _check_tensors(outputs, "outputs")
        trainable = kwargs.pop("trainable", None)
        super().__init__(name=name, **kwargs)
        inputs, outputs = _from_input_layers(inputs, outputs)
        self._inputs_struct, self._outputs_struct = _plain(inputs), _plain(outputs)
        self.inputs: list[SymbolicTensor] = nest.flatten(inputs)
        self.outputs: list[SymbolicTensor] = nest.flatten(outputs)
        _check_unique_inputs(self.inputs)
        self.layer_graph = LayerGraph(self.inputs, self.outputs, f"model {self.name!r}")
        self.operations = self.layer_graph.operations
        _check_names(self.operations)
        self._graph_layers = [o for o in self.operations if isinstance(o, Layer)]
        self.built = True
        if trainable is not None:
            self.trainable = trainable

    def tracked_attributes(self) -> dict[str, Any]:
        """The layers of the graph, then what a subclass keeps in attributes."""
        own = ("inputs", "outputs", "_inputs_struct", "_outputs_struct", "operations", "layer_graph", "compiled")
        found = {"_graph_layers": self.__dict__.get("_graph_layers", [])}
        found.update({k: v for k, v in super().tracked_attributes().items() if k not in own})
        return found

    @property
    def layers(self) -> list[Layer]:
        """The layers of the graph in Keras' order; ops are not among them."""
        return list(self._graph_layers)

    @cached_property
    def graph(self) -> networkx.MultiDiGraph[Any]:
        """The calls as a frozen networkx MultiDiGraph, nodes keyed (operation name, node index)."""
        return self.layer_graph.networkx()

    @property
    def input_names(self) -> list[str]:
        """The names of the input layers, in order."""
        return [t.history.operation.name for t in self.inputs if t.history is not None]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that make the outputs, in order; `dense`, `dense_1` where one makes several."""
        return _unique_names([t.history.operation.name for t in self.outputs if t.history is not None])

    @property
    def input(self) -> Any:
        """The input tensor(s), in the structure that the model was made with."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The output tensor(s), in the structure that the model was made with."""
        return self._outputs_struct

    @property
    def input_shape(self) -> Any:
        """The shape(s) of the input(s)."""
        return nest.map_structure(lambda t: t.shape, self._inputs_struct)

    @property
    def output_shape(self) -> Any:
        """The shape(s) of the output(s)."""
        return nest.map_structure(lambda t: t.shape, self._outputs_struct)

    # ----- computing -----

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The outputs, in the model's structure, for inputs in any fitting one."""
        leaves = [self._standard_input(t, x) for t, x in zip(self.inputs, self._flat_inputs(inputs), strict=True)]
        for leaf, leaf_mask in zip(leaves, nest.flatten(mask) if mask is not None else (), strict=False):
            if leaf_mask is not None and isinstance(leaf, Tracer):
                leaf.mask = leaf_mask
        tensors: dict[SymbolicTensor, Any] = dict(zip(self.inputs, leaves, strict=True))
        with call_context(training):
            for node in self.layer_graph.nodes:
                if not all(t in tensors for t in node.output_tensors):
                    self._run_node(node, tensors)
        return nest.pack(self._outputs_struct, [tensors[t] for t in self.outputs])

    def _run_node(self, node: Node, tensors: dict[SymbolicTensor, Any]) -> None:
        args, kwargs = nest.map_structure(
            lambda a: tensors[a] if isinstance(a, SymbolicTensor) else a, [list(node.args), node.kwargs]
        )
        context = current_context()
        if "training" in kwargs and context is not None and context.training is not None:
            kwargs["training"] = context.training  # the call that is under way decides, not the one that drew the graph
        elif "training" in kwargs and getattr(node.operation, "augments", False):
            kwargs["training"] = (
                False  # what was recorded is only such a layer's default: nothing is augmented unless training
            )
        outputs = nest.flatten(node.operation(*args, **kwargs))  # type: ignore[operator]
        made = [o for o, s in zip(outputs, nest.flatten(node.outputs), strict=True) if s is not None]
        tensors.update(zip(node.output_tensors, made, strict=True))

    def _flat_inputs(self, inputs: Any) -> list[Any]:
        """The inputs as a list in the model's order: from a tensor, list, dict by input name, or the model's own structure."""
        if isinstance(inputs, Mapping):
            return self._inputs_from_dict(inputs)
        flat = nest.flatten(inputs)
        if (
            len(flat) != len(self.inputs)
            and isinstance(inputs, (list, tuple))
            and len(self.inputs) == 1
            and not _any_tensor(flat)
        ):
            flat = [np.asarray(inputs)]  # a batch written as nested lists
        if len(flat) != len(self.inputs):
            raise InvalidArgumentError(
                f'Layer "{self.name}" expects {len(self.inputs)} input(s) ({", ".join(self.input_names)}), but it received '
                f"{len(flat)} input tensors."
            )
        return flat

    def _inputs_from_dict(self, inputs: Mapping[str, Any]) -> list[Any]:
        if isinstance(self._inputs_struct, Mapping) and set(self._inputs_struct) <= set(inputs):
            return nest.flatten({key: inputs[key] for key in self._inputs_struct})
        missing = [n for n in self.input_names if n not in inputs]
        if missing:
            raise InvalidArgumentError(
                f"Model {self.name!r} has the inputs {self.input_names}; the given dict has {sorted(map(str, inputs))}, so {missing} "
                f"are missing.{did_you_mean(missing[0], inputs)}"
            )
        return [inputs[n] for n in self.input_names]

    def _standard_input(self, symbolic: SymbolicTensor, x: Any) -> Any:
        if isinstance(x, Variable):
            x = x.value
        x = tensor(x)
        if x.dtype != symbolic.dtype:
            mask = getattr(x, "mask", None)
            x = tensor(x, symbolic.dtype)
            if mask is not None and isinstance(x, Tracer):
                x.mask = mask
        return self._with_rank(symbolic, x)

    def _with_rank(self, symbolic: SymbolicTensor, x: Any) -> Any:
        """Keras adds or drops a last axis of size 1."""
        wanted, given = symbolic.spec.shape, tuple(x.shape)
        if len(given) == len(wanted) + 1 and given[-1] == 1:
            from graphkit.ops import squeeze

            x = squeeze(x, -1)
        elif len(given) == len(wanted) - 1 and wanted[-1] == 1:
            from graphkit.ops import expand_dims

            x = expand_dims(x, -1)
        self._check_shape(symbolic, tuple(x.shape))
        return x

    def _check_shape(self, symbolic: SymbolicTensor, given: tuple[Any, ...]) -> None:
        wanted = symbolic.spec.shape
        # As in Keras, the batch may have another size than the one the model was built with.
        fits = len(given) == len(wanted) and all(
            g == w or isinstance(w, Dim) or isinstance(g, Dim) for g, w in zip(given[1:], wanted[1:], strict=True)
        )
        if not fits:
            shown = tuple(s if isinstance(s, int) else None for s in given)
            name = symbolic.history.operation.name if symbolic.history is not None else symbolic.name
            raise ShapeError(
                f"Input {name!r} of model {self.name!r} expects shape {symbolic.shape}, but got an input of shape {shown}."
            )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The masks of the outputs travel on the tensors themselves."""
        return None

    def _makes_masks(self) -> bool:
        return False

    # ----- as a program -----

    def program(self, training: bool | None = False, specs: Sequence[TensorSpec] | None = None) -> Program:
        """The program of the model: inputs and outputs in order; unknown sizes stay unknown unless `specs` says otherwise."""
        chosen = list(specs) if specs is not None else [t.spec for t in self.inputs]

        def run(*inputs: Any) -> Any:
            with call_context(training):
                return nest.flatten(self.call(list(inputs), training=training))

        return trace_structured(run, *chosen)[0]

    # ----- config -----

    def get_config(self) -> dict[str, Any]:
        """The graph as Keras 3's Functional config."""
        from graphkit.models.config import functional_config

        return functional_config(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        """The model with this config."""
        from graphkit.core.serialization import custom_object_scope
        from graphkit.models.config import functional_from_config

        with custom_object_scope(custom_objects):
            return functional_from_config(cls, config)

    def get_build_config(self) -> dict[str, Any] | None:
        """Keras writes that a functional model needs no building."""
        return {"input_shape": None}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Nothing: the graph is there."""


def _check_tensors(structure: Any, what: str) -> None:
    leaves = nest.flatten(structure)
    if not leaves or structure is None:
        raise InvalidArgumentError(f"A model needs at least one tensor in `{what}`, got {structure!r}.")
    for leaf in leaves:
        if not isinstance(leaf, SymbolicTensor):
            raise InvalidTypeError(
                f"All `{what}` of a model must be symbolic tensors, the outputs of Input(...) and layers. Received {what}={leaf!r:.200} "
                f"({type(leaf).__name__})."
            )


def _check_unique_inputs(inputs: list[SymbolicTensor]) -> None:
    if len(set(inputs)) != len(inputs):
        raise InvalidArgumentError(
            f"The list of inputs passed to the model contains the same input multiple times. All inputs should only appear once. "
            f"Received inputs={inputs}"
        )


def _check_names(operations: Sequence[Any]) -> None:
    seen: dict[str, Any] = {}
    for operation in operations:
        other = seen.setdefault(operation.name, operation)
        if other is not operation:
            raise NameConflictError(
                f"The name {operation.name!r} is used 2 times in the model ({type(other).__name__} and {type(operation).__name__}). "
                "All operation names should be unique: give one of them another name=."
            )


def _plain(structure: Any) -> Any:
    """Tuples as lists, as Keras' JSON knows them."""
    if isinstance(structure, (list, tuple)):
        return [_plain(s) for s in structure]
    if isinstance(structure, Mapping):
        return {k: _plain(v) for k, v in structure.items()}
    return structure


def _unique_names(wanted: list[str]) -> list[str]:
    counts: dict[str, int] = {}
    made = []
    for name in wanted:
        number = counts.get(name, 0)
        counts[name] = number + 1
        made.append(f"{name}_{number}" if number else name)
    return made


def _any_tensor(leaves: list[Any]) -> bool:
    return any(hasattr(leaf, "shape") for leaf in leaves)


def _from_input_layers(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """Where a model is cut out of the middle of a graph, copy the calls between onto new inputs, as Keras does."""
    flat = nest.flatten(inputs)
    if all(t.history is not None and isinstance(t.history.operation, InputLayer) for t in flat):
        return inputs, outputs
    if any(t.history is None for t in flat):
        raise GraphError(
            f"A model's inputs must come from Input(...) or from layers; {[t for t in flat if t.history is None]!r} were made by hand."
        )
    tensors: dict[Any, Any] = {}
    for tensor_ in flat:
        operation = tensor_.history.operation
        fresh = (
            tensor_
            if isinstance(operation, InputLayer)
            else Input(batch_shape=tensor_.shape, dtype=tensor_.dtype, name=_input_name(tensor_))
        )
        tensors[tensor_] = fresh
    graph = LayerGraph(flat, nest.flatten(outputs), "the new model")
    for node in graph.nodes:
        if all(t in tensors for t in node.output_tensors):
            continue
        args, kwargs = nest.map_structure(
            lambda a: tensors.get(a, a) if isinstance(a, SymbolicTensor) else a, [list(node.args), node.kwargs]
        )
        made = [t for t in nest.flatten(node.operation(*args, **kwargs)) if isinstance(t, SymbolicTensor)]  # type: ignore[operator]
        tensors.update(zip(node.output_tensors, made, strict=True))
    return nest.map_structure(tensors.__getitem__, inputs), nest.map_structure(tensors.__getitem__, outputs)


def _input_name(tensor_: SymbolicTensor) -> str | None:
    from graphkit.core import names

    return names.auto_name("input_layer") if tensor_.history is None else None
