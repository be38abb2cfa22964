"""The signatures of functions, each worked out once: `inspect` takes longer than most layers take to be built."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

_known: WeakKeyDictionary[Any, inspect.Signature] = WeakKeyDictionary()


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function (of a method: with `self`). Raises what `inspect.signature` raises."""
    try:
        found = _known.get(function)
    except TypeError:  # one that nothing can refer to weakly
        return inspect.signature(function)
    if found is None:
        found = _known[function] = inspect.signature(function)
    return found
