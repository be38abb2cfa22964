"""Writing of HDF5 files of whole models as Keras 3 does with `model.save("x.h5")`, with the optimizer's state. Keras opens them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphkit import losses, metrics
from graphkit.core import dtypes
from graphkit.core.files import replacing
from graphkit.core.serialization import classes_of, is_envelope
from graphkit.layers.layer import Layer
from graphkit.saving.stores import Array, new_hdf5

MAX_ATTRIBUTE_BYTES = 64512  # attributes are in the object's header of 64 KiB; Keras splits longer lists
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")
_COMPILE_KEYS = (
    "loss",
    "loss_weights",
    "metrics",
    "weighted_metrics",
    "run_eagerly",
    "steps_per_execution",
    "jit_compile",
)


def layer_weights(layer: Layer) -> list[Any]:
    """Return the weights of a layer in the older order: all trainable ones of the layers in it, then all others."""
    weights = layer.weights
    return [v for v in weights if v.trainable] + [v for v in weights if not v.trainable]


def write_legacy_model(path: Path, model: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Write a whole model: config, weights, compile settings, the optimizer's state.

    Args:
        path: the file.
        model: a built model.
        overwrite: False raises InvalidArgumentError if the file exists.
        include_optimizer: False leaves out the compile settings and the optimizer's state.
    """
    from graphkit.saving.archive import KERAS_VERSION

    config = {"class_name": type(model).__name__, "config": model.get_config()}
    training = training_config(model) if include_optimizer and model.compiled else None
    state = {} if training is None or model.optimizer is None else by_name(model.optimizer.variables)
    write_hdf5_model(path, model, config, training, KERAS_VERSION, overwrite, state=state)


def write_hdf5_model(
    path: Path,
    model: Any,
    config: Any,
    training: Any,
    version: str,
    overwrite: bool,
    suffix: str = "",
    state: Mapping[str, Array] | None = None,
) -> None:
    """Write a model's HDF5 file with this config.

    Args:
        path: the file.
        model: a built model.
        config: the config, as JSON data.
        training: the training config; None leaves it out.
        version: the `keras_version` of the file.
        overwrite: False raises InvalidArgumentError if the file exists.
        suffix: appended to the weights' names (Keras 2: ":0").
        state: the optimizer's arrays by name.
    """
    with replacing(path, overwrite) as part, new_hdf5(part) as file:
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "graphkit"
        file.attrs["model_config"] = json.dumps(config)
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        write_groups(file.create_group("model_weights"), model, version, suffix)
        if state:
            write_arrays(file.create_group("optimizer_weights"), state)


def training_config(model: Any) -> dict[str, Any]:
    """Return the compile settings in the form of Keras' HDF5 files."""
    given = model.get_compile_config()
    made = {key: given.get(key) for key in _COMPILE_KEYS}
    made["loss"] = _full_names(given.get("loss"), _loss)
    made["metrics"], made["weighted_metrics"] = (
        _full_names(given.get(k), _metric) for k in ("metrics", "weighted_metrics")
    )
    if given.get("optimizer") is not None:
        made["optimizer_config"] = {k: given["optimizer"][k] for k in ("class_name", "config")}
    return made


def _full_names(given: Any, make: Callable[[str], Any]) -> Any:
    """Return losses and metrics as objects: Keras 3 cannot read its own files that have short names ("mse")."""
    if isinstance(given, str):
        found = None if given in _BY_SHAPE else make(given)
        return given if found is None else {"class_name": type(found).__name__, "config": found.get_config()}
    if isinstance(given, dict) and not is_envelope(given):
        return {key: _full_names(value, make) for key, value in given.items()}
    return [_full_names(value, make) for value in given] if isinstance(given, (list, tuple)) else given


def _metric(name: str) -> Any:
    found = metrics.get(name)
    if not isinstance(found, metrics.Metric):
        return None
    found.name = name
    return found


def _loss(name: str) -> Any:
    function = losses.get(name)
    cls = next((c for c in classes_of("keras.losses").values() if getattr(c, "function", None) is function), None)
    return cls() if cls is not None else None


def write_groups(place: Any, model: Any, version: str, suffix: str = "") -> None:
    """Write a group for each layer, with `layer_names` and `weight_names`.

    Args:
        place: the HDF5 group to write into.
        model: a built model.
        version: the attribute `keras_version`.
        suffix: appended to the weights' names.
    """
    write_names(place, "layer_names", [layer.name for layer in model.layers])
    place.attrs["keras_version"] = version
    place.attrs["backend"] = "graphkit"
    for layer in sorted(model.layers, key=lambda found: found.name):  # a group before its subgroups
        write_arrays(place.require_group(layer.name), by_name(layer_weights(layer), suffix))
    own = [v for v in model._own_variables if v in model.weights]
    write_arrays(place.create_group("top_level_model_weights"), by_name(own, suffix))


def by_name(variables: Sequence[Any], suffix: str = "") -> dict[str, Array]:
    """Return the arrays of variables by their paths, with running numbers in front if paths are not unique."""
    names = [f"{v.path}{suffix}" for v in variables]
    if len(set(names)) != len(names):
        names = [f"{index}/{name}" for index, name in enumerate(names)]
    return {name: v.array for name, v in zip(names, variables, strict=True)}


def write_arrays(group: Any, arrays: Mapping[str, Array]) -> None:
    """Write arrays; the attribute `weight_names` records their order."""
    write_names(group, "weight_names", list(arrays))
    for name, array in arrays.items():
        dataset = group.create_dataset(name, data=array)
        if dtypes.of_array(array) == "bfloat16":
            dataset.attrs["dtype"] = "bfloat16"


def write_names(group: Any, attribute: str, names: Sequence[str]) -> None:
    """Write a list of names, split over several attributes (`layer_names0`, ...) if one would be too long."""
    array = np.array([name.encode() for name in names]) if names else np.zeros(0)
    parts = 1
    while any(part.nbytes > MAX_ATTRIBUTE_BYTES for part in np.array_split(array, parts)):
        parts += 1
    if parts == 1:
        group.attrs[attribute] = array
        return
    for number, part in enumerate(np.array_split(array, parts)):
        group.attrs[f"{attribute}{number}"] = part
