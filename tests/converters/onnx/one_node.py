"""Models of one node: the table's function, on arrays and traced, beside onnxruntime."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from graphkit.converters.onnx.element_types import NAMES_OF_TYPES, element_type
from graphkit.converters.onnx.operators import Evaluator
from graphkit.core import dtypes
from graphkit.engine import run
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace_structured

MAPS = "maps"
LATEST = {"": 21, "ai.onnx.ml": 3, "com.microsoft": 1}


def model_of(
    operator: str,
    inputs: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    domain: str = "",
    outputs: int | Sequence[bool] = 1,
    opset: int | None = None,
) -> onnx.ModelProto:
    """Return a model of one node; inputs of None are left out, and outputs are named where they are used."""
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
    while names and names[-1] == "":
        names.pop()
    used = [True] * outputs if isinstance(outputs, int) else list(outputs)
    results = [f"y{i}" if is_used else "" for i, is_used in enumerate(used)]
    node = helper.make_node(operator, names, results, "node", domain=domain)
    node.attribute.extend(helper.make_attribute(k, v) for k, v in (attributes or {}).items() if v is not None)
    infos = [
        helper.make_tensor_value_info(f"x{i}", element_type(dtypes.of_array(x)), x.shape)
        for i, x in enumerate(inputs)
        if x is not None
    ]
    graph = helper.make_graph([node], "graph", infos, [onnx.ValueInfoProto(name=r) for r in results if r])
    versions = {"": LATEST[""], domain: LATEST.get(domain, 1)} | ({domain: opset} if opset else {})
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid(d, v) for d, v in versions.items()], ir_version=10
    )


def by_onnxruntime(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> list[Any]:
    """Return the outputs that onnxruntime computes, without its optimizations."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1  # an LSTM quantizes the states of samples apart where threads share them
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    made: list[Any] = session.run(None, dict(feeds))
    return made


def by_trace(evaluate: Evaluator, feeds: Mapping[str, Any], constants: Sequence[str] = ()) -> list[Any]:
    """Return the outputs of the traced program, in which the inputs named by `constants` are known."""
    known = {k: v for k, v in feeds.items() if k in constants}
    free = {k: v for k, v in feeds.items() if k not in constants}
    program, structure = trace_structured(
        lambda *xs: evaluate({**known, **dict(zip(free, xs, strict=True))}),
        *(spec(*v.shape, dtype=dtypes.of_array(v)) for v in free.values()),
    )
    made = run(program, *free.values())
    return [made[i] for i in structure]


def differs(got: Any, want: Any, rtol: float, atol: float) -> str | None:
    """Return how a result differs, or None."""
    if isinstance(want, list):
        return None if list(got) == want or all(_close_maps(g, w) for g, w in zip(got, want, strict=True)) else f"{got}"
    got, want = np.asarray(got), np.asarray(want)
    if got.shape != want.shape:
        return f"shape {got.shape}, want {want.shape}"
    if want.dtype.kind in "OSU":
        return None if got.tolist() == want.tolist() else f"{got}, want {want}"
    if got.dtype != want.dtype:
        return f"dtype {got.dtype}, want {want.dtype}"
    wide = np.complex128 if got.dtype.kind == "c" else np.float64
    a, b = got.astype(wide), want.astype(wide)
    if np.allclose(a, b, rtol, atol, equal_nan=True):
        return None
    return f"differs by {np.nanmax(np.abs(a - b)):.3g}: {got.reshape(-1)[:6]}, want {want.reshape(-1)[:6]}"


def _close_maps(got: Any, want: Any) -> bool:
    return list(got) == list(want) and np.allclose(list(got.values()), list(want.values()), rtol=1e-5)


def parts(
    operator: str,
    inputs: Sequence[Any],
    attributes: Mapping[str, Any] | None = None,
    domain: str = "",
    outputs: int | Sequence[bool] = 1,
    opset: int | None = None,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    constants: Sequence[int] = (),
    traced: bool = True,
) -> list[str]:
    """Return where the table's function and onnxruntime differ on one node; empty if they agree.

    Args:
        operator: the operator.
        inputs: arrays, None for one that is left out.
        attributes: the attributes.
        domain: the operator's domain.
        outputs: the number of outputs, or whether each is used.
        opset: the version of the domain; `LATEST` by default.
        rtol: the relative tolerance.
        atol: the absolute tolerance.
        constants: the inputs (by position) that are known while the node is traced.
        traced: whether to compare a traced program as well.
    """
    model = model_of(operator, inputs, attributes, domain, outputs, opset)
    feeds = {f"x{i}": x for i, x in enumerate(inputs) if x is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = by_onnxruntime(model, feeds)
        evaluate = Evaluator(model)
        ways = {"arrays": evaluate(feeds)}
        if traced:
            ways["traced"] = by_trace(evaluate, feeds, [f"x{i}" for i in constants])
    found = []
    for way, got in ways.items():
        if len(got) != len(want):
            found.append(f"{way}: {len(got)} outputs, want {len(want)}")
        for i, (g, w) in enumerate(zip(got, want, strict=False)):
            text = differs(g, w, rtol, atol)
            if text:
                found.append(f"{way} {i}: {text}")
    return found


__all__ = ["NAMES_OF_TYPES", "by_onnxruntime", "by_trace", "differs", "model_of", "parts"]
