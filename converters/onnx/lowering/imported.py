"""Nodes of imported graphs: written as they were where the operator is the same at the opset of the export, else expanded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from graphkit.core import dtypes
from graphkit.core.dims import Dim
from graphkit.ir.program import Equation, Value

from ..builder import GraphBuilder, Operand
from ..dims import reshape_target
from ..element_types import element_type
from ..imports.computation import NodeComputation, Source
from ..imports.nodes import inner_nodes, subgraphs
from ..operators.evaluate import standard_domain
from ..operators.sizes import Sizes, parts
from ..operators.table import MICROSOFT, OPERATORS, find
from ..registry import OTHER_DOMAINS, lowering

# Values of attributes that have other names from a version on: (operator, attribute) -> (version, {name before: name after}).
_RENAMED = {("GridSample", "mode"): (20, {"bilinear": "linear", "bicubic": "cubic"})}

_REDUCTIONS = tuple(f"Reduce{kind}" for kind in ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"])
# Attributes that became inputs: operators -> (version, {attribute: input of the later schema}).
_BECAME_INPUTS: dict[str, tuple[int, dict[str, str]]] = {
    **dict.fromkeys(("Squeeze", "Unsqueeze", "ReduceSum"), (13, {"axes": "axes"})),
    **dict.fromkeys(_REDUCTIONS, (18, {"axes": "axes"})),
    "Clip": (11, {"min": "min", "max": "max"}),
    "Pad": (11, {"pads": "pads", "value": "constant_value"}),
    "Slice": (10, {"starts": "starts", "ends": "ends", "axes": "axes"}),
    "TopK": (10, {"k": "K"}),
    "Split": (13, {"split": "split"}),
}  # fmt: skip


def _is_same_operator(equation: Equation, opset: int) -> bool:
    """Return whether the node computes the same at this opset: one function of the table serves both versions."""
    computation: NodeComputation = equation.params["computation"]
    node = computation.node
    if _has_sequences(computation) or (computation.functions and subgraphs(node)):
        return False
    if not _fits(node, computation.opsets, opset, may_move=True) or not _accepts(equation, opset):
        return False
    if node.op_type == "Resize" and not node.domain and _rounds_otherwise(equation):
        return False
    return all(_fits(inner, computation.opsets, opset, may_move=False) for inner in inner_nodes(node))


def _rounds_otherwise(equation: Equation) -> bool:
    """Return whether onnx infers other sizes for a Resize than onnxruntime computes: it rounds size * factor in another precision."""
    computation: NodeComputation = equation.params["computation"]
    scales = computation.sources[min(2, len(computation.sources) - 1)]
    if scales is None or scales[0] != "tensor":
        return False
    factors = computation.constant(scales).reshape(-1).tolist()
    old, new = equation.inputs[0].spec.shape, equation.outputs[0].spec.shape
    return len(factors) == len(old) and any(
        isinstance(n, int) and isinstance(m, int) and int(n * f) != m for n, f, m in zip(old, factors, new, strict=True)
    )


def _accepts(equation: Equation, opset: int) -> bool:
    """Return whether the operator accepts the dtypes of the node's inputs at this opset."""
    computation: NodeComputation = equation.params["computation"]
    node = computation.node
    schema = None if standard_domain(node.domain) else _schema(node, opset)
    if schema is None:
        return True
    count = len(equation.inputs) - computation.weights
    groups = {"input": equation.inputs[:count], "weight": equation.inputs[count:]}
    first: str | None = None
    for place, source in enumerate(computation.sources):
        if source is None or source[0] not in groups:
            continue
        dtype = groups[source[0]][source[1]].spec.dtype
        first = first or dtype
        formal = schema.inputs[min(place, len(schema.inputs) - 1)]
        if f"tensor({onnx.TensorProto.DataType.Name(element_type(dtype)).lower()})" not in formal.types:
            return False
    is_float_mod = node.op_type == "Mod" and first is not None and dtypes.is_float(first)
    return not is_float_mod or opset >= 28 or any(a.name == "fmod" and a.i for a in node.attribute)


def _fits(node: onnx.NodeProto, opsets: Mapping[str, int], opset: int, *, may_move: bool) -> bool:
    """Return whether a node may be written as it is, or with its attributes as inputs if that is allowed."""
    domain = standard_domain(node.domain)
    own = opsets.get(domain, 1)
    if domain == MICROSOFT:  # its operators have no schemas in the onnx package, and one version
        return own == OTHER_DOMAINS[domain] and (domain, node.op_type) in OPERATORS
    later = opset if domain == "" else OTHER_DOMAINS.get(domain)
    if later is None:
        return False
    before, after = _schema(node, own), _schema(node, later)
    if before is None or after is None or after.deprecated:
        return False
    moved = _moved_attributes(node, own, later)
    if moved:
        return may_move and all(a.name in after.attributes or a.name in moved for a in node.attribute)
    if before.since_version != after.since_version:
        if (domain, node.op_type) not in OPERATORS:
            return False
        if find(domain, node.op_type, own) is not find(domain, node.op_type, later):
            return False
    fits = after.min_input <= len(node.input) <= after.max_input and len(node.output) <= after.max_output
    return fits and all(a.name in after.attributes for a in node.attribute)


def _moved_attributes(node: onnx.NodeProto, own: int, opset: int) -> dict[str, str]:
    """Return the attributes of a node that are inputs at the opset of the export, with the names of the inputs."""
    since, names = _BECAME_INPUTS.get(node.op_type, (0, {})) if not node.domain else (0, {})
    return names if own < since <= opset else {}


def _schema(node: onnx.NodeProto, version: int) -> Any:
    try:
        return onnx.defs.get_schema(node.op_type, version, standard_domain(node.domain))
    except onnx.defs.SchemaError:
        return None


def _is_optional_output(node: onnx.NodeProto, version: int, place: int) -> bool:
    """Return whether a node may leave an output out: onnxruntime crashes on Loops without names for carried values."""
    schema = _schema(node, version)
    outputs = [] if schema is None else schema.outputs
    option = outputs[min(place, len(outputs) - 1)].option if outputs else None
    return bool(option == onnx.defs.OpSchema.FormalParameterOption.Optional)


def _has_sequences(computation: NodeComputation) -> bool:
    node = computation.node
    if any(source is not None and source[0] == "list" for source in (*computation.sources, *computation.captured.values())):
        return True
    types = [value.type for graph in subgraphs(node) for value in (*graph.input, *graph.output)]
    return "Sequence" in node.op_type or "Optional" in node.op_type or any(
        t.WhichOneof("value") not in ("tensor_type", None) for t in types
    )


@lowering("onnx_node", at=_is_same_operator)
def _onnx_node(b: GraphBuilder, *operands: Operand, computation: NodeComputation) -> Any:
    node = onnx.NodeProto()
    node.CopyFrom(computation.node)
    for one in (node, *inner_nodes(node)):
        _adapt(one, computation.opsets, b.opset)
    count = len(operands) - computation.weights
    tensors, weights = operands[:count], operands[count:]
    for place, source in enumerate(computation.sources):
        node.input[place] = _input(b, computation, source, tensors, weights, node, place)
    _move_attributes(b, node, computation.opsets, tensors[0] if tensors else None)
    outer = {
        name: _input(b, computation, source, tensors, weights, node, -1) for name, source in computation.captured.items()
    }
    for graph in subgraphs(node):
        _rename_inner(b, graph, outer)
    assert b.equation is not None
    kept = dict(zip(computation.kept, b.equation.outputs, strict=True))
    names: dict[int, str] = {}
    for place, name in enumerate(node.output):
        value = kept.get(place)
        is_left_out = value is None and (not name or _is_optional_output(node, b.opset, place))
        names[place] = node.output[place] = "" if is_left_out else b.root.names.unique(name)
        if value is not None:
            b.root.dtypes[names[place]] = value.spec.dtype
            _add_sizes(b, names[place], value)
    while node.output and not node.output[-1]:
        del node.output[-1]
    node.name = b.root.names.unique(node.name)
    b.nodes.append(node)
    made = [names[place] for place in computation.kept]
    return made[0] if len(made) == 1 else tuple(made)


def _add_sizes(b: GraphBuilder, name: str, value: Value) -> None:
    """Note where sizes that depend on values can be read."""
    for axis, size in enumerate(value.spec.shape):
        if isinstance(size, Dim) and size.is_name() and b.parent is None:
            b.root.dim_sources.setdefault(str(size), (name, axis))


def _input(
    b: GraphBuilder,
    computation: NodeComputation,
    source: Source,
    tensors: Sequence[Operand],
    weights: Sequence[Operand],
    node: onnx.NodeProto,
    place: int,
) -> str:
    """Return the name of an input of the node."""
    if source is None:
        return ""
    if source[0] in ("input", "weight"):
        return b.name_of((tensors if source[0] == "input" else weights)[source[1]])
    if source[0] == "tensor":
        return b.constant(computation.constant(source))
    sizes = computation.sizes_of(source, tensors)
    if not isinstance(sizes, Sizes):
        return b.constant(sizes)
    if node.op_type == "Reshape" and place == 1 and computation.sources[0][0] == "input":
        return _reshape_target(b, node, tensors[computation.sources[0][1]])
    over, under = zip(*(parts(size) for size in sizes.values.reshape(-1).tolist()), strict=True)
    vector, *divisor = (
        shape if sizes.dtype == "int64" else b.cast(shape, sizes.dtype)
        for shape in (b.shape(part) for part in ([over, under] if any(n != 1 for n in under) else [over]))
    )
    if divisor:
        vector = b.op("Div", vector, *divisor)
    if len(sizes.shape) == 1:
        return vector
    made: str = b.squeeze(vector, 0) if not sizes.shape else b.op("Reshape", vector, b.ints(sizes.shape))
    return made


def _rename_inner(b: GraphBuilder, graph: onnx.GraphProto, outer: Mapping[str, str]) -> None:
    """Rename what a subgraph reads of the graph around it, and give what it defines names that no other value has."""
    names = dict(outer)
    defined = [*graph.input, *graph.initializer, *graph.value_info]
    for name in dict.fromkeys([*(v.name for v in (*graph.input, *graph.initializer)), *(o for n in graph.node for o in n.output if o)]):
        names[name] = b.root.names.unique(name)
    for value in (*defined, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for field in (node.input, node.output):
            for place, name in enumerate(field):
                field[place] = names.get(name, name)
        for inner in subgraphs(node):
            _rename_inner(b, inner, names)


def _move_attributes(b: GraphBuilder, node: onnx.NodeProto, opsets: Mapping[str, int], x: Operand | None) -> None:
    """Write attributes that became inputs as constants."""
    own = opsets.get("", 1)
    moved = _moved_attributes(node, own, b.opset)
    if not moved:
        return
    places = {formal.name: place for place, formal in enumerate(_schema(node, b.opset).inputs)}
    defaults = _schema(node, own).attributes
    given = {a.name: a for a in node.attribute}
    for name, formal in moved.items():
        attribute = given.get(name) or (defaults[name].default_value if name in defaults else None)
        if attribute is None or not attribute.type:
            continue
        value = onnx.helper.get_attribute_value(attribute)
        dtype = (
            "int64"
            if attribute.type in (onnx.AttributeProto.INT, onnx.AttributeProto.INTS)
            else x.dtype
            if x
            else "float32"
        )
        array = np.asarray([value] if formal == "K" else value)
        place = places[formal]
        node.input.extend([""] * (place + 1 - len(node.input)))
        node.input[place] = b.constant(array, dtype)
    kept = [a for a in node.attribute if a.name not in moved]
    del node.attribute[:]
    node.attribute.extend(kept)


def _reshape_target(b: GraphBuilder, node: onnx.NodeProto, x: Operand) -> str:
    target, allow_zero = reshape_target(b, x.shape, b.result.shape)
    kept = [a for a in node.attribute if a.name != "allowzero"]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("allowzero", 1)] if allow_zero else kept)
    return target


def _adapt(node: onnx.NodeProto, opsets: Mapping[str, int], opset: int) -> None:
    """Write what the operator's versions express differently: defaults that changed, renamed values, the number of parts."""
    if standard_domain(node.domain):
        return
    own = opsets.get("", 1)
    before, after = _schema(node, own), _schema(node, opset)
    given = {a.name for a in node.attribute}
    for name, attribute in before.attributes.items():
        default = attribute.default_value
        if (
            name not in given
            and default.type
            and name in after.attributes
            and after.attributes[name].default_value != default
        ):
            node.attribute.add().CopyFrom(default)
            node.attribute[-1].name = name
    for attribute in node.attribute:
        since, names = _RENAMED.get((node.op_type, attribute.name), (0, {}))
        if since and own < since <= opset:
            attribute.s = names.get(attribute.s.decode(), attribute.s.decode()).encode()
        elif since and opset < since <= own:
            attribute.s = {v: k for k, v in names.items()}.get(attribute.s.decode(), attribute.s.decode()).encode()
    if node.op_type == "Split" and own < 18 <= opset and len(node.input) < 2:
        node.attribute.add().CopyFrom(onnx.helper.make_attribute("num_outputs", len(node.output)))
