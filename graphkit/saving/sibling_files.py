"""Files that another file refers to by name: they must be beside it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from graphkit.core.errors import SerializationError, UnsafePathError


def file_beside(path: Path, name: Any, what: str, folders: bool = False) -> Path:
    """Return the path of the file `name` beside `path`; see `place_beside`. Raises SerializationError if it does not exist."""
    found = place_beside(path, name, what, folders)
    if not found.is_file():
        raise SerializationError(f"{what} names the file {name!r}, which is not beside it.")
    return found


def place_beside(path: Path, name: Any, what: str, folders: bool = False) -> Path:
    """Return the path of `name` beside `path`. A link may lead only to the folder where `path` itself is (a cache of downloads).

    Args:
        path: the file that refers to the other one.
        name: the name, as in that file.
        what: the file `path`, as messages name it.
        folders: whether `name` may be in a folder beside `path`.

    Raises:
        UnsafePathError: the name leads elsewhere.
    """
    if not isinstance(name, str) or not _is_name(name, folders):
        raise UnsafePathError(
            f"{what} names the file {name!r}, which is not the name of a file beside it. No other file is opened."
        )
    found = path.parent / name
    real = os.path.realpath(found)
    homes = {os.path.realpath(path.parent), os.path.dirname(os.path.realpath(path))}
    if not any(os.path.commonpath([real, home]) == home for home in homes):
        raise UnsafePathError(f"{what} names the file {name!r}, a link that leads out of the folder. It is not opened.")
    return found


def _is_name(name: str, folders: bool) -> bool:
    parts = PurePosixPath(name).parts
    plain = bool(parts) and ".." not in parts and not name.startswith("/") and "\\" not in name and "\0" not in name
    return plain and not PureWindowsPath(name).drive and ":" not in name and (folders or len(parts) == 1)
