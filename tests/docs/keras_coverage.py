"""Keras' public names beside graphkit's: what docs/keras-coverage.md says.

`python -m tests.docs.keras_coverage` writes the page anew from fixtures/keras_names.json and the installed graphkit.
"""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "keras-coverage.md"
SNAPSHOT = ROOT / "fixtures" / "keras_names.json"

# Why a name is not there, or not usable.
REASONS = {
    "layers.TorchModuleWrapper": "wraps a module of another framework; the name raises an error that says so",
    "layers.JaxLayer": "wraps a function of another framework; the name raises an error that says so",
    "layers.FlaxLayer": "wraps a module of another framework; the name raises an error that says so",
    "layers.TFSMLayer": "runs a TensorFlow SavedModel; the name raises an error that says so",
}


class Row(NamedTuple):
    """One of Keras' names, how it stands here, and what differs."""

    module: str
    name: str
    state: str
    remark: str


def rows() -> list[Row]:
    """All names of the snapshot."""
    modules = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["modules"]
    return [
        _row(module, name, wanted)
        for module, entries in sorted(modules.items())
        for name, wanted in sorted(entries.items())
    ]


def _row(module: str, name: str, wanted: list[list[str]] | None) -> Row:
    key = f"{module}.{name}"
    try:
        thing = getattr(importlib.import_module(f"graphkit.{module}"), name)
    except (AttributeError, ImportError):
        return Row(module, name, "absent", REASONS.get(key, "not written yet"))
    if key in REASONS:
        return Row(module, name, "refused", REASONS[key])
    remark = _difference(wanted, _arguments(thing))
    return Row(module, name, "differs" if remark else "present", remark)


def _arguments(thing: Any) -> dict[str, str] | None:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters) and inspect.isclass(thing):
        base = {
            "name": "None",
            "dtype": "None",
            "trainable": "True",
            "autocast": "True",
            "activity_regularizer": "None",
        }
    else:
        base = {"**": ""} if any(p.kind is p.VAR_KEYWORD for p in parameters) else {}
    own = [p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    return {
        **base,
        **{
            p.name: "" if p.default is p.empty else getattr(p.default, "__name__", None) or repr(p.default) for p in own
        },
    }


def _difference(wanted: list[list[str]] | None, given: dict[str, str] | None) -> str:
    if wanted is None or given is None or "**" in given:
        return ""
    missing = [n for n, _ in wanted if n not in given and n not in ("self", "kwargs")]
    other = [
        f"{n}={given[n] or 'required'} (Keras: {d or 'required'})"
        for n, d in wanted
        if n in given and not _same(given[n], d)
    ]
    parts = [f"without {', '.join(missing)}"] if missing else []
    return "; ".join([*parts, *other])


def _same(mine: str, theirs: str) -> bool:
    """Whether two defaults mean the same: `1` and `(1, 1)` do."""
    return mine == theirs or (bool(mine) and bool(theirs) and _numbers(mine) == _numbers(theirs) != {mine})


def _numbers(default: str) -> set[Any]:
    """The numbers of a default, `(1, 1)` as {1}; the text itself where it is no number or tuple of numbers."""
    try:
        return {
            float(n)
            for n in default.replace("(", " ")
            .replace(")", " ")
            .replace("[", " ")
            .replace("]", " ")
            .replace(",", " ")
            .split()
        }
    except ValueError:
        return {default}


def page() -> str:
    """docs/keras-coverage.md."""
    everything = rows()
    producer = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["producer"]
    parts = [
        f"# Keras' public names in graphkit\n\nMade by `python -m tests.docs.keras_coverage` from {producer}'s names "
        "(`fixtures/keras_names.json`); a test holds that it is up to date.\n",
        "| module | names | present | differ in arguments or defaults | absent or refused |\n|---|---|---|---|---|",
    ]
    modules = sorted({r.module for r in everything})
    for module in modules:
        mine = [r for r in everything if r.module == module]
        counts = [
            sum(r.state in states for r in mine) for states in (("present",), ("differs",), ("absent", "refused"))
        ]
        parts.append(f"| `keras.{module}` | {len(mine)} | {' | '.join(map(str, counts))} |")
    for title, states in (("Different", ("differs",)), ("Absent or refused", ("absent", "refused"))):
        parts.append(f"\n## {title}\n\n| name | what |\n|---|---|")
        parts += [f"| `keras.{r.module}.{r.name}` | {r.remark} |" for r in everything if r.state in states]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
