"""HDF5 files that tf.keras (Keras 2) opens: layers, graph, compile settings and optimizer state in its form.

What Keras 2 cannot express is an error that names the layer: a file with another meaning would be worse than none. Masks, which are
ops in Keras 3, are implicit in Keras 2, and so is the argument `training` of calls. Source: files of tf_keras 2.21.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.activations import written_as_layers
from graphkit.core.errors import SerializationError
from graphkit.core.serialization import envelope, is_envelope, is_own
from graphkit.optimizers import SGD
from graphkit.saving.stores import Array

from ..hdf5_writer import training_config, write_hdf5_model
from .arguments import ARGUMENTS
from .differences import check_layer
from .graph import functional, op_layer

KERAS_2_VERSION = "2.15.0"  # the last Keras 2; the configs are in its form
Config = dict[str, Any]
_MODELS = ("Functional", "Sequential")
_DEFAULTS: tuple[Any, ...] = (None, False, 0, 0.0, "", [], {}, "auto")
_LAYER_KEYS = ("name", "trainable", "dtype")
_NEW_OF_INITIALIZERS = ("input_axes", "output_axes")
_FUNCTIONS = {"hard_sigmoid_keras2": "hard_sigmoid", "silu": "swish"}
_ACTIVATIONS = {  # without hard_sigmoid, which is another function in Keras 2
    "elu", "exponential", "gelu", "linear", "mish", "relu", "selu", "sigmoid", "softmax", "softplus", "softsign", "swish", "tanh",
}  # fmt: skip
_RENAMED_ARGUMENTS = {"LeakyReLU": {"negative_slope": "alpha"}}
_DROPPED = {  # arguments of Keras 3 whose default is what Keras 2 does
    "dtype", "build_config", "autocast", "lora_rank", "lora_alpha", "quantization_config", "use_cudnn", "flash_attention", "seed",
    "output_shape", "data_format", "query_shape", "renorm_momentum", "renorm_clipping",
}  # fmt: skip


def write_keras2_model(path: Path, model: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Write a whole model as Keras 2 does.

    Args:
        path: the file.
        model: a built Sequential or functional model.
        overwrite: False raises InvalidArgumentError if the file exists.
        include_optimizer: False leaves out the compile settings and the optimizer's state.

    Raises:
        SerializationError: Keras 2 cannot express a layer; names it.
    """
    found = model_of(envelope(model))
    training = None
    if include_optimizer and model.compiled:
        training = _training(model)
    write_hdf5_model(
        path, model, found, training, KERAS_2_VERSION, overwrite, ":0", _state(model) if training else None
    )


def model_of(entry: Mapping[str, Any]) -> Config:
    """Return the envelope of a model in Keras 2's form. Raises SerializationError for a subclassed model."""
    config = entry["config"]
    if entry["class_name"] == "Sequential":
        layers = [layer_of(layer) for layer in config["layers"]]
        return {"class_name": "Sequential", "config": {"name": config["name"], "layers": layers}}
    if entry["class_name"] == "Functional":
        return {"class_name": "Functional", "config": functional(config, layer_of)}
    raise SerializationError(
        f"Model {config.get('name')!r} ({entry['class_name']}) is neither Sequential nor functional: Keras 2 files hold only these."
    )


def layer_of(entry: Mapping[str, Any]) -> Config:
    """Return class_name and config of a layer or nested model in Keras 2's form.

    Raises SerializationError, naming the layer, for what Keras 2 cannot express.
    """
    name, config = str(entry["class_name"]), entry["config"]
    if name in _MODELS:
        return model_of(entry)
    if str(entry.get("module", "")).startswith("keras.src.ops"):
        return op_layer(entry)
    if name == "InputLayer":
        return {"class_name": name, "config": _input(config)}
    where = f"Layer {config.get('name')!r} ({name})"
    if entry.get("registered_name") and not is_own(entry):
        return {"class_name": entry["registered_name"], "config": dict(config)}
    if name not in ARGUMENTS:
        raise SerializationError(f"{where} is not one of Keras 2's {len(ARGUMENTS)} layers.")
    check_layer(name, config, where)
    made: Config = {key: _value(config[key], f"{where}: {key}") for key in _LAYER_KEYS if key in config}
    renamed = _RENAMED_ARGUMENTS.get(name, {})
    for key, value in config.items():
        new = renamed.get(key, key)
        if new in ARGUMENTS[name]:
            made[new] = _value(value, f"{where}: {key}")
        elif key not in made and key not in _DROPPED and value not in _DEFAULTS:
            raise SerializationError(f"{where} has {key}={value!s:.60}, which Keras 2's {name} does not have.")
    if name == "MultiHeadAttention":
        made.update(_attention_shapes(entry))
    if name == "BatchNormalization":
        made["axis"] = [made["axis"]] if isinstance(made.get("axis"), int) else made.get("axis")
    return {"class_name": name, "config": made}


def _attention_shapes(entry: Mapping[str, Any]) -> Config:
    """Return the shapes by which Keras 2 builds a MultiHeadAttention."""
    built = (entry.get("build_config") or {}).get("shapes_dict", {})
    shapes = {key: built.get(key) for key in ("query_shape", "value_shape", "key_shape")}
    return {**shapes, "key_shape": shapes["key_shape"] or shapes["value_shape"]}


def _input(config: Mapping[str, Any]) -> Config:
    return {
        "batch_input_shape": config["batch_shape"],
        "dtype": config.get("dtype") or "float32",
        "sparse": bool(config.get("sparse")),
        "ragged": False,
        "name": config["name"],
    }


def _value(value: Any, where: str) -> Any:
    """Return an argument in Keras 2's form: envelopes without module, dtype policies by name, layers rewritten."""
    if isinstance(value, list):
        return [_value(item, where) for item in value]
    if isinstance(value, str):
        return _function(value, where) if "activation" in where.rpartition(": ")[2] else value
    if not is_envelope(value):
        return value
    function = written_as_layers(value)
    if function is not None:
        return _function(function.__name__, where)
    name, config = str(value["class_name"]), value["config"]
    if "DTypePolicy" in name and name != "DTypePolicy":
        raise SerializationError(f"{where} is a {name}, which Keras 2 does not have; write .keras.")
    if name == "DTypePolicy":
        policy = config["name"] if isinstance(config, Mapping) else config
        return {"class_name": "Policy", "config": {"name": policy}} if str(policy).startswith("mixed_") else policy
    if name == "function":
        return _function(str(config), where)
    if value.get("module") in ("keras.layers", "keras", "keras.src.models.functional"):
        return layer_of(value)
    if isinstance(config, Mapping):
        config = {k: v for k, v in config.items() if k not in _NEW_OF_INITIALIZERS or v is not None}
    return {"class_name": value.get("registered_name") or name, "config": config}


def _function(name: str, where: str) -> str:
    plain = _FUNCTIONS.get(name.split(">")[-1], name)
    if ">" not in name and name not in _FUNCTIONS and name not in _ACTIVATIONS:
        raise SerializationError(f"{where}={name!r} is not an activation of Keras 2 with the same formula.")
    return plain


# ----- training -----


def _training(model: Any) -> Config:
    made = training_config(model)
    kept = {key: made.get(key) for key in ("loss", "metrics", "weighted_metrics", "loss_weights")}
    optimizer = made.get("optimizer_config")
    if optimizer is None:
        return kept
    dropped = ("loss_scale_factor", "gradient_accumulation_steps")
    config = {k: v for k, v in optimizer["config"].items() if k not in dropped}
    if is_envelope(config.get("learning_rate")):
        config["learning_rate"] = {k: config["learning_rate"][k] for k in ("class_name", "config")}
    config.update(jit_compile=False, is_legacy_optimizer=False)
    return {**kept, "optimizer_config": {"class_name": optimizer["class_name"], "config": config}}


def _state(model: Any) -> dict[str, Array] | None:
    """Return the optimizer's arrays by name in the order of tf.keras from 2.11 on; None if it has none."""
    optimizer = model.optimizer
    if optimizer is None or not optimizer.built:
        return None
    kept = {id(v) for group in optimizer.slot_groups for v in group if v.dtype != "int32"}
    slots = [v.array for v in optimizer.variables if id(v) in kept]
    if isinstance(optimizer, SGD) and not optimizer.momentum:
        slots = [np.zeros_like(v.array) for v in optimizer.trained]  # tf.keras stores momentums of 0
    arrays = {"iteration:0": optimizer.counter.array.astype("int64")}
    return {**arrays, **{f"slot_{number}:0": array for number, array in enumerate(slots)}}
