"""The table of TensorFlow's functions, and helpers that its rows share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from graphkit.core.errors import SerializationError
from graphkit.graph.symbolic import SymbolicTensor

from .sizes import Sizes, gathered

Value = Any


class Function(NamedTuple):
    """A TensorFlow function, defined with graphkit.ops.

    Attributes:
        call: the function; it takes the arguments that `signature` binds, in its order.
        signature: TensorFlow's arguments.
        takes_sizes: whether `call` accepts `Sizes`; otherwise they are converted to tensors.
    """

    call: Callable[..., Any]
    signature: inspect.Signature
    takes_sizes: bool = False


FUNCTIONS: dict[str, Function] = {}
_TENSORS = frozenset(
    {"x", "y", "a", "b", "t", "tensor", "input", "inputs", "input_tensor", "logits", "labels", "features", "values", "value", "params"}
    | {"indices", "condition", "images", "image", "bias", "filters", "filter", "scale", "offset", "mean", "variance", "scalar"}
    | {"real", "imag", "ids"}
)  # fmt: skip


def tensorflow(*names: str, takes_sizes: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function under TensorFlow's names. Its arguments have TensorFlow's names too."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            FUNCTIONS[name] = Function(function, inspect.signature(function), takes_sizes)
        return function

    return add


def add_rows(parameters: str, rows: Mapping[str, Callable[..., Any]], takes_sizes: bool = False) -> None:
    """Register functions that have the same arguments.

    Args:
        parameters: TensorFlow's names of the arguments, in order; one written "name=" is None by default.
        rows: functions by TensorFlow's names, separated by spaces.
        takes_sizes: whether the functions accept `Sizes`.
    """
    kinds = [(p.rstrip("="), inspect.Parameter.empty if not p.endswith("=") else None) for p in parameters.split()]
    signature = inspect.Signature(
        [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=d) for n, d in kinds]
    )
    for names, function in rows.items():
        for name in names.split():
            FUNCTIONS[name] = Function(function, signature, takes_sizes)


def evaluated(function: Function, name: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> Any:
    """Call a function of the table. Raises SerializationError, naming the argument, for one that is unknown or missing."""
    given = {k: v for k, v in kwargs.items() if k not in ("name", "_name")}
    missing = [k for k in given if k not in function.signature.parameters]
    for key in missing:
        if given[key] not in (None, False, ""):
            raise SerializationError(f"the argument {key}={given[key]!s:.60} of tf.{name} is not supported")
        del given[key]
    try:
        bound = function.signature.bind(*args, **given)
    except TypeError as error:
        raise SerializationError(f"tf.{name}: {error}") from None
    for key, value in bound.arguments.items():
        bound.arguments[key] = _argument(key, value, function.takes_sizes)
    bound.apply_defaults()
    return function.call(*bound.args, **bound.kwargs)


def _argument(key: str, value: Any, takes_sizes: bool) -> Any:
    value = (
        value if key == "values" and takes_sizes else gathered(value)
    )  # the parts of a concat may have different lengths
    if isinstance(value, Sizes) and not takes_sizes and key in _TENSORS:
        return value.as_tensor()
    if key in _TENSORS and isinstance(value, (list, tuple)) and not _holds_tensors(value):
        return as_array(value)
    return value


def _holds_tensors(value: Any) -> bool:
    return any(
        isinstance(v, (SymbolicTensor, Sizes)) or (isinstance(v, (list, tuple)) and _holds_tensors(v)) for v in value
    )


def as_array(value: Any) -> Any:
    """Return numbers of a file as an array of TensorFlow's default dtypes, float32 and int32."""
    array = np.asarray(value)
    return array.astype({"f": "float32", "i": "int32", "u": "int32"}.get(array.dtype.kind, array.dtype))


def dtype_of(value: Any) -> str:
    """Return the name of a dtype in any of the forms that files have: a name, a policy's config, `tf.float32`."""
    if isinstance(value, Mapping):
        value = value.get("config") or value.get("name") or value.get("dtype")
        value = value.get("name") if isinstance(value, Mapping) else value
    return str(value).removeprefix("tf.").removesuffix("_ref")


def shape_of(tensor: Any) -> tuple[Any, ...]:
    """Return the shape, with unknown sizes as `Dim`s."""
    return tuple(tensor.spec.shape) if isinstance(tensor, SymbolicTensor) else np.shape(tensor)
