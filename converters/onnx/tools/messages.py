"""What the tools read off a message: its nodes at any depth, the names that a node reads, types and sizes as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import onnx

from graphkit.core.errors import GraphKitError, SerializationError

MAX_DEPTH = 64  # nested subgraphs
_NAMES = {"FLOAT": "float32", "DOUBLE": "float64"}
_BITS = {"STRING": 0, "BOOL": 8, "FLOAT": 32, "DOUBLE": 64, "COMPLEX64": 64, "COMPLEX128": 128, "BFLOAT16": 16}
_FLOATING = ("FLOAT", "DOUBLE", "BFLOAT16")
DOMAINS = {"ai.onnx": ""}  # other spellings


@contextmanager
def naming_damaged(path: Path) -> Iterator[None]:
    """Turn what a damaged message makes Python raise into a SerializationError that names the file."""
    try:
        yield
    except GraphKitError:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        RecursionError,
    ) as error:  # such as text that is not UTF-8
        raise SerializationError(f"{str(path)!r} is damaged: {type(error).__name__}: {error}") from error


def domain_of(node: Any) -> str:
    """Return the domain of a node, function or opset import; "" for ai.onnx."""
    return DOMAINS.get(node.domain, str(node.domain))


def shown_domain(domain: str) -> str:
    """Return a domain as it is shown: "ai.onnx" for the empty name."""
    return domain or "ai.onnx"


def shown_operator(node: onnx.NodeProto) -> str:
    """Return the operator of a node with its domain: `Conv`, `com.microsoft.Gelu`."""
    domain = domain_of(node)
    return f"{domain}.{node.op_type}" if domain else str(node.op_type)


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Return the graphs in the attributes of a node."""
    found = [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH or a.HasField("g")]
    return found + [graph for a in node.attribute for graph in a.graphs]


def graphs_within(graph: onnx.GraphProto, depth: int = 0) -> Iterator[onnx.GraphProto]:
    """Yield a graph and all graphs in the attributes of its nodes.

    Raises:
        SerializationError: they are nested too deep.
    """
    if depth > MAX_DEPTH:
        raise SerializationError(f"Graph {graph.name!r}: subgraphs are nested more than {MAX_DEPTH} deep.")
    yield graph
    for node in graph.node:
        for inner in subgraphs(node):
            yield from graphs_within(inner, depth + 1)


def all_nodes(message: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of the graph and of its subgraphs; those of functions are left out."""
    for graph in graphs_within(message.graph):
        yield from graph.node


def function_nodes(function: onnx.FunctionProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a function and of the subgraphs in it."""
    for node in function.node:
        yield node
        for inner in subgraphs(node):
            for graph in graphs_within(inner):
                yield from graph.node


def own_names(graph: onnx.GraphProto) -> set[str]:
    """Return the names of the tensors that a graph itself defines: inputs, initializers, outputs of its nodes."""
    names = {v.name for v in graph.input} | {t.name for t in graph.initializer}
    names |= {t.values.name for t in graph.sparse_initializer}
    return (names | {name for node in graph.node for name in node.output}) - {""}


def names_read(node: onnx.NodeProto, depth: int = 0) -> set[str]:
    """Return the names of the tensors that a node reads, with those that its subgraphs read from outside.

    Raises:
        SerializationError: subgraphs are nested too deep.
    """
    if depth > MAX_DEPTH:
        raise SerializationError(f"Node {node.name!r}: subgraphs are nested more than {MAX_DEPTH} deep.")
    names = set(node.input)
    for graph in subgraphs(node):
        read = {v.name for v in graph.output}.union(*(names_read(inner, depth + 1) for inner in graph.node))
        names |= read - own_names(graph)
    return names - {""}


# ----- types -----


def type_name(element_type: int) -> str:
    """Return the name of an element type: "float32", "int4", ...; "type 99" for one that the onnx package does not know."""
    try:
        name = str(onnx.TensorProto.DataType.Name(element_type))
    except ValueError:
        return f"type {element_type}"
    return _NAMES.get(name, name.lower())


def bits_of(element_type: int) -> int | None:
    """Return the number of bits of an element; 0 for strings, whose length varies, None for unknown types."""
    try:
        name = onnx.TensorProto.DataType.Name(element_type)
    except ValueError:
        return None
    if name in _BITS:
        return _BITS[name]
    if name.startswith("FLOAT8"):
        return 8
    digits = name[len(name.rstrip("0123456789")) :] if not name.startswith("FLOAT4") else "4"
    return int(digits) if digits else None


def is_floating(element_type: int) -> bool:
    """Return whether elements are real numbers of at least 16 bits, which can be trained."""
    try:
        name = onnx.TensorProto.DataType.Name(element_type)
    except ValueError:
        return False
    return name in _FLOATING or name == "FLOAT16"


def size_in_bytes(tensor: onnx.TensorProto) -> int:
    """Return the size of a tensor's data as its type and sizes imply it; that of strings is the sum of their lengths."""
    if tensor.data_type == onnx.TensorProto.STRING:
        return sum(map(len, tensor.string_data))
    return -(-int(prod(tensor.dims)) * (bits_of(tensor.data_type) or 0) // 8)


def sizes_of(type_: onnx.TypeProto) -> list[Any] | None:
    """Return the sizes of a tensor type: ints, names, None where nothing is known; None for an unknown rank or another type."""
    if not type_.HasField("tensor_type") or not type_.tensor_type.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in type_.tensor_type.shape.dim]


def type_text(type_: onnx.TypeProto) -> str:
    """Return a type as text: `float32 (N, 3, 224, 224)`, `sequence of int64 (?)`."""
    kind = type_.WhichOneof("value")
    if kind in ("tensor_type", "sparse_tensor_type"):
        inner = getattr(type_, kind)
        shape = ", ".join(str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in inner.shape.dim)
        shown = f" ({shape})" if inner.HasField("shape") else " (any shape)"
        return f"{'sparse ' if kind == 'sparse_tensor_type' else ''}{type_name(inner.elem_type)}{shown}"
    if kind == "sequence_type":
        return f"sequence of {type_text(type_.sequence_type.elem_type)}"
    if kind == "optional_type":
        return f"optional {type_text(type_.optional_type.elem_type)}"
    if kind == "map_type":
        return f"map of {type_name(type_.map_type.key_type)} to {type_text(type_.map_type.value_type)}"
    return "unknown type"


def values_with_types(graph: onnx.GraphProto) -> dict[str, onnx.ValueInfoProto]:
    """Return what a graph says of the types of its tensors, by name; initializers included."""
    known = {v.name: v for v in (*graph.value_info, *graph.output, *graph.input)}
    for tensor in graph.initializer:
        made = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        known.setdefault(tensor.name, made)
    return known


def fed_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that must be given: those without an initializer (files of IR version 3 list these as well)."""
    own = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    return [v for v in graph.input if v.name not in own]


def initializers(message: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield all initializers, those of subgraphs included; of sparse ones the values."""
    for graph in graphs_within(message.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values


def constants(nodes: Iterable[onnx.NodeProto]) -> Iterator[tuple[onnx.NodeProto, onnx.TensorProto]]:
    """Yield the Constant nodes that hold a tensor, with it."""
    for node in nodes:
        if node.op_type == "Constant" and domain_of(node) == "":
            yield from ((node, a.t) for a in node.attribute if a.HasField("t"))
