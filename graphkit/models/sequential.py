"""Sequential: a stack of layers, a thin wrapper around a functional graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from itertools import takewhile
from typing import Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    NameConflictError,
    NoShapeYetError,
    NotBuiltError,
    SerializationError,
)
from graphkit.core.names import auto_name, name_scope
from graphkit.core.recording import our_class
from graphkit.core.serialization import custom_object_scope, envelope, is_envelope, keras_class, serialize
from graphkit.core.signatures import signature_of
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.recording import resolved
from graphkit.layers.input_layer import Input, InputLayer
from graphkit.layers.layer import Layer
from graphkit.models.functional import Functional, program_of
from graphkit.models.model import Model


@keras_class("keras")
class Sequential(Model):
    """A stack of layers, called one after another. Source: keras.Sequential.

    Args:
        layers: The layers; `add` appends more. The first may be `Input(...)`, or have an `input_shape` argument.
        trainable: Whether the weights are trained.
        name: The model's name; automatic by default.

    Raises:
        InvalidTypeError: An element of `layers` is not a layer.
        NameConflictError: Two layers have the same name.
    """

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self._stack: list[Layer] = []
        self._functional: Functional | None = None
        self._source: Any = None  # the input of the graph
        self._calls: list[tuple[Layer, Any]] = []  # the layers of the graph with their outputs
        self._input_dtype: str | None = None  # the dtype of the first inputs, if the new input must have it
        for layer in layers or []:
            self.add(layer, rebuild=False)
        self._rebuild()

    def tracked_attributes(self) -> dict[str, Any]:
        """Return the layers of the stack."""
        return {"_stack": self.__dict__.get("_stack", [])}

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Append a layer.

        Args:
            layer: A layer, or the result of `Input(...)`.
            rebuild: Whether to rebuild the graph afterwards.

        Raises:
            InvalidTypeError: `layer` is not a layer.
            NameConflictError: The model has a layer of the same name.
            InvalidArgumentError: An input follows other layers.
        """
        if (
            isinstance(layer, SymbolicTensor)
            and layer.history is not None
            and isinstance(layer.history.operation, InputLayer)
        ):
            layer = layer.history.operation
        if not isinstance(layer, Layer):
            raise InvalidTypeError(
                f"Only instances of Layer can be added to a Sequential model. Received: {layer!r} (of type {type(layer)})"
            )
        if any(other.name == layer.name for other in self._stack):
            raise NameConflictError(
                f"All layers added to a Sequential model should have unique names. Name {layer.name!r} is already the name of a layer "
                f"in model {self.name!r}."
            )
        if isinstance(layer, InputLayer) and self._stack:
            raise InvalidArgumentError(
                f"Sequential model {self.name!r} has already been configured to have an input; {layer.name!r} cannot be added."
            )
        if not self._stack and not isinstance(layer, InputLayer) and layer._input_shape_argument is not None:
            self._stack.append(Input(batch_shape=layer._input_shape_argument).history.operation)
        self._stack.append(layer)
        if rebuild:
            self._rebuild()

    def pop(self, rebuild: bool = True) -> Layer:
        """Remove the last layer and return it.

        Raises:
            InvalidArgumentError: The model has no layers.
        """
        if not self._stack:
            raise InvalidArgumentError(f"There are no layers in Sequential model {self.name!r} to pop.")
        layer = self._stack.pop()
        self.built = False
        self._functional = None
        if rebuild:
            self._rebuild()
        return layer

    def _lock_state(self) -> None:
        """Do nothing: layers may be added and removed at any time."""

    def _rebuild(self) -> None:
        before, self._functional = self._functional, None
        if len(self._stack) > 1 and isinstance(self._stack[0], InputLayer):
            self._make_functional(self._stack[0].nodes[0].output_tensors[0])
        elif len(self._stack) > 1 and isinstance(self._stack[0], (Functional, Sequential)) and self._stack[0].built:
            first = self._stack[0]
            if before is not None:
                self._make_functional(before.input)
            elif not isinstance(first.input, (list, dict)):
                self._make_functional(Input(batch_shape=first.inputs[0].shape, dtype=first.inputs[0].dtype))
        elif before is not None and self._stack:  # it was built by a call, or by build()
            self._make_functional(before.input)
        else:
            self.built = False

    def _make_functional(self, x: Any) -> None:
        """Build the graph on an input. Layers that are part of the graph already are not called again: they have one output."""
        auto_name("functional")  # Keras' inner graph consumes a name, so later models get the same numbers here
        same = takewhile(lambda pair: pair[0] is pair[1][0], zip(self.layers, self._calls, strict=False))
        calls = [call for _, call in same] if self._source is x else []
        output = calls[-1][1] if calls else x
        with nullcontext() if self._building else name_scope(self.name):
            for layer in self.layers[len(calls) :]:
                output = layer(output)
                calls.append((layer, output))
        self._source, self._calls = x, calls
        self._functional = Functional(x, output, name=self.name)
        self.built = True

    def _build_for(self, arguments: Mapping[str, Any], tensors: Mapping[str, Any]) -> None:
        """Build for the first call. The batch size stays open, unless a layer keeps a state for each sample."""
        given = tensors.get("inputs")
        if not self._stack:
            raise InvalidArgumentError(
                f"Sequential model {self.name!r} cannot be built because it has no layers. Call `model.add(layer)`."
            )
        self._note_input_dtype(given)
        if self.built or given is None or any(getattr(layer, "stateful", False) for layer in self._stack):
            super()._build_for(arguments, tensors)
        else:
            self._make_functional(nest.map_structure(lambda t: self._new_input(_with_free_batch(t)), given))

    @property
    def takes_dtype(self) -> str | None:
        """The dtype that the first layer expects: "string", "int64"; "any" for every dtype; None for the default."""
        return getattr(self._stack[0], "takes_dtype", None) if self._stack else None

    def _note_input_dtype(self, inputs: Any) -> None:
        """Remember the dtype of the first inputs if the input to be created must have it: strings, or for a layer that accepts any."""
        if self.built or getattr(inputs, "dtype", None) is None or self._input_dtype is not None:
            return
        given = dtypes.standardize(inputs.dtype)
        if given == "string" or self.takes_dtype == "any":
            self._input_dtype = given

    def _new_input(self, shape: Any) -> Any:
        """Create the input of a model that begins without one."""
        taken = self.takes_dtype
        return Input(batch_shape=tuple(shape), dtype=self._input_dtype or (None if taken == "any" else taken))

    def build(self, input_shape: Any = None) -> None:
        """Create the weights.

        Args:
            input_shape: The shape of the input, including the batch axis.

        Raises:
            NotBuiltError: No shape is given and the model begins without an input.
        """
        if self._functional is not None:
            return
        if input_shape is None:
            raise NotBuiltError(
                f"Sequential model {self.name!r} has no known input shape; pass it to build(), or start with Input(...)."
            )
        self._make_functional(_of_shapes(input_shape, self._new_input))

    def _graph(self) -> Functional:
        if self._functional is None:
            raise NoShapeYetError(
                f"Sequential model {self.name!r} has not been built, since its input shape is unknown. Call it on data, call "
                "build(input_shape), or put Input(shape=...) first."
            )
        return self._functional

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As for layers; arrays are first conformed to the input's shape and dtype, once that is known."""
        if self._functional is not None and type(self).call is Sequential.call:
            args, kwargs = self._functional.fed(*resolved([args, kwargs]))
        return super().__call__(*args, **kwargs)

    def _autocast_tensor(self, x: Any) -> Any:
        """Return an argument unchanged once the model has a graph, whose input has a dtype of its own."""
        return super()._autocast_tensor(x) if self._functional is None else self._functional._autocast_tensor(x)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Compute the output of the last layer.

        Raises:
            NoShapeYetError: The model is not built.
        """
        return self._graph().call(inputs, training=training, mask=mask)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return None: the mask of the output is attached to the tensor itself."""
        return None

    def _makes_masks(self) -> bool:
        return False

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the input layer."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    @property
    def input(self) -> Any:
        """The input tensor."""
        return self._graph().input

    @property
    def output(self) -> Any:
        """The output tensor."""
        return self._graph().output

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The input tensors."""
        return self._graph().inputs

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The output tensors."""
        return self._graph().outputs

    @property
    def input_shape(self) -> Any:
        """The shape of the input."""
        return self._graph().input_shape

    @property
    def output_shape(self) -> Any:
        """The shape of the output."""
        return self._graph().output_shape

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return self._graph().input_names

    @property
    def output_names(self) -> list[str]:
        """The names of the layers that produce the outputs."""
        return self._graph().output_names

    @property
    def operations(self) -> list[Any]:
        """The layers and the input layer."""
        return self._graph().operations

    @property
    def layer_graph(self) -> Any:
        """The graph of calls."""
        return self._graph().layer_graph

    @property
    def graph(self) -> Any:
        """The calls as a frozen networkx MultiDiGraph."""
        return self._graph().graph

    def program(self, training: bool | None = False, specs: Any = None) -> Any:
        """Return the program of the model; see `Functional.program`."""
        graph = self._graph()
        if type(self).call is Sequential.call:
            return graph.program(training, specs)
        return program_of(self, graph, training, specs)

    # ----- config -----

    def get_config(self) -> dict[str, Any]:
        """Return Keras 3's Sequential config: the layers, without calls."""
        if not self._takes_layers():
            return super().get_config()
        config = {"name": self.name, "trainable": self.trainable, "dtype": serialize(self.dtype_policy)}
        config["layers"] = [envelope(layer) for layer in self._stack]
        if self._functional is not None:
            config["build_input_shape"] = nest.map_structure(lambda t: list(t.shape), self._functional.input)
        if self._input_dtype is not None and self.takes_dtype == "any":
            config["build_input_dtype"] = self._input_dtype
        return config

    def _takes_layers(self) -> bool:
        """Return whether layers can be passed to the constructor; that of a subclass may make them itself."""
        if our_class(type(self)) is type(self) or type(self).__init__ is Sequential.__init__:
            return True
        parameters = signature_of(type(self).__init__).parameters.values()
        return any(p.name == "layers" or p.kind is p.VAR_POSITIONAL for p in parameters)

    def get_build_config(self) -> dict[str, Any] | None:
        """Return the input shape, once it is known."""
        return None if self._functional is None else {"input_shape": self._functional.input_shape}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Build for the input shape in the config."""
        if self._functional is None and config.get("input_shape") is not None:
            self.build(config["input_shape"])

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Any:
        """Build the model from its config.

        Args:
            config: A Sequential config.
            custom_objects: Custom classes and functions by the names that the config uses.

        Raises:
            SerializationError: An entry of `layers` is malformed, or a layer cannot be built.
        """
        from graphkit.models.config import operation_from_config

        if "layers" not in config:  # the constructor of a subclass makes them
            return super().from_config(config, custom_objects)
        model = cls(**{k: config[k] for k in ("name",) if k in signature_of(cls.__init__).parameters})
        with name_scope(model.name), custom_object_scope(custom_objects):
            for entry in config["layers"]:
                if not is_envelope(entry):
                    raise SerializationError(
                        f"An entry of `layers` of {model.name!r} has no class_name and config: {entry!s:.120}"
                    )
                model.add(operation_from_config(entry), rebuild=False)
        model._rebuild()
        model._input_dtype = config.get("build_input_dtype")
        if model._functional is None and config.get("build_input_shape") is not None:
            model.build(config["build_input_shape"])
        if config.get("trainable") is False:
            model._trainable = False
        return model


def _with_free_batch(value: Any) -> tuple[int | None, ...]:
    """Return the shape of data, with an open batch size and None for other unknown sizes."""
    return (None, *(s if isinstance(s, int) else None for s in value.shape[1:]))


def _of_shapes(shapes: Any, make: Callable[[Any], Any]) -> Any:
    """Apply `make` to a shape, or to each shape of a structure of shapes."""
    if isinstance(shapes, Mapping):
        return {k: _of_shapes(v, make) for k, v in shapes.items()}
    if all(size is None or isinstance(size, (int, np.integer)) for size in shapes):
        return make(shapes)
    return type(shapes)(_of_shapes(s, make) for s in shapes)
