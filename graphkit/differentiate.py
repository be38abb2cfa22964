"""value_and_grad and grad: a function's value and its gradients with respect to variables or arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from graphkit import ops
from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.functions import Function
from graphkit.ir.tape import GradientTape
from graphkit.ir.tracing import current_trace
from graphkit.ir.variable import Variable


def value_and_grad(
    function: Callable[..., Any],
    variables: Any = None,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
) -> Callable[..., tuple[Any, Any]]:
    """Return a function with the same arguments as `function` that returns `(value, gradients)`.

    The value is an array. With `variables`, the gradients have their structure, with None for a variable that the value does not
    depend on. Without, they are those with respect to the arguments `argnums`, in the structure of each, with zeros where the value
    does not depend on one, as in `jax.value_and_grad`. Assignments of `function` to variables (moving statistics) take effect. A
    function that needs the numbers of a tensor runs line by line, after a warning.

    Args:
        function: Returns a scalar tensor, computed with ops, layers and models. Array arguments are traced; others are passed on.
        variables: What to differentiate with respect to: weights, or `Variable`s that are passed as inputs, in any structure.
        argnums: The index, or indexes, of the positional arguments to differentiate with respect to, if there are no `variables`.
        has_aux: Whether `function` returns a pair (value, aux), where aux is any structure that is passed on: the result is then
            `((value, aux), gradients)`.

    Raises:
        InvalidTypeError: An item of `variables` is not a Variable; when called, if an argument to differentiate by is no float tensor.
        InvalidArgumentError: When called, if there is no argument of this index.
        ShapeError: When called, if the value is not a scalar.
    """
    if variables is not None:
        for variable in nest.flatten(variables):
            if not isinstance(variable, Variable):
                raise InvalidTypeError(
                    f"value_and_grad expects graphkit.Variable objects to differentiate by, got {type(variable).__name__}."
                )
    places = [argnums] if isinstance(argnums, int) else list(argnums)
    runs_eagerly = False

    @wraps(function)
    def both(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        with GradientTape(watch_accessed_variables=False) as tape:
            if variables is not None:
                sources: Any = variables
                tape.watch(variables)
            else:
                args = _watched(tape, args, places)
                sources = args[argnums] if isinstance(argnums, int) else tuple(args[i] for i in places)
            made = function(*args, **kwargs)
        if has_aux and not (isinstance(made, (tuple, list)) and len(made) == 2):
            raise InvalidTypeError(
                f"value_and_grad with has_aux=True expects the function to return a pair (value, aux), got {nest.describe(made)}."
            )
        value = made[0] if has_aux else made
        if tuple(getattr(value, "shape", ())) != ():
            raise ShapeError(
                f"value_and_grad: the function must return a scalar, got shape {tuple(value.shape)}. Sum or average it."
            )
        gradients = tape.gradient(value, sources, unconnected_gradients="none" if variables is not None else "zero")
        return (tuple(made) if has_aux else value), gradients

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        nonlocal runs_eagerly
        if variables is None:
            args = _arrays(args, places)
        if runs_eagerly or current_trace() is not None:
            return both(*args, **kwargs)
        compiled = Function(both)  # traced anew in each call: the function may depend on anything
        result: tuple[Any, Any] = compiled(*args, **kwargs)
        runs_eagerly = compiled.runs_eagerly
        return result

    return call


def grad(
    function: Callable[..., Any], variables: Any = None, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function that returns the gradients of `function`, or with `has_aux` a pair (gradients, aux).

    Args:
        function, variables, argnums, has_aux: As for `value_and_grad`.

    Raises:
        InvalidTypeError, InvalidArgumentError, ShapeError: As `value_and_grad`.
    """
    both = value_and_grad(function, variables, argnums, has_aux)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        value, gradients = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return call


def _arrays(args: tuple[Any, ...], places: Sequence[int]) -> tuple[Any, ...]:
    """Return the arguments, with Python floats and arrays to differentiate by as tensors."""
    if any(not -len(args) <= place < len(args) for place in places):
        raise InvalidArgumentError(
            f"value_and_grad: argnums={list(places)} names arguments beyond the {len(args)} positional ones. Pass what to differentiate "
            "by as a positional argument, or name `variables`."
        )
    chosen = {place % len(args) for place in places}

    def tensor(leaf: Any) -> Any:
        return ops.convert_to_tensor(leaf) if isinstance(leaf, (float, np.ndarray, np.generic)) else leaf

    return tuple(nest.map_structure(tensor, arg) if i in chosen else arg for i, arg in enumerate(args))


def _watched(tape: GradientTape, args: tuple[Any, ...], places: Sequence[int]) -> tuple[Any, ...]:
    chosen = {place % len(args) for place in places}
    for place in chosen:
        for leaf in nest.flatten(args[place]):
            if isinstance(leaf, (int, str)) or leaf is None or not ops.is_tensor(leaf):
                raise InvalidTypeError(
                    f"value_and_grad: argument {place} holds {leaf!r:.60}, which is no float tensor to differentiate by."
                )
        tape.watch(args[place])
    return args


__all__ = ["grad", "value_and_grad"]
