"""The name scope of a layer: the modules around it in the program that a graph was imported from."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Sequence
from typing import Any

_TORCH_SCOPES = "pkg.torch.onnx.name_scopes"  # metadata of nodes that PyTorch's exporter writes


def scope_of(operation: Any) -> tuple[str, ...]:
    """Return the scopes around a layer, outermost first, each with its whole name: ("layer1", "layer1.0", "layer1.0.conv1").

    They are those of the ONNX node that it was imported from: its metadata as PyTorch writes it, or its name at "/", where a part may
    repeat those before it ("/layer1/layer1.0/conv1/Conv"). Otherwise the layer's name at ".".
    """
    kept: tuple[str, ...] | None = getattr(operation, "name_scopes", None)
    if kept is not None:
        return kept
    node = getattr(operation, "node", None)
    found = _recorded(node)
    if found is not None:
        return found
    name = str(getattr(node, "name", "") or operation.name)
    return _nested(name.split("/")[:-1]) if "/" in name else _nested(_parts_at_dots(name)[:-1])


def short_name(scope: str) -> str:
    """Return the last part of a scope's name, with the indices after it: "layers.0" of "encoder.layers.0"."""
    parts = scope.split(".")
    start = len(parts) - 1
    while start and parts[start].isdecimal():
        start -= 1
    return ".".join(parts[start:])


def name_within(scope: str, outer: str) -> str:
    """Return what a scope's name adds to that of the scope around it; an index alone gets the name before it."""
    rest = scope.removeprefix(f"{outer}.") if outer else scope
    return f"{short_name(outer)}.{rest}" if outer and rest[:1].isdecimal() else rest


def _nested(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the whole names of nested scopes, from parts that may repeat the one before: ["layers", "layers.0"] or ["layers", "0"]."""
    tokens: list[str] = []
    before: list[str] = []
    for part in parts:
        own = [token for token in part.split(".") if token]
        repeats = bool(before) and own[: len(before)] == before and len(own) > len(before)
        tokens += own[len(before) :] if repeats else own
        before = own
    return tuple(".".join(tokens[: number + 1]) for number in range(len(tokens)))


def _parts_at_dots(name: str) -> list[str]:
    """Return the parts of a name in which "/" was replaced by ".": ["layers", "layers.0", "conv1"] of "layers.layers.0.conv1"."""
    parts: list[str] = []
    rest = [token for token in name.split(".") if token]
    while rest:
        before = parts[-1].split(".") if parts else []
        repeats = bool(before) and rest[: len(before)] == before and len(rest) > len(before)
        size = len(before) + 1 if repeats else 1
        parts.append(".".join(rest[:size]))
        rest = rest[size:]
    return parts


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
            return _nested([name for name in names[:-1] if name])
    return None
