"""Repeats the calls of a graph on new tensors, with edits: the one mechanism behind every function of `graphkit.graphs`."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphkit.core import names, nest
from graphkit.core.dims import Dim
from graphkit.core.errors import (
    DTypeError,
    GraphError,
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    ShapeError,
    located,
)
from graphkit.core.signatures import signature_of
from graphkit.graph.layer_graph import LayerGraph
from graphkit.graph.node import Node
from graphkit.graph.operation import OpNode
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.graphs.copies import Copier
from graphkit.ir.variable import Variable
from graphkit.layers.input_layer import Input
from graphkit.models.config import operation_envelope
from graphkit.models.functional import Functional
from graphkit.models.sequential import Sequential


@dataclass(frozen=True)
class Edit:
    """One change of a graph: calls, and what stands in their place.

    Attributes:
        nodes: The calls, in the order of the graph.
        make: A function (site) that returns the new tensors in the structure of the outputs; see `Site`.
        what: What the edit does, for messages: "the replacement of 'relu'".
        may_reshape: Whether the new tensors may have other shapes and dtypes although other layers read them.
        may_reshape_results: Whether they may if only the model's outputs are concerned.
    """

    nodes: tuple[Node, ...]
    make: Callable[[Site], Any]
    what: str
    may_reshape: bool = False
    may_reshape_results: bool = True

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The tensors that the edit makes anew: the outputs of the last call."""
        return self.nodes[-1].output_tensors


@dataclass
class Site:
    """The place of an edit in the new graph.

    Attributes:
        rewriting: The rewriting.
        nodes: The calls of the old graph.
        inputs: The tensors of the new graph that the calls read from outside, each once, in order.
    """

    rewriting: Rewriting
    nodes: tuple[Node, ...]
    inputs: list[Any] = field(default_factory=list)

    def repeated(self, values: Sequence[Any] | None = None) -> Any:
        """Repeat the calls of the old graph and return the outputs of the last one.

        Args:
            values: Tensors instead of `inputs`.
        """
        outputs: Any = self.nodes[-1].outputs
        if all(t in self.rewriting.tensors for t in self.nodes[-1].output_tensors):  # the graph begins here
            return nest.map_structure(self.rewriting.tensors.__getitem__, outputs)
        given = self.inputs if values is None else list(values)
        old = inputs_of(self.nodes)
        self.rewriting.affected.update(o for o, n, v in zip(old, self.inputs, given, strict=True) if n is not v)
        tensors = ChainMap(dict(zip(old, given, strict=True)), self.rewriting.tensors)
        for node in self.nodes:
            outputs = self.rewriting.repeat_call(node, tensors)
        return outputs


@dataclass
class Rewriting:
    """A walk over the calls of one graph.

    Attributes:
        graph: The old graph.
        copier: Makes the layers of the new graph.
        edits: The edits, by the last of their calls.
        nested: Edits inside nested models, by model.
        tensors: The tensors of the new graph by those of the old one.
        affected: The old tensors that depend on an edit.
        training: What the calls get as `training`, for the inside of a model that was called with it.
    """

    graph: LayerGraph
    copier: Copier
    edits: Sequence[Edit] = ()
    nested: Mapping[Any, Sequence[Edit]] = field(default_factory=dict)
    tensors: dict[Any, Any] = field(default_factory=dict)
    affected: set[Any] = field(default_factory=set)
    training: bool | None = None

    def run(self) -> None:
        """Repeat all calls whose outputs are not in `tensors` yet."""
        readers = _readers(self.graph)
        edits = {edit.nodes: edit for edit in self.edits}
        for nodes in _ordered(self.graph, list(edits)):
            edit = edits.get(nodes)
            if edit is not None:
                self._edit(edit, readers)
            elif nodes[0] not in self.graph.starts and not all(t in self.tensors for t in nodes[0].output_tensors):
                self._repeat(nodes[0], readers)

    def _repeat(self, node: Node, readers: Mapping[Any, int]) -> None:
        outputs = self.repeat_call(node, self.tensors)
        self._enter(node.output_tensors, outputs, f"the call of {node.operation.name!r}")
        if any(t in self.affected for t in node.input_tensors):
            self.affected.update(node.output_tensors)
        if contains_edit(node.operation, self.nested):
            self.affected.update(node.output_tensors)
            strict = not all(e.may_reshape for edits in self.nested.values() for e in edits)
            self._check(node.output_tensors, f"the change inside {node.operation.name!r}", strict, False, readers)

    def _edit(self, edit: Edit, readers: Mapping[Any, int]) -> None:
        site = Site(self, edit.nodes, [self.tensors[t] for t in inputs_of(edit.nodes)])
        self.affected.update(edit.outputs)
        if not any(readers.get(t) or t in self.graph.outputs for t in edit.outputs):
            raise GraphError(f"{_capital(edit.what)} has no effect: nothing reads its output {edit.outputs}.")
        try:
            outputs = edit.make(site)
        except GraphKitError as error:
            raise located(error, f"In {edit.what}") from error
        self._enter(edit.outputs, outputs, edit.what)
        self._check(edit.outputs, edit.what, not edit.may_reshape, not edit.may_reshape_results, readers)

    def _enter(self, old: Sequence[Any], outputs: Any, what: str) -> None:
        new = [t for t in nest.flatten(outputs) if t is not None]
        wrong = next((t for t in new if not isinstance(t, SymbolicTensor)), None)
        if wrong is not None:
            raise InvalidTypeError(f"{_capital(what)} expects symbolic tensors, got {wrong!r:.80}.")
        if len(new) != len(old):
            raise GraphError(
                f"{_capital(what)} gives {len(new)} tensors, but {len(old)} were there: {[t.shape for t in old]}. "
                "A replacement must return as many tensors as the part that it replaces."
            )
        self._set(self.tensors, old, new)

    def _check(
        self, old: Sequence[Any], what: str, strict: bool, strict_at_results: bool, readers: Mapping[Any, int]
    ) -> None:
        """Refuse another shape or dtype where a layer would read it."""
        for tensor in old:
            is_read = readers.get(tensor, 0) > 0
            if not (strict if is_read else strict_at_results):
                continue
            new = self.tensors[tensor]
            if new.shape != tensor.shape:
                raise ShapeError(
                    f"{_capital(what)} changes a shape that other layers read: expected {tensor.shape}, got {new.shape}. "
                    "Use a layer that keeps the shape, or pass keep_shapes=False to compute the following shapes anew."
                    if is_read
                    else f"{_capital(what)} changes the shape of an output: expected {tensor.shape}, got {new.shape}. "
                    "Pass keep_shapes=False if that is intended."
                )
            if new.dtype != tensor.dtype:
                raise DTypeError(
                    f"{_capital(what)} changes a dtype: expected {tensor.dtype}, got {new.dtype}. Use a layer of this dtype, "
                    "or pass keep_shapes=False."
                )

    def layer(self, operation: Any) -> Any:
        """Return an operation's copy for the new graph; nested models are rewritten first if edits concern them."""
        if contains_edit(operation, self.nested) and not self.copier.has(operation):
            self.copier.put(operation, rebuilt(graph_of(operation), self.copier, self.nested[operation], self.nested))
        return self.copier(operation)

    def repeat_call(self, node: Node, tensors: MutableMapping[Any, Any], operation: Any = None) -> Any:
        """Repeat a call on the new tensors, enter its outputs in `tensors`, and return them.

        Args:
            node: The call.
            tensors: The new tensors by the old ones.
            operation: What is called instead of the copy of the layer.
        """
        made = self.layer(node.operation) if operation is None else operation
        args, kwargs = self._arguments(node, tensors)
        if operation is not None:
            args, kwargs = _accepted(node, operation, args, kwargs)
        try:
            outputs = made(*args, **kwargs)
        except GraphKitError as error:
            if not any(t in self.affected for t in node.input_tensors) and operation is None:
                raise
            raise located(error, f"Layer {node.operation.name!r} after the change", node.operation.name) from error
        new = [t for t in nest.flatten(outputs) if isinstance(t, SymbolicTensor)]
        if operation is None:
            self._set(tensors, node.output_tensors, new)
        return outputs

    def _set(self, tensors: MutableMapping[Any, Any], old: Sequence[Any], new: Sequence[Any]) -> None:
        """Enter new tensors, except for those at which a part of a graph begins, although one of its calls computes them too."""
        begun = () if any(n.is_input for n in map(call_of, old)) else self.graph.inputs
        tensors.update((o, n) for o, n in zip(old, new, strict=True) if o not in begun)

    def _arguments(self, node: Node, tensors: Mapping[Any, Any]) -> tuple[list[Any], dict[str, Any]]:
        dropped = [k for k in node.kwargs if k.endswith("mask") and self._must_follow(node, k, tensors)]
        kept = {k: v for k, v in node.kwargs.items() if k not in dropped}

        def leaf(value: Any) -> Any:
            return tensors[value] if isinstance(value, SymbolicTensor) else self.copier.leaf(value)

        args, kwargs = nest.map_structure(leaf, [list(node.args), kept])
        if self.training is not None and "training" in signature_of(type(node.operation).call).parameters:
            kwargs["training"] = self.training
        return args, kwargs

    def _must_follow(self, node: Node, name: str, tensors: Mapping[Any, Any]) -> bool:
        """Return whether a mask was filled in from an input that has another mask after the edits: then it is filled in anew."""
        masks = [m for m in nest.flatten(node.kwargs[name]) if isinstance(m, SymbolicTensor)]
        plain = [t for t in node.input_tensors if not any(t is m for m in masks) and t.mask is not None]
        for mask in masks:
            source = next((t for t in plain if _is_same(mask, t.mask)), None)
            if source is None or source not in self.affected:
                continue
            now = tensors[source].mask
            if now is None or mask not in tensors or not _is_same(tensors[mask], now):
                return True
        return False


def contains_edit(operation: Any, nested: Mapping[Any, Sequence[Edit]]) -> bool:
    """Return whether edits concern the inside of an operation."""
    return operation in nested


def graph_of(model: Any) -> Functional:
    """Return the functional graph of a model.

    Raises:
        InvalidTypeError: `model` is not a model with a graph.
        InvalidArgumentError: It is a Sequential without an input shape.
    """
    if isinstance(model, Functional):
        return model
    if isinstance(model, Sequential):
        if model._functional is None:
            raise InvalidArgumentError(
                f"Sequential model {model.name!r} has no graph yet: give it an Input, or call build(input_shape), first."
            )
        return model._functional
    raise InvalidTypeError(
        f"graphkit.graphs expects a functional or sequential model, got {type(model).__name__}. For a subclassed model that was "
        "called, pass model.functional_form()."
    )


def rebuilt(
    model: Functional, copier: Copier, edits: Sequence[Edit], nested: Mapping[Any, Sequence[Edit]]
) -> Functional:
    """Return a model of the same inputs and outputs with edits."""
    rewriting = Rewriting(model.layer_graph, copier, edits, nested)
    with naming(model):
        inputs = new_inputs(model, copier)
        rewriting.tensors.update(inputs)
        rewriting.run()
        new = nest.map_structure(inputs.__getitem__, model.input)
        return finished(model, new, nest.map_structure(rewriting.tensors.__getitem__, model.output))


def new_input(shape: Sequence[Any], dtype: str, name: str, optional: bool = False) -> Any:
    """Return a new input of this shape; a free size that is a name, such as the batch size, stays the same size."""
    sizes = [size if not isinstance(size, Dim) or size.is_name() else None for size in shape]
    return Input(tensor=SymbolicTensor(sizes, dtype, name=name), name=name, optional=optional)


def new_inputs(model: Functional, copier: Copier) -> dict[Any, Any]:
    """Return new input tensors by the old ones."""
    return {t: copier(t.history.operation).nodes[0].output_tensors[0] for t in model.inputs if t.history is not None}


@contextmanager
def naming(*models: Any) -> Iterator[None]:
    """Give automatic names that no layer of the models has, and name weights as outside any layer."""
    taken = {operation.name for model in models for operation in model.operations}
    with names.reserved(taken), names.scope_is(""):
        yield


def finished(model: Any, inputs: Any, outputs: Any, name: str | None = None, cls: Any = None) -> Functional:
    """Return the functional model between new tensors, of the class and name of the old one if no others are given."""
    keeps_class = isinstance(model, Functional) and type(model).__init__ is Functional.__init__
    chosen = cls or (type(model) if keeps_class else Functional)
    made: Functional = chosen(inputs, outputs, name=name or model.name)
    made._trainable = model._trainable
    used = set(made.layer_graph.nodes)
    for operation in made.operations:
        for node in operation.nodes:
            node.is_copy = node.is_copy or node not in used  # calls that an edit made useless
    return made


def inputs_of(nodes: Sequence[Node]) -> list[SymbolicTensor]:
    """Return the tensors that calls read from outside, without masks, each once, in order."""
    inside = {t for node in nodes for t in node.output_tensors}
    read = (t for node in nodes for t in _without_masks(node))
    return [t for t in dict.fromkeys(read) if t not in inside]


def _without_masks(node: Node) -> list[SymbolicTensor]:
    kwargs = {k: v for k, v in node.kwargs.items() if not k.endswith("mask")}
    return [t for t in nest.flatten([list(node.args), kwargs]) if isinstance(t, SymbolicTensor)]


def call_of(tensor: Any) -> Node:
    """Return the call that produced a tensor."""
    node: Node = tensor.history.operation.nodes[tensor.history.node_index]
    return node


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _readers(graph: LayerGraph) -> dict[Any, int]:
    """Return how many calls read each tensor."""
    counts: dict[Any, int] = {}
    for node in graph.nodes:
        for tensor in node.input_tensors:
            counts[tensor] = counts.get(tensor, 0) + 1
    return counts


def _ordered(graph: LayerGraph, groups: Sequence[tuple[Node, ...]]) -> list[tuple[Node, ...]]:
    """Return the calls, those of an edit together, each after those it reads and after earlier calls of the same layer.

    Raises:
        GraphError: An edit reads what depends on it.
    """
    import networkx as nx

    group_of = {node: group for group in groups for node in group}
    position = {node: number for number, node in enumerate(graph.nodes)}
    stop = set(graph.inputs)
    order: nx.DiGraph[tuple[Node, ...]] = nx.DiGraph()
    earlier: list[tuple[Any, Any]] = []  # calls of one layer, which keep their order
    latest: dict[Any, Node] = {}
    for node in sorted(graph.nodes, key=lambda n: n.index):
        unit = group_of.get(node, (node,))
        order.add_node(unit)
        needed = [] if node in graph.starts else [call_of(t) for t in node.input_tensors if t not in stop]
        order.add_edges_from((group_of.get(n, (n,)), unit) for n in needed if n in position)
        if node.operation in latest:
            earlier.append((group_of.get(latest[node.operation], (latest[node.operation],)), unit))
        latest[node.operation] = node
    order.remove_edges_from([(unit, unit) for unit in group_of.values() if order.has_edge(unit, unit)])
    if not nx.is_directed_acyclic_graph(order):
        raise GraphError("The matched layers read a tensor that depends on them, so nothing can stand in their place.")
    with_calls = order.copy()
    with_calls.add_edges_from(pair for pair in earlier if pair[0] != pair[1])
    chosen = with_calls if nx.is_directed_acyclic_graph(with_calls) else order
    return list(nx.lexicographical_topological_sort(chosen, key=lambda unit: position[unit[-1]]))


def _accepted(node: Node, operation: Any, args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call for another layer: without `training` that was filled in, and without what it does not take."""
    parameters = signature_of(type(operation).call).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    default = signature_of(type(node.operation).call).parameters.get("training")
    filled_in = default is not None and kwargs.get("training") is default.default
    kept = {k: v for k, v in kwargs.items() if (k in parameters or takes_any) and not (k == "training" and filled_in)}
    lost = [
        k
        for k, v in kwargs.items()
        if k not in kept and not k.endswith("mask") and any(isinstance(t, SymbolicTensor) for t in nest.flatten([v]))
    ]
    if lost:
        raise InvalidArgumentError(
            f"Layer {node.operation.name!r} is called with the tensors {lost}, which {type(operation).__name__} "
            f"{operation.name!r} does not take. Use a function (match -> tensor) as the replacement."
        )
    return args, kept


def _config(operation: OpNode) -> dict[str, Any]:
    """Return the config of an op with its defaults, without the name."""
    return {k: v for k, v in operation_envelope(operation)["config"].items() if k != "name"}


def _is_same(first: Any, second: Any) -> bool:
    """Return whether two tensors are the same, or computed by equal ops from the same: masks are computed again for each reader."""
    waiting = [(first, second)]
    while waiting:
        a, b = waiting.pop()
        if a is b:
            continue
        if not isinstance(a, SymbolicTensor) or not isinstance(b, SymbolicTensor):
            if type(a) is not type(b) or isinstance(a, (SymbolicTensor, Variable, np.ndarray)) or a != b:
                return False
            continue
        if a.history is None or b.history is None:
            return False
        one, two = a.history.operation, b.history.operation
        if not (isinstance(one, OpNode) and isinstance(two, OpNode) and one.record is two.record):
            return False
        if _config(one) != _config(two) or a.history.tensor_index != b.history.tensor_index:
            return False
        left, right = one.nodes[a.history.node_index], two.nodes[b.history.node_index]
        leaves = [nest.flatten([list(n.args), n.kwargs]) for n in (left, right)]
        if len(leaves[0]) != len(leaves[1]):
            return False
        waiting += zip(*leaves, strict=True)
    return True
