"""YAML tags that stand for data: tuples, texts, and the numbers of NumPy, which PyYAML wrote as calls.

Nothing is called: a number is read off its bytes. Every other tag is refused, since tags are how YAML runs code.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

import numpy as np

_MAX_BYTES = 1 << 20  # of one array
_DTYPE = re.compile(r"[<>|=]?([biuf][1248])$")
_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")


class NotData(Exception):  # noqa: N818 (the reader says where)
    """A tagged value that is not what its tag says."""


def _same(value: Any) -> Any:
    return value


def _listed(value: Any) -> list[Any]:
    return list(value or [])


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("latin-1")


def _binary(value: Any) -> bytes:
    return base64.b64decode("".join(str(value).split()), validate=True)


def _call(value: Any) -> tuple[list[Any], list[Any]]:
    """Arguments and state of a call, which stand as a list or under `args` and `state`."""
    return (value["args"], value.get("state") or []) if isinstance(value, dict) else (value, [])


def _dtype(value: Any) -> np.dtype[Any]:
    arguments, state = _call(value)
    match = _DTYPE.match(str(arguments[0]))
    if match is None:
        raise NotData
    big = len(state) > 1 and state[1] == ">"
    return np.dtype((">" if big else "<") + match.group(1))


def _numbers(dtype: Any, raw: Any, shape: Any) -> Any:
    data = _bytes(raw)
    if not isinstance(dtype, np.dtype) or len(data) > _MAX_BYTES:
        raise NotData
    return np.frombuffer(data, dtype).reshape(tuple(shape)).tolist()


def _scalar(value: Any) -> Any:
    arguments, _ = _call(value)
    return _numbers(arguments[0], arguments[1], ())


def _array(value: Any) -> Any:
    _, (_, shape, dtype, fortran, raw) = _call(value)
    return _numbers(dtype, raw, shape) if not fortran else np.asarray(_numbers(dtype, raw, shape[::-1])).T.tolist()


_TAGS: dict[str, Callable[[Any], Any]] = {
    "python/tuple": _listed,
    "python/list": _listed,
    **{f"python/{name}": _same for name in ("unicode", "str", "int", "long", "float", "bool", "none", "dict")},
    **dict.fromkeys(("str", "int", "float", "bool", "null", "seq", "map"), _same),
    "binary": _binary,
    "python/name:numpy.ndarray": _same,
    "python/object/apply:numpy.dtype": _dtype,
    **{f"python/object/apply:{core}.scalar": _scalar for core in _CORE},
    **{f"python/object/apply:{core}._reconstruct": _array for core in _CORE},
}


def converter_of(tag: str) -> Callable[[Any], Any] | None:
    """What makes data of a tagged value; None for a tag that is not read. It raises NotData for what is malformed."""
    convert = _TAGS.get(tag.strip("!<>").removeprefix("tag:yaml.org,2002:"))
    if convert is None:
        return None

    def checked(value: Any) -> Any:
        try:
            return convert(value)
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, binascii.Error) as error:
            raise NotData from error

    return checked
