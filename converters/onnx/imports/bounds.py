"""Bounds on the results that a file asks for: a few bytes of a file can describe terabytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import defs, numpy_helper, shape_inference

from graphkit.core import dtypes
from graphkit.core.errors import SerializationError
from graphkit.ir.spec import TensorSpec
from graphkit.ops._convert import dtype_name

from ..element_types import ELEMENT_TYPES
from ..operators.evaluate import standard_domain

_MAX_CONSTANT = 1 << 30  # bytes of a result that is computed while the graph is read
_MAX_RESULT = 1 << 36  # bytes of a result of known size that a layer computes
_MAX_DATA = 1024  # elements of an input whose values the shape of a result may depend on


def check_constant(node: onnx.NodeProto, inputs: Sequence[Any], opsets: Mapping[str, int]) -> None:
    """Raise SerializationError if a node would compute a large result from constants.

    The sizes are those that onnx infers; a node for which it infers none is not refused.

    Args:
        node: the node.
        inputs: its inputs; nothing is checked unless all are arrays.
        opsets: the version of each domain.
    """
    if not all(value is None or isinstance(value, np.ndarray) for value in inputs):
        return
    given = {name: value for name, value in zip(node.input, inputs, strict=False) if value is not None}
    if any(dtype_name(value) not in ELEMENT_TYPES for value in given.values()):
        return
    for name, kind in _inferred(node, given, opsets).items():
        sizes = [dim.dim_value for dim in kind.tensor_type.shape.dim if dim.HasField("dim_value")]
        if math.prod(sizes) > _MAX_CONSTANT:
            raise SerializationError(
                f"Node {node.name!r} ({node.op_type}): its output {name!r} of shape {tuple(sizes)} would be computed from constants "
                f"alone, and is larger than {_MAX_CONSTANT} bytes."
            )


def _inferred(node: onnx.NodeProto, given: Mapping[str, Any], opsets: Mapping[str, int]) -> dict[str, onnx.TypeProto]:
    domain = standard_domain(node.domain)
    types = {
        name: onnx.helper.make_tensor_type_proto(ELEMENT_TYPES[dtype_name(value)], value.shape)
        for name, value in given.items()
    }
    small = {k: numpy_helper.from_array(v) for k, v in given.items() if v.size <= _MAX_DATA and v.dtype.kind in "biuf"}
    try:
        schema = defs.get_schema(node.op_type, opsets[domain], domain)
        imported = [onnx.helper.make_opsetid(*entry) for entry in opsets.items()]
        return shape_inference.infer_node_outputs(schema, node, types, small, opset_imports=imported)
    except Exception:  # the operator is unknown to onnx or does not fit its inputs, which its function says better
        return {}


def check_result(spec: TensorSpec, node: onnx.NodeProto) -> None:
    """Raise SerializationError for a result of a node that no machine holds. Unknown sizes count as one."""
    sizes = [size for size in spec.shape if isinstance(size, int)]
    width = 8 if spec.dtype == "string" else max(np.dtype(dtypes.to_numpy(spec.dtype)).itemsize, 1)
    if math.prod(sizes) * width > _MAX_RESULT:
        raise SerializationError(
            f"Node {node.name!r} ({node.op_type}): its result of shape {tuple(spec.shape)} and dtype {spec.dtype} is larger than "
            f"{_MAX_RESULT} bytes."
        )
