"""A Griffe extension: constructors that graphkit makes from declared arguments, with their real signatures.

Griffe reads source text and runs nothing, so it does not see the constructors that `graphkit.core.declared` makes.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import griffe


class DeclaredSignatures(griffe.Extension):
    """Give each class whose constructor is made at run time an `__init__` with that signature."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Look up the class that Griffe has read, and copy its signature."""
        if "__init__" in cls.members:
            return
        real = _real(cls.path)
        if not isinstance(real, type) or "declaration" not in vars(real):
            return
        signature = inspect.signature(real)
        parameters = [
            griffe.Parameter(
                p.name,
                annotation=None if p.annotation is p.empty else str(p.annotation),
                kind=griffe.ParameterKind(p.kind.description),
                default=None if p.default is p.empty else repr(p.default),
            )
            for p in signature.parameters.values()
        ]
        init = griffe.Function("__init__", parameters=griffe.Parameters(*parameters))
        cls.set_member("__init__", init)


def _real(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
