"""Stamps: what tells whether an object still computes what it computed when a plan, step or session was made from it.

Setting an attribute of a `Stamped` object to another value moves the one clock and marks the object with the new time. The
stamp of a model is made from the marks of its parts (`layers/stamp.py`). What no assignment shows (a list that was changed in
place, the variables that a function closes over) is compared by value: `fingerprint`.
"""

from __future__ import annotations

import itertools
import types
import zlib
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np

_times = itertools.count(1)
_latest = 0
_settings_changed = 0
_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_DEPTH = 6  # how far a fingerprint follows objects within objects


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


def fingerprint(value: Any, whole: tuple[type, ...] = (), depth: int = _DEPTH) -> Hashable:
    """A hashable value that differs when what `value` holds differs.

    Numbers and texts count by value, arrays by their bytes, containers and objects by what they hold, functions by their code
    and what they close over; objects of the types `whole`, and whatever lies too deep, by identity.
    """
    if isinstance(value, _PLAIN):
        return (type(value), value)
    if isinstance(value, whole) or depth == 0:
        return Identity(value)
    inner = depth - 1
    if isinstance(value, np.ndarray):
        return _array_fingerprint(value, whole, inner)
    if isinstance(value, Mapping):
        return (
            type(value),
            tuple((fingerprint(k, whole, inner), fingerprint(v, whole, inner)) for k, v in value.items()),
        )
    if isinstance(value, (list, tuple, set, frozenset)):
        return (type(value), tuple(fingerprint(v, whole, inner) for v in value))
    if isinstance(value, types.MethodType):
        return (fingerprint(value.__func__, whole, inner), Identity(value.__self__))
    if isinstance(value, types.FunctionType):
        return _function_fingerprint(value, whole, inner)
    if isinstance(value, (type, types.ModuleType)) or not hasattr(value, "__dict__"):
        return Identity(value)
    return (Identity(value), fingerprint(vars(value), whole, inner))


def _array_fingerprint(array: np.ndarray[Any, Any], whole: tuple[type, ...], depth: int) -> Hashable:
    if array.dtype.hasobject:
        return (array.shape, tuple(fingerprint(v, whole, depth) for v in array.flat))
    return (array.shape, array.dtype.str, zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data))


def _function_fingerprint(function: types.FunctionType, whole: tuple[type, ...], depth: int) -> Hashable:
    cells = [_cell(cell) for cell in function.__closure__ or ()]
    read = {n: function.__globals__[n] for n in _names(function.__code__) if n in function.__globals__}
    outside = {n: v for n, v in read.items() if not isinstance(v, (type, types.ModuleType))}
    given = (function.__defaults__, function.__kwdefaults__)
    return (Identity(function.__code__), *(fingerprint(part, whole, depth) for part in (cells, outside, given)))


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return None


def _names(code: types.CodeType) -> list[str]:
    """The names that a function reads, those of the functions inside it included."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return list(dict.fromkeys([*code.co_names, *(name for c in inner for name in _names(c))]))
