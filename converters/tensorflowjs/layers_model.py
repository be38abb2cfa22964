"""TensorFlow.js layers models: a `model.json` with a topology in Keras 2's form, and binary shards beside it.

Source: the published description of the format (`format`, `modelTopology`, `weightsManifest` with `paths` and `weights`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit.core.allocation import weights_from_file
from graphkit.core.errors import SerializationError
from graphkit.layers.layer import Layer
from graphkit.layers.tracking import in_keras_order
from graphkit.saving import bounds
from graphkit.saving.model_config import model_from_config
from graphkit.saving.sibling_files import file_beside, place_beside
from graphkit.saving.source import Source
from graphkit.saving.stores import Array, Entry, Table
from graphkit.saving.weights import Assignment, assign, load_state, report

from ..keras_legacy.implied_settings import TENSORFLOWJS_VERSION

_DTYPES = {
    "float32": "<f4",
    "float16": "<f2",
    "int32": "<i4",
    "uint8": "u1",
    "uint16": "<u2",
    "bool": "?",
    "int8": "i1",
}
_KERAS3_PATH = re.compile(r"(^|/)vars/\d+$")


def read_layers_model(source: Source) -> Any:
    """Return the model of a `model.json` with its weights.

    Raises:
        SerializationError: the file is damaged, a shard is missing, or a weight does not fit; names the file or the weight.
    """
    what, parsed = source.what, source.json
    config = topology(parsed, what)
    entries = manifest_entries(source.path, parsed.get("weightsManifest"), what)
    with weights_from_file(sum(e.nbytes for e in entries), what):
        model = model_from_config(config, what)
        _assign(model, entries, what)
    return model


def topology(parsed: Any, what: str) -> dict[str, Any]:
    """Return the config of the model in a parsed `model.json`, with the version of Keras, or "tfjs".

    Raises SerializationError for a graph model, and for a file without a topology.
    """
    if not isinstance(parsed, dict) or not isinstance(parsed.get("modelTopology"), dict):
        raise SerializationError(f"{what} has no modelTopology.")
    found = parsed["modelTopology"]
    if parsed.get("format") == "graph-model" or "node" in found:
        raise SerializationError(
            f"{what} is a TensorFlow.js graph model, which has no layers; convert the original to a layers model."
        )
    config = found.get("model_config", found)
    if isinstance(config, str):
        config = bounds.parse_json(config, f"the model_config of {what}")
    if not isinstance(config, dict):
        raise SerializationError(f"{what}: the model_config is a {type(config).__name__}, not an object.")
    return {**config, "keras_version": str(found.get("keras_version") or TENSORFLOWJS_VERSION)}


def manifest_entries(path: Path, manifest: Any, what: str) -> list[Entry]:
    """Return the arrays that the manifest names, in its order, without reading them.

    Args:
        path: the `model.json`; the shards are beside it or in folders beside it.
        manifest: its `weightsManifest`.
        what: the file, as messages name it.

    Raises:
        SerializationError: a shard is missing, or its size is not that of its weights.
    """
    entries = []
    for names, rows in _groups(manifest, what):
        files = [file_beside(path, name, what, folders=True) for name in names]
        at = 0
        for row in rows:
            entry = _entry(files, row, at, what)
            entries.append(entry)
            at += entry.nbytes
        held = sum(file.stat().st_size for file in files)
        if at != held:
            raise SerializationError(f"{what}: the weights of {names} take {at:,} bytes, the files hold {held:,}.")
    return entries


def missing_shards(path: Path, manifest: Any, what: str) -> list[str]:
    """Return the files that the manifest names and that do not exist."""
    names = [name for names, _ in _groups(manifest, what) for name in names]
    return [name for name in names if not place_beside(path, name, what, folders=True).is_file()]


def parameters(manifest: Any, what: str) -> int:
    """Return the number of parameters that the manifest declares."""
    return sum(math.prod(_entry([], row, 0, what).shape) for _, rows in _groups(manifest, what) for row in rows)


def _groups(manifest: Any, what: str) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield the groups of the manifest: the names of files, and a row for each array in them."""
    if not isinstance(manifest, list):
        raise SerializationError(f"{what} has no weightsManifest: its weights cannot be found.")
    for group in manifest:
        try:
            yield list(group["paths"]), list(group["weights"])
        except (TypeError, KeyError):
            raise SerializationError(f"{what}: a group of the weightsManifest has no paths and weights.") from None


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
            f"{what}: a weight of the manifest is {row!s:.120}; the known dtypes are {list(_DTYPES)}."
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
    """Read bytes from files as if they were concatenated."""
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


# ----- which array is whose -----


def _assign(model: Any, entries: list[Entry], what: str) -> None:
    """Assign arrays to weights by name. Their order has no meaning: TensorFlow.js writes the trained weights of a model first."""
    if entries and all(_KERAS3_PATH.search(entry.path) for entry in entries):  # converted from a .keras archive
        load_state(model, Table({entry.path: entry for entry in entries}, {}), what)
        return
    problems: list[str] = []
    pairs = _by_name(_places(model), entries, problems)
    for place, entry in pairs:
        if place.variable.shape != entry.shape:
            problems.append(
                f"weight {place.path!r} has shape {place.variable.shape}, the file's {entry.path!r} has {entry.shape}"
            )
    if problems:
        raise report(model, what, problems)
    assign([Assignment(place.variable, entry) for place, entry in pairs])


class _Place(NamedTuple):
    """A weight of the model, with the names of the layers that contain it, the outermost first."""

    variable: Any
    layers: tuple[str, ...]
    keys: tuple[str, ...]  # what may follow the layers' names: the weight's name, or its number in its layer

    @property
    def path(self) -> str:
        return "/".join((*self.layers, self.keys[0]))


def _places(model: Any) -> list[_Place]:
    """Return all weights of a model, each once."""
    found: dict[int, _Place] = {}
    stack: list[tuple[Layer, tuple[str, ...]]] = [(layer, (layer.name,)) for layer in reversed(model.layers)]
    while stack:
        layer, names = stack.pop()
        own = [v for v in in_keras_order(layer._own_variables) if not getattr(v, "is_state", False)]
        for number, variable in enumerate(own):
            found.setdefault(id(variable), _Place(variable, names, (variable.name, str(number))))
        stack.extend((inner, (*names, inner.name)) for inner in reversed(layer._layers))
    return list(found.values())


def _by_name(places: list[_Place], entries: list[Entry], problems: list[str]) -> list[tuple[_Place, Entry]]:
    """Pair each place with its array: the name has the same ending, and contains most names of the layers around the place.

    A name may omit layers ("forward_lstm/kernel" in a Bidirectional) or have more than ours ("lstm/lstm_cell/kernel").
    """
    by_key: dict[tuple[str, str], list[_Place]] = {}
    for place in places:
        for key in place.keys:
            for name in place.layers:
                by_key.setdefault((name, key), []).append(place)
    taken: dict[int, Entry] = {}
    pairs = []
    for entry in entries:
        *names, key = entry.path.split("/")
        found = _best(_joined(names), key, by_key)
        if len(found) != 1:
            fault = "could be any of" if found else "is not in the model"
            problems.append(f"the name {entry.path!r} {fault} {[place.path for place in found][:4] or ''}".rstrip())
        elif id(found[0].variable) in taken:
            problems.append(f"{taken[id(found[0].variable)].path!r} and {entry.path!r} both match {found[0].path!r}")
        else:
            taken[id(found[0].variable)] = entry
            pairs.append((found[0], entry))
    missing = [place.path for place in places if id(place.variable) not in taken]
    if missing and not problems:
        problems.append(f"the file has nothing for {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}")
    return pairs


def _joined(names: list[str]) -> set[str]:
    """Return all names of layers that parts of a path may be: a slash in a name is "_" in ours."""
    return {"_".join(names[start:end]) for start in range(len(names)) for end in range(start + 1, len(names) + 1)}


def _best(names: set[str], key: str, by_key: Mapping[tuple[str, str], list[_Place]]) -> list[_Place]:
    candidates = {id(place.variable): place for name in names for place in by_key.get((name, key), [])}
    scores = {i: sum(name in names for name in place.layers) for i, place in candidates.items()}
    return [place for i, place in candidates.items() if scores[i] == max(scores.values())]
