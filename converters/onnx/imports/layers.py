"""The layers of imported ONNX graphs: a node, and an initializer that several nodes read."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError  # type: ignore[import-untyped]
from onnx import numpy_helper

from graphkit.core import nest
from graphkit.core.errors import SerializationError
from graphkit.core.serialization import graphkit_class
from graphkit.graph.size_expressions import checked, evaluated
from graphkit.ir.recording import is_tracing
from graphkit.ir.variable import Variable
from graphkit.layers.layer import Layer
from graphkit.ops._convert import shape_of
from graphkit.random import SeedGenerator

from ..operators import Evaluator
from ..operators.sizes import Sizes, object_vector, sizes
from .training import in_training, trains_differently

_HOME = "onnx"


def as_json(message: Any) -> dict[str, Any]:
    """Return a message of ONNX as JSON data, in protobuf's JSON form."""
    made: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return made


def from_json(kind: type, data: Any, where: str) -> Any:
    """Return the message that JSON data describes. Raises SerializationError if they do not."""
    try:
        return ParseDict(data, kind())
    except (ParseError, TypeError, ValueError, AttributeError) as error:
        raise SerializationError(f"{where} is not a {kind.__name__} of ONNX: {error}") from None


class _OwnWeights(Layer):
    """A layer whose weights are initializers, with the names, shapes and dtypes of the file."""

    makes_tensors = True

    def __init__(self, weights: Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        kwargs = {"autocast": False, **kwargs}
        super().__init__(**kwargs)
        self.initializers: dict[str, Variable] = {}
        for weight in weights:
            self.initializers[str(weight["name"])] = self.add_weight(
                shape=[int(n) for n in weight["shape"]],
                initializer="zeros",
                dtype=str(weight["dtype"]),
                trainable=bool(weight.get("trainable", True)),
                autocast=False,
                name=str(weight["name"]),
            )
        self.built = True

    def _weights_config(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "shape": list(v.shape), "dtype": v.dtype, "trainable": v.made_trainable}
            for name, v in self.initializers.items()
        ]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        return {"name": self.name, "trainable": self.trainable, "weights": self._weights_config()}


@graphkit_class(_HOME)
class OnnxNode(_OwnWeights):
    """A node of an ONNX graph as a layer. Its `call` is the operator's function of the table over ops.

    Args:
        node: a NodeProto, or its JSON form.
        inputs: where each input of the node comes from: None (left out), ["input", k] (the k-th tensor that the layer is called on),
            ["weight", name], ["sizes", size expressions, shape, dtype], ["tensor", a constant TensorProto as JSON], or ["list", ...]
            of these for a sequence.
        captured: likewise, what the subgraphs of the node read of the graph around it, by name.
        outputs: the positions of the outputs that the layer returns, among all outputs with sequences spread out.
        opsets: the version of each domain.
        functions: the model's own functions that the subgraphs call, as JSON.
        weights: name, shape, dtype and trainable of each initializer that the node reads alone.

    Attributes:
        node: the NodeProto.
        initializers: the weights by name.

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
        **kwargs: Any,
    ) -> None:
        super().__init__(weights, **kwargs)
        where = f"`node` of layer {self.name!r}"
        self.node: onnx.NodeProto = node if isinstance(node, onnx.NodeProto) else from_json(onnx.NodeProto, node, where)
        self.sources = [_checked_source(source, self.name) for source in inputs]
        self.captured = {str(name): _checked_source(source, self.name) for name, source in (captured or {}).items()}
        self.kept = [int(i) for i in outputs]
        self.opsets = {str(domain): int(version) for domain, version in opsets.items()}
        self.functions = [
            f if isinstance(f, onnx.FunctionProto) else from_json(onnx.FunctionProto, f, f"`functions` of layer {self.name!r}")
            for f in functions
        ]
        model = onnx.ModelProto(functions=self.functions)
        for domain, version in self.opsets.items():
            model.opset_import.add(domain=domain, version=version)
        self._evaluator = Evaluator(model)
        self._constants: dict[int, Any] = {}
        if self.node.op_type == "Dropout":
            self.seed_generator = SeedGenerator()

    @property
    def op_type(self) -> str:
        """The operator."""
        return str(self.node.op_type)

    @property
    def onnx_name(self) -> str:
        """The name of the node in the file."""
        return str(self.node.name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As for layers; a node without tensors among its inputs is recorded when it is called outside of a trace."""
        if not args and not kwargs and not is_tracing():
            return self._call_symbolic((), {})
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Any = None, training: bool | None = None) -> Any:
        """Return the outputs of the node: a tensor, or a list if there are several."""
        tensors = [] if inputs is None else list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        given = [self._value(source, tensors) for source in self.sources]
        outer = {name: self._value(source, tensors) for name, source in self.captured.items()}
        if training and trains_differently(self.node):
            made = in_training(self, given)
        else:
            made = self._evaluator.call(self.node, given, ChainMap(outer))
        leaves = flat_outputs(made)
        results = [as_tensor(leaves[i]) for i in self.kept]
        return results[0] if len(results) == 1 else results

    def _value(self, source: Any, tensors: Sequence[Any]) -> Any:
        if source is None:
            return None
        kind, *rest = source
        if kind == "input":
            if rest[0] >= len(tensors):
                raise SerializationError(f"Layer {self.name!r} expects {rest[0] + 1} or more inputs, got {len(tensors)}.")
            return tensors[rest[0]]
        if kind == "weight":
            return self.initializers[rest[0]]
        if kind == "sizes":
            shapes = [shape_of(tensor) for tensor in tensors]
            found = [evaluated(e, shapes, f"A size of layer {self.name!r}") for e in rest[0]]
            return sizes(object_vector(found).reshape(rest[1]), rest[2])
        if kind == "list":
            return [self._value(part, tensors) for part in rest]
        known = self._constants.get(id(source))
        if known is None:
            known = self._constants[id(source)] = numpy_helper.to_array(source[1])
        return known

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON data."""
        config = super().get_config()
        weights = config.pop("weights")
        config |= {
            "node": as_json(self.node),
            "inputs": [_source_json(source) for source in self.sources],
            "opsets": dict(self.opsets),
            "outputs": list(self.kept),
        }
        if self.captured:
            config["captured"] = {name: _source_json(source) for name, source in self.captured.items()}
        if self.functions:
            config["functions"] = [as_json(f) for f in self.functions]
        return {**config, "weights": weights}


@graphkit_class(_HOME)
class OnnxInitializer(_OwnWeights):
    """An initializer that several nodes read: a layer without inputs, whose output is the weight.

    Args:
        weights: name, shape, dtype and trainable of the initializer, in a list of one.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the weight: a symbolic tensor outside of a trace."""
        return super().__call__() if is_tracing() else self._call_symbolic((), {})

    def call(self) -> Any:
        """Return the weight."""
        (variable,) = self.initializers.values()
        return variable.as_tensor()


def flat_outputs(made: Sequence[Any]) -> list[Any]:
    """Return the outputs of a node with sequences spread out."""
    return list(nest.flatten(list(made)))


def as_tensor(value: Any) -> Any:
    """Return a result as a tensor, which `Sizes` are not."""
    return value.as_tensor() if isinstance(value, Sizes) else value


def _source_json(source: Any) -> Any:
    if source is None:
        return None
    if source[0] == "tensor":
        return ["tensor", as_json(source[1])]
    return ["list", *map(_source_json, source[1:])] if source[0] == "list" else list(source)


def _checked_source(source: Any, layer: str) -> Any:
    """Return an entry of `inputs` with constants as messages. Raises SerializationError if it has none of the forms."""
    if source is None:
        return None
    kind, *rest = source if isinstance(source, (list, tuple)) and source else ("",)
    if kind == "input" and len(rest) == 1 and type(rest[0]) is int and rest[0] >= 0:
        return ["input", rest[0]]
    if kind == "weight" and len(rest) == 1 and isinstance(rest[0], str):
        return ["weight", rest[0]]
    if kind == "sizes" and len(rest) == 3 and isinstance(rest[0], list) and rest[2] in ("int32", "int64"):
        expressions = [checked(e, f"A size of layer {layer!r}") for e in rest[0]]
        shape = [int(n) for n in rest[1]]
        if int(np.prod(shape)) == len(expressions):
            return ["sizes", expressions, shape, rest[2]]
    if kind == "tensor" and len(rest) == 1:
        is_message = isinstance(rest[0], onnx.TensorProto)
        return ["tensor", rest[0] if is_message else from_json(onnx.TensorProto, rest[0], f"A constant of layer {layer!r}")]
    if kind == "list":
        return ["list", *(_checked_source(part, layer) for part in rest)]
    raise SerializationError(f"Layer {layer!r}: {source!r:.120} describes no input of an ONNX node.")
