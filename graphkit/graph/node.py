"""Nodes: calls of operations. A layer that is called twice has two nodes, which share its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from graphkit.core import nest
from graphkit.graph.symbolic import SymbolicTensor

if TYPE_CHECKING:
    from graphkit.graph.operation import Operation


class KerasHistory(NamedTuple):
    """The call that produced a tensor, and the tensor's index among its outputs."""

    operation: Operation
    node_index: int
    tensor_index: int


class Node:
    """One call of an operation.

    Attributes:
        operation: The layer, model or op that was called.
        is_copy: Whether the call repeats another one, for a model that was extracted from the middle of a graph.
        index: The number of the call among the operation's calls.
        args, kwargs: The arguments of the call, nested structures with symbolic tensors among their leaves.
        input_tensors: The symbolic tensors among the arguments, in order.
        output_tensors: The symbolic tensors produced, in order.
        outputs: The structure of the outputs.
    """

    __slots__ = ("args", "index", "input_tensors", "is_copy", "kwargs", "operation", "output_tensors", "outputs")

    def __init__(self, operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
        self.operation = operation
        self.is_copy = False
        self.index = -1
        self.args = args
        self.kwargs = kwargs
        self.outputs = outputs
        self.input_tensors = [a for a in nest.flatten([list(args), kwargs]) if isinstance(a, SymbolicTensor)]
        self.output_tensors = [o for o in nest.flatten(outputs) if isinstance(o, SymbolicTensor)]
        self._enter()

    def _enter(self) -> None:
        """Append the node to the operation's calls, and set the history of its outputs."""
        self.index = len(self.operation.nodes)
        self.operation.nodes.append(self)
        self.set_history()

    def set_history(self) -> None:
        """Record on each output which call produced it."""
        for number, tensor in enumerate(self.output_tensors):
            tensor.history = KerasHistory(self.operation, self.index, number)

    def restore(self) -> None:
        """Append the node to the operation's calls again, after both were unpickled or copied."""
        if not any(node is self for node in self.operation.nodes):
            self._enter()

    @property
    def key(self) -> tuple[str, int]:
        """(operation name, node index): the node's key in `model.graph`."""
        return self.operation.name, self.index

    @property
    def is_input(self) -> bool:
        """Whether the call takes no tensors, as for an Input."""
        return not self.input_tensors

    @property
    def parent_nodes(self) -> list[Node]:
        """The calls that produced the inputs, each once, in order."""
        histories = (t.history for t in self.input_tensors)
        return list(dict.fromkeys(h.operation.nodes[h.node_index] for h in histories if h is not None))

    def __repr__(self) -> str:
        return f"<Node {self.operation.name}[{self.index}]>"
