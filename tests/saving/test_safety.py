"""Damaged and malicious files: a typed error that names the problem and its location, without side effects."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.errors import SerializationError, UnknownClassError, UnsafeCodeError
from graphkit.saving import bounds
from graphkit.saving.hdf5_heaps import _lengths_of_attribute

Change = Callable[[bytes], bytes | None]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Write a small model to a file."""
    x = layers.Input((4,), name="x")
    models.Model(x, layers.Dense(2, name="head")(x), name="net").save(tmp_path / "m.keras")
    return tmp_path / "m.keras"


def changed(
    path: Path, member: str = "", change: Change = lambda data: data, extra: dict[str, bytes] | None = None
) -> Path:
    """Copy an archive with one member changed or removed, and further ones added."""
    target = path.with_name("changed.keras")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name in source.namelist():
            data = change(source.read(name)) if name == member else source.read(name)
            if data is not None:
                made.writestr(name, data)
        for name, data in (extra or {}).items():
            made.writestr(name, data)
    return target


def config_with(old: bytes, new: bytes) -> Change:
    return lambda data: data.replace(old, new)


def hdf5_with(edit: Callable[[Any], None]) -> Change:
    def change(data: bytes) -> bytes:
        import h5py

        buffer = io.BytesIO(data)
        with h5py.File(buffer, "r+") as file:
            edit(file)
        return buffer.getvalue()

    return change


def external(file: Any) -> None:
    import h5py

    file["layers/dense/elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(file: Any) -> None:
    import h5py

    file["layers/dense/elsewhere"] = h5py.SoftLink("/")


def cycle(file: Any) -> None:
    file["layers/dense/loop"] = file["layers"]


def virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout(shape=(4, 2), dtype="f4")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "data", shape=(4, 2))
    del file["layers/dense/vars/0"]
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def huge(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", shape=(10**6, 10**6), dtype="f4", chunks=(100, 100))


def text(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros((4, 2), "V4")


def wrong_shape(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros((5, 2), "float32")


def too_many(file: Any) -> None:
    file["layers/dense_1/vars/0"] = np.zeros(3, "float32")


BAD_WEIGHTS = [
    (lambda data: None, "neither model.weights.h5 nor"),
    (lambda data: b"hello world", "not a readable HDF5 file"),
    (lambda data: data[: len(data) // 2], "not a readable HDF5"),
    (hdf5_with(external), "ExternalLink"),
    (hdf5_with(soft), "SoftLink"),
    (hdf5_with(cycle), "linked twice"),
    (hdf5_with(virtual), "another file"),
    (hdf5_with(huge), "declares 4,000,000,000,000 bytes"),
    (hdf5_with(text), "which is not numeric|only numbers"),
    (
        hdf5_with(wrong_shape),
        r"'head': weight 'kernel' has shape \(4, 2\), the file's 'layers/dense/vars/0' has \(5, 2\)",
    ),
    (hdf5_with(too_many), "layers/dense_1/vars/0, for which the model has no weights"),
]


@pytest.mark.parametrize(("change", "message"), BAD_WEIGHTS)
def test_bad_weights_are_refused(archive: Path, change: Change, message: str) -> None:
    with pytest.raises(SerializationError, match=message):
        graphkit.load(changed(archive, "model.weights.h5", change))


BAD_CONFIGS = [
    (lambda data: None, "without config.json"),
    (lambda data: b'{"a":', "not valid JSON"),
    (lambda data: b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    (lambda data: b"7", "holds a int"),
    (lambda data: b"{}", "no class_name and config"),
    (lambda data: json.dumps({**json.loads(data), "config": 7}).encode(), "must be an object, got int"),
    (config_with(b'"units": 2', b'"units": 2000000000'), "'head/kernel' of shape"),
    (config_with(b'"units": 2', b'"units": -1'), "'head'.*units"),
    (config_with(b'"units": 2', b'"units": 2, "frobnicate": 3'), "'head'.*frobnicate"),
    (config_with(b'["x", 0, 0]', b'["y", 0, 0]'), r"nothing in the file produces y\[0\]"),
    (config_with(b'"keras_history": ["x", 0, 0]', b'"keras_history": 7'), "no keras_history"),
    (
        config_with(b'"inbound_nodes": [{', b'"inbound_nodes": ["x", {'),
        "'head' of model 'net': the inbound node x has no `args`",
    ),
    (config_with(b'"name": "head", "inbound', b'"name": "x", "inbound'), "two layers named 'x'"),
    (config_with(b'"output_layers"', b'"outputs"'), "no 'output_layers'"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CONFIGS)
def test_bad_configs_are_refused(archive: Path, change: Change, message: str) -> None:
    with pytest.raises(SerializationError, match=message):
        graphkit.load(changed(archive, "config.json", change))


def test_an_unknown_class_is_named_with_what_to_do(archive: Path) -> None:
    with pytest.raises(
        UnknownClassError, match=r"'head' \(Dence\).*Did you mean 'Dense'.*custom_objects=\{'Dence': YourClass\}"
    ):
        graphkit.load(changed(archive, "config.json", config_with(b'"Dense"', b'"Dence"')))


@pytest.mark.parametrize("module", ["os", "subprocess", "numpy", "graphkit.saving.front"])
def test_no_module_that_a_file_names_is_imported(archive: Path, module: str) -> None:
    change = config_with(
        b'"module": "keras.layers", "class_name": "Dense"', f'"module": "{module}", "class_name": "system"'.encode()
    )

    with pytest.raises(UnknownClassError, match="'system'"):
        graphkit.load(changed(archive, "config.json", change))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil"])
def test_paths_that_lead_out_of_the_archive_are_refused(archive: Path, name: str) -> None:
    with pytest.raises(SerializationError, match="leads out of the archive"):
        graphkit.load(changed(archive, extra={name: b""}))


def test_a_decompression_bomb_is_refused_before_it_is_read(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FREE_BYTES", 1 << 20)

    with pytest.raises(SerializationError, match="decompression bomb"):
        graphkit.load(changed(archive, extra={"assets/zeros": bytes(1 << 24)}))


def test_too_many_members_are_refused(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_ENTRIES", 10)

    with pytest.raises(SerializationError, match="13 members"):
        graphkit.load(changed(archive, extra={f"assets/{i}": b"" for i in range(10)}))


def test_a_pickle_in_npz_is_not_loaded(archive: Path, tmp_path: Path) -> None:
    model = graphkit.load(archive)
    np.savez(tmp_path / "w.npz", **{"layers/dense": np.array({"0": 1}, dtype=object)})

    with pytest.raises(SerializationError, match="pickled Python objects"):
        model.load_weights(tmp_path / "w.npz")


BYTECODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA", "defaults": None, "closure": None}}


def with_code(data: bytes) -> bytes:
    config = json.loads(data)
    entry = config["config"]["layers"][1]
    entry["class_name"] = "Lambda"
    entry["config"] = {"name": "head", "trainable": True, "dtype": "float32", "function": BYTECODE, "arguments": {}}
    entry.pop("build_config", None)
    return json.dumps(config).encode()


def no_weights(file: Any) -> None:
    del file["layers/dense"]


def test_code_in_a_file_is_refused(archive: Path) -> None:
    with pytest.raises(UnsafeCodeError, match=r"'head'.*custom_objects=\{'head': function\}"):
        graphkit.load(changed(archive, "config.json", with_code))


def test_code_is_replaced_by_the_function_that_is_given(archive: Path) -> None:
    path = changed(
        changed(archive, "config.json", with_code).rename(archive), "model.weights.h5", hdf5_with(no_weights)
    )

    model = graphkit.load(path, custom_objects={"head": lambda x: x * 2.0})

    np.testing.assert_array_equal(model(np.ones((1, 4), "float32")), np.full((1, 4), 2.0))


ELSEWHERE = [
    (pickle.dumps({"a": 1}), "Python pickle"),
    (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
    (b"\x1f\x8b", "gzip"),
    (b"hello", "no known format: it starts with b'hello'"),
    (b"", "an empty file"),
    (b"PK\x03\x04", "not a readable zip"),
    (b"\x89HDF\r\n\x1a\n", "not a readable HDF5"),
]


@pytest.mark.parametrize(("content", "message"), ELSEWHERE)
def test_files_of_other_kinds_are_said_to_be_what_they_are(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.keras").write_bytes(content)

    with pytest.raises(SerializationError, match=message):
        graphkit.load(tmp_path / "m.keras")


def test_a_missing_file_is_a_file_not_found_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="File not found"):
        graphkit.load(tmp_path / "nothing.keras")


def test_nothing_is_changed_when_one_weight_does_not_fit(archive: Path) -> None:
    model = graphkit.load(archive)
    before = model.get_weights()
    x = layers.Input((4,))
    other = models.Model(x, layers.Dense(3)(layers.Dense(2)(x)))

    with pytest.raises(SerializationError, match="No weight was changed"):
        other.load_weights(archive)
    with pytest.raises(SerializationError, match="No weight was changed"):
        model.load_weights(changed(archive, "model.weights.h5", hdf5_with(wrong_shape)))

    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


_HUNG = """
import sys, warnings
import graphkit
from graphkit.errors import GraphKitError
from graphkit.saving import inspect_file
warnings.simplefilter("ignore")
model = graphkit.Sequential([graphkit.Input((4,)), graphkit.layers.Dense(3)])
for read in (graphkit.load, inspect_file, model.load_weights):
    try:
        read(sys.argv[1])
    except GraphKitError as error:
        print(error)
"""


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, (1 << 64) - 16)], ids=["free", "wraps round"])
@pytest.mark.parametrize("name", ["m.h5", "w.weights.h5"])
def test_a_heap_of_texts_without_an_end_does_not_hang(name: str, index: int, size: int, tmp_path: Path) -> None:
    """The HDF5 library steps over the objects of a heap by their sizes: a step of 0 bytes has no end."""
    model = models.Sequential([layers.Input((4,)), layers.Dense(3)])
    path = tmp_path / name
    (model.save if name == "m.h5" else model.save_weights)(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"GCOL") + 16
    data[at : at + 2], data[at + 8 : at + 16] = index.to_bytes(2, "little"), size.to_bytes(8, "little")
    path.write_bytes(data)

    done = subprocess.run([sys.executable, "-c", _HUNG, path], capture_output=True, text=True, timeout=60, check=True)

    assert name != "m.h5" or "sizes of the strings" in done.stdout


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_references_to_texts_are_found_in_all_forms_of_attributes(libver: str, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w", libver=libver) as file:
        file.attrs["keras_version"] = "2.2.4"
        file.attrs["layer_names"] = np.array(["dense", "dense_1"], h5py.string_dtype())
    data = path.read_bytes()

    found = {
        name: list(_lengths_of_attribute(data, data.index(name), len(name)))
        for name in (b"keras_version\0", b"layer_names\0")
    }

    assert found == {b"keras_version\0": [5], b"layer_names\0": [5, 7]}


@pytest.mark.parametrize("address", [None, 0x7000000])
def test_a_text_longer_than_its_file_is_refused_before_it_is_allocated(address: int | None, tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.2.4"
        file.attrs["model_config"] = "{}"
        file.create_dataset("unused", data=np.zeros(3))
    data = bytearray(path.read_bytes())
    reference = data.index(data.index(b"GCOL").to_bytes(8, "little"), data.index(b"keras_version\0"))
    data[reference - 4 : reference] = (0xF0000000).to_bytes(4, "little")
    if address is not None:
        data[reference : reference + 8] = address.to_bytes(8, "little")
    path.write_bytes(data)

    with pytest.raises(SerializationError, match="a string declares more bytes than the file has"):
        graphkit.load(path)
