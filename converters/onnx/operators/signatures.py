"""What an operator's schema demands of a node: how many inputs and outputs, of which element types, and which attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import onnx
from onnx import defs

from graphkit.core.errors import SerializationError
from graphkit.ops._convert import dtype_name

from ..element_types import ELEMENT_TYPES
from .sizes import Sizes

_TYPE_NAMES = {name: onnx.TensorProto.DataType.Name(number).lower() for name, number in ELEMENT_TYPES.items()}
_Option = defs.OpSchema.FormalParameterOption


class Formal(NamedTuple):
    """An input as the schema declares it.

    Attributes:
        name: its name.
        variable: its type, or the type variable that it shares with other inputs; None if each value may have its own.
        types: the types that it may have, such as "tensor(float)".
        optional: whether it may be left out.
    """

    name: str
    variable: str | None
    types: frozenset[str]
    optional: bool


class Signature(NamedTuple):
    """What a schema demands.

    Attributes:
        inputs: the inputs; if there are more in the node, the last one is repeated.
        input_counts: the least and the largest number of inputs.
        output_counts: likewise of outputs.
        attributes: the attributes' types by name.
        required: the attributes without a default that a node must have.
    """

    inputs: tuple[Formal, ...]
    input_counts: tuple[int, int]
    output_counts: tuple[int, int]
    attributes: Mapping[str, int]
    required: frozenset[str]


@cache
def signature_of(domain: str, name: str, opset: int) -> Signature | None:
    """Return what the schema of an operator demands; None for operators that the onnx package does not define."""
    try:
        schema = defs.get_schema(name, opset, domain)
    except defs.SchemaError:
        return None
    inputs = tuple(
        Formal(
            formal.name,
            formal.type_str if formal.is_homogeneous else None,
            frozenset(formal.types),
            formal.option != _Option.Single,
        )
        for formal in schema.inputs
    )
    return Signature(
        inputs,
        (schema.min_input, schema.max_input),
        (schema.min_output, schema.max_output),
        {key: _number(attribute.type) for key, attribute in schema.attributes.items()},
        frozenset(key for key, attribute in schema.attributes.items() if attribute.required),
    )


def _number(kind: Any) -> int:
    """Return the number of an attribute's type, which the stubs of onnx declare as another class."""
    return int(kind.value)


def check_node(node: onnx.NodeProto, domain: str, inputs: Sequence[Any], opset: int) -> None:
    """Raise SerializationError, without the node's name, for a node that its operator's schema does not allow.

    Args:
        node: the node.
        domain: its domain, "" for ai.onnx.
        inputs: the values of its inputs, None for those that are left out.
        opset: the version of the domain.
    """
    signature = signature_of(domain, node.op_type, opset)
    if signature is None:
        return
    _check_count(len(inputs), signature.input_counts, "inputs")
    _check_count(len(node.output), signature.output_counts, "outputs")
    _check_attributes(node, signature)
    _check_types(inputs, signature)


def _check_count(got: int, counts: tuple[int, int], what: str) -> None:
    least, most = counts
    if not least <= got <= most:
        wanted = f"{least}" if least == most else f"{least} or more" if most >= 2**31 - 1 else f"{least} to {most}"
        raise SerializationError(f"the operator expects {wanted} {what}, got {got}.")


def _check_attributes(node: onnx.NodeProto, signature: Signature) -> None:
    given = [str(attribute.name) for attribute in node.attribute]
    if len(set(given)) < len(given):
        raise SerializationError(f"an attribute is given twice: {', '.join(given)}.")
    for attribute in node.attribute:
        wanted = signature.attributes.get(attribute.name)
        if wanted is None:
            known = ", ".join(sorted(signature.attributes)) or "none"
            raise SerializationError(f"the operator has no attribute {attribute.name!r}; it has: {known}.")
        if attribute.type not in (wanted, onnx.AttributeProto.UNDEFINED):
            kinds = [onnx.AttributeProto.AttributeType.Name(kind) for kind in (wanted, attribute.type)]
            raise SerializationError(f"attribute {attribute.name!r} expects {kinds[0]}, got {kinds[1]}.")
    missing = sorted(signature.required - set(given))
    if missing:
        raise SerializationError(f"the operator needs the attribute {missing[0]!r}.")


def _check_types(inputs: Sequence[Any], signature: Signature) -> None:
    bound: dict[str, tuple[str, str]] = {}  # type variable -> the type, and the input that has it
    for place, value in enumerate(inputs):
        formal = signature.inputs[min(place, len(signature.inputs) - 1)]
        if value is None:
            if not formal.optional:
                raise SerializationError(f"input {formal.name!r} is required, but left out.")
            continue
        kind = _type_of(value)
        if kind is None:
            continue
        if kind not in formal.types and f"optional({kind})" not in formal.types:
            raise SerializationError(f"input {formal.name!r} expects {_listed(formal.types)}, got {kind}.")
        if formal.variable is not None:
            other, first = bound.setdefault(formal.variable, (kind, formal.name))
            if other != kind:
                raise SerializationError(
                    f"inputs {first!r} and {formal.name!r} must have the same type, got {other} and {kind}."
                )


def _type_of(value: Any) -> str | None:
    """Return the type of a tensor; None for sequences, and for dtypes that ONNX lacks."""
    if isinstance(value, Sizes):
        name = value.dtype
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        name = dtype_name(value)
    else:
        return None
    return f"tensor({_TYPE_NAMES[name]})" if name in _TYPE_NAMES else None


def _listed(types: frozenset[str]) -> str:
    shown = sorted(types)
    return ", ".join(shown[:6]) + (", ..." if len(shown) > 6 else "")
