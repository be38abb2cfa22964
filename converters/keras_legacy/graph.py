"""Models of older Keras rewritten as those of Keras 3: lists of layers, calls, and Sequentials that begin with a merge of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphkit.core.errors import SerializationError
from graphkit.core.serialization import is_envelope
from graphkit.saving.unwrap import layers_in

from .keras1 import in_keras2_words
from .origin import origin

Config = dict[str, Any]
Rewrite = Callable[[Mapping[str, Any]], Config]  # an envelope of older Keras -> as Keras 3 writes it

# Classes of models in older configs -> Keras 3's class.
MODELS = {
    "Model": "Functional",
    "Functional": "Functional",
    "Container": "Functional",
    "Network": "Functional",
    "Sequential": "Sequential",
}
# Entries of a graph that are ops of TensorFlow (see `graphkit.converters.tensorflow`).
TENSORFLOW_CLASSES = (
    "TFOpLambda",
    "SlicingOpLambda",
    "ClassMethod",
    "InstanceMethod",
    "InstanceProperty",
    "TensorFlowOpLayer",
)
_MODULES = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM2D", "Bidirectional")
_CONSTANT = "_CONSTANT_VALUE"


def _model_envelope(class_name: str, config: Config) -> Config:
    """Return the envelope of a model of Keras 3."""
    return {"module": _MODULES[class_name], "class_name": class_name, "config": config, "registered_name": None}


# ----- Sequential -----


def sequential(entry: Mapping[str, Any], rewrite: Rewrite) -> Config:
    """Rewrite a Sequential, and its layers with `rewrite`. Up to Keras 2.2.0 its config is a list."""
    config = entry["config"]
    config = {"layers": config} if isinstance(config, list) else dict(config)
    layers = config["layers"]
    if layers and is_envelope(layers[0]) and layers[0]["class_name"] == "Merge" and layers_in(layers[0]):
        name = str(config.get("name") or entry.get("name") or "sequential_1")
        return functional({"class_name": "Functional", "config": _merged(name, layers)}, rewrite)
    made = {
        "name": config.get("name") or entry.get("name"),
        "layers": [rewrite(e) for e in layers],
        "build_input_shape": config.get("build_input_shape") or (entry.get("build_config") or {}).get("input_shape"),
    }
    if config.get("trainable") is False:
        made["trainable"] = False
    return _model_envelope("Sequential", made)


def _merged(name: str, layers: list[Any]) -> Config:
    """Return the graph of a Sequential whose first layer merges models. Layers of the same name are one layer, as in Keras 1."""
    graph = _Chain()
    ends = []
    for branch in layers_in(layers[0]) or []:
        ends.append(graph.branch(branch))
    merge = {"class_name": "Merge", "config": {k: v for k, v in layers[0]["config"].items() if k != "layers"}}
    end = graph.call(merge, ends)
    for layer in layers[1:]:
        end = graph.call(layer, [end])
    return {"name": name, "layers": list(graph.entries.values()), "input_layers": graph.inputs, "output_layers": [end]}


class _Chain:
    """Collects layers and their calls into one functional config."""

    def __init__(self) -> None:
        self.entries: dict[str, Config] = {}
        self.inputs: list[list[Any]] = []

    def branch(self, entry: Mapping[str, Any]) -> list[Any]:
        """Add the layers of a merged model, and return the reference to its output."""
        if MODELS.get(str(entry["class_name"])) == "Sequential":
            return self._stack(layers_in(entry) or [])
        if MODELS.get(str(entry["class_name"])) == "Functional":
            for layer in layers_in(entry) or []:
                self.entries.setdefault(layer["name"], dict(layer))
            self.inputs += [r for r in entry["config"]["input_layers"] if r not in self.inputs]
            return list(entry["config"]["output_layers"][0])
        return self._stack([entry])

    def _stack(self, layers: list[Any]) -> list[Any]:
        first = layers[0]
        if first["class_name"] == "Merge" and layers_in(first):
            ends = [self.branch(b) for b in layers_in(first) or []]
            merge = {"class_name": "Merge", "config": {k: v for k, v in first["config"].items() if k != "layers"}}
            end, layers = self.call(merge, ends), layers[1:]
        elif first["class_name"] == "InputLayer":
            end, layers = self._input(first["config"]["name"], first["config"]), layers[1:]
        else:
            end = self._input(f"{_name_of(first)}_input", first["config"])
        for layer in layers:
            end = self.call(layer, [end])
        return end

    def _input(self, name: str, config: Mapping[str, Any]) -> list[Any]:
        shape = config.get("batch_input_shape") or in_keras2_words("Dense", config)[1].get("batch_input_shape")
        if shape is None:
            first = name.removesuffix("_input")
            raise SerializationError(
                f"Layer {first!r} is the first of a merged model, and its config has no input shape."
            )
        inner = {"name": name, "batch_input_shape": shape, "dtype": config.get("input_dtype") or "float32"}
        self.entries.setdefault(name, {"class_name": "InputLayer", "name": name, "config": inner, "inbound_nodes": []})
        if [name, 0, 0] not in self.inputs:
            self.inputs.append([name, 0, 0])
        return [name, 0, 0]

    def call(self, entry: Mapping[str, Any], tensors: list[list[Any]]) -> list[Any]:
        """Add one call of a layer, and return the reference to its output."""
        name = _name_of(entry)
        made = self.entries.setdefault(name, {**entry, "name": name, "inbound_nodes": []})
        made["inbound_nodes"] = [*made["inbound_nodes"], tensors]
        return [name, len(made["inbound_nodes"]) - 1, 0]


def _name_of(entry: Mapping[str, Any]) -> str:
    config = entry.get("config")
    name = config.get("name") if isinstance(config, Mapping) else entry.get("name")
    if not name:
        raise SerializationError(f"A layer of class {entry.get('class_name')} in a merged model has no name.")
    return str(name)


# ----- graphs -----


def functional(entry: Mapping[str, Any], rewrite: Rewrite) -> Config:
    """Rewrite a functional model, and its layers with `rewrite`.

    Raises SerializationError for a config that lacks a key or has a malformed entry.
    """
    config = entry["config"]
    for key in ("layers", "input_layers", "output_layers"):
        if key not in config:
            raise SerializationError(f"The config of the functional model {config.get('name')!r} has no {key!r}.")
    entries = [dict(e) for e in config["layers"]]
    offsets = _offsets(entries, config)
    layers = [made for e in entries for made in _graph_entries(e, offsets, rewrite)]
    models = {e["name"] for e in layers if e["class_name"] == "Functional"}
    made = {
        "name": config.get("name") or entry.get("name"),
        "trainable": config.get("trainable", True),
        "layers": layers,
        "input_layers": _ends(config["input_layers"], offsets, models),
        "output_layers": _ends(config["output_layers"], offsets, models),
    }
    return _model_envelope("Functional", made)


def _graph_entries(entry: Config, offsets: Mapping[str, int], rewrite: Rewrite) -> list[Config]:
    made = _graph_entry(entry, offsets, rewrite)
    if made["class_name"] == "MultiHeadAttention" and origin().attention_ignores_masks:
        return _without_masks(made)
    return [made]


def _without_masks(entry: Config) -> list[Config]:
    """Return a layer that is called on copies of its tensors: ops do not pass masks on."""
    copies: list[Config] = []

    def copied(value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            name = f"{entry['name']}_input_{len(copies)}"
            copies.append(operation_entry("numpy.Copy", name, value))
            return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
        if isinstance(value, Mapping):
            return {k: v if k == "attention_mask" else copied(v) for k, v in value.items()}
        return [copied(v) for v in value] if isinstance(value, list) else value

    made = {**entry, "inbound_nodes": [copied(node) for node in entry["inbound_nodes"]]}
    return [*copies, made]


def operation_entry(operation: str, name: str, *tensors: Any) -> Config:
    """Return the entry of an op ("numpy.Copy") that is called once."""
    family, class_name = operation.split(".")
    envelope = {"module": f"keras.src.ops.{family}", "class_name": class_name, "registered_name": class_name}
    return {
        **envelope,
        "config": {"name": name},
        "name": name,
        "inbound_nodes": [{"args": list(tensors), "kwargs": {}}],
    }


def _graph_entry(entry: Config, offsets: Mapping[str, int], rewrite: Rewrite) -> Config:
    nodes = entry.get("inbound_nodes") or []
    if not is_envelope(entry):
        raise SerializationError(f"An entry of `layers` has no class_name and config: {entry!s:.120}")
    if entry["class_name"] in TENSORFLOW_CLASSES:
        return _tensorflow_entry(entry, [_call("", node, offsets) for node in nodes])
    made = rewrite(entry)
    made["name"] = entry.get("name") or made["config"].get("name")
    if made["config"].get("name") is None:
        made["config"]["name"] = made["name"]
    made["inbound_nodes"] = [_call(made["class_name"], node, offsets) for node in nodes]
    if entry["config"].get("causal") and made["class_name"] in ("Attention", "AdditiveAttention"):
        for call in made["inbound_nodes"]:  # up to 2.15 an argument of the layer, now of its call
            call["kwargs"] = {**call["kwargs"], "use_causal_mask": True}
    return made


def _tensorflow_entry(entry: Config, calls: list[Any]) -> Config:
    """Return the entry of a TensorFlow op; for an unknown one the error is kept for later, so that a placeholder can replace it."""
    from ..tensorflow import TensorFlowOp

    name = entry.get("name") or entry["config"].get("name")
    made = {"class_name": entry["class_name"], "config": entry["config"], "name": name, "inbound_nodes": calls}
    try:
        return {**made, "expansion": TensorFlowOp(entry)}
    except SerializationError as error:
        return {**made, "expansion": error}


def _offsets(entries: list[Config], config: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of the first call of each nested model: 1 where its construction counts as node 0."""
    calls = {str(e.get("name")): len(e.get("inbound_nodes") or []) for e in entries if e.get("class_name") in MODELS}
    used: dict[str, set[int]] = {name: set() for name in calls}
    stack: list[Any] = [e.get("inbound_nodes") for e in entries] + [config["input_layers"], config["output_layers"]]
    while stack:
        value = stack.pop()
        if is_reference(value):
            if value[0] in used:
                used[value[0]].add(value[1])
            stack.extend(value[3:])
        elif isinstance(value, (list, tuple)):
            stack.extend(value)
        elif isinstance(value, Mapping):
            stack.extend(value.values())
    return {
        name: 1 if max(used[name], default=0) >= calls[name] or (used[name] and 0 not in used[name]) else 0
        for name in calls
    }


def is_reference(value: Any) -> bool:
    """Whether a value is ["layer", node index, tensor index], with or without kwargs."""
    return (
        isinstance(value, (list, tuple))
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(type(v) is int for v in value[1:3])
    )


def _is_constant(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) in (3, 4) and value[0] == _CONSTANT


def _ends(references: Any, offsets: Mapping[str, int], models: set[str]) -> Any:
    if is_reference(references):
        name, number, tensor_index = references[:3]
        return [name, number - offsets.get(name, 0) + (1 if name in models else 0), tensor_index]
    if isinstance(references, Mapping):
        return {k: _ends(v, offsets, models) for k, v in references.items()}
    made = [_ends(r, offsets, models) for r in references]
    return made[0] if len(made) == 1 else made


def _tensor(reference: Any, offsets: Mapping[str, int]) -> Any:
    if _is_constant(reference):
        return _argument(reference[2], offsets)
    name, number, tensor_index = reference[:3]
    return {
        "class_name": "__keras_tensor__",
        "config": {"keras_history": [name, number - offsets.get(name, 0), tensor_index]},
    }


def _call(class_name: str, node: Any, offsets: Mapping[str, int]) -> Any:
    """Rewrite `[["name", 0, 0, {}], ...]` as `{"args", "kwargs"}`; structures of tensors keep their form."""
    if isinstance(node, Mapping) and "args" in node:
        return node
    single = is_reference(node) or _is_constant(node)
    leaves = [node] if single else _leaves(node)
    kwargs = dict(leaves[0][3]) if leaves and len(leaves[0]) > 3 and isinstance(leaves[0][3], Mapping) else {}
    kwargs = {k: _argument(v, offsets) for k, v in kwargs.items() if k != "name"}
    if single:
        return {"args": [_tensor(node, offsets)], "kwargs": kwargs}
    tensors = _structure(node, offsets)
    if isinstance(tensors, list) and len(tensors) == 1:
        return {"args": tensors, "kwargs": kwargs}
    if class_name in _RECURRENT and isinstance(tensors, list):
        states = tensors[1:] if len(tensors) > 2 else tensors[1]
        return {"args": tensors[:1], "kwargs": {**kwargs, "initial_state": states}}
    return {"args": [tensors], "kwargs": kwargs}


def _leaves(node: Any) -> list[Any]:
    if is_reference(node) or _is_constant(node):
        return [node]
    items = node.values() if isinstance(node, Mapping) else node
    if isinstance(items, (str, int, float)) or items is None:
        raise SerializationError(f"An inbound node holds {node!s:.80}, which is not a reference to a tensor.")
    return [leaf for item in items for leaf in _leaves(item)]


def _structure(node: Any, offsets: Mapping[str, int]) -> Any:
    if is_reference(node) or _is_constant(node):
        return _tensor(node, offsets)
    if isinstance(node, Mapping):
        return {k: _structure(v, offsets) for k, v in node.items()}
    return [_structure(v, offsets) for v in node]


def _argument(value: Any, offsets: Mapping[str, int]) -> Any:
    if is_reference(value) or _is_constant(value):
        return _tensor(value, offsets)
    if isinstance(value, list):
        return [_argument(v, offsets) for v in value]
    if isinstance(value, Mapping) and value.get("class_name") == "__tuple__":
        return [_argument(v, offsets) for v in value.get("items", [])]
    if isinstance(value, Mapping):
        return {k: _argument(v, offsets) for k, v in value.items()}
    return value
