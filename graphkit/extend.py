"""The public interface for other packages: ops with their gradients and ONNX lowerings, layers, and formats of files.

Everything that graphkit itself has is registered through the same functions. The page "Extending graphkit" shows each by example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from graphkit.core.deferred import deferred
from graphkit.core.errors import InvalidArgumentError
from graphkit.core.files import (
    check_target,
    replacing,
    replacing_folder,
    replacing_group,
    write_bytes,
    write_text,
)
from graphkit.core.serialization import register_keras_serializable
from graphkit.ir.primitive import Primitive, primitive
from graphkit.ir.program import Equation
from graphkit.ir.spec import TensorSpec
from graphkit.layers.layer import Layer
from graphkit.ops._convert import promote
from graphkit.ops._dispatch import operation
from graphkit.ops._rules import broadcast_shapes
from graphkit.saving.formats import ConverterWarning, Format, UnsupportedFormatError, Upgraded
from graphkit.saving.formats import register as register_format
from graphkit.saving.formats import unregister as unregister_format
from graphkit.saving.inspection import report_of_config
from graphkit.saving.model_config import model_config
from graphkit.saving.model_config import model_from_data as model_from_config
from graphkit.saving.source import Source
from graphkit.saving.weights import arrays_of, load_arrays

__all__ = [
    "ConverterWarning",
    "Format",
    "Layer",
    "Primitive",
    "Source",
    "TensorSpec",
    "UnsupportedFormatError",
    "Upgraded",
    "arrays_of",
    "broadcast_shapes",
    "check_target",
    "limitation",
    "load_arrays",
    "lowering",
    "model_config",
    "model_from_config",
    "onnx_operator",
    "op",
    "primitive",
    "promote",
    "register_format",
    "register_keras_serializable",
    "replacing",
    "replacing_folder",
    "replacing_group",
    "report_of_config",
    "unregister_format",
    "write_bytes",
    "write_text",
]

P = ParamSpec("P")
R = TypeVar("R")
Function = Callable[..., Any]


def op(class_name: str, package: str, tensors: str = "x") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function over tensors a public op: it computes on arrays, traces, and is a node of a model's graph.

    The function is written with ops, or binds a primitive. A model that uses it is saved with the names given here, and loads
    where the module that defines the op was imported: by the user, or by an entry point of the group `graphkit.converters`.

    Args:
        class_name: the name of the op in configs, such as "Swirl".
        package: the name of the package that defines it; the op is saved under the module "<package>.ops".
        tensors: the names of the arguments that are tensors, or structures of them, separated by spaces; the others are the op's
            config and must be JSON data.

    Returns:
        A decorator that gives the function back as an op.

    Raises:
        InvalidArgumentError: the package is Keras or graphkit.
        NameConflictError: the package has an op of this name.
    """
    if package.split(".")[0] in ("keras", "tf_keras", "tensorflow", "graphkit"):
        raise InvalidArgumentError(
            f"op {class_name!r}: package={package!r} is reserved; give the name of your own package."
        )
    return operation(class_name, f"{package}.ops", tensors)


def lowering(
    *primitives: str, since: int = 13, when: Callable[[Equation], bool] | None = None
) -> Callable[[Function], Function]:
    """Register a function that writes primitives as ONNX.

    Args:
        primitives: the names of the primitives.
        since: the first opset that the function is valid for. The highest one that the wanted opset allows is used.
        when: which equations of the primitives it covers; None for all.

    Returns:
        A decorator. The function is called as `(builder, *operands, **params)` and returns a name, an operand, or a tuple of them with
        one for each output; `builder.op("Softsign", x)` adds an ONNX node.

    A lowering with `when` also replaces one of graphkit's own for the equations that it covers. Without `when`, a primitive has one
    lowering for each opset: a second one is left out, with a ConverterWarning at the first export or a NameConflictError here.

    Raises:
        NameConflictError: a primitive has an unconditional lowering since this opset.
    """
    decorator: Callable[[Function], Function] = deferred("lowerings").lowering(*primitives, since=since, when=when)
    return decorator


def onnx_operator(*names: str, domain: str, since: int = 1) -> Callable[[Function], Function]:
    """Register a function that computes operators of ONNX files, so that files with them are imported.

    Args:
        names: the operators.
        domain: their domain; "" is ai.onnx.
        since: the first version of the domain that the function is valid for.

    Returns:
        A decorator. The function is called as `(*inputs, **attributes)` and returns a tensor, or a tuple of them, computed with
        `graphkit.ops`. An input that a node leaves out is None; an attribute that it leaves out is not passed.
    """
    decorator: Callable[[Function], Function] = deferred("operators").operator(*names, domain=domain, since=since)
    return decorator


def limitation(reason: str, *primitives: str) -> None:
    """State why primitives cannot be written as ONNX; the export raises ExportError with the reason.

    Args:
        reason: ends the sentence "cannot be written as ONNX: ...".
        primitives: the names of the primitives.
    """
    deferred("lowerings").limitation(reason, *primitives)
