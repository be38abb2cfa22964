"""Records the constructor arguments of user-defined classes when an object is created, so that a config can be written.

Source: keras.Operation; subclasses without a `get_config` are saved by their constructor arguments.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np

from graphkit.core.errors import SerializationError, UnsupportedError
from graphkit.core.signatures import signature_of

_OWN_PACKAGE = __name__.split(".")[0]
_PLAIN = (str, int, float, bool, type(None), np.integer, np.floating, np.bool_)


class RecordedArguments(NamedTuple):
    """The arguments of a constructor call: JSON data by name, and the names of arguments that are not JSON data."""

    plain: Mapping[str, Any]
    others: tuple[str, ...]


class Recording:
    """Mixin: objects of user-defined classes remember their constructor arguments."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Create an object and record its arguments."""
        made = super().__new__(cls)
        if _is_to_be_recorded(cls):
            made.__dict__["_recorded_arguments"] = _record(cls, args, kwargs)
        return made


_own_constructors: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def _is_to_be_recorded(cls: type) -> bool:
    """Return whether a class has a user-defined constructor."""
    known = _own_constructors.get(cls)
    if known is None:
        definer = _definer(cls, "__init__")
        known = _own_constructors[cls] = definer is not object and not _is_ours(definer)
    return known


def our_class(cls: type) -> Any:
    """Return the nearest class of graphkit itself: the class, or the base of a user-defined class."""
    return next(base for base in cls.__mro__ if _is_ours(base))


def has_own_config(cls: type) -> bool:
    """Return whether the class, or a base of it that is not graphkit's, defines `get_config`."""
    return not _is_ours(_definer(cls, "get_config"))


def recorded_config(obj: Any, known: Iterable[str]) -> dict[str, Any]:
    """Return the recorded arguments of a user-defined constructor that are missing from `known`.

    Empty if the class defines `get_config`, which covers them. An argument that is not JSON data is left out with a warning.

    Args:
        obj: The object.
        known: The names in the config of graphkit's class.
    """
    recorded = _recorded_of(obj)
    if recorded is None:
        return {}
    left_out = [name for name in recorded.others if name not in known]
    if left_out:
        warnings.warn(
            f"{type(obj).__name__} does not define get_config(), so its arguments {left_out} are not in its config: they are not "
            "strings, numbers, booleans, None, or lists and dicts of these. Define get_config() to save them.",
            stacklevel=3,
        )
    return {name: value for name, value in recorded.plain.items() if name not in known}


def whole_recorded_config(obj: Any, known: Iterable[str]) -> dict[str, Any]:
    """Like `recorded_config`, for a class that has no config otherwise.

    Raises:
        UnsupportedError: An argument is not JSON data.
    """
    recorded = _recorded_of(obj)
    left_out = [] if recorded is None else [name for name in recorded.others if name not in known]
    if left_out:
        cls = type(obj).__name__
        raise UnsupportedError(
            f"The config of {cls} {getattr(obj, 'name', '')!r} cannot be written: its arguments {left_out} are not strings, numbers, "
            f"booleans, None, or lists and dicts of these. Define get_config() in {cls}: return super().get_config() and the "
            "arguments as JSON data; if they are objects, define from_config() as well."
        )
    return recorded_config(obj, known)


def recorded_arguments(obj: Any) -> dict[str, Any]:
    """Return the recorded arguments that are JSON data; empty if none were recorded."""
    recorded: RecordedArguments | None = obj.__dict__.get("_recorded_arguments")
    return {} if recorded is None else dict(recorded.plain)


def _recorded_of(obj: Any) -> RecordedArguments | None:
    recorded: RecordedArguments | None = obj.__dict__.get("_recorded_arguments")
    return None if has_own_config(type(obj)) else recorded


def _is_ours(cls: type) -> bool:
    return cls.__module__.split(".")[0] == _OWN_PACKAGE


def _definer(cls: type, name: str) -> type:
    """Return the class whose body defines this name."""
    return next((base for base in cls.__mro__ if name in vars(base)), object)


def _record(cls: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> RecordedArguments | None:
    """Return the arguments by name, defaults included; None for a call that the constructor will reject."""
    signature = signature_of(cls.__init__)
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:
        return None
    bound.apply_defaults()
    plain: dict[str, Any] = {}
    others: list[str] = []
    for parameter in list(signature.parameters.values())[1:]:
        value = bound.arguments[parameter.name]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            _sort_out(value, plain, others)
        elif parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            others += [parameter.name] if value or parameter.kind is not inspect.Parameter.VAR_POSITIONAL else []
        else:
            _sort_out({parameter.name: value}, plain, others)
    return RecordedArguments(plain, tuple(others))


def _sort_out(given: Mapping[str, Any], plain: dict[str, Any], others: list[str]) -> None:
    for name, value in given.items():
        try:
            plain[name] = _as_json(value)
        except SerializationError:
            others.append(name)


def _as_json(value: Any) -> Any:
    """Return a copy as JSON data. Raises SerializationError for anything else."""
    if isinstance(value, _PLAIN):
        return value.item() if isinstance(value, np.generic) else value
    if type(value) in (list, tuple):
        return type(value)(_as_json(item) for item in value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _as_json(item) for key, item in value.items()}
    raise SerializationError(f"{type(value).__name__} is not JSON data.")
