"""The registry is the only list of formats: no other code names the suffixes or names of several."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphkit.saving import formats

ROOT = Path(__file__).resolve().parents[2]
HOMES = {"formats.py", "keras_formats.py"}  # the modules that define formats, and the registry
# Code that names parts of files, not formats to read or write.
PARTS_OF_FILES = {"graphkit/saving/archive.py": {"h5", "npz"}}  # the two kinds of weights inside a `.keras` archive
BUILT_IN = [format for format in formats.all_formats() if type(format).__module__.startswith("graphkit.")]
SUFFIXES = {suffix: format.name for format in reversed(BUILT_IN) for suffix in format.suffixes}
NAMES = {format.name for format in BUILT_IN}
_ENDS = "|".join(re.escape(suffix) for suffix in sorted(SUFFIXES, key=len, reverse=True))
_LISTED = re.compile(rf"(?<!\w)(?:{_ENDS})\W{{1,4}}(?:(?:or|and)\W+)?(?<!\w)(?:{_ENDS})(?!\w)")


def test_no_code_lists_formats() -> None:
    wrong = [
        f"{name}:{line} {what}"
        for path in (*(ROOT / "graphkit").rglob("*.py"), *(ROOT / "converters").rglob("*.py"))
        if path.name not in HOMES
        for name in [path.relative_to(ROOT).as_posix()]
        for line, what in lists_of_formats(path.read_text(encoding="utf-8"), PARTS_OF_FILES.get(name, set()))
    ]

    assert wrong == []


def lists_of_formats(source: str, allowed: set[str]) -> Iterator[tuple[int, str]]:
    """Yield (line, text) where code names several formats, or one by its name. Docstrings may."""
    tree = ast.parse(source)
    docstrings = {id(node) for node in _docstrings(tree)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.BoolOp, ast.Match, ast.If)):
            found = {text for text in _texts_in(node) if _format_of(text) is not None} - allowed
            if len({_format_of(text) for text in found}) > 1:
                yield node.lineno, f"lists {sorted(found)}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            if _LISTED.search(node.value):
                yield node.lineno, f"lists suffixes in {node.value[:60]!r}"
            if node.value in NAMES:
                yield node.lineno, f"names {node.value!r}"


def _docstrings(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def _texts_in(node: ast.AST) -> Iterator[str]:
    """Yield the constants of a collection, or those that a condition compares with."""
    parts: list[ast.AST | None]
    if isinstance(node, ast.Dict):
        parts = [*node.keys]
    elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        parts = [*node.elts]
    elif isinstance(node, ast.BoolOp):
        parts = [*node.values]
    elif isinstance(node, ast.Match):
        parts = [case.pattern for case in node.cases]
    else:
        parts = [*_conditions(node)]
    is_condition = isinstance(node, (ast.BoolOp, ast.Match, ast.If))
    for part in filter(None, parts):
        for inner in ast.walk(part) if is_condition else [part]:
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                yield inner.value


def _conditions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the conditions of an if and its elifs."""
    while isinstance(node, ast.If):
        yield node.test
        if len(node.orelse) != 1:
            return
        node = node.orelse[0]


def _format_of(text: str) -> str | None:
    return SUFFIXES.get(text) or SUFFIXES.get(f".{text}")


@pytest.mark.parametrize(
    "code",
    [
        "KNOWN = ('.keras', '.h5')",
        "READERS = {'onnx': a, 'npz': b}",
        "ok = path.suffix == '.h5' or path.suffix == '.onnx'",
        "if path.endswith('.keras'):\n    a\nelif path.endswith('.npz'):\n    b",
        "raise ValueError(f'expects `.keras`, `.h5` or {x}')",
        "match suffix:\n    case '.h5':\n        a\n    case '.yaml':\n        b",
        "name = 'Keras 3 archive'",
    ],
)
def test_a_second_list_is_noticed(code: str) -> None:
    assert list(lists_of_formats(code, set()))


@pytest.mark.parametrize(
    "code",
    [
        "'''Opens `.keras`, `.h5` and others.'''",
        "raise ValueError('must end in `.weights.h5`')",
        "HDF5 = ('.h5', '.hdf5')",
        "example = 'graphkit convert model.h5 model.onnx'",
    ],
)
def test_what_is_no_list_is_left_alone(code: str) -> None:
    assert list(lists_of_formats(code, set())) == []
