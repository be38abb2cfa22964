"""Ops give the results of real Keras: shapes, dtypes and values, eager and traced."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core import dtypes, nest
from tests.ops.keras_calls import CALLS

FILE = Path(__file__).resolve().parents[2] / "fixtures" / "ops" / "answers.npz"


@lru_cache(maxsize=1)
def answers() -> dict[str, list[Any]]:
    """The recorded results by call."""
    found: dict[str, list[Any]] = {}
    with np.load(FILE, allow_pickle=False) as file:
        for key in file.files:
            found.setdefault(key.rpartition("/")[0], []).append(file[key])
    return found


def test_every_call_has_an_answer() -> None:
    assert sorted(answers()) == sorted(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_the_answer_is_that_of_keras(name: str) -> None:
    made = [np.asarray(part) for part in nest.flatten(CALLS[name](ops))]
    wanted = answers()[name]
    assert [(dtypes.of_array(m), m.shape) for m in made] == [(dtypes.of_array(w), w.shape) for w in wanted]
    for mine, theirs in zip(made, wanted, strict=True):
        if theirs.dtype.kind in "iub":
            np.testing.assert_array_equal(mine, theirs)
        else:
            np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=3e-5)
