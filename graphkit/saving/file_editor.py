"""Weights files changed without a model: objects and weights renamed, added and removed. Source: keras.saving.KerasFileEditor."""

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

Tree = dict[str, Any]  # name -> array, or the tree of an object inside
_WEIGHTS_SUFFIX = ".weights.h5"
_UNCOMPARED = frozenset(NOT_WEIGHTS) - {"optimizer"}  # what a file may have beyond a model, and is loaded all the same


class _Place(NamedTuple):
    """Where something stands: the tree that holds it, the path of that tree ("" is the root), its name there."""

    parent: Tree
    path: str
    name: str


class KerasFileEditor:
    """A weights file, opened to look into it, change it and write it anew.

    Unlike Keras' editor it keeps what stands in objects inside of objects (the cells of `Bidirectional`), takes the weights of the
    model itself for its own, keeps the names of layers, counts each weight once, and overwrites no object by renaming another.

    Args:
        filepath: a `.keras` archive (also an unpacked one) or a `.weights.h5` file of Keras 3.

    Attributes: `filepath`; `weights_dict`, objects by name as dicts of arrays and of objects inside; `object_metadata`, what the file
    says of objects, by path (`"/layers/dense"`); `config` and `metadata` of an archive, else None; `model`, always None.

    Raises InvalidArgumentError for another suffix, SerializationError for a file that cannot be read.
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
        _say(f"Keras model file {what}")
        if self.metadata is not None:
            version, date = (self.metadata.get(key, "not said") for key in ("keras_version", "date_saved"))
            _say(f"Saved with Keras {version} - date: {date}")

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
                    f"{what} has {path!r} outside of a group `vars`: it is no weights file of Keras 3. "
                    "Load it into its model and save that as .weights.h5."
                )
            arrays[_object_of(group), key] = entry.read()
        self.weights_dict: Tree = _tree(((*where, array) for where, array in arrays.items()), what)
        self.object_metadata = {f"/{_object_of(path)}": dict(said) for path, said in table.attributes.items()}

    # ----- looking -----

    def summary(self) -> None:
        """Print the objects of the file, and the shapes and dtypes of their weights."""
        _say("Weights structure", *self._lines(self.weights_dict, "", "  "))

    def _lines(self, tree: Tree, path: str, prefix: str) -> Iterator[str]:
        for index, (name, value) in enumerate(tree.items(), 1):
            connector, below = ("└─ ", "    ") if index == len(tree) else ("├─ ", "│   ")
            if isinstance(value, dict):
                said = self.object_metadata.get(f"{path}/{name}", {}).get("name")
                yield f"{prefix}{connector}{name}" + (f" ('{said}')" if said else "")
                yield from self._lines(value, f"{path}/{name}", prefix + below)
            else:
                yield f"{prefix}{connector}{name}: shape={np.shape(value)}, dtype={dtypes.of_array(np.asarray(value))}"

    def compare(self, reference_model: Layer) -> dict[str, Any]:
        """Print where the file and a model differ in objects and in shapes of weights.

        Returns {"status": "success" or "error", "error_count": differences, "match_count": weights that are the same}. An object
        that only one of them has is one difference. State that is loaded without being asked for (of metrics and of random
        generators) is no difference.
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
        _say("Running comparison", *problems)
        if problems:
            _say(f"Found {len(problems)} error{'s' * (len(problems) != 1)}: the file does not fit the reference model")
        else:
            _say(f"Comparison successful: {matches} matching weight{'s' * (matches != 1)}")
        return {
            "status": "error" if problems else "success",
            "error_count": len(problems),
            "match_count": matches,
        }

    # ----- changing -----

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Give an object another name.

        Args:
            object_name: its name, where no other has it, or its path (`"layers/dense_2"`).
            new_name: a name that nothing beside it has; no path.
        """
        _check_name(new_name)
        place = self._find(object_name)
        if new_name in place.parent:
            raise InvalidArgumentError(
                f"rename_object: {new_name!r} is there already beside {object_name!r}; delete it first."
            )
        place.parent[new_name] = place.parent.pop(place.name)
        self._move_metadata(f"{place.path}/{place.name}", f"{place.path}/{new_name}")

    def delete_object(self, object_name: str) -> None:
        """Remove an object, given by its name or path, with all that is inside."""
        place = self._find(object_name)
        del place.parent[place.name]
        self._move_metadata(f"{place.path}/{place.name}", None)

    def add_object(self, object_path: str, weights: Mapping[str, Any]) -> None:
        """Add an object, in place of what stands there.

        Args:
            object_path: its whole path (`"layers/dense_2"`); what it leads through must be there.
            weights: arrays by name (`{"0": kernel, "1": bias}`), or dicts of objects inside.
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
        """Remove a weight (`"0"`) of an object that is given by its name or path."""
        place = self._find(object_name)
        found = _inside(place.parent, place.name, object_name)
        if isinstance(found.get(weight_name), (dict, type(None))):
            raise InvalidArgumentError(
                f"The object {object_name!r} has no weight {weight_name!r}; it has {list(found)}."
            )
        del found[weight_name]

    def add_weights(self, object_name: str, weights: Mapping[str, Any]) -> None:
        """Add weights to an object that is given by its name or path, in place of those of the same names.

        Args:
            weights: arrays by name (`{"0": kernel, "1": bias}`).
        """
        added = _checked(weights, object_name)
        place = self._find(object_name)
        _inside(place.parent, place.name, object_name).update(added)
        for name in added:
            self._move_metadata(f"{place.path}/{place.name}/{name}", None)

    def _find(self, name: str) -> _Place:
        """What has a name or path. Raises InvalidArgumentError where nothing has it, or more than one."""
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
            raise InvalidArgumentError(f"The file has no {name!r}; summary() prints what it has.")
        paths = [f"{place.path}/{leaf}".lstrip("/") for place in found[:5]]
        raise InvalidArgumentError(f"{name!r} stands {len(found)} times in the file; give a whole path, as {paths}.")

    def _move_metadata(self, old: str, new: str | None) -> None:
        """What is said of an object and of those inside follows it, or goes with it."""
        kept = {}
        for path, said in self.object_metadata.items():
            if path != old and not path.startswith(f"{old}/"):
                kept[path] = said
            elif new is not None:
                kept[new + path[len(old) :]] = said
        self.object_metadata = kept

    # ----- writing -----

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights as they are now; a file that is there is replaced when all is written, or kept with overwrite=False.

        Raises InvalidArgumentError for a name that does not end in `.weights.h5`, and for weights that are no arrays.
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
        """Another name of `save`."""
        self.save(filepath, overwrite)


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


# ----- trees -----


def _object_of(group: str) -> str:
    """The path of the object whose weights stand in a group: `layers/dense` of `layers/dense/vars`."""
    return "" if group == "vars" else group.removesuffix("/vars")


def _tree(arrays: Iterable[tuple[str, str, Any]], what: str) -> Tree:
    """Arrays by path of their object and name, as nested dicts."""
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
                f"{what}: {path}/{key} is an object and a weight, or lies more than {bounds.MAX_DEPTH} levels deep."
            )
        tree[key] = array
    return root


def _objects(tree: Tree, path: str = "") -> Iterator[tuple[str, Tree]]:
    """A tree and all trees inside, with their paths ("" and `/layers/dense`)."""
    yield path, tree
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _objects(value, f"{path}/{name}")


def _flat(tree: Tree) -> Iterator[tuple[str, str, Array]]:
    """All arrays, with the paths of their objects (`layers/dense`) and their names; names and values are checked."""
    for path, found in _objects(tree):
        for name, value in found.items():
            _check_name(name)
            if not isinstance(value, dict):
                yield path[1:], name, _array(value, f"{path}/{name}")


def _inside(tree: Tree, name: str, asked: str) -> Tree:
    """The object of a name in a tree; `asked` is what the user gave."""
    found = tree.get(name)
    if not isinstance(found, dict):
        kind = "is a weight and no object" if name in tree else f"is not there; {sorted(tree)} are"
        raise InvalidArgumentError(f"{asked!r} was not found in the file: {name!r} {kind}.")
    return found


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or name in ("", ".", "..", "vars") or "/" in name or "\0" in name:
        raise InvalidArgumentError(
            f"Names of objects and weights are texts without '/', and not 'vars' or '.', got {name!r}."
        )


def _checked(weights: Any, where: str, depth: int = 0) -> Tree:
    """Weights that a user gave, as a tree of arrays."""
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
        raise InvalidArgumentError(f"The weight {where!r} is no array: {error}.") from None
    texts = array.dtype.kind == "O" and all(isinstance(item, (bytes, str)) for item in array.flat)
    if array.dtype.kind not in "biufcS" and not texts and dtypes.of_array(array) != "bfloat16":
        raise InvalidArgumentError(
            f"The weight {where!r} must be an array of numbers, got {type(value).__name__} of dtype {array.dtype}."
        )
    return array


def _compared(saved: Tree, wanted: Tree, path: str) -> Iterator[str | None]:
    """What differs, a text for each, and None for each weight that is the same."""
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
