"""Operations: layers, models and ops, that is, everything that can be called on symbolic tensors and so has nodes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, ClassVar

from graphkit.core import names, nest
from graphkit.core.errors import InvalidArgumentError, NodeAccessError, UnsupportedError
from graphkit.core.recording import Recording, whole_recorded_config
from graphkit.core.signatures import signature_of
from graphkit.graph.node import Node
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Trace, tracing
from graphkit.ops._dispatch import OperationRecord


class Operation(Recording):
    """Base of everything with a name and nodes. Subclasses define the computation in `call`.

    `input`, `output`, `input_shape` and `output_shape` are defined while there is only one node; `get_input_at(node_index)` and
    similar methods always are. Source: keras.Operation, and keras 2's Layer.get_output_at.

    Args:
        name: The name, without "/"; made from the class name by default.

    Raises:
        InvalidArgumentError: `name` is not a string or contains "/".
    """

    fixes_sizes: bool = False  # whether the graph holds numbers that follow from the sizes of its inputs, also from the batch size
    makes_tensors: ClassVar[bool] = False  # whether a call without tensors computes something, unlike that of an Input

    def __init__(self, name: str | None = None) -> None:
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise InvalidArgumentError(
                f"Argument `name` must be a string and cannot contain character `/`. Received: name={name!r}"
            )
        self.name = name or names.auto_name(names.to_snake_case(type(self).__name__))
        self.nodes: list[Node] = []

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the calls that take tensors: those belong to the models that they are part of."""
        return {**self.__dict__, "nodes": [node for node in self.nodes if node.is_input]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for node in self.nodes:
            node.index = self.nodes.index(node)
            node.set_history()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Record a call on symbolic tensors, or compute on arrays."""
        if any(isinstance(t, SymbolicTensor) for t in nest.flatten([list(args), kwargs])):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Record a call on symbolic tensors and return its symbolic outputs."""
        if type(self).compute_output_spec is Operation.compute_output_spec:
            specs = self.infer(args, kwargs)
        else:
            specs = nest.map_structure(_spec_of, self.compute_output_spec(*args, **kwargs))
        return self.add_node(args, dict(kwargs), specs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Return symbolic tensors like the outputs of a call with these arguments; nothing is recorded."""
        return nest.map_structure(_symbolic, self.infer(args, kwargs))

    @property
    def _inbound_nodes(self) -> list[Node]:
        return self.nodes

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs with ops; to be overridden.

        Raises:
            NotImplementedError: A subclass does not define it.
        """
        raise UnsupportedError(f"{type(self).__name__} defines no call(); implement it with graphkit.ops.")

    def infer(self, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Return the structure of specs that a call with these arguments produces; nothing is recorded."""
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
        """Record a call and return its symbolic outputs."""
        outputs = nest.map_structure(_symbolic, specs)
        Node(self, args, kwargs, outputs)
        return outputs

    # ----- config -----

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, with the name if it is one of them.

        Raises:
            UnsupportedError: An argument is not JSON data.
        """
        parameters = inspect.signature(type(self).__init__).parameters.values()
        named = any(p.name == "name" or p.kind is p.VAR_KEYWORD for p in parameters)
        config = {"name": self.name} if named else {}
        return {**config, **whole_recorded_config(self, config)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Any:
        """Create an operation from its config."""
        return cls(**config)

    # ----- the arguments and results of the calls -----

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
        """The calls that the user made, without the copies in models extracted from a graph."""
        return [node for node in self.nodes if not node.is_copy]

    def _only_node(self, what: str) -> Node:
        if len(self._drawn_nodes) > 1:
            raise NodeAccessError(
                f'Layer {self.name} has multiple inbound nodes, hence the notion of "layer {what}" is ill-defined. '
                f"Use `get_{what.replace(' ', '_')}_at(node_index)` instead."
            )
        return self._drawn_nodes[0] if self._drawn_nodes else self._node_at(0, what)

    def get_input_at(self, node_index: int) -> Any:
        """Return the input tensor (or list of them) of a call.

        Raises:
            NodeAccessError: There is no call of this index.
        """
        return _unpacked(self._node_at(node_index, "input").input_tensors)

    def get_output_at(self, node_index: int) -> Any:
        """Return the output tensor (or structure of them) of a call.

        Raises:
            NodeAccessError: There is no call of this index.
        """
        return self._node_at(node_index, "output").outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        """Return the shape of the input (or list of shapes) of a call.

        Raises:
            NodeAccessError: There is no call of this index.
        """
        return _unpacked([t.shape for t in self._node_at(node_index, "input shape").input_tensors])

    def get_output_shape_at(self, node_index: int) -> Any:
        """Return the shape of the output (or structure of shapes) of a call.

        Raises:
            NodeAccessError: There is no call of this index.
        """
        return nest.map_structure(lambda t: t.shape, self._node_at(node_index, "output shape").outputs)

    @property
    def input(self) -> Any:
        """The input tensor (or list) of the only call. Raises NodeAccessError if there is none or more than one."""
        return _unpacked(self._only_node("input").input_tensors)

    @property
    def output(self) -> Any:
        """The output tensor (or structure) of the only call. Raises NodeAccessError if there is none or more than one."""
        return self._only_node("output").outputs

    @property
    def input_shape(self) -> Any:
        """The shape of the input (or list of shapes) shared by all calls. Raises NodeAccessError if the calls differ."""
        return self._shared_shape("input shape", self.get_input_shape_at)

    @property
    def output_shape(self) -> Any:
        """The shape of the output (or structure of shapes) shared by all calls. Raises NodeAccessError if the calls differ."""
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


def _spec_of(tensor: SymbolicTensor | None) -> TensorSpec | None:
    return None if tensor is None else tensor.spec


def _symbolic(spec: TensorSpec | None) -> SymbolicTensor | None:
    return None if spec is None else SymbolicTensor(spec.shape, spec.dtype)


class OpNode(Operation):
    """An op called on symbolic tensors: `x + y`, `ops.mean(x)`. Keras saves its config and its call arguments separately."""

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
        """Record `record.function(*args, **kwargs)` and return its symbolic outputs."""
        bound = signature_of(record.function).bind(*args, **kwargs)
        config = {k: v for k, v in bound.arguments.items() if k in record.config}
        config.update(config.pop("kwargs", {}))
        named = bound.arguments.pop(record.keywords, {}) if record.keywords else {}
        named |= {
            k: config.pop(k) for k, v in list(config.items()) if _is_symbolic(v)
        }  # tensors passed for arguments that usually are plain values
        tensors: list[Any] = []
        left_out = _left_out(record, bound)
        for name in record.tensors:
            if name in bound.arguments:
                given = bound.arguments[name]
                tensors.extend(given if name == _spread(record) else [given])
            elif _has_later(record, bound, name):  # its default keeps the place
                tensors.append(bound.signature.parameters[name].default)
                left_out = [n for n in left_out if n != name]
        return OpNode(record, config)(*tensors, **named, **dict.fromkeys(left_out))

    def call(self, *tensors: Any, **kwargs: Any) -> Any:
        """Compute the op on these tensors, with the arguments of the config."""
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
        """Return the name and the config."""
        return {"name": self.name, **self.config}


def _is_symbolic(value: Any) -> bool:
    return any(isinstance(leaf, SymbolicTensor) for leaf in nest.flatten([value]))


def _left_out(record: OperationRecord, bound: inspect.BoundArguments) -> list[str]:
    """Return the optional tensors that were not given. Keras writes each as null, and for some ops (RMSNorm) requires that."""
    parameters = bound.signature.parameters
    return [n for n in record.tensors if n not in bound.arguments and n in parameters and parameters[n].default is None]


def _has_later(record: OperationRecord, bound: inspect.BoundArguments, name: str) -> bool:
    """Whether a tensor after this one was given."""
    return any(later in bound.arguments for later in record.tensors[record.tensors.index(name) + 1 :])


@lru_cache(maxsize=1024)
def _spread(record: OperationRecord) -> str:
    """Return the name of an op's `*tensors` parameter, or an empty string."""
    parameters = signature_of(record.function).parameters.values()
    return next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
