"""The house's own rules: who imports whom, what is loaded when, what the package list says, what no text may mention."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "graphkit"

# From the ground up; a room imports only from its own level and those below it.
LEVELS = [
    {"core", "errors"},
    {"ir"},
    {"ops", "engine", "random"},
    {"graph"},
    {"activations", "initializers", "regularizers", "constraints", "tree", "dtype_policies", "quantizers"},
    {"layers"},
    {"losses", "metrics", "optimizers"},
    {"models"},
    {"training", "saving", "runtime", "visualization", "callbacks", "differentiate"},
    {"front", "backend", "config", "utils", "preprocessing", "applications", "datasets", "compat", "mixed_precision"},
    {"serving", "cli", "__main__"},
]
# What stands on the level of a room but asks one above, with the reason. Everything else goes through core/late.py's table.
ALLOWED = {
    ("ir", "ops"): "x + y on tracers and the gradient's sums are said with ops; imported when first used",
    ("layers", "models"): "a Lambda is saved as a model of its ops; imported when first used",
}
HEAVY = (
    "networkx",
    "onnx",
    "onnxruntime",
    "h5py",
    "rich",
    "ml_dtypes",
    "PIL",
    "pandas",
    "starlette",
    "uvicorn",
    "tensorflow",
    "torch",
    "jax",
    "keras",
)


def sources(folder: Path) -> Iterator[tuple[str, Path, ast.Module]]:
    """(room, file, tree) of every module."""
    for path in sorted(folder.rglob("*.py")):
        room = path.relative_to(folder).parts[0].removesuffix(".py")
        yield room, path, ast.parse(path.read_text())


def imported_rooms(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """(room of graphkit, line, inside a function) for every import of ours, those for type checkers left out."""
    skipped = {
        id(n)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and _is_type_checking(block.test)
        for n in ast.walk(block)
    }
    inner = {
        id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef)) for n in ast.walk(f)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        for name in _module_names(node):
            parts = name.split(".")
            if parts[0] == "graphkit" and len(parts) > 1:
                yield parts[1], node.lineno, id(node) in inner  # type: ignore[attr-defined]


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _module_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [f"graphkit.{alias.name}" for alias in node.names] if node.module == "graphkit" else [node.module]
    return []


def level_of(room: str) -> int | None:
    return next((i for i, rooms in enumerate(LEVELS) if room in rooms), None)


def test_imports_go_one_way() -> None:
    """Also those inside functions; `core/late.py` holds the only names that point upwards, as strings."""
    wrong = []
    for room, path, tree in sources(PACKAGE):
        if room == "__init__":
            continue
        here = level_of(room)
        assert here is not None, f"{path.relative_to(ROOT)}: the room {room!r} has no level; give it one in LEVELS"
        for target, line, _ in imported_rooms(tree):
            there = level_of(target)
            if there is None or there <= here or (room, target) in ALLOWED:
                continue
            wrong.append(f"{path.relative_to(ROOT)}:{line} ({room}) imports {target}")
    assert wrong == []


def test_every_exception_of_the_rule_is_needed() -> None:
    found = {(room, target) for room, _, tree in sources(PACKAGE) for target, _, _ in imported_rooms(tree)}

    assert [pair for pair in ALLOWED if pair not in found] == []


def test_graphkit_does_not_import_its_converters() -> None:
    wrong = [
        f"{path.name}:{line}"
        for _, path, tree in sources(PACKAGE)
        for target, line, _ in imported_rooms(tree)
        if target == "converters"
    ]

    assert wrong == []


def test_heavy_modules_are_imported_inside_functions() -> None:
    """At module level only in converters/ and in runtime's own session, which are loaded when first used."""
    wrong = []
    for _, path, tree in sources(PACKAGE):
        for node in tree.body:
            for name in _module_names(node):
                if name.split(".")[0] in HEAVY:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    assert wrong == []


@pytest.mark.parametrize(
    "statement",
    [
        "import graphkit",
        "import graphkit; graphkit.layers.Dense; graphkit.models.Model; graphkit.ops.exp; graphkit.saving",
    ],
)
def test_heavy_modules_are_not_loaded_by_an_import(statement: str) -> None:
    code = f"import sys; {statement}; print([m for m in {HEAVY!r} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


def test_the_package_list_is_the_folders() -> None:
    """A folder that pyproject forgets is missing from the wheel."""
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        _package_name(path.parent)
        for folder in ("graphkit", "converters")
        for path in (ROOT / folder).rglob("__init__.py")
    }

    assert sorted(setup["packages"]) == sorted(folders)


def _package_name(folder: Path) -> str:
    name = ".".join(folder.relative_to(ROOT).parts)
    return f"graphkit.{name}" if name.startswith("converters") else name


def test_all_names_of_late_rooms_exist() -> None:
    from importlib.util import find_spec

    from graphkit.core.late import _ROOMS

    assert [module for module in _ROOMS.values() if find_spec(module) is None] == []


def test_no_text_names_a_place_on_some_machine() -> None:
    """Paths of the machine on which something was written say nothing on another."""
    place = re.compile(r"(?<![\w.])/(?:home|root|Users|work|opt|mnt)/[\w.]")
    wrong = []
    for path in tracked_texts():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if place.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert wrong == []


def tracked_texts() -> Iterator[Path]:
    """The texts of the project: sources, pages, settings; not what a build or a tool left behind."""
    folders = ("graphkit", "converters", "tests", "docs", "examples", "benchmarks", "fixtures", ".github")
    for path in [*ROOT.glob("*"), *(p for f in folders for p in (ROOT / f).rglob("*"))]:
        inside = path.relative_to(ROOT).parts
        if (
            path.is_file()
            and path.suffix in (".py", ".md", ".toml", ".yml", ".yaml", ".json", ".txt", ".cfg")
            and "__pycache__" not in inside
        ):
            yield path


def test_no_module_is_named_utils_or_bears_a_version() -> None:
    wrong = [
        p.name
        for p in PACKAGE.rglob("*.py")
        if re.search(r"_v\d|helpers?|misc", p.stem) or (p.stem == "utils" and p.parent != PACKAGE)
    ]

    assert wrong == []


def test_the_public_layers_are_listed() -> None:
    """`graphkit.layers.__all__` names what the module offers: type checkers take nothing else."""
    from graphkit import layers
    from graphkit.core.serialization import classes_of

    offered = {
        n
        for n, v in vars(layers).items()
        if not n.startswith("_") and getattr(v, "__module__", "").startswith("graphkit.layers")
    }

    assert len(set(layers.__all__)) == len(layers.__all__)
    assert set(layers.__all__) == offered
    assert {c.__name__ for c in classes_of("keras.layers").values()} <= offered | {"Wrapper"}
