"""The layer graph: symbolic tensors, nodes (calls), and the networkx graph built from them."""

from graphkit.graph.node import KerasHistory, Node
from graphkit.graph.operation import Operation, OpNode
from graphkit.graph.symbolic import SymbolicTensor

__all__ = ["KerasHistory", "Node", "OpNode", "Operation", "SymbolicTensor"]
