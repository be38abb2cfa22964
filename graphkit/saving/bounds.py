"""Limits on what is read from files, checked before anything is allocated; JSON and text within these limits."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from graphkit.core.errors import SerializationError

MAX_JSON_BYTES = 1 << 29  # half a GiB of config
MAX_YAML_BYTES = 1 << 24
MAX_ENTRIES = 1 << 16  # members of an archive
MAX_OBJECTS = 1 << 20  # groups and datasets of an HDF5 file
MAX_DEPTH = 100  # levels of nested groups
FREE_BYTES = 1 << 28  # may be declared by a file of any size
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
MAX_RATIO = 100  # of expansion; Keras stores without compression, and deflated weights reach 1.1


def check_expansion(declared: int, stored: int, what: str) -> None:
    """Raise SerializationError if `stored` bytes declare more than compressed weights could expand to."""
    if declared > FREE_BYTES and declared > MAX_RATIO * max(stored, 1):
        raise SerializationError(
            f"{what} declares {declared:,} bytes, but the file holds only {stored:,} for it; it is damaged or a decompression bomb."
        )


def read_bytes(path: Path, what: str) -> bytes:
    """Return the bytes of a config file. Raises SerializationError if it is too large."""
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise SerializationError(f"{what} has {size:,} bytes; a config has at most {MAX_JSON_BYTES:,}.")
    return path.read_bytes()


def parse_json(text: str | bytes, what: str) -> Any:
    """Parse JSON. Raises SerializationError, naming `what`, for text that is not JSON, too large or nested too deeply."""
    if len(text) > MAX_JSON_BYTES:
        raise SerializationError(f"{what} has {len(text):,} bytes; a config has at most {MAX_JSON_BYTES:,}.")
    try:
        text = as_text(text, what)
        found = json.loads(text)
    except RecursionError:
        raise SerializationError(f"{what} is nested too deeply to be a config.") from None
    except ValueError as error:
        if isinstance(error, SerializationError):
            raise
        raise SerializationError(f"{what} is not valid JSON: {error}.") from None
    if _SURROGATE.search(text):
        _refuse_lone_surrogates(found, what)
    return found


def as_text(data: str | bytes, what: str) -> str:
    """Decode UTF-8 bytes, and strip a byte order mark. Raises SerializationError naming `what`."""
    try:
        return data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise SerializationError(f"{what} is not UTF-8 text: {error}.") from None


def _refuse_lone_surrogates(found: Any, what: str) -> None:
    r"""Raise SerializationError for half of a surrogate pair (\ud800): such text could not be written or shown."""
    stack = [found]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise SerializationError(
                    f"{what} has the text {value[:60]!a}, which is not valid Unicode: half of a surrogate pair."
                ) from None
        elif isinstance(value, dict):
            stack += [*value, *value.values()]
        elif isinstance(value, list):
            stack += value
