"""Compare a program's ONNX form in onnxruntime with the engine's results, and report all differences at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime

from graphkit.converters.onnx import program_to_onnx
from graphkit.converters.onnx.files import check_model
from graphkit.engine import run
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import specialize

TOLERANCES = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 1e-4, "float64": 1e-5}


def differences(got: Mapping[str, Any], want: Mapping[str, Any], tolerance: float | None = None) -> list[str]:
    """Return the differences of `got`: number, names, then shape, dtype and values of each output; empty if there are none."""
    found = []
    if len(got) != len(want):
        found.append(f"{len(got)} outputs, want {len(want)}")
    if list(got) != list(want):
        found.append(f"names {list(got)}, want {list(want)}")
    for name in want:
        if name in got:
            found += [
                f"{name}: {text}" for text in _of_arrays(np.asarray(got[name]), np.asarray(want[name]), tolerance)
            ]
    return found


def _of_arrays(got: Any, want: Any, tolerance: float | None) -> list[str]:
    found = []
    if got.shape != want.shape:
        found.append(f"shape {got.shape}, want {want.shape}")
    if got.dtype != want.dtype:
        found.append(f"dtype {got.dtype}, want {want.dtype}")
    if got.shape == want.shape and got.dtype.kind != "O":
        limit = TOLERANCES.get(want.dtype.name, 0) if tolerance is None else tolerance
        a, b = (np.asarray(v).astype(np.float64) for v in (got, want))
        far = ~np.isclose(a, b, rtol=limit, atol=limit, equal_nan=True)
        if far.any():
            found.append(f"{int(far.sum())} of {far.size} values differ, by up to {np.nanmax(np.abs(a - b)[far]):.3g}")
    return found


def run_onnx(message: onnx.ModelProto, arrays: Sequence[Any]) -> dict[str, Any]:
    """Return the outputs by name."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(message.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {i.name: a for i, a in zip(session.get_inputs(), arrays, strict=True)}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def engine_answers(program: Program, arrays: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the engine's outputs for these arrays, by name."""
    known = specialize(program, [TensorSpec.of(a) for a in arrays])
    return dict(zip(names, run(known, *arrays), strict=True))


def parity(program: Program, arrays: Sequence[Any], opset: int = 21, tolerance: float | None = None) -> list[str]:
    """Return the differences between onnxruntime and the engine; the message must also pass the checker."""
    message = program_to_onnx(program, opset=opset)
    check_model(message)
    names = [o.name for o in message.graph.output]
    return differences(run_onnx(message, arrays), engine_answers(program, arrays, names), tolerance)
