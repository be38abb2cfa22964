"""A Griffe extension: the signatures of constructors that graphkit makes from declared arguments.

Griffe reads source text and runs nothing, so it does not see the constructors that `graphkit.core.declared` makes.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import griffe


class DeclaredSignatures(griffe.Extension):
    """Give each class with a declared constructor an `__init__` with its signature."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Copy the signature of the class that Griffe has read."""
        real = _class_at(cls.path)
        if real is None or "declaration" not in vars(real) or "__init__" in cls.members:
            return
        parameters = (_parameter(parameter) for parameter in inspect.signature(real).parameters.values())
        cls.set_member("__init__", griffe.Function("__init__", parameters=griffe.Parameters(*parameters)))


def _class_at(path: str) -> type | None:
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    return found if isinstance(found, type) else None


def _parameter(parameter: inspect.Parameter) -> griffe.Parameter:
    return griffe.Parameter(
        parameter.name,
        annotation=None if parameter.annotation is parameter.empty else str(parameter.annotation),
        kind=griffe.ParameterKind(parameter.kind.description),
        default=None if parameter.default is parameter.empty else repr(parameter.default),
    )
