"""Caches the signatures of functions: `inspect.signature` takes longer than building most layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

_known: WeakKeyDictionary[Any, inspect.Signature] = WeakKeyDictionary()


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a function (of a method: with `self`). Raises what `inspect.signature` raises."""
    try:
        found = _known.get(function)
    except TypeError:  # an object without weak references
        return inspect.signature(function)
    if found is None:
        found = _known[function] = inspect.signature(function)
    return found
