"""Plant a defect in functions that are already loaded, so that one process can try many defects by forking."""

from __future__ import annotations

import gc
import inspect
from dataclasses import dataclass
from types import CodeType, FunctionType

_PARTS = (
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_flags",
    "co_argcount",
    "co_kwonlyargcount",
)


@dataclass(frozen=True)
class Change:
    """A function's code before and after an edit; `outermost` if no other function contains it."""

    before: CodeType
    after: CodeType
    outermost: bool


def changes(old_source: str, new_source: str, file: str) -> list[Change] | None:
    """Return the functions that an edit changes; None if it changes what runs at import: a module or class body, a default."""
    old, new = (compile(source, file, "exec", dont_inherit=True) for source in (old_source, new_source))
    found: list[Change] = []
    return found if _collect(old, new, found, inside=False) else None


def _collect(old: CodeType, new: CodeType, found: list[Change], inside: bool) -> bool:
    function = bool(old.co_flags & inspect.CO_OPTIMIZED)
    if function and not _same(old, new, deep=True):
        if old.co_freevars != new.co_freevars:
            return False
        found.append(Change(old, new, not inside))
    elif not _same(old, new, deep=False):
        return False
    pairs = list(zip(_inner(old), _inner(new), strict=False))
    if function and any(a.co_qualname != b.co_qualname for a, b in pairs):
        return True  # the inner functions cannot be matched, so the outer function is replaced
    return all(_collect(a, b, found, inside or function) for a, b in pairs)


def _inner(code: CodeType) -> list[CodeType]:
    return [c for c in code.co_consts if isinstance(c, CodeType)]


def _same(old: CodeType, new: CodeType, deep: bool) -> bool:
    """Return whether two code objects are equal; without `deep`, the functions inside them may differ."""
    if len(old.co_consts) != len(new.co_consts) or any(getattr(old, p) != getattr(new, p) for p in _PARTS):
        return False
    for a, b in zip(old.co_consts, new.co_consts, strict=True):
        if isinstance(a, CodeType) and isinstance(b, CodeType):
            if a.co_qualname != b.co_qualname or (deep and not _same(a, b, deep)):
                return False
        elif repr(a) != repr(b):
            return False
    return True


def put_in(changed: list[Change], file: str) -> bool:
    """Replace the code of the loaded functions of a file; return False if one of them is not loaded."""
    loaded = [f for f in gc.get_objects() if isinstance(f, FunctionType) and f.__code__.co_filename == file]
    for change in changed:
        functions = [f for f in loaded if f.__code__ == change.before]
        if not functions and change.outermost:
            return False
        for function in functions:
            function.__code__ = change.after
    return True
