"""The only writer of files: everything that graphkit writes to disk passes through here.

A file is written in a working folder beside its target, flushed to disk, and renamed over the target. So a crash leaves the old
file intact, and a failure leaves nothing behind. A symbolic link is followed: the file it points to is replaced.
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
_NAME_SHOWN = 40  # characters of the target's name in its working folder's name, since names are limited to 255 bytes


class Staged:
    """A file that is being written, with its companion files.

    `part` is where to write the file itself. Other files written beside `part` are scratch, unless registered with `companion`.
    """

    def __init__(self, folder: Path, target: Path) -> None:
        self.part = folder / target.name
        self.target = target
        self.stale: list[Path] = []
        self._companions: list[str] = []

    def companion(self, name: str) -> Path:
        """Return where to write a file that is to be published beside the target.

        Args:
            name: The name of the file, without a folder. No file in use may have that name.

        Raises:
            InvalidArgumentError: `name` contains a folder, or is the name of the target.
        """
        if Path(name).name != name or name == self.target.name:
            raise InvalidArgumentError(f"{name!r} is not the name of a file beside {str(self.target)!r}.")
        if name not in self._companions:
            self._companions.append(name)
        return self.part.with_name(name)

    def remove_afterwards(self, files: Sequence[Path]) -> None:
        """Remove these files of an older version once the new one is in place."""
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
            if self.part.exists():  # the old version is still in place
                _remove(added)
            raise
        _flush_folder(self.target.parent)
        kept = {self.target.name, *self._companions}
        _remove([path for path in self.stale if path.name not in kept])


@contextmanager
def replacing(path: Any, overwrite: bool = True) -> Iterator[Path]:
    """Yield a path to write a new file to; it is renamed to `path` when the block succeeds, and removed when it fails.

    Raises:
        InvalidArgumentError: `path` exists and `overwrite` is False.
        FileWriteError: The file cannot be written.
    """
    with replacing_group(path, overwrite) as staged:
        yield staged.part


@contextmanager
def replacing_group(path: Any, overwrite: bool = True) -> Iterator[Staged]:
    """Like `replacing`, for a file with companions, which are renamed before the file is."""
    target = check_target(path, overwrite)
    with _write_errors(path), _working_folder(target) as folder:
        staged = Staged(folder, target)
        yield staged
        staged._publish()


@contextmanager
def replacing_folder(path: Any, overwrite: bool = True, entries: Sequence[str] | None = None) -> Iterator[Path]:
    """Yield a new folder to write into, which is renamed to `path` when the block succeeds.

    Args:
        path: The target.
        overwrite: Whether an existing folder may be replaced.
        entries: The names that the old folder may hold. A folder that holds others is not replaced, since they would be lost.

    Raises:
        InvalidArgumentError: `path` exists and `overwrite` is False.
        FileWriteError: The folder cannot be written, or must not be replaced.
    """
    target = check_target(path, overwrite, folder=True, entries=entries)
    with _write_errors(path), _working_folder(target) as folder:
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
    """Replace a folder by another; if that fails, the old one is restored."""
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
        if target.exists():  # else only the old folder is left, and stays where it was moved to
            shutil.rmtree(old.parent, ignore_errors=True)


def write_bytes(path: Any, data: bytes, overwrite: bool = True) -> None:
    """Write these bytes to a file, under the same rules as `replacing`."""
    with replacing(path, overwrite) as part:
        part.write_bytes(data)


def write_text(path: Any, text: str, overwrite: bool = True) -> None:
    """Write a UTF-8 text file, under the same rules as `replacing`."""
    write_bytes(path, text.encode(), overwrite)


def copy_file(source: Path, path: Any) -> None:
    """Write a copy of a file, under the same rules as `replacing`."""
    with replacing(path) as part:
        shutil.copyfile(source, part)


def make_folder(path: Any) -> Path:
    """Create a folder and its parents unless they exist.

    Raises:
        FileWriteError: The folder cannot be created.
    """
    with _write_errors(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def open_log(path: Any, mode: str, **kwargs: Any) -> IO[Any]:
    """Open a log to which records are appended during training; it is not replaced as a whole.

    Args:
        path: The file.
        mode: "w", "a" or "ab".
        **kwargs: Further arguments of `Path.open`.

    Raises:
        FileWriteError: The file cannot be opened.
    """
    with _write_errors(path):
        return Path(path).open(mode, **kwargs)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder, removed with its contents when the block ends."""
    with tempfile.TemporaryDirectory(prefix="graphkit-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def scratch_file(content: bytes | bytearray | memoryview, name: str = "model") -> Iterator[Path]:
    """Yield a temporary file with this content, in a folder of its own that is removed when the block ends."""
    with scratch_folder() as folder:
        path = folder / name
        path.write_bytes(content)
        yield path


def remove_files(folder: Path, names: Sequence[str]) -> None:
    """Remove files that graphkit wrote from a folder, and the folder itself if it is then empty."""
    _remove([folder / name for name in names])
    with suppress(OSError):
        folder.rmdir()


def check_target(path: Any, overwrite: bool = True, folder: bool = False, entries: Sequence[str] | None = None) -> Path:
    """Return the resolved path that a file or folder is to be written to. Nothing is written.

    Args:
        path: The target; symbolic links are followed.
        overwrite: Whether the target may exist.
        folder: Whether the target is a folder.
        entries: The names that an existing folder may hold; None for any.

    Raises:
        InvalidArgumentError: `path` is not a valid path, or exists while `overwrite` is False.
        FileWriteError: The target cannot be written, or the folder must not be replaced.
    """
    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:
        raise InvalidArgumentError(f"{path!r} is not the path of a file: {error}.") from None
    if os.path.lexists(path) and not overwrite:
        raise InvalidArgumentError(f"{str(path)!r} exists already and overwrite=False was given.")
    if target.is_symlink():
        raise FileWriteError(f"Cannot write {str(path)!r}: it is a symbolic link that points to itself.")
    if not target.parent.is_dir():
        raise FileWriteError(f"Cannot write {str(path)!r}: the folder {str(target.parent)!r} does not exist.")
    if folder:
        _check_entries(path, target, entries)
    elif target.is_dir():
        raise FileWriteError(f"Cannot write {str(path)!r}: it is a folder.")
    elif target.exists() and not target.is_file():
        raise FileWriteError(f"Cannot write {str(path)!r}: it is not a regular file but a device, pipe or socket.")
    return target


def _check_entries(path: Any, target: Path, entries: Sequence[str] | None) -> None:
    if target.exists() and not target.is_dir():
        raise FileWriteError(f"Cannot write a folder {str(path)!r}: a file of that name exists.")
    foreign = sorted({p.name for p in target.iterdir()} - set(entries)) if entries and target.exists() else []
    if foreign:
        raise FileWriteError(
            f"Cannot replace the folder {str(path)!r}: it holds {foreign[0]!r}, which is not part of a saved model and would be "
            "lost. Save to another folder, or move that file."
        )


# ----- steps -----


@contextmanager
def _write_errors(path: Any) -> Iterator[None]:
    """Turn failures of the file system into FileWriteError with the target's name."""
    try:
        yield
    except GraphKitError:
        raise
    except OSError as error:
        wrapped = FileWriteError(f"Cannot write {str(path)!r}: {str(error).rstrip('.')}.")
        wrapped.errno = error.errno
        raise wrapped from error


@contextmanager
def _working_folder(target: Path) -> Iterator[Path]:
    """Yield a private folder beside the target, removed with its contents at the end."""
    made = tempfile.mkdtemp(prefix=f".{target.name[:_NAME_SHOWN]}.", suffix=".part", dir=target.parent)
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _keep_owner_and_mode(target: Path, part: Path) -> None:
    """Give a new file the permissions of the one it replaces, and its owner if that is permitted."""
    if not target.exists():
        return
    old, new = target.stat(), part.stat()
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid) and hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(part, old.st_uid, old.st_gid)
    os.chmod(part, stat.S_IMODE(old.st_mode) & _PERMISSIONS)


def _flush(path: Path) -> None:
    """Wait until a file's bytes are on disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Flush a folder's entries to disk if the system supports it; the files are complete in any case."""
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
