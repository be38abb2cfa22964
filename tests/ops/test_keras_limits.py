"""At their limits ops give the values, shapes and dtypes of real Keras, and refuse what it refuses."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import ops
from graphkit.core import dtypes, nest
from graphkit.core.errors import GraphKitError
from tests.ops.keras_limits import CALLS

FILE = Path(__file__).resolve().parents[2] / "fixtures" / "ops" / "limits.npz"

# Keras on JAX refuses these: it has no kernel, or expects an array where a list is given.
TAKEN = {
    *(f"{n} of {k}" for n in ("erf", "rsqrt", "sigmoid", "silu") for k in ("ints", "bytes", "small", "flags")),
    *("round of flags", "repeat [1, 2] 0", "repeat [1, 2, 0] 1"),
    *("nonzero of a scalar", "bincount of small", "sparse_sigmoid of complex"),
}
# Refused here: ordering complex numbers, an index that is not an integer, a histogram of an empty tensor.
REFUSED = {
    *("i0 of complex", "hard_tanh of complex", "log_sigmoid of complex", "softplus of complex"),
    *("take [] 0", "histogram of 0 bins"),
}
# Different on purpose. For small integers, intermediate results of Keras and Python numbers in comparisons wrap around; an
# integer divided by 0 is 0 here; a quantile at an infinity is that infinity.
_WRAPPED = {
    *("hard_shrink of small", "hard_tanh of bytes", "softsign of bytes", "softsign of small", "squareplus of bytes"),
    *("squareplus of small", "power of bytes and bytes", "round ints -3", "fmod of flags and flags"),
    *(f"{n} of bytes and {v}" for n in ("less", "greater", "greater_equal") for v in (-1, 300, -300)),
    *(f"{n} of small and {v}" for n in ("less", "greater", "greater_equal") for v in (300, -300)),
    *("equal of bytes and -1", "not_equal of bytes and -1"),
}
_BY_ZERO = {f"floor_divide of {k} and {k}" for k in ("ints", "bytes", "small", "flags")}
_INFINITE = {"quantile of wide 0.0", "quantile of wide 1.0"}
_COMPLEX = {"log10 of complex", "log2 of complex"}
OTHER_NUMBERS = {*_WRAPPED, *_BY_ZERO, *_INFINITE, *_COMPLEX, "in_top_k 3"}
OTHER_SHAPES = {"istft plain 16"}  # frames without overlap: JAX loses half of them


@lru_cache(maxsize=1)
def answers() -> dict[str, dict[str, Any]]:
    """The parts of each recorded result by number, or the error."""
    found: dict[str, dict[str, Any]] = {}
    with np.load(FILE, allow_pickle=False) as file:
        for key in file.files:
            name, _, part = key.rpartition("/")
            found.setdefault(name, {})[part] = file[key]
    return found


def _numbers_differ(mine: Any, theirs: Any) -> bool:
    if theirs.dtype.kind in "iub":
        return not np.array_equal(mine, theirs)
    wide = np.complex128 if theirs.dtype.kind == "c" else np.float64
    return not np.allclose(mine.astype(wide), theirs.astype(wide), rtol=2e-4, atol=3e-5, equal_nan=True)


def test_every_call_has_an_answer() -> None:
    assert sorted(answers()) == sorted(CALLS)


def test_every_exception_names_a_call() -> None:
    assert sorted({*TAKEN, *REFUSED, *OTHER_NUMBERS, *OTHER_SHAPES} - CALLS.keys()) == []


@pytest.mark.parametrize("name", sorted(CALLS))
def test_the_answer_at_a_limit_is_that_of_keras(name: str) -> None:
    wanted = answers()[name]
    if name in REFUSED or ("refused" in wanted and name not in TAKEN):
        with pytest.raises(GraphKitError, match=r"."):
            CALLS[name](ops)
        return
    made = [np.asarray(part) for part in nest.flatten(CALLS[name](ops))]
    if "refused" in wanted or name in OTHER_SHAPES:
        return
    theirs = list(wanted.values())
    assert [(dtypes.of_array(m), m.shape) for m in made] == [(dtypes.of_array(t), t.shape) for t in theirs]
    if name not in OTHER_NUMBERS:
        assert [m.tolist() for m, t in zip(made, theirs, strict=True) if _numbers_differ(m, t)] == []
