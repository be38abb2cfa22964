"""Types and sizes of all tensors of a message by `onnx.shape_inference`, without the data of its weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import onnx
from onnx import shape_inference

from .messages import subgraphs

_LARGE = 1 << 10  # bytes: larger tensors are no sizes, axes or repeats


class InferenceError(Exception):
    """onnx.shape_inference refuses a message; the text says why."""


def skeleton(message: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a message in which large and external weights have types and sizes but no data."""
    made = onnx.ModelProto(
        ir_version=message.ir_version, opset_import=message.opset_import, functions=message.functions
    )
    _copy_graph(message.graph, made.graph)
    return made


def _copy_graph(graph: onnx.GraphProto, made: onnx.GraphProto) -> None:
    made.name = graph.name
    for tensor in graph.initializer:
        _copy_tensor(tensor, made.initializer.add())
    for sparse in graph.sparse_initializer:
        made.sparse_initializer.add().CopyFrom(sparse)
    for field in ("input", "output", "value_info"):
        getattr(made, field).extend(getattr(graph, field))
    for node in graph.node:
        if any(a.t.ByteSize() > _LARGE for a in node.attribute if a.HasField("t")):
            _copy_constant(node, made.node.add())
        else:
            made.node.add().CopyFrom(node)
    for node in made.node:
        for inner in subgraphs(node):
            small = onnx.GraphProto()
            _copy_graph(inner, small)
            inner.CopyFrom(small)


def _copy_tensor(tensor: onnx.TensorProto, made: onnx.TensorProto) -> None:
    external = tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data) > 0
    if tensor.ByteSize() <= _LARGE and not external:
        made.CopyFrom(tensor)
        return
    made.name, made.data_type = tensor.name, tensor.data_type
    made.dims.extend(tensor.dims)


def _copy_constant(node: onnx.NodeProto, made: onnx.NodeProto) -> None:
    for field in ("input", "output"):
        getattr(made, field).extend(getattr(node, field))
    made.name, made.op_type, made.domain = node.name, node.op_type, node.domain
    for attribute in node.attribute:
        copy = made.attribute.add()
        if attribute.HasField("t") and attribute.t.ByteSize() > _LARGE:
            copy.name, copy.type = attribute.name, attribute.type
            _copy_tensor(attribute.t, copy.t)
        else:
            copy.CopyFrom(attribute)


def set_sizes(value: onnx.ValueInfoProto, sizes: Iterable[Any]) -> None:
    """Give a tensor these sizes: ints, names, None for unknown ones."""
    shape = value.type.tensor_type.shape
    del shape.dim[:]
    shape.SetInParent()
    for size in sizes:
        dim = shape.dim.add()
        if isinstance(size, int):
            dim.dim_value = size
        elif size:
            dim.dim_param = size


def forget_sizes(graph: onnx.GraphProto) -> None:
    """Remove what a graph says of the types of its tensors, but for its inputs and the types of its outputs."""
    del graph.value_info[:]
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    for node in graph.node:
        for inner in subgraphs(node):
            forget_sizes(inner)


def inferred(message: onnx.ModelProto, strict: bool = False) -> onnx.ModelProto:
    """Return a skeleton with the types and sizes of all its tensors, as far as they follow from those of its inputs.

    Args:
        message: a skeleton.
        strict: whether a contradiction is a failure.

    Raises:
        InferenceError: the message is invalid, or contradicts itself.
    """
    try:
        return shape_inference.infer_shapes(message, strict_mode=strict, data_prop=True)
    except Exception as error:  # InferenceError, and whatever protobuf says of malformed messages
        raise InferenceError(first_fault(str(error))) from error


def first_fault(text: str) -> str:
    """Return the first of the faults that onnx.shape_inference lists: the others follow from it."""
    parts = re.split(r"(?=\(op_type:)", " ".join(text.split()))
    return "".join(parts[:2]).removeprefix("[ShapeInferenceError] Inference error(s): ").strip()
