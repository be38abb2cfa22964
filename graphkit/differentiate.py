"""value_and_grad: a function's value and its gradients with respect to variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core import nest
from graphkit.core.errors import InvalidTypeError, ShapeError
from graphkit.engine import compile_program
from graphkit.ir.gradient import gradients
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import Tracer, trace_structured
from graphkit.ir.variable import Variable


def value_and_grad(function: Callable[..., Any], variables: Sequence[Variable]) -> Callable[..., tuple[Any, list[Any]]]:
    """Return a function with the same arguments as `function` that returns `(value, gradients)`.

    The value is an array. The gradients are in the order of `variables`, with None for a variable that the value does not depend on.
    Assignments of `function` to variables (moving statistics) take effect.

    Args:
        function: Returns a scalar tensor, computed with ops, layers and models. Array arguments are traced; others are passed on.
        variables: What to differentiate with respect to: weights, or `Variable`s that are passed as inputs.

    Raises:
        InvalidTypeError: An item of `variables` is not a Variable.
        ShapeError: When called, if the value is not a scalar.
    """
    wanted = list(variables)
    for variable in wanted:
        if not isinstance(variable, Variable):
            raise InvalidTypeError(
                f"value_and_grad expects graphkit.Variable objects to differentiate by, got {type(variable).__name__}."
            )

    def both(*args: Any, **kwargs: Any) -> tuple[Any, list[Any]]:
        leaves = nest.flatten([list(args), kwargs])
        arrays = [a for a in leaves if isinstance(a, np.ndarray)]
        specs = [TensorSpec.of(a) if isinstance(a, np.ndarray) else a for a in leaves]
        packed_args, packed_kwargs = nest.pack([list(args), kwargs], specs)
        found: list[Any] = []

        def step(inner_args: Any, inner_kwargs: Any) -> list[Any]:
            value = function(*inner_args, **inner_kwargs)
            if tuple(getattr(value, "shape", ())) != ():
                raise ShapeError(
                    f"value_and_grad: the function must return a scalar, got shape {tuple(value.shape)}. Sum or average it."
                )
            grads = gradients(value, wanted) if isinstance(value, Tracer) else [None] * len(wanted)
            found.extend(g is not None for g in grads)
            return [value, *(g for g in grads if g is not None)]

        program, _ = trace_structured(step, packed_args, packed_kwargs)
        value, *grads = compile_program(program)(*arrays)
        iterator = iter(grads)
        return value, [next(iterator) if there else None for there in found]

    return both
