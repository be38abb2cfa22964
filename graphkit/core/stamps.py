"""Stamps, which show whether an object still computes the same as when a plan, step or session was made from it.

Setting an attribute of a `Stamped` object to another value advances a global clock and marks the object with the new time. The
stamp of a model is computed from the marks of its parts (`layers/stamp.py`). Changes that no assignment shows (a list changed in
place, the variables that a function closes over) are detected by value: `fingerprint`.
"""

from __future__ import annotations

import itertools
import types
import zlib
from collections import deque
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np

_times = itertools.count(1)
_latest = 0
_settings_changed = 0
_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})


def tick() -> int:
    """Advance the clock, since something that plans depend on has changed, and return the new time."""
    global _latest
    _latest = next(_times)
    return _latest


def latest_tick() -> int:
    """Return the time of the last change of any stamped object."""
    return _latest


def catch_up(time: int) -> None:
    """Advance the clock to the time of an object from another process, which may be ahead of it."""
    global _times, _latest
    if time > _latest:
        _times, _latest = itertools.count(time + 1), time


def mark_settings_changed() -> None:
    """Record that a global setting (epsilon, floatx) has changed, so that everything compiled before is stale."""
    global _settings_changed
    _settings_changed = tick()


def settings_changed() -> int:
    """Return the time of the last change of a global setting."""
    return _settings_changed


class Stamped:
    """An object whose attributes determine what it computes.

    Attributes:
        unstamped: The names of attributes that are bookkeeping and do not affect the computation.
        changed: The time of the last change.
    """

    unstamped: ClassVar[frozenset[str]] = frozenset()
    # `unstamped` and properties, whose setters set the attributes that count
    _uncounted: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        properties = {name for name, value in vars(cls).items() if isinstance(value, property)}
        cls._uncounted = cls._uncounted | cls.unstamped | properties

    @property
    def changed(self) -> int:
        """The time at which an attribute was last set to another value."""
        return int(self.__dict__.get("_changed_at", 0))

    def mark_changed(self) -> None:
        """Record that the object computes something else from now on."""
        self.__dict__["_changed_at"] = tick()

    def __setattr__(self, name: str, value: Any) -> None:
        global _latest
        if name not in self._uncounted:  # building a graph sets many attributes: no calls in here
            held = self.__dict__
            old = held.get(name, _MISSING)
            if old is not value and not (type(old) is type(value) and type(old) in _PLAIN and old == value):
                _latest = held["_changed_at"] = next(_times)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name not in self._uncounted:
            self.mark_changed()


_MISSING = object()


class Identity:
    """A hashable stand-in for an object, equal only to stand-ins for the same object. It keeps the object alive."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


def fingerprint(value: Any, whole: tuple[type, ...] = ()) -> Hashable:
    """Return a hashable value that changes when the contents of `value` change.

    Numbers and strings count by value, arrays by their bytes, containers and objects by their contents, functions by their code,
    their closure and the globals that they read. Objects of the types `whole`, and read-only arrays, count by identity. Each object
    is visited once.

    Args:
        value: Any object.
        whole: Types whose instances count by identity.
    """
    return _Fingerprint(whole).of(value)


class _Fingerprint:
    """One walk over a value; an object met before is represented by its index."""

    def __init__(self, whole: tuple[type, ...]) -> None:
        self._whole = whole
        self._met: dict[int, int] = {}
        self._held: list[Any] = []  # kept alive during the walk, so that no id is reused

    def of(self, value: Any) -> Hashable:
        """Return the fingerprint of a part."""
        if type(value) in _PLAIN:
            return (type(value), value)
        if isinstance(value, (*self._whole, type, types.ModuleType)):
            return Identity(value)
        number = self._met.get(id(value))
        if number is not None:
            return ("met", number)
        self._met[id(value)] = len(self._met)
        self._held.append(value)
        return self._contents(value)

    def _contents(self, value: Any) -> Hashable:
        if isinstance(value, np.ndarray):
            return self._of_array(value)
        if isinstance(value, Mapping):
            return (type(value), *((self.of(k), self.of(v)) for k, v in value.items()))
        if isinstance(value, (list, tuple, deque)):
            return (type(value), *(self.of(v) for v in value))
        if isinstance(value, (set, frozenset)):
            return (type(value), frozenset(self.of(v) for v in value))
        if isinstance(value, types.MethodType):
            return (self.of(value.__func__), self.of(value.__self__))
        if isinstance(value, types.FunctionType):
            return self._of_function(value)
        if not hasattr(value, "__dict__"):
            return Identity(value)
        return (Identity(value), self.of(dict(vars(value))))

    def _of_array(self, array: np.ndarray[Any, Any]) -> Hashable:
        if array.dtype.hasobject:
            return (array.shape, *(self.of(v) for v in array.flat))
        if not array.flags.writeable:
            return Identity(array)
        return (array.shape, array.dtype.str, zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data))

    def _of_function(self, function: types.FunctionType) -> Hashable:
        cells = [_cell(cell) for cell in function.__closure__ or ()]
        read = [function.__globals__[n] for n in _names(function.__code__) if n in function.__globals__]
        given = (function.__defaults__, function.__kwdefaults__)
        return (Identity(function.__code__), *(self.of(part) for part in (cells, read, given)))


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return None


def _names(code: types.CodeType) -> list[str]:
    """Return the names that a function reads, including those of nested functions."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return list(dict.fromkeys([*code.co_names, *(name for c in inner for name in _names(c))]))
