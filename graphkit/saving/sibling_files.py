"""The files that a file names as parts of it: they stand beside it, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from graphkit.core.errors import SerializationError, UnsafePathError


def file_beside(path: Path, name: Any, what: str, folders: bool = False) -> Path:
    """The file `name` beside `path`, as `place_beside` finds it. Raises SerializationError for a file that is not there."""
    found = place_beside(path, name, what, folders)
    if not found.is_file():
        raise SerializationError(f"{what} names the file {name!r}, which is not beside it.")
    return found


def place_beside(path: Path, name: Any, what: str, folders: bool = False) -> Path:
    """Where the file `name` stands beside `path`. A link may lead to where `path` itself is kept (a cache of downloads), not elsewhere.

    Args:
        name: as it stands in the file `path`.
        what: that file, as messages name it.
        folders: whether it may stand in a folder beside it.

    Raises UnsafePathError for a name that leads elsewhere.
    """
    if not isinstance(name, str) or not _is_name(name, folders):
        raise UnsafePathError(
            f"{what} names the file {name!r}, which is no name of a file beside it. Nothing else is opened."
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
