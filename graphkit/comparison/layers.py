"""The layers of a model as they are compared: one entry for each call of a layer or op, those of nested models included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np

from graphkit.core import nest
from graphkit.graph.node import Node
from graphkit.layers.context import call_context

_NODE = "Onnx"  # starts the classes of imported nodes and initializers
Key: TypeAlias = "tuple[str, int]"  # path, number of the call


@dataclass
class Entry:
    """One call of a layer.

    Attributes:
        path: the name of the layer, after those of the models around it: "encoder/dense".
        call: the number of the call in its model.
        kind: the class.
        config: the config without names.
        weights: the variables by their names in the layer.
        shapes: of the outputs.
        sources: the keys of the calls that compute the inputs.
    """

    path: str
    call: int
    kind: str
    config: Mapping[str, Any]
    weights: dict[str, Any]
    shapes: list[tuple[Any, ...]]
    sources: list[Key] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """What identifies the call in its model."""
        return self.path, self.call

    @property
    def is_node(self) -> bool:
        """Whether it is a node of an imported ONNX graph, rather than a layer or op of Keras."""
        return self.kind.startswith(_NODE)

    @property
    def signature(self) -> tuple[Any, ...]:
        """What two layers in the same place of two models have in common, whatever their names."""
        return self.kind, tuple(tuple(v.shape) for v in self.weights.values()), len(self.shapes)

    def __str__(self) -> str:
        return self.path if not self.call else f"{self.path} (call {self.call})"


def is_graph(model: Any) -> bool:
    """Return whether the calls inside a model or layer are known."""
    return bool(getattr(model, "built", False)) and hasattr(model, "layer_graph") and hasattr(model, "_run_node")


def entries_of(model: Any) -> list[Entry]:
    """Return the calls of a model in the order of computation; of a model without a graph its layers."""
    if is_graph(model):
        return list(_entries(model, "", {}))
    return [_entry(layer, layer.name, 0, []) for layer in getattr(model, "layers", [])]


def outputs_of(model: Any) -> list[Key]:
    """Return the calls that compute the outputs of a model; none for a model without a graph."""
    if not is_graph(model):
        return []
    numbers: dict[Node, int] = model.layer_graph.index_in_graph()
    return [_maker(tensor, "", numbers) for tensor in model.outputs]


def _entries(model: Any, prefix: str, fed: Mapping[Any, Key]) -> Iterator[Entry]:
    """Yield the calls of a model; `fed` are the calls that compute its inputs, where it is nested in another one."""
    numbers: dict[Node, int] = model.layer_graph.index_in_graph()
    for node in model.layer_graph.nodes:
        operation = node.operation
        path = f"{prefix}{operation.name}"
        makers = [_maker(tensor, prefix, numbers) for tensor in node.input_tensors]
        if is_graph(operation):
            if not numbers[node]:
                yield from _entries(operation, f"{path}/", dict(zip(operation.inputs, makers, strict=False)))
            continue
        entry = _entry(operation, path, numbers[node], [t.shape for t in node.output_tensors])
        entry.sources = makers or [fed[t] for t in node.output_tensors if t in fed]
        yield entry


def _maker(tensor: Any, prefix: str, numbers: Mapping[Node, int]) -> Key:
    """Return the call that computes a tensor: inside a nested model the one that computes its output."""
    operation, index, number = tensor.history
    if is_graph(operation):
        return _maker(operation.outputs[number], f"{prefix}{operation.name}/", operation.layer_graph.index_in_graph())
    return f"{prefix}{operation.name}", numbers.get(operation.nodes[index], 0)


def _entry(operation: Any, path: str, call: int, shapes: list[tuple[Any, ...]]) -> Entry:
    kind = str(getattr(operation, "class_name", type(operation).__name__))
    node = getattr(operation, "node", None)
    kind = f"{kind} {node.op_type}" if node is not None and hasattr(node, "op_type") else kind
    weights = {
        v.path.rpartition("/")[2] if v.path.startswith(operation.name) else v.name: v for v in _weights(operation)
    }
    return Entry(path, call, kind, _config(operation), weights, shapes)


def _weights(operation: Any) -> Sequence[Any]:
    return list(getattr(operation, "weights", ()))


_NAMES = ("name", "node", "weights", "build_config", "registered_name", "path")


def _config(operation: Any) -> Mapping[str, Any]:
    """Return the config without the names in it, as plain data."""
    try:
        config = operation.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a layer without a config has none to compare
        return {}
    config = {key: _plain(value) for key, value in config.items() if key not in _NAMES}
    node = getattr(operation, "node", None)
    if not hasattr(node, "attribute"):
        return config
    config = {key: value for key, value in config.items() if key not in ("inputs", "captured", "functions", "opsets")}
    return {**config, **_attributes(node, getattr(operation, "opsets", {}))}


def _attributes(node: Any, opsets: Mapping[str, int]) -> dict[str, Any]:
    """Return the attributes of an ONNX node, with the defaults of those that it leaves out."""
    import onnx

    try:
        schema = onnx.defs.get_schema(node.op_type, opsets.get(node.domain, 1), node.domain)
        given = [a.default_value for a in schema.attributes.values() if a.default_value.type]
    except onnx.defs.SchemaError:
        given = []
    return {a.name: _plain_attribute(a) for a in (*given, *node.attribute)}


def _plain_attribute(attribute: Any) -> Any:
    from onnx.helper import get_attribute_value

    value = get_attribute_value(attribute)
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    if isinstance(value, (int, float, str)):
        return value
    text = str(list(value)) if isinstance(value, Sequence) else str(value)
    return text if len(text) < 400 else f"{text[:60]}... ({crc32(text.encode()):08x})"


def _plain(value: Any) -> Any:
    """Return a config value without names, modules and shapes that were only recorded."""
    if isinstance(value, Mapping):
        return {
            k: _plain(v)
            for k, v in value.items()
            if k not in ("name", "module", "registered_name", "build_config", "shared_object_id")
        }
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


# ----- numbers -----


def values_of(model: Any, inputs: Sequence[Any]) -> tuple[dict[Key, list[Any]], list[Any]]:
    """Return what each call of a model computes, and the outputs of the model.

    Args:
        model: the model, which runs on the NumPy engine.
        inputs: one array for each of its inputs, in order.
    """
    if not is_graph(model):
        made = nest.flatten(model(inputs[0] if len(inputs) == 1 else list(inputs)))
        return {}, [np.asarray(v) for v in made]
    found: dict[Key, list[Any]] = {}
    with call_context(False):
        outputs = _run(model, list(inputs), "", found)
    return found, [np.asarray(v) for v in outputs]


def _run(model: Any, inputs: Sequence[Any], prefix: str, found: dict[Key, list[Any]]) -> list[Any]:
    tensors: dict[Any, Any] = dict(zip(model.inputs, inputs, strict=True))
    numbers: dict[Node, int] = model.layer_graph.index_in_graph()
    for node in model.layer_graph.nodes:
        path = f"{prefix}{node.operation.name}"
        if not all(t in tensors for t in node.output_tensors):
            model._run_node(node, tensors)
            if is_graph(node.operation):
                _run(node.operation, [tensors[t] for t in node.input_tensors], f"{path}/", found)
        if not is_graph(node.operation):
            key = (path, numbers[node])
            found.setdefault(key, [np.asarray(tensors[t]) for t in node.output_tensors])
    return [tensors[t] for t in model.outputs]
