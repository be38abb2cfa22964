"""Download files into a cache: keras.utils.get_file."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import warnings
import zipfile
from pathlib import Path
from typing import Any

from graphkit.core.errors import GraphKitError, InvalidArgumentError, SerializationError
from graphkit.core.files import make_folder, replacing
from graphkit.core.messages import write_message
from graphkit.training.progbar import Progbar

_CHUNK = 1 << 16
_UNPACKED = 1 << 30  # bytes that an archive may always unpack to
_RATIO = 200  # of the unpacked size to the size of a larger archive


class DownloadError(GraphKitError, OSError):
    """A file could not be downloaded."""


def get_file(
    fname: Any = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """Download a file into the cache, unless it is there already.

    Args:
        fname: its name in the cache, not a path; by default the last part of `origin`.
        origin: the URL (`https://`, `file://`).
        untar: older name of `extract`, for tar files.
        md5_hash: older name of `file_hash`.
        file_hash: the expected hash, as hexadecimal digits.
        cache_subdir: the folder in the cache.
        hash_algorithm: "sha256", "md5", or "auto" to decide by the length of the hash.
        extract: unpack an archive. Members that would be placed outside of the folder are skipped with a warning.
        archive_format: "tar", "zip", a list of them, or "auto".
        cache_dir: the cache; by default `$KERAS_HOME` or `~/.keras`.
        force_download: download it again.

    Returns:
        The path of the file, or of the folder it was unpacked to.

    Raises:
        DownloadError: the download failed (an OSError).
        InvalidArgumentError: `origin` is missing, `fname` is a path, or the hash does not match.

    Source: keras.utils.get_file.
    """
    if origin is None:
        raise InvalidArgumentError('Please specify the "origin" argument (URL of the file to download).')
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    folder = cache_folder(cache_dir) / cache_subdir
    make_folder(folder)
    name = _name(fname, origin)
    unpack = extract or untar
    target, unpacked = _places(folder, name, fname is not None) if unpack else (folder / name, folder)
    if force_download or not _is_kept(target, file_hash, hash_algorithm):
        _fetch(origin, target, file_hash, hash_algorithm)
    if not unpack:
        return str(target)
    if not extract_archive(target, unpacked, "tar" if untar else archive_format):
        warnings.warn("Could not extract archive.", stacklevel=2)
    return str(unpacked)


def cache_folder(cache_dir: Any) -> Path:
    """Return the folder of the cache; one among the temporary files if the requested one is not writable."""
    home = os.environ.get("KERAS_HOME", os.path.join("~", ".keras"))
    folder = Path(os.path.expanduser(cache_dir if cache_dir is not None else home))
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return folder if os.access(there, os.W_OK) else Path(tempfile.gettempdir()) / ".keras"


def _name(fname: Any, origin: str) -> str:
    name = os.fspath(fname) if fname else os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name:
        raise InvalidArgumentError(
            f"Can't parse the file name from the origin provided: '{origin}'. Please specify the `fname` argument."
        )
    if os.sep in name or name in (".", ".."):
        raise InvalidArgumentError(
            "Paths are no longer accepted as the `fname` argument. To specify the file's parent directory, use the `cache_dir` "
            f"argument. Received: fname={name}"
        )
    return str(name)


def _places(folder: Path, name: str, named: bool) -> tuple[Path, Path]:
    """Return the path of an archive and the folder to unpack it to."""
    if named and "." in name:
        return folder / name, folder / f"{name.split('.')[0]}_extracted"
    return folder / f"{name}_archive", folder / name


def _is_kept(target: Path, file_hash: str | None, algorithm: str) -> bool:
    if not target.exists():
        return False
    if file_hash is None or hash_of(target, algorithm, file_hash) == file_hash.lower():
        return True
    write_message(
        f"A local file was found, but it seems to be incomplete or outdated because the {algorithm} file hash does not match the "
        f"original value of {file_hash} so we will re-download the data."
    )
    return False


def _fetch(origin: str, target: Path, file_hash: str | None, algorithm: str) -> None:
    """Download to a temporary file, check the hash, and move the file into place."""
    write_message(f"Downloading data from {origin}")
    with replacing(target) as part:
        try:
            _receive(origin, part)
            if file_hash is not None and hash_of(part, algorithm, file_hash) != file_hash.lower():
                raise InvalidArgumentError(
                    f"Incomplete or corrupted file detected. The {algorithm} file hash does not match the provided value of {file_hash}."
                )
        except (urllib.error.URLError, ValueError, OSError) as error:
            if isinstance(error, GraphKitError):
                raise
            raise DownloadError(
                f"URL fetch failure on {origin}: {getattr(error, 'reason', error)}. Without a network, download the file elsewhere"
                f"{f' ({algorithm} hash {file_hash})' if file_hash else ''} and copy it to {target}, where get_file looks for it "
                "first; or pass a file:// address as `origin`."
            ) from error


def _receive(origin: str, part: Path) -> None:
    with urllib.request.urlopen(origin) as source, part.open("wb") as made:
        length = source.headers.get("Content-Length")
        bar = Progbar(int(length) if length else None, unit_name="byte")
        while block := source.read(_CHUNK):
            made.write(block)
            bar.add(len(block))


def hash_of(path: Path, algorithm: str, expected: str = "") -> str:
    """Return the hash of a file as hexadecimal digits.

    Args:
        path: the file.
        algorithm: "sha256", "md5", or "auto" for the one whose hashes are as long as `expected`.
        expected: a hash of the expected length.

    Raises:
        InvalidArgumentError: another algorithm.
    """
    if algorithm not in ("auto", "sha256", "md5"):
        raise InvalidArgumentError(f"hash_algorithm must be 'auto', 'sha256' or 'md5', got {algorithm!r}.")
    sha = algorithm == "sha256" or (algorithm == "auto" and len(expected) == 64)
    hasher = hashlib.sha256() if sha else hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            hasher.update(block)
    return hasher.hexdigest()


def extract_archive(path: Path, folder: Path, archive_format: Any = "auto") -> bool:
    """Unpack a tar or zip file into a folder.

    Args:
        path: the archive.
        folder: the target; members that would be placed outside of it are skipped with a warning.
        archive_format: "tar", "zip", a list of them, or "auto" for both.

    Returns:
        Whether the file is an archive of one of these formats.

    Raises:
        InvalidArgumentError: another format.
        SerializationError: the contents are far larger than the archive.
    """
    formats = ("tar", "zip") if archive_format == "auto" else archive_format or ()
    for one in (formats,) if isinstance(formats, str) else formats:
        if one not in ("tar", "zip"):
            raise InvalidArgumentError(f"archive_format must be 'auto', 'tar', 'zip' or None, got {one!r}.")
        if one == "tar" and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                _check_size(path, sum(member.size for member in archive.getmembers()))
                archive.extractall(folder, members=_inside(archive.getmembers(), folder, "name"), filter="data")
            return True
        if one == "zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                _check_size(path, sum(info.file_size for info in packed.infolist()))
                packed.extractall(folder, members=_inside(packed.infolist(), folder, "filename"))
            return True
    return False


def _check_size(path: Path, unpacked: int) -> None:
    """Refuse an archive of little data that would fill the disk."""
    if unpacked > max(_UNPACKED, _RATIO * path.stat().st_size):
        raise SerializationError(
            f"{path} would unpack to {unpacked} bytes, more than {_RATIO} times its own size. It is not unpacked; if you trust it, "
            "unpack it with another program."
        )


def _inside(members: Any, folder: Path, attribute: str) -> list[Any]:
    """Return the members whose paths and link targets are inside of the folder."""
    home, kept = folder.resolve(), []
    for member in members:
        place = (home / getattr(member, attribute)).resolve()
        link = getattr(member, "linkname", "")
        start = home if link and member.islnk() else place.parent
        if all(p.is_relative_to(home) for p in (place, (start / link).resolve() if link else place)):
            kept.append(member)
        else:
            warnings.warn(
                f"Skipping invalid path during archive extraction: '{getattr(member, attribute)}'.", stacklevel=4
            )
    return kept
