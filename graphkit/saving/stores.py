"""Weights files as flat tables of arrays: HDF5 and npz, read within bounds and without anything that could run."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from graphkit.core import dtypes
from graphkit.core.errors import SerializationError
from graphkit.saving import limits

Array = np.ndarray[Any, Any]
Source = "Path | BinaryIO"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


class Entry(NamedTuple):
    """An array of a file that has not been read yet."""

    path: str
    shape: tuple[int, ...]
    nbytes: int
    read: Any  # () -> Array


@dataclass(frozen=True)
class Table:
    """The arrays of a weights file by path (`layers/dense/vars/0`), and the attributes of the groups that have any."""

    entries: dict[str, Entry]
    attributes: dict[str, Mapping[str, Any]]

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays together."""
        return sum(entry.nbytes for entry in self.entries.values())

    @cached_property
    def _groups(self) -> dict[str, dict[str, Entry]]:
        """The arrays by group; asked for only when all entries are there."""
        groups: dict[str, dict[str, Entry]] = {}
        for path, entry in self.entries.items():
            group, _, name = path.rpartition("/")
            groups.setdefault(group, {})[name] = entry
        return groups

    def group(self, path: str) -> dict[str, Entry]:
        """The arrays directly in a group, by the last part of their paths."""
        return self._groups.get(path, {})


@contextmanager
def open_table(source: Path | BinaryIO, what: str) -> Iterator[Table]:
    """The arrays of an HDF5, npz or safetensors file, or of sharded weights, told apart by content.

    Raises SerializationError naming `what`.
    """
    from graphkit.saving.safetensors import looks_like_safetensors, safetensors_table

    start = _first_bytes(source)
    if start.startswith(HDF5_MAGIC):
        with _open_hdf5(source, what) as file:
            yield hdf5_table(file, what)
    elif start.startswith(b"PK"):
        with _open_zip(source, what) as archive:
            yield _npz_table(archive, what)
    elif looks_like_safetensors(start):
        with source.open("rb") if isinstance(source, Path) else nullcontext(source) as opened:
            yield safetensors_table(opened, what)
    elif isinstance(source, Path) and start.lstrip()[:1] == b"{":
        from graphkit.saving.sharded import open_shards

        with open_shards(source, what) as table:
            yield table
    else:
        raise SerializationError(
            f"{what} is neither an HDF5 nor an npz or safetensors file, nor an index of sharded weights: it starts with {start[:8]!r}."
        )


def _first_bytes(source: Path | BinaryIO) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(16)
    start = source.read(16)
    source.seek(0)
    return start


_DAMAGE = (  # what h5py, zipfile and NumPy raise for damaged files
    KeyError, RuntimeError, OSError, ValueError, TypeError, EOFError, OverflowError, MemoryError, SystemError, zipfile.BadZipFile,
    zlib.error,
)  # fmt: skip


@contextmanager
def _guarded(what: str) -> Iterator[None]:
    """Whatever a library raises inside while it reads, as an error of ours that names `what`."""
    try:
        yield
    except SerializationError:
        raise
    except _DAMAGE as error:
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


def hdf5_table(file: Any, what: str) -> Table:
    """The datasets of an HDF5 file. Only hard links are followed, each object once; nothing but attributes is read yet."""
    with _guarded(what):
        return _walked(file, what)


def _walked(file: Any, what: str) -> Table:
    import h5py

    table = Table({}, {})
    seen: set[Any] = set()
    stack: list[tuple[str, Any, int]] = [("", file, 0)]
    while stack:
        path, group, depth = stack.pop()
        if depth > limits.MAX_DEPTH or len(seen) > limits.MAX_OBJECTS:
            raise SerializationError(f"{what} has too many groups ({len(seen)}) or too many levels of them ({depth}).")
        if len(group.attrs):
            table.attributes[path] = _attributes(group, what)
        for name in group:
            child_path = f"{path}/{name}" if path else str(name)
            child = _hard_child(group, name, child_path, what)
            address = h5py.h5o.get_info(child.id).addr
            if isinstance(child, h5py.Group):
                if address in seen:
                    raise SerializationError(f"{what}: the group {child_path!r} is linked twice.")
                stack.append((child_path, child, depth + 1))
            elif isinstance(child, h5py.Dataset):
                table.entries[child_path] = _hdf5_entry(child, child_path, what)
            seen.add(address)
    return table


def _attributes(group: Any, what: str) -> dict[str, Any]:
    found = {}
    for name in group.attrs:
        kept = group.attrs.get_id(name)
        if math.prod(kept.shape or ()) * kept.dtype.itemsize > limits.MAX_JSON_BYTES:
            raise SerializationError(
                f"{what}: the attribute {name!r} declares the shape {kept.shape}, which is too large."
            )
        found[name] = group.attrs[name]
    return found


def _hard_child(group: Any, name: str, path: str, what: str) -> Any:
    import h5py

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise SerializationError(
            f"{what}: {path!r} is a {type(link).__name__}, which may point anywhere; it is not followed."
        )
    return group[name]


def _hdf5_entry(dataset: Any, path: str, what: str) -> Entry:
    if dataset.is_virtual or dataset.external:
        raise SerializationError(f"{what}: the dataset {path!r} keeps its numbers in another file; it is not read.")
    if dataset.shape is None:
        raise SerializationError(f"{what}: the dataset {path!r} is empty.")

    limits.check_expansion(int(dataset.nbytes), int(dataset.id.get_storage_size()), f"{what}: the dataset {path!r}")

    def read() -> Array:
        with _guarded(f"{what}: the dataset {path!r}"):
            array = np.asarray(dataset[()])
            kind = dataset.attrs.get("dtype")
        if isinstance(kind, str) and kind == "bfloat16" and array.dtype.itemsize == 2:
            return array.view(dtypes.to_numpy("bfloat16"))
        if array.dtype.kind == "V":
            raise SerializationError(
                f"{what}: the dataset {path!r} has the dtype {array.dtype}, which is not a number's."
            )
        return array

    return Entry(path, tuple(int(s) for s in dataset.shape), int(dataset.nbytes), read)


def write_hdf5(target: Path, arrays: Mapping[str, Mapping[str, Array]], names: Mapping[str, str]) -> None:
    """Write `group -> key -> array` as Keras does: contiguous datasets in `<group>/vars`, whose attribute `name` is the object's."""
    import h5py

    with h5py.File(target, "w") as file:
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
    """The arrays of an npz file. Keras keeps a dict of arrays for each object there, as a pickle: that is refused."""
    if len(archive.infolist()) > limits.MAX_ENTRIES:
        raise SerializationError(f"{what} has {len(archive.infolist())} members, more than {limits.MAX_ENTRIES}.")
    entries = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        limits.check_expansion(info.file_size, info.compress_size, f"{what}: {info.filename!r}")
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


def write_npz(target: Path, arrays: Mapping[str, Mapping[str, Array]]) -> None:
    """Write `group -> key -> array` as an npz file of plain arrays named `<group>/vars/<key>`."""
    with target.open("wb") as file:
        np.savez(file, **flat_names(arrays))  # type: ignore[arg-type]


def flat_names(arrays: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """`group -> key -> array` as one dict by `<group>/vars/<key>`."""
    return {
        f"{path}/vars/{key}" if path else f"vars/{key}": array
        for path, group in arrays.items()
        for key, array in group.items()
    }
