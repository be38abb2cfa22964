"""YAML configs of Keras 1 and 2 (`model.to_yaml()`), read as plain data by PyYAML's safe constructors.

Only tags of data are constructed: strings, numbers, lists, mappings, tuples, and NumPy's numbers, which PyYAML wrote as calls and which
are read from their bytes. Every other tag is refused, since tags are how YAML runs code. The depth, and the number of values with all
aliases expanded, are limited before anything is constructed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from graphkit.core.errors import GraphKitError, MissingPackageError, SerializationError, UnsafeCodeError

try:
    import yaml
except ImportError:
    raise MissingPackageError(
        "Reading a YAML config needs PyYAML, which is not installed: pip install 'graphkit[yaml]'."
    ) from None
from yaml.composer import Composer, ComposerError
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

_MAX_DEPTH = 100
_MAX_VALUES = 1 << 19  # 10,000 layers are about 400,000
_MAX_ARRAY_BYTES = 1 << 20
_YAML = "tag:yaml.org,2002:"  # written !!
_NUMPY_DTYPE = re.compile(r"[<>|=]?([biuf][1248])$")
_FLOAT = re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?$")  # also 1e-7, a text in YAML 1.1


def parse_yaml(text: str, what: str) -> Any:
    """Return the data of a YAML document.

    Args:
        text: the document.
        what: the file, as messages name it.

    Raises:
        SerializationError: the text is not YAML, is nested too deeply or holds too many values. The message names the line.
        UnsafeCodeError: a tag is not one of data.
    """
    try:
        return _LOADER(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        why = ", ".join(filter(None, (error.context, error.problem)))
        raise SerializationError(f"{what} is not YAML that Keras wrote: {line}{why}.") from None
    except UnsafeCodeError as error:
        raise UnsafeCodeError(f"{what} {error}") from None
    except (yaml.YAMLError, UnicodeError) as error:  # characters that YAML does not allow
        raise SerializationError(f"{what} is not YAML that Keras wrote: {' '.join(str(error).split())}.") from None


def _implicit_resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the types of plain scalars: those of YAML 1.1 without dates, merges and `=`, and all floats of Python."""
    kept = {f"{_YAML}{name}" for name in ("bool", "int", "float", "null")}
    found = {
        first: [(tag, pattern) for tag, pattern in rows if tag in kept]
        for first, rows in Resolver.yaml_implicit_resolvers.items()
    }
    for first in "+-.0123456789":
        found[first].append((f"{_YAML}float", _FLOAT))
    return found


class _Bounded(Composer, SafeConstructor):
    """Composes within limits and constructs only data. The values of an alias are counted each time, but constructed once."""

    yaml_implicit_resolvers = _implicit_resolvers()

    def __init__(self) -> None:
        Composer.__init__(self)
        self._depth = self._values = 0
        self._sizes: dict[str, int] = {}  # anchor -> values below it, once it is complete

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[attr-defined]  # a method of the parser
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias:
            if event.anchor in self.anchors and event.anchor not in self._sizes:
                raise ComposerError(None, None, f"the alias *{event.anchor} is inside its own anchor", event.start_mark)
            self._count(self._sizes.get(event.anchor, 1), event)
            return super().compose_node(parent, index)
        self.anchors.pop(event.anchor, None)  # an anchor may be redefined
        self._sizes.pop(event.anchor, None)
        before = self._values
        self._count(1, event)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ComposerError(None, None, "it is nested too deeply", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._sizes[event.anchor] = self._values - before
        return node

    def _count(self, values: int, event: Any) -> None:
        self._values += values
        if self._values > _MAX_VALUES:
            raise ComposerError(None, None, f"it expands to more than {_MAX_VALUES:,} values", event.start_mark)

    def construct_object(self, node: Any, deep: bool = True) -> Any:
        try:
            return super().construct_object(node, deep)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            if isinstance(error, GraphKitError):
                raise
            raise ConstructorError(
                None, None, f"the value does not fit its tag {_shown(node.tag)!r}", node.start_mark
            ) from None

    def flatten_mapping(self, node: Any) -> None:
        """Leave merges unresolved, with which mappings could grow without limit."""


class _PythonLoader(_Bounded, yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        yaml.SafeLoader.__init__(self, text)
        _Bounded.__init__(self)


_LOADER: type[Any] = _PythonLoader
if yaml.__with_libyaml__:  # five times as fast

    class _CLoader(_Bounded, yaml.CSafeLoader):
        def __init__(self, text: str) -> None:
            yaml.CSafeLoader.__init__(self, text)
            _Bounded.__init__(self)

    _LOADER = _CLoader


# ----- constructors by tag -----

Constructor = Callable[[Any, Any], Any]


def _shown(tag: str) -> str:
    return tag.replace(_YAML, "!!", 1)[:100]


def _refuse(loader: Any, node: Any) -> Any:
    raise UnsafeCodeError(
        f"has the YAML tag {_shown(node.tag)!r}: tags can run code, so only tuples, strings and numbers are read."
    )


def _text(loader: Any, node: Any) -> str:
    text: str = loader.construct_scalar(node)
    text.encode()  # raises for half of a surrogate pair
    return text


def _binary(loader: Any, node: Any) -> bytes:
    return base64.b64decode("".join(_text(loader, node).split()), validate=True)


def _list(loader: Any, node: Any) -> list[Any]:
    found: list[Any] = loader.construct_sequence(node, deep=True)
    return found


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return found


def _call(loader: Any, node: Any) -> tuple[list[Any], list[Any]]:
    """Return the arguments and the state of a call: a list of arguments, or a mapping with `args` and `state`."""
    if isinstance(node, yaml.SequenceNode):
        return _list(loader, node), []
    parts = _mapping(loader, node)
    return parts["args"], parts.get("state") or []


def _numpy_dtype(loader: Any, node: Any) -> np.dtype[Any]:
    arguments, state = _call(loader, node)
    match = _NUMPY_DTYPE.match(arguments[0])
    if match is None:
        raise ValueError(arguments[0])
    big = len(state) > 1 and state[1] == ">"
    return np.dtype((">" if big else "<") + match.group(1))


def _numpy_scalar(loader: Any, node: Any) -> Any:
    arguments, _ = _call(loader, node)
    return _from_bytes(arguments[0], arguments[1], ())


def _numpy_array(loader: Any, node: Any) -> Any:
    _, (_, shape, dtype, fortran, raw) = _call(loader, node)
    return np.asarray(_from_bytes(dtype, raw, shape[::-1])).T.tolist() if fortran else _from_bytes(dtype, raw, shape)


def _from_bytes(dtype: Any, raw: Any, shape: Any) -> Any:
    data = raw if isinstance(raw, bytes) else raw.encode("latin-1")
    if not isinstance(dtype, np.dtype) or len(data) > _MAX_ARRAY_BYTES:
        raise ValueError(dtype)
    return np.frombuffer(data, dtype).reshape(tuple(shape)).tolist()


_NUMPY_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_TAGS: dict[str, Constructor] = {
    **dict.fromkeys(("str", "python/str", "python/unicode"), _text),
    **dict.fromkeys(("int", "python/int", "python/long"), SafeConstructor.construct_yaml_int),
    **dict.fromkeys(("float", "python/float"), SafeConstructor.construct_yaml_float),
    **dict.fromkeys(("bool", "python/bool"), SafeConstructor.construct_yaml_bool),
    **dict.fromkeys(("null", "python/none", "python/name:numpy.ndarray"), SafeConstructor.construct_yaml_null),
    **dict.fromkeys(("seq", "python/list", "python/tuple"), _list),
    **dict.fromkeys(("map", "python/dict"), _mapping),
    "binary": _binary,
    "python/object/apply:numpy.dtype": _numpy_dtype,
    **{f"python/object/apply:{core}.scalar": _numpy_scalar for core in _NUMPY_CORES},
    **{f"python/object/apply:{core}._reconstruct": _numpy_array for core in _NUMPY_CORES},
}
_Bounded.yaml_constructors = {None: _refuse} | {f"{_YAML}{tag}": constructor for tag, constructor in _TAGS.items()}
