"""The name scope of a layer: the modules around it in the program that a graph was imported from."""

from __future__ import annotations

from ast import literal_eval
from typing import Any

_TORCH_SCOPES = "pkg.torch.onnx.name_scopes"  # metadata of nodes that PyTorch's exporter writes


def scope_of(operation: Any) -> tuple[str, ...]:
    """Return the scopes around a layer, outermost first, each with its whole name: ("layer1", "layer1/conv1").

    They are those of the ONNX node that it was imported from: its metadata as PyTorch writes it, or its name at "/" ("/layer1/conv1/Conv").
    Otherwise the layer's name at ".": "encoder.layers.0.attn".
    """
    node = getattr(operation, "node", None)
    found = _recorded(node)
    if found is not None:
        return found
    name = str(getattr(node, "name", "") or operation.name)
    separator = "/" if "/" in name else "."
    parts = [part for part in name.split(separator) if part]
    return tuple(separator.join(parts[: number + 1]) for number in range(len(parts) - 1))


def short_name(scope: str) -> str:
    """Return the last part of a scope's name, with the index before it: "layers.0" of "encoder.layers.0"."""
    last = scope.rpartition("/")[2]
    parts = last.split(".")
    if parts[-1].isdecimal() and len(parts) > 1:
        return ".".join(parts[-2:])
    return parts[-1]


def _recorded(node: Any) -> tuple[str, ...] | None:
    """Return the scopes in the metadata of an ONNX node, without the node itself; None if there are none."""
    for entry in getattr(node, "metadata_props", ()):
        if entry.key != _TORCH_SCOPES:
            continue
        try:
            names = literal_eval(entry.value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            return tuple(dict.fromkeys(name for name in names[:-1] if name))
    return None
