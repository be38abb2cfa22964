"""The one writer of files: everything that graphkit writes to disk goes through here.

A file is written in a folder of its own beside its target, flushed to the disk, and renamed over the target. So a crash leaves the
old file whole, and a failure leaves nothing behind. A symbolic link is followed: the file that it leads to is replaced.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from graphkit.core.errors import FileWriteError, GraphKitError, InvalidArgumentError

_PERMISSIONS = 0o777
_NAME_SHOWN = 40  # characters of the target's name in that of its working folder: names are limited to 255 bytes


class Staged:
    """A file that is being written, with files that belong to it.

    `part` is where the file itself is to be written. Whatever else is written beside `part` is scratch, unless `companion` named it.
    """

    def __init__(self, folder: Path, target: Path) -> None:
        self.part = folder / target.name
        self.target = target
        self.stale: list[Path] = []
        self._companions: list[str] = []

    def companion(self, name: str) -> Path:
        """Where to write a file that is to stand beside the target under `name`. No file in use may have that name."""
        if Path(name).name != name or name == self.target.name:
            raise InvalidArgumentError(f"{name!r} is no name of a file beside {str(self.target)!r}.")
        if name not in self._companions:
            self._companions.append(name)
        return self.part.with_name(name)

    def remove_afterwards(self, files: Sequence[Path]) -> None:
        """Remove these files of an older version once the new one stands in its place."""
        self.stale += files

    def _publish(self) -> None:
        """Rename the companions and then the file itself: until that last step the old version is complete."""
        parts = [self.part.with_name(name) for name in self._companions]
        for part in (*parts, self.part):
            _flush(part)
        _keep_owner_and_mode(self.target, self.part)
        added: list[Path] = []
        try:
            for part in parts:
                place = self.target.with_name(part.name)
                if not place.exists():
                    added.append(place)
                os.replace(part, place)
            os.replace(self.part, self.target)
        except BaseException:
            if self.part.exists():  # the old version still stands
                _remove(added)
            raise
        _flush_folder(self.target.parent)
        kept = {self.target.name, *self._companions}
        _remove([path for path in self.stale if path.name not in kept])


@contextmanager
def replacing(path: Any, overwrite: bool = True) -> Iterator[Path]:
    """A place for a new file, which takes the name `path` when the block ends well and is removed when it does not.

    Raises InvalidArgumentError where `path` is there and must not be overwritten, FileWriteError where it cannot be written.
    """
    with replacing_group(path, overwrite) as staged:
        yield staged.part


@contextmanager
def replacing_group(path: Any, overwrite: bool = True) -> Iterator[Staged]:
    """Like `replacing`, for a file with companions: they take their names before it does."""
    target = check_target(path, overwrite)
    with _told(path), _working_folder(target) as folder:
        staged = Staged(folder, target)
        yield staged
        staged._publish()


@contextmanager
def replacing_folder(path: Any, overwrite: bool = True, entries: Sequence[str] | None = None) -> Iterator[Path]:
    """A place for a new folder, which takes the name `path` when the block ends well.

    Args:
        entries: the names that the old folder may hold; a folder that holds others is not replaced, since they would be lost.
    """
    target = check_target(path, overwrite, folder=True, entries=entries)
    with _told(path), _working_folder(target) as folder:
        part = folder / target.name
        part.mkdir()
        yield part
        for inside in sorted(part.rglob("*")):
            _flush(inside) if inside.is_file() else _flush_folder(inside)
        _flush_folder(part)
        _keep_owner_and_mode(target, part)
        _swap(part, target)
        _flush_folder(target.parent)


def _swap(part: Path, target: Path) -> None:
    """Put a folder in the place of another; if that fails, the old one stands there again."""
    if not target.exists():
        os.replace(part, target)
        return
    old = (
        Path(tempfile.mkdtemp(prefix=f".{target.name[:_NAME_SHOWN]}.", suffix=".old", dir=target.parent)) / target.name
    )
    try:
        os.replace(target, old)
        os.replace(part, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise
    finally:
        if target.exists():  # else the old folder is all there is, and stays where it was moved to
            shutil.rmtree(old.parent, ignore_errors=True)


def write_bytes(path: Any, data: bytes, overwrite: bool = True) -> None:
    """Write a file of these bytes."""
    with replacing(path, overwrite) as part:
        part.write_bytes(data)


def write_text(path: Any, text: str, overwrite: bool = True) -> None:
    """Write a UTF-8 text file."""
    write_bytes(path, text.encode(), overwrite)


def copy_file(source: Path, path: Any) -> None:
    """Write a copy of a file."""
    with replacing(path) as part:
        shutil.copyfile(source, part)


def make_folder(path: Any) -> Path:
    """Make a folder, and those above it, unless it is there. Raises FileWriteError."""
    with _told(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def open_log(path: Any, mode: str, **kwargs: Any) -> IO[Any]:
    """Open a file that grows by records while a training runs: mode "w", "a" or "ab". It is not replaced as a whole.

    Raises FileWriteError.
    """
    with _told(path):
        return Path(path).open(mode, **kwargs)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder among the temporary files, removed with all that is in it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="graphkit-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def remove_files(folder: Path, names: Sequence[str]) -> None:
    """Remove files of ours from a folder, and the folder itself if nothing else is in it."""
    _remove([folder / name for name in names])
    with suppress(OSError):
        folder.rmdir()


def check_target(path: Any, overwrite: bool = True, folder: bool = False, entries: Sequence[str] | None = None) -> Path:
    """The place that a file or folder is to be written to, links followed. Nothing is written.

    Raises InvalidArgumentError where something is there and `overwrite` is false, FileWriteError where it cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:
        raise InvalidArgumentError(f"{path!r} is no path of a file: {error}.") from None
    if os.path.lexists(path) and not overwrite:
        raise InvalidArgumentError(f"{str(path)!r} exists already and overwrite=False was given.")
    if target.is_symlink():
        raise FileWriteError(f"Cannot write {str(path)!r}: it is a symbolic link that leads back to itself.")
    if not target.parent.is_dir():
        raise FileWriteError(f"Cannot write {str(path)!r}: the folder {str(target.parent)!r} does not exist.")
    if folder:
        _check_entries(path, target, entries)
    elif target.is_dir():
        raise FileWriteError(f"Cannot write {str(path)!r}: it is a folder.")
    elif target.exists() and not target.is_file():
        raise FileWriteError(f"Cannot write {str(path)!r}: it is no regular file but a device, pipe or socket.")
    return target


def _check_entries(path: Any, target: Path, entries: Sequence[str] | None) -> None:
    if target.exists() and not target.is_dir():
        raise FileWriteError(f"Cannot write a folder {str(path)!r}: a file of that name is there.")
    strangers = sorted({p.name for p in target.iterdir()} - set(entries)) if entries and target.exists() else []
    if strangers:
        raise FileWriteError(
            f"Cannot replace the folder {str(path)!r}: it holds {strangers[0]!r}, which is no part of a saved model and would be "
            "lost. Save to another folder, or move that file."
        )


# ----- steps -----


@contextmanager
def _told(path: Any) -> Iterator[None]:
    """Failures of the file system as an error of ours that names the target."""
    try:
        yield
    except GraphKitError:
        raise
    except OSError as error:
        told = FileWriteError(f"Cannot write {str(path)!r}: {str(error).rstrip('.')}.")
        told.errno = error.errno
        raise told from error


@contextmanager
def _working_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target, private to us, removed with all that is left in it."""
    made = tempfile.mkdtemp(prefix=f".{target.name[:_NAME_SHOWN]}.", suffix=".part", dir=target.parent)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _keep_owner_and_mode(target: Path, part: Path) -> None:
    """Give a new file the permissions of the one that it replaces, and the owner where that is allowed."""
    if not target.exists():
        return
    old, new = target.stat(), part.stat()
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid) and hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(part, old.st_uid, old.st_gid)
    os.chmod(part, stat.S_IMODE(old.st_mode) & _PERMISSIONS)


def _flush(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Likewise the names in a folder, where the system can: the files are whole in any case."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove(files: Sequence[Path]) -> None:
    for path in files:
        with suppress(OSError):
            path.unlink(missing_ok=True)
