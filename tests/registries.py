"""Registries of their own for tests that register ops, layers and formats."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import pytest

import graphkit
from graphkit.converters.onnx.driver import load_lowerings
from graphkit.converters.onnx.registry import LOWERINGS
from graphkit.core import serialization
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ops._dispatch import OPERATIONS
from graphkit.saving import formats


@cache
def import_all() -> None:
    """Import all of graphkit, so that everything it registers is there."""
    for module in pkgutil.walk_packages(graphkit.__path__, "graphkit."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    load_lowerings()


def isolate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put copies in the place of the registries for the time of a test; what it adds is gone afterwards."""
    import_all()  # a module that a test imports first would register into the copies
    for registry in (PRIMITIVES, LOWERINGS, OPERATIONS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    for name in ("_BUILTIN", "_BY_SNAKE_CASE", "_EARLIER", "_REGISTERED"):
        monkeypatch.setattr(serialization, name, getattr(serialization, name).copy())
    monkeypatch.setattr(formats, "_formats", {format.name: format for format in formats.all_formats()})
