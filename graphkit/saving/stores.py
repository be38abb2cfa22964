"""Weights files as flat tables of arrays: HDF5 and npz, read within limits, without running anything in them."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import SerializationError
from graphkit.saving import bounds
from graphkit.saving.hdf5_heaps import HeapCheck

Array = np.ndarray[Any, Any]
Source = "Path | BinaryIO"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


class Entry(NamedTuple):
    """An array of a file that has not been read yet; `nbytes` is its size in the file."""

    path: str
    shape: tuple[int, ...]
    nbytes: int
    read: Any  # () -> Array


@dataclass(frozen=True)
class Table:
    """The arrays of a weights file by path (`layers/dense/vars/0`), and the attributes of the groups that have any."""

    entries: Mapping[str, Entry]
    attributes: Mapping[str, Mapping[str, Any]]

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays together."""
        return sum(entry.nbytes for entry in self.entries.values())

    @cached_property
    def _groups(self) -> dict[str, dict[str, Entry]]:
        """The arrays by group, cached: entries do not change once the table is made."""
        groups: dict[str, dict[str, Entry]] = {}
        for path, entry in self.entries.items():
            group, _, name = path.rpartition("/")
            groups.setdefault(group, {})[name] = entry
        return groups

    def group(self, path: str) -> dict[str, Entry]:
        """Return the arrays directly in a group, by the last part of their paths."""
        return self._groups.get(path, {})


@contextmanager
def open_hdf5(source: Path | BinaryIO, what: str) -> Iterator[Table]:
    """Open an HDF5 file as a table. Raises SerializationError, naming `what`, for a file that is damaged or unsafe."""
    with _open_hdf5(source, what) as file:
        yield _hdf5_table(file, source, what)


@contextmanager
def open_npz(source: Path | BinaryIO, what: str) -> Iterator[Table]:
    """Open an npz file as a table. Raises SerializationError, naming `what`, for a file that is damaged or unsafe."""
    with _open_zip(source, what) as archive:
        yield _npz_table(archive, what)


def has_user_block(source: Path | BinaryIO) -> bool:
    """Whether HDF5 data begins after a user block, at byte 512 or a power of two times that."""
    with source.open("rb") if isinstance(source, Path) else nullcontext(source) as file:
        size = file.seek(0, io.SEEK_END)
        at = 512
        while at < size:
            file.seek(at)
            if file.read(len(HDF5_MAGIC)) == HDF5_MAGIC:
                break
            at *= 2
        file.seek(0)
        return at < size


@contextmanager
def _guarded(what: str) -> Iterator[None]:
    """Turn whatever a library raises while it reads into a SerializationError that names `what`."""
    try:
        yield
    except SerializationError:
        raise
    except Exception as error:  # h5py, zipfile and NumPy raise errors of many kinds for damaged files
        raise SerializationError(f"{what} is damaged or unreadable: {type(error).__name__}: {error}.") from None


# ----- HDF5 -----


@contextmanager
def _open_hdf5(source: Path | BinaryIO, what: str) -> Iterator[Any]:
    import h5py

    try:
        file = h5py.File(source, "r")
    except OSError as error:
        raise SerializationError(f"{what} is not a readable HDF5 file: {error}.") from None
    with file:
        yield file


def _hdf5_table(file: Any, source: Path | BinaryIO, what: str) -> Table:
    """Return the datasets of an HDF5 file. Only hard links are followed, and no data is read yet.

    HDF5 itself walks the links: a net has thousands of groups, and opening each in Python would take most of the time.
    """
    with _guarded(what):
        return _walked(file, HeapCheck(source, file.id.get_filesize(), what), what)


def _walked(file: Any, heaps: HeapCheck, what: str) -> Table:
    from h5py import h5d, h5o

    root, size = file.id, file.id.get_filesize()
    links = _hard_links(root, what)
    parents = {path.rpartition(b"/")[0] for path in links}
    groups, entries = [b"", *sorted(parents - {b""})], {}
    for path in links:
        if path in parents:
            continue
        leaf = h5o.open(root, path)
        if isinstance(leaf, h5d.DatasetID):
            name = _text(path)
            entries[name] = _hdf5_entry(leaf, name, size, heaps, what)
        else:
            groups.append(path)
    _refuse_shared_groups(links, groups, what)
    return Table(entries, _Groups(root, groups, heaps, what))


class _Groups(Mapping[str, Mapping[str, Any]]):
    """The attributes of the groups that have any; a group is opened when it is looked up."""

    def __init__(self, root: Any, groups: Sequence[bytes], heaps: HeapCheck, what: str) -> None:
        self._root, self._groups, self._heaps, self._what = root, {_text(path): path for path in groups}, heaps, what

    def __getitem__(self, path: str) -> Mapping[str, Any]:
        from h5py import Group, h5o

        name = self._groups[path]
        what = f"{self._what}: the group {path!r}"
        with _guarded(what):
            attributes = Group(h5o.open(self._root, name) if name else self._root).attrs
            names = list(attributes)
        if not names:
            raise KeyError(path)
        return _Attributes(attributes, names, self._heaps, what)

    def __iter__(self) -> Iterator[str]:
        return iter([path for path in self._groups if path in self])

    def __len__(self) -> int:
        return len(list(iter(self)))


class _Attributes(Mapping[str, Any]):
    """The attributes of one group; each is read when it is looked up."""

    def __init__(self, attributes: Any, names: list[str], heaps: HeapCheck, what: str) -> None:
        self._attributes, self._names, self._heaps, self._what = attributes, names, heaps, what

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        with _guarded(self._what):
            kept = self._attributes.get_id(name)
            if math.prod(kept.shape or ()) * kept.dtype.itemsize > bounds.MAX_JSON_BYTES:
                raise SerializationError(
                    f"{self._what}: the attribute {name!r} declares the shape {kept.shape}, which is too large."
                )
            if kept.dtype.hasobject:
                self._heaps.check_attribute(name)
            return self._attributes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _hard_links(root: Any, what: str) -> dict[bytes, Any]:
    """Return the paths in a file with the addresses of their objects. Raises SerializationError for links of other kinds."""
    from h5py import h5l

    found: dict[bytes, Any] = {}
    kinds: dict[bytes, int] = {}

    def visit(path: bytes, info: Any) -> bool | None:
        found[path] = info.u
        if info.type != h5l.TYPE_HARD:
            kinds[path] = info.type
        too_much = path.count(b"/") >= bounds.MAX_DEPTH or len(found) > bounds.MAX_OBJECTS
        return True if kinds or too_much else None  # True ends the visit, before a group is entered

    root.links.visit(visit, info=True)
    for path, kind in kinds.items():
        name = {h5l.TYPE_SOFT: "SoftLink", h5l.TYPE_EXTERNAL: "ExternalLink"}.get(kind, "user-defined link")
        raise SerializationError(f"{what}: {_text(path)!r} is a {name}, which may point anywhere; it is not followed.")
    depth = max((path.count(b"/") for path in found), default=0)
    if depth >= bounds.MAX_DEPTH or len(found) > bounds.MAX_OBJECTS:
        raise SerializationError(f"{what} has too many objects ({len(found)}) or too many levels of groups ({depth}).")
    return found


def _refuse_shared_groups(links: Mapping[bytes, Any], groups: Sequence[bytes], what: str) -> None:
    """Raise SerializationError for a group that two links lead to: it could contain itself."""
    seen: dict[Any, bytes] = {}
    for path in groups:
        address = links[path] if path else None
        if address in seen:
            raise SerializationError(f"{what}: the group {_text(path)!r} is linked twice.")
        seen[address] = path


def _texts(dataset: Any, what: str) -> Array:
    """Read strings of variable length, in blocks: many elements may share one string, so their total size is not known before."""
    import h5py

    if h5py.check_string_dtype(dataset.dtype) is None or dataset.ndim > 1:
        raise SerializationError(f"{what} has the dtype {dataset.dtype}; only numbers and lists of strings are read.")
    if dataset.ndim == 0:
        return np.asarray(dataset[()])
    step = max(1, bounds.FREE_BYTES // max(dataset.file.id.get_filesize(), 1))
    found: list[Any] = []
    size = 0
    for start in range(0, len(dataset), step):
        block = dataset[start : start + step].tolist()
        size += sum(map(len, block))
        if size > bounds.FREE_BYTES:
            raise SerializationError(f"{what} holds more than {bounds.FREE_BYTES:,} bytes of text.")
        found += block
    return np.array(found, object)


def _hdf5_entry(dataset: Any, path: str, size: int, heaps: HeapCheck, what: str) -> Entry:
    from h5py import h5s

    space = dataset.get_space()
    if space.get_simple_extent_type() == h5s.NULL:
        raise SerializationError(f"{what}: the dataset {path!r} is empty.")
    shape = tuple(int(n) for n in space.get_simple_extent_dims())
    nbytes = math.prod(shape) * int(dataset.get_type().get_size())
    where = f"{what}: the dataset {path!r}"
    offset = dataset.get_offset()
    if offset is None:
        _check_not_contiguous(dataset, nbytes, where)
    elif offset + nbytes > size:
        raise SerializationError(f"{where} ends past the end of the file: the file is truncated.")
    else:
        heaps.leave_out(offset, nbytes)
    return Entry(path, shape, nbytes, lambda: _read_dataset(dataset, shape, heaps, where))


def _check_not_contiguous(dataset: Any, nbytes: int, where: str) -> None:
    """Check a dataset that is not contiguous: in chunks, in another file, or not stored at all."""
    from h5py import h5d

    plan = dataset.get_create_plist()
    if plan.get_layout() == h5d.VIRTUAL or plan.get_external_count():
        raise SerializationError(f"{where} has its values in another file, which is not read.")
    bounds.check_expansion(nbytes, int(dataset.get_storage_size()), where)


def _read_dataset(dataset: Any, shape: tuple[int, ...], heaps: HeapCheck, what: str) -> Array:
    """Read the values of a dataset, straight into the array that is returned."""
    with _guarded(what):
        return _values(dataset, shape, heaps, what)


def _values(dataset: Any, shape: tuple[int, ...], heaps: HeapCheck, what: str) -> Array:
    from h5py import Dataset, h5a, h5s

    if dataset.dtype.hasobject:
        heaps.check_array(dataset.get_offset(), dataset.get_storage_size())
        return _texts(Dataset(dataset), what)
    array: Array = np.empty(shape, dataset.dtype)
    dataset.read(h5s.ALL, h5s.ALL, array)
    if array.dtype.itemsize == 2 and h5a.exists(dataset, b"dtype"):
        heaps.check_attribute("dtype")
        if Dataset(dataset).attrs["dtype"] == "bfloat16":
            return array.view(dtypes.to_numpy("bfloat16"))
    if array.dtype.kind == "V":
        raise SerializationError(f"{what} has the dtype {array.dtype}, which is not numeric.")
    return array


@contextmanager
def new_hdf5(target: Path) -> Iterator[Any]:
    """Create an HDF5 file to write to. Raises OSError if the disk is full."""
    import h5py

    with target.open("wb+", buffering=0) as raw:
        sink = _Sink(raw)
        with h5py.File(sink, "w") as file:
            yield file
        if sink.failure is not None:
            raise sink.failure


class _Sink(io.RawIOBase):
    """A file for HDF5 to write to that records the first failure instead of raising it.

    HDF5 cannot close a file that it could not write to, and the process crashes at its end. So HDF5 is not told of failures:
    after the first, which `failure` holds, nothing more is written.
    """

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.failure: BaseException | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def writable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset, and return it."""
        return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        """Return the current offset."""
        return int(self._raw.tell())

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; what a failure kept from being written reads as zeros."""
        count = int(self._raw.readinto(buffer) or 0)
        if self.failure is not None:
            memoryview(buffer).cast("B")[count:] = bytes(len(buffer) - count)
        return count

    def write(self, data: Any) -> int:
        """Write all of the data, and return its size."""
        view = memoryview(data).cast("B")
        self._attempt(lambda: self._write_all(view))
        return len(view)

    def _write_all(self, view: memoryview) -> None:
        while view:
            view = view[self._raw.write(view) :]

    def truncate(self, size: int | None = None) -> int:
        """Truncate or extend the file."""
        self._attempt(lambda: self._raw.truncate(size))
        return 0 if size is None else size

    def flush(self) -> None:
        """Do nothing: the file is not buffered."""

    def _attempt(self, action: Callable[[], Any]) -> None:
        if self.failure is None:
            try:
                action()
            except BaseException as error:
                self.failure = error


def write_hdf5(target: Path, arrays: Mapping[str, Mapping[str, Array]], names: Mapping[str, str]) -> None:
    """Write arrays as Keras does: contiguous datasets in `<group>/vars`, whose attribute `name` is the object's name.

    Args:
        target: the file to write.
        arrays: group -> key -> array; a group is the path of an object.
        names: the names of objects, by group.
    """
    with new_hdf5(target) as file:
        for path, group in arrays.items():
            place = file.create_group(f"{path}/vars" if path else "vars")
            if path in names:
                place.attrs["name"] = names[path]
            for key, array in group.items():
                dataset = place.create_dataset(key, data=array)
                if dtypes.of_array(array) == "bfloat16":
                    dataset.attrs["dtype"] = "bfloat16"


# ----- npz -----


@contextmanager
def _open_zip(source: Path | BinaryIO, what: str) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError) as error:
        raise SerializationError(f"{what} is not a readable zip file: {error}.") from None
    with archive:
        yield archive


def _npz_table(archive: zipfile.ZipFile, what: str) -> Table:
    """Return the arrays of an npz file. Keras stores a pickled dict of arrays for each object there, which is refused."""
    if len(archive.infolist()) > bounds.MAX_ENTRIES:
        raise SerializationError(f"{what} has {len(archive.infolist())} members, more than {bounds.MAX_ENTRIES}.")
    entries = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        bounds.check_expansion(info.file_size, info.compress_size, f"{what}: {info.filename!r}")
        entries[name] = _npz_entry(archive, info, f"{what}: {info.filename!r}", name)
    return Table(entries, {})


def _npz_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, what: str, name: str) -> Entry:
    from numpy.lib import format as npy

    with _guarded(f"{what} as a NumPy array"), archive.open(info) as member:
        version = npy.read_magic(member)
        shape, _, dtype = npy.read_array_header_1_0(member) if version == (1, 0) else npy.read_array_header_2_0(member)
    if dtype.hasobject:
        raise SerializationError(
            f"{what} holds pickled Python objects, which are not loaded. Save the weights as .weights.h5."
        )
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes > info.file_size:
        raise SerializationError(f"{what} declares the shape {shape}, for which the file is too short.")

    def read() -> Array:
        with _guarded(what):
            return np.load(io.BytesIO(archive.read(info)), allow_pickle=False)  # type: ignore[no-any-return]

    return Entry(name, tuple(shape), nbytes, read)


def write_npz(target: Path, arrays: Mapping[str, Any]) -> None:
    """Write an npz file of plain arrays by name."""
    with target.open("wb") as file:
        np.savez(file, **arrays)


def flat_names(arrays: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """Return `group -> key -> array` as one dict by `<group>/vars/<key>`."""
    return {
        f"{path}/vars/{key}" if path else f"vars/{key}": array
        for path, group in arrays.items()
        for key, array in group.items()
    }
