"""Nodes: calls of operations. A layer that is called twice owns two nodes and shares its weights between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from graphkit.core import nest
from graphkit.graph.symbolic import SymbolicTensor

if TYPE_CHECKING:
    from graphkit.graph.operation import Operation


class KerasHistory(NamedTuple):
    """Which call made a tensor, and which of its outputs it is."""

    operation: Operation
    node_index: int
    tensor_index: int


class Node:
    """One call of an operation.

    Attributes:
        operation: the layer, model or op that was called.
        is_copy: whether the call repeats another one, for a model that was cut out of the middle of a graph.
        index: its number among the operation's calls.
        args, kwargs: the arguments of the call, nested structures with symbolic tensors at some leaves.
        input_tensors: the symbolic tensors among the arguments, in order.
        output_tensors: what it made, in order.
        outputs: the structure of what it made.
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
        """Put it behind the operation's other calls, and say so on the tensors that it made."""
        self.index = len(self.operation.nodes)
        self.operation.nodes.append(self)
        self.say_history()

    def say_history(self) -> None:
        """Say on the tensors that it made which call made them."""
        for number, tensor in enumerate(self.output_tensors):
            tensor.history = KerasHistory(self.operation, self.index, number)

    def restore(self) -> None:
        """Take its place among the operation's calls again, after both were unpickled or copied."""
        if not any(node is self for node in self.operation.nodes):
            self._enter()

    @property
    def key(self) -> tuple[str, int]:
        """(operation name, node index): the node's key in `model.graph`."""
        return self.operation.name, self.index

    @property
    def is_input(self) -> bool:
        """Whether the call takes no tensors: an Input."""
        return not self.input_tensors

    @property
    def parent_nodes(self) -> list[Node]:
        """The calls that made the inputs, each once, in order."""
        histories = (t.history for t in self.input_tensors)
        return list(dict.fromkeys(h.operation.nodes[h.node_index] for h in histories if h is not None))

    def __repr__(self) -> str:
        return f"<Node {self.operation.name}[{self.index}]>"
