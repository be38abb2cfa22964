"""Functional graphs as Keras 3's JSON config, and back.

Source: the format that keras.Model.get_config (Keras 3) writes.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from itertools import takewhile
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import GraphKitError, SerializationError
from graphkit.core.names import reserved, scope_is, take_name
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import deserialize, envelope, is_envelope, serialize
from graphkit.core.signatures import signature_of
from graphkit.graph.node import Node
from graphkit.graph.operation import OpNode
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.layers.layer import Layer
from graphkit.layers.placeholder import placeholder_for
from graphkit.ops._dispatch import OPERATIONS, OperationRecord

# ----- writing -----


def functional_config(model: Any) -> dict[str, Any]:
    """Return the config of a functional model."""
    numbers = model.layer_graph.index_in_graph()
    nodes_of: dict[Any, list[Node]] = {}
    for node in sorted(model.layer_graph.nodes, key=lambda n: n.index):
        nodes_of.setdefault(node.operation, []).append(node)
    inputs = set(model.inputs)
    layers = []
    for operation in model.operations:
        entry = operation_envelope(operation)
        entry["name"] = operation.name
        calls = [n for n in nodes_of[operation] if not all(t in inputs for t in n.output_tensors)]
        entry["inbound_nodes"] = [_serialize_node(n, numbers) for n in calls]
        layers.append(entry)
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": _references(model.input, numbers),
        "output_layers": _references(model.output, numbers),
    }


def operation_envelope(operation: Any) -> dict[str, Any]:
    """Return the envelope of a layer, model or op of a graph."""
    if not isinstance(operation, OpNode):
        return envelope(operation)
    record = operation.record
    config = {
        "name": operation.name,
        **{k: serialize(v) for k, v in {**_op_defaults(record), **operation.config}.items()},
    }
    if record.class_name == "Reshape":
        config["newshape"] = _computable(config["newshape"])
    return {
        "module": record.module,
        "class_name": record.class_name,
        "config": config,
        "registered_name": record.registered_name,
    }


def _computable(shape: Any) -> Any:
    """A shape with -1 for a size that was not known when the op was recorded: Keras' backends do not accept None."""
    return [-1 if size is None else size for size in shape] if isinstance(shape, (list, tuple)) else shape


@lru_cache(maxsize=1024)
def _op_defaults(record: OperationRecord) -> Mapping[str, Any]:
    """Return the default config of an op, since Keras writes all of it."""
    parameters = signature_of(record.function).parameters
    return {k: parameters[k].default for k in record.config if parameters[k].default is not inspect.Parameter.empty}


def _serialize_node(node: Node, numbers: Mapping[Node, int]) -> dict[str, Any]:
    def leaf(value: Any) -> Any:
        return _serialize_tensor(value, numbers) if isinstance(value, SymbolicTensor) else serialize(value)

    args, kwargs = nest.map_structure(leaf, [[_listed(a) for a in node.args], _listed(node.kwargs)])
    return {"args": args, "kwargs": kwargs}


def _listed(structure: Any) -> Any:
    """Replace tuples by lists, since JSON has no tuples."""
    if isinstance(structure, (list, tuple)):
        return [_listed(s) for s in structure]
    if isinstance(structure, Mapping):
        return {k: _listed(v) for k, v in structure.items()}
    return structure


def _serialize_tensor(tensor: SymbolicTensor, numbers: Mapping[Node, int]) -> dict[str, Any]:
    name, number, tensor_index = _history(tensor, numbers)
    config = {"shape": list(tensor.shape), "dtype": tensor.dtype, "keras_history": [name, number, tensor_index]}
    return {"class_name": "__keras_tensor__", "config": config}


def _history(tensor: SymbolicTensor, numbers: Mapping[Node, int]) -> tuple[str, int, int]:
    if tensor.history is None:
        raise SerializationError(f"{tensor!r} was not produced by a layer.")
    operation, index, tensor_index = tensor.history
    return operation.name, numbers[operation.nodes[index]], tensor_index


def _references(structure: Any, numbers: Mapping[Node, int]) -> Any:
    def reference(tensor: SymbolicTensor) -> _Reference:
        name, number, tensor_index = _history(tensor, numbers)
        assert tensor.history is not None
        return _Reference([name, number + _offset(tensor.history.operation), tensor_index])

    return _unwrap(nest.map_structure(reference, structure))


def _offset(operation: Any) -> int:
    """Return 1 for a functional model: only in these references does Keras count its own construction as node 0."""
    counts_itself = getattr(operation, "counts_construction", False) or getattr(operation, "saves_graph", False)
    return 1 if counts_itself else 0


class _Reference:
    """A leaf: [name, node index, tensor index]."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items


def _unwrap(structure: Any) -> Any:
    if isinstance(structure, _Reference):
        return structure.items
    if isinstance(structure, Mapping):
        return {k: _unwrap(v) for k, v in structure.items()}
    return [_unwrap(s) for s in structure]


# ----- reading -----


def functional_from_config(cls: Any, config: Mapping[str, Any]) -> Any:
    """Build the model that a Functional config describes.

    Args:
        cls: The class of the model.
        config: The config.

    Raises:
        SerializationError: The config is incomplete or inconsistent, or a layer cannot be built; the message names the layer.
    """
    for key in ("layers", "input_layers", "output_layers"):
        if key not in config:
            raise SerializationError(f"The config of the functional model {config.get('name')!r} has no {key!r}.")
    builder = GraphBuilder(str(config.get("name")))
    with scope_is(""):  # its layers were called outside any layer when the graph was built
        for entry in config["layers"]:
            builder.add(entry)
        builder.connect()
    model = _of_class(
        cls,
        builder.tensors_at(config["input_layers"]),
        builder.tensors_at(config["output_layers"]),
        config.get("name"),
        {k: v for k, v in config.items() if k not in _GRAPH_KEYS},
    )
    if config.get("trainable") is False:
        model._trainable = False
    return model


_GRAPH_KEYS = ("name", "trainable", "layers", "input_layers", "output_layers", "dtype")


def _of_class(cls: Any, inputs: Any, outputs: Any, name: Any, further: Mapping[str, Any]) -> Any:
    """Make a model of a graph: a subclass may call the two structures otherwise, and take further arguments."""
    parameters = signature_of(cls.__init__).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if cls.__module__.split(".")[0] == "graphkit" or all(n in parameters or takes_any for n in ("inputs", "outputs")):
        args: tuple[Any, ...] = ()
        named = {"inputs": inputs, "outputs": outputs}
    else:
        args, named = (inputs, outputs), {}
    given = {k: v for k, v in further.items() if k in parameters or takes_any}
    if name is not None and ("name" in parameters or takes_any):
        given["name"] = name
    try:
        return cls(*args, **named, **given)
    except TypeError as error:
        if isinstance(error, GraphKitError):
            raise
        raise SerializationError(
            f"{cls.__name__} cannot be made from the config of a functional model: {error}. Its constructor must take inputs and outputs; "
            "otherwise define get_config() to return its arguments."
        ) from error


class Expansion:
    """An entry of `layers` that represents several operations: called on symbolic tensors, it records those.

    It has no nodes itself; its results (tensors, or values that only other expansions understand) replace the entry's outputs.
    Only readers of older files put one into a config, under "expansion", since JSON cannot hold it.
    """

    nodes: tuple[Node, ...] = ()

    def __init__(self, name: str, entry: Mapping[str, Any]) -> None:
        self.name, self.entry = name, entry
        self.named = False  # whether an operation of the graph has the name already

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the results, as a structure; to be overridden."""
        raise NotImplementedError(f"{type(self).__name__} defines no __call__(*args, **kwargs)")


class GraphBuilder:
    """Creates the operations of a config, then makes their calls, each once its input tensors exist."""

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name
        self.operations: dict[str, Any] = {}
        self.calls: deque[tuple[str, int, Any]] = deque()
        self.outputs: dict[tuple[str, int], list[Any]] = {}

    def add(self, entry: Mapping[str, Any]) -> None:
        """Create the operation of one entry of `layers`, and queue its calls.

        Raises:
            SerializationError: The entry is malformed, its name is taken, or its operation cannot be created.
        """
        if not is_envelope(entry):
            raise SerializationError(
                f"An entry of `layers` in model {self.model_name!r} has no class_name and config: {entry!s:.120}"
            )
        operation = operation_from_config(entry)
        name = str(entry.get("name") or operation.name)
        if name in self.operations:
            raise SerializationError(f"Model {self.model_name!r} has two layers named {name!r}.")
        self.operations[name] = operation
        if not entry.get("inbound_nodes") and operation.nodes:
            self.outputs[name, 0] = operation.nodes[0].output_tensors
        for number, call in enumerate(entry.get("inbound_nodes") or []):
            self.calls.append((name, number, call))

    def connect(self) -> None:
        """Make the calls, each after those that produce its inputs.

        Raises:
            SerializationError: Nothing in the config produces a tensor that a call needs.
        """
        waiting: dict[tuple[str, int], list[tuple[str, int, Any]]] = {}
        with reserved(self.operations):  # masks and TensorFlow ops get automatic names
            for call in list(self.calls):
                self._try(call, waiting)
        if waiting:
            missing = sorted({f"{k[0]}[{k[1]}]" for k in waiting})
            raise SerializationError(
                f"Model {self.model_name!r} cannot be built: nothing in the file produces {', '.join(missing[:5])}, which "
                f"{sorted({c[0] for calls in waiting.values() for c in calls})[:5]} need."
            )

    def _try(self, first: tuple[str, int, Any], waiting: dict[tuple[str, int], list[tuple[str, int, Any]]]) -> None:
        ready = [first]
        while ready:
            name, number, call = ready.pop()
            missing = self._missing(name, number, call)
            if missing is not None:
                waiting.setdefault(missing, []).append((name, number, call))
                continue
            self._call(name, number, call)
            ready.extend(reversed(waiting.pop((name, number), [])))

    def _missing(self, name: str, number: int, call: Any) -> tuple[str, int] | None:
        if number > 0 and (name, number - 1) not in self.outputs:
            return name, number - 1  # calls of one layer keep their order
        return next((key for key in _needed(call) if key not in self.outputs), None)

    def _call(self, name: str, number: int, call: Any) -> None:
        if not isinstance(call, Mapping) or "args" not in call:
            raise SerializationError(
                f"Layer {name!r} of model {self.model_name!r}: the inbound node {call!s:.100} has no `args`."
            )
        args, kwargs = self._decode(call["args"]), self._decode(call.get("kwargs") or {})
        operation = self.operations[name]
        if isinstance(operation, Expansion):
            self.outputs[name, number] = self._expanded(operation, args, kwargs)
            return
        args, kwargs = _values_by_keyword(operation, args, kwargs)
        operation(*args, **_accepted(operation, kwargs))
        self.outputs[name, number] = operation.nodes[-1].output_tensors

    def _expanded(self, operation: Expansion, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
        try:
            return list(nest.flatten(operation(*args, **kwargs)))
        except SerializationError as error:
            stand_in = placeholder_for(operation.entry, error)
            if stand_in is None:
                raise
            return list(nest.flatten(stand_in(*args, **kwargs)))

    def _decode(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._decode(v) for v in value]
        if not isinstance(value, Mapping):
            return value
        if value.get("class_name") == "__keras_tensor__":
            return self.tensor(*_history_in(value))
        return deserialize(value) if is_envelope(value) else {k: self._decode(v) for k, v in value.items()}

    def tensor(self, name: str, number: int, tensor_index: int) -> Any:
        """Return a tensor by its history.

        Args:
            name: The name of the operation.
            number: The number of the call among the operation's calls in this graph.
            tensor_index: The index of the tensor among the outputs of the call.

        Raises:
            SerializationError: There is no such tensor.
        """
        made = self.outputs.get((name, number))
        if made is None or not 0 <= tensor_index < len(made):
            raise SerializationError(
                f"Model {self.model_name!r} refers to {[name, number, tensor_index]}, which no layer produces."
            )
        return made[tensor_index]

    def tensors_at(self, references: Any) -> Any:
        """Return the structure of tensors that `input_layers` or `output_layers` refers to.

        Raises:
            SerializationError: A reference is malformed, or refers to no tensor.
        """
        if isinstance(references, Mapping):
            return {k: self.tensors_at(v) for k, v in references.items()}
        if not isinstance(references, (list, tuple)):
            raise SerializationError(f"Model {self.model_name!r}: {references!r} is not a reference to a tensor.")
        if len(references) == 3 and isinstance(references[0], str):
            name, number, tensor_index = references
            operation = self.operations.get(name)
            return self.tensor(name, number - _offset(operation) if number else number, tensor_index)
        return [self.tensors_at(r) for r in references]


def _needed(call: Any) -> list[tuple[str, int]]:
    """Return the (operation name, node index) of the tensors that a call takes."""
    found: list[tuple[str, int]] = []
    stack = [call]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            if value.get("class_name") == "__keras_tensor__":
                found.append(_history_in(value)[:2])
            else:
                stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return found


def _history_in(value: Mapping[str, Any]) -> tuple[str, int, int]:
    """Return the (operation name, node index, tensor index) of a tensor in JSON."""
    config = value.get("config")
    history = config.get("keras_history") if isinstance(config, Mapping) else None
    if not (isinstance(history, list) and [type(v) for v in history] == [str, int, int]):
        raise SerializationError(
            f"A tensor in an inbound node has no keras_history [name, node index, tensor index]: {value!s:.120}"
        )
    return history[0], history[1], history[2]


def _accepted(operation: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments without the Nones that Keras records for arguments unknown to graphkit."""
    if isinstance(operation, Layer):
        known = signature_of(type(operation).call).parameters
        return {k: v for k, v in kwargs.items() if k in known or not _is_all_none(v)}
    tensors = operation.record.tensors if isinstance(operation, OpNode) else ()
    return {k: v for k, v in kwargs.items() if k in tensors or v is not None}


def _values_by_keyword(operation: Any, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Pass plain values to a layer by keyword, which layers expect; files of older versions have them by position."""
    tensors = list(takewhile(lambda arg: not isinstance(arg, (bool, int, float)), args))
    if len(tensors) == len(args) or not isinstance(operation, Layer):
        return args, kwargs
    names = list(signature_of(type(operation).call).parameters)[1:]
    return tensors, {**dict(zip(names[len(tensors) :], args[len(tensors) :], strict=False)), **kwargs}


def _is_all_none(value: Any) -> bool:
    return all(leaf is None for leaf in nest.flatten(value))


def operation_from_config(entry: Mapping[str, Any]) -> Any:
    """Create a layer, model, op or expansion from its envelope.

    Raises:
        SerializationError: It cannot be created and placeholders are not allowed.
    """
    expansion = entry.get("expansion")
    if isinstance(expansion, Expansion):
        return expansion
    if isinstance(expansion, SerializationError):
        stand_in = placeholder_for(entry, expansion)
        if stand_in is None:
            raise expansion
        return stand_in
    record = _record_of(entry)
    if record is not None:
        made = OpNode(record, _op_config(record, entry), entry["config"].get("name"))
        take_name(made.name)  # masks created while the file is read are ops too
        return made
    try:
        return deserialize(entry)
    except SerializationError as error:
        stand_in = placeholder_for(entry, error)
        if stand_in is not None:
            return stand_in
        raise


def _record_of(entry: Mapping[str, Any]) -> OperationRecord | None:
    """Return the op that an entry names, or None for a layer.

    In HDF5 files Keras 3 writes no modules, so "Add" may be the layer or the op; only layers have `trainable` in their config.
    """
    config = entry.get("config")
    if "module" in entry or not isinstance(config, Mapping) or "trainable" in config or not _calls_by_args(entry):
        return OPERATIONS.get(f"{entry.get('module')}>{entry['class_name']}")
    return _operations_by_class(len(OPERATIONS)).get(str(entry["class_name"]))


def _calls_by_args(entry: Mapping[str, Any]) -> bool:
    nodes = entry.get("inbound_nodes")
    return isinstance(nodes, list) and bool(nodes) and isinstance(nodes[0], Mapping) and "args" in nodes[0]


@lru_cache(maxsize=1)
def _operations_by_class(count: int) -> Mapping[str, OperationRecord]:
    """Return the ops by their class; of several, the first registered, which is Keras'. `count`: how many there are, for the cache."""
    return {record.class_name: record for _, record in reversed(OPERATIONS.items())}


def _op_config(record: OperationRecord, entry: Mapping[str, Any]) -> dict[str, Any]:
    given = {k: v for k, v in entry["config"].items() if k not in ("name", "dtype") or k in record.config}
    unknown = [k for k, v in given.items() if k not in record.config and v is not None]
    if unknown:
        raise SerializationError(
            f"The op {entry.get('name')!r} ({entry['class_name']}) has the config key {unknown[0]!r} = {given[unknown[0]]!s:.60}, which "
            f"graphkit does not have.{did_you_mean(unknown[0], record.config)} Known keys are {list(record.config)}."
        )
    return {k: _op_argument(v) for k, v in given.items() if k in record.config}


def _op_argument(value: Any) -> Any:
    """Deserialize an op's argument, with tuples for lists, since JSON has no tuples."""
    value = deserialize(value)
    return _tupled(value)


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, list) else value
