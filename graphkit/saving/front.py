"""The front doors: save and load models and weights. `Model`'s methods and `graphkit.models` come here."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from graphkit.core.allocation import initial_weights_within, weights_from_file
from graphkit.core.collection import collection_paused
from graphkit.core.errors import GraphKitError, InvalidArgumentError, InvalidTypeError, SerializationError
from graphkit.core.files import check_target, replacing, write_text
from graphkit.core.serialization import custom_object_scope, deserialize, envelope, reading_from, serialize
from graphkit.core.versions import version_numbers
from graphkit.saving import bounds, formats
from graphkit.saving.tensor_shapes import allowing_placeholders, note_shapes

MAX_INITIAL_BYTES = 1 << 34  # of weights that a config without a weights file may ask for: 16 GiB
WEIGHT_SUFFIXES = {".h5": "h5", ".hdf5": "h5", ".npz": "npz", ".safetensors": "safetensors"}
_WRITERS = ".keras, .h5 (Keras' older format), .json (without weights), .onnx"


# ----- models -----


def load_model(
    filepath: Any,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    placeholders: bool = False,
) -> Any:
    """Open a model file of any format, told by its content: `.keras` (also unpacked), Keras HDF5, JSON, ONNX, ...

    Args:
        filepath: the file or folder.
        custom_objects: classes and functions of your own by the names that the file uses; for a `Lambda` that was saved as
            code, its function by the layer's name.
        compile: whether a model that was compiled is compiled again, with its optimizer's state.
        safe_mode: False lets a layer open the vocabulary file that the model names by its path. Code in files is never run.
        placeholders: let layers whose class (or Lambda whose function) is not known keep their place, name and config: the model
            can be summarised, drawn and searched, and calling it raises UnknownClassError.

    Raises SerializationError (a ValueError) naming file and entry. Source: keras.saving.load_model.
    """
    path = _existing(filepath)
    allowing = allowing_placeholders() if placeholders else nullcontext()
    with reading_from(repr(str(path)), safe_mode), custom_object_scope(custom_objects), allowing, collection_paused():
        kind = formats.kind_of(path)
        module_name, _, function = kind.reader.partition(":")
        reader = getattr(import_module(module_name), function)
        model = reader(path, compile=compile and not placeholders) if kind.compiles else reader(path)
    warn_of_missing_vocabularies(model, path)
    return model


def warn_of_missing_vocabularies(model: Any, path: Path) -> None:
    """Warn of layers that learned a vocabulary which the file does not hold: every token is unknown to them."""
    from graphkit.layers.preprocessing.lookup import IndexLookup, TextVectorization

    if not hasattr(model, "_walk_layers"):
        return
    layers = list(model._walk_layers())
    owners = {id(layer._lookup_layer): layer.name for layer in layers if isinstance(layer, TextVectorization)}
    silent = [layer for layer in layers if isinstance(layer, IndexLookup) and layer.lacks_vocabulary]
    names = [owners.get(id(layer), layer.name) for layer in silent]
    if names:
        warnings.warn(
            f"{str(path)!r} does not hold the vocabulary of {', '.join(map(repr, names))}: give it with set_vocabulary().",
            stacklevel=3,
        )


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
    """Write a whole model, in the format that the suffix names; a path without one and `zipped=False` gives a folder.

    Args:
        model: a model.
        filepath: `.keras`, `.h5`, `.json`, `.onnx`.
        overwrite: False raises InvalidArgumentError where the file is there.
        zipped: False writes the members of a `.keras` archive into a folder.
        weights_format: "h5" or "npz", of the weights in the archive.
        keras_version: 2 writes an `.h5` file that tf.keras and Keras 2 open.
        include_optimizer: False leaves out of an `.h5` file what compile was given.

    The file is written beside its target and takes its name when it is whole. Source: keras.saving.save_model.
    """
    path, suffix = Path(filepath), Path(filepath).suffix.lower()
    check_target(path, overwrite, folder=zipped is False)
    from graphkit.saving.keras3_differences import warn_of_missing

    kwargs.pop("save_format", None)
    include_optimizer = kwargs.pop("include_optimizer", True)
    weights_format = kwargs.pop("weights_format", "h5")
    keras_version = kwargs.pop("keras_version", 3)
    if suffix == ".onnx":
        model.export(filepath, overwrite=overwrite, **kwargs)
        return
    if keras_version not in (2, 3) or (keras_version == 2 and suffix not in (".h5", ".hdf5")):
        raise InvalidArgumentError(
            f"keras_version must be 2 or 3, and 2 only for .h5 files; got {keras_version!r} for {path.name!r}."
        )
    if kwargs:
        raise InvalidTypeError(f"save_model got arguments that it does not know: {sorted(kwargs)}.")
    if suffix == ".json":
        write_text(path, model_to_json(model), overwrite)
    elif suffix in (".h5", ".hdf5"):
        from graphkit.converters.keras_legacy.hdf5_writer import write_legacy_model
        from graphkit.converters.keras_legacy.keras2_writer.models import write_keras2_model

        write = write_keras2_model if keras_version == 2 else write_legacy_model
        write(path, model, overwrite, include_optimizer)
    elif suffix == ".keras" or zipped is False:
        from graphkit.saving.archive import WEIGHTS, write_archive

        if weights_format not in WEIGHTS:
            raise InvalidArgumentError(f"weights_format must be one of {list(WEIGHTS)}, got {weights_format!r}.")
        write_archive(path, model_config(model), model, overwrite, weights_format, zipped is not False)
    else:
        raise InvalidArgumentError(
            f"Invalid filepath extension for saving: {str(filepath)!r}. Please add a `.keras` extension; known are {_WRITERS}."
        )
    if keras_version == 3:
        warn_of_missing(model, path)


def read_keras_archive(path: Path, compile: bool = True) -> Any:
    """The model of a `.keras` file or folder."""
    from graphkit.saving.archive import open_archive, open_weights, read_config, read_state, read_version
    from graphkit.saving.weights import is_structure_only

    what = repr(str(path))
    with open_archive(path) as members:
        config = {**read_version(members, what), **read_config(members, what)}
        with open_weights(members, what, glance=is_structure_only()) as table:
            with weights_from_file(table.nbytes, what):
                model = model_from_config(config, what)
            if compile and config.get("compile_config"):
                _compile(model, config)
            read_state(members, table, model, what)
    return model


def _compile(model: Any, config: Mapping[str, Any]) -> None:
    """Compile as a file says. What is not understood is left to the user, with a warning that names it."""
    from graphkit.converters.keras_legacy.compile_settings import compile_leniently

    version = str(config.get("keras_version") or "3")
    if version_numbers(version) >= (3,):
        try:
            model.compile_from_config(config["compile_config"])
            return
        except GraphKitError:
            pass  # one name is unknown: all others are of use
    if isinstance(config["compile_config"], Mapping):
        compile_leniently(model, config["compile_config"], version)
    if model.built and model.optimizer is not None:
        model.optimizer.build(model.trainable_weights)


def read_json(path: Path, compile: bool = True) -> Any:
    """The model of a JSON file, newly initialised."""
    what = repr(str(path))
    return _model_from_text(bounds.read_bytes(path, what), what, compile=compile)


# ----- JSON -----


def model_config(model: Any) -> dict[str, Any]:
    """The config of a model as `.keras` files and JSON hold it: its envelope and what `compile` was given."""
    config = envelope(model)
    compile_config = model.get_compile_config() if hasattr(model, "get_compile_config") else None
    config["compile_config"] = serialize(compile_config or {})
    return config


def model_to_json(model: Any, **kwargs: Any) -> str:
    """The config of a model as JSON text; `kwargs` go to `json.dumps`. Source: keras.Model.to_json."""
    return json.dumps(model_config(model), **kwargs)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a JSON config, newly initialised. Source: keras.models.model_from_json.

    Raises SerializationError for text that is no config of a model.
    """
    if not isinstance(json_string, (str, bytes)):
        raise InvalidTypeError(f"model_from_json wants the JSON text of a model, got {type(json_string).__name__}.")
    what = "the JSON text"
    with reading_from(what), custom_object_scope(custom_objects), collection_paused():
        return _model_from_text(json_string, what, compile=True)


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """What `serialize_keras_object` wrote, made again. Source: keras.saving.deserialize_keras_object.

    Args:
        custom_objects: classes and functions of your own by the names that the config uses.
        safe_mode: False lets a layer open the vocabulary file that the config names by its path. No code is run either way.

    Raises UnknownClassError for a class that is not registered, SerializationError for what is no config.
    """
    with reading_from("the config", safe_mode):
        return deserialize(config, custom_objects)


def _model_from_text(text: str | bytes, what: str, compile: bool) -> Any:
    from graphkit.saving.unwrap import parse_config, unwrapped

    config = unwrapped(parse_config(text, what), what)
    model = model_from_config(config, what)
    if compile and config.get("compile_config"):
        _compile(model, config)
    return model


def model_from_config(config: Mapping[str, Any], what: str = "the config") -> Any:
    """A model from its envelope. Raises SerializationError for what is none."""
    from graphkit.converters.keras_legacy.config import is_older_config, model_from_older_config
    from graphkit.models.model import Model
    from graphkit.saving.unwrap import unwrapped

    config = unwrapped(config, what)
    note_shapes(config)
    with initial_weights_within(MAX_INITIAL_BYTES, what):
        try:
            if is_older_config(config):
                model = model_from_older_config(config)
                model._config_version = str(config["keras_version"] or "unknown") if "keras_version" in config else ""
            else:
                model = deserialize({k: v for k, v in config.items() if k != "compile_config"})
        except (GraphKitError, RecursionError, MemoryError, Warning):
            raise
        except Exception as error:  # what a malformed config leads to
            raise SerializationError(f"{what} cannot be made into a model: {type(error).__name__}: {error}.") from error
    if not isinstance(model, Model) and not hasattr(model, "save"):  # a FeatureSpace is saved as a file of its own
        raise SerializationError(f"{what} describes a {type(model).__name__}, not a model.")
    return model


# ----- weights -----


def save_weights(
    model: Any, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None, **kwargs: Any
) -> None:
    """Write the weights, and the optimizer's state, of a model (or layer).

    Args:
        filepath: `.weights.h5`, `.npz`, `.safetensors`; `.weights.json` for sharded weights.
        max_shard_size: GiB in one file of sharded weights.

    Source: keras.Model.save_weights.
    """
    path = Path(filepath)
    if kwargs:
        raise InvalidTypeError(f"save_weights got arguments that it does not know: {sorted(kwargs)}.")
    check_target(path, overwrite)
    if max_shard_size is not None or path.name.endswith(".weights.json"):
        from graphkit.saving.sharded import SUFFIX, write_shards
        from graphkit.saving.weights import state_of

        if not path.name.endswith((SUFFIX, ".weights.h5")):
            raise InvalidArgumentError(
                f"The filename must end in `{SUFFIX}` when `max_shard_size` is specified. Received: filepath={str(filepath)!r}"
            )
        index = path.with_suffix(".json")
        write_shards(index, *state_of(model), 5.0 if max_shard_size is None else max_shard_size, overwrite)
        return
    if path.suffix not in WEIGHT_SUFFIXES:
        raise InvalidArgumentError(
            f"The filename must end in `.weights.h5` (or .npz, .safetensors). Received: filepath={str(filepath)!r}"
        )
    from graphkit.saving.archive import write_weights

    with replacing(path, overwrite) as part:
        write_weights(part, model, WEIGHT_SUFFIXES[path.suffix])


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, by_name: bool = False, **kwargs: Any) -> None:
    """Read weights; nothing is changed unless all fit. Source: keras.Model.load_weights.

    Args:
        filepath: `.weights.h5`, `.npz`, `.safetensors`, `.weights.json`, a `.keras` archive, or an HDF5 file of older Keras.
        skip_mismatch: leave what does not fit as it is.
        by_name: match layers by name; the others keep their weights (older HDF5 files only).

    Raises SerializationError naming layer, weight and shapes.
    """
    from graphkit.saving.reading import read_weights

    if kwargs:
        raise InvalidTypeError(f"load_weights got arguments that it does not know: {sorted(kwargs)}.")
    path = _existing(filepath)
    with reading_from(repr(str(path))):
        read_weights(model, path, skip_mismatch, by_name)


def _existing(filepath: Any) -> Path:
    path = Path(filepath)
    if not path.exists():
        raise MissingFileError(f"File not found: filepath={str(filepath)!r}. Please ensure the file is there.")
    return path


class MissingFileError(SerializationError, FileNotFoundError):
    """The file to open is not there (Keras raises ValueError for `.keras` files)."""

    def __str__(self) -> str:
        return str(self.args[0])
