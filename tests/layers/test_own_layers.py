"""The layers that Keras does not have: each has a row in `own_layers.py`, and every row holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit.core.serialization import classes_of
from tests.layers.own_layers import CASES, CHECKS, LayerCase, computes_what_is_expected, own
from tests.ops.case import real


def test_every_layer_that_keras_does_not_have_has_a_row() -> None:
    missing = set(classes_of("graphkit.layers")) - {case.cls.__name__ for case in CASES}

    assert sorted(missing) == [], "add a row to tests/layers/own_layers.py"


def test_every_row_names_such_a_layer() -> None:
    assert sorted({case.cls.__name__ for case in CASES} - set(classes_of("graphkit.layers"))) == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_row_holds(case: LayerCase, check: Callable[[LayerCase], None]) -> None:
    check(case)


def test_a_wrong_layer_is_noticed() -> None:
    wrong: Any = own("ThresholdedReLU", real(4, 3), theta=0.5, written="ReLU", expected=lambda x: x * (x > 1))

    with pytest.raises(AssertionError, match="Mismatched elements"):
        computes_what_is_expected(wrong)
    np.testing.assert_array_equal(wrong.arrays()[0].shape, (4, 3))
