"""Layer configs of Keras 1 translated to Keras 2.

Keys are recognized by their names, not by the file's version, which files before Keras 1.1 do not have: a config of Keras 2 is
returned unchanged. Source: files of Keras 1.0 to 1.2.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from graphkit import constraints, initializers, regularizers  # noqa: F401 (they register their classes)
from graphkit.core.serialization import classes_of, custom_object

Config = dict[str, Any]

CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "AtrousConv1D": "Conv1D",
    "AtrousConv2D": "Conv2D",
    "Deconvolution3D": "Conv3DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "TimeDistributedDense": "Dense",
}
_KEYS = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "W_constraint": "kernel_constraint",
    "b_regularizer": "bias_regularizer",
    "b_constraint": "bias_constraint",
    "U_regularizer": "recurrent_regularizer",
    "bias": "use_bias",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "forget_bias_init": "unit_forget_bias",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "p": "rate",
    "sigma": "stddev",
    "output_dim": "units",
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "subsample": "strides",
    "subsample_length": "strides",
    "stride": "strides",
    "pool_length": "pool_size",
    "atrous_rate": "dilation_rate",
}
# By class, where a key has another meaning; None drops it.
_KEYS_OF: dict[str, dict[str, str | None]] = {
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
        "output_dim": "output_dim",
    },
    "PReLU": {"init": "alpha_initializer"},
    "BatchNormalization": {
        "init": "gamma_initializer",
        "gamma_init": "gamma_initializer",
        "beta_init": "beta_initializer",
    },
    "SeparableConv2D": {"init": "depthwise_initializer"},
    "SeparableConv1D": {"init": "depthwise_initializer"},
    "UpSampling1D": {"length": "size"},
    "Deconvolution2D": {"output_shape": "target_shape"},
    "Conv3DTranspose": {"output_shape": None},
}
_DATA_FORMATS = {"th": "channels_first", "tf": "channels_last"}
_KERNEL_AXES = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))
_CONSTRAINT_KEYS = {"m": "max_value", "low": "min_value", "high": "max_value"}
_REGULARIZERS = {"WeightRegularizer", "ActivityRegularizer", "L1L2Regularizer", "L1L2"}
_SEQUENCES = ("LSTM", "GRU", "SimpleRNN", "Conv1D", "CuDNNLSTM", "CuDNNGRU")


def in_keras2_words(class_name: str, config: Mapping[str, Any]) -> tuple[str, Config]:
    """Return the class and the config of a layer with the names of Keras 2."""
    name = CLASSES.get(class_name, class_name)
    own = _KEYS_OF.get(name, {})
    made: Config = {}
    if "output_shape" in own and own["output_shape"] is None and config.get("subsample") not in (None, [1, 1, 1]):
        where = f"Layer {config.get('name')!r} ({class_name})"
        warnings.warn(
            f"{where}: its output_shape {config.get('output_shape')} is assumed to be the smallest that its strides allow.",
            stacklevel=2,
        )
    for key, value in config.items():
        new = own[key] if key in own else _KEYS.get(key, key)
        if new is not None and (new not in made or value is not None):
            made[new] = _value(new, value)
    for axes in _KERNEL_AXES:
        if all(axis in made for axis in axes):
            made["kernel_size"] = [made.pop(axis) for axis in axes]
    if isinstance(made.get("padding"), Mapping) or _is_list_of(made.get("padding"), 4):
        made["padding"] = _margins(made["padding"])
    _name_input_shape(name, made)
    return _class_of_arguments(name, made), made


def _class_of_arguments(name: str, config: Config) -> str:
    """Return the class that implements an argument of Keras 1 which Keras 2 does not have."""
    if name == "BatchNormalization" and "mode" in config and not config["mode"]:
        del config["mode"]
    elif name == "BatchNormalization" and "mode" in config:
        return "ModalBatchNormalization"
    if name == "Conv2D" and config.get("padding") == "full":
        return "FullConv2D"
    return name


def _same(value: Any) -> Any:
    return value


def _data_format(value: Any) -> Any:
    return _DATA_FORMATS.get(value, value) if isinstance(value, str) else value


def _regularizer(value: Any) -> Any:
    if not isinstance(value, Mapping) or "name" not in value or "class_name" in value:
        return _known("regularizer", value, None)
    if value["name"] not in _REGULARIZERS:  # EigenvalueRegularizer and others do not affect the outputs
        _warn_of("regularizer", value["name"], None)
        return None
    return {"class_name": "L1L2", "config": {"l1": float(value.get("l1") or 0.0), "l2": float(value.get("l2") or 0.0)}}


def _constraint(value: Any) -> Any:
    if not isinstance(value, Mapping) or "name" not in value or "class_name" in value:
        made = {"class_name": _CONSTRAINTS.get(value, value), "config": {}} if isinstance(value, str) else value
        return _known("constraint", made, None)
    inner = {_CONSTRAINT_KEYS.get(k, k): v for k, v in value.items() if k != "name"}
    return {"class_name": _CONSTRAINTS.get(value["name"], value["name"]), "config": inner}


_CONSTRAINTS = {"maxnorm": "MaxNorm", "nonneg": "NonNeg", "unitnorm": "UnitNorm"}
_INITIALIZERS = {"zero": "zeros", "one": "ones", "<lambda>": "glorot_uniform", "recurrent_identity": "identity"}


def _initializer(value: Any) -> Any:
    return _known("initializer", _INITIALIZERS.get(value, value) if isinstance(value, str) else value, "glorot_uniform")


def _known(kind: str, value: Any, otherwise: str | None) -> Any:
    """Return the value, or with a warning the default for an unknown class or function.

    Initializers, and what is used only in training, should not prevent a model from loading.
    """
    name = value.get("class_name") if isinstance(value, Mapping) else value
    if not isinstance(name, str) or name in classes_of(f"keras.{kind}s") or custom_object(name) is not None:
        return value
    if isinstance(value, Mapping) and ("module" in value or value.get("registered_name")):
        return value
    _warn_of(kind, name, otherwise)
    return otherwise


def _warn_of(kind: str, name: str, otherwise: str | None) -> None:
    warnings.warn(f"The {kind} {name!r} of the file is unknown and is replaced by {otherwise}.", stacklevel=2)


def _forget_bias(value: Any) -> Any:
    return value in ("one", "ones") if isinstance(value, str) else value


_VALUES: tuple[tuple[str, Callable[[Any], Any]], ...] = (  # by suffix of the key
    ("data_format", _data_format),
    ("unit_forget_bias", _forget_bias),
    ("_regularizer", _regularizer),
    ("_constraint", _constraint),
    ("_initializer", _initializer),
    ("_init", _initializer),
)


def _value(key: str, value: Any) -> Any:
    return next((convert for end, convert in _VALUES if key.endswith(end)), _same)(value)


def _is_list_of(value: Any, length: int) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == length and all(isinstance(v, int) for v in value)


def _margins(padding: Any) -> Any:
    """Return ZeroPadding2D's four margins, a list or a dict by side, as pairs; a dict of 1D padding as one pair."""
    if isinstance(padding, Mapping):
        if "left_pad" in padding and "top_pad" not in padding:
            return [padding.get("left_pad", 0), padding.get("right_pad", 0)]
        padding = [padding.get(side, 0) for side in ("top_pad", "bottom_pad", "left_pad", "right_pad")]
    return [list(padding[:2]), list(padding[2:])]


def _name_input_shape(class_name: str, config: Config) -> None:
    """Replace `input_dim` and `input_length` of a first layer by `batch_input_shape`; in other layers they have no meaning."""
    length = config.pop("input_length", None)
    if class_name == "Embedding":
        if length is not None and "batch_input_shape" not in config:
            config["batch_input_shape"] = [None, *(length if isinstance(length, (list, tuple)) else [length])]
        return
    size = config.get("input_dim")
    if class_name in ("MaxoutDense", "Highway") or "input_dim" in config:
        config.pop("input_dim", None)
    if isinstance(size, int) and "batch_input_shape" not in config:
        config["batch_input_shape"] = [None, length, size] if class_name in _SEQUENCES else [None, size]
