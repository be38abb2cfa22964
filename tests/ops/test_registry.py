"""The registry walk: every primitive has its three parts (record, lowering, row), and every row of the table holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit.converters.onnx.export import NEWEST_OPSET, OLDEST_OPSET
from graphkit.converters.onnx.registry import LOWERINGS
from graphkit.core.errors import OpsetError
from graphkit.ir.primitive import PRIMITIVES
from tests.converters.onnx.comparing import parity
from tests.ops.case import Case, Composed
from tests.ops.cases import CASES, COMPOSED, ROWS, case_id
from tests.ops.walk import (
    CHECKS,
    RANDOM,
    check_gradient,
    composed_in_onnxruntime,
    missing_parts,
    onnx_differences,
    primitives_of,
)

OPSETS = [opset for opset in range(OLDEST_OPSET, NEWEST_OPSET + 1) if opset != 21]  # 21 is that of the walk
LATER = {"scatter_add": 16}  # the first opset of rows that not every opset can express


def registered() -> list[str]:
    """The primitives of graphkit; tests register some of their own.

    `onnx_node` stands for any operator of ONNX: its rows are ONNX's own backend tests, in tests/converters/onnx.
    """
    return [name for name in PRIMITIVES if not name.startswith("test_") and name != "onnx_node"]


def test_every_primitive_has_its_parts() -> None:
    assert [part for name in registered() for part in missing_parts(name, ROWS)] == []


def test_every_row_names_a_primitive() -> None:
    assert sorted({made.primitive for made in CASES} - set(PRIMITIVES)) == []


def test_every_lowering_is_of_a_primitive_that_exists() -> None:
    assert [name for name in LOWERINGS if name not in PRIMITIVES] == []


@pytest.mark.parametrize(
    ("made", "run"),
    [pytest.param(m, c.run, id=f"{case_id(m)}-{c.name}") for c in CHECKS for m in CASES if c.applies(m)],
)
def test_a_row_holds(made: Case, run: Callable[[Case], None]) -> None:
    run(made)


@pytest.mark.parametrize("row", COMPOSED, ids=lambda row: row.name)
def test_onnxruntime_gives_the_engine_s_numbers_for_composed_ops(row: Composed) -> None:
    composed_in_onnxruntime(row)


def test_every_primitive_that_is_lowered_is_compared_with_unknown_sizes() -> None:
    free = {made.primitive for made in CASES if made.free}
    covered = free.union(*(primitives_of(row.program()) for row in COMPOSED), RANDOM)
    wanted = {name for name in registered() if LOWERINGS.get(name) is None or LOWERINGS[name].limitation is None}

    assert sorted(wanted - covered) == []


@pytest.mark.parametrize("opset", OPSETS)
def test_all_rows_of_one_network_hold_at_every_opset(opset: int) -> None:
    primitives = {
        "reduce_max", "reduce_mean", "pad", "gelu", "mish", "rms_normalization", "layer_normalization", "cumprod", "scatter_add", "erfc",
        "group_normalization", "silu", "hard_silu", "attention",
    }  # fmt: skip
    names = {
        "resize bilinear False", "scan", "cond, first", "conv same channels_last", "max_pool channels_last",
        "lstm tanh backwards=False sequences=True",
    }  # fmt: skip
    rows = [row for row in COMPOSED if row.name in names]
    assert {row.name for row in rows} == names
    wrong = {row.name: parity(row.program(), row.inputs(), opset, row.tolerance) for row in rows}
    cases = [m for m in CASES if m.primitive in primitives]
    wrong |= {case_id(m): onnx_differences(m, m.free, opset) for m in cases if LATER.get(m.primitive, 0) <= opset}
    for made in (m for m in cases if LATER.get(m.primitive, 0) > opset):
        with pytest.raises(OpsetError) as raised:
            onnx_differences(made, opset=opset)
        assert raised.value.lowest == LATER[made.primitive]

    assert {name: found for name, found in wrong.items() if found} == {}


def test_a_gradient_that_is_off_by_a_twentieth_of_a_percent_is_found() -> None:
    x = np.linspace(-2, 2, 12)

    def function(y: Any) -> float:
        return float(np.sum(np.tanh(y)))

    exact = 1 - np.tanh(x) ** 2
    check_gradient(function, [exact], [x])
    with pytest.raises(AssertionError, match="differences say"):
        check_gradient(function, [exact * 1.0005], [x])
