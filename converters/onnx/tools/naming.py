"""Names in the arguments of the tools: a tensor or a node, `tensor:x` and `node:x` where both have the name."""

from __future__ import annotations

from typing import NamedTuple

import onnx

from graphkit.core.errors import InvalidArgumentError, UnknownNameError
from graphkit.core.registry import did_you_mean

from . import messages


class Named(NamedTuple):
    """What a name means in a graph.

    Attributes:
        tensor: the name of a tensor; "" if it is a node.
        node: the node; None if it is a tensor.
    """

    tensor: str
    node: onnx.NodeProto | None


def resolve(graph: onnx.GraphProto, name: str) -> Named:
    """Return the tensor or node of a name.

    Args:
        graph: the graph; names inside its subgraphs are not found.
        name: of a tensor or node, or `tensor:...`, `node:...`.

    Raises:
        UnknownNameError: there is none.
        InvalidArgumentError: there are several.
    """
    tensors = messages.own_names(graph)
    kind, _, rest = name.partition(":")
    if kind in ("tensor", "node") and rest and name not in tensors:
        wanted = rest
    else:
        kind, wanted = "", name
    nodes = [node for node in graph.node if node.name == wanted] if kind != "tensor" else []
    is_tensor = wanted in tensors and kind != "node"
    if not nodes and not is_tensor:
        known = sorted(tensors | {node.name for node in graph.node if node.name})
        what = {"tensor": "tensor", "node": "node"}.get(kind, "tensor or node")
        raise UnknownNameError(f"The graph {graph.name!r} has no {what} {wanted!r}.{did_you_mean(wanted, known)}")
    if len(nodes) > 1:
        raise InvalidArgumentError(f"{len(nodes)} nodes have the name {wanted!r}; use the name of a tensor instead.")
    if nodes and is_tensor:
        raise InvalidArgumentError(
            f"{wanted!r} is the name of a tensor and of a node ({nodes[0].op_type}); use 'tensor:{wanted}' or 'node:{wanted}'."
        )
    return Named(wanted, None) if is_tensor else Named("", nodes[0])
