"""Editing of weights files without their model: rename, add and remove objects and weights. Source: keras.saving.KerasFileEditor."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError, SerializationError
from graphkit.core.files import check_target, replacing
from graphkit.core.serialization import reading_from
from graphkit.layers.layer import Layer
from graphkit.saving import bounds
from graphkit.saving.archive import METADATA, open_archive, open_weights, read_config
from graphkit.saving.stores import Array, Table, open_hdf5, write_hdf5
from graphkit.saving.weights import NOT_WEIGHTS, state_of

Tree = dict[str, Any]  # name -> array, or the tree of a nested object
_WEIGHTS_SUFFIX = ".weights.h5"
_UNCOMPARED = frozenset(NOT_WEIGHTS) - {
    "optimizer"
}  # may be in a file and not in the model; the file loads all the same


class _Place(NamedTuple):
    """The location of an object or weight: the tree that holds it, the path of that tree ("" is the root), its name there."""

    parent: Tree
    path: str
    name: str


class KerasFileEditor:
    """A weights file to inspect, edit and save under another name.

    Unlike Keras' editor it keeps the weights of nested objects (the cells of `Bidirectional`) and those of the model itself, keeps the
    names of layers, counts each weight once, and refuses to rename an object to a name that is taken.

    Args:
        filepath: a `.keras` archive (also an unpacked one) or a `.weights.h5` file of Keras 3.

    Attributes: `filepath`; `weights_dict`, objects by name as dicts of arrays and of nested objects; `object_metadata`, the HDF5
    attributes of objects, by path (`"/layers/dense"`); `config` and `metadata` of an archive, else None; `model`, always None.

    Raises:
        InvalidArgumentError: the suffix is another.
        SerializationError: the file does not exist or cannot be read.

    Source: keras.saving.KerasFileEditor.
    """

    def __init__(self, filepath: str | os.PathLike[str]) -> None:
        self.filepath = str(filepath)
        self.config: dict[str, Any] | None = None
        self.metadata: dict[str, Any] | None = None
        self.model = None
        path, what = Path(filepath), repr(str(filepath))
        if not self.filepath.endswith((".keras", _WEIGHTS_SUFFIX)):
            raise InvalidArgumentError(
                f"KerasFileEditor opens files that end in .keras or {_WEIGHTS_SUFFIX}, got filepath={what}."
            )
        if not path.exists():
            raise SerializationError(f"File not found: {what}.")
        with reading_from(what):
            self._read(path, what)
        _print(f"Keras model file {what}")
        if self.metadata is not None:
            version, date = (self.metadata.get(key, "unknown") for key in ("keras_version", "date_saved"))
            _print(f"Saved with Keras {version} - date: {date}")

    def _read(self, path: Path, what: str) -> None:
        if self.filepath.endswith(".keras"):
            self._read_archive(path, what)
            return
        with open_hdf5(path, what) as table:
            self._read_table(table, what)

    def _read_archive(self, path: Path, what: str) -> None:
        with open_archive(path) as members:
            self.config = read_config(members, what)
            found = {}
            if METADATA in members.names():
                found = bounds.parse_json(members.read(METADATA, bounds.MAX_JSON_BYTES), f"{METADATA} of {what}")
            self.metadata = found if isinstance(found, dict) else {}
            with open_weights(members, what) as table:
                self._read_table(table, what)

    def _read_table(self, table: Table, what: str) -> None:
        arrays: dict[tuple[str, str], Array] = {}
        for path, entry in table.entries.items():
            group, _, key = path.rpartition("/")
            if group != "vars" and not group.endswith("/vars"):
                raise SerializationError(
                    f"{what} has {path!r} outside of a group `vars`: it is not a weights file of Keras 3. "
                    "Load it into its model, and save the model's weights as .weights.h5."
                )
            arrays[_object_of(group), key] = entry.read()
        self.weights_dict: Tree = _tree(((*where, array) for where, array in arrays.items()), what)
        self.object_metadata = {f"/{_object_of(path)}": dict(found) for path, found in table.attributes.items()}

    # ----- inspecting -----

    def summary(self) -> None:
        """Print the objects of the file, and the shapes and dtypes of their weights."""
        _print("Weights structure", *self._lines(self.weights_dict, "", "  "))

    def _lines(self, tree: Tree, path: str, prefix: str) -> Iterator[str]:
        for index, (name, value) in enumerate(tree.items(), 1):
            connector, below = ("└─ ", "    ") if index == len(tree) else ("├─ ", "│   ")
            if isinstance(value, dict):
                layer_name = self.object_metadata.get(f"{path}/{name}", {}).get("name")
                yield f"{prefix}{connector}{name}" + (f" ('{layer_name}')" if layer_name else "")
                yield from self._lines(value, f"{path}/{name}", prefix + below)
            else:
                yield f"{prefix}{connector}{name}: shape={np.shape(value)}, dtype={dtypes.of_array(np.asarray(value))}"

    def compare(self, reference_model: Layer) -> dict[str, Any]:
        """Print how the file and a model differ in objects and in shapes of weights.

        An object that only one of them has counts as one difference. The state of metrics and of random generators is not compared,
        unless both have it.

        Returns:
            {"status": "success" or "error", "error_count": number of differences, "match_count": number of weights that agree}.
        """
        wanted = {
            (path, key): array for path, group in state_of(reference_model)[0].items() for key, array in group.items()
        }
        saved = {
            (path, key): array
            for path, key, array in _flat(self.weights_dict)
            if (path, key) in wanted or not _UNCOMPARED.intersection(path.split("/"))
        }
        one, other = (_tree(((*where, a) for where, a in flat.items()), "compare()") for flat in (saved, wanted))
        found = list(_compared(one, other, ""))
        problems = [line for line in found if line is not None]
        matches = len(found) - len(problems)
        _print("Running comparison", *problems)
        if problems:
            _print(f"Found {len(problems)} error{'s' * (len(problems) != 1)}: the file does not fit the reference model")
        else:
            _print(f"Comparison successful: {matches} matching weight{'s' * (matches != 1)}")
        return {
            "status": "error" if problems else "success",
            "error_count": len(problems),
            "match_count": matches,
        }

    # ----- editing -----

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Rename an object.

        Args:
            object_name: its name, if it is unique in the file, or its path (`"layers/dense_2"`).
            new_name: a name (not a path) that no sibling has.

        Raises:
            InvalidArgumentError: no object, or more than one, has the name; or the new name is taken or not valid.
        """
        _check_name(new_name)
        place = self._find(object_name)
        if new_name in place.parent:
            raise InvalidArgumentError(
                f"rename_object: {new_name!r} already exists beside {object_name!r}; delete it first."
            )
        place.parent[new_name] = place.parent.pop(place.name)
        self._move_metadata(f"{place.path}/{place.name}", f"{place.path}/{new_name}")

    def delete_object(self, object_name: str) -> None:
        """Remove an object, given by its name or path, with everything in it. Raises InvalidArgumentError if it is not there."""
        place = self._find(object_name)
        del place.parent[place.name]
        self._move_metadata(f"{place.path}/{place.name}", None)

    def add_object(self, object_path: str, weights: Mapping[str, Any]) -> None:
        """Add an object; it replaces one at the same path.

        Args:
            object_path: its full path (`"layers/dense_2"`); its parents must exist.
            weights: arrays by name (`{"0": kernel, "1": bias}`), or dicts of nested objects.

        Raises:
            InvalidArgumentError: a parent does not exist, or a name or a weight is not valid.
        """
        added = _checked(weights, object_path)
        *above, name = str(object_path).removeprefix("/").split("/")
        _check_name(name)
        parent = self.weights_dict
        for part in above:
            parent = _inside(parent, part, object_path)
        parent[name] = added
        self._move_metadata("/" + str(object_path).removeprefix("/"), None)

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Remove a weight (`"0"`) of an object, given by its name or path. Raises InvalidArgumentError if it is not there."""
        place = self._find(object_name)
        found = _inside(place.parent, place.name, object_name)
        if isinstance(found.get(weight_name), (dict, type(None))):
            raise InvalidArgumentError(
                f"The object {object_name!r} has no weight {weight_name!r}; it has {list(found)}."
            )
        del found[weight_name]

    def add_weights(self, object_name: str, weights: Mapping[str, Any]) -> None:
        """Add weights to an object; they replace those of the same names.

        Args:
            object_name: the object's name, if it is unique in the file, or its path.
            weights: arrays by name (`{"0": kernel, "1": bias}`).

        Raises:
            InvalidArgumentError: there is no such object, or a name or a weight is not valid.
        """
        added = _checked(weights, object_name)
        place = self._find(object_name)
        _inside(place.parent, place.name, object_name).update(added)
        for name in added:
            self._move_metadata(f"{place.path}/{place.name}/{name}", None)

    def _find(self, name: str) -> _Place:
        """Find an object or weight by name or path. Raises InvalidArgumentError for none and for more than one."""
        *above, leaf = str(name).removeprefix("/").split("/")
        if above or str(name).startswith("/"):
            parent = self.weights_dict
            for part in above:
                parent = _inside(parent, part, name)
            found = [_Place(parent, "".join(f"/{part}" for part in above), leaf)] if leaf in parent else []
        else:
            found = [_Place(tree, path, leaf) for path, tree in _objects(self.weights_dict) if leaf in tree]
        if len(found) == 1:
            return found[0]
        if not found:
            raise InvalidArgumentError(f"The file has no {name!r}; summary() prints what it holds.")
        paths = [f"{place.path}/{leaf}".lstrip("/") for place in found[:5]]
        raise InvalidArgumentError(
            f"{name!r} occurs {len(found)} times in the file; give a full path, such as {paths}."
        )

    def _move_metadata(self, old: str, new: str | None) -> None:
        """Move the metadata of an object and of those in it to another path, or with None drop them."""
        kept = {}
        for path, metadata in self.object_metadata.items():
            if path != old and not path.startswith(f"{old}/"):
                kept[path] = metadata
            elif new is not None:
                kept[new + path[len(old) :]] = metadata
        self.object_metadata = kept

    # ----- writing -----

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the edited weights. An existing file is replaced once the new one is complete.

        Args:
            filepath: the file to write; ends in `.weights.h5`.
            overwrite: False raises InvalidArgumentError if the file exists.

        Raises:
            InvalidArgumentError: the suffix is another, a weight is not an array, or `overwrite` is False and the file exists.
            FileWriteError: the file cannot be written; an existing one is kept.
        """
        if not str(filepath).endswith(_WEIGHTS_SUFFIX):
            raise InvalidArgumentError(f"save() writes {_WEIGHTS_SUFFIX} files, got filepath={str(filepath)!r}.")
        check_target(filepath, overwrite)
        arrays: dict[str, dict[str, Array]] = {}
        for path, key, array in _flat(self.weights_dict):
            arrays.setdefault(path, {})[key] = array
        names = {path: self.object_metadata.get(f"/{path}", {}).get("name") for path in arrays}
        with replacing(filepath, overwrite) as part:
            write_hdf5(part, arrays, {path: name for path, name in names.items() if isinstance(name, str)})

    def resave_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the edited weights: an alias of `save`."""
        self.save(filepath, overwrite)


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


# ----- trees -----


def _object_of(group: str) -> str:
    """Return the path of the object whose weights are in a group: `layers/dense` for `layers/dense/vars`."""
    return "" if group == "vars" else group.removesuffix("/vars")


def _tree(arrays: Iterable[tuple[str, str, Any]], what: str) -> Tree:
    """Nest (path of the object, name, array) into dicts. Raises SerializationError if that is not a tree, or too deep."""
    root: Tree = {}
    for path, key, array in arrays:
        tree = root
        parts = path.split("/") if path else []
        for part in parts:
            tree = tree.setdefault(part, {})
            if not isinstance(tree, dict):
                break
        if len(parts) >= bounds.MAX_DEPTH or not isinstance(tree, dict) or key in tree:
            raise SerializationError(
                f"{what}: {path}/{key} is both an object and a weight, or more than {bounds.MAX_DEPTH} levels deep."
            )
        tree[key] = array
    return root


def _objects(tree: Tree, path: str = "") -> Iterator[tuple[str, Tree]]:
    """Yield a tree and all trees in it, with their paths ("" and `/layers/dense`)."""
    yield path, tree
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _objects(value, f"{path}/{name}")


def _flat(tree: Tree) -> Iterator[tuple[str, str, Array]]:
    """Yield (path of the object, name, array) for all arrays (`layers/dense`, `0`); names and values are checked."""
    for path, found in _objects(tree):
        for name, value in found.items():
            _check_name(name)
            if not isinstance(value, dict):
                yield path[1:], name, _array(value, f"{path}/{name}")


def _inside(tree: Tree, name: str, asked: str) -> Tree:
    """Return the object of a name in a tree; `asked` is the name or path that the user gave, for the message."""
    found = tree.get(name)
    if not isinstance(found, dict):
        kind = "is a weight, not an object" if name in tree else f"does not exist; there are {sorted(tree)}"
        raise InvalidArgumentError(f"{asked!r} was not found in the file: {name!r} {kind}.")
    return found


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or name in ("", ".", "..", "vars") or "/" in name or "\0" in name:
        raise InvalidArgumentError(
            f"The name of an object or weight must be a string without '/', other than 'vars', '.' and '..', got {name!r}."
        )


def _checked(weights: Any, where: str, depth: int = 0) -> Tree:
    """Return the weights that a user gave as a tree of arrays. Raises InvalidArgumentError for what is not one."""
    if not isinstance(weights, Mapping):
        raise InvalidArgumentError(
            f"The weights of {where!r} must be a dict of arrays by name ('0', '1', ...), got {type(weights).__name__}."
        )
    if depth >= bounds.MAX_DEPTH:
        raise InvalidArgumentError(f"The weights of {where!r} have more than {bounds.MAX_DEPTH} levels.")
    found: Tree = {}
    for name, value in weights.items():
        _check_name(name)
        found[name] = (
            _checked(value, where, depth + 1) if isinstance(value, Mapping) else _array(value, f"{where}/{name}")
        )
    return found


def _array(value: Any, where: str) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidArgumentError(f"The weight {where!r} is not an array: {error}.") from None
    texts = array.dtype.kind == "O" and all(isinstance(item, (bytes, str)) for item in array.flat)
    if array.dtype.kind not in "biufcS" and not texts and dtypes.of_array(array) != "bfloat16":
        raise InvalidArgumentError(
            f"The weight {where!r} must be an array of numbers, got {type(value).__name__} of dtype {array.dtype}."
        )
    return array


def _compared(saved: Tree, wanted: Tree, path: str) -> Iterator[str | None]:
    """Yield a line for each difference, and None for each weight that agrees."""
    for name in [*wanted, *(name for name in saved if name not in wanted)]:
        one, other, where = saved.get(name), wanted.get(name), f"{path}/{name}"
        if one is None or other is None:
            present, missing = ("saved file", "reference model") if other is None else ("reference model", "saved file")
            yield _missing(one if other is None else other, where, present, missing)
        elif isinstance(one, dict) and isinstance(other, dict):
            yield from _compared(one, other, where)
        elif isinstance(one, dict) or isinstance(other, dict):
            yield f"...{where} is a weight in one and an object in the other"
        elif one.shape != other.shape:
            yield f"...Weight shape mismatch for {where}: {one.shape} in the saved file, {other.shape} in the reference model"
        else:
            yield None


def _missing(value: Any, where: str, present: str, missing: str) -> str:
    if isinstance(value, dict):
        return f"...Object {where} present in {present} with {list(value)}, missing from {missing}"
    return f"...Weight {where} present in {present}, missing from {missing}"
