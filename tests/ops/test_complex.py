"""Gradients through complex numbers: real inputs and outputs, complex in between, against finite differences in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphkit as gk
from graphkit import ops
from tests.ops.test_registry import check_gradient

PAIRS = np.random.Generator(np.random.Philox(2)).uniform(0.3, 1.5, (3, 4, 2))
WEIGHTS = np.linspace(0.5, 1.5, 12).reshape(3, 4)
TURN = np.complex128(0.6 - 0.8j)


def _parts(z: Any) -> Any:
    return ops.real(z) * WEIGHTS + ops.imag(z) * (WEIGHTS * WEIGHTS)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "parts": lambda x: _parts(ops.view_as_complex(x)),
    "pairs": lambda x: ops.view_as_real(ops.view_as_complex(x)) * WEIGHTS[..., None],
    "magnitude": lambda x: ops.abs(ops.view_as_complex(x)),
    "angle": lambda x: ops.angle(ops.view_as_complex(x)) * WEIGHTS,
    "polar": lambda x: _parts(ops.polar(x[..., 0], x[..., 1])),
    "conjugate": lambda x: _parts(ops.conjugate(ops.view_as_complex(x))),
    "square": lambda x: _parts(ops.view_as_complex(x) * ops.view_as_complex(x)),
    "constant factor": lambda x: _parts(ops.view_as_complex(x) * TURN),
    "real factor": lambda x: _parts(ops.view_as_complex(x) * ops.cast(x[..., 0], "complex128")),
    "quotient": lambda x: _parts(TURN / ops.view_as_complex(x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_gradient_is_that_of_differences(name: str) -> None:
    def scalar(x: Any) -> Any:
        return ops.sum(FUNCTIONS[name](x))

    variable = gk.Variable(PAIRS, dtype="float64")
    _, gradients = gk.value_and_grad(lambda: scalar(variable), [variable])()

    check_gradient(lambda x: float(scalar(x)), gradients, [PAIRS])
