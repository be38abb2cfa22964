"""New names for the tensors and nodes of an ONNX model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import onnx

from graphkit.core.errors import InvalidArgumentError, NameConflictError

from ..files import read_structure
from . import messages
from .naming import resolve
from .writing import write_changed


def set_names(source: Path, target: Path, names: Mapping[str, str], overwrite: bool = True) -> Path:
    """Write an ONNX model with new names for some of its tensors (inputs, outputs and weights included) and nodes.

    Args:
        source: the file.
        target: the file to write.
        names: the new names by the old ones; see `naming.resolve`.
        overwrite: False raises InvalidArgumentError if `target` exists.

    Returns:
        `target`.

    Raises:
        UnknownNameError: there is no such tensor or node.
        NameConflictError: a new name is taken.
        SerializationError: the file cannot be read.
    """
    with messages.naming_damaged(source):
        message = read_structure(source)
        apply_names(message, names)
        return write_changed(message, source, target, overwrite)


def apply_names(message: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Rename tensors and nodes of a message. The arguments and errors are those of `set_names`."""
    graph = message.graph
    tensors: dict[str, str] = {}
    nodes: list[tuple[onnx.NodeProto, str]] = []
    for old, new in names.items():
        if not new:
            raise InvalidArgumentError(f"The new name of {old!r} is empty.")
        found = resolve(graph, old)
        if found.node is None:
            tensors[found.tensor] = new
        else:
            nodes.append((found.node, new))
    _check_free(graph, tensors)
    _rename_tensors(graph, tensors)
    taken = {node.name for node in graph.node} - {node.name for node, _ in nodes}
    for node, new in nodes:
        if new in taken:
            raise NameConflictError(f"The node {node.name!r} cannot be named {new!r}: another node has this name.")
        taken.add(new)
        node.name = new


def _check_free(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    taken = set().union(*(messages.own_names(inner) for inner in messages.graphs_within(graph))) - set(names)
    for old, new in names.items():
        if new in taken:
            raise NameConflictError(f"The tensor {old!r} cannot be named {new!r}: another tensor has this name.")
        taken.add(new)


def _rename_tensors(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    if not names:
        return
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.get(sparse.values.name, sparse.values.name)
    for note in graph.quantization_annotation:
        note.tensor_name = names.get(note.tensor_name, note.tensor_name)
        for entry in note.quant_parameter_tensor_names:
            entry.value = names.get(entry.value, entry.value)
    for node in graph.node:
        _rename_in(node.input, names)
        _rename_in(node.output, names)
        for inner in messages.subgraphs(node):
            own = messages.own_names(inner)  # a name that the subgraph defines itself is another tensor
            _rename_tensors(inner, dict(_outer(names, own)))


def _outer(names: Mapping[str, str], own: set[str]) -> Iterator[tuple[str, str]]:
    return ((old, new) for old, new in names.items() if old not in own)


def _rename_in(field: object, names: Mapping[str, str]) -> None:
    for number, name in enumerate(list(field)):  # type: ignore[call-overload]
        if name in names:
            field[number] = names[name]  # type: ignore[index]
