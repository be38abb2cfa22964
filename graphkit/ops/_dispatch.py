"""Dispatch of public ops by the kind of tensor: arrays compute, tracers emit equations, symbolic tensors record a node."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from graphkit.core.registry import Registry
from graphkit.ir.eager_tensor import eager
from graphkit.ir.operators import Symbolic
from graphkit.ir.recording import Recorded, concrete, resolved
from graphkit.ir.tracing import current_trace
from graphkit.ir.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")


class OperationRecord(NamedTuple):
    """A public op as it appears in Keras' JSON: its class name and module, and which arguments are tensors.

    The other arguments belong to the op's config (`Sum(axis=1, keepdims=True)` called on `x`).
    """

    class_name: str
    module: str
    function: Callable[..., Any]
    tensors: tuple[str, ...]
    config: tuple[str, ...]
    keywords: str = ""  # the `**` parameter that belongs to the call, not to the config (axes_lengths of rearrange)

    @property
    def registered_name(self) -> str:
        """The name that files give it beside its class: `package>Name` for an op that Keras does not have."""
        package = self.module.split(".")[0]
        return self.class_name if package == "keras" else f"{package}>{self.class_name}"


OPERATIONS: Registry[OperationRecord] = Registry("operation")


def operation(class_name: str, family: str = "numpy", tensors: str = "x") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function over tensors a public op.

    Args:
        class_name: Keras' class of the op, such as "Sum".
        family: Keras' module of it: "numpy", "nn", "math", "linalg", "core", "image" (keras.src.ops.<family>), or its full
            name where it is elsewhere; "graphkit.ops" for an op that Keras does not have.
        tensors: the names of the arguments that are tensors, or structures of them; the others are the op's config.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        module = family if "." in family else f"keras.src.ops.{family}"
        names = tuple(tensors.split())
        parameters = inspect.signature(function).parameters
        config = tuple(n for n in parameters if n not in names)
        keywords = next((n for n in names if parameters[n].kind is inspect.Parameter.VAR_KEYWORD), "")

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            found = _find([args, tuple(kwargs.values())], (Symbolic, Recorded))
            if isinstance(found, Symbolic):
                recorded: R = found.record(record, args, kwargs)
                return recorded
            trace = current_trace()
            if found is not None and trace is None:
                return call(*concrete(args), **concrete(kwargs))
            if trace is not None and trace.watched_arrays:
                args, kwargs = resolved([args, kwargs])
            made: Any = function(*args, **kwargs)
            if isinstance(made, Variable) and (trace is None or trace.is_eager):
                made = made.value  # a tensor that keeps its values when the variable changes
            result: R = eager(made)
            return result

        record = OperationRecord(class_name, module, call, names, config, keywords)
        OPERATIONS.add(f"{module}>{class_name}", record)
        return call

    return wrap


def _find(values: Any, kinds: tuple[type, ...]) -> Any:
    for value in values:
        if isinstance(value, kinds):
            return value
        if type(value) in (list, tuple):
            found = _find(value, kinds)
            if found is not None:
                return found
        elif type(value) is dict:
            found = _find(value.values(), kinds)
            if found is not None:
                return found
    return None
