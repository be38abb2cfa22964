"""The API reference: a page for each public module, and docstrings that name the arguments which are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import graphkit

ROOT = Path(__file__).resolve().parents[2]
_SECTION = re.compile(r"^( *)(?:Args|Arguments|Parameters):\n((?:\1 +.*\n|\s*\n)+)", re.MULTILINE)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_each_public_module_has_a_page() -> None:
    modules = {name for name in graphkit.__all__ if find_spec(f"graphkit.{name}")}
    shown = {p.stem for p in (ROOT / "docs" / "api").glob("*.md")} - {"graphkit", "converters-onnx"}

    assert sorted(shown) == sorted(modules), "add or remove docs/api/NAME.md, and its line in mkdocs.yml"


def test_docstrings_describe_arguments_that_exist() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {name}"
        for path, node in _described()
        for name in _described_arguments(node)
        if not _takes(node, name)
    ]

    assert wrong == []


def _described() -> Iterator[tuple[Path, Function]]:
    for folder in ("graphkit", "converters"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, Function) and not node.name.startswith("_"):
                    yield path, node


def _described_arguments(node: Function) -> list[str]:
    """The names before the colons of the section `Args:`; several that belong together are separated by commas."""
    names: list[str] = []
    for indent, section in _SECTION.findall((ast.get_docstring(node) or "") + "\n"):
        first = re.search(r"^( +)\S", section, re.MULTILINE)
        depth = len(first[1]) if first else len(indent) + 4
        for line in re.findall(rf"^ {{{depth}}}(\S[^:\n]*):", section, re.MULTILINE):
            names += [name.strip().lstrip("*") for name in line.split(",")]
    return names


def _takes(node: Function, name: str) -> bool:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return arguments.kwarg is not None or name in {a.arg for a in (*named, arguments.vararg) if a}
