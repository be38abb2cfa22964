"""Nodes as messages: their attributes, subgraphs, and calls of the model's own functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import onnx

from graphkit.core.errors import SerializationError

from ..operators.evaluate import standard_domain

MAX_DEPTH = 64  # nested functions and branches


def resolved(attribute: onnx.AttributeProto, given: Mapping[str, onnx.AttributeProto]) -> onnx.AttributeProto | None:
    """Return an attribute of a node in a function's body: what it refers to, or None where the call leaves that out."""
    if not attribute.ref_attr_name:
        return attribute
    referred = given.get(attribute.ref_attr_name)
    if referred is None:
        return None
    made = onnx.AttributeProto()
    made.CopyFrom(referred)
    made.name = attribute.name
    return made


def with_attributes(node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto]) -> onnx.NodeProto:
    """Return a node of a function's body with the attributes of the call put in, at any depth."""
    if not given and not any(a.ref_attr_name for a in node.attribute):
        return node
    made = onnx.NodeProto()
    made.CopyFrom(node)
    del made.attribute[:]
    for attribute in node.attribute:
        found = resolved(attribute, given)
        if found is None:
            continue
        made.attribute.append(found)
        last = made.attribute[-1]
        for graph in ([last.g] if last.HasField("g") else []) + list(last.graphs):
            inner = [with_attributes(n, given) for n in graph.node]
            del graph.node[:]
            graph.node.extend(inner)
    return made


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Return the graphs in the attributes of a node."""
    return [g for a in node.attribute for g in ([a.g] if a.HasField("g") else []) + list(a.graphs)]


def inner_nodes(node: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
    """Yield the nodes of a node's subgraphs, at any depth."""
    for graph in subgraphs(node):
        for inner in graph.node:
            yield inner
            yield from inner_nodes(inner)


def captured_names(node: onnx.NodeProto) -> list[str]:
    """Return the names that the subgraphs of a node read of the graph around it, in order."""
    found: dict[str, None] = {}
    for graph in subgraphs(node):
        own = {i.name for i in graph.input} | {t.name for t in graph.initializer}
        own |= {s.values.name for s in graph.sparse_initializer}
        for inner in graph.node:
            found.update(dict.fromkeys(n for n in (*inner.input, *captured_names(inner)) if n and n not in own))
            own.update(inner.output)
        found.update(dict.fromkeys(o.name for o in graph.output if o.name not in own))
    return list(found)


def readers_of(message: onnx.ModelProto, functions: Mapping[Any, onnx.FunctionProto]) -> Counter[str]:
    """Count how often nodes read each name of the main graph, in subgraphs and functions too; an output of the graph is one reader."""
    counts: Counter[str] = Counter()
    for node in message.graph.node:
        counts.update(_reads(node, functions, 0))
    counts.update(output.name for output in message.graph.output)
    return counts


def _reads(node: onnx.NodeProto, functions: Mapping[Any, onnx.FunctionProto], depth: int) -> Counter[str]:
    """Count how often a node reads each name: a call of a function as often as the nodes of its body do."""
    if depth > MAX_DEPTH:
        raise SerializationError(
            f"Node {node.name!r} ({node.op_type}): functions are nested more than {MAX_DEPTH} deep."
        )
    counts = Counter(node.input)
    function = functions.get(function_key(node))
    if function is not None:
        inside: Counter[str] = Counter(function.output)
        for inner in function.node:
            inside.update(_reads(inner, functions, depth + 1))
        counts = Counter()
        for given, name in zip(node.input, function.input, strict=False):
            counts[given] += max(inside[name], 1)
    for graph in subgraphs(node):
        for inner in graph.node:
            counts.update(_reads(inner, functions, depth + 1))
        counts.update(output.name for output in graph.output)
    return counts


def function_key(node: onnx.NodeProto) -> tuple[str, str, str]:
    """Return the key of the function that a node calls, if it calls one."""
    return standard_domain(node.domain), node.op_type, node.overload


def needed_opsets(node: onnx.NodeProto, opsets: Mapping[str, int]) -> dict[str, int]:
    """Return the versions of the domains that a node needs: its own, or all if it has subgraphs."""
    inner = {standard_domain(n.domain) for n in inner_nodes(node)}
    wanted = {standard_domain(node.domain)} | inner
    return dict(opsets) if inner else {domain: version for domain, version in opsets.items() if domain in wanted}
