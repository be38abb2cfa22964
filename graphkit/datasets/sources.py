"""Where the files of Keras' data sets are looked for, and the message if they are not there."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphkit.core.errors import GraphKitError
from graphkit.utils.files import cache_folder, hash_of

GOOGLE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
TORONTO = "https://www.cs.toronto.edu/~kriz/"


class MissingDataSetError(GraphKitError, FileNotFoundError):
    """The file of a data set is not in the cache."""


@dataclass(frozen=True)
class Source:
    """A file of a data set.

    Attributes:
        name: of the file in the cache.
        origin: the address that Keras downloads it from.
        hash: of the original file: SHA-256, or MD5 where it has 32 digits; empty if Keras checks none.
        size: about how large the original file is.
        folder: the folder in the cache.
        others: other names under which Keras or its older versions keep the data.
    """

    name: str
    origin: str
    hash: str = ""
    size: str = ""
    folder: str = "datasets"
    others: tuple[str, ...] = ()


def found(source: Source, path: str | os.PathLike[str] | None = None) -> Path:
    """Return the path of a file: `path` as it is, or the name of a file in the cache.

    A file with another hash than the original is read all the same, with a warning.

    Args:
        source: the file.
        path: its name in the cache or its path, instead of `source.name`.

    Raises:
        MissingDataSetError: it is not there.
    """
    folder = cache_folder(None) / source.folder
    name = os.path.expanduser(os.fspath(path)) if path is not None else source.name
    candidates = (
        [folder / name] if path is not None and name != source.name else [folder / n for n in (name, *source.others)]
    )
    if path is not None and name != source.name:
        candidates.append(Path(name))
    for place in candidates:
        if place.exists():
            _check_hash(source, place)
            return place
    raise MissingDataSetError(_message(source, candidates))


def _check_hash(source: Source, place: Path) -> None:
    if source.hash and place.is_file() and hash_of(place, "auto", source.hash) != source.hash:
        warnings.warn(
            f"{place} is not the original file of this data set: its hash is not {source.hash}. It is read all the same.",
            stacklevel=4,
        )


def _message(source: Source, candidates: Sequence[Path]) -> str:
    places = " or ".join(str(p) for p in candidates)
    facts = [f"{source.size}" if source.size else "", _named_hash(source.hash)]
    facts_text = ", ".join(f for f in facts if f)
    return (
        f"The data set is not in the cache, and graphkit downloads nothing. Looked for: {places}. The file is "
        f"{source.origin}{f' ({facts_text})' if facts_text else ''}; download it where there is a network and copy it to "
        f"{candidates[0]}, or set the environment variable KERAS_HOME to a folder that has it under {source.folder}/. Where any "
        "images or numbers will do: keras.datasets.digits comes with graphkit, numpy.load reads your own arrays, and "
        "keras.utils.image_dataset_from_directory your own files."
    )


def _named_hash(value: str) -> str:
    return "" if not value else f"{'SHA-256' if len(value) == 64 else 'MD5'} {value}"
