"""Arrays and lists of integers from .npz files and from pickles, without running code from a pickle.

Old data sets hold pickles. They are read by Python's own unpickler in which every name is replaced by one of three harmless stand-ins,
and nothing else can be called; arrays are then built from their described shape, dtype and bytes.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.core.errors import GraphKitError, SerializationError, UnsafeCodeError

Array = np.ndarray[Any, Any]
_LARGEST = 1 << 30  # bytes of a member when unpacked
_NUMERIC = "biuf"


def load_npz(path: Path, *names: str) -> list[Array]:
    """Return arrays of an .npz file. Arrays of objects must hold lists of integers.

    Args:
        path: the file.
        *names: of the arrays.

    Raises:
        SerializationError: the file is damaged, or lacks an array, or one is too large.
        UnsafeCodeError: a pickle in it holds something else than lists of integers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [_member(archive, path, name) for name in names]
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise SerializationError(f"{path} cannot be read as an .npz file: {error}") from error


def _member(archive: zipfile.ZipFile, path: Path, name: str) -> Array:
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise SerializationError(f"{path} has no array {name!r}; it has {sorted(archive.namelist())}.") from None
    if info.file_size > _LARGEST:
        raise SerializationError(
            f"The array {name!r} of {path} has {info.file_size} bytes, more than the limit of {_LARGEST}."
        )
    return array_of(archive.read(info), f"{name!r} of {path}")


def array_of(data: bytes, where: str) -> Array:
    """Return the array of an .npy file.

    Raises:
        SerializationError: the data are damaged.
        UnsafeCodeError: they hold a pickle of something else than lists of integers.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    except ValueError as error:
        raise SerializationError(f"The array {where} cannot be read: {error}") from error
    rest = data[file.tell() :]
    if dtype.hasobject:
        made = _built(_Unpickler(rest, where).load(), where)
        if not isinstance(made, np.ndarray) or made.shape != shape:
            raise SerializationError(f"The array {where} is not what its header describes.")
        return _of_integer_lists(made, where)
    if dtype.kind not in _NUMERIC or math.prod(shape) * dtype.itemsize != len(rest):
        raise SerializationError(
            f"The array {where} is damaged: {len(rest)} bytes do not fit shape {shape} of {dtype}."
        )
    return np.frombuffer(bytearray(rest), dtype).reshape(shape, order="F" if fortran else "C")


def _of_integer_lists(array: Array, where: str) -> Array:
    for value in array.flat:
        if not isinstance(value, int) and not (isinstance(value, list) and all(type(v) is int for v in value)):
            raise UnsafeCodeError(
                f"The array {where} holds {type(value).__name__}, where lists of integers are expected."
            )
    return array


def load_pickle(data: bytes, where: str) -> Any:
    """Return a pickled structure of dicts, lists, numbers, bytes, strings and arrays of numbers.

    Raises:
        SerializationError: the data are damaged.
        UnsafeCodeError: they hold anything else.
    """
    return _built(_Unpickler(data, where).load(), where)


# ----- pickles -----


class _DType:
    """Replaces numpy.dtype."""

    def __init__(self, name: Any = "", *flags: Any) -> None:
        self.name = name.decode() if isinstance(name, bytes) else name
        self.order: Any = "<"

    def __setstate__(self, state: Any) -> None:
        self.order = state[1].decode() if isinstance(state[1], bytes) else state[1]

    def numpy(self, where: str) -> np.dtype[Any]:
        """Return the dtype.

        Raises:
            UnsafeCodeError: it is not one of numbers or objects.
        """
        if not isinstance(self.name, str) or self.name[:1] not in (*_NUMERIC, "O") or not self.name[1:].isdigit():
            raise UnsafeCodeError(f"{where} holds an array of dtype {self.name!r}, where numbers are expected.")
        return np.dtype(object) if self.name[0] == "O" else np.dtype(self.name).newbyteorder(self.order)


class _Array:
    """Replaces an array that numpy would reconstruct."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _NumPyClass:
    """Replaces numpy.ndarray, which is only named."""


def _reconstruct(*arguments: Any) -> _Array:
    return _Array()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: str) -> _Array:
    made = _Array()
    made.state = (1, shape, dtype, order == "F", bytes(data))
    return made


class _Scalar:
    """Replaces a NumPy scalar."""

    def __init__(self, dtype: Any, data: Any) -> None:
        self.dtype, self.data = dtype, data


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Replace _codecs.encode, with which Python 3 writes bytes in protocol 2."""
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _NumPyClass,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Scalar for core in ("core", "_core")},
}


class _Unpickler(pickle._Unpickler):  # the one in Python: its memory is bounded by the data
    """Reads a pickle in which only the names of `_KNOWN` occur."""

    def __init__(self, data: bytes, where: str) -> None:
        super().__init__(io.BytesIO(data), encoding="bytes")
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a name.

        Raises:
            UnsafeCodeError: the name is not one that arrays need.
        """
        known = _KNOWN.get((module, name))
        if known is None:
            raise UnsafeCodeError(
                f"{self._where} names {module}.{name}, which could run code. Only arrays of numbers and lists are read."
            )
        return known

    def get_extension(self, code: int) -> Any:
        """Refuse the registry of extensions. Raises UnsafeCodeError."""
        raise UnsafeCodeError(f"{self._where} uses an extension of pickle, which is not read.")

    def load(self) -> Any:
        """Return the object.

        Raises:
            SerializationError: the pickle is damaged.
        """
        try:
            return super().load()
        except UnsafeCodeError:
            raise
        except Exception as error:
            raise SerializationError(f"The pickle in {self._where} is damaged: {error}") from error


def _built(value: Any, where: str) -> Any:
    """Return a structure with arrays in place of their stand-ins."""
    if isinstance(value, _Array):
        return _array(value, where)
    if isinstance(value, _Scalar):
        return np.frombuffer(value.data, value.dtype.numpy(where))[0].item()
    if type(value) is list:
        return [_built(v, where) if type(v) is not int else v for v in value]
    if type(value) is dict:
        return {k: _built(v, where) for k, v in value.items()}
    if type(value) in (int, float, str, bytes, bool, type(None)):
        return value
    raise UnsafeCodeError(f"{where} holds {type(value).__name__}, where arrays of numbers and lists are expected.")


def _array(stand_in: _Array, where: str) -> Array:
    try:
        _, shape, dtype, fortran, data = stand_in.state
        count = math.prod(shape)
        kind = dtype.numpy(where)
        order: Any = "F" if fortran else "C"
        if kind.hasobject:
            made = np.empty(len(data), object)
            for place, item in enumerate(data):
                one = _built(item, where)
                made[place] = one.tolist() if isinstance(one, np.ndarray) else one
            return made.reshape(shape, order=order)
        raw = data.encode("latin1") if isinstance(data, str) else data
        if len(raw) != count * kind.itemsize:
            raise ValueError(f"{len(raw)} bytes do not fit shape {shape}")
        return np.frombuffer(bytearray(raw), kind).reshape(shape, order=order)
    except GraphKitError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise SerializationError(f"An array in {where} is damaged: {error}") from error


def text_of_keys(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a dict with its keys as str."""
    return {k.decode() if isinstance(k, bytes) else str(k): v for k, v in mapping.items()}
