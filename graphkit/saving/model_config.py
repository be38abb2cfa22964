"""Models to configs and JSON text, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from graphkit.core.allocation import initial_weights_within
from graphkit.core.collection import collection_paused
from graphkit.core.errors import GraphKitError, InvalidTypeError, SerializationError
from graphkit.core.serialization import custom_object_scope, deserialize, envelope, reading_from, serialize
from graphkit.saving import bounds, formats
from graphkit.saving.compile_settings import compile_leniently, compile_with
from graphkit.saving.tensor_shapes import note_shapes
from graphkit.saving.unwrap import unwrapped

MAX_INITIAL_BYTES = 1 << 34  # of weights that a config without a weights file may ask for: 16 GiB


def model_config(model: Any) -> dict[str, Any]:
    """Return the config of a model as in `.keras` and JSON files: its envelope with the arguments of `compile`."""
    config = envelope(model)
    compile_config = model.get_compile_config() if hasattr(model, "get_compile_config") else None
    config["compile_config"] = serialize(compile_config or {})
    return config


def model_to_json(model: Any, **kwargs: Any) -> str:
    """Return the config of a model as JSON text; `kwargs` are passed to `json.dumps`. Source: keras.Model.to_json."""
    return json.dumps(model_config(model), **kwargs)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return a newly initialized model from its config in JSON or in another registered text format.

    Args:
        json_string: the text.
        custom_objects: user-defined classes and functions by the names that the config uses.

    Raises:
        InvalidTypeError: the argument is not text.
        SerializationError: the text is not the config of a model.
        UnknownClassError: a class is not registered.

    Source: keras.models.model_from_json.
    """
    if not isinstance(json_string, (str, bytes)):
        raise InvalidTypeError(f"model_from_json expects the JSON text of a model, got {type(json_string).__name__}.")
    what = "the JSON text"
    with reading_from(what), custom_object_scope(custom_objects), collection_paused():
        data = formats.parsed_text(bounds.as_text(json_string, what), what)
        return model_from_data(bounds.parse_json(json_string, what) if data is None else data, what)


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Return the object of a config: the inverse of `serialize_keras_object`.

    Args:
        config: what `serialize_keras_object` returned.
        custom_objects: user-defined classes and functions by the names that the config uses.
        safe_mode: False lets a layer open the vocabulary file that the config names by its path. No code is run either way.

    Raises:
        UnknownClassError: a class is not registered.
        SerializationError: the argument is not a config.

    Source: keras.saving.deserialize_keras_object.
    """
    with reading_from("the config", safe_mode):
        return deserialize(config, custom_objects)


def model_from_data(data: Any, what: str, compile: bool = True) -> Any:
    """Return a model from parsed JSON or YAML, compiled if the config has compile settings.

    Args:
        data: the config, or data that contains it; see `unwrapped`.
        what: the file, as messages name it.
        compile: whether to compile.

    Raises:
        SerializationError: there is no config of a model in it.
    """
    config = unwrapped(data, what)
    model = model_from_config(config, what)
    if compile and config.get("compile_config"):
        compile_from_file(model, config)
    return model


def model_from_config(config: Mapping[str, Any], what: str = "the config") -> Any:
    """Return a model from its envelope, of any version of Keras. Raises SerializationError for anything else."""
    from graphkit.models.model import Model

    config = unwrapped(config, what)
    note_shapes(config)
    with initial_weights_within(MAX_INITIAL_BYTES, what):
        try:
            model = _made(config)
        except (GraphKitError, RecursionError, MemoryError, Warning):
            raise
        except Exception as error:  # a malformed config can raise anything
            raise SerializationError(f"{what} cannot be made into a model: {type(error).__name__}: {error}.") from error
    if not isinstance(model, Model) and not hasattr(model, "save"):  # a FeatureSpace is not a Model, but has files
        raise SerializationError(f"{what} describes a {type(model).__name__}, not a model.")
    return model


def _made(config: Mapping[str, Any]) -> Any:
    upgraded = formats.upgraded(config)
    if upgraded is None:
        return deserialize({key: value for key, value in config.items() if key != "compile_config"})
    with upgraded.scope():
        model = deserialize(upgraded.config)
    model._upgraded = upgraded
    return model


def compile_from_file(model: Any, config: Mapping[str, Any]) -> None:
    """Compile a model with the settings of its file. Unknown parts are left out, each with a warning that names it."""
    settings = config["compile_config"]
    upgraded = getattr(model, "_upgraded", None)
    if upgraded is not None and upgraded.compile_arguments is not None:
        if isinstance(settings, Mapping):
            compile_with(model, settings, upgraded.compile_arguments(settings))
    else:
        try:
            model.compile_from_config(settings)
            return
        except GraphKitError:  # one name is unknown: use the others
            if isinstance(settings, Mapping):
                compile_leniently(model, settings)
    if model.built and model.optimizer is not None:
        model.optimizer.build(model.trainable_weights)
