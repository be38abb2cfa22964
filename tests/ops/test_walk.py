"""An op is three parts, record, lowering and row; a part that is missing or wrong is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.converters.onnx.registry import lowering
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from tests.ops.case import case, real
from tests.ops.walk import CHECKS, missing_parts, walk
from tests.registries import isolate

ROW = case("cube", real(3, 4))


@pytest.fixture(autouse=True)
def _registries_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate(monkeypatch)


def record(factor: float = 3.0) -> None:
    primitive(
        "cube",
        lambda x: TensorSpec(x.shape, x.dtype),
        kernel=lambda out, x: np.power(x, 3, out=out),
        vjp=lambda g, out, x: [g * factor * ops.square(x)],
    )


def lower(exponent: float = 3.0) -> None:
    lowering("cube")(lambda b, x: b.op("Pow", x, b.like(x, exponent)))


def test_three_parts_are_enough() -> None:
    record()
    lower()

    assert missing_parts("cube", [ROW]) == []
    names = walk(ROW)
    assert {"the_gradient_is_that_of_central_differences", "onnxruntime_gives_the_engine_s_gradient"} <= set(names)
    assert len(CHECKS) - len(names) == 3  # it is no composite, writes over no input, and has no stated limitation


def test_a_missing_part_is_named() -> None:
    record()

    assert missing_parts("cube", [ROW]) == [
        "cube has no lowering in converters/onnx/lowering, no decomposition, and no stated limitation"
    ]
    lower()
    assert missing_parts("cube", []) == ["cube has no row in tests/ops/cases_*.py"]


@pytest.mark.parametrize(
    ("wrong", "message"), [({"factor": 3.01}, "differences say"), ({"exponent": 3.01}, "values differ")]
)
def test_a_wrong_part_is_found(wrong: dict[str, Any], message: str) -> None:
    record(**{k: v for k, v in wrong.items() if k == "factor"})
    lower(**{k: v for k, v in wrong.items() if k == "exponent"})

    with pytest.raises(AssertionError, match=message):
        walk(ROW)
