"""Reading of graphkit's own ONNX exports as the layers that they were exported from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphkit.core import dtypes
from graphkit.core.errors import SerializationError, UnknownNameError
from graphkit.saving.model_config import model_from_json

from .export import CONFIG_KEY, EXTRA_KEY, WEIGHTS_KEY, output_names
from .files import opened_message
from .imports.graph import model_of
from .imports.initializers import Trainable
from .imports.lifted import lift as lifted
from .in_place import tensor_array
from .relayout import undo_steps

_STEP_ARGUMENTS = {"transpose": 1, "reshape": 1, "take": 2, "pad": 3}
_MAX_TABLE = 1 << 28  # characters of JSON that are parsed


def load_model(
    path: str | Path,
    custom_objects: Mapping[str, Any] | None = None,
    trainable: Trainable = None,
    lift: bool = False,
    data_format: str = "channels_first",
) -> Any:
    """Return the model of an ONNX file.

    A file that `export_model` wrote gives the layers that it was exported from: layers from the metadata, weights from the
    initializers. Any other file gives a layer for each of its nodes, or with `lift` Keras' layers where they compute the same;
    so does one whose weights `optimize=` or `quantize=` changed.

    Args:
        path: the ONNX file.
        custom_objects: user-defined classes and functions by the names that the file uses.
        trainable: which initializers training updates; see `imports.initializers`.
        lift: whether groups of nodes become Keras' layers; the model then has an `import_report`.
        data_format: where lifted images have their channels: "channels_first" as in the file, or "channels_last".

    Raises:
        SerializationError: the file is not an ONNX model, its graph is malformed, or the tables that graphkit wrote do not fit it.
        UnsupportedError: an operator is unknown.
        UnknownNameError: the file does not exist.
    """
    file = Path(path)
    if not file.is_file():
        raise UnknownNameError(f"There is no file {str(path)!r}.")
    message = opened_message(file)
    entries = {p.key: p.value for p in message.metadata_props}
    if CONFIG_KEY not in entries:
        model = model_of(message, trainable, path=file)
        made = lifted(model, data_format, consume=True) if lift else model
        made.file_output_names = output_names(model)
        return made
    model = model_from_json(entries[CONFIG_KEY], custom_objects)
    _set_weights(model, weight_arrays(message, entries, file), str(path))
    return model


def weight_arrays(message: onnx.ModelProto, entries: Mapping[str, str], path: Path | None = None) -> dict[str, Any]:
    """Return the weights of a graphkit export by their paths, each in its layer's layout.

    Args:
        message: the model.
        entries: its metadata.
        path: the file that the message was read from, where it refers to data in files.

    Raises SerializationError if the tables do not fit the initializers.
    """
    initializers = {t.name: t for t in message.graph.initializer}
    arrays: dict[str, Any] = {}
    for name, row in _table(entries, WEIGHTS_KEY).items():
        tensor = initializers.get(name)
        if tensor is None:
            raise SerializationError(
                f"The table of weights names an initializer {name!r} that the graph does not have."
            )
        arrays.setdefault(*_one_weight(name, row, tensor_array(tensor, path)))
    for name, row in _table(entries, EXTRA_KEY).items():
        arrays[name] = _listed(name, row)
    return arrays


def _table(entries: Mapping[str, str], key: str) -> dict[str, Any]:
    text = entries.get(key, "{}")
    if len(text) > _MAX_TABLE:
        raise SerializationError(f"Metadata entry {key!r} has {len(text)} characters, more than {_MAX_TABLE}.")
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SerializationError(f"Metadata entry {key!r} is not JSON: {error}.") from None
    if not isinstance(table, dict):
        raise SerializationError(f"Metadata entry {key!r} must be a JSON object, got {type(table).__name__}.")
    return table


def _one_weight(name: str, row: Any, array: Any) -> tuple[str, Any]:
    """Return the path of a weight, and its array with the steps of the export undone."""
    try:
        path, shape, steps = (
            str(row["path"]),
            tuple(int(s) for s in row["shape"]),
            [_step(s) for s in row.get("steps", [])],
        )
        if (not steps and array.shape != shape) or array.size > 16 * max(int(np.prod(shape)), 1) + 16:
            raise ValueError(f"the initializer has shape {array.shape}, the table gives {shape}")
        return path, undo_steps(array, shape, steps)
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise SerializationError(f"The entry of weight {name!r} does not fit its initializer: {error}.") from None


def _step(listed: Any) -> tuple[Any, ...]:
    kind, *arguments = listed
    if _STEP_ARGUMENTS.get(kind) != len(arguments):
        raise ValueError(f"{listed!r:.80} is not a step of a weight's conversion")
    return (kind, *(tuple(int(v) for v in a) if isinstance(a, list) else int(a) for a in arguments))


def _listed(path: str, row: Any) -> Any:
    try:
        return np.array(row["values"], dtypes.to_numpy(dtypes.standardize(row["dtype"]))).reshape(row["shape"])
    except (TypeError, KeyError, ValueError) as error:
        raise SerializationError(f"The entry of weight {path!r} cannot be read: {error}.") from None


def _set_weights(model: Any, arrays: Mapping[str, Any], where: str) -> None:
    """Assign the arrays to the model's variables; a variable that is not a weight may be missing, and keeps its value."""
    for variable in model.variables:
        array = arrays.get(variable.path)
        if array is None:
            if any(variable is w for w in model.weights):
                raise SerializationError(
                    f"{where!r} has no weight for {variable.path!r}; it has {sorted(arrays)[:20]}."
                )
            continue
        if tuple(array.shape) != tuple(variable.shape):
            raise SerializationError(
                f"Weight {variable.path!r} has shape {variable.shape}; {where!r} has one of shape {array.shape}."
            )
        variable.adopt(array)
