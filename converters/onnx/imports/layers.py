"""The layers of imported ONNX graphs: a node, and an initializer that several nodes read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError  # type: ignore[import-untyped]

from graphkit.core import dtypes
from graphkit.core.dims import Dim, public_shape
from graphkit.core.errors import SerializationError
from graphkit.core.serialization import graphkit_class
from graphkit.ir.recording import is_tracing
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import current_trace
from graphkit.ir.variable import Variable
from graphkit.layers.layer import Layer
from graphkit.random import SeedGenerator

from .computation import NodeComputation, Source, checked_source, is_random, onnx_node_p
from .training import in_training, trains_differently

_HOME = "onnx"


def as_json(message: Any) -> dict[str, Any]:
    """Return a message of ONNX as JSON data, in protobuf's JSON form."""
    made: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return made


def from_json(kind: type, data: Any, where: str) -> Any:
    """Return the message that JSON data describes, or a message as it is. Raises SerializationError if they do not fit."""
    if isinstance(data, kind):
        return data
    try:
        return ParseDict(data, kind())
    except (ParseError, TypeError, ValueError, AttributeError) as error:
        raise SerializationError(f"{where} is not a {kind.__name__} of ONNX: {error}") from None


class _FromFile(Layer):
    """A layer whose weights are initializers, with the names, shapes and dtypes of the file.

    Args:
        weights: for each its name, shape, dtype and trainable; a "path" other than "<layer>/<name>" may be given.

    Attributes:
        initializers: the weights, in order.
    """

    makes_tensors = True
    fixes_sizes = True

    def __init__(self, weights: Sequence[Mapping[str, Any]] = (), **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.initializers: list[Variable] = []
        for weight in weights:
            try:
                variable = self.add_weight(
                    shape=[int(n) for n in weight["shape"]],
                    initializer="zeros",
                    dtype=str(weight["dtype"]),
                    trainable=bool(weight.get("trainable", True)),
                    autocast=False,
                    name=str(weight["name"]),
                )
            except (KeyError, TypeError) as error:
                raise SerializationError(
                    f"`weights` of layer {self.name!r}: {weight!r:.100} is no description of a weight ({error})."
                ) from None
            variable.path = str(weight.get("path", variable.path))
            self.initializers.append(variable)
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        weights = [
            {"name": v.name, "path": v.path, "shape": list(v.shape), "dtype": v.dtype, "trainable": v.made_trainable}
            for v in self.initializers
        ]
        return {"name": self.name, "trainable": self.trainable, "weights": weights}


@graphkit_class(_HOME)
class OnnxNode(_FromFile):
    """A node of an ONNX graph as a layer. Its `call` is the operator's function of the table over ops.

    Args:
        node: a NodeProto, or its JSON form.
        inputs: where each input of the node comes from, see `NodeComputation`; constants may be JSON.
        opsets: the version of each domain.
        captured: likewise, what the subgraphs of the node read of the graph around it, by name.
        outputs: the positions of the outputs that the layer returns, among all outputs with sequences spread out.
        functions: the model's own functions that the subgraphs call, as messages or JSON.
        weights: name, shape, dtype and trainable of each initializer that the node reads alone.
        stacked: the positions of the outputs that are sequences of unknown length, kept as one tensor.
        declared: [shape, dtype] of each output that the layer returns, if the shapes depend on values; None is an unknown size.

    Attributes:
        initializers: the weights, in order.

    Raises:
        SerializationError: an argument does not have this form.
    """

    def __init__(
        self,
        node: Any,
        inputs: Sequence[Any],
        opsets: Mapping[str, int],
        captured: Mapping[str, Any] | None = None,
        outputs: Sequence[int] = (0,),
        functions: Sequence[Any] = (),
        weights: Sequence[Mapping[str, Any]] = (),
        stacked: Sequence[int] = (),
        declared: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(weights, **kwargs)
        where = f"Layer {self.name!r}"

        def source(given: Any) -> Source:
            return checked_source(
                given, where, lambda data: from_json(onnx.TensorProto, data, f"A constant of {where}")
            )

        self.computation = NodeComputation(
            from_json(onnx.NodeProto, node, f"`node` of layer {self.name!r}"),
            [source(given) for given in inputs],
            {str(name): source(given) for name, given in (captured or {}).items()},
            [int(i) for i in outputs],
            {str(domain): int(version) for domain, version in opsets.items()},
            [from_json(onnx.FunctionProto, f, f"`functions` of layer {self.name!r}") for f in functions],
            len(self.initializers),
            where,
            [int(i) for i in stacked],
            [self._declared(number, entry) for number, entry in enumerate(declared)],
        )
        if self.op_type == "Dropout":
            self.seed_generator = SeedGenerator()

    def _declared(self, number: int, entry: Any) -> TensorSpec:
        shape, dtype = entry
        sizes = [Dim.named(f"{self.name}/{number}_{axis}") if n is None else int(n) for axis, n in enumerate(shape)]
        return TensorSpec(tuple(sizes), dtypes.standardize(dtype))

    @property
    def node(self) -> onnx.NodeProto:
        """The node."""
        return self.computation.node

    @property
    def op_type(self) -> str:
        """The operator."""
        return str(self.node.op_type)

    @property
    def onnx_name(self) -> str:
        """The name of the node in the file."""
        return str(self.node.name)

    def tensor_name(self, tensor_index: int) -> str | None:
        """Return the name of an output in the file; None for a part of a sequence."""
        place = self.computation.kept[tensor_index]
        return self.node.output[place] if place < len(self.node.output) and self.node.output[place] else None

    def name_tensor(self, tensor_index: int, name: str) -> None:
        """Give an output another name in files."""
        place = self.computation.kept[tensor_index]
        if place < len(self.node.output):
            self.node.output[place] = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As for layers; a node without tensors among its inputs is recorded when it is called outside of a trace."""
        if not args and not kwargs and not is_tracing():
            return self._call_symbolic((), {})
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Any = None, training: bool | None = None) -> Any:
        """Return the outputs of the node: a tensor, or a list if there are several."""
        tensors = [] if inputs is None else list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        if training and trains_differently(self.node):
            given, _ = self.computation.values(tensors, self.initializers)
            made = self.computation.results(in_training(self, given))
        elif is_random(self.node) or is_traced_for_data() or (tensors and self._depends_on_known_values(tensors)):
            made = self.computation(*tensors, *self.initializers)
        else:
            made = onnx_node_p.bind(*tensors, *self.initializers, computation=self.computation)
        return list(made) if isinstance(made, tuple) else made

    def _depends_on_known_values(self, tensors: Sequence[Any]) -> bool:
        """Return whether values are known that a rule for shapes alone would not see: sizes, or what was computed from sizes."""
        return any(isinstance(t, np.ndarray) for t in tensors) or self.computation.is_known(tensors)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        config, computation = super().get_config(), self.computation
        weights = config.pop("weights")
        config |= {
            "node": as_json(self.node),
            "inputs": [_source_json(source) for source in computation.sources],
            "opsets": dict(computation.opsets),
            "outputs": list(computation.kept),
        }
        if computation.declared:
            config["declared"] = [[list(public_shape(spec.shape)), spec.dtype] for spec in computation.declared]
        if computation.stacked:
            config["stacked"] = list(computation.stacked)
        if computation.captured:
            config["captured"] = {name: _source_json(source) for name, source in computation.captured.items()}
        if computation.functions:
            config["functions"] = [as_json(f) for f in computation.functions]
        return {**config, "weights": weights}


def is_traced_for_data() -> bool:
    """Return whether the program is traced for given data, so that sizes which depend on values can be measured."""
    trace = current_trace()
    return trace is not None and trace.samples is not None


@graphkit_class(_HOME)
class OnnxInitializer(_FromFile):
    """An initializer that several nodes read: a layer without inputs, whose output is the weight.

    Args:
        weights: name, shape, dtype and trainable of the initializer, in a list of one.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the weight: a symbolic tensor outside of a trace."""
        return super().__call__() if is_tracing() else self._call_symbolic((), {})

    def call(self) -> Any:
        """Return the weight."""
        (variable,) = self.initializers
        return variable.as_tensor()


def _source_json(source: Source) -> Any:
    if source is None:
        return None
    if source[0] == "tensor":
        return ["tensor", as_json(source[1])]
    return [source[0], *map(_source_json, source[1:])] if source[0] in ("list", "stacked") else list(source)
