"""The `.keras` archive: a zip file (or folder) of metadata.json, config.json, model.weights.h5 and assets.

Source: the files that keras.saving.save_model (Keras 3.15) writes.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

from graphkit.core.errors import SerializationError
from graphkit.core.files import make_folder, replacing, replacing_folder, scratch_folder, write_bytes
from graphkit.layers.layer import Layer
from graphkit.saving import bounds
from graphkit.saving.stores import Table, flat_names, open_hdf5, open_npz, write_hdf5, write_npz
from graphkit.saving.weights import load_state, state_of, taking_state

CONFIG, METADATA, ASSETS = "config.json", "metadata.json", "assets"
WEIGHTS = {"h5": "model.weights.h5", "npz": "model.weights.npz"}
CHUNK = 1 << 20  # bytes read at a time while a member is only verified
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member; it ends with the lengths of the name and of the extra field
KERAS_VERSION = "3.15.1"  # the version of Keras whose format this is; Keras requires the key


class Members(Protocol):
    """The members of an archive, in a zip file or in a folder."""

    def names(self) -> list[str]:
        """Return the paths of the members."""
        ...

    def open(self, name: str) -> Path | BinaryIO:
        """Open a member for reading, after its checksum is verified."""
        ...

    def glance(self, name: str) -> Path | BinaryIO:
        """Open a member to read parts of it, without verifying its checksum."""
        ...

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a member. Raises SerializationError for more than `limit`."""
        ...


class ZipMembers:
    """The members of a zip file, checked for decompression bombs and path traversal."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        what = repr(str(path))
        self._archive, self._path, self._what = archive, path, what
        infos = archive.infolist()
        if len(infos) > bounds.MAX_ENTRIES:
            raise SerializationError(f"{what} has {len(infos)} members, more than {bounds.MAX_ENTRIES}.")
        self._infos = {info.filename: info for info in infos}
        if len(self._infos) != len(infos):
            raise SerializationError(f"{what} has two members with the same name.")
        for info in infos:
            check_member_name(info.filename, what)
            bounds.check_expansion(info.file_size, info.compress_size, f"{what}: {info.filename!r}")
        bounds.check_expansion(sum(i.file_size for i in infos), sum(i.compress_size for i in infos), what)

    def names(self) -> list[str]:
        """Return the paths of the members."""
        return list(self._infos)

    def open(self, name: str) -> BinaryIO:
        """Open a member as a seekable file: in place in the archive if it is not compressed, else decompressed in memory."""
        info = self._infos[name]
        if info.compress_type != zipfile.ZIP_STORED:
            return io.BytesIO(self._bytes(name))
        self._bytes(name, keep=False)
        return cast("BinaryIO", io.BufferedReader(Section(self._path, *stored_at(self._path, info))))

    def glance(self, name: str) -> BinaryIO:
        """Open a member in place, without verifying its checksum; a compressed one is decompressed in memory."""
        info = self._infos[name]
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            return self.open(name)
        return cast("BinaryIO", io.BufferedReader(Section(self._path, *stored_at(self._path, info))))

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a member. Raises SerializationError for more than `limit`."""
        size = self._infos[name].file_size
        if size > limit:
            raise SerializationError(f"{self._what}: {name!r} has {size:,} bytes, more than {limit:,}.")
        return self._bytes(name)

    def _bytes(self, name: str, keep: bool = True) -> bytes:
        """Return the bytes of a member, verified by its checksum; with `keep=False` only verify them."""
        try:
            if keep:
                return self._archive.read(self._infos[name])
            with self._archive.open(self._infos[name]) as member:
                while member.read(CHUNK):
                    pass
            return b""
        except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
            raise SerializationError(f"{self._what}: {name!r} cannot be read: {error}.") from None
        except Exception as error:
            if type(error).__module__ in ("zlib", "lzma", "bz2"):
                raise SerializationError(f"{self._what}: {name!r} cannot be decompressed: {error}.") from None
            raise


class FolderMembers:
    """The files of an unpacked archive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the paths of the files. Raises SerializationError for a link that leads out of the folder."""
        found = [p for p in self._folder.rglob("*") if p.is_file()]
        inside = self._folder.resolve()
        led_out = [p for p in found if not p.resolve().is_relative_to(inside)]
        if led_out:
            raise SerializationError(f"{str(led_out[0])!r} is a link that leads out of the folder.")
        return [p.relative_to(self._folder).as_posix() for p in found]

    def open(self, name: str) -> Path:
        """Return the path of the file."""
        return self._folder / name

    glance = open

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file. Raises SerializationError for more than `limit`."""
        path = self._folder / name
        if path.stat().st_size > limit:
            raise SerializationError(f"{str(path)!r} has {path.stat().st_size:,} bytes, more than {limit:,}.")
        return path.read_bytes()


def stored_at(path: Path, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Return the offset and the size, in bytes, of an uncompressed member of a zip file.

    Raises SerializationError if there is no member at the offset that the archive gives.
    """
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER.size)
    if len(header) != _LOCAL_HEADER.size:
        raise SerializationError(
            f"{str(path)!r}: {info.filename!r} has no header at the offset that the archive gives."
        )
    name_length, extra_length = _LOCAL_HEADER.unpack(header)
    return info.header_offset + _LOCAL_HEADER.size + name_length + extra_length, info.file_size


class Section(io.RawIOBase):
    """A section of a file, read as a file.

    Args:
        path: the file.
        start: the offset of the section, in bytes.
        size: its length, in bytes.
    """

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._start, self._size, self._at = start, size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset within the section, and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, without an intermediate copy, and return the number of bytes."""
        view = memoryview(buffer).cast("B")
        wanted = max(min(len(view), self._size - self._at), 0)
        self._file.seek(self._start + self._at)
        count = self._file.readinto(view[:wanted]) or 0
        self._at += count
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def check_member_name(name: str, what: str) -> None:
    """Raise SerializationError for a member whose path leads out of the archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        raise SerializationError(f"{what} has a member {name!r}, whose path leads out of the archive.")


@contextmanager
def open_archive(path: Path) -> Iterator[Members]:
    """Open a `.keras` file or folder. Raises SerializationError for what is not a readable zip file."""
    if path.is_dir():
        yield FolderMembers(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise SerializationError(f"{str(path)!r} is not a readable zip file: {error}.") from None
    with archive:
        yield ZipMembers(archive, path)


# ----- writing -----


def write_archive(
    path: Path,
    config: dict[str, Any],
    model: Layer,
    overwrite: bool = True,
    weights_format: str = "h5",
    zipped: bool = True,
) -> None:
    """Write a model: config, weights, optimizer state, assets.

    Args:
        path: the file, or with `zipped=False` the folder.
        config: the model's config, as `model_config` returns it.
        model: the model.
        overwrite: False raises InvalidArgumentError if the target exists.
        weights_format: "h5" or "npz".
        zipped: False writes the members into a folder.
    """
    texts = {METADATA: _metadata(), CONFIG: json.dumps(config).encode()}
    texts.update(_assets(model))
    if zipped:
        with replacing(path, overwrite) as part:
            _write_zip(part, texts, model, weights_format)
        return
    with replacing_folder(path, overwrite, entries=(METADATA, CONFIG, ASSETS, *WEIGHTS.values())) as folder:
        _write_members(folder, texts)
        write_weights(folder / WEIGHTS[weights_format], model, weights_format)


def _write_members(part: Path, texts: dict[str, bytes]) -> None:
    for name, data in texts.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes(data)


def _write_zip(part: Path, texts: dict[str, bytes], model: Layer, weights_format: str) -> None:
    """Write the archive. The weights go into a file beside `part` first, since HDF5 needs a seekable one."""
    weights = part.with_name(f"{part.name}.weights")
    write_weights(weights, model, weights_format)
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, data in texts.items():
            archive.writestr(name, data)
        archive.write(weights, WEIGHTS[weights_format])


def write_weights(target: Path, model: Layer, weights_format: str = "h5") -> None:
    """Write the weights and the optimizer's state of a model in Keras 3's layout."""
    arrays, names = state_of(model)
    if weights_format == "npz":
        write_npz(target, flat_names(arrays))
    else:
        write_hdf5(target, arrays, names)


def save_weights_file(path: Path, model: Layer, weights_format: str, overwrite: bool = True) -> None:
    """Write the weights and the optimizer's state of a model into a weights file."""
    with replacing(path, overwrite) as part:
        write_weights(part, model, weights_format)


def _metadata() -> bytes:
    from graphkit import __version__

    when = datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    return json.dumps({"keras_version": KERAS_VERSION, "date_saved": when, "graphkit_version": __version__}).encode()


def _assets(model: Layer) -> dict[str, bytes]:
    """Return the files that layers store beside their weights (vocabularies): `assets/<path of the layer>/<name>`."""
    from graphkit.saving.paths import stored_objects

    found = {}
    for path, obj in stored_objects(model):
        for name, data in _assets_of(obj).items():
            found[f"{ASSETS}/{path}/{name}" if path else f"{ASSETS}/{name}"] = data
    return found


def _assets_of(obj: Any) -> dict[str, bytes]:
    """Return the files of an object by name, from `asset_files()` or, as in Keras, from a user's `save_assets(folder)`."""
    if not hasattr(obj, "save_assets"):
        return obj.asset_files() if hasattr(obj, "asset_files") else {}
    with scratch_folder() as folder:
        obj.save_assets(str(folder))
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# ----- reading -----


def read_config(members: Members, what: str) -> dict[str, Any]:
    """Return the config of an archive. Raises SerializationError if there is none, or it is not a JSON object."""
    if CONFIG not in members.names():
        raise SerializationError(
            f"{what} has no {CONFIG}: it is not a .keras archive. It holds {sorted(members.names())[:10]}."
        )
    config = bounds.parse_json(members.read(CONFIG, bounds.MAX_JSON_BYTES), f"{CONFIG} of {what}")
    if not isinstance(config, dict):
        raise SerializationError(f"{CONFIG} of {what} holds a {type(config).__name__}, not an object.")
    return config


def read_version(members: Members, what: str) -> dict[str, str]:
    """Return the version of Keras that wrote an archive, as {"keras_version": ...}; {} if the archive does not give it."""
    if METADATA not in members.names():
        return {}
    found = bounds.parse_json(members.read(METADATA, bounds.MAX_JSON_BYTES), f"{METADATA} of {what}")
    version = found.get("keras_version") if isinstance(found, dict) else None
    return {"keras_version": version} if isinstance(version, str) else {}


@contextmanager
def open_weights(members: Members, what: str, glance: bool = False) -> Iterator[Table]:
    """Open the weights of an archive as a table.

    Args:
        members: the archive.
        what: the file, as messages name it.
        glance: skip the verification of the checksum, to look up shapes only.

    Raises:
        SerializationError: the archive has no weights, or they are damaged.
    """
    names = set(members.names())
    weights = next((name for name in WEIGHTS.values() if name in names), None)
    if weights is None:
        raise SerializationError(f"{what} has neither {' nor '.join(WEIGHTS.values())}. It holds {sorted(names)[:10]}.")
    source = members.glance(weights) if glance else members.open(weights)
    opened = open_npz if weights == WEIGHTS["npz"] else open_hdf5
    with nullcontext() if isinstance(source, Path) else source, opened(source, f"{weights} of {what}") as table:
        yield table


def read_state(members: Members, table: Table, model: Layer, what: str, skip_mismatch: bool = False) -> None:
    """Load the weights, optimizer state and assets of an archive into a model.

    Args:
        members: the archive.
        table: its weights.
        model: a built model.
        what: the file, as messages name it.
        skip_mismatch: skip layers whose weights do not fit, with a warning.

    Raises:
        SerializationError: weights or assets do not fit.
    """
    _load_assets(members, set(members.names()), model)
    load_state(model, table, what, skip_mismatch)


def _load_assets(members: Members, names: set[str], model: Layer) -> None:
    from graphkit.saving.paths import stored_objects

    if not any(name.startswith(f"{ASSETS}/") for name in names):
        return
    for path, obj in stored_objects(model):
        start = f"{ASSETS}/{path}/" if path else f"{ASSETS}/"
        found = [name for name in names if name.startswith(start) and not name.endswith("/")]
        with taking_state(obj, "assets"):
            if hasattr(obj, "load_assets"):
                _load_own_assets(obj, {name[len(start) :]: members.read(name, bounds.MAX_JSON_BYTES) for name in found})
            elif found and hasattr(obj, "load_asset_files"):
                own = [name for name in found if "/" not in name[len(start) :]]
                obj.load_asset_files({name[len(start) :]: members.read(name, bounds.MAX_JSON_BYTES) for name in own})


def _load_own_assets(obj: Any, files: dict[str, bytes]) -> None:
    """Pass a user's class its files through its `load_assets(folder)`, as in Keras."""
    with scratch_folder() as folder:
        for name, data in files.items():
            make_folder((folder / name).parent)
            write_bytes(folder / name, data)
        obj.load_assets(str(folder))
