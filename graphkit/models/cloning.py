"""Copies of models, with new weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, SerializationError
from graphkit.graph.operation import OpNode
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.layers.input_layer import Input, InputLayer
from graphkit.layers.lambda_ import Lambda
from graphkit.layers.layer import Layer
from graphkit.models.functional import Functional
from graphkit.models.model import Model
from graphkit.models.sequential import Sequential
from graphkit.models.trainer import Trainer


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Any:
    """Build a model of the same graph with new layers and newly initialized weights.

    Args:
        model: A functional or sequential model, or one of a subclass with a config.
        input_tensors: Symbolic tensors to build on instead of new inputs.
        clone_function: Copies a layer; `layer.from_config(layer.get_config())` by default.
        call_function: A function (layer, *args, **kwargs) that calls a copy on its inputs. Functional models only.
        recursive: Whether nested models are cloned by the same functions, instead of being passed to `clone_function`.

    Raises:
        InvalidArgumentError: `input_tensors` does not match the inputs, or an argument does not apply to this kind of model.
        InvalidTypeError: `model` is not a model, or an argument is unknown.

    Source: keras.models.clone_model.
    """
    if kwargs:
        raise InvalidTypeError(f"clone_model got unknown arguments: {sorted(kwargs)}.")
    if recursive and clone_function is None and call_function is None:
        clone_function = _copy_layer
    make = clone_function or _copy_layer
    if recursive:
        make = _recursive(make, call_function)
    if clone_function is not None and not callable(clone_function):
        raise InvalidTypeError(f"Expected `clone_function` argument to be a callable. Received: {clone_function!r}")
    if isinstance(model, Sequential):
        if call_function is not None and not recursive:
            raise InvalidArgumentError(
                "`call_function` argument is not supported with Sequential models. In a Sequential model, layers aren't called at "
                "model-construction time (they're merely listed). Use `call_function` with Functional models only. Received model of "
                f"type '{type(model).__name__}', with call_function={call_function}"
            )
        return _clone_sequential(model, input_tensors, make)
    if not isinstance(model, Functional) or not (model.is_given_graph or clone_function or input_tensors is not None):
        return _clone_by_config(model, clone_function, input_tensors, call_function)
    return _clone_functional(model, input_tensors, make, call_function or _call)


def _clone_by_config(model: Any, *of_graphs: Any) -> Any:
    """Clone a model that defines its own `call`: the same class with the same config."""
    if not isinstance(model, Model):
        raise InvalidTypeError(f"clone_model expects a model, got {type(model).__name__}.")
    if any(given is not None for given in of_graphs):
        raise InvalidArgumentError(
            "Arguments `clone_function`, `input_tensors` and `call_function` are only supported for Sequential models or Functional "
            f"models. Received model of type '{type(model).__name__}'."
        )
    made = type(model).from_config(model.get_config())
    made.build_from_config(model.get_build_config() or {})
    return made


def _call(layer: Any, *args: Any, **kwargs: Any) -> Any:
    return layer(*args, **kwargs)


def _recursive(make: Callable[[Layer], Layer], call: Callable[..., Any] | None) -> Callable[[Layer], Layer]:
    """Return a function that also clones nested models in the same way."""

    def copy(layer: Layer) -> Layer:
        if not isinstance(layer, (Functional, Sequential)):
            return make(layer)
        function = call if isinstance(layer, Functional) else None
        made: Layer = clone_model(layer, clone_function=make, call_function=function, recursive=True)
        return made

    return copy


def _copy_layer(layer: Layer) -> Layer:
    if isinstance(layer, (Functional, Sequential)):
        copied: Layer = clone_model(layer)
        return copied
    if isinstance(layer, Lambda):
        return _copy_lambda(layer)
    made: Layer = type(layer).from_config(layer.get_config())
    return made


def _copy_lambda(layer: Lambda) -> Lambda:
    """Copy a Lambda with the function itself, which a config could only name."""
    return Lambda(
        layer.function,
        output_shape=layer.output_shape_argument,
        mask=layer.mask,
        arguments=layer.arguments,
        name=layer.name,
        trainable=layer.trainable,
        dtype=layer.dtype_policy,
    )


def _clone_sequential(model: Sequential, input_tensors: Any, make: Callable[[Layer], Layer]) -> Any:
    layers: list[Any] = [make(layer) for layer in model.layers]
    if input_tensors is not None:
        given = nest.flatten(input_tensors)
        if len(given) != 1:
            raise InvalidArgumentError(
                f"clone_model: `input_tensors` of Sequential model {model.name!r} must contain a single tensor, got {len(given)}."
            )
        layers.insert(0, given[0])
    elif model._functional is not None:
        source = model._functional.inputs[0]
        layers.insert(0, Input(batch_shape=source.shape, dtype=source.dtype, name=model.input_names[0]))
    return _compiled_like(
        model, type(model)(layers, name=model.name) if _keeps_class(model) else Sequential(layers, name=model.name)
    )


def _clone_functional(
    model: Functional, input_tensors: Any, make: Callable[[Layer], Layer], call: Callable[..., Any]
) -> Any:
    given = [None] * len(model.inputs) if input_tensors is None else _checked_inputs(model, input_tensors)
    tensors: dict[SymbolicTensor, Any] = {}
    for old, new, name in zip(model.inputs, given, model.input_names, strict=True):
        tensors[old] = Input(batch_shape=old.shape, dtype=old.dtype, name=name) if new is None else new
    copies: dict[Any, Any] = {}
    for node in model.layer_graph.nodes:
        if isinstance(node.operation, InputLayer):
            continue
        if node.operation not in copies:
            copies[node.operation] = _copy_operation(node.operation, make)
        args, kwargs = nest.map_structure(
            lambda a: tensors[a] if isinstance(a, SymbolicTensor) else a, [list(node.args), node.kwargs]
        )
        made = [t for t in nest.flatten(call(copies[node.operation], *args, **kwargs)) if isinstance(t, SymbolicTensor)]
        tensors.update(zip(node.output_tensors, made, strict=True))
    inputs, outputs = (nest.map_structure(tensors.__getitem__, s) for s in (model.input, model.output))
    return _compiled_like(model, (type(model) if _keeps_class(model) else Functional)(inputs, outputs, name=model.name))


def _keeps_class(model: Any) -> bool:
    """Return whether a copy has the class of the model: its constructor is that of the base class."""
    return type(model).__init__ in (Functional.__init__, Sequential.__init__)


def _compiled_like(model: Any, copy: Any) -> Any:
    """Compile a copy with the settings of the model, as in Keras; the optimizer is a new one."""
    if not model.compiled or type(model).compile is not Trainer.compile:
        return copy
    try:
        copy.compile_from_config(model.get_compile_config())
    except SerializationError as error:
        warnings.warn(f"The clone of model {model.name!r} is not compiled: {error}", stacklevel=4)
    return copy


def _checked_inputs(model: Functional, given: Any) -> list[Any]:
    """Return the tensors to build a copy on. Raises InvalidArgumentError unless they have the structure of the model's inputs."""
    leaves = nest.flatten(given)
    if not all(isinstance(leaf, SymbolicTensor) for leaf in leaves):
        raise InvalidTypeError(
            f"All entries in `input_tensors` must be KerasTensors. Received: {[type(leaf).__name__ for leaf in leaves]}."
        )
    if nest.describe(given) != nest.describe(model.input):
        raise InvalidArgumentError(
            f"`input_tensors` must have the same structure as model.input. Expected: {model.input}, of {len(model.inputs)} inputs. "
            f"Received: {given!s:.400}"
        )
    return leaves


def _copy_operation(operation: Any, make: Callable[[Layer], Layer]) -> Any:
    if isinstance(operation, OpNode):
        return OpNode(operation.record, operation.config, operation.name)
    return make(operation)
