"""Configs of Keras 2 and tf.keras rewritten as Keras 3's, so that one reader reads both.

What changed is held in tables. Source: files of Keras 2.0 to 2.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphkit.core.errors import SerializationError, UnsafeCodeError
from graphkit.core.serialization import deserialize, is_envelope
from graphkit.saving.old_activations import hard_sigmoid_keras2

Config = dict[str, Any]

_MODELS = {
    "Model": "Functional",
    "Functional": "Functional",
    "Container": "Functional",
    "Network": "Functional",
    "Sequential": "Sequential",
}
_MODULES = {"Functional": "keras.src.models.functional", "Sequential": "keras"}
_RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "LSTMV2": "LSTM",
    "GRUV2": "GRU",
}
# Keys that say nothing about the numbers, or what Keras 3 always does.
_DROPPED = frozenset(
    {
        "implementation",
        "time_major",
        "ragged",
        "sparse",
        "input_dtype",
        "keras_version",
        "backend",
        "experimental_run_tf_function",
    }
)
_DROPPED_OF = {
    "BatchNormalization": {
        "fused",
        "renorm",
        "renorm_clipping",
        "renorm_momentum",
        "virtual_batch_size",
        "adjustment",
        "mode",
    },
    "DepthwiseConv2D": {"groups", "filters", "kernel_initializer", "kernel_regularizer", "kernel_constraint"},
    "DepthwiseConv1D": {"groups", "filters", "kernel_initializer", "kernel_regularizer", "kernel_constraint"},
    "Conv2DTranspose": {"groups"},
    "Conv1DTranspose": {"groups"},
    "Conv3DTranspose": {"groups"},
    "SeparableConv2D": {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"},
    "SeparableConv1D": {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"},
    "Flatten": {"keepdims"},
    "Embedding": {"input_length"},
}
# What was true where a key is missing, and is not Keras 3's default.
_OLD_DEFAULTS: dict[str, Config] = {"GRU": {"reset_after": False}, "GRUCell": {"reset_after": False}}
_MERGE_MODES: dict[Any, tuple[str, dict[str, str]]] = {
    "sum": ("Add", {}),
    "mul": ("Multiply", {}),
    "ave": ("Average", {}),
    "max": ("Maximum", {}),
    "concat": ("Concatenate", {"axis": "concat_axis"}),
    "dot": ("Dot", {"axes": "dot_axes"}),
    "cos": ("Dot", {"axes": "dot_axes"}),
}
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM2D", "Bidirectional")


def model_from_older_config(config: Mapping[str, Any], what: str) -> Any:
    """The model of a config of Keras 2. Raises SerializationError naming the layer for what has no counterpart."""
    if str(config.get("keras_version", "2")).startswith("1"):
        raise SerializationError(f"{what} was written by Keras {config['keras_version']}; configs of Keras 1 are not read yet.")
    return deserialize(upgraded(config))


def upgraded(entry: Mapping[str, Any]) -> Config:
    """A layer's or model's envelope as Keras 3 writes it; one that is already is left as it is."""
    if "module" in entry:
        return dict(entry)
    name = str(entry["class_name"])
    if name in _MODELS:
        return _model(_MODELS[name], entry)
    if name == "Merge":
        return _merge(entry["config"])
    name = _RENAMED.get(name, name)
    made: Config = {
        "module": "keras.layers",
        "class_name": name,
        "config": _layer_config(name, entry["config"]),
        "registered_name": None,
    }
    return made


def _merge(config: Mapping[str, Any]) -> Config:
    """Keras 1's Merge, which Keras 2 still wrote up to 2.1, as the layer of its mode."""
    mode = config.get("mode")
    if config.get("mode_type") not in (None, "raw") or mode not in _MERGE_MODES:
        raise UnsafeCodeError(
            f"Layer {config.get('name')!r} (Merge) joins its inputs by a function that the file holds as code ({config.get('mode_type')}); "
            "graphkit runs no code out of files."
        )
    class_name, arguments = _MERGE_MODES[mode]
    made = {"name": config.get("name"), **{new: config[old] for new, old in arguments.items() if old in config}}
    if mode == "cos":
        made["normalize"] = True
    return {"module": "keras.layers", "class_name": class_name, "config": made, "registered_name": None}


def _model(class_name: str, entry: Mapping[str, Any]) -> Config:
    config = entry["config"]
    if class_name == "Sequential":
        config = {"layers": config} if isinstance(config, list) else dict(config)
        config = {
            "name": config.get("name"),
            "layers": [_renamed_layer(e) for e in config["layers"]],
            "build_input_shape": config.get("build_input_shape"),
        }
    else:
        config = _functional(config)
    return {"module": _MODULES[class_name], "class_name": class_name, "config": config, "registered_name": None}


def _renamed_layer(entry: Mapping[str, Any]) -> Config:
    if not is_envelope(entry):
        raise SerializationError(f"An entry of `layers` has no class_name and config: {entry!s:.120}")
    return upgraded(entry)


# ----- layers -----


def _layer_config(class_name: str, config: Mapping[str, Any]) -> Config:
    dropped = _DROPPED | _DROPPED_OF.get(class_name, set())
    made = {key: _value(key, value) for key, value in config.items() if key not in dropped}
    made = {**_OLD_DEFAULTS.get(class_name, {}), **made}
    if class_name == "InputLayer":
        made["batch_shape"] = made.pop("batch_input_shape", made.get("batch_shape"))
    if class_name == "BatchNormalization" and isinstance(made.get("axis"), (list, tuple)):
        made["axis"] = made["axis"][0]
    return made


def _value(key: str, value: Any) -> Any:
    if value == "hard_sigmoid" and key.endswith("activation"):
        return hard_sigmoid_keras2
    if not is_envelope(value):
        return value
    if key in ("layer", "backward_layer", "cell", "forward_layer"):
        return upgraded(value)
    if key.endswith("initializer") and isinstance(value["config"], Mapping):
        return {**value, "config": {k: v for k, v in value["config"].items() if k != "dtype"}}
    return value


# ----- graphs -----


def _functional(config: Mapping[str, Any]) -> Config:
    entries = [dict(e) for e in config["layers"]]
    offsets = _offsets(entries, config)
    layers = []
    for entry in entries:
        made = _renamed_layer(entry)
        made["name"] = entry.get("name") or made["config"].get("name")
        made["config"].setdefault("name", made["name"])
        made["inbound_nodes"] = [_call(made["class_name"], node, offsets) for node in entry.get("inbound_nodes") or []]
        layers.append(made)
    models = {e["name"] for e in layers if e["class_name"] == "Functional"}
    return {
        "name": config.get("name"),
        "trainable": config.get("trainable", True),
        "layers": layers,
        "input_layers": _ends(config["input_layers"], offsets, models),
        "output_layers": _ends(config["output_layers"], offsets, models),
    }


def _offsets(entries: list[Config], config: Mapping[str, Any]) -> dict[str, int]:
    """By nested model, the number of its first call: 1 where its own construction counts as its node 0."""
    calls = {str(e.get("name")): len(e.get("inbound_nodes") or []) for e in entries if e["class_name"] in _MODELS}
    used: dict[str, set[int]] = {name: set() for name in calls}
    stack: list[Any] = [e.get("inbound_nodes") for e in entries] + [config["input_layers"], config["output_layers"]]
    while stack:
        value = stack.pop()
        if _is_reference(value):
            if value[0] in used:
                used[value[0]].add(value[1])
            stack.extend(value[3:])
        elif isinstance(value, (list, tuple)):
            stack.extend(value)
        elif isinstance(value, Mapping):
            stack.extend(value.values())
    return {name: 1 if max(used[name], default=0) >= calls[name] or (used[name] and 0 not in used[name]) else 0 for name in calls}


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, (list, tuple)) and len(value) in (3, 4) and isinstance(value[0], str) and all(type(v) is int for v in value[1:3])
    )


def _ends(references: Any, offsets: Mapping[str, int], models: set[str]) -> Any:
    if _is_reference(references):
        name, number, tensor_index = references[:3]
        return [name, number - offsets.get(name, 0) + (1 if name in models else 0), tensor_index]
    if isinstance(references, Mapping):
        return {k: _ends(v, offsets, models) for k, v in references.items()}
    made = [_ends(r, offsets, models) for r in references]
    return made[0] if len(made) == 1 else made


def _tensor(reference: Any, offsets: Mapping[str, int]) -> Config:
    name, number, tensor_index = reference[:3]
    return {
        "class_name": "__keras_tensor__",
        "config": {"keras_history": [name, number - offsets.get(name, 0), tensor_index]},
    }


def _call(class_name: str, node: Any, offsets: Mapping[str, int]) -> Any:
    """`[["name", 0, 0, {}], ...]` as `{"args", "kwargs"}`."""
    if isinstance(node, Mapping):
        return node
    references = [node] if _is_reference(node) else list(node)
    kwargs = dict(references[0][3]) if references and len(references[0]) > 3 else {}
    kwargs = {k: _argument(v, offsets) for k, v in kwargs.items() if k != "name"}
    tensors = [_tensor(r, offsets) for r in references]
    if len(tensors) == 1:
        return {"args": tensors, "kwargs": kwargs}
    if class_name in _RECURRENT:
        return {
            "args": tensors[:1],
            "kwargs": {**kwargs, "initial_state": tensors[1:] if len(tensors) > 2 else tensors[1]},
        }
    return {"args": [tensors], "kwargs": kwargs}


def _argument(value: Any, offsets: Mapping[str, int]) -> Any:
    if _is_reference(value):
        return _tensor(value, offsets)
    if isinstance(value, list):
        return [_argument(v, offsets) for v in value]
    return value
