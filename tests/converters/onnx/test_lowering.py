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
from graphkit.converters.onnx.export import _written
from graphkit.converters.onnx.files import check_model
from graphkit.converters.onnx.registry import (
    LOWERINGS,
    Entry,
    Limitation,
    Lowering,
    Target,
    check_operator,
    limitation,
    lowering,
)
from graphkit.core.errors import ExportError, NameConflictError, OpsetError
from graphkit.ir.primitive import PRIMITIVES
from graphkit.ir.simplify import simplify
from graphkit.ir.spec import TensorSpec, spec
from graphkit.ir.tracing import trace
from tests.converters.onnx.comparing import differences, engine_answers, parity, run_onnx
from tests.ops.cases import CASES
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
    with pytest.raises(OpsetError, match="'max' since opset 18, got opset 17") as raised:
        program_to_onnx(program, opset=17)
    assert raised.value.lowest == 18


def test_the_lowest_opset_that_works_is_named_where_several_operators_are_too_new() -> None:
    program = trace(
        lambda x, u: ops.bitwise_or(ops.cast(ops.scatter_update(x, np.array([[0]]), u, reduction="add"), "int32"), 3),
        spec(2, 3),
        spec(1, 3),
    )
    with pytest.raises(OpsetError, match=r"since opset 16, got opset 13.* require opset 18, the lowest") as raised:
        program_to_onnx(program, opset=13)
    assert raised.value.lowest == 18


def test_an_operator_that_an_opset_lacks_is_refused_by_its_schema() -> None:
    check_operator("Shape", ["start"], 15)
    with pytest.raises(OpsetError, match="Shape has start since opset 15, got opset 14"):
        check_operator("Shape", ["start"], 14)
    with pytest.raises(OpsetError, match="ONNX has Swish since opset 24, got opset 23"):
        check_operator("Swish", [], 23)
    with pytest.raises(ExportError, match="ONNX has Wiggle in no opset"):
        check_operator("Wiggle", [], 23)


STANDARD = [
    ("layer_normalization", 17, "LayerNormalization"), ("gelu", 20, "Gelu"), ("mish", 18, "Mish"), ("hard_silu", 14, "HardSwish"),
    ("group_normalization", 21, "GroupNormalization"), ("rms_normalization", 23, "RMSNormalization"),
    ("attention", 23, "Attention"), ("silu", 24, "Swish"), ("cumprod", 26, "CumProd"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "since", "operator"), STANDARD)
def test_operators_of_the_standard_are_written_where_the_opset_has_them(name: str, since: int, operator: str) -> None:
    row = next(m for m in CASES if m.primitive == name and m.params.get("axis", 1) == 1)
    specs = [TensorSpec.of(a) for a in row.arrays("float32")]
    program = trace(lambda *xs: PRIMITIVES[name].bind(*xs, **row.params), *specs)

    def written(opset: int) -> Any:
        document, _ = _written(program, None, None, Target(opset, standard=True), "g")
        return document.whole()

    message = written(since)
    check_model(message)
    assert operator in [n.op_type for n in message.graph.node]
    assert operator not in [n.op_type for n in written(since - 1).graph.node]
    arrays = row.arrays("float32")
    want = engine_answers(program, arrays, [o.name for o in message.graph.output])
    assert differences(run_onnx(message, arrays), want) == []


def test_operators_that_onnxruntime_has_no_kernel_for_are_not_written_by_default() -> None:
    silu = trace(lambda x: PRIMITIVES["silu"].bind(x), spec("b", 3))
    assert [n.op_type for n in program_to_onnx(silu, opset=24).graph.node] == ["Sigmoid", "Mul"]


@pytest.mark.parametrize("opset", [23, 24, 25])
@pytest.mark.parametrize("shape", [(5,), (1, 5), (3, 1), (2, 1, 1, 5), (1, 1, 1, 5), (2, 4, 1, 5), (4, 3, 5)], ids=str)
def test_masks_of_attention_are_broadcast(shape: tuple[int, ...], opset: int) -> None:
    random = np.random.default_rng(0)
    query, key, value = (random.standard_normal((2, n, 4, 8)).astype("float32") for n in (3, 5, 5))
    mask = random.random(shape) < 0.5
    program = trace(
        lambda q, k, v, m: ops.dot_product_attention(q, k, v, mask=m),
        *(TensorSpec.of(a) for a in (query, key, value, mask)),
    )
    assert parity(program, [query, key, value, mask], opset) == []


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
    with pytest.raises(NameConflictError, match="'exp' already has a lowering since opset 13"):
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
