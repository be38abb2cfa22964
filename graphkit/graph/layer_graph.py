"""The nodes between inputs and outputs, sorted, and as a networkx graph. All algorithms are iterative, so deep graphs need no recursion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from graphkit.core.errors import CycleError, DisconnectedGraphError
from graphkit.graph.node import Node
from graphkit.graph.operation import Operation
from graphkit.graph.symbolic import SymbolicTensor

if TYPE_CHECKING:
    import networkx


class LayerGraph:
    """The part of a graph that lies between inputs and outputs.

    Args:
        inputs: The symbolic tensors at which the graph begins.
        outputs: The symbolic tensors that it computes.
        owner: The model, as messages name it.

    Attributes:
        nodes: The calls, each after those it depends on: by Keras' depth, within a depth in the order of the walk back from the outputs.
        operations: The layers and ops, in the order of Keras' `model.layers`.
        starts: The calls that produce inputs in the middle of a graph and that nothing else needs; they are not part of the graph.

    Raises:
        DisconnectedGraphError: An output needs an input that is not among `inputs`.
        CycleError: A node depends on itself.
    """

    def __init__(
        self, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor], owner: str = "model"
    ) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self._owner = owner
        finished, first_use = self._visit()
        self.starts = {n for n in map(_producer, self.inputs) if n.input_tensors and n not in finished}
        node_depth, operation_depth = _depths(finished)
        for tensor in self.inputs:
            operation, index, _ = _history(tensor)
            if operation not in operation_depth:
                operation_depth[operation] = 0
                first_use[operation] = -1
                node_depth[operation.nodes[index]] = 0
                finished.insert(0, operation.nodes[index])
        rank = {operation: (-depth, first_use[operation]) for operation, depth in operation_depth.items()}
        self.operations: list[Operation] = sorted(operation_depth, key=lambda o: rank[o])
        self.nodes: list[Node] = sorted(
            node_depth, key=lambda n: -node_depth[n]
        )  # stable, so nodes of one depth keep Keras' order
        self._check_connected()

    def _visit(self) -> tuple[list[Node], dict[Operation, int]]:
        """Walk depth-first from the outputs. Returns the nodes, each after its parents, and the operations in order of first use."""
        stop = set(self.inputs)
        finished: dict[Node, None] = {}
        first_use: dict[Operation, int] = {}
        for output in self.outputs:
            self._visit_from(output, stop, finished, first_use)
        return list(finished), first_use

    def _visit_from(
        self, output: SymbolicTensor, stop: set[Any], finished: dict[Node, None], first_use: dict[Operation, int]
    ) -> None:
        in_progress: dict[Node, None] = {}
        stack: list[tuple[Node, Iterator[SymbolicTensor]]] = []

        def enter(tensor: SymbolicTensor) -> None:
            node = _producer(tensor)
            operation = node.operation
            if node in finished or (tensor in stop and node.input_tensors):
                return
            if node in in_progress:
                raise CycleError(
                    f"The graph has a cycle: {' -> '.join(str(n.key) for n in in_progress)} -> {node.key}."
                )
            first_use.setdefault(operation, len(first_use))
            in_progress[node] = None
            stack.append((node, iter(node.input_tensors)))

        enter(output)
        while stack:
            node, tensors = stack[-1]
            tensor = next(tensors, None)
            if tensor is not None:
                enter(tensor)
                continue
            stack.pop()
            del in_progress[node]
            finished[node] = None

    def _check_connected(self) -> None:
        known = set(self.inputs)
        for node in self.nodes:
            if node in self.starts or all(t in known for t in node.output_tensors):
                continue
            missing = [t for t in node.input_tensors if t not in known]
            if missing or (node.is_input and not node.operation.makes_tensors):
                raise DisconnectedGraphError(self._disconnected(node, missing))
            known.update(node.output_tensors)

    def _disconnected(self, node: Node, missing: list[SymbolicTensor]) -> str:
        name = node.operation.name
        if node.is_input:
            users = [n.operation.name for n in self.nodes if node in n.parent_nodes]
            needed = ", ".join(repr(u) for u in users) or "the outputs"
            return (
                f"Graph disconnected: the outputs of {self._owner} need the input {name!r}, which is not among its inputs "
                f"{[_history(t).operation.name for t in self.inputs]}. It is needed by {needed}. Add it to inputs=[...]."
            )
        return f"Graph disconnected: {name!r} of {self._owner} needs {missing!r}, which does not depend on its inputs."

    def index_in_graph(self) -> dict[Node, int]:
        """Return each node's number among the calls of its operation that belong to this graph."""
        counts: dict[Operation, int] = {}
        numbers: dict[Node, int] = {}
        for node in sorted(self.nodes, key=lambda n: n.index):
            numbers[node] = counts.get(node.operation, 0)
            counts[node.operation] = numbers[node] + 1
        return numbers

    def networkx(self) -> networkx.MultiDiGraph[Any]:
        """Return a frozen MultiDiGraph: nodes (operation name, node index), edges with `tensor_index`, `slot`, `shape`, `dtype`."""
        import networkx as nx

        graph: networkx.MultiDiGraph[Any] = nx.MultiDiGraph()
        numbers = self.index_in_graph()
        keys = {node: (node.operation.name, number) for node, number in numbers.items()}
        inputs = set(self.inputs)
        for node in self.nodes:
            shapes = [t.shape for t in node.output_tensors]
            graph.add_node(
                keys[node],
                operation=node.operation,
                node=node,
                class_name=getattr(node.operation, "class_name", type(node.operation).__name__),
                output_shapes=shapes,
            )
        for node in self.nodes:
            if all(t in inputs for t in node.output_tensors):
                continue
            for slot, tensor in enumerate(node.input_tensors):
                operation, index, tensor_index = _history(tensor)
                graph.add_edge(
                    keys[operation.nodes[index]], keys[node],
                    tensor_index=tensor_index, slot=slot, shape=tensor.shape, dtype=tensor.dtype,
                )  # fmt: skip
        frozen: networkx.MultiDiGraph[Any] = nx.freeze(graph)
        return frozen


def _history(tensor: SymbolicTensor) -> Any:
    if tensor.history is None:
        raise DisconnectedGraphError(
            f"{tensor!r} was not created by Input(...) or a layer, so no model can be built from it."
        )
    return tensor.history


def _producer(tensor: SymbolicTensor) -> Node:
    operation, index, _ = _history(tensor)
    node: Node = operation.nodes[index]
    return node


def _depths(finished: list[Node]) -> tuple[dict[Node, int], dict[Operation, int]]:
    """Return Keras' depth of nodes and operations: the longest path to an output; an operation has the depth of its deepest call."""
    node_depth: dict[Node, int] = {}
    operation_depth: dict[Operation, int] = {}
    members = set(finished)
    for node in reversed(finished):
        depth = max(node_depth.get(node, 0), operation_depth.get(node.operation, 0))
        node_depth[node] = operation_depth[node.operation] = depth
        for parent in node.parent_nodes:
            if parent in members:
                node_depth[parent] = max(depth + 1, node_depth.get(parent, 0))
    return node_depth, operation_depth
