"""Reading of Keras' HDF5 files: whole models (`model_config`, `model_weights`) and weights (`layer_names`).

The order of weights is that of the attributes `layer_names` and `weight_names`, never that of the groups. Source: files written by
Keras 1 to 3 (`model.save("x.h5")`, `save_weights("x.h5")`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphkit.core.allocation import weights_from_file
from graphkit.core.errors import SerializationError
from graphkit.layers.layer import Layer
from graphkit.layers.placeholder import placeholders_in
from graphkit.saving import bounds
from graphkit.saving.compile_settings import compile_leniently
from graphkit.saving.model_config import model_from_config
from graphkit.saving.optimizer_state import state_pairs
from graphkit.saving.stores import Entry, Table, open_hdf5
from graphkit.saving.weights import Assignment, assign, report, warn_of_skipped

from .compile_settings import readers_for
from .hdf5_writer import layer_weights
from .optimizer_state import FileLayer, OlderFile, is_side_by_side
from .sequential_input import build_from_weights
from .weights import Dialect, dialect_of, is_no_weight, paired


class Group(NamedTuple):
    """The weights of one layer in the file, in the file's order."""

    layer_name: str
    weight_names: list[str]
    entries: list[Entry]


# ----- reading -----


def read_legacy_model(path: Path, compile: bool = True) -> Any:
    """Return the model of a Keras HDF5 file with its weights, compile settings and optimizer state.

    Args:
        path: the file.
        compile: whether to compile the model.

    Raises:
        SerializationError: the file is damaged, holds only weights, or its weights do not fit.
    """
    what = repr(str(path))
    with open_hdf5(path, what) as table:
        attributes = table.attributes.get("", {})
        if "model_config" not in attributes:
            raise SerializationError(
                f"{what} is an HDF5 file without a model_config: {_what_it_is(table)}. Build the model first, "
                "then call model.load_weights(path)."
            )
        config = json_attribute(attributes, "model_config", what)
        if isinstance(config, dict) and "keras_version" in attributes:
            config.setdefault("keras_version", text_of(attributes["keras_version"]))
        if isinstance(config, dict) and "backend" in attributes:
            config.setdefault("backend", text_of(attributes["backend"]))
        with weights_from_file(table.nbytes, what):
            model = model_from_config(config, what)
            build_from_weights(model, [e.shape for g in weight_groups(table, what) for e in g.entries], what)
        older = load_legacy_weights(model, table, what)
        if compile and "training_config" in attributes:
            training = json_attribute(attributes, "training_config", what)
            _compile(model, training, table, older)
    return model


def _what_it_is(table: Table) -> str:
    if "layer_names" in table.attributes.get("", {}) or any(
        path.startswith(("layers/", "_layer_checkpoint")) for path in table.entries
    ):
        return "it holds only weights"
    return f"it holds {sorted(table.entries)[:5]}"


def _compile(model: Any, training: Any, table: Table, older: OlderFile) -> None:
    """Compile with the settings of the file, and load the optimizer's state."""
    if not isinstance(training, Mapping):
        return
    version = _origin(table)[0] or ""
    compile_leniently(model, training, readers_for(version))
    place = "optimizer_weights"
    names = list_attribute(table.attributes.get(place, {}), "weight_names") or []
    entries = [table.entries[path] for path in (f"{place}/{name}" for name in names) if path in table.entries]
    if model.optimizer is None or not entries:
        return
    model.optimizer.build(model.trainable_weights)
    pairs = state_pairs(model.optimizer, entries, None if is_side_by_side(names, version) else older.slots)
    assign([Assignment(variable, entry) for variable, entry in pairs])


def json_attribute(attributes: Mapping[str, Any], name: str, what: str) -> Any:
    """Parse the JSON of an attribute. Raises SerializationError naming `what`."""
    value = attributes[name]
    return bounds.parse_json(value if isinstance(value, (str, bytes)) else str(value), f"{name} of {what}")


def text_of(value: Any) -> str:
    """Return a string attribute, which h5py returns as str or bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def load_legacy_weights(
    model: Layer, table: Table, what: str, skip_mismatch: bool = False, by_name: bool = False
) -> OlderFile:
    """Load the weights of a file with `layer_names`.

    Args:
        model: a built model.
        table: the arrays of the file.
        what: the file, as messages name it.
        skip_mismatch: skip layers whose weights do not fit, with a warning.
        by_name: match layers by name; the others keep their weights.

    Returns:
        The layers with the arrays that they took.

    Raises:
        SerializationError: weights do not fit; names layer and shapes. Nothing has changed then.
    """
    groups = weight_groups(table, what)
    names = [n for g in groups for n in g.weight_names]
    dialect = dialect_of(names, *_origin(table), getattr(getattr(model, "_upgraded", None), "version", None))
    if dialect.flipped:
        _warn_of_theano_padding(model, what)
    lenient = bool(placeholders_in(model))
    if by_name and groups and not _by_name(_with_weights(model), groups):
        warnings.warn(
            f"No layer of the model {model.name!r} has the name of a layer in {what}, so no weights were loaded. The file has "
            f"{[g.layer_name for g in groups][:12]}, the model {[layer.name for layer in _with_weights(model)][:12]}.",
            stacklevel=2,
        )
    return assign_groups(model, groups, dialect, what, skip_mismatch, by_name, lenient)


def _warn_of_theano_padding(model: Layer, what: str) -> None:
    """Warn of layers that Theano padded differently: padding "same" with strides or even windows."""
    found = []
    for layer in model._walk_layers():
        window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
        steps = getattr(layer, "strides", None)
        if getattr(layer, "padding", None) == "same" and isinstance(window, tuple) and isinstance(steps, tuple):
            found += [layer.name] if max(steps) > 1 or any(n % 2 == 0 for n in window) else []
    if found:
        warnings.warn(
            f"{what} was trained on Theano, which distributes the padding of padding='same' differently from other backends: "
            f"the results of {', '.join(found[:5])}{', ...' if len(found) > 5 else ''} may differ from those on Theano.",
            stacklevel=2,
        )


def _origin(table: Table) -> tuple[str | None, str | None]:
    """Return the attributes `keras_version` and `backend`, of the file or of its weights."""
    found: list[str | None] = []
    for key in ("keras_version", "backend"):
        values = [text_of(a[key]) for a in (table.attributes.get(g, {}) for g in ("", "model_weights")) if key in a]
        found.append(values[0] if values else None)
    return found[0], found[1]


def assign_groups(
    model: Layer,
    groups: list[Group],
    dialect: Dialect,
    what: str,
    skip_mismatch: bool = False,
    by_name: bool = False,
    lenient: bool = False,
) -> OlderFile:
    """Assign the arrays of these groups to the layers of a model; see `load_legacy_weights`.

    Args:
        model: a built model.
        groups: the arrays by layer of the file.
        dialect: the layout of the file's weights.
        what: the file, as messages name it.
        skip_mismatch: skip layers whose weights do not fit, with a warning.
        by_name: match layers by name.
        lenient: match by name and skip what does not fit, without a warning.

    Raises:
        SerializationError: weights do not fit; names layer and shapes. Nothing has changed then.
    """
    layers = _with_weights(model)
    pairs = _by_name(layers, groups) if by_name or lenient else _matched(model, layers, groups, what)
    assignments: list[Assignment] = []
    problems: list[str] = []
    for layer, group in pairs:
        found, wrong = _fit(layer, group, dialect)
        problems.extend(wrong)
        assignments.extend([] if wrong else found)
    if problems and not lenient:
        if not skip_mismatch:
            raise report(model, what, problems)
        warn_of_skipped(model, what, problems)
    assign(assignments)
    return OlderFile([FileLayer(layer, group.weight_names, group.entries) for layer, group in pairs], dialect)


def _with_weights(model: Any) -> list[Layer]:
    return [layer for layer in model.layers if layer_weights(layer)]


def weight_groups(table: Table, what: str) -> list[Group]:
    """Return the layers of a file that have weights, in the order of `layer_names`.

    Raises SerializationError for a file without `layer_names`, or one that lacks an array it names.
    """
    root = (
        ""
        if "layer_names" in table.attributes.get("", {}) or "layer_names0" in table.attributes.get("", {})
        else "model_weights"
    )
    names = list_attribute(table.attributes.get(root, {}), "layer_names")
    if names is None and "nb_layers" in table.attributes.get("", {}):
        return _numbered_groups(table)
    if names is None:
        raise SerializationError(f"{what} has no layer_names: it is not a weights file of Keras.")
    groups = []
    for name in names:
        path = f"{root}/{name}" if root else name
        weight_names = [
            n for n in list_attribute(table.attributes.get(path, {}), "weight_names") or [] if not is_no_weight(n)
        ]
        missing = [w for w in weight_names if f"{path}/{w}" not in table.entries]
        if missing:
            raise SerializationError(f"{what}: the weight {missing[0]!r} of layer {name!r} is named but not stored.")
        if weight_names:
            groups.append(
                Group(name.replace("/", "_"), weight_names, [table.entries[f"{path}/{w}"] for w in weight_names])
            )
    return groups


def _numbered_groups(table: Table) -> list[Group]:
    """Return the layers of a file of Keras 0: `layer_0/param_0`, ..."""
    groups = []
    for number in range(int(table.attributes[""]["nb_layers"])):
        found = table.group(f"layer_{number}")
        names = sorted((n for n in found if n.startswith("param_")), key=lambda n: int(n.removeprefix("param_")))
        if names:
            groups.append(Group(f"layer_{number}", names, [found[n] for n in names]))
    return groups


def list_attribute(attributes: Mapping[str, Any], name: str) -> list[str] | None:
    """Return a list of names, also one that was too long for one attribute and was split into `name0`, `name1`, ..."""
    if name in attributes:
        return [text_of(v) for v in np.asarray(attributes[name]).reshape(-1).tolist()]
    parts: list[str] = []
    number = 0
    while f"{name}{number}" in attributes:
        parts.extend(text_of(v) for v in np.asarray(attributes[f"{name}{number}"]).reshape(-1).tolist())
        number += 1
    return parts if number else None


def _matched(model: Layer, layers: list[Layer], groups: list[Group], what: str) -> list[tuple[Layer, Group]]:
    """Match layers and groups by name if both have the same names, else in order; nested models are flattened if that fits."""
    for candidates in (layers, _flattened(layers)):
        if len(candidates) == len(groups):
            if {layer.name for layer in candidates} == {g.layer_name for g in groups}:
                return _by_name(candidates, groups)
            return list(zip(candidates, groups, strict=True))
    raise SerializationError(
        f"{what} holds weights of {len(groups)} layers {[g.layer_name for g in groups][:12]}, but the model {model.name!r} has "
        f"{len(layers)} layers with weights {[layer.name for layer in layers][:12]}. No weight was changed."
    )


def _flattened(layers: list[Layer]) -> list[Layer]:
    """Return the layers, with nested models replaced by their layers."""
    found: list[Layer] = []
    for layer in layers:
        inner = getattr(layer, "layers", None)
        found += _flattened([i for i in inner if layer_weights(i)]) if isinstance(inner, list) else [layer]
    return found


def _by_name(layers: list[Layer], groups: list[Group]) -> list[tuple[Layer, Group]]:
    known = {layer.name: layer for layer in layers}
    return [(known[group.layer_name], group) for group in groups if group.layer_name in known]


def _fit(layer: Layer, group: Group, dialect: Dialect) -> tuple[list[Assignment], list[str]]:
    where = f"{type(layer).__name__} layer {layer.name!r}"
    found = paired(layer, group.weight_names, group.entries, dialect)
    if isinstance(found, str):
        return [], [f"{where} {found} for {group.layer_name!r}"]
    wrong = [
        f"{where}: weight {v.name!r} has shape {v.shape}, the file's {name!r} has {e.shape}"
        for v, e, name in found
        if v.shape != e.shape
    ]
    return [Assignment(v, e) for v, e, _ in found], wrong
