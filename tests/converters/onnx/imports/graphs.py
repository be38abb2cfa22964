"""ONNX graphs for the tests of the import, and their outputs by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

OPSET = 20


def weights(**arrays: Any) -> list[onnx.TensorProto]:
    """Return arrays as initializers; "__" in a name stands for "."."""
    return [numpy_helper.from_array(np.asarray(a), name.replace("__", ".")) for name, a in arrays.items()]


def info(name: str, *shape: int | str, dtype: str = "float32", is_scalar: bool = False) -> onnx.ValueInfoProto:
    """Declare an input or output; without sizes and `is_scalar`, its shape is left open."""
    sizes = list(shape) if shape or is_scalar else None
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), sizes)


def graph_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[str],
    initializers: Sequence[onnx.TensorProto] = (),
    opset: int = OPSET,
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Sequence[str] = (),
    output_dtype: str = "float32",
) -> onnx.ModelProto:
    """Return the model of a graph."""
    graph = helper.make_graph(
        list(nodes), "g", list(inputs), [info(o, dtype=output_dtype) for o in outputs], list(initializers)
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=9)


def saved(model: onnx.ModelProto, folder: Path) -> str:
    """Write a model and return its path."""
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


def reference(model: onnx.ModelProto | str, *arrays: Any) -> list[Any]:
    """Return onnxruntime's outputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    data = model if isinstance(model, str) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    made: list[Any] = session.run(None, dict(zip([i.name for i in session.get_inputs()], arrays, strict=True)))
    return made


def real(*shape: int, seed: int = 0) -> Any:
    """Return random numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
