"""Weights sharded over several HDF5 files, with a `.weights.json` index that maps groups to files.

Source: keras.Model.save_weights(max_shard_size=...).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from graphkit.core.errors import InvalidArgumentError, SerializationError
from graphkit.core.files import replacing_group
from graphkit.saving import bounds
from graphkit.saving.sibling_files import file_beside
from graphkit.saving.stores import Array, Entry, Table, open_hdf5, write_hdf5

_GIB = 1 << 30


def write_shards(
    path: Path,
    arrays: Mapping[str, Mapping[str, Array]],
    names: Mapping[str, str],
    max_shard_size: float,
    overwrite: bool = True,
) -> None:
    """Write `group -> key -> array` into shards.

    Args:
        path: the index (`.weights.json`); the shards are written beside it.
        arrays: the arrays by path of their object, and by key.
        names: the names of objects by path.
        max_shard_size: size of one shard at most, in GiB; an array is never split, so a larger one is a shard by itself.
        overwrite: False raises InvalidArgumentError if the index exists.

    Raises:
        InvalidArgumentError: the size is not positive, or `overwrite` is False and the index exists.
    """
    if not max_shard_size > 0:
        raise InvalidArgumentError(f"max_shard_size (GiB per file) must be positive, got {max_shard_size!r}.")
    shards = list(_divided(arrays, max_shard_size * _GIB))
    where: dict[str, list[str]] = {}
    with replacing_group(path, overwrite) as staged:
        older = _older_shards(staged.target)
        for name, shard in zip(_free_names(staged.target, len(shards), older), shards, strict=True):
            write_hdf5(staged.companion(name), shard, names)
            for group, found in shard.items():
                if found:
                    where.setdefault(f"/{group}/vars" if group else "/vars", []).append(name)
        size = sum(array.nbytes for group in arrays.values() for array in group.values())
        staged.part.write_text(json.dumps({"metadata": {"total_size": float(size)}, "weight_map": where}, indent=4))
        staged.remove_afterwards([path for path in older if path.name != _first_name(staged.target)])


def _free_names(index: Path, count: int, older: list[Path]) -> list[str]:
    """Return unused names for shards: the older version keeps its shards until the new index is in place.

    Keras' names (`net_00000.weights.h5`) if they are free, else `net-2_00000.weights.h5` and so on.
    """
    used = {path.name for path in older}
    taken = {found.name for found in index.parent.iterdir()}
    if used and _first_name(index) not in used:  # kept for Keras by the previous save
        taken.discard(_first_name(index))
    for version in itertools.count(1):
        start = _stem(index) if version == 1 else f"{_stem(index)}-{version}"
        names = [f"{start}_{number:05d}.weights.h5" for number in range(count)]
        if taken.isdisjoint(names):
            return names
    raise AssertionError("unreachable")


def _stem(index: Path) -> str:
    return index.name.removesuffix(".json").removesuffix(".weights")


def _first_name(index: Path) -> str:
    """Return the name of the file that Keras opens before it reads the index: it must exist, whatever the index names."""
    return f"{_stem(index)}_00000.weights.h5"


def _older_shards(index: Path) -> list[Path]:
    """Return the shards that an existing index names; files whose names are not those of its shards are left alone."""
    if not index.is_file():
        return []
    try:
        found = bounds.parse_json(bounds.read_bytes(index, repr(str(index))), repr(str(index)))
        named = _file_names(found["weight_map"], repr(str(index)))
    except (SerializationError, KeyError, TypeError, AttributeError):
        return []
    ours = re.compile(rf"{re.escape(_stem(index))}(-\d+)?_\d{{5}}\.weights\.h5")
    return [index.with_name(name) for name in named if ours.fullmatch(name)]


def _divided(arrays: Mapping[str, Mapping[str, Array]], limit: float) -> Iterator[dict[str, dict[str, Array]]]:
    shard: dict[str, dict[str, Array]] = {}
    size = 0
    for path, group in arrays.items():
        shard.setdefault(path, {})
        for key, array in group.items():
            if size and size + array.nbytes > limit:
                yield shard
                shard, size = {}, 0
            shard.setdefault(path, {})[key] = array
            size += array.nbytes
    yield shard


@contextmanager
def open_shards(path: Path, what: str) -> Iterator[Table]:
    """Open all files that an index names as one table. The files must be beside it; paths that lead elsewhere are refused.

    Raises SerializationError naming `what` for a damaged index or shard, and UnsafePathError for a path that leads elsewhere.
    """
    index = bounds.parse_json(bounds.read_bytes(path, what), what)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict):
        raise SerializationError(f"{what} has no weight_map: it is not an index of sharded weights.")
    with ExitStack() as opened:
        entries: dict[str, Entry] = {}
        for name in _file_names(places, what):
            file = file_beside(path, name, what)
            table = opened.enter_context(open_hdf5(file, f"{name} of {what}"))
            twice = entries.keys() & table.entries.keys()
            if twice:
                raise SerializationError(f"{what}: {min(twice)!r} is stored in two files.")
            entries.update(table.entries)
        yield Table(entries, {})


def _file_names(places: Mapping[str, Any], what: str) -> list[str]:
    found: dict[str, None] = {}
    for group, files in places.items():
        for name in files if isinstance(files, list) else [files]:
            if not isinstance(name, str):
                raise SerializationError(
                    f"{what}: the file of {group!r} is given as {name!r}, not the name of a file beside it."
                )
            found[name] = None
    if len(found) > bounds.MAX_ENTRIES:
        raise SerializationError(f"{what} names {len(found)} files, more than {bounds.MAX_ENTRIES}.")
    return list(found)
