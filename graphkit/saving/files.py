"""Files written beside their target and renamed over it: a crash leaves the old file whole, a failure leaves nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphkit.core.errors import InvalidArgumentError, SerializationError


@contextmanager
def replacing(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """A new file in the same folder; it takes the name `path` when the block ends well and is removed when it does not.

    Raises SerializationError where the folder is missing or `path` is there and must not be overwritten.
    """
    check_target(path, overwrite)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        _flush(part)
        os.chmod(part, _mode(path))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, overwrite: bool = True) -> Iterator[Path]:
    """Likewise for a folder with files in it."""
    check_target(path, overwrite)
    part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    old = part.with_suffix(".old")
    try:
        yield part
        if path.exists():
            os.replace(path, old)
        os.replace(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_target(path: Path, overwrite: bool) -> None:
    """Raise unless `path` can be written to."""
    if not path.parent.is_dir():
        raise SerializationError(f"Cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist.")
    if path.exists() and not overwrite:
        raise InvalidArgumentError(f"{str(path)!r} exists already and overwrite=False was given.")


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _mode(path: Path) -> int:
    """The permissions that `path` has, or that a new file would get."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
