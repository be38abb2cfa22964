"""Forward-mode differentiation: Jacobian-vector products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphkit.core import dtypes, nest
from graphkit.core.errors import ShapeError
from graphkit.ir.gradient import vjp
from graphkit.ir.recording import is_tracing
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import replay, trace_structured
from graphkit.ops._convert import dtype_name, shape_of, tensor
from graphkit.ops._dispatch import operation
from graphkit.ops.elementwise import cast, multiply
from graphkit.ops.reduction import sum as reduce_sum
from graphkit.ops.shaping import broadcast_to, zeros_like

__all__ = ["jvp"]


@operation("JVP", "linalg", tensors="fun primals tangents")
def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Compute `fun(*primals)` and its derivative along `tangents`.

    The VJP is linear in its cotangent, so differentiating it with respect to the cotangent gives the JVP.

    Args:
        fun: a function of as many tensors as there are primals.
        primals: a list of float tensors.
        tangents: a list of tensors with the shapes of `primals`.
        has_aux: whether `fun` returns a pair (result, aux), of which only the result is differentiated.

    Returns:
        (result, derivative), or (result, derivative, aux) with `has_aux`.

    Raises:
        ShapeError: If a tangent does not have the shape of its primal.

    Source: keras.ops.jvp.
    """
    points, steps = ([tensor(v) for v in values] for values in (primals, tangents))
    if [shape_of(p) for p in points] != [shape_of(t) for t in steps]:
        raise ShapeError("jvp: each of `tangents` must have the shape of its primal.")
    if is_tracing():
        return _jvp_traced(fun, points, steps, has_aux)
    count = len(points)
    specs = [TensorSpec.of(v) for v in (*points, *steps)]
    program, structure = trace_structured(lambda *args: _jvp_traced(fun, args[:count], args[count:], has_aux), *specs)
    values = replay(program, [*points, *steps])
    return nest.map_structure(lambda i: values[i], structure)


def _jvp_traced(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool) -> Any:
    made = fun(*primals)
    result, aux = made if has_aux else (made, None)
    outputs = nest.flatten(result)
    nothing = multiply(reduce_sum(primals[0]), 0)
    along = [broadcast_to(cast(nothing, dtype_name(o)), shape_of(o)) for o in outputs]
    found = vjp(outputs, along, list(primals))
    terms = [reduce_sum(multiply(g, t)) for g, t in zip(found, tangents, strict=True) if g is not None]
    derivatives = vjp(terms, [np.ones((), dtypes.to_numpy(dtype_name(t))) for t in terms], along)
    steps = nest.pack(result, [zeros_like(o) if d is None else d for o, d in zip(outputs, derivatives, strict=True)])
    return (result, steps, aux) if has_aux else (result, steps)
