"""Configs of Keras 1, Keras 2 and tf.keras rewritten as Keras 3's, so that one reader reads all of them.

Differences are in tables. Arguments of Keras 1 are first translated to those of Keras 2 (`keras1`); graphs are rewritten in `graph`.
Source: files of Keras 1.0 to 2.15.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

from graphkit.activations import hard_sigmoid_keras2
from graphkit.core.declared import declaration_of
from graphkit.core.errors import SerializationError
from graphkit.core.serialization import classes_of, config_names, custom_object, is_envelope
from graphkit.core.versions import version_numbers
from graphkit.layers.context import masks_of_keras2
from graphkit.saving.compile_settings import compile_arguments
from graphkit.saving.formats import Upgraded
from graphkit.saving.unwrap import layers_in

from . import keras1
from .compile_settings import readers_for
from .graph import MODELS, TENSORFLOW_CLASSES, functional, sequential
from .implied_settings import entries_of, in_full
from .keras1 import in_keras2_words
from .origin import reading
from .weights import relayout

Config = dict[str, Any]

# Classes that are another class with certain arguments.
RENAMED: dict[str, tuple[str, Config]] = {
    "BatchNormalizationV1": ("BatchNormalization", {}),
    "BatchNormalizationV2": ("BatchNormalization", {}),
    "SyncBatchNormalization": ("BatchNormalization", {}),
    "AddLoss": ("Identity", {}),  # it returns its input
    "AddMetric": ("Identity", {}),
    "RandomCrop": ("ResizingRandomCrop", {}),  # at inference Keras 3 does not resize images
    "RandomHeight": ("Identity", {}),  # in training it stretches images to an unknown size
    "RandomWidth": ("Identity", {}),
    "LSTMV2": ("LSTM", {}),
    "GRUV2": ("GRU", {}),
    "CuDNNLSTM": ("LSTM", {"activation": "tanh", "recurrent_activation": "sigmoid"}),
    "CuDNNGRU": ("GRU", {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}),
}
# Classes that are replaced by one that is the same at inference: what is missing in training.
_ONLY_IN_TRAINING = {
    "AddLoss": "its loss is not added",
    "AddMetric": "its metric is not computed",
    "RandomHeight": "images keep their height in training too",
    "RandomWidth": "images keep their width in training too",
}
_PER_CHANNEL = ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")
# Arguments that do not affect the result: implementations of the same computation, what Keras 3 always does, what the class never
# used, and what is read elsewhere. By class; "" is for every class. All others are arguments of the class, or cause a warning.
WITHOUT_EFFECT: dict[str, tuple[str, ...]] = {
    "": (
        "implementation",  # of a recurrent layer or a LocallyConnected; weights of the latter are recognized by their shape
        "consume_less",  # Keras 1's name of `implementation`
        "sparse",  # a sparse tensor has the same values
        "rng_type",  # of a random layer: how its generator is stored
        "input_dtype",  # read by `_layer_config`
        "keras_version",
        "backend",
        "experimental_run_tf_function",
        "enable_caching_device",
        "_use_input_spec_as_call_signature",
    ),
    "BatchNormalization": ("fused", "adjustment"),
    "DepthwiseConv1D": ("filters", *_PER_CHANNEL),
    "DepthwiseConv2D": ("filters", *_PER_CHANNEL),
    "SeparableConv1D": _PER_CHANNEL,
    "SeparableConv2D": _PER_CHANNEL,
    "Conv1DTranspose": ("groups",),
    "Conv2DTranspose": ("groups",),
    "Conv3DTranspose": ("groups",),
    "SpatialDropout1D": ("noise_shape",),
    "SpatialDropout2D": ("noise_shape",),
    "SpatialDropout3D": ("noise_shape",),
    "Identity": (
        "unconditional",
        "aggregation",
        "metric_name",
        "factor",
        "interpolation",
        "seed",
    ),  # see _ONLY_IN_TRAINING
    "StringLookup": ("vocabulary_dtype",),
    **dict.fromkeys(("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), ("time_major",)),  # tf.keras ignores it in convolutions
    "Embedding": ("input_length",),  # a shape
    "MultiHeadAttention": ("query_shape", "key_shape", "value_shape"),
    "Attention": ("causal",),  # now an argument of the call: see `graph`
    "AdditiveAttention": ("causal",),
}
_RENAMED_KEYS = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "CategoryEncoding": {"max_tokens": "num_tokens"},
    "Discretization": {"bins": "bin_boundaries"},
    "IntegerLookup": {"max_values": "max_tokens", "mask_value": "mask_token", "oov_value": "oov_token"},  # up to 2.5
}
_RENAMED_MODES = {"binary": "multi_hot", "tf-idf": "tf_idf"}  # output modes up to 2.5
_WITH_MODES = ("CategoryEncoding", "IntegerLookup", "StringLookup", "TextVectorization")
# Arguments that TensorFlow.js 1.0 wrote as null for the default.
_NULL_IS_DEFAULT = frozenset({"padding", "data_format", "interpolation", "dilation_rate"})
# Older defaults of missing keys that are not those of Keras 3.
_OLD_DEFAULTS: dict[str, Config] = {
    "GRU": {"reset_after": False},
    "GRUCell": {"reset_after": False},
    **{name: {"data_format": "channels_last"} for name in ("Flatten", "Conv1D", "SeparableConv1D")},
    **{
        f"{kind}Pooling1D": {"data_format": "channels_last"}
        for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")
    },
}
_MERGE_MODES: dict[Any, tuple[str, dict[str, str]]] = {
    "sum": ("Add", {}),
    "mul": ("Multiply", {}),
    "ave": ("Average", {}),
    "max": ("Maximum", {}),
    "concat": ("Concatenate", {"axis": "concat_axis"}),
    "dot": ("Dot", {"axes": "dot_axes"}),
    "cos": ("CosineProximity", {"axes": "dot_axes"}),
}
_INNER_LAYERS = ("layer", "backward_layer", "forward_layer", "cell")
_KNOWN_OF_INPUTS = {"batch_shape", "dtype", "name", "shape", "batch_size", "optional"}
_ALWAYS_KNOWN = {
    "name",
    "trainable",
    "dtype",
    "autocast",
    "activity_regularizer",
    "batch_input_shape",
    "batch_shape",
    "input_shape",
}


# ----- models -----


def is_older_config(config: Mapping[str, Any]) -> bool:
    """Whether a model's config is of Keras 1, Keras 2 or tf.keras, by its version or else by keys that only those wrote."""
    version = version_numbers(config.get("keras_version"))
    if version:
        return version < (3,)
    return is_envelope(config) and any(_is_marked(entry) for entry in entries_of(config))


def upgrade(config: Mapping[str, Any]) -> Upgraded | None:
    """Return a model's config of Keras 1, Keras 2 or tf.keras in Keras 3's terms; None for one of Keras 3.

    Raises:
        SerializationError: a layer has no counterpart; names it.
    """
    if not is_older_config(config):
        return None
    has_masks = any(_makes_masks(entry) for entry in entries_of(config))
    version = str(config["keras_version"] or "unknown") if "keras_version" in config else ""
    readers = readers_for(str(config.get("keras_version") or "3"))
    with reading(config.get("keras_version"), has_masks):
        return Upgraded(
            rewritten(in_full(config)),
            version,
            scope=masks_of_keras2,
            relayout=relayout,
            compile_arguments=partial(compile_arguments, readers=readers),
        )


def _makes_masks(entry: Mapping[str, Any]) -> bool:
    config = entry.get("config")
    return entry["class_name"] == "Masking" or (isinstance(config, Mapping) and bool(config.get("mask_zero")))


def older_classes() -> frozenset[str]:
    """Return the names of classes that only configs before Keras 3 have."""
    return frozenset({*MODELS, *keras1.CLASSES, *RENAMED, *TENSORFLOW_CLASSES, "Merge", "InputLayer"})


def upgraded_entry(entry: Mapping[str, Any]) -> Config:
    """Return a layer's or model's envelope as Keras 3 writes it; one of Keras 3 is returned unchanged."""
    return rewritten(entry) if any(_is_marked(e) for e in entries_of(entry)) or "module" not in entry else dict(entry)


def _is_marked(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of `layers` has a form that only Keras before 3 wrote."""
    config = entry.get("config")
    if isinstance(config, Mapping) and ("batch_input_shape" in config or "input_dtype" in config):
        return True
    if "module" not in entry:
        return True
    nodes = entry.get("inbound_nodes")
    return (
        isinstance(nodes, list)
        and bool(nodes)
        and (isinstance(nodes[0], list) or (isinstance(nodes[0], Mapping) and "args" not in nodes[0]))
    )


def rewritten(entry: Mapping[str, Any]) -> Config:
    """Return an envelope of older Keras as Keras 3 writes it. Raises SerializationError, naming the layer, if Keras 3 has none."""
    if not is_envelope(entry):
        raise SerializationError(f"An entry of `layers` has no class_name and config: {entry!s:.120}")
    name = str(entry["class_name"])
    if name in MODELS and layers_in(entry) is not None:
        return sequential(entry, rewritten) if MODELS[name] == "Sequential" else functional(entry, rewritten)
    if name == "Merge":
        return _merge(entry["config"])
    if name == "Lambda":
        return _lambda(entry["config"])
    if name in TENSORFLOW_CLASSES:
        raise SerializationError(
            f"Layer {entry['config'].get('name')!r} ({name}) is a TensorFlow op outside of a graph."
        )
    if not isinstance(entry["config"], Mapping):
        raise SerializationError(f"The config of {name} must be an object, got {type(entry['config']).__name__}.")
    return _layer(name, entry)


# ----- layers -----


def _layer(name: str, entry: Mapping[str, Any]) -> Config:
    known = classes_of("keras.layers")
    keras_name, config = in_keras2_words(name, entry["config"])
    if keras_name in _ONLY_IN_TRAINING:
        missing = _ONLY_IN_TRAINING[keras_name]
        warnings.warn(f"Layer {config.get('name')!r} ({keras_name}) returns its input: {missing}.", stacklevel=2)
    keras_name, fixed = RENAMED.get(keras_name, (keras_name, {}))
    own = entry.get("registered_name") or custom_object(name) is not None
    if own or keras_name not in known:
        return _foreign(name, entry)
    made = {**_layer_config(keras_name, config), **fixed}
    _drop_unknown(keras_name, known[keras_name], made)
    return {"module": "keras.layers", "class_name": keras_name, "config": made, "registered_name": None}


def _foreign(name: str, entry: Mapping[str, Any]) -> Config:
    """Return the envelope of a class that is not Keras'; its config is unchanged."""
    registered = entry.get("registered_name") or (name if ">" in name else None)
    module = entry.get("module") or ""
    return {
        "module": module,
        "class_name": name.split(">")[-1],
        "config": dict(entry["config"]),
        "registered_name": registered,
    }


def _layer_config(class_name: str, config: Mapping[str, Any]) -> Config:
    dropped = {*WITHOUT_EFFECT[""], *WITHOUT_EFFECT.get(class_name, ())}
    if class_name == "InputLayer" and "input_dtype" in config:
        config = {"dtype": config["input_dtype"], **config}
    made = {
        key: _value(key, value)
        for key, value in config.items()
        if key not in dropped and (value is not None or key not in _NULL_IS_DEFAULT)
    }
    for key, value in _OLD_DEFAULTS.get(class_name, {}).items():
        if made.get(key) is None:
            made[key] = value
    _mend(class_name, made)
    return made


def _mend(class_name: str, made: Config) -> None:
    """Rename keys and values, and drop those that have no meaning for this class."""
    if class_name == "InputLayer":
        made["batch_shape"] = made.pop("batch_input_shape", made.get("batch_shape"))
        made.pop("type_spec", None)
    elif "int" in str(made.get("dtype")) or made.get("dtype") in ("bool", "string"):
        made.pop("dtype")  # in Keras up to 2.0 it was the dtype of the inputs
    if class_name in ("BatchNormalization", "ModalBatchNormalization"):
        _mend_normalization(made)
    for old, new in _RENAMED_KEYS.get(class_name, {}).items():
        if old in made:
            made[new] = made.pop(old)
    if class_name in _WITH_MODES and made.get("output_mode") in _RENAMED_MODES:
        made["output_mode"] = _RENAMED_MODES[made["output_mode"]]
    if class_name == "Hashing" and "float" in str(made.get("dtype")):
        made.pop("dtype")  # of its inputs, up to 2.8
    if made.get("num_constants"):
        where = f"Layer {made.get('name')!r} ({class_name})"
        raise SerializationError(
            f"{where} has num_constants={made['num_constants']}: cells that take constants are not supported."
        )
    if class_name == "Bidirectional" and isinstance(made.get("layer"), Mapping) and "batch_input_shape" not in made:
        inner = made["layer"]["config"].get("batch_input_shape")
        if inner is not None:
            made["batch_input_shape"] = inner


def _mend_normalization(made: Config) -> None:
    where = f"Layer {made.get('name')!r} (BatchNormalization)"
    small, axis = made.get("virtual_batch_size"), made.get("axis")
    if small is not None:
        raise SerializationError(f"{where} has virtual_batch_size={small}, which graphkit and Keras 3 do not support.")
    if not isinstance(axis, (list, tuple)):
        return
    if len(axis) != 1:
        raise SerializationError(
            f"{where} normalizes over all axes except {list(axis)}; graphkit and Keras 3 support exactly one exception."
        )
    made["axis"] = axis[0]


def _value(key: str, value: Any) -> Any:
    if key.endswith("activation") and isinstance(_function_name(value), str):
        name = str(_function_name(value)).removesuffix("_v2")  # TensorFlow's names of softmax and others
        if name == "hard_sigmoid":
            return hard_sigmoid_keras2
        return name if isinstance(value, str) else value
    if isinstance(value, Mapping):
        return _mapping(key, value)
    if key == "cells" and isinstance(value, list):
        return [rewritten(cell) for cell in value]
    return value


def _function_name(value: Any) -> Any:
    if is_envelope(value):
        return value["config"] if value["class_name"] == "function" else None
    return value if isinstance(value, str) else None


def _mapping(key: str, value: Mapping[str, Any]) -> Any:
    if value.get("type") == "ndarray" and "value" in value:  # NumPy arrays as Keras 2 wrote them
        return value["value"]
    if value.get("class_name") in ("__tuple__", "TensorShape") and "items" in value:
        return list(value["items"])
    if not is_envelope(value):
        return value
    if key == "dtype":
        inner = value["config"]
        return inner.get("name", "float32") if isinstance(inner, Mapping) else str(inner)
    if key in _INNER_LAYERS:
        return rewritten(value)
    if key.endswith("initializer") and isinstance(value["config"], Mapping):
        return {**value, "config": _initializer_config(value["config"])}
    if key.endswith(("regularizer", "constraint")) and isinstance(value["config"], Mapping):
        return {**value, "config": {k: v for k, v in value["config"].items() if v is not None}}
    return value


def _initializer_config(config: Mapping[str, Any]) -> Config:
    made = {k: _value("", v) for k, v in config.items() if k != "dtype" and v is not None}
    if made.get("distribution") == "normal":  # its name in Keras 2
        made["distribution"] = "truncated_normal"
    return made


def taken_by(cls: Any) -> set[str]:
    """Return the arguments that a layer class takes from a config."""
    declaration = declaration_of(cls)
    return {*(declaration.arguments if declaration is not None else config_names(cls)), *_ALWAYS_KNOWN}


def _drop_unknown(name: str, cls: Any, config: Config) -> None:
    """Remove arguments that graphkit's class does not have, with a warning for values other than zero or empty ones."""
    known = _KNOWN_OF_INPUTS if name == "InputLayer" else taken_by(cls)
    for key in [k for k in config if k not in known]:
        value = config.pop(key)
        if value not in (None, False, 0, 0.0, "", [], {}):
            where = f"Layer {config.get('name')!r} ({name})"
            warnings.warn(f"{where}: {key}={value!s:.60} of its file is unknown and is left out.", stacklevel=2)


def _merge(config: Mapping[str, Any]) -> Config:
    """Return Keras 1's Merge, which Keras 2 wrote up to 2.1, as the layer of its mode."""
    mode = config.get("mode")
    if config.get("mode_type") not in (None, "raw") or mode not in _MERGE_MODES:
        function = mode if config.get("mode_type") == "function" else None
        of_mode = {"function": function, "function_type": config.get("mode_type"), "arguments": config.get("arguments")}
        return _lambda({"name": config.get("name"), **of_mode})
    class_name, arguments = _MERGE_MODES[mode]
    made = {"name": config.get("name"), **{new: config[old] for new, old in arguments.items() if old in config}}
    if "axes" in made and isinstance(made.get("axes"), list):
        made["axes"] = [a[0] if isinstance(a, list) and len(a) == 1 else a for a in made["axes"]]
    return {"module": "keras.layers", "class_name": class_name, "config": made, "registered_name": None}


def _lambda(config: Mapping[str, Any]) -> Config:
    """Return a Lambda without its code: its function is looked up by name, or constructing the layer fails."""
    given = config.get("arguments")
    arguments: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    if set(arguments) == {"i", "parts"} and custom_object(str(config.get("name"))) is None:  # multi_gpu_model's
        part = {"name": config.get("name"), **arguments}
        return {"module": "keras.layers", "class_name": "BatchPart", "config": part, "registered_name": None}
    function: Any = config.get("function")
    if config.get("function_type") == "function" and isinstance(function, str):
        function = {"class_name": "function", "config": function}
    elif not is_envelope(function):
        function = {"class_name": "__lambda__", "config": {"code": "", "defaults": None, "closure": None}}
    made: Config = {"name": config.get("name"), "trainable": config.get("trainable", True), "function": function}
    made["arguments"] = arguments
    made.update({key: config[key] for key in ("batch_input_shape",) if config.get(key)})
    if config.get("output_shape_type", "raw") == "raw" and isinstance(config.get("output_shape"), list):
        made["output_shape"] = config["output_shape"]
    return {"module": "keras.layers", "class_name": "Lambda", "config": made, "registered_name": None}
