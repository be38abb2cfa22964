"""Evaluation of an ONNX graph: its nodes in order, each by its function of the table.

The values may be arrays, which gives the outputs, or tracers, which gives a program. Operators on arrays compute immediately, so
in a trace everything that depends on constants and known shapes alone is folded.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import onnx
from onnx import numpy_helper

from graphkit.core.errors import GraphKitError, SerializationError
from graphkit.ops._convert import dtype_name

from ..element_types import element_type
from . import sizes
from .known import shape_of
from .signatures import check_node
from .sizes import Sizes
from .table import OPERATORS, NodeCall, attribute_defaults, attribute_value, find

Values: TypeAlias = "ChainMap[str, Any]"
_MAX_DEPTH = 64  # nested functions and subgraphs
_MISFITS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, MemoryError, RecursionError)
_DOMAINS = {"ai.onnx": ""}


def standard_domain(domain: str) -> str:
    """Return a domain as keys of tables have it: "" for ai.onnx."""
    return _DOMAINS.get(domain, domain)


def opsets_of(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Return the version of each domain that a model or function imports."""
    return {standard_domain(o.domain): o.version for o in imports}


class Body:
    """A subgraph in an attribute; it may read the values of the graph around it.

    Attributes:
        graph: the subgraph.
        inputs: the names of its inputs.
        outer: the values of the graph around it, by name.
    """

    def __init__(self, evaluator: Evaluator, graph: onnx.GraphProto, values: Values, depth: int) -> None:
        self.graph = graph
        self.inputs = [i.name for i in graph.input]
        self._evaluator = evaluator
        self.outer = values
        self._depth = depth

    def __call__(self, *inputs: Any) -> list[Any]:
        """Return the outputs for these inputs."""
        values = self.outer.new_child(dict(zip(self.inputs, inputs, strict=True)))
        return self._evaluator.run(self.graph, values, self._depth)


class Evaluator:
    """Evaluates the graphs and nodes of one model.

    Args:
        model: the message.

    Raises:
        SerializationError: the graph is malformed.
        UnsupportedError: an operator is not in the table.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.opsets = opsets_of(model.opset_import)
        self.functions = {(standard_domain(f.domain), f.name, getattr(f, "overload", "")): f for f in model.functions}

    def __call__(self, inputs: Mapping[str, Any]) -> list[Any]:
        """Return the outputs of the model's graph for inputs by name; those of initializers may be left out."""
        return self.run(self.model.graph, ChainMap(dict(inputs)), 0)

    def run(self, graph: onnx.GraphProto, values: Values, depth: int) -> list[Any]:
        """Evaluate a graph, with its inputs in `values`, and return its outputs."""
        if depth > _MAX_DEPTH:
            raise SerializationError(
                f"Graph {graph.name!r}: functions or subgraphs are nested more than {_MAX_DEPTH} deep."
            )
        for tensor in graph.initializer:
            if tensor.name not in values.maps[0]:
                values[tensor.name] = numpy_helper.to_array(tensor)
        for sparse in graph.sparse_initializer:
            values[sparse.values.name] = dense(sparse)
        self._run_nodes(graph.node, values, depth, self.opsets, {})
        return [self._value(values, output.name, f"the outputs of graph {graph.name!r}") for output in graph.output]

    def _run_nodes(
        self,
        nodes: Sequence[onnx.NodeProto],
        values: Values,
        depth: int,
        opsets: Mapping[str, int],
        given: Mapping[str, Any],
    ) -> None:
        for node in nodes:
            where = f"Node {node.name!r} ({node.op_type})"
            inputs = [None if name == "" else self._value(values, name, where) for name in node.input]
            made = self.call(node, inputs, values, depth, opsets, given)
            for name, value in zip(node.output, made, strict=False):
                if name:
                    values[name] = value

    def call(
        self,
        node: onnx.NodeProto,
        inputs: Sequence[Any],
        values: Values,
        depth: int = 0,
        opsets: Mapping[str, int] | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        """Return the outputs of a node.

        Args:
            node: the node.
            inputs: its inputs, None for those that are left out.
            values: the values by name that subgraphs of the node may read.
            depth: how deeply the node's graph is nested.
            opsets: the versions of the domains in the function that the node belongs to; by default those of the model.
            given: the attributes of that function's call.

        Raises:
            GraphKitError: the operator cannot compute this; the message names the node.
        """
        try:
            made = self._call(node, inputs, values, depth, self.opsets if opsets is None else opsets, given or {})
        except GraphKitError as error:
            if not getattr(error, "names_node", False):
                error.args = (f"Node {node.name!r} ({node.op_type}): {error}", *error.args[1:])
                error.names_node = True  # type: ignore[attr-defined]
            raise
        except _MISFITS as error:
            raise SerializationError(
                f"Node {node.name!r} ({node.op_type}): the inputs or attributes do not fit the operator: "
                f"{type(error).__name__}: {error}"
            ) from error
        return list(made) if isinstance(made, tuple) else [made]

    def _call(
        self,
        node: onnx.NodeProto,
        inputs: Sequence[Any],
        values: Values,
        depth: int,
        opsets: Mapping[str, int],
        given: Mapping[str, Any],
    ) -> Any:
        domain = standard_domain(node.domain)
        attributes = {a.name: self._attribute(a, values, depth, given) for a in node.attribute}
        function = self.functions.get((domain, node.op_type, getattr(node, "overload", "")))
        if function is not None:
            return tuple(self._call_function(function, inputs, attributes, depth))
        if domain not in opsets:
            raise SerializationError(f"the model imports no version of the domain {domain or 'ai.onnx'!r}.")
        opset = opsets[domain]
        check_node(node, domain, inputs, opset)
        if (domain, node.op_type) not in OPERATORS:
            expanded = schema_function(node, inputs, opset)
            if expanded is not None:
                return tuple(self._call_function(expanded, inputs, attributes, depth))
        version = find(domain, node.op_type, opset)
        arguments = {
            **attribute_defaults(domain, node.op_type, opset),
            **{k: v for k, v in attributes.items() if v is not None},
        }
        function_of_node = version.function
        if version.takes_node:
            used = tuple(bool(name) for name in node.output)
            function_of_node = partial(function_of_node, NodeCall(node.name, len(node.output), used, opset, self))
        if domain == "" and any(isinstance(value, Sizes) for value in inputs):
            made = sizes.computed(node.op_type, function_of_node, inputs, arguments)
            if made is not None:
                return made
        return function_of_node(*sizes.as_expected(node.op_type, inputs), **arguments)

    def _attribute(self, attribute: onnx.AttributeProto, values: Values, depth: int, given: Mapping[str, Any]) -> Any:
        if attribute.ref_attr_name:
            return given.get(attribute.ref_attr_name)
        value = attribute_value(attribute)
        if isinstance(value, onnx.GraphProto):
            return Body(self, value, values, depth + 1)
        return value

    def _call_function(
        self, function: onnx.FunctionProto, inputs: Sequence[Any], attributes: Mapping[str, Any], depth: int
    ) -> list[Any]:
        if depth > _MAX_DEPTH:
            raise SerializationError(f"Function {function.name!r}: functions are nested more than {_MAX_DEPTH} deep.")
        if len(inputs) > len(function.input):
            raise SerializationError(
                f"function {function.name!r} takes {len(function.input)} inputs, got {len(inputs)}."
            )
        padded = [*inputs, *[None] * (len(function.input) - len(inputs))]
        values: Values = ChainMap(dict(zip(function.input, padded, strict=True)))
        given = {a.name: attribute_value(a) for a in function.attribute_proto}
        given.update({k: v for k, v in attributes.items() if v is not None})
        opsets = opsets_of(function.opset_import) or self.opsets
        self._run_nodes(function.node, values, depth + 1, {**self.opsets, **opsets}, given)
        return [values.get(name) for name in function.output]

    def _value(self, values: Values, name: str, where: str) -> Any:
        if name not in values:
            raise SerializationError(f"{where}: there is no value {name!r}; the graph is not sorted, or is incomplete.")
        return values[name]


def schema_function(node: onnx.NodeProto, inputs: Sequence[Any], opset: int) -> onnx.FunctionProto | None:
    """Return the body that the standard gives for an operator in terms of others, or None.

    Args:
        node: the node.
        inputs: its inputs, on whose types the body may depend.
        opset: the version of its domain.
    """
    schema: Any  # the stubs of onnx lack the function bodies
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    except onnx.defs.SchemaError:
        return None
    if schema.has_function:
        body: onnx.FunctionProto = schema.function_body
        return body
    if not schema.has_context_dependent_function:
        return None
    types = [b"" if value is None else type_of(value).SerializeToString() for value in inputs]
    versions = [v for v in schema.context_dependent_function_opset_versions if v <= opset] or [opset]
    text = schema.get_context_dependent_function_with_opset_version(max(versions), node.SerializeToString(), types)
    made = onnx.FunctionProto()
    made.ParseFromString(text)
    return made


def type_of(value: Any) -> onnx.TypeProto:
    """Return the type of a tensor, with its sizes where they are known."""
    sizes = [size if isinstance(size, int) else None for size in shape_of(value)]
    return onnx.helper.make_tensor_type_proto(element_type(dtype_name(value)), sizes)


def dense(sparse: onnx.SparseTensorProto) -> Any:
    """Return a sparse initializer as an array.

    Raises:
        SerializationError: the indices do not fit the shape.
    """
    import numpy as np

    values = numpy_helper.to_array(sparse.values)
    indices = numpy_helper.to_array(sparse.indices)
    shape = tuple(sparse.dims)
    if int(np.prod(shape)) > 1 << 28:
        raise SerializationError(f"The sparse initializer {sparse.values.name!r} of shape {shape} is too large.")
    made = np.zeros(shape, values.dtype)
    try:
        if indices.ndim == 1:
            made.reshape(-1)[indices] = values
        else:
            made[tuple(indices.T)] = values
    except (IndexError, ValueError) as error:
        raise SerializationError(
            f"The indices of the sparse initializer {sparse.values.name!r} do not fit: {error}"
        ) from None
    return made
