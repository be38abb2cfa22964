"""Data made ready: sequences, text. Keras 2's keras.preprocessing."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit.preprocessing import sequence, text

__all__ = ["sequence", "text"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return import_module(f"graphkit.preprocessing.{name}")
    raise AttributeError(f"module 'graphkit.preprocessing' has no attribute {name!r}")
