"""How lowerings are found and stated; that each computes what the engine computes is checked row by row in tests/ops/walk.py."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import onnx
import pytest

from graphkit import ops
from graphkit.converters.onnx import program_to_onnx
from graphkit.converters.onnx.driver import load_lowerings
from graphkit.converters.onnx.registry import LOWERINGS, Entry, Limitation, Lowering, limitation, lowering
from graphkit.core.errors import ExportError, NameConflictError
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.simplify import simplify
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from tests.converters.onnx.comparing import differences, engine_answers, parity, run_onnx
from tests.ops.walk import primitives_of


def all_primitives() -> list[str]:
    """Load all families, and return the registry."""
    for module in pkgutil.iter_modules(ops.__path__):
        importlib.import_module(f"graphkit.ops.{module.name}")
    load_lowerings()
    return [name for name in PRIMITIVES if not name.startswith("test_")]


def test_every_stated_limitation_says_why() -> None:
    all_primitives()
    stated = {n: e.limitation.reason for n, e in LOWERINGS.items() if e.limitation is not None}
    assert all(len(reason.split()) > 4 for reason in stated.values())
    assert not any(LOWERINGS[n].lowerings for n in stated)


def test_a_wrong_lowering_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    all_primitives()
    planted = Entry()
    planted.lowerings.append(Lowering(lambda b, x: b.op("Cos", x), 17, lambda e: True))
    monkeypatch.setitem(LOWERINGS._entries, "sin", planted)
    found = parity(trace(ops.sin, spec("b", 3)), [np.ones((2, 3), np.float32)])
    assert [f.split(" by ")[0] for f in found] == ["output: 6 of 6 values differ,"]


def test_differences_come_all_at_once() -> None:
    want = {"a": np.zeros((2, 3), np.float32), "b": np.zeros(2, np.float32)}
    got = {"a": np.zeros((3, 2), np.float64), "c": np.zeros(1), "d": np.ones(2)}
    assert differences(got, want) == [
        "3 outputs, want 2",
        "names ['a', 'c', 'd'], want ['a', 'b']",
        "a: shape (3, 2), want (2, 3)",
        "a: dtype float64, want float32",
    ]


def test_the_highest_version_that_is_old_enough_is_taken() -> None:
    program = trace(lambda x: ops.max(x, axis=1), spec("b", 3))
    forms = {o: program_to_onnx(program, opset=o).graph.node[0] for o in (17, 18)}
    assert [a.name for a in forms[17].attribute] == ["axes", "keepdims"]
    assert len(forms[18].input) == 2


def test_the_largest_at_a_position_wants_opset_18() -> None:
    program = trace(lambda x, u: ops.scatter_update(x, np.array([[0]]), u, reduction="max"), spec(2, 3), spec(1, 3))
    with pytest.raises(ExportError, match="'max' since opset 18, got opset 17"):
        program_to_onnx(program, opset=17)


def test_gelu_is_one_node_from_opset_20_on() -> None:
    program = trace(lambda x: PRIMITIVES["gelu"].bind(x, approximate=True), spec("b", 3))
    assert [n.op_type for n in program_to_onnx(program, opset=20).graph.node] == ["Gelu"]
    assert "Tanh" in [n.op_type for n in program_to_onnx(program, opset=19).graph.node]


def test_what_cannot_be_said_names_primitive_and_layer() -> None:
    from graphkit.core.names import name_scope
    from graphkit.ops import random

    def function(seed: Any) -> Any:
        with name_scope("noise"):
            return random.gamma((3,), 2.0, seed=seed)

    with pytest.raises(
        ExportError, match="'random_gamma' of layer 'noise' cannot be written as ONNX: sampling it needs a loop"
    ):
        program_to_onnx(trace(function, spec(2, dtype="uint32")))


def test_a_second_lowering_of_one_primitive_is_refused() -> None:
    all_primitives()
    with pytest.raises(NameConflictError, match="'exp' already has a lowering since opset 17"):
        lowering("exp")(lambda b, x: x)


def test_a_second_limitation_is_refused() -> None:
    all_primitives()
    with pytest.raises(NameConflictError, match="'random_gamma' already has a limitation"):
        limitation("another reason", "random_gamma")
    assert isinstance(LOWERINGS["random_gamma"].limitation, Limitation)


def test_composites_that_the_opset_lacks_are_expanded_and_simplified() -> None:
    program = trace(
        lambda x: PRIMITIVES["rms_normalization"].bind(x, np.ones(4, np.float32), axis=1, epsilon=1e-3), spec("b", 4)
    )
    assert "rms_normalization" in primitives_of(simplify(program))
    assert [n.op_type for n in program_to_onnx(program, opset=23).graph.node] == ["RMSNormalization"]
    assert "ReduceMean" in [n.op_type for n in program_to_onnx(program, opset=22).graph.node]


def test_an_op_without_kernel_for_a_dtype_is_computed_in_a_wider_one() -> None:
    message = program_to_onnx(trace(lambda x: ops.tan(x), spec("b", 3, dtype="float64")))
    assert [n.op_type for n in message.graph.node] == ["Cast", "Tan", "Cast"]
    assert message.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE


def test_the_comparison_uses_the_names_of_the_graph() -> None:
    program = trace(lambda x: [ops.exp(x), x], spec("b", 3))
    message = program_to_onnx(program, ["x"], ["y", "z"])
    x = np.ones((2, 3), np.float32)
    assert differences(run_onnx(message, [x]), engine_answers(program, [x], ["y", "z"])) == []
