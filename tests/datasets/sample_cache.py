"""A cache with small files in the layout of the originals, and the calls that read them."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

CALLS: dict[str, Callable[[Any], Any]] = {
    "mnist": lambda d: d.mnist.load_data(),
    "fashion_mnist": lambda d: d.fashion_mnist.load_data(),
    "cifar100": lambda d: d.cifar100.load_data(),
    "cifar100 coarse": lambda d: d.cifar100.load_data(label_mode="coarse"),
    "boston_housing": lambda d: d.boston_housing.load_data(),
    "boston_housing split": lambda d: d.boston_housing.load_data(test_split=0.35, seed=7),
    "california_housing": lambda d: d.california_housing.load_data(),
    "california_housing small": lambda d: d.california_housing.load_data(version="small", test_split=0.5),
    "imdb": lambda d: d.imdb.load_data(),
    "imdb words": lambda d: d.imdb.load_data(num_words=20, skip_top=5, seed=3),
    "imdb short": lambda d: d.imdb.load_data(maxlen=7, start_char=None, oov_char=None, num_words=25),
    "imdb plain": lambda d: d.imdb.load_data(start_char=None, index_from=None),
    "imdb index": lambda d: d.imdb.get_word_index(),
    "reuters": lambda d: d.reuters.load_data(),
    "reuters words": lambda d: d.reuters.load_data(num_words=20, test_split=0.4, maxlen=9, index_from=1),
    "reuters plain": lambda d: d.reuters.load_data(start_char=None, index_from=0, oov_char=None, skip_top=4),
    "reuters index": lambda d: d.reuters.get_word_index(),
    "reuters names": lambda d: d.reuters.get_label_names(),
}


def described(value: Any) -> Any:
    """Return a value in a form that JSON can hold."""
    if isinstance(value, (tuple, list)):
        return [described(v) for v in value]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), value.tolist()]
    return value


def fill(home: Path) -> None:
    """Write the files below `home`, which stands for ~/.keras."""
    rng = np.random.default_rng(0)
    folder = home / "datasets"
    (folder / "fashion-mnist").mkdir(parents=True)

    def images(count: int) -> Any:
        return rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)

    def classes(count: int) -> Any:
        return rng.integers(0, 10, count, dtype=np.uint8)

    def texts(count: int) -> Any:
        made = np.empty(count, object)
        made[:] = [rng.integers(1, 30, rng.integers(3, 10)).tolist() for _ in range(count)]
        return made

    np.savez(folder / "mnist.npz", x_train=images(5), y_train=classes(5), x_test=images(2), y_test=classes(2))
    for part, count in (("train", 4), ("t10k", 3)):
        for kind, header, data in (("labels-idx1", 8, classes(count)), ("images-idx3", 16, images(count))):
            with gzip.open(folder / "fashion-mnist" / f"{part}-{kind}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + data.tobytes())
    for name, columns, rows in (("boston_housing", 13, 20), ("california_housing", 8, 700)):
        np.savez(folder / f"{name}.npz", x=rng.normal(size=(rows, columns)), y=rng.normal(size=rows))
    labels = rng.integers(0, 2, 12)
    np.savez(folder / "imdb.npz", x_train=texts(12), y_train=labels, x_test=texts(8), y_test=labels[:8])
    np.savez(folder / "reuters.npz", x=texts(15), y=rng.integers(0, 46, 15))
    for name in ("imdb", "reuters"):
        (folder / f"{name}_word_index.json").write_text(json.dumps({"the": 1, "and": 2, "naïve": 3}), encoding="utf-8")
    cifar(
        folder / "cifar-100-python-target" / "cifar-100-python",
        ("train", "test"),
        ("fine_labels", "coarse_labels"),
        rng,
    )
    batches = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
    cifar(folder / "cifar-10-batches-py-target" / "cifar-10-batches-py", batches, ("labels",), rng)


class PicklerOfPython2(pickle._Pickler):
    """Writes bytes as Python 2 did."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_bytes(self: Any, data: bytes) -> None:
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(data)

    dispatch[bytes] = save_bytes


def pickled_by_python2(content: Any) -> bytes:
    """Return a pickle as Python 2 wrote it."""
    file = io.BytesIO()
    PicklerOfPython2(file, protocol=2).dump(content)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")


def cifar(folder: Path, names: tuple[str, ...], labels: tuple[str, ...], rng: Any) -> None:
    """Write files as those of CIFAR, which Python 2 pickled."""
    folder.mkdir(parents=True)
    for name in names:
        content = {
            b"data": rng.integers(0, 256, (3, 3072), dtype=np.uint8),
            b"batch_label": b"one",
            b"filenames": [b"a.png"],
        }
        content |= {label.encode(): rng.integers(0, 10, 3).tolist() for label in labels}
        (folder / name).write_bytes(pickled_by_python2(content))
