"""A file or folder whose format is to be found. Each of its parts is read once, whichever formats look at it."""

from __future__ import annotations

import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

from graphkit.core.errors import SerializationError
from graphkit.saving import bounds
from graphkit.saving.sibling_files import file_beside
from graphkit.saving.stores import HDF5_MAGIC, has_user_block

HEAD_BYTES = 4096
_JSON_STARTS = (b"{", b'"', b"[")


class Source:
    """What there is to see of a file or folder before it is loaded.

    Args:
        path: the file or folder, which exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.what = repr(str(path))  # how messages name it

    @property
    def suffix(self) -> str:
        """The suffix in lower case, with its dot."""
        return self.path.suffix.lower()

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file; none for a folder."""
        if self.is_folder:
            return b""
        with self.path.open("rb") as file:
            return file.read(HEAD_BYTES)

    @cached_property
    def is_zip(self) -> bool:
        """Whether it starts as a zip archive does."""
        return self.head.startswith(b"PK")

    @cached_property
    def members(self) -> frozenset[str]:
        """The names in a zip archive (whole paths) or in a folder (its direct entries); none for other files.

        Raises SerializationError for a damaged archive.
        """
        if self.is_folder:
            return frozenset(child.name for child in self.path.iterdir())
        if not self.is_zip:
            return frozenset()
        try:
            with zipfile.ZipFile(self.path) as archive:
                return frozenset(archive.namelist())
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise SerializationError(f"{self.what} is not a readable zip file: {error}.") from None

    def read(self, member: str) -> bytes:
        """Return the bytes of a member of a zip archive or folder.

        Args:
            member: its path inside the archive or folder; `members` lists the names.

        Raises:
            SerializationError: there is no such member, it is damaged, or it is a decompression bomb.
            UnsafePathError: the path leads out of the folder.
        """
        if self.is_folder:
            return file_beside(self.path / "_", member, self.what, folders=True).read_bytes()
        if member not in self.members:
            raise SerializationError(f"{self.what} has no member {member!r}. It holds {sorted(self.members)[:10]}.")
        try:
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(member)
                bounds.check_expansion(info.file_size, info.compress_size, f"{self.what}, {member!r},")
                return archive.read(info)
        except SerializationError:
            raise
        except Exception as error:  # whatever zipfile and zlib raise for damaged, encrypted and exotic archives
            raise SerializationError(f"{self.what}: {member!r} cannot be read: {error}.") from None

    @cached_property
    def is_hdf5(self) -> bool:
        """Whether it is an HDF5 file, also behind a user block."""
        if self.is_folder or self.is_zip:
            return False
        return self.head.startswith(HDF5_MAGIC) or has_user_block(self.path)

    @cached_property
    def hdf5_attributes(self) -> frozenset[str]:
        """The names of the attributes of an HDF5 file and of its group `model_weights`; none for other and damaged files."""
        if not self.is_hdf5:
            return frozenset()
        import h5py

        try:
            with h5py.File(self.path, "r") as file:
                own = list(file.attrs)
                inner = file.get("model_weights", getclass=True, getlink=False) is h5py.Group
                hard = inner and isinstance(file.get("model_weights", getlink=True), h5py.HardLink)
                return frozenset([*own, *(file["model_weights"].attrs if hard else ())])
        except Exception:  # a damaged file: its reader says what is wrong
            return frozenset()

    @cached_property
    def is_json(self) -> bool:
        """Whether it starts as a JSON object, list or text does."""
        return not self.is_hdf5 and self.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in _JSON_STARTS

    @cached_property
    def json(self) -> Any:
        """The parsed JSON. Raises SerializationError for what is no JSON, or too large."""
        return bounds.parse_json(bounds.read_bytes(self.path, self.what), self.what)

    @cached_property
    def json_keys(self) -> frozenset[str]:
        """The keys of a JSON object; none for other files, and for JSON that cannot be parsed."""
        if not self.is_json:
            return frozenset()
        try:
            found = self.json
        except SerializationError:
            return frozenset()
        return frozenset(found) if isinstance(found, dict) else frozenset()

    @cached_property
    def text_head(self) -> str:
        """The first characters, of a file that may be text."""
        return self.head.decode("utf-8", "replace")
