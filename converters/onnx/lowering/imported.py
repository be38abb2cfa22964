"""Nodes of imported graphs: written as they were where the operator is the same at the opset of the export, else expanded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from graphkit.ir.program import Equation

from ..builder import GraphBuilder, Operand
from ..dims import reshape_target
from ..imports.computation import NodeComputation, Source
from ..operators.evaluate import standard_domain
from ..operators.sizes import Sizes
from ..operators.table import OPERATORS, find
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
    node, domain = computation.node, standard_domain(computation.node.domain)
    if _has_graphs_or_sequences(computation) or (domain and domain not in OTHER_DOMAINS):
        return False
    own = computation.opsets[domain]
    opset = OTHER_DOMAINS.get(domain, opset)
    before, after = _schema(node, own), _schema(node, opset)
    if domain and (before is None or after is None):
        return own == opset  # onnxruntime's own operators have no schema in the onnx package
    if before is None or after is None:
        return False
    moved = _moved_attributes(node, own, opset)
    if moved:
        return all(a.name in after.attributes or a.name in moved for a in node.attribute)
    if (domain, node.op_type) in OPERATORS:
        if find(domain, node.op_type, own) is not find(domain, node.op_type, opset):
            return False
    elif before.since_version != after.since_version:
        return False
    fits = after.min_input <= len(node.input) <= after.max_input and len(node.output) <= after.max_output
    return fits and all(a.name in after.attributes for a in node.attribute)


def _moved_attributes(node: onnx.NodeProto, own: int, opset: int) -> dict[str, str]:
    """Return the attributes of a node that are inputs at the opset of the export, with the names of the inputs."""
    if standard_domain(node.domain):
        return {}
    since, names = _BECAME_INPUTS.get(node.op_type, (0, {}))
    return names if own < since <= opset else {}


def _schema(node: onnx.NodeProto, opset: int) -> Any:
    try:
        return onnx.defs.get_schema(node.op_type, opset, standard_domain(node.domain))
    except onnx.defs.SchemaError:
        return None


def _has_graphs_or_sequences(computation: NodeComputation) -> bool:
    node = computation.node
    graphs = any(a.HasField("g") or a.graphs for a in node.attribute)
    lists = any(source is not None and source[0] in ("list", "stacked") for source in computation.sources)
    return graphs or lists or "Sequence" in node.op_type or "Optional" in node.op_type


@lowering("onnx_node", at=_is_same_operator)
def _onnx_node(b: GraphBuilder, *operands: Operand, computation: NodeComputation) -> Any:
    node = onnx.NodeProto()
    node.CopyFrom(computation.node)
    own = computation.opsets[standard_domain(node.domain)]
    if not standard_domain(node.domain):
        _adapt(node, own, b.opset)
    count = len(operands) - computation.weights
    tensors, weights = operands[:count], operands[count:]
    for place, source in enumerate(computation.sources):
        node.input[place] = _input(b, computation, source, tensors, weights, node, place)
    _move_attributes(b, node, own, tensors[0] if tensors else None)
    assert b.equation is not None
    kept = dict(zip(computation.kept, b.equation.outputs, strict=True))
    names: dict[int, str] = {}
    for place, name in enumerate(node.output):
        value = kept.get(place)
        names[place] = node.output[place] = b.root.names.unique(name) if value is not None else ""
        if value is not None:
            b.root.dtypes[names[place]] = value.spec.dtype
    while node.output and not node.output[-1]:
        del node.output[-1]
    node.name = b.root.names.unique(node.name)
    b.nodes.append(node)
    made = [names[place] for place in computation.kept]
    return made[0] if len(made) == 1 else tuple(made)


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
    vector = b.shape(sizes.values.reshape(-1).tolist())
    if sizes.dtype != "int64":
        vector = b.cast(vector, sizes.dtype)
    if len(sizes.shape) == 1:
        return vector
    made: str = b.squeeze(vector, 0) if not sizes.shape else b.op("Reshape", vector, b.ints(sizes.shape))
    return made


def _move_attributes(b: GraphBuilder, node: onnx.NodeProto, own: int, x: Operand | None) -> None:
    """Write attributes that became inputs as constants."""
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


def _adapt(node: onnx.NodeProto, own: int, opset: int) -> None:
    """Write what the operator's versions express differently: defaults that changed, renamed values, the number of parts."""
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
