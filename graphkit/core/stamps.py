"""Stamps: what tells whether an object still computes what it computed when a plan, step or session was made from it.

Setting an attribute of a `Stamped` object to another value moves the one clock and marks the object with the new time. The
stamp of a model is made from the marks of its parts (`layers/stamp.py`). What no assignment shows (a list that was changed in
place, the variables that a function closes over) is compared by value: `fingerprint`.
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
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def tick() -> int:
    """Move the clock: something that plans depend on has changed. Gives the new time."""
    global _latest
    _latest = next(_times)
    return _latest


def latest_tick() -> int:
    """The time of the last change of any stamped object."""
    return _latest


def catch_up(time: int) -> None:
    """Set the clock to a time that an object bears: one that comes from another process may be ahead of it."""
    global _times, _latest
    if time > _latest:
        _times, _latest = itertools.count(time + 1), time


def mark_settings_changed() -> None:
    """Say that a setting of the whole process (epsilon, floatx) is another one: nothing compiled before holds."""
    global _settings_changed
    _settings_changed = tick()


def settings_changed() -> int:
    """The time at which a setting of the whole process last became another one."""
    return _settings_changed


class Stamped:
    """An object whose attributes say what it computes.

    Attributes:
        unstamped: the names of attributes that are bookkeeping and say nothing about the computation.
        changed: the time of the last change.
    """

    unstamped: ClassVar[frozenset[str]] = frozenset()
    _uncounted: ClassVar[frozenset[str]] = frozenset()  # these, and properties: their setters set what counts

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        properties = {name for name, value in vars(cls).items() if isinstance(value, property)}
        cls._uncounted = cls._uncounted | cls.unstamped | properties

    @property
    def changed(self) -> int:
        """The time at which an attribute was last set to another value."""
        return int(self.__dict__.get("_changed_at", 0))

    def mark_changed(self) -> None:
        """Say that the object computes something else from now on."""
        self.__dict__["_changed_at"] = tick()

    def __setattr__(self, name: str, value: Any) -> None:
        held = self.__dict__
        if name not in self._uncounted and not _is_same(held.get(name, _MISSING), value):
            held["_changed_at"] = tick()
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name not in self._uncounted:
            self.mark_changed()


_MISSING = object()


def _is_same(old: Any, new: Any) -> bool:
    return old is new or (type(old) is type(new) and type(old) in _PLAIN and old == new)


class Identity:
    """A hashable stand-in for an object, equal to that of the same object only; it keeps the object alive."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.held is self.held

    def __hash__(self) -> int:
        return id(self.held)


def fingerprint(value: Any, whole: tuple[type, ...] = ()) -> Hashable:
    """A hashable value that differs when what `value` holds differs.

    Numbers and texts count by value, arrays by their bytes, containers and objects by what they hold, functions by their code,
    what they close over and the globals that they read; objects of the types `whole`, and arrays that cannot be written to, by
    identity. Each object is looked at once.
    """
    return _Fingerprint(whole).of(value)


class _Fingerprint:
    """One walk over a value: what was met before stands as its number."""

    def __init__(self, whole: tuple[type, ...]) -> None:
        self._whole = whole
        self._met: dict[int, int] = {}
        self._held: list[Any] = []  # alive during the walk, so that no id is given twice

    def of(self, value: Any) -> Hashable:
        """The fingerprint of a part."""
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
    """The names that a function reads, those of the functions inside it included."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return list(dict.fromkeys([*code.co_names, *(name for c in inner for name in _names(c))]))
