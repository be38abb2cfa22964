"""TensorFlow.js layers models: a `model.json` with a topology in Keras 2's words, and shards of bytes beside it.

Source: the published description of the format (`format`, `modelTopology`, `weightsManifest` with `paths` and `weights`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.core.allocation import weights_from_file
from graphkit.core.errors import SerializationError
from graphkit.saving import limits
from graphkit.saving.legacy_context import TENSORFLOWJS_VERSION
from graphkit.saving.legacy_h5 import Group, assign_groups
from graphkit.saving.legacy_h5_writer import layer_weights
from graphkit.saving.old_weights import Dialect
from graphkit.saving.stores import Array, Entry

_DTYPES = {
    "float32": "<f4",
    "float16": "<f2",
    "int32": "<i4",
    "uint8": "u1",
    "uint16": "<u2",
    "bool": "?",
    "int8": "i1",
}
MARKS = (b'"modelTopology"', b'"weightsManifest"')


def read_layers_model(path: Path) -> Any:
    """The model of a `model.json`. Raises SerializationError naming the weight, or the file that is not beside it."""
    from graphkit.saving.front import model_from_config

    what = repr(str(path))
    parsed = limits.parse_json(limits.read_bytes(path, what), what)
    config = topology(parsed, what)
    entries = manifest_entries(path, parsed.get("weightsManifest"), what)
    with weights_from_file(sum(e.nbytes for e in entries), what):
        model = model_from_config(config, what)
        _assign(model, entries, what)
    return model


def topology(parsed: Any, what: str) -> dict[str, Any]:
    """The config of the model in a parsed `model.json`, with the version of Keras where it says it."""
    if not isinstance(parsed, dict) or not isinstance(parsed.get("modelTopology"), dict):
        raise SerializationError(f"{what} has no modelTopology.")
    found = parsed["modelTopology"]
    if parsed.get("format") == "graph-model" or "node" in found:
        raise SerializationError(
            f"{what} is a graph model of TensorFlow.js, which has no layers; convert the original to a layers model."
        )
    config = found.get("model_config", found)
    if not isinstance(config, dict):
        raise SerializationError(f"{what}: the model_config is a {type(config).__name__}, not an object.")
    return {**config, "keras_version": str(found.get("keras_version") or TENSORFLOWJS_VERSION)}


def manifest_entries(path: Path, manifest: Any, what: str) -> list[Entry]:
    """The arrays that the manifest names, in its order; sizes are checked before anything is read."""
    if not isinstance(manifest, list):
        raise SerializationError(f"{what} has no weightsManifest: its weights cannot be found.")
    entries = []
    for group in manifest:
        try:
            paths, rows = list(group["paths"]), list(group["weights"])
        except (TypeError, KeyError):
            raise SerializationError(f"{what}: a group of the weightsManifest has no paths and weights.") from None
        files = [_shard(path, name, what) for name in paths]
        at = 0
        for row in rows:
            entry = _entry(files, row, at, what)
            entries.append(entry)
            at += entry.nbytes
        held = sum(file.stat().st_size for file in files)
        if at != held:
            raise SerializationError(f"{what}: the weights of {paths} take {at:,} bytes, the files hold {held:,}.")
    return entries


def _shard(path: Path, name: Any, what: str) -> Path:
    if not isinstance(name, str) or Path(name).name != name or name in ("", "..") or "\\" in name:
        raise SerializationError(f"{what}: weights stand in {name!r}, which is no name of a file beside it.")
    if not path.with_name(name).is_file():
        raise SerializationError(f"{what} names the file {name!r}, which is not beside it.")
    return path.with_name(name)


def _entry(files: list[Path], row: Any, at: int, what: str) -> Entry:
    try:
        name, shape, dtype, quantized = (
            str(row["name"]),
            tuple(row["shape"]),
            row["dtype"],
            row.get("quantization") or {},
        )
        stored = np.dtype(_DTYPES[quantized.get("dtype", dtype)])
        numbers = float(quantized.get("scale", 1.0)), float(quantized.get("min", 0.0))
    except (TypeError, KeyError, ValueError, AttributeError):
        raise SerializationError(
            f"{what}: a weight of the manifest is {row!s:.120}; known dtypes are {list(_DTYPES)}."
        ) from None
    if not all(type(size) is int and 0 <= size < 1 << 48 for size in shape):
        raise SerializationError(f"{what}: the weight {name!r} has the shape {shape}.")
    nbytes = math.prod(shape) * stored.itemsize

    def read() -> Array:
        data = np.frombuffer(_bytes(files, at, nbytes), stored).reshape(shape)
        if not quantized:
            return data
        if stored.kind == "f":
            return data.astype("float32")
        return (data.astype("float32") * np.float32(numbers[0]) + np.float32(numbers[1])).astype(
            _DTYPES.get(dtype, "<f4")
        )

    return Entry(name, shape, nbytes, read)


def _bytes(files: list[Path], at: int, count: int) -> bytes:
    """Bytes of files that stand one behind the other."""
    parts = []
    for file in files:
        size = file.stat().st_size
        if at < size and count:
            with file.open("rb") as opened:
                opened.seek(at)
                parts.append(opened.read(min(count, size - at)))
            count -= len(parts[-1])
        at = max(at - size, 0)
    return b"".join(parts)


def _assign(model: Any, entries: list[Entry], what: str) -> None:
    """By the layers' names where the weights' begin with them, else in order."""
    layers = [layer for layer in model.layers if layer_weights(layer)]
    by_name: dict[str, list[Entry]] = {}
    for entry in entries:
        by_name.setdefault(entry.path.split("/")[0], []).append(entry)
    if set(by_name) != {layer.name for layer in layers}:
        by_name, rest = {}, list(entries)
        for layer in layers:
            count = len(layer_weights(layer))
            by_name[layer.name], rest = rest[:count], rest[count:]
        if rest:
            raise SerializationError(
                f"{what} has weights that the model has no place for: {[e.path for e in rest[:5]]}."
            )
    groups = [Group(layer.name, [e.path for e in by_name[layer.name]], by_name[layer.name]) for layer in layers]
    assign_groups(model, groups, Dialect(False, False), what)


def is_layers_model(head: bytes) -> bool:
    """Whether the start of a JSON file is one of TensorFlow.js."""
    return any(mark in head for mark in MARKS)


def parameters(parsed: Mapping[str, Any]) -> int:
    """How many numbers the manifest declares."""
    rows = [row for group in parsed.get("weightsManifest") or [] for row in group.get("weights", [])]
    return sum(math.prod(row.get("shape", ())) for row in rows)
