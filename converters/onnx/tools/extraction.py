"""A part of an ONNX graph as a model of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from graphkit.core.errors import GraphError, InvalidArgumentError, UnknownSizeError

from ..files import read_structure
from . import messages
from .inference import InferenceError, inferred, skeleton
from .naming import resolve
from .writing import write_changed


def extract(
    source: Path, target: Path, start: Sequence[str] = (), end: Sequence[str] = (), overwrite: bool = True
) -> Path:
    """Write the part of an ONNX model between tensors or nodes as a model.

    Weights are copied unchanged, functions and subgraphs are kept.

    Args:
        source: the file.
        target: the file to write.
        start: names of tensors, which become inputs, or of nodes, which become the first ones; by default the inputs of the model.
        end: names of tensors, which become outputs, or of nodes, whose outputs become outputs; by default the outputs of the model.
        overwrite: False raises InvalidArgumentError if `target` exists.

    Returns:
        `target`.

    Raises:
        UnknownNameError: there is no such tensor or node.
        GraphError: the part needs further inputs, or does not depend on one of `start`.
        UnknownSizeError: the type of a new input or output is not known.
        SerializationError: the file cannot be read.
    """
    with messages.naming_damaged(source):
        message = read_structure(source)
        cut(message, start, end)
        return write_changed(message, source, target, overwrite)


def cut(message: onnx.ModelProto, start: Sequence[str] = (), end: Sequence[str] = ()) -> None:
    """Reduce a message to the part between tensors or nodes. The arguments and errors are those of `extract`."""
    graph = message.graph
    inputs = _starts(graph, start)
    outputs = _ends(graph, end)
    nodes, read = _between(graph, set(inputs), outputs)
    _check_reached(graph, inputs, read, bool(start))
    repeated = [name for name in outputs if name in inputs]
    if repeated:
        raise GraphError(
            f"{repeated[0]!r} is both where the part begins and where it ends, so there is nothing between."
        )
    types = _types(message, [*inputs, *outputs])
    given = set(inputs)
    weights = {v.name for v in graph.input} - {v.name for v in messages.fed_inputs(graph)}
    kept = [
        v for v in graph.input if v.name in weights & read and v.name not in given
    ]  # IR version 3 lists weights as inputs
    _replace(graph.input, [*(types[name] for name in inputs if name in read or not start), *kept])
    _replace(graph.output, [types[name] for name in outputs])
    _replace(graph.node, nodes)
    _replace(graph.initializer, [t for t in graph.initializer if t.name in read and t.name not in given])
    _replace(
        graph.sparse_initializer,
        [t for t in graph.sparse_initializer if t.values.name in read and t.values.name not in given],
    )
    inner = messages.own_names(graph) - given - set(outputs)
    _replace(graph.value_info, [v for v in graph.value_info if v.name in inner])
    named = inner | given | set(outputs)
    _replace(graph.quantization_annotation, [q for q in graph.quantization_annotation if q.tensor_name in named])
    _keep_functions(message)


def _replace(field: object, values: Sequence[object]) -> None:
    copies = [type(v)() for v in values]
    for copy, value in zip(copies, values, strict=True):
        copy.CopyFrom(value)  # type: ignore[attr-defined]
    del field[:]  # type: ignore[attr-defined]
    field.extend(copies)  # type: ignore[attr-defined]


def _starts(graph: onnx.GraphProto, start: Sequence[str]) -> list[str]:
    """Return the names of the tensors at which the part begins."""
    if not start:
        return [v.name for v in messages.fed_inputs(graph)]
    weights = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    constant = {name for n in graph.node if n.op_type == "Constant" for name in n.output}
    names: list[str] = []
    for text in start:
        found = resolve(graph, text)
        names += [found.tensor] if found.node is None else _activations(graph, found.node, weights | constant)
    return list(dict.fromkeys(names))


def _activations(graph: onnx.GraphProto, node: onnx.NodeProto, known: set[str]) -> list[str]:
    """Return the tensors that a node reads, without weights and constants."""
    order = [*node.input, *sorted(messages.names_read(node) - set(node.input))]
    return [name for name in order if name and name not in known]


def _ends(graph: onnx.GraphProto, end: Sequence[str]) -> list[str]:
    if not end:
        return [v.name for v in graph.output]
    weights = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    names: list[str] = []
    for text in end:
        found = resolve(graph, text)
        if found.tensor in weights:
            raise InvalidArgumentError(f"{found.tensor!r} is a weight, not a tensor that the graph computes.")
        names += [found.tensor] if found.node is None else [name for name in found.node.output if name]
    return list(dict.fromkeys(names))


def _between(graph: onnx.GraphProto, given: set[str], wanted: Sequence[str]) -> tuple[list[onnx.NodeProto], set[str]]:
    """Return the nodes that compute `wanted` from `given`, in order, and the names that are read."""
    maker = {name: number for number, node in enumerate(graph.node) for name in node.output if name}
    needed: set[int] = set()
    read = set(wanted)
    stack = list(wanted)
    while stack:
        name = stack.pop()
        number = maker.get(name)
        if name in given or number is None or number in needed:
            continue
        needed.add(number)
        names = messages.names_read(graph.node[number])
        stack += names - read
        read |= names
    return [node for number, node in enumerate(graph.node) if number in needed], read


def _check_reached(graph: onnx.GraphProto, inputs: Sequence[str], read: set[str], chosen: bool) -> None:
    """Check that the part depends on all of `inputs` and on no other input of the graph."""
    if not chosen:
        return
    others = [v.name for v in messages.fed_inputs(graph) if v.name in read and v.name not in inputs]
    if others:
        raise GraphError(
            f"This part of the graph also reads the input {others[0]!r}; add it to the names at which it begins (--from)."
        )
    unused = [name for name in inputs if name not in read]
    if unused:
        raise GraphError(
            f"This part of the graph does not depend on {unused[0]!r}; remove it from the names at which it begins (--from)."
        )


def _types(message: onnx.ModelProto, names: Sequence[str]) -> dict[str, onnx.ValueInfoProto]:
    """Return the types of tensors, from what the file says of them or by inference."""
    known = messages.values_with_types(message.graph)
    if any(name not in known or messages.sizes_of(known[name].type) is None for name in names):
        try:
            found = messages.values_with_types(inferred(skeleton(message)).graph)
        except InferenceError as error:
            raise UnknownSizeError(f"The types of the tensors at the cuts cannot be inferred: {error}") from None
        known.update({n: v for n, v in found.items() if n not in known or messages.sizes_of(known[n].type) is None})
    lacking = [name for name in names if name not in known or not known[name].HasField("type")]
    if lacking:
        raise UnknownSizeError(
            f"The type of {lacking[0]!r} is not known: onnx.shape_inference does not know an operator before it. Cut at another tensor."
        )
    return known


def _keep_functions(message: onnx.ModelProto) -> None:
    """Remove the functions that the graph does not call any more."""
    by_name = {(messages.domain_of(f), f.name): f for f in message.functions}
    needed: set[tuple[str, str]] = set()
    stack = [(messages.domain_of(n), n.op_type) for n in messages.all_nodes(message)]
    while stack:
        key = stack.pop()
        if key in by_name and key not in needed:
            needed.add(key)
            stack += [(messages.domain_of(n), n.op_type) for n in messages.function_nodes(by_name[key])]
    _replace(message.functions, [f for key, f in by_name.items() if key in needed])
