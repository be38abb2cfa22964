"""Functions that Keras keeps for older code. Source: keras.legacy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit.legacy import saving

__all__ = ["saving"]


def __getattr__(name: str) -> Any:
    if name == "saving":
        return import_module("graphkit.legacy.saving")
    raise AttributeError(f"module 'graphkit.legacy' has no attribute {name!r}")
