"""Export of programs and models to ONNX, and import of those. Modules are imported on first use, since onnx is slow to import."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .formats import recognizes

if TYPE_CHECKING:
    from .export import (
        check_free_sizes,
        check_has_graph,
        export_model,
        model_to_onnx,
        output_names,
        program_to_document,
        program_to_onnx,
        program_with_weights_fed,
        quantization_report,
        with_graph,
    )
    from .files import is_too_large, read_message, write_model
    from .reader import load_model
    from .relayout import apply_steps

_HOMES = {
    "export": (
        "check_free_sizes", "check_has_graph", "export_model", "model_to_onnx", "output_names", "program_to_document",
        "program_to_onnx", "program_with_weights_fed", "quantization_report", "with_graph",
    ),
    "files": ("is_too_large", "read_message", "write_model"),
    "reader": ("load_model",),
    "relayout": ("apply_steps",),
}  # fmt: skip
_MODULES = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "apply_steps", "check_free_sizes", "check_has_graph", "export_model", "is_too_large", "load_model",
    "model_to_onnx", "output_names", "program_to_document", "program_to_onnx", "program_with_weights_fed", "quantization_report",
    "read_message", "recognizes", "with_graph", "write_model",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = found
    return found
