"""graphkit's own ONNX files read back as the layers they were exported from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from graphkit.core import dtypes
from graphkit.core.errors import SerializationError, UnknownNameError
from graphkit.saving.model_config import model_from_json

from .export import CONFIG_KEY, EXTRA_KEY, NO_CONFIG_KEY, WEIGHTS_KEY
from .files import read_message
from .relayout import undo_steps

_STEP_ARGUMENTS = {"transpose": 1, "reshape": 1, "take": 2, "pad": 3}
_MAX_TABLE = 1 << 28  # characters of JSON that are looked at


def load_model(path: str | Path, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model that `export_model` wrote to `path`: layers from the metadata, weights from the initializers.

    Raises SerializationError for a file that is no ONNX model, that graphkit did not write, or whose tables do not fit it;
    UnknownNameError where there is no file.
    """
    file = Path(path)
    if not file.is_file():
        raise UnknownNameError(f"There is no file {str(path)!r}.")
    message = read_message(file)
    entries = {p.key: p.value for p in message.metadata_props}
    if NO_CONFIG_KEY in entries:
        raise SerializationError(f"{str(path)!r} was exported without its layers: {entries[NO_CONFIG_KEY]}")
    if CONFIG_KEY not in entries:
        producer = f" (its producer is {message.producer_name!r})" if message.producer_name else ""
        raise SerializationError(
            f"{str(path)!r} is an ONNX model that graphkit did not write{producer}: it holds no layer config. "
            "It can be run by graphkit.runtime.Predictor; importing it as layers is not supported yet."
        )
    model = model_from_json(entries[CONFIG_KEY], custom_objects)
    _set_weights(model, weight_arrays(message, entries), str(path))
    return model


def weight_arrays(message: onnx.ModelProto, entries: Mapping[str, str]) -> dict[str, Any]:
    """The weights of a graphkit export by their paths, each as the layer had it."""
    initializers = {t.name: t for t in message.graph.initializer}
    arrays: dict[str, Any] = {}
    for name, row in _table(entries, WEIGHTS_KEY).items():
        tensor = initializers.get(name)
        if tensor is None:
            raise SerializationError(
                f"The table of weights names an initializer {name!r} that the graph does not have."
            )
        arrays.setdefault(*_one_weight(name, row, numpy_helper.to_array(tensor)))
    for path, row in _table(entries, EXTRA_KEY).items():
        arrays[path] = _listed(path, row)
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
    """The weight's path and its array before the steps of the export."""
    try:
        path, shape, steps = (
            str(row["path"]),
            tuple(int(s) for s in row["shape"]),
            [_step(s) for s in row.get("steps", [])],
        )
        if (not steps and array.shape != shape) or array.size > 16 * max(int(np.prod(shape)), 1) + 16:
            raise ValueError(f"the initializer has shape {array.shape}, the table says {shape}")
        return path, undo_steps(array, shape, steps)
    except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
        raise SerializationError(f"The entry of weight {name!r} does not fit its initializer: {error}.") from None


def _step(listed: Any) -> tuple[Any, ...]:
    kind, *arguments = listed
    if _STEP_ARGUMENTS.get(kind) != len(arguments):
        raise ValueError(f"{listed!r:.80} is no step of a weight")
    return (kind, *(tuple(int(v) for v in a) if isinstance(a, list) else int(a) for a in arguments))


def _listed(path: str, row: Any) -> Any:
    try:
        return np.array(row["values"], dtypes.to_numpy(dtypes.standardize(row["dtype"]))).reshape(row["shape"])
    except (TypeError, KeyError, ValueError) as error:
        raise SerializationError(f"The entry of weight {path!r} cannot be read: {error}.") from None


def _set_weights(model: Any, arrays: Mapping[str, Any], where: str) -> None:
    """Give the model's variables their numbers; one that the file lacks keeps its initial ones if it is not a weight."""
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
        variable.assign(array)
