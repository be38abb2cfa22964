"""Functions with a user-defined gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import numpy as np

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError
from graphkit.ir.primitive import primitive
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import current_trace, replay, trace_body
from graphkit.ops._convert import dtype_name, shape_of, tensor
from graphkit.ops.shaping import broadcast_to

__all__ = ["custom_gradient"]


def _kernel(out: Any, *arrays: Any, backward: Any, results: int, args: int, given: Sequence[int]) -> None:
    for target, source in zip(out, arrays[:results], strict=True):
        np.copyto(target, source)


def _vjp(
    g: Any, out: Any, *inputs: Any, backward: Any, results: int, args: int, given: Sequence[int]
) -> list[Any]:
    upstream = [
        broadcast_to(tensor(0, dtype_name(o)), shape_of(o)) if c is None else c for c, o in zip(g, out, strict=True)
    ]
    read = inputs[results + args :]
    returned = backward(*upstream) if callable(backward) else replay(backward, [*upstream, *read])  # a function sets `given`
    cotangents = dict(zip(given, returned, strict=True))
    return [cotangents.get(i - results) for i in range(len(inputs))]


custom_gradient_p = primitive(
    # inputs: the function's results, its arguments, and what its gradient reads; outputs: the results;
    # backward: (cotangents, what it reads) -> the cotangents of the arguments listed in `given`; a program, or under a gradient
    # tape the function itself
    "custom_gradient",
    lambda *specs, backward, results, args, given: tuple(specs[:results]),
    kernel=_kernel,
    vjp=_vjp,
)


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate `f(*args) -> (result, gradient)`, so that `gradient` replaces the gradient of `f`.

    Args:
        f: a function of tensors that returns its result and `gradient`; `gradient(upstream)` returns the cotangent
            of each argument, or None. It may also accept `upstream` as a keyword.

    Raises:
        InvalidArgumentError: `gradient` returns another number of cotangents than there are arguments.

    Source: keras.ops.custom_gradient.
    """

    @wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        result, gradient = f(*args, **kwargs)
        trace = current_trace()
        if trace is None:
            return result
        outputs = [tensor(o) for o in nest.flatten(result)]
        sources = [tensor(a) for a in nest.flatten(list(args))]
        given: list[int] = []
        if trace.is_eager:  # the gradient is called with numbers
            function = _backward(f, gradient, sources, given)
            made = custom_gradient_p.bind(
                *outputs, *sources, backward=function, results=len(outputs), args=len(sources), given=given
            )
            return nest.pack(result, made)
        body = trace_body(_backward(f, gradient, sources, given), [TensorSpec.of(o) for o in outputs])
        made = custom_gradient_p.bind(
            *outputs,
            *sources,
            *body.operands(),
            backward=body.program,
            results=len(outputs),
            args=len(sources),
            given=tuple(given),
        )
        return nest.pack(result, made)

    return call


def _backward(
    f: Any, gradient: Callable[..., Any], sources: Sequence[Any], given: list[int]
) -> Callable[..., list[Any]]:
    """Return the gradient as a function of cotangents alone; `given` gets the indexes of the arguments that have one."""
    parameters = signature(gradient).parameters
    by_keyword = "upstream" in parameters and parameters["upstream"].kind is Parameter.KEYWORD_ONLY

    def body(*upstream: Any) -> list[Any]:
        named = by_keyword and not any(p.kind is Parameter.VAR_POSITIONAL for p in parameters.values())
        returned = gradient(upstream=upstream[0]) if named else gradient(*upstream)
        cotangents = list(returned) if isinstance(returned, (list, tuple)) else [returned]
        if len(cotangents) != len(sources):
            name = getattr(f, "__name__", "f")
            raise InvalidArgumentError(
                f"custom_gradient: the gradient of {name} returned {len(cotangents)} cotangents, expected {len(sources)}."
            )
        given[:] = [i for i, c in enumerate(cotangents) if c is not None]
        return [tensor(cotangents[i], dtype_name(sources[i])) for i in given]

    return body
