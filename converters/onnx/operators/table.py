"""The table of ONNX's operators: each is a function over graphkit.ops, by domain, name and version.

A function takes the inputs by position (None where one is left out) and the attributes by keyword, with the names and defaults of
the operator's schema, which is read from the onnx package. It returns a value, or a tuple of them for several outputs. Values are
arrays, tracers or symbolic tensors, lists of these for sequences, and None for empty optionals.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from inspect import signature
from typing import Any, NamedTuple

import onnx
from onnx import defs

from graphkit.core.errors import GraphKitError, SerializationError, UnsupportedError
from graphkit.core.registry import did_you_mean

ML = "ai.onnx.ml"
MICROSOFT = "com.microsoft"
TRAINING = "ai.onnx.preview.training"


class Version(NamedTuple):
    """An operator from one version of its domain on.

    Attributes:
        since: the first version that the function is valid for.
        function: `(*inputs, **attributes)`.
        takes_node: whether the function's first argument is the node that is evaluated (its number of outputs, ...).
    """

    since: int
    function: Callable[..., Any]
    takes_node: bool


class NodeCall(NamedTuple):
    """The node that is evaluated, for functions that depend on more than inputs and attributes.

    Attributes:
        name: the node's name, for messages.
        outputs: the number of outputs up to the last one that is used.
        used: whether each of them is used.
        opset: the version of the node's domain.
        evaluator: what evaluates the node, for the operator that needs the graph around it.
    """

    name: str
    outputs: int
    used: tuple[bool, ...]
    opset: int
    evaluator: Any = None


OPERATORS: dict[tuple[str, str], list[Version]] = {}


def operator(
    *names: str, since: int = 1, domain: str = "", takes_node: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as these operators from version `since` of the domain on.

    Args:
        *names: the operators.
        since: the first version that it is valid for.
        domain: "" for ai.onnx.
        takes_node: whether the function takes the `NodeCall` before the inputs.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            versions = OPERATORS.setdefault((domain, name), [])
            versions.append(Version(since, checked(function, takes_node), takes_node))
            versions.sort(key=lambda version: version.since)
        return function

    return add


_FAILURES = (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError, MemoryError)


def checked(function: Callable[..., Any], takes_node: bool) -> Callable[..., Any]:
    """Return the function with typed errors for inputs and attributes that it does not expect.

    Args:
        function: the function of an operator.
        takes_node: whether its first argument is the `NodeCall`.
    """
    parameters = signature(function).parameters.values()
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    least = sum(p.default is p.empty for p in places)
    most = 1 << 30 if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(places)
    names = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    required = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)

    @wraps(function)
    def call(*inputs: Any, **attributes: Any) -> Any:
        if not least <= len(inputs) <= most:
            counts = sorted({least - takes_node, most - takes_node})
            raise SerializationError(f"expects {' to '.join(map(str, counts))} inputs, got {len(inputs) - takes_node}.")
        if not takes_any and not names.issuperset(attributes):
            unknown = sorted(attributes.keys() - names)
            raise UnsupportedError(f"the attribute {unknown[0]!r} is unknown.{did_you_mean(unknown[0], names)}")
        for name in required:
            if attributes.get(name) is None:
                raise SerializationError(f"the attribute {name!r} is missing.")
        try:
            return function(*inputs, **attributes)
        except GraphKitError:
            raise
        except _FAILURES as error:
            given = ", ".join(_described(value) for value in inputs[takes_node:])
            raise SerializationError(f"cannot be computed from the inputs {given}: {error}") from error

    return call


def _described(value: Any) -> str:
    if value is None:
        return "none"
    sizes = getattr(value, "shape", None)
    return f"{value.dtype} {tuple(sizes)}" if sizes is not None else type(value).__name__


def find(domain: str, name: str, opset: int) -> Version:
    """Return the version of an operator that is valid at an opset.

    Raises:
        UnsupportedError: the operator is unknown, or not defined at this opset.
    """
    versions = OPERATORS.get((domain, name))
    if not versions:
        known = [n for d, n in OPERATORS if d == domain]
        raise UnsupportedError(
            f"graphkit has no operator {name!r} of the domain {domain or 'ai.onnx'!r}.{did_you_mean(name, known)} "
            "Register it with graphkit.extend."
        )
    fitting = [version for version in versions if version.since <= opset]
    if not fitting:
        raise UnsupportedError(
            f"Operator {name!r} of the domain {domain or 'ai.onnx'!r} is supported from version {versions[0].since} on; "
            f"the file uses version {opset}."
        )
    return fitting[-1]


@cache
def attribute_defaults(domain: str, name: str, opset: int) -> dict[str, Any]:
    """Return the attributes of an operator's schema with their defaults, None for those without one.

    Returns an empty dict for operators that the onnx package does not define.
    """
    try:
        schema = defs.get_schema(name, opset, domain)
    except defs.SchemaError:
        return {}
    return {key: attribute_value(a.default_value) for key, a in schema.attributes.items()}


def attribute_value(attribute: onnx.AttributeProto) -> Any:
    """Return the value of an attribute: numbers, text, arrays, messages, and tuples of these; None if it has none."""
    if attribute.type == onnx.AttributeProto.UNDEFINED:
        return None
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, (list, tuple)) or attribute.type in (
        onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS, onnx.AttributeProto.STRINGS,
    ):  # fmt: skip
        return tuple(v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else v for v in value)
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
