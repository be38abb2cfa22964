"""An ONNX graph as a functional model: one layer a node.

The nodes are walked in order. What is known while the graph is built (constants, sizes, what is computed from them) is computed at
once and becomes part of the layers that read it; nodes that only pass tensors on become nothing. Every other node becomes an
`OnnxNode`. Calls of the model's own functions are replaced by the nodes of the function, named after the call; so is an If whose
condition is known by its branch.
"""

from __future__ import annotations

import re
import warnings
from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import onnx
from onnx import numpy_helper

from graphkit.core import names, nest
from graphkit.core.dims import Dim
from graphkit.core.errors import SerializationError, UnknownSizeError, UnknownValueError
from graphkit.graph.size_expressions import expression
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Trace, Tracer, tracing
from graphkit.layers.input_layer import Input
from graphkit.models.functional import Functional
from graphkit.saving.formats import ConverterWarning

from ..element_types import NAMES_OF_TYPES
from ..operators import Evaluator
from ..operators.evaluate import dense, opsets_of, standard_domain
from ..operators.sequences import Stacked
from ..operators.sizes import Sizes, parts
from ..operators.table import ML, attribute_value
from .bounds import check_constant, check_result
from .computation import flat_outputs, is_random
from .initializers import NOT_TRAINED, Initializer, Trainable, check_trainable, constant, initializer
from .layers import OnnxInitializer, OnnxNode
from .nodes import (
    MAX_DEPTH,
    captured_names,
    function_key,
    inner_nodes,
    needed_opsets,
    readers_of,
    resolved,
    with_attributes,
)

Values: TypeAlias = "ChainMap[str, Any]"


def model_of(
    message: onnx.ModelProto, trainable: Trainable = None, name: str | None = None, path: Path | None = None
) -> Functional:
    """Return the functional model of an ONNX message.

    Args:
        message: the model.
        trainable: which float initializers training updates; see `initializer`.
        name: the model's name; by default that of the graph.
        path: the file that the message was read from, where it refers to data in files.

    Raises:
        SerializationError: the graph is malformed.
        UnsupportedError: an operator is unknown, or computes something that layers cannot.
    """
    return GraphReader(message, trainable, path).model(name)


class Scope(NamedTuple):
    """The graph or function body that is walked.

    Attributes:
        values: the values by name.
        opsets: the versions of the domains.
        prefix: the names of the calls that led here.
        attributes: the attributes of the function's call.
        depth: how deeply it is nested.
    """

    values: Values
    opsets: Mapping[str, int]
    prefix: str = ""
    attributes: Mapping[str, onnx.AttributeProto] = {}
    depth: int = 0


class NodeCall(NamedTuple):
    """A node with the values that it reads.

    Attributes:
        node: the node, with the attributes of the function's call put in.
        inputs: the values of its inputs.
        captured: those that its subgraphs read of the graph around it, by name.
    """

    node: onnx.NodeProto
    inputs: list[Any]
    captured: Mapping[str, Any] = {}


class GraphReader:
    """Builds the layers of one ONNX model; for its arguments and errors see `model_of`."""

    def __init__(self, message: onnx.ModelProto, trainable: Trainable = None, path: Path | None = None) -> None:
        self.message = message
        self.path = path
        self.trainable = trainable
        self.evaluator = Evaluator(message)
        self.names: Counter[str] = Counter()
        self.taken: set[str] = set()
        self.paths: set[str] = set()
        self.types: dict[str, Any] | None = None
        self.tensors: list[SymbolicTensor] = []  # whose axes have the unknown sizes, in order
        self.sizes_seen: set[Any] = set()
        self.shared: dict[int, SymbolicTensor] = {}  # by id of the initializer that several nodes read
        self.readers = readers_of(message, self.evaluator.functions)

    def model(self, name: str | None = None) -> Functional:
        """Return the model."""
        graph = self.message.graph
        values: Values = ChainMap({})
        self._read_initializers(graph, values)
        inputs = [self._input(info) for info in graph.input if info.name not in values]
        if not inputs:
            raise SerializationError(
                f"Graph {graph.name!r} has no inputs that are not initializers; a model needs one."
            )
        for tensor, info in zip(inputs, [i for i in graph.input if i.name not in values], strict=True):
            if info.name in values:
                raise SerializationError(f"Graph {graph.name!r} has two inputs named {info.name!r}.")
            values[info.name] = tensor
        scope = Scope(values, self.evaluator.opsets)
        self._walk(graph.node, scope)
        outputs = self._outputs(graph, scope)
        return Functional(_unpacked(inputs), _unpacked(outputs), name=_layer_name(name or graph.name) or None)

    # ----- inputs, initializers, outputs -----

    def _read_initializers(self, graph: onnx.GraphProto, values: Values) -> None:
        check_trainable(self.trainable, [t.name for t in graph.initializer])
        for tensor in graph.initializer:
            values[tensor.name] = initializer(tensor, self.trainable, self.path)
        for sparse in graph.sparse_initializer:
            values[sparse.values.name] = constant(dense(sparse), sparse.values.name)

    def _input(self, info: onnx.ValueInfoProto) -> SymbolicTensor:
        if not info.type.HasField("tensor_type"):
            kind = info.type.WhichOneof("value")
            raise SerializationError(
                f"Input {info.name!r} is a {kind or 'value without a type'}; only tensors can be inputs."
            )
        declared = info.type.tensor_type
        if declared.elem_type not in NAMES_OF_TYPES:
            raise SerializationError(
                f"Input {info.name!r} has the element type {declared.elem_type}, which graphkit lacks."
            )
        if not declared.HasField("shape"):
            raise SerializationError(f"Input {info.name!r} declares no shape; use `graphkit set-shape` to give it one.")
        sizes = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in declared.shape.dim]
        tensor: SymbolicTensor = Input(
            batch_shape=tuple(sizes), dtype=NAMES_OF_TYPES[declared.elem_type], name=self._unique(info.name)
        )
        named = [
            Dim.named(d.dim_param) if size is None and d.dim_param else known
            for d, size, known in zip(declared.shape.dim, sizes, tensor.spec.shape, strict=True)
        ]
        tensor.spec = TensorSpec(tuple(named), tensor.spec.dtype)
        self._add_sizes(tensor)
        return tensor

    def _outputs(self, graph: onnx.GraphProto, scope: Scope) -> list[SymbolicTensor]:
        made: list[SymbolicTensor] = []
        for info in graph.output:
            value = _value(scope.values, info.name, f"the outputs of graph {graph.name!r}")
            if isinstance(value, (list, Stacked)) or value is None:
                raise SerializationError(
                    f"Output {info.name!r} is a sequence or optional; only tensors can be outputs of a model."
                )
            history = value.history if isinstance(value, SymbolicTensor) else None
            is_made_here = history is not None and isinstance(history.operation, OnnxNode)
            if not is_made_here or any(value is other for other in made):
                value = self._passed_on(info.name, value, scope)
            made.append(value)
        return made

    def _passed_on(self, name: str, value: Any, scope: Scope) -> SymbolicTensor:
        """Return an output that no node computes: an input, a constant, or another output."""
        node = onnx.helper.make_node("Identity", [name], [name], name=name)
        (tensor,) = self._layer(NodeCall(node, [value]), scope, [0])
        return tensor

    # ----- nodes -----

    def _walk(self, nodes: Iterable[onnx.NodeProto], scope: Scope) -> None:
        if scope.depth > MAX_DEPTH:
            raise SerializationError(
                f"Functions or branches are nested more than {MAX_DEPTH} deep in {scope.prefix!r}."
            )
        for node in nodes:
            where = f"Node {node.name!r} ({node.op_type})"
            inputs = [_value(scope.values, name, where) if name else None for name in node.input]
            made = self._evaluated(node, inputs, scope, where)
            for name, value in zip(node.output, made, strict=False):
                if name:
                    scope.values[name] = value

    def _evaluated(self, node: onnx.NodeProto, inputs: list[Any], scope: Scope, where: str) -> Sequence[Any]:
        function = self.evaluator.functions.get(function_key(node))
        if function is not None:
            return self._called(function, node, inputs, scope)
        if standard_domain(node.domain) not in scope.opsets:
            raise SerializationError(
                f"{where}: the model imports no version of the domain {node.domain or 'ai.onnx'!r}."
            )
        node = with_attributes(node, scope.attributes)
        if (standard_domain(node.domain), node.op_type) == (ML, "ZipMap"):
            return [self._columns(node, inputs)]
        if node.op_type == "If" and inputs and isinstance(inputs[0], np.ndarray):
            return self._branch(node, bool(inputs[0].reshape(-1)[0]), scope)
        captured = {name: scope.values[name] for name in captured_names(node) if name in scope.values}
        return self._computed(NodeCall(node, inputs, captured), scope)

    def _called(
        self, function: onnx.FunctionProto, node: onnx.NodeProto, inputs: list[Any], scope: Scope
    ) -> Sequence[Any]:
        """Walk the body of one of the model's own functions."""
        given = {a.name: resolved(a, scope.attributes) for a in node.attribute}
        attributes = {a.name: a for a in function.attribute_proto} | {k: a for k, a in given.items() if a is not None}
        padded = [*inputs, *[None] * (len(function.input) - len(inputs))]
        values: Values = ChainMap(dict(zip(function.input, padded, strict=False)))
        opsets = {**self.evaluator.opsets, **opsets_of(function.opset_import)}
        prefix = f"{scope.prefix}{_layer_name(node.name or node.op_type)}."
        self._walk(function.node, Scope(values, opsets, prefix, attributes, scope.depth + 1))
        made = [_value(values, name, f"the outputs of function {function.name!r}") for name in function.output]
        for value, name in zip(made, node.output, strict=False):
            _name(value, name)
        return made

    def _columns(self, node: onnx.NodeProto, inputs: list[Any]) -> Any:
        """Return the tensor from which a ZipMap makes maps from class to value, one for each row: models return tensors."""
        classes = next((attribute_value(a) for a in node.attribute if a.name.startswith("classlabels")), ())
        shown = ", ".join(map(str, classes[:10])) + (", ..." if len(classes) > 10 else "")
        warnings.warn(
            f"{node.output[0]!r} is a sequence of maps from class to value (ZipMap). The model has the tensor of the values in its "
            f"place; its columns are the classes {shown}.",
            ConverterWarning,
            stacklevel=2,
        )
        _name(inputs[0], node.output[0])
        return inputs[0]

    def _branch(self, node: onnx.NodeProto, condition: bool, scope: Scope) -> Sequence[Any]:
        """Walk the branch of an If whose condition is known."""
        wanted = "then_branch" if condition else "else_branch"
        graph = next((a.g for a in node.attribute if a.name == wanted and a.HasField("g")), None)
        if graph is None:
            raise SerializationError(f"Node {node.name!r} (If) has no attribute {wanted!r} that is a graph.")
        inner = scope._replace(values=scope.values.new_child(), depth=scope.depth + 1)
        self._read_inner_initializers(graph, inner.values)
        self._walk(graph.node, inner)
        return [
            _value(inner.values, output.name, f"the outputs of a branch of {node.name!r}") for output in graph.output
        ]

    def _read_inner_initializers(self, graph: onnx.GraphProto, values: Values) -> None:
        for tensor in graph.initializer:
            values[tensor.name] = initializer(tensor, self.trainable, self.path)

    def _computed(self, call: NodeCall, scope: Scope) -> Sequence[Any]:
        """Return a node's outputs: known values as they are, tensors that it passes on, and the tensors of a new layer."""
        try:
            return self._traced(call, scope)
        except (UnknownSizeError, UnknownValueError):
            fixed = call._replace(inputs=[_as_constant(v) for v in call.inputs])
            if any(a is not b for a, b in zip(fixed.inputs, call.inputs, strict=True)):
                with suppress(UnknownSizeError, UnknownValueError):
                    return self._traced(fixed, scope)  # such as the scales of a Resize
            declared = self._declared(call, scope)
            if declared is None:
                raise
            tensors = iter(self._layer(call, scope, [i for i, o in enumerate(call.node.output) if o], declared=declared))
            return [next(tensors) if name else None for name in call.node.output]

    def _declared(self, call: NodeCall, scope: Scope) -> list[list[Any]] | None:
        """Return shape and dtype of each output of a node as the file declares or implies them, None if it does not."""
        if scope.depth or any(isinstance(v, (list, Stacked)) for v in call.inputs):
            return None
        if self.types is None:
            try:
                graph = onnx.shape_inference.infer_shapes(self.message).graph
            except Exception:
                graph = self.message.graph
            self.types = {info.name: info.type.tensor_type for info in (*graph.value_info, *graph.output)}
        made = []
        for kind in (self.types.get(name) for name in call.node.output if name):
            if kind is None or not kind.HasField("shape") or kind.elem_type not in NAMES_OF_TYPES:
                return None
            sizes = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim]
            made.append([sizes, NAMES_OF_TYPES[kind.elem_type]])
        return made

    def _traced(self, call: NodeCall, scope: Scope) -> Sequence[Any]:
        trace = Trace(only_shapes=True)
        stand_ins: dict[int, Any] = {}  # id of the value that the trace sees -> the value
        kept: list[Any] = []  # what the trace sees
        node = call.node
        where = scope.prefix + next((o for o in node.output if o), node.name)  # unknown sizes are named after it
        with tracing(trace), names.scope_is(where):
            outer = ChainMap({name: _seen(v, trace, stand_ins, kept) for name, v in call.captured.items()})
            inputs = [_seen(v, trace, stand_ins, kept) for v in call.inputs]
            if not kept:
                check_constant(node, inputs, scope.opsets)
            made = self._evaluator(scope.opsets).call(node, inputs, outer)
        made = made[: len(node.output)]
        leaves = flat_outputs(made)
        results = [stand_ins.get(id(leaf), leaf) for leaf in leaves]
        new = _new_outputs(node, made, leaves, stand_ins)
        if new:
            stacked = [i for i, output in enumerate(made) if isinstance(output, Stacked)]
            for i, tensor in zip(new, self._layer(call, scope, new, stacked), strict=True):
                results[i] = Stacked(tensor) if isinstance(leaves[i], Stacked) else tensor
        results = [
            constant(np.asarray(r), name) if isinstance(r, np.ndarray) else r for r, name in _named(results, node)
        ]
        return list(nest.pack(list(made), results))

    def _evaluator(self, opsets: Mapping[str, int]) -> Evaluator:
        if opsets == self.evaluator.opsets:
            return self.evaluator
        model = onnx.ModelProto(functions=self.message.functions)
        for domain, version in opsets.items():
            model.opset_import.add(domain=domain, version=version)
        return Evaluator(model)

    # ----- layers -----

    def _layer(
        self, call: NodeCall, scope: Scope, outputs: list[int], stacked: Sequence[int] = (), declared: Any = ()
    ) -> list[SymbolicTensor]:
        """Make the layer of a node and call it.

        Args:
            call: the node.
            scope: the graph that it belongs to.
            outputs: the positions of the outputs that the layer returns.
            stacked: the positions of those that are sequences of unknown length.
            declared: shape and dtype of each, if they depend on values.
        """
        node = call.node
        made = _Sources(self, node)
        sources = [made.source(value, place) for place, value in enumerate(call.inputs)]
        outer = {name: made.source(value, -1) for name, value in call.captured.items()}
        kept = onnx.NodeProto()
        kept.CopyFrom(node)
        kept.name = scope.prefix + (node.name or next((o for o in node.output if o), node.op_type))
        layer = OnnxNode(
            kept, sources, needed_opsets(kept, scope.opsets), outer, outputs, self._functions_of(kept),
            [self._weight_config(w, trained) for w, trained in made.weights], stacked, declared,
            name=self._unique(kept.name),
        )  # fmt: skip
        for variable, (weight, _) in zip(layer.initializers, made.weights, strict=True):
            variable.adopt(weight.array)
        tensors = list(nest.flatten(layer(made.tensors) if len(made.tensors) > 1 else layer(*made.tensors)))
        for tensor in tensors:
            check_result(tensor.spec, node)
            self._add_sizes(tensor)
        return tensors

    def shared_tensor(self, weight: Initializer) -> SymbolicTensor:
        """Return the output of the layer that holds an initializer which several nodes read."""
        if id(weight) not in self.shared:
            layer = OnnxInitializer([self._weight_config(weight, weight.trainable)], name=self._unique(weight.name))
            layer.initializers[0].adopt(weight.array)
            self.shared[id(weight)] = layer()
        return self.shared[id(weight)]

    def _weight_config(self, weight: Initializer, trainable: bool) -> dict[str, Any]:
        """Return the description of a weight. Its path is its name in the file, unless another layer has a copy of it."""
        config = weight.config(trainable)
        if weight.name not in self.paths:
            self.paths.add(weight.name)
            config["path"] = weight.name
        return config

    def _add_sizes(self, tensor: SymbolicTensor) -> None:
        sizes = {size for size in tensor.spec.shape if isinstance(size, Dim)}
        if sizes - self.sizes_seen:
            self.sizes_seen |= sizes
            self.tensors.append(tensor)

    def _unique(self, name: str) -> str:
        """Return a layer name for a name of the file, which no other layer has."""
        wanted = _layer_name(name) or "node"
        made = wanted
        while made in self.taken:
            self.names[wanted] += 1
            made = f"{wanted}_{self.names[wanted]}"
        self.taken.add(made)
        return made

    def _functions_of(self, node: onnx.NodeProto) -> list[onnx.FunctionProto]:
        """Return the model's functions that the subgraphs of a node may call: all, if they call any."""
        known = self.evaluator.functions
        called = {function_key(n) for n in inner_nodes(node)}
        return list(known.values()) if called & set(known) else []


class _Sources:
    """Collects the tensors and weights of a layer while its inputs are described."""

    def __init__(self, reader: GraphReader, node: onnx.NodeProto) -> None:
        self.reader = reader
        self.not_trained = NOT_TRAINED.get((standard_domain(node.domain), node.op_type), ())
        self.tensors: list[SymbolicTensor] = []
        self.weights: list[tuple[Initializer, bool]] = []

    def source(self, value: Any, place: int) -> Any:
        """Return the description of an input, as `OnnxNode` expects it."""
        if value is None:
            return None
        if isinstance(value, list):
            return ["list", *(self.source(v, place) for v in value)]
        if isinstance(value, Stacked):
            return ["stacked", self.source(value.tensor, place)]
        if isinstance(value, Initializer):
            is_own = place in self.not_trained or self.reader.readers[value.name] <= 1 or not value.trainable
            if is_own:
                return ["weight", self._weight(value, value.trainable and place not in self.not_trained)]
            value = self.reader.shared_tensor(value)
        if isinstance(value, SymbolicTensor):
            return ["input", self._number(value)]
        if isinstance(value, Sizes):
            return self._sizes(value)
        return ["tensor", numpy_helper.from_array(np.asarray(value))]

    def _sizes(self, value: Sizes) -> Any:
        """Return the description of sizes; quotients have their divisors at the end."""
        pairs = [parts(size) for size in value.values.reshape(-1).tolist()]
        over, under = (
            [expression(n, self.tensors, self.reader.tensors) for n in side] for side in zip(*pairs, strict=True)
        )
        divisors = [under] if any(n != 1 for n in under) else []
        return ["sizes", over, list(value.shape), value.dtype, *divisors]

    def _weight(self, weight: Initializer, trainable: bool) -> int:
        for number, (known, _) in enumerate(self.weights):
            if known is weight:
                return number
        self.weights.append((weight, trainable))
        return len(self.weights) - 1

    def _number(self, tensor: SymbolicTensor) -> int:
        for number, known in enumerate(self.tensors):
            if known is tensor:
                return number
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def _unpacked(tensors: list[SymbolicTensor]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _seen(value: Any, trace: Trace, stand_ins: dict[int, Any], kept: list[Any]) -> Any:
    """Return a value as a trace sees it: tensors and weights as tracers, which are noted. A closure would be a cycle with the weights."""
    if isinstance(value, list):
        return [_seen(v, trace, stand_ins, kept) for v in value]
    if isinstance(value, Stacked):
        return Stacked(_seen(value.tensor, trace, stand_ins, kept))
    if not isinstance(value, (SymbolicTensor, Initializer)):
        return value
    tracer = trace.input(value.spec if isinstance(value, SymbolicTensor) else TensorSpec.of(value.array))
    stand_ins[id(tracer)] = value
    kept.append(tracer)
    return tracer


# ----- names -----


def _name(value: Any, name: str) -> None:
    """Give a tensor that a node computes the name that it has outside of a function, or of a map."""
    history = value.history if isinstance(value, SymbolicTensor) else None
    if history is not None and isinstance(history.operation, OnnxNode) and name:
        history.operation.name_tensor(history.tensor_index, name)


def _layer_name(name: str) -> str:
    """Return a name of the file as a layer's name, in which "/" separates scopes and so cannot occur."""
    return re.sub(r"[/]+", ".", name.strip("/"))


def _value(values: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in values:
        raise SerializationError(f"{where}: there is no value {name!r}; the graph is not sorted, or is incomplete.")
    return values[name]


def _new_outputs(
    node: onnx.NodeProto, made: Sequence[Any], leaves: Sequence[Any], stand_ins: Mapping[int, Any]
) -> list[int]:
    """Return the positions of the outputs that a layer must compute: neither known, nor passed on, nor without a name."""
    if is_random(node):
        new = list(range(len(leaves)))
    else:
        new = [i for i, leaf in enumerate(leaves) if isinstance(leaf, (Tracer, Stacked)) and id(leaf) not in stand_ins]
    return [i for i in new if node.output[i]] if len(leaves) == len(made) else new


def _named(results: Sequence[Any], node: onnx.NodeProto) -> list[tuple[Any, str]]:
    """Return results with the names of the outputs; a sequence's parts are numbered."""
    names = list(node.output) if len(results) == len(node.output) else []
    return [(r, names[i] if names else f"{node.name}_{i}") for i, r in enumerate(results)]


def _as_constant(value: Any) -> Any:
    return value.array if isinstance(value, Initializer) else value
