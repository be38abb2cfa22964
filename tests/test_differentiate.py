"""value_and_grad."""

from __future__ import annotations

import numpy as np
import pytest

import graphkit as gk
from graphkit import ops
from graphkit.errors import InvalidTypeError, NotDifferentiableError, ShapeError


def test_it_takes_the_functions_arguments() -> None:
    w = gk.Variable(np.array([2.0, 3.0]))

    value, (gradient,) = gk.value_and_grad(lambda x, scale: ops.sum(w * x) * scale, [w])(
        np.array([4.0, 5.0], "float32"), scale=10.0
    )

    assert float(value) == 230
    assert gradient.tolist() == [40, 50]


def test_none_where_nothing_depends_on_a_variable() -> None:
    a, b = gk.Variable(np.ones(2)), gk.Variable(np.ones(2))

    _, grads = gk.value_and_grad(lambda: ops.sum(a), [a, b])()

    assert grads[0].tolist() == [1, 1]
    assert grads[1] is None


def test_gradient_of_a_gradient() -> None:
    from graphkit.ir.gradient import gradients

    x = gk.Variable(np.array(2.0))

    def slope() -> object:
        (first,) = gradients(x.value * x * x, [x])
        return first

    value, (second,) = gk.value_and_grad(slope, [x])()
    assert float(value) == 12
    assert float(second) == 12


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gk.value_and_grad(lambda: 1.0, [np.ones(2)]), InvalidTypeError, "Variable"),
        (lambda: (lambda v: gk.value_and_grad(lambda: v * 2, [v])())(gk.Variable(np.ones(2))), ShapeError, "scalar"),
        (
            lambda: (lambda v: gk.value_and_grad(lambda: ops.sum(ops.nextafter(v, 2.0)), [v])())(
                gk.Variable(np.ones(2))
            ),
            NotDifferentiableError,
            "nextafter",
        ),
    ],
)
def test_what_cannot_be_is_said(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()  # type: ignore[operator]
