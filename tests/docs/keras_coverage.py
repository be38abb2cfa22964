"""Keras' public names compared with graphkit's: the content of docs/keras-coverage.md.

`python -m tests.docs.keras_coverage` regenerates the page from fixtures/keras_names.json and the installed graphkit.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from tests.docs import onnx_limits
from tests.docs.keras_reasons import DIFFERENT, REASONS
from tests.interop.keras_ops_differences import KEPT

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "keras-coverage.md"
SNAPSHOT = ROOT / "fixtures" / "keras_names.json"

Arguments = list[list[str]] | None


class Row(NamedTuple):
    """One of Keras' names, its state in graphkit, and what differs."""

    group: str  # a module, or a class for its members
    name: str
    state: str  # present, differs, absent or refused
    remark: str

    @property
    def path(self) -> str:
        """The name as written, without `keras.`."""
        return f"{self.group}.{self.name}".strip(".")


def snapshot() -> dict[str, Any]:
    """The names that fixtures/make_keras_names.py found."""
    found: dict[str, Any] = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    return found


@functools.cache
def rows() -> list[Row]:
    """All names of Keras' modules."""
    return [
        _row(module, name, wanted)
        for module, entries in sorted(snapshot()["modules"].items())
        for name, wanted in sorted(entries.items())
    ]


@functools.cache
def member_rows() -> list[Row]:
    """The members of Keras' classes, except of classes that are not here."""
    return [
        _member(path, name, wanted)
        for path, entries in sorted(snapshot()["classes"].items())
        if inspect.isclass(find(path))
        for name, wanted in sorted(entries.items())
    ]


_MISSING = object()  # a class attribute may be None


def find(path: str) -> Any:
    """The object that has this name of Keras' in graphkit, or None."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(f"graphkit.{module}".rstrip(".")), name)
    except (AttributeError, ImportError):
        return None


def reason(path: str) -> str | None:
    """Why a name is absent: its own reason, or that of the module or class it belongs to."""
    parts = path.split(".")
    return next((REASONS[p] for i in range(len(parts), 0, -1) if (p := ".".join(parts[:i])) in REASONS), None)


def _row(module: str, name: str, wanted: Arguments) -> Row:
    path = f"{module}.{name}".strip(".")
    thing, why = find(path), reason(path)
    if why is not None:
        return Row(module, name, "refused" if thing is not None else "absent", why)
    if thing is None:
        return Row(module, name, "absent", "not implemented yet")
    return _compared(module, name, wanted, _arguments(thing) if callable(thing) else None)


def _member(path: str, name: str, wanted: Any) -> Row:
    cls = find(path)
    why = reason(f"{path}.{name}")
    if why is not None:
        return Row(path, name, "absent", why)
    thing = inspect.getattr_static(cls, name, _MISSING)
    if thing is _MISSING:
        known = wanted == "property" and _is_attribute(cls, name)
        return Row(path, name, "present" if known else "absent", "" if known else "not implemented yet")
    if wanted == "property" or wanted is None or isinstance(thing, property):
        return Row(path, name, "present", "")
    given = _arguments(getattr(cls, name))
    if given is not None and not isinstance(thing, (staticmethod, classmethod)):
        given.pop("self", None)
    return _compared(path, name, wanted, given)


def _is_attribute(cls: type, name: str) -> bool:
    """Whether objects of the class get an attribute of this name: Keras has some as properties that are plain attributes here."""
    own = [base for base in cls.__mro__ if base.__module__.startswith("graphkit")]
    return name in (_arguments(cls) or {}) or any(
        re.search(rf"\bself\.{name}\b[^()]*=[^=]", inspect.getsource(base)) for base in own
    )


def _compared(group: str, name: str, wanted: Arguments, given: dict[str, str] | None) -> Row:
    remark = _difference(wanted, given)
    why = DIFFERENT.get(f"{group}.{name}".strip("."))
    if remark and why:
        return Row(group, name, "present", "")
    return Row(group, name, "differs" if remark else "present", remark)


def _arguments(thing: Any) -> dict[str, str] | None:
    """Argument -> default; `**kwargs` of a constructor are those of the next constructor, of other functions the entry "**"."""
    found: dict[str, str] = {}
    for function in _signatures(thing):
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            return None
        for p in parameters:
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL) and p.name not in found:
                found[p.name] = "" if p.default is p.empty else getattr(p.default, "__name__", None) or repr(p.default)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return found
    if not inspect.isclass(thing):
        found["**"] = ""
    return found


def _signatures(thing: Any) -> list[Any]:
    """A class' own signature, then the constructors of its bases, which take what it passes on."""
    if not inspect.isclass(thing):
        return [thing]
    inits = [cls.__init__ for cls in thing.__mro__ if "__init__" in vars(cls) and cls is not object]
    return [thing, *inits[1:]]


# Arguments that Keras itself names in several ways, all of them given by position.
_ONE_NAME = ({"mask", "previous_mask", "_"}, {"var_list", "variables"}, {"grad", "gradient"})


def _difference(wanted: Arguments, given: dict[str, str] | None) -> str:
    if wanted is None or given is None:
        return ""
    missing = [n for n, _ in wanted if n not in given and n not in ("self", "kwargs") and "**" not in given]
    missing = [n for n in missing if not any(n in names and names & set(given) for names in _ONE_NAME)]
    other = [
        f"{n}={given[n] or 'required'} (Keras: {d or 'required'})"
        for n, d in wanted
        if n in given and not _same(given[n], d)
    ]
    parts = [f"without {', '.join(missing)}"] if missing else []
    return "; ".join([*parts, *other])


def _same(mine: str, theirs: str) -> bool:
    """Whether two defaults mean the same: `1` and `(1, 1)` do, and so do two sentinels, which show their addresses only."""
    mine, theirs = (re.sub(r" at 0x[0-9a-f]+", "", text) for text in (mine, theirs))
    return mine == theirs or (bool(mine) and bool(theirs) and _numbers(mine) == _numbers(theirs) != {mine})


def _numbers(default: str) -> set[Any]:
    """The numbers of a default, `(1, 1)` as {1}; the text itself where it is no number or tuple of numbers."""
    try:
        return {float(n) for n in re.sub(r"[()\[\],]", " ", default).split()}
    except ValueError:
        return {default}


# ----- the page -----

_STATES = (("present",), ("differs",), ("absent", "refused"))


def _table(found: list[Row], what: str) -> list[str]:
    lines = [
        f"| {what} | names | present | differ in arguments or defaults | absent or refused |\n|---|---|---|---|---|"
    ]
    for group in sorted({r.group for r in found}):
        mine = [r for r in found if r.group == group]
        counts = [sum(r.state in states for r in mine) for states in _STATES]
        lines.append(f"| `{'keras.' + group if group else 'keras'}` | {len(mine)} | {' | '.join(map(str, counts))} |")
    return lines


def _counted() -> str:
    """How many of Keras' layer classes and ops are present."""
    states = {r.path: r.state for r in rows()}
    layers = [f"layers.{n}" for n in snapshot()["layer_classes"]]
    ops = [p for p in states if p.startswith("ops.") and p.count(".") == 1]
    here = [sum(states[p] in ("present", "differs") for p in group) for group in (layers, ops)]
    return (
        f"`keras.layers` has {len(layers)} layer classes (subclasses of `Layer`; aliases count); "
        f"{here[0]} of them are in graphkit. `keras.ops` has {len(ops)} names (functions, and the namespaces `image`, `linalg`, `nn`, "
        f"`numpy`); {here[1]} of them are in graphkit.\n"
    )


def _listed(found: list[Row]) -> list[str]:
    """Different and absent names; those of one module or class that share a reason share a row."""
    lines = []
    for title, states in (("Different", ("differs",)), ("Absent or refused", ("absent", "refused"))):
        lines.append(f"\n### {title}\n\n| in | name | what |\n|---|---|---|")
        together: dict[tuple[str, str], list[str]] = {}
        for r in found:
            if r.state in states:
                together.setdefault((r.group, r.remark), []).append(f"`{r.name}`")
        lines += [
            f"| `{'keras.' + group if group else 'keras'}` | {', '.join(names)} | {remark} |"
            for (group, remark), names in together.items()
        ]
    return lines


def _results() -> list[str]:
    """Ops whose results differ, by reason."""
    names: dict[str, list[str]] = {}
    for name, why in KEPT.items():
        names.setdefault(why, []).append(f"`{name}`")
    rows_ = (f"| {', '.join(found)} | {why} |" for why, found in names.items())
    return ["\n## Results of ops that differ on purpose\n\n| ops | why |\n|---|---|", *rows_]


def page() -> str:
    """docs/keras-coverage.md."""
    parts = [
        f"# Keras' public names in graphkit\n\nMade by `python -m tests.docs.keras_coverage` from {snapshot()['producer']}'s "
        "names (`fixtures/keras_names.json`); a test checks that it is up to date.\n",
        _counted(),
        "## Modules\n",
        *_table(rows(), "module"),
        *_listed(rows()),
        "\n## Methods and properties of classes\n",
        *_table(member_rows(), "class"),
        *_listed(member_rows()),
        *(["\n## Different on purpose\n\n| name | why |\n|---|---|"] if DIFFERENT else []),
        *(f"| `keras.{path}` | {why} |" for path, why in sorted(DIFFERENT.items())),
        *_results(),
        *onnx_limits.section(),
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
