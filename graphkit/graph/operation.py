"""Operations: whatever can be called on symbolic tensors and so owns nodes: layers, models, ops."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any

from graphkit.core import names, nest
from graphkit.core.errors import NodeAccessError
from graphkit.core.signatures import signature_of
from graphkit.graph.node import Node
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Trace, tracing
from graphkit.ops._dispatch import OperationRecord


class Operation:
    """A thing with a name and nodes. Subclasses say in `call` what it computes.

    `input`, `output`, `input_shape`, `output_shape` are defined while there is one node; `get_input_at(node_index)` and its
    like always. Source: keras.Operation, and keras 2's Layer.get_output_at.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[Node] = []

    def __getstate__(self) -> dict[str, Any]:
        """Its state without its calls: those belong to the models that they are part of. A call that takes no tensors stays."""
        return {**self.__dict__, "nodes": [node for node in self.nodes if node.is_input]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for node in self.nodes:
            node.index = self.nodes.index(node)
            node.say_history()

    @property
    def _inbound_nodes(self) -> list[Node]:
        return self.nodes

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """What the operation computes, said with ops."""
        raise NotImplementedError(
            f"{type(self).__name__} defines no call(); say there what it computes, with graphkit.ops."
        )

    def infer(self, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """The structure of specs that a call on tensors like these gives; nothing is recorded."""
        scratch = Trace(only_shapes=True)
        leaves = [
            scratch.input(a.spec, a.name) if isinstance(a, SymbolicTensor) else a
            for a in nest.flatten([list(args), kwargs])
        ]
        traced_args, traced_kwargs = nest.pack([list(args), dict(kwargs)], leaves)
        with tracing(scratch):
            result = self.call(*traced_args, **traced_kwargs)
        return nest.map_structure(lambda r: r if r is None else TensorSpec.of(r), result)

    def add_node(self, args: tuple[Any, ...], kwargs: dict[str, Any], specs: Any) -> Any:
        """Record a call and give its symbolic outputs."""
        outputs = nest.map_structure(_symbolic, specs)
        Node(self, args, kwargs, outputs)
        return outputs

    # ----- what the nodes say -----

    def _node_at(self, node_index: int, what: str) -> Node:
        if not self.nodes:
            raise NodeAccessError(f"The layer {self.name} has never been called and thus has no defined {what}.")
        if not 0 <= node_index < len(self.nodes):
            raise NodeAccessError(
                f"Asked to get {what} at node {node_index}, but the layer {self.name} has only {len(self.nodes)} inbound nodes."
            )
        return self.nodes[node_index]

    @property
    def _drawn_nodes(self) -> list[Node]:
        """The calls that a person made; those of models that were cut out repeat them."""
        return [node for node in self.nodes if not node.is_copy]

    def _only_node(self, what: str) -> Node:
        if len(self._drawn_nodes) > 1:
            raise NodeAccessError(
                f'Layer {self.name} has multiple inbound nodes, hence the notion of "layer {what}" is ill-defined. '
                f"Use `get_{what.replace(' ', '_')}_at(node_index)` instead."
            )
        return self._drawn_nodes[0] if self._drawn_nodes else self._node_at(0, what)

    def get_input_at(self, node_index: int) -> Any:
        """The input tensor (or list of them) of a call."""
        return _unpacked(self._node_at(node_index, "input").input_tensors)

    def get_output_at(self, node_index: int) -> Any:
        """The output tensor (or structure of them) of a call."""
        return self._node_at(node_index, "output").outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shape of the input (or list of shapes) of a call."""
        return _unpacked([t.shape for t in self._node_at(node_index, "input shape").input_tensors])

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shape of the output (or structure of shapes) of a call."""
        return nest.map_structure(lambda t: t.shape, self._node_at(node_index, "output shape").outputs)

    @property
    def input(self) -> Any:
        """The input tensor (or list) of the only call."""
        return _unpacked(self._only_node("input").input_tensors)

    @property
    def output(self) -> Any:
        """The output tensor (or structure) of the only call."""
        return self._only_node("output").outputs

    @property
    def input_shape(self) -> Any:
        """The shape of the input (or list of shapes) that all calls share; Keras allows that even where there are several."""
        return self._shared_shape("input shape", self.get_input_shape_at)

    @property
    def output_shape(self) -> Any:
        """The shape of the output (or structure of shapes) that all calls share."""
        return self._shared_shape("output shape", self.get_output_shape_at)

    def _shared_shape(self, what: str, shape_at: Callable[[int], Any]) -> Any:
        shapes = [shape_at(node.index) for node in self._drawn_nodes] or [shape_at(0)]
        if any(shape != shapes[0] for shape in shapes):
            raise NodeAccessError(
                f'The layer "{self.name}" has multiple inbound nodes with different {what}s. Hence the notion of "{what}" is '
                f"ill-defined for the layer. Use `get_{what.replace(' ', '_')}_at(node_index)` instead."
            )
        return shapes[0]


def _unpacked(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def _symbolic(spec: TensorSpec | None) -> SymbolicTensor | None:
    return None if spec is None else SymbolicTensor(spec.shape, spec.dtype)


class OpNode(Operation):
    """An op called on symbolic tensors: `x + y`, `ops.mean(x)`. Keras saves it with its config and call arguments apart."""

    def __init__(self, record: OperationRecord, config: Mapping[str, Any], name: str | None = None) -> None:
        super().__init__(name or names.auto_name(names.to_snake_case(record.class_name)))
        self.record = record
        self.config = dict(config)

    @cached_property
    def class_name(self) -> str:
        """Keras' class of the op, such as "Add"."""
        return self.record.class_name

    @staticmethod
    def from_call(record: OperationRecord, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record `record.function(*args, **kwargs)` and give its symbolic outputs."""
        bound = signature_of(record.function).bind(*args, **kwargs)
        config = {k: v for k, v in bound.arguments.items() if k in record.config}
        config.update(config.pop("kwargs", {}))
        named = bound.arguments.pop(record.keywords, {}) if record.keywords else {}
        named |= {
            k: config.pop(k) for k, v in list(config.items()) if _is_symbolic(v)
        }  # inputs, where numbers are the rule
        tensors: list[Any] = []
        for name in record.tensors:
            if name in bound.arguments:
                given = bound.arguments[name]
                tensors.extend(given if name == _spread(record) else [given])
        return OpNode(record, config)(*tensors, **named, **dict.fromkeys(_left_out(record, bound)))

    def __call__(self, *tensors: Any, **kwargs: Any) -> Any:
        """Record a call on symbolic tensors, or compute."""
        if not any(isinstance(t, SymbolicTensor) for t in nest.flatten([list(tensors), kwargs])):
            return self.call(*tensors, **kwargs)
        return self.add_node(tensors, dict(kwargs), self.infer(tensors, kwargs))

    def call(self, *tensors: Any, **kwargs: Any) -> Any:
        """The op on these tensors, with the config's arguments."""
        spread = _spread(self.record)
        if spread:
            bound = signature_of(self.record.function).bind_partial()
            single = [name for name in self.record.tensors if name != spread]
            bound.arguments.update({**self.config, **dict(zip(single, tensors, strict=False))})
            bound.arguments[spread] = tensors[len(single) :]
            return self.record.function(*bound.args, **bound.kwargs, **kwargs)
        given = dict(zip(self.record.tensors, tensors, strict=False))
        return self.record.function(**given, **{**self.config, **kwargs})

    def get_config(self) -> dict[str, Any]:
        """The name and the config."""
        return {"name": self.name, **self.config}


def _is_symbolic(value: Any) -> bool:
    return any(isinstance(leaf, SymbolicTensor) for leaf in nest.flatten([value]))


def _left_out(record: OperationRecord, bound: inspect.BoundArguments) -> list[str]:
    """The tensors that may be None and were not given; Keras writes each of them as null, and wants some of them so (RMSNorm)."""
    parameters = bound.signature.parameters
    return [n for n in record.tensors if n not in bound.arguments and n in parameters and parameters[n].default is None]


@lru_cache(maxsize=1024)
def _spread(record: OperationRecord) -> str:
    """The name of an op's `*tensors`, or an empty string."""
    parameters = signature_of(record.function).parameters.values()
    return next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
