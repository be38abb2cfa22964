"""Access to the golden files in fixtures/keras: models saved by real Keras, with inputs and outputs."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.core import nest

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "keras"


@lru_cache(maxsize=1)
def cases() -> dict[str, dict[str, Any]]:
    """Return the rows of the index by id."""
    rows = json.loads((FOLDER / "index.json").read_text())["cases"]
    return {row["id"]: row for row in rows}


def model_file(case: str) -> Path:
    """Return the `.keras` file of a case."""
    return FOLDER / f"{case}.keras"


@lru_cache(maxsize=64)
def arrays(case: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of a case by name: `in_0`, `out_0`, ..."""
    with np.load(FOLDER / f"{case}.npz", allow_pickle=False) as file:
        return dict(file)


def numbered(case: str, prefix: str) -> list[np.ndarray[Any, Any]]:
    """Return the arrays `prefix0`, `prefix1`, ... of a case."""
    table = arrays(case)
    return [table[f"{prefix}{i}"] for i in range(len(table)) if f"{prefix}{i}" in table]


def inputs_of(case: str, prefix: str = "in_") -> Any:
    """Return the inputs of a case in the model's structure."""
    return nest.pack(cases()[case]["input_struct"], numbered(case, prefix))


def assert_outputs(case: str, outputs: Any, prefix: str = "out_", rtol: float = 2e-4, atol: float = 2e-5) -> None:
    """Assert that outputs equal Keras'; half floats within one unit in the last place, and half a unit of the largest value."""
    wanted = numbered(case, prefix)
    given = nest.flatten(outputs)
    assert len(given) == len(wanted)
    for mine, theirs, unit in zip(given, wanted, units_of(case), strict=True):
        if unit:
            rtol, atol = unit, unit / 2 * float(np.abs(theirs.astype("float64")).max(initial=0.0))
        np.testing.assert_allclose(
            np.asarray(mine, "float64"), theirs.astype("float64"), rtol=rtol, atol=atol, err_msg=case
        )


_UNITS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def units_of(case: str) -> list[float]:
    """Return, for each output, the machine epsilon of its dtype for half floats, else 0."""
    return [_UNITS.get(output["dtype"], 0.0) for output in cases()[case]["outputs"]]


def policy_unit(case: str) -> float:
    """Return the machine epsilon of the half floats that a layer of the case computes in, 0 if none does."""
    named = [unit for dtype, unit in _UNITS.items() if dtype in case]
    return max([*units_of(case), *named], default=0.0)
