"""The files of CIFAR-10 and CIFAR-100: pickles in a folder or an archive."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from graphkit.core import layout
from graphkit.core.errors import SerializationError
from graphkit.datasets.reading import load_pickle, text_of_keys
from graphkit.datasets.sources import MissingDataSetError, Source, found

Array = np.ndarray[Any, Any]
_LARGEST = 1 << 29  # bytes of a file


def load_batches(source: Source, folder: str, names: Iterable[str], labels: str) -> tuple[Array, Array]:
    """Return the images of some files and their labels, joined.

    Args:
        source: the folder or archive in the cache.
        folder: the folder inside of it that holds the files.
        names: of the files.
        labels: the key of the labels.

    Returns:
        Images, uint8 in the data format of the configuration, and labels, int64 of shape (n, 1).

    Raises:
        MissingDataSetError: a file is not there.
        SerializationError: a file is damaged.
        UnsafeCodeError: a pickle holds something else than arrays and lists.
    """
    place = found(source)
    parts = [text_of_keys(load_pickle(_bytes_of(place, folder, name), f"{name} of {place}")) for name in names]
    for part in parts:
        if not isinstance(part.get("data"), np.ndarray) or part["data"].size % 3072 or labels not in part:
            raise SerializationError(f"{place} holds no images of 32 x 32 with {labels!r}.")
    images = np.concatenate([part["data"].reshape(-1, 3, 32, 32) for part in parts])
    targets = np.concatenate([np.asarray(part[labels]) for part in parts]).reshape(-1, 1)
    return (images.transpose(0, 2, 3, 1) if layout.image_data_format() == "channels_last" else images), targets


def _bytes_of(place: Path, folder: str, name: str) -> bytes:
    if place.is_dir():
        path = next((p for p in (place / folder / name, place / name) if p.is_file()), None)
        if path is None:
            raise MissingDataSetError(f"{place} has no file {folder}/{name}.")
        if path.stat().st_size > _LARGEST:
            raise SerializationError(f"{path} is larger than {_LARGEST} bytes.")
        return path.read_bytes()
    try:
        with tarfile.open(place) as archive:
            member = archive.getmember(f"{folder}/{name}")
            file = archive.extractfile(member) if member.size <= _LARGEST else None
            if file is None:
                raise SerializationError(f"{name} of {place} is no file of at most {_LARGEST} bytes.")
            return file.read()
    except (KeyError, tarfile.TarError, EOFError) as error:
        raise SerializationError(f"{folder}/{name} cannot be read from {place}: {error}") from error
