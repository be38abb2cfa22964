"""The cases of the ops' registry test in onnxruntime: the engine's values, with known and with unknown sizes."""

from __future__ import annotations

from typing import Any

import pytest

from graphkit.converters.onnx import program_to_onnx
from graphkit.converters.onnx.driver import load_lowerings
from graphkit.converters.onnx.registry import LOWERINGS
from graphkit.core.dims import Dim
from graphkit.core.errors import ExportError
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.program import Program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace
from tests.converters.onnx.comparing import parity
from tests.ops.case import Case
from tests.ops.cases import CASES, case_id

load_lowerings()
LIMITED = [n for n, entry in LOWERINGS.items() if entry.limitation is not None]
RANDOM = (
    "random_uniform",
    "random_normal",
    "random_truncated_normal",
    "dropout_mask",
)  # other values by design: test_random.py
COMPARED = [c for c in CASES if c.primitive not in (*LIMITED, *RANDOM)]


def program_of(made: Case, specs: list[TensorSpec]) -> Program:
    return trace(lambda *xs: PRIMITIVES[made.primitive].bind(*xs, **made.params), *specs)


def unknown(spec: TensorSpec) -> TensorSpec:
    """Replace every size except 1 by a name; equal sizes share a name."""
    return TensorSpec(tuple(s if s == 1 else Dim.named(f"n{s}") for s in spec.shape), spec.dtype)


def tolerance(made: Case) -> float:
    return 1e-3 if made.primitive.startswith(("conv", "lstm", "gru", "simple_rnn")) else 2e-4


@pytest.mark.parametrize("made", COMPARED, ids=case_id)
def test_known_sizes(made: Case) -> None:
    arrays = made.arrays("float32")
    assert parity(program_of(made, [TensorSpec.of(a) for a in arrays]), arrays, tolerance=tolerance(made)) == []


@pytest.mark.parametrize("made", [c for c in COMPARED if c.free], ids=case_id)
def test_unknown_sizes(made: Case) -> None:
    arrays = made.arrays("float32")
    assert (
        parity(program_of(made, [unknown(TensorSpec.of(a)) for a in arrays]), arrays, tolerance=tolerance(made)) == []
    )


@pytest.mark.parametrize("made", [c for c in CASES if c.primitive in LIMITED], ids=case_id)
def test_stated_limitations_are_raised(made: Case) -> None:
    program: Any = program_of(made, [TensorSpec.of(a) for a in made.arrays("float32")])
    with pytest.raises(ExportError, match=f"{made.primitive!r} cannot be written as ONNX: "):
        program_to_onnx(program)
