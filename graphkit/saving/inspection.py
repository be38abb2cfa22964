"""What is in a model file, and what it would take to open it. No weights are loaded, and no code is run.

Whether a file loads is not guessed at: the reader of its format is run, up to the numbers of the weights.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from graphkit.converters.keras_legacy.config import MODELS, RENAMED, TENSORFLOW_CLASSES
from graphkit.converters.keras_legacy.implied_settings import layers_in
from graphkit.converters.keras_legacy.keras1 import CLASSES as KERAS1_CLASSES
from graphkit.core.errors import GraphKitError, SerializationError
from graphkit.core.serialization import classes_of, custom_object, is_envelope, reading_from
from graphkit.ops._dispatch import OPERATIONS
from graphkit.saving import bounds, formats
from graphkit.saving.front import load_model
from graphkit.saving.stores import Table, open_table
from graphkit.saving.unwrap import parse_config, unwrapped
from graphkit.saving.weights import structure_only

Report = dict[str, Any]
_WEIGHTS_ALONE = "weights without a model (HDF5)"
_OLD = {*MODELS, *KERAS1_CLASSES, *RENAMED, *TENSORFLOW_CLASSES, "Merge", "InputLayer"}


def inspect_file(path: Any) -> Report:
    """What a file holds, without its weights.

    Returns a dict of plain data: `path`, `format`, `keras_version` (None where the file does not say), `model` (its class and name),
    `layers` (a list of {"name", "class", "parameters"}; a layer inside another is "outer/inner", parameters are None where the file
    does not say), `classes` (how often each), `parameters`,
    `optimizer` (its class), `custom_classes`, `lambdas`, `needs` (what to do before it can be loaded), `problems` (why it cannot be
    loaded, even with what it needs), `warnings` (what loading it warns of).

    Raises SerializationError for a file of no known format, or one that is damaged.
    """
    where = Path(path)
    if not where.exists():
        raise SerializationError(f"File not found: {str(path)!r}.")
    with reading_from(repr(str(path))):
        return _inspected(where, path)


def _inspected(where: Path, path: Any) -> Report:
    kind = formats.kind_of(where)
    readers = {formats.KERAS: _archive, formats.HDF5: _hdf5, formats.JSON: _json, formats.TENSORFLOWJS: _tensorflowjs}
    report: Report = {
        "path": str(path),
        "format": kind.name,
        "keras_version": None,
        "model": None,
        "layers": [],
        "parameters": None,
        "optimizer": None,
    }
    if kind in formats.WEIGHTS:
        with open_table(where, repr(str(path))) as table:
            report.update(_of_weights(table, {}, kind.name))
    elif kind in readers:
        report.update(readers[kind](where, repr(str(path))))
    report["classes"] = dict(Counter(layer["class"] for layer in report["layers"]))
    report.setdefault("custom_classes", [])
    report.setdefault("lambdas", [])
    own, lacking = report.pop("needs", []), report.pop("lacking", [])
    report["problems"], report["warnings"] = ([], []) if lacking or kind in formats.WEIGHTS else _tried(where, report)
    report["needs"] = [*own, *lacking, *_needs(report)]
    return report


def _tried(path: Path, report: Report) -> tuple[list[str], list[str]]:
    """Why a file does not load, and what loading it warns of; what its author alone has is left out of account."""
    if report["format"] == _WEIGHTS_ALONE:
        return [], []
    problem, said = _opened(path, placeholders=False)
    if problem is None:
        report["custom_classes"], report["lambdas"] = [], []
    elif report["custom_classes"] or report["lambdas"]:
        problem, said = _opened(path, placeholders=True)
    return ([] if problem is None else [problem]), said


def _opened(path: Path, placeholders: bool) -> tuple[str | None, list[str]]:
    with structure_only(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        problem = None
        try:
            load_model(path, placeholders=placeholders)
        except GraphKitError as error:
            problem = str(error)
    return problem, list(dict.fromkeys(str(warning.message) for warning in said))


def _archive(path: Path, what: str) -> Report:
    from graphkit.saving.archive import open_archive, open_weights, read_config, read_version

    with open_archive(path) as members:
        config = {**read_version(members, what), **read_config(members, what)}
        with open_weights(members, what, glance=True) as table:
            weights = {p: e.shape for p, e in table.entries.items() if not p.startswith("optimizer")}
    report = {
        **_of_config(config, what),
        "optimizer": _optimizer_name((config.get("compile_config") or {}).get("optimizer")),
    }
    return {**report, "parameters": sum(map(prod, weights.values()))}


def _optimizer_name(config: Any) -> str | None:
    """The class of an optimizer by its config or name."""
    return (
        str(config["class_name"]).split(">")[-1] if is_envelope(config) else config if isinstance(config, str) else None
    )


def _json(path: Path, what: str) -> Report:
    report = _of_config(parse_config(path.read_bytes(), what), what)
    return {**report, "needs": ["its weights stand in another file: model.load_weights(path)"]}


def _tensorflowjs(path: Path, what: str) -> Report:
    from graphkit.converters.tensorflowjs import layers_model as tensorflowjs

    parsed = bounds.parse_json(bounds.read_bytes(path, what), what)
    report = _of_config(tensorflowjs.topology(parsed, what), what)
    manifest = parsed.get("weightsManifest")
    missing = tensorflowjs.missing_shards(path, manifest, what)
    lacking = [f"the file {name!r}, which holds weights, beside it" for name in missing]
    return {**report, "parameters": tensorflowjs.parameters(manifest, what), "lacking": lacking}


def _hdf5(path: Path, what: str) -> Report:
    from graphkit.converters.keras_legacy.hdf5 import json_attribute, text_of

    with open_table(path, what) as table:
        attributes = table.attributes.get("", {})
        by_layer = _parameters_by_layer(table, what)
        if "model_config" not in attributes:
            return _of_weights(table, by_layer, _WEIGHTS_ALONE)
        config = json_attribute(attributes, "model_config", what)
        optimizer = None
        if "training_config" in attributes:
            training = json_attribute(attributes, "training_config", what)
            optimizer = _optimizer_name(training.get("optimizer_config")) if isinstance(training, dict) else None
        if "keras_version" in attributes and isinstance(config, dict):
            config.setdefault("keras_version", text_of(attributes["keras_version"]))
    report = {**_of_config(config, what), "optimizer": optimizer}
    for layer in report["layers"]:
        layer["parameters"] = by_layer.get(layer["name"], None if "/" in layer["name"] else 0)
    return {**report, "parameters": sum(by_layer.values())}


def _of_weights(table: Table, by_layer: dict[str, int], format_name: str) -> Report:
    """A file of weights alone."""
    from graphkit.converters.keras_legacy.hdf5 import text_of

    version = next((text_of(a["keras_version"]) for a in table.attributes.values() if "keras_version" in a), None)
    total = sum(prod(e.shape) for p, e in table.entries.items() if not p.startswith("optimizer"))
    layers = [{"name": name, "class": None, "parameters": count} for name, count in by_layer.items()]
    return {
        "format": format_name,
        "keras_version": version,
        "layers": layers,
        "parameters": total,
        "needs": ["the model that these weights belong to: make it, then model.load_weights(path)"],
    }


def _parameters_by_layer(table: Table, what: str) -> dict[str, int]:
    from graphkit.converters.keras_legacy.hdf5 import weight_groups

    try:
        groups = weight_groups(table, what)
    except SerializationError:
        return {}
    return {g.layer_name: sum(prod(e.shape) for e in g.entries) for g in groups}


# ----- configs -----


def _of_config(config: Any, what: str) -> Report:
    found = unwrapped(config, what)
    custom: list[str] = []
    lambdas: list[str] = []
    layers = []
    for name, entry in _layers(found, ""):
        class_name = str(entry["class_name"])
        layers.append({"name": name, "class": class_name, "parameters": None})
        if _holds_code(entry):
            lambdas.append(name)
        elif not _is_known(entry):
            custom.append(class_name)
    model_name = found["config"].get("name") if isinstance(found["config"], Mapping) else None
    if layers_in(found) is None:
        custom.append(str(found["class_name"]))
    return {
        "keras_version": found.get("keras_version"),
        "model": {"class": found["class_name"], "name": model_name},
        "layers": layers,
        "custom_classes": sorted(set(custom)),
        "lambdas": lambdas,
    }


def _layers(entry: Mapping[str, Any], parent: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All layers by path, those of models and wrappers inside behind their own."""
    stack = [(parent, e) for e in reversed(layers_in(entry) or []) if is_envelope(e)]
    while stack:
        above, layer = stack.pop()
        config = layer["config"]
        own = str(
            layer.get("name") or (config.get("name") if isinstance(config, Mapping) else None) or layer["class_name"]
        )
        name = f"{above}/{own}" if above else own
        yield name, layer
        inner = list(layers_in(layer) or [])
        if isinstance(config, Mapping):
            inner += [config[key] for key in ("layer", "backward_layer") if key in config]
        stack.extend((name, e) for e in reversed(inner) if is_envelope(e))


def _holds_code(entry: Mapping[str, Any]) -> bool:
    config = entry["config"]
    if not isinstance(config, Mapping) or custom_object(str(config.get("name"))) is not None:
        return False
    if entry["class_name"] == "Merge":
        return config.get("mode_type") not in (None, "raw")
    if entry["class_name"] != "Lambda":
        return False
    function = config.get("function")
    if not isinstance(function, Mapping) or function.get("class_name") != "function":
        return True
    return custom_object(str(function.get("config"))) is None


def _is_known(entry: Mapping[str, Any]) -> bool:
    name, module = str(entry["class_name"]), str(entry.get("module") or "")
    if custom_object(name) is not None or f"{module}>{name}" in OPERATIONS:
        return True
    if module and module.split(".")[0] not in ("keras", "tf_keras", "tensorflow"):
        return False
    return name in classes_of("keras.layers") or name in _OLD


def _needs(report: Report) -> list[str]:
    needs = [f"the class {name}: custom_objects={{{name!r}: YourClass}}" for name in report["custom_classes"]]
    for name in report["lambdas"]:
        needs.append(f"the function of {name!r}, stored as code: custom_objects={{{name.split('/')[-1]!r}: function}}")
    return needs


def report_as_text(report: Report) -> str:
    """A report to read."""
    model = report["model"] or {}
    lines = [
        f"{report['path']}: {report['format']}",
        f"  Keras version   {report['keras_version'] or 'not said'}",
        f"  model           {model.get('class') or '-'} {model.get('name') or ''}".rstrip(),
        f"  parameters      {'not said' if report['parameters'] is None else format(report['parameters'], ',')}",
        f"  optimizer       {report['optimizer'] or 'none'}",
        f"  layers          {len(report['layers'])}",
    ]
    lines += [
        f"    {count:4d} {name}"
        for name, count in sorted(report["classes"].items(), key=lambda c: (-c[1], str(c[0])))
        if name
    ]
    for title, key in (
        ("to load it, give:", "needs"),
        ("does not load:", "problems"),
        ("warns when it is loaded:", "warnings"),
    ):
        if report[key]:
            lines += [f"  {title}", *(f"    {line}" for line in report[key])]
    if not report["needs"] and not report["problems"]:
        lines.append("  loads" if report["warnings"] else "  loads as it is")
    return "\n".join(lines)
