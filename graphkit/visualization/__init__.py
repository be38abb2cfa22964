"""Summaries and drawings of models: `model.summary()`, `plot_model`, `model_to_dot`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphkit.visualization.plot import model_to_dot, model_to_html, plot_model
    from graphkit.visualization.summary import summary

__all__ = ["model_to_dot", "model_to_html", "plot_model", "summary"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'graphkit.visualization' has no attribute {name!r}")
    import sys

    module = sys.modules.get(f"graphkit.visualization.{name}")
    if module is not None and name == "summary":
        return module
    return getattr(import_module(f"graphkit.visualization.{'summary' if name == 'summary' else 'plot'}"), name)
