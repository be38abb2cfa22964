"""Thousands of hostile files: each opens safely, or raises a graphkit error that names the file."""

from __future__ import annotations

import io
import json
import resource
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import graphkit
from graphkit import models
from graphkit.errors import GraphKitError, SerializationError
from graphkit.saving import KerasFileEditor, inspect_file
from tests.saving.hostile import OLD, Payload, functional, opened, payloads, words

SECONDS = 20  # the limit for each file
MEGABYTES = 1500  # the limit for the growth of the process over all files
FAMILIES = (
    "archive config", "archive weights", "archive hdf5", "archive members", "archive bomb", "archive bytes", "json", "old json",
    "hdf5 bytes",
    "hdf5", "weights", "npz", "safetensors", "shards", "tensorflowjs", "onnx", "yaml",
)  # fmt: skip
Corpus = dict[str, list[Payload]]


def corpus(folder: Path, seed: int, count: int) -> Corpus:
    """Return the files by family."""
    found: Corpus = defaultdict(list)
    for payload in payloads(folder, seed, count):
        found[payload[0]].append(payload)
    return found


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """A sample that is small enough for every change of the code."""
    return corpus(tmp_path_factory.mktemp("good"), 0, 8)


@pytest.fixture(scope="module")
def model() -> Any:
    """Return a model to load weights into."""
    return functional()


def readers(path: Path, model: Any) -> dict[str, Callable[[], Any]]:
    """Return the functions that read a file."""
    found: dict[str, Callable[[], Any]] = {"open": lambda: opened(path, model), "inspect": lambda: inspect_file(path)}
    if path.name.endswith((".keras", ".weights.h5")):
        found["edit"] = lambda: KerasFileEditor(path)
    if path.name == "m.onnx":
        found["run"] = lambda: graphkit.runtime.Predictor(path)
    return found


def check(path: Path, payload: Payload, model: Any) -> None:
    path.write_bytes(payload[2])
    for way, read in readers(path, model).items():
        started = time.perf_counter()
        try:
            read()
        except GraphKitError as error:
            if str(path) not in str(error) and way != "run":
                pytest.fail(f"{way} of {payload[:2]}: the error does not name the file: {error}")
        except BaseException as error:
            raise AssertionError(f"{way} of {payload[:2]} ends in {type(error).__name__}: {error!s:.200}") from error
        assert time.perf_counter() - started < SECONDS


def check_family(found: Corpus, family: str, folder: Path, model: Any) -> None:
    assert found[family], f"there are no payloads of {family}"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for payload in found[family]:
            check(folder / payload[1], payload, model)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES


@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_files_are_refused_or_opened(tmp_path: Path, small: Corpus, model: Any, family: str) -> None:
    check_family(small, family, tmp_path, model)


def test_every_family_is_tried(small: Corpus) -> None:
    assert set(small) == set(FAMILIES)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_hostile_files_are_refused_or_opened(tmp_path: Path, model: Any, seed: int) -> None:
    (tmp_path / "good").mkdir()
    found = corpus(tmp_path / "good", seed, 120)
    for family in FAMILIES:
        check_family(found, family, tmp_path, model)


# ----- messages -----


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OLD.replace('"name": "d"', '"name": "\\ud800"'), r"m\.json.*'\\ud800', which is not valid Unicode"),
        (OLD.replace('"name": "d"', '"name": "n\xe9"').encode("latin-1"), r"m\.json.*is not UTF-8 text"),
        (OLD.encode("utf-16"), r"m\.json"),
        (OLD.replace('"class_name": "Dense"', '"class_name": "Nonsense"'), r"m\.json.*'d'.*Nonsense"),
        (OLD.replace('"activation": "relu"', '"activation": "nonsense"'), r"m\.json.*Layer 'd' \(Dense\).*nonsense"),
        (OLD.replace('"activation": "relu"', '"activation": {"class_name": "__lambda__", "config": {}}'), r"m\.json.*Layer 'd' \(Dense\)"),
        (OLD.replace('"units": 2', '"units": "2"'), r"m\.json.*Layer 'd' \(Dense\).*units"),
    ],
)  # fmt: skip
def test_the_file_and_the_layer_are_named(tmp_path: Path, text: str | bytes, message: str) -> None:
    (tmp_path / "m.json").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))

    with pytest.raises(SerializationError, match=message):
        graphkit.load(tmp_path / "m.json")


def test_unicode_in_escapes_is_no_lone_surrogate(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(
        OLD.replace('"name": "d"', '"name": "\\ud83d\\ude00"').replace('["d", 0, 0]', '["\\ud83d\\ude00", 0, 0]')
    )

    assert graphkit.load(tmp_path / "m.json").layers[-1].name == "\U0001f600"


@pytest.mark.parametrize("size", [512, 1024, 4096])
def test_an_hdf5_file_may_have_a_block_of_the_users(tmp_path: Path, size: int) -> None:
    model = functional()
    for name, write in (("m.h5", model.save), ("w.weights.h5", model.save_weights)):
        write(tmp_path / name)
        with (
            h5py.File(tmp_path / name) as source,
            h5py.File(tmp_path / f"block.{name}", "w", userblock_size=size) as made,
        ):
            made.attrs.update(source.attrs)
            for key in source:
                source.copy(key, made)
        with (tmp_path / f"block.{name}").open("r+b") as file:
            file.write(b"{ a line of the user's }")
    x = np.ones((2, 5, 4), "float32")

    again = graphkit.load(tmp_path / "block.m.h5")
    other = functional()
    other.load_weights(tmp_path / "block.w.weights.h5")

    np.testing.assert_array_equal(again(x), model(x))
    np.testing.assert_array_equal(other(x), model(x))
    assert inspect_file(tmp_path / "block.m.h5")["format"] == "Keras HDF5 file"


def test_texts_are_no_weights(tmp_path: Path) -> None:
    model = functional()
    model.save_weights(tmp_path / "w.weights.h5")
    before = model.get_weights()
    for dtype in (h5py.string_dtype(), h5py.ref_dtype, h5py.vlen_dtype(np.float32)):
        with h5py.File(tmp_path / "w.weights.h5", "r+") as file:
            del file["layers/dense/vars/1"]
            file.create_dataset("layers/dense/vars/1", (4,), dtype)

        with pytest.raises(SerializationError, match=r"w\.weights\.h5.*layers/dense/vars/1"):
            model.load_weights(tmp_path / "w.weights.h5")
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_the_good_ones_open(tmp_path: Path) -> None:
    """The corpus is generated from files that load."""
    for number, made in enumerate((functional(), words())):
        made.save(tmp_path / f"{number}.keras")
        assert graphkit.load(tmp_path / f"{number}.keras").name == made.name
        assert models.model_from_json(made.to_json()).name == made.name
    (tmp_path / "old.json").write_text(OLD)
    assert graphkit.load(io.StringIO(str(tmp_path / "old.json")).read()).name == json.loads(OLD)["config"]["name"]
