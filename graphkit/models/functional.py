"""Functional models: a graph between symbolic inputs and outputs, which can itself be called as a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from graphkit.core import nest
from graphkit.core.errors import GraphError, InvalidArgumentError, InvalidTypeError, NameConflictError
from graphkit.core.recording import has_own_config, recorded_arguments
from graphkit.core.serialization import custom_object_scope, keras_class
from graphkit.core.signatures import signature_of
from graphkit.graph.layer_graph import LayerGraph
from graphkit.graph.node import Node
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.eager_tensor import EagerTensor
from graphkit.ir.program import Program
from graphkit.ir.recording import resolved
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, trace_structured
from graphkit.ir.variable import Variable
from graphkit.layers.context import call_context, current_context
from graphkit.layers.input_layer import Input, InputLayer
from graphkit.layers.layer import Layer
from graphkit.models.feeding import InputInfo, Signature, numbered
from graphkit.models.model import Model

if TYPE_CHECKING:
    import networkx


@keras_class("keras.src.models.functional")
class Functional(Model):
    """A model defined by symbolic inputs and outputs.

    Args:
        inputs: A symbolic tensor, or a list or dict (or nest) of them.
        outputs: Likewise.
        name: The model's name; automatic by default.
        **kwargs: `trainable`, and further arguments of `Layer`.

    Attributes:
        graph: The frozen networkx MultiDiGraph of the calls.

    Raises:
        InvalidTypeError: A leaf of `inputs` or `outputs` is not a symbolic tensor.
        InvalidArgumentError: `inputs` or `outputs` is empty, or an input is given twice.
        DisconnectedGraphError: An output needs an input that is not among `inputs`.
        NameConflictError: Two layers or ops have the same name.

    Source: keras.Model.
    """

    keras_registered_name = "Functional"
    counts_construction = True  # in `input_layers` and `output_layers` of a config, where the first call is number 1

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any) -> None:
        inputs = kwargs.pop("input") if inputs is None and "input" in kwargs else inputs
        outputs = kwargs.pop("output") if outputs is None and "output" in kwargs else outputs
        if inputs is None and outputs is None and type(self) is not Functional:
            raise InvalidTypeError(
                f"{type(self).__name__}.__init__() passed no inputs and outputs to its base class, but another {type(self).__name__} was "
                "made from inputs and outputs before. Use one class for each of the two kinds of models."
            )
        _check_tensors(inputs, "inputs")
        _check_tensors(outputs, "outputs")
        trainable = kwargs.pop("trainable", None)
        super().__init__(name=name, **kwargs)
        inputs, outputs = _from_input_layers(inputs, outputs)
        self._inputs_struct, self._outputs_struct = inputs, outputs
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

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the calls in order, so that pickling a deep graph does not recurse from call to call."""
        dropped = ("layer_graph", "operations", "graph", "signature")
        state = {name: value for name, value in super().__getstate__().items() if name not in dropped}
        nodes = self.layer_graph.nodes
        sources = [
            node.operation for node in nodes if node.is_input
        ]  # these keep their own calls, which take no tensors
        return {"_sources": sources, "_calls": [node for node in nodes if not node.is_input], **state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        del state["_sources"]
        calls: list[Node] = state.pop("_calls")
        super().__setstate__(state)
        for node in calls:
            node.restore()
        self.layer_graph = LayerGraph(self.inputs, self.outputs, f"model {self.name!r}")
        self.operations = self.layer_graph.operations

    def tracked_attributes(self) -> dict[str, Any]:
        """Return the layers of the graph, then what a subclass keeps in attributes."""
        own = ("inputs", "outputs", "_inputs_struct", "_outputs_struct", "operations", "layer_graph", "compile_state")
        found = {"_graph_layers": self.__dict__.get("_graph_layers", [])}
        found.update({k: v for k, v in super().tracked_attributes().items() if k not in own})
        return found

    @property
    def layers(self) -> list[Layer]:
        """The layers of the graph in Keras' order, without ops."""
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
        """The names of the layers that produce the outputs, in order; `dense`, `dense_1` if one produces several."""
        return _unique_names([t.history.operation.name for t in self.outputs if t.history is not None])

    @property
    def input(self) -> Any:
        """The input tensor(s), in the structure that the model was created with."""
        return self._inputs_struct

    @property
    def output(self) -> Any:
        """The output tensor(s), in the structure that the model was created with."""
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

    @cached_property
    def signature(self) -> Signature:
        """The inputs that the model accepts."""
        # As in Keras, the batch size may differ from the one the model was built with, unless constants were computed from it.
        is_fixed = any(operation.fixes_sizes for operation in self.operations)
        inputs = tuple(
            InputInfo(name, (t.shape[0] if is_fixed else None, *t.shape[1:]) if t.shape else (), t.dtype, _is_optional(t))
            for name, t in zip(self.input_names, self.inputs, strict=True)
        )
        return Signature(f"model {self.name!r}", inputs, numbered(self._inputs_struct))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As for layers; arrays are first conformed to the inputs' shapes and dtypes."""
        if type(self).call is Functional.call:
            args, kwargs = self.fed(*resolved([args, kwargs]))
        return super().__call__(*args, **kwargs)

    def fed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of a call with arrays conformed to `signature`; tensors are left unchanged."""
        given = args[0] if args else kwargs.get("inputs")
        if (not args and "inputs" not in kwargs) or _has_tensors(given):
            return args, kwargs
        leaves = self.signature.conformed(given)
        made = leaves[0] if self.signature.structure == 0 else nest.pack(self.signature.structure, leaves)
        return (made, *args[1:]), {k: v for k, v in kwargs.items() if k != "inputs"}

    def _autocast_tensor(self, x: Any) -> Any:
        """Return an argument unchanged: each input has a dtype of its own, to which `call` casts."""
        return x.value if isinstance(x, Variable) else x

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Compute the outputs, in the model's structure.

        Args:
            inputs: Arrays or tensors in any structure that `signature` accepts.
            training: Whether layers run in training mode; None leaves the choice to the outer call.
            mask: Masks for the inputs, in order; None for those that have none.

        Raises:
            InvalidArgumentError: The inputs do not fit; see `Signature.conformed`.
        """
        leaves = self.signature.conformed(inputs)
        for leaf, leaf_mask in zip(leaves, nest.flatten(mask) if mask is not None else (), strict=False):
            if leaf_mask is not None and isinstance(leaf, (Tracer, EagerTensor)):
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
            if not (context.is_assumed and _was_asked_to_train(node)):
                kwargs["training"] = context.training  # the current call decides, not the one that built the graph
        elif "training" in kwargs and getattr(node.operation, "augments", False):
            kwargs["training"] = False  # the recorded value is only the layer's default: augment only when training
        if node.is_input and isinstance(node.operation, Layer):  # its `__call__` would record another node
            outputs = nest.flatten(node.operation.compute(tuple(args), kwargs))
        else:
            outputs = nest.flatten(node.operation(*args, **kwargs))
        made = [o for o, s in zip(outputs, nest.flatten(node.outputs), strict=True) if s is not None]
        tensors.update(zip(node.output_tensors, made, strict=True))

    def _lock_state(self) -> None:
        """Do nothing: layers in attributes are no part of the graph."""

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return None: the masks of the outputs are attached to the tensors themselves."""
        return None

    def _makes_masks(self) -> bool:
        return False

    # ----- as a program -----

    def program(self, training: bool | None = False, specs: Sequence[TensorSpec | None] | None = None) -> Program:
        """Return the program of the model, with inputs and outputs in order.

        Args:
            training: Whether layers run in training mode.
            specs: Shapes and dtypes for the inputs; by default unknown sizes stay unknown. None instead of a spec omits an optional input.
        """
        return program_of(self, self, training, specs)

    # ----- config -----

    @property
    def is_given_graph(self) -> bool:
        """Whether the graph was passed to the constructor; otherwise the constructor of the class builds it."""
        return type(self) is Functional or bool(self.__dict__.get("_takes_graph"))

    def get_config(self) -> dict[str, Any]:
        """Return the graph as Keras 3's Functional config, with further arguments of a subclass.

        A subclass whose constructor builds the graph has the constructor's arguments instead.
        """
        from graphkit.models.config import functional_config

        if not self.is_given_graph:
            return super().get_config()
        config = functional_config(self)
        base = ("inputs", "outputs", "dtype", *config)
        own = {} if has_own_config(type(self)) else recorded_arguments(self)
        return {**config, **{name: value for name, value in own.items() if name not in base}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        """Build the model from its config.

        Args:
            config: A Functional config, or the arguments of a subclass whose constructor builds the graph.
            custom_objects: Custom classes and functions by the names that the config uses.

        Raises:
            SerializationError: The config is incomplete, or a layer cannot be built.
        """
        from graphkit.models.config import functional_from_config

        if cls is not Functional:
            return super().from_config(config, custom_objects)
        with custom_object_scope(custom_objects):
            return functional_from_config(cls, config)

    def get_build_config(self) -> dict[str, Any] | None:
        """Return the constant that Keras writes for a functional model."""
        return {"input_shape": None}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Do nothing: the graph is built already."""


def program_of(
    model: Any, graph: Functional, training: bool | None, specs: Sequence[TensorSpec | None] | None
) -> Program:
    """Return the program of a model's `call` on the inputs of a graph; see `Functional.program`."""
    chosen = list(specs) if specs is not None else [t.spec for t in graph.inputs]

    def run(*inputs: Any) -> Any:
        with call_context(training, assumed=not training):
            return nest.flatten(model.call(nest.pack(graph.input, inputs)))

    return trace_structured(run, *chosen)[0]


def become_functional(cls: type) -> None:
    """Make a class a subclass of Functional, once one of its objects passes inputs and outputs to `Model.__init__`, as in Keras.

    Its base classes stay as they are: they may have other subclasses, which are not functional.
    """
    bases = tuple(Functional if base is Model else base for base in cls.__bases__)
    cls.__bases__ = bases if Functional in bases else (*bases, Functional)


def _was_asked_to_train(node: Node) -> bool:
    """Return whether the call that built the graph explicitly passed `training=True` (Monte-Carlo dropout), not by default."""
    if node.kwargs.get("training") is not True or getattr(node.operation, "augments", False):
        return False
    default = signature_of(type(node.operation).call).parameters.get("training")
    return default is None or default.default is not True


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


def _unique_names(wanted: list[str]) -> list[str]:
    counts: dict[str, int] = {}
    made = []
    for name in wanted:
        number = counts.get(name, 0)
        counts[name] = number + 1
        made.append(f"{name}_{number}" if number else name)
    return made


def _has_tensors(structure: Any) -> bool:
    """Return whether a structure contains tensors without values."""
    if not nest.is_nested(structure):
        return isinstance(structure, (Tracer, SymbolicTensor))
    return any(isinstance(leaf, (Tracer, SymbolicTensor)) for leaf in nest.flatten(structure))


def _is_optional(tensor_: SymbolicTensor) -> bool:
    return tensor_.history is not None and bool(getattr(tensor_.history.operation, "optional", False))


def _from_input_layers(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """If a model is extracted from the middle of a graph, repeat the calls in between on new inputs, as Keras does."""
    flat = nest.flatten(inputs)
    if all(t.history is not None and isinstance(t.history.operation, InputLayer) for t in flat):
        return inputs, outputs
    if any(t.history is None for t in flat):
        raise GraphError(
            f"A model's inputs must come from Input(...) or from layers; {[t for t in flat if t.history is None]!r} were created directly."
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
        if node in graph.starts or all(t in tensors for t in node.output_tensors):
            continue
        args, kwargs = nest.map_structure(
            lambda a: tensors.get(a, a) if isinstance(a, SymbolicTensor) else a, [list(node.args), node.kwargs]
        )
        made = [t for t in nest.flatten(node.operation(*args, **kwargs)) if isinstance(t, SymbolicTensor)]
        node.operation.nodes[-1].is_copy = True
        tensors.update((old, new) for old, new in zip(node.output_tensors, made, strict=True) if old not in flat)
    return nest.map_structure(tensors.__getitem__, inputs), nest.map_structure(tensors.__getitem__, outputs)


def _input_name(tensor_: SymbolicTensor) -> str | None:
    from graphkit.core import names

    return names.auto_name("input_layer") if tensor_.history is None else None
