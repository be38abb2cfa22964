"""keras.datasets: files of the cache are read as Keras does, nothing in them is run, and missing ones are explained."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import datasets
from graphkit.datasets.reading import array_of, load_pickle
from graphkit.datasets.sources import MissingDataSetError
from graphkit.errors import InvalidArgumentError, SerializationError, UnsafeCodeError
from tests.datasets.sample_cache import CALLS, described, fill
from tests.interop.test_real_keras import keras_python

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings("ignore:.*is not the original file")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of ~/.keras, with small files."""
    fill(tmp_path / "keras")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras"


@pytest.mark.slow
def test_all_sets_are_read_as_real_keras_reads_them(cache: Path) -> None:
    python = keras_python()
    if python is None:
        pytest.skip("Keras is not importable here; set GRAPHKIT_KERAS_PYTHON to an interpreter that has it")
    command = [python, "-m", "tests.datasets.keras_answers", str(cache)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=True
    )
    wanted = json.loads(done.stdout.splitlines()[-1])

    for name, call in CALLS.items():
        assert json.loads(json.dumps(described(call(datasets)))) == wanted[name], name


@pytest.mark.parametrize("name", CALLS)
def test_a_set_is_read(name: str, cache: Path) -> None:
    made = CALLS[name](datasets)

    if isinstance(made, tuple) and isinstance(made[0], tuple):
        assert all(len(x) == len(y) > 0 for x, y in made)


@pytest.mark.parametrize("first", [True, False])
def test_images_of_cifar10_are_joined_from_a_folder_or_an_archive(cache: Path, first: bool) -> None:
    folder = cache / "datasets" / "cifar-10-batches-py-target"
    if not first:
        with tarfile.open(cache / "datasets" / "cifar-10-batches-py-target_archive", "w:gz") as archive:
            archive.add(folder / "cifar-10-batches-py", "cifar-10-batches-py")
        folder.rename(cache / "elsewhere")

    (x_train, y_train), (x_test, y_test) = datasets.cifar10.load_data()

    assert (x_train.shape, x_test.shape) == ((15, 32, 32, 3), (3, 32, 32, 3))
    assert (y_train.shape, y_train.dtype, y_test.dtype) == ((15, 1), "uint8", "uint8")


def test_a_path_of_ones_own_is_read(cache: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.npz"
    (cache / "datasets" / "mnist.npz").rename(own)

    assert datasets.mnist.load_data(path=str(own))[0][0].shape == (5, 28, 28)
    with pytest.raises(MissingDataSetError):
        datasets.mnist.load_data()


def test_digits_come_with_the_package() -> None:
    (x_train, y_train), (x_test, y_test) = datasets.digits.load_data()

    assert (x_train.shape, x_test.shape, x_train.dtype, y_train.dtype) == ((1437, 8, 8), (360, 8, 8), "uint8", "uint8")
    assert (x_train.max(), sorted(set(y_test.tolist()))) == (16, list(range(10)))


@pytest.mark.parametrize(
    ("load", "parts"),
    [
        (lambda: datasets.mnist.load_data(), ("mnist.npz", "731c5ac6", "11 MB", "tf-keras-datasets/mnist.npz")),
        (lambda: datasets.imdb.get_word_index(), ("imdb_word_index.json", "MD5 bfafd718")),
        (lambda: datasets.cifar10.load_data(), ("cifar-10-batches-py-target", "cifar-10-python.tar.gz")),
        (lambda: datasets.fashion_mnist.load_data(), ("fashion-mnist", "train-labels-idx1-ubyte.gz")),
    ],
)
def test_a_missing_file_is_explained(
    load: Callable[[], Any], parts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    with pytest.raises(MissingDataSetError) as caught:
        load()

    assert isinstance(caught.value, FileNotFoundError)
    for part in (*parts, str(tmp_path), "KERAS_HOME", "keras.datasets.digits"):
        assert part in str(caught.value)


def test_a_file_with_another_hash_is_read_with_a_warning(cache: Path) -> None:
    with pytest.warns(UserWarning, match="is not the original file"):
        datasets.mnist.load_data()


class Evil:
    """An object whose unpickling runs a function."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def objects(*values: Any) -> Any:
    made = np.empty(len(values), object)
    made[:] = values
    return made


@pytest.mark.parametrize(
    "array",
    [objects(Evil()), objects([1], [Evil()]), objects({"a": 1}), objects("text"), objects([1.5]), objects([[1], [2]])],
)
def test_pickles_of_anything_but_lists_of_integers_are_refused(array: Any) -> None:
    with pytest.raises(UnsafeCodeError):
        array_of(npy(array), "x")


def test_lists_of_integers_are_read_from_pickles_of_old_and_new_versions() -> None:
    array = objects([1, 2, 300], [], [2**40])

    assert array_of(npy(array), "x").tolist() == array.tolist()
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        if protocol > 1:
            made = load_pickle(pickle.dumps({b"data": np.arange(6).reshape(2, 3), b"n": [1]}, protocol=protocol), "x")
            assert (made[b"data"].tolist(), made[b"n"]) == ([[0, 1, 2], [3, 4, 5]], [1])
    python2 = b"\x80\x02}q\x00U\x06labelsq\x01]q\x02(K\x03K\x04es."  # a dict with a str of Python 2
    assert load_pickle(python2, "x") == {b"labels": [3, 4]}


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Evil()),
        pickle.dumps({b"data": Evil()}),
        pickle.dumps(os.system),
        pickle.dumps(np.array(["a"])),
        pickle.dumps(np.zeros(2, "datetime64[s]")),
        pickle.dumps({1, 2}),
        pickle.dumps(np.random.default_rng(0)),
    ],
)
def test_pickles_that_could_run_code_are_refused(data: bytes) -> None:
    with pytest.raises(UnsafeCodeError):
        load_pickle(data, "x")


@pytest.mark.parametrize("data", [b"", b"\x80\x04", b"junk", pickle.dumps(np.arange(9))[:-20]])
def test_damaged_pickles_are_refused(data: bytes) -> None:
    with pytest.raises((SerializationError, UnsafeCodeError)):
        load_pickle(data, "x")


def test_arrays_that_do_not_fit_their_header_are_refused() -> None:
    with pytest.raises(SerializationError, match="damaged"):
        array_of(npy(np.arange(10))[:-8], "x")


def test_arguments_are_checked(cache: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="test_split"):
        datasets.boston_housing.load_data(test_split=1.0)
    with pytest.raises(InvalidArgumentError, match="version"):
        datasets.california_housing.load_data(version="tiny")
    with pytest.raises(InvalidArgumentError, match="label_mode"):
        datasets.cifar100.load_data(label_mode="rough")
    with pytest.raises(InvalidArgumentError, match="no sequence was kept"):
        datasets.imdb.load_data(maxlen=2)
    with pytest.raises(TypeError, match="Unrecognized"):
        datasets.imdb.load_data(words=3)
