"""Inspection of model files: what a file holds, and what is needed to load it. No weights are read, and no code is run.

Whether a file loads is tested, not guessed: the reader of its format is run, up to the values of the weights.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from graphkit.core.errors import GraphKitError, SerializationError
from graphkit.core.serialization import classes_of, custom_object, is_envelope, reading_from
from graphkit.ops._dispatch import OPERATIONS
from graphkit.saving import formats
from graphkit.saving.api import load_from
from graphkit.saving.formats import Format
from graphkit.saving.source import Source
from graphkit.saving.stores import Table
from graphkit.saving.unwrap import layers_in, unwrapped
from graphkit.saving.weights import structure_only

Report = dict[str, Any]
_REASONS = 10  # lines about nodes that are not lifted
_MODEL_IS_NEEDED = "the model that these weights belong to: build it, then call model.load_weights(path)"


def inspect_file(path: Any) -> Report:
    """Report what a file holds, without reading its weights.

    Returns:
        A dict of plain data: `path`, `format`, `keras_version` (None if unknown), `model` (class and name),
        `layers` (a list of {"name", "class", "parameters"}; a nested layer is "outer/inner", and parameters are None if unknown),
        `classes` (the number of layers of each), `parameters`, `optimizer` (its class), `custom_classes`, `lambdas`,
        `was_tried` (whether loading was tried: not for large ONNX files), `needs` (what loading it requires), `problems` (why it does
        not load, even with what it needs), `warnings` (those of loading it).
        For an ONNX file also `onnx`: `ir_version`, `opsets`, `producer`, `inputs`, `outputs`, `weights` (tensors, elements and bytes by
        type), `data_files` (bytes in each), `flops`, `operators` (by domain), `functions`, `unknown_operators` and `not_trainable` (each
        with the reason), `lifting` (which layers the nodes become; None if the
        file is large or does not load), `metadata` (its keys).

    Raises:
        SerializationError: the file does not exist, is of no known format, or is damaged.
    """
    where = Path(path)
    if not where.exists():
        raise SerializationError(f"File not found: {str(path)!r}.")
    with reading_from(repr(str(path))):
        return _inspected(Source(where), path)


def _inspected(source: Source, path: Any) -> Report:
    format = formats.format_of(source)
    report: Report = {
        "path": str(path),
        "format": format.name,
        "keras_version": None,
        "model": None,
        "layers": [],
        "parameters": None,
        "optimizer": None,
        "custom_classes": [],
        "lambdas": [],
        **format.inspect(source),
    }
    report["classes"] = dict(Counter(layer["class"] for layer in report["layers"]))
    is_weights = report.pop("is_weights", formats.MODEL not in format.holds)
    own, lacking = report.pop("needs", [_MODEL_IS_NEEDED] if is_weights else []), report.pop("lacking", [])
    is_tried = report.pop("is_tried", True) and not lacking and not is_weights and not report.get("problems")
    problems, messages = _tried(source, format, report) if is_tried else (report.get("problems", []), [])
    report["problems"], report["warnings"] = problems, messages
    report.setdefault("was_tried", True)
    report["needs"] = [*own, *lacking, *_needs(report)]
    return report


def _tried(source: Source, format: Format, report: Report) -> tuple[list[str], list[str]]:
    """Return why a file does not load, and the warnings of loading it; custom classes and functions are no problem."""
    problem, messages = _opened(source, format, placeholders=False)
    if problem is None:
        report["custom_classes"], report["lambdas"] = [], []
    elif report["custom_classes"] or report["lambdas"]:
        problem, messages = _opened(source, format, placeholders=True)
    return ([] if problem is None else [problem]), messages


def _opened(source: Source, format: Format, placeholders: bool) -> tuple[str | None, list[str]]:
    with structure_only(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problem = None
        try:
            load_from(source, format, placeholders=placeholders)
        except GraphKitError as error:
            problem = str(error)
    return problem, list(dict.fromkeys(str(warning.message) for warning in caught))


def optimizer_name(config: Any) -> str | None:
    """Return the class of an optimizer, from its config or name."""
    if is_envelope(config):
        return str(config["class_name"]).split(">")[-1]
    return config if isinstance(config, str) else None


def report_of_weights(table: Table) -> Report:
    """Return the report of a file that holds only weights."""
    return {
        "parameters": sum(prod(e.shape) for p, e in table.entries.items() if not p.startswith("optimizer")),
        "needs": [_MODEL_IS_NEEDED],
        "is_weights": True,
    }


# ----- configs -----


def report_of_config(config: Any, what: str) -> Report:
    """Return the report of a model's config, of any version of Keras.

    Args:
        config: the config, or data that contains it; see `unwrapped`.
        what: the file, as messages name it.

    Raises:
        SerializationError: there is no config of a model in it.
    """
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
    """Yield all layers by path; those inside a model or wrapper follow it."""
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
    return name in classes_of("keras.layers") or formats.is_known_class(name)


def _needs(report: Report) -> list[str]:
    needs = [f"the class {name}: custom_objects={{{name!r}: YourClass}}" for name in report["custom_classes"]]
    for name in report["lambdas"]:
        needs.append(f"the function of {name!r}, stored as code: custom_objects={{{name.split('/')[-1]!r}: function}}")
    return needs


def report_as_text(report: Report) -> str:
    """Format a report for a terminal."""
    model = report["model"] or {}
    onnx = report.get("onnx")
    lines = [
        f"{report['path']}: {report['format']}",
        *([f"  Keras version   {report['keras_version'] or 'unknown'}"] if onnx is None else _producer_lines(onnx)),
        f"  model           {model.get('class') or '-'} {model.get('name') or ''}".rstrip(),
        *([] if onnx is None else _type_lines(onnx)),
        f"  parameters      {'unknown' if report['parameters'] is None else format(report['parameters'], ',')}",
    ]
    if onnx is None:
        lines += [f"  optimizer       {report['optimizer'] or 'none'}", f"  layers          {len(report['layers'])}"]
        lines += _histogram(report["classes"])
    else:
        lines += [
            *_weight_lines(onnx),
            *_operator_lines(onnx),
            *_training_lines(onnx),
            *_lifting_lines(onnx["lifting"]),
        ]
    for title, key in (
        ("to load it, provide:", "needs"),
        ("does not load:", "problems"),
        ("loads with warnings:", "warnings"),
    ):
        if report[key]:
            lines += [f"  {title}", *(f"    {line}" for line in report[key])]
    if not report["was_tried"] and not report["problems"]:
        lines.append("  whether it loads was not tried, since it is large")
    elif not report["needs"] and not report["problems"]:
        lines.append("  loads" if report["warnings"] else "  loads as it is")
    return "\n".join(lines)


def _histogram(counts: Mapping[str, int]) -> list[str]:
    ordered = sorted(counts.items(), key=lambda c: (-c[1], str(c[0])))
    return [f"    {count:4d} {name}" for name, count in ordered if name]


# ----- ONNX -----


def _producer_lines(onnx: Report) -> list[str]:
    return [
        f"  producer        {onnx['producer'] or 'unknown'}",
        f"  IR version      {onnx['ir_version']}",
        f"  opsets          {', '.join(f'{domain} {version}' for domain, version in onnx['opsets'].items()) or 'none'}",
    ]


def _type_lines(onnx: Report) -> list[str]:
    rows = [(title, name, text) for title in ("inputs", "outputs") for name, text in onnx[title].items()]
    first = {title: name for title, name, _ in reversed(rows)}
    return [f"  {title if first[title] == name else '':<15} {name}: {text}" for title, name, text in rows]


def _weight_lines(onnx: Report) -> list[str]:
    lines = [f"  bytes           {onnx['weights']['bytes']:,}"]
    for type_name, entry in onnx["weights"]["by_type"].items():
        lines.append(
            f"    {entry['elements']:,} {type_name} in {_several(entry['tensors'], 'tensor')}, {entry['bytes']:,} bytes"
        )
    lines += [f"    {size:,} bytes of these in the file {name!r}" for name, size in onnx["data_files"].items()]
    return lines


def _operator_lines(onnx: Report) -> list[str]:
    flops = onnx["flops"]
    if flops["count"] is None:
        lines = [f"  FLOPs           unknown: {flops['problem']}"]
    else:
        sizes = ", ".join(f"{name}={size}" for name, size in flops["sizes"].items())
        left_out = ", ".join(f"{count} {name}" for name, count in flops["not_counted"].items())
        lines = [f"  FLOPs           {flops['count']:,}{f' for {sizes}' if sizes else ''}"]
        lines += [f"    not counted, since sizes or repetitions are not known: {left_out}"] if left_out else []
    for domain, counts in onnx["operators"].items():
        lines += [f"  {domain}: {_several(sum(counts.values()), 'node')}", *_histogram(counts)]
    lines += [f"  functions       {', '.join(onnx['functions'])}"] if onnx["functions"] else []
    return lines


def _training_lines(onnx: Report) -> list[str]:
    lines: list[str] = []
    if onnx["unknown_operators"]:
        lines += ["  unknown operators:", *(f"    {name}: {why}" for name, why in onnx["unknown_operators"].items())]
    if onnx["not_trainable"]:
        lines.append("  cannot be trained:")
        for reason, names in onnx["not_trainable"].items():
            lines.append(f"    {_several(len(names), 'initializer')} {reason}: {_shortened(names)}")
    return lines


def _lifting_lines(lifting: Report | None) -> list[str]:
    if lifting is None:
        return []
    layers, ops = (sum(lifting[kind].values()) for kind in ("layers", "ops"))
    lines = [
        f"  lifting         {_several(lifting['nodes'], 'node')} become {_several(layers, 'layer')} and {_several(ops, 'op')} of Keras"
    ]
    lines += _histogram({**lifting["layers"], **{f"op {name}": count for name, count in lifting["ops"].items()}})
    for key, title in (("kept", "stays a node"), ("refused", "written as ops")):
        rows = [f"    {title}: {name}: {reason}" for name, reason in lifting[key].items()]
        lines += rows[:_REASONS] + ([f"    ... {len(rows) - _REASONS} more"] if len(rows) > _REASONS else [])
    return lines


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shortened(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f", ... {len(names) - most} more" if len(names) > most else "")
