"""Weights files: safetensors and shards, compared with the public packages' formats, and errors."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from graphkit import layers, models
from graphkit.converters.safetensors.tensors import write_safetensors
from graphkit.errors import InvalidArgumentError, SerializationError
from graphkit.saving import formats
from graphkit.saving.source import Source


def net(optimizer: Any = None) -> Any:
    x = layers.Input((4,))
    model: Any = models.Model(x, layers.Dense(2, name="b")(layers.Dense(3, name="a")(x)))
    if optimizer:
        model.compile(optimizer, "mse")
        model.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
    return model


def test_safetensors_have_the_published_form(tmp_path: Path) -> None:
    write_safetensors(
        tmp_path / "w.safetensors", {"a": np.array([[1, 2]], "int16"), "b": np.array(3.0, "float32")}, {"k": "v"}
    )

    data = (tmp_path / "w.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length]) == {
        "__metadata__": {"k": "v"},
        "a": {"dtype": "I16", "shape": [1, 2], "data_offsets": [0, 4]},
        "b": {"dtype": "F32", "shape": [], "data_offsets": [4, 8]},
    }
    assert data[8 + length :] == b"\x01\x00\x02\x00" + struct.pack("<f", 3.0)


FLOATS_OF_ML_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
DTYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64",
    *FLOATS_OF_ML_DTYPES,
)  # fmt: skip


def zeros_and_ones(dtype: str) -> Any:
    return np.array([[0, 1, 1], [1, 0, 1]]).astype(getattr(ml_dtypes, dtype) if dtype in FLOATS_OF_ML_DTYPES else dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_safetensors_keep_every_dtype(dtype: str, tmp_path: Path) -> None:
    array = zeros_and_ones(dtype)
    write_safetensors(tmp_path / "w.safetensors", {"x": array})

    source = Source(tmp_path / "w.safetensors")
    with formats.format_of(source).open(source) as table:
        read = table.entries["x"].read()
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_package_of_the_format_reads_and_writes_the_same_arrays(dtype: str, tmp_path: Path) -> None:
    arrays = {"layers/b": zeros_and_ones(dtype), "a": zeros_and_ones(dtype)[:1], "empty": zeros_and_ones(dtype)[:0]}

    write_safetensors(tmp_path / "ours.safetensors", arrays, {"format": "keras"})
    read = dict(safetensors.deserialize((tmp_path / "ours.safetensors").read_bytes()))
    assert set(read) == set(arrays)
    for name, array in arrays.items():
        assert read[name]["shape"] == list(array.shape)
        assert bytes(read[name]["data"]) == array.tobytes()

    safetensors.numpy.save_file(arrays, tmp_path / "theirs.safetensors", {"format": "keras"})
    source = Source(tmp_path / "theirs.safetensors")
    with formats.format_of(source).open(source) as table:
        assert set(table.entries) == set(arrays)
        for name, array in arrays.items():
            assert table.entries[name].read().dtype == array.dtype
            np.testing.assert_array_equal(table.entries[name].read(), array)


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3).T, np.arange(6.0)[::2], np.arange(3, dtype=">f4")])
def test_safetensors_hold_the_values_of_any_memory_layout(array: Any, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "w.safetensors", {"x": array})

    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "w.safetensors")["x"], array)


@pytest.mark.parametrize("name", ["w.safetensors", "w.npz", "w.weights.h5", "w.weights.json"])
def test_weights_and_state_come_back(name: str, tmp_path: Path) -> None:
    model, other = net("adam"), net("adam")

    model.save_weights(tmp_path / name)
    other.load_weights(tmp_path / name)

    for ours, theirs in zip(
        model.weights + model.optimizer.variables, other.weights + other.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_shards_are_no_larger_than_asked(tmp_path: Path) -> None:
    model, other = net(), net()

    model.save_weights(tmp_path / "w.weights.json", max_shard_size=40 / 2**30)
    other.load_weights(tmp_path / "w.weights.json")

    index = json.loads((tmp_path / "w.weights.json").read_text())
    assert index["metadata"]["total_size"] == 4 * model.count_params()
    assert index["weight_map"]["/layers/dense/vars"] == ["w_00000.weights.h5", "w_00001.weights.h5"]
    np.testing.assert_array_equal(other(np.ones((1, 4))), model(np.ones((1, 4))))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"/a": ["../w.weights.h5"]}}, "not the name of a file beside it"),
        ({"weight_map": {"/a": ["/etc/passwd"]}}, "not the name of a file beside it"),
        ({"weight_map": {"/a": [3]}}, "not the name of a file beside it"),
        ({"weight_map": {"/a": "gone.weights.h5"}}, "which is not beside it"),
        ({"weights": 1}, "no weight_map"),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(index: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "w.weights.json").write_text(json.dumps(index))

    with pytest.raises(SerializationError, match=message):
        net().load_weights(tmp_path / "w.weights.json")


def safetensors_file(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


@pytest.mark.parametrize(
    ("row", "data", "message"),
    [
        (
            {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
            b"1234",
            r"of shape \[2\] and dtype F32 has 4 bytes",
        ),
        ({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, b"12", "do not end with the file"),
        ({"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}, b"12345678", "leave gaps"),
        ({"dtype": "F8", "shape": [1], "data_offsets": [0, 1]}, b"1", "the known dtypes are"),
        ({"dtype": "U8", "shape": [-1], "data_offsets": [0, 1]}, b"1", "has the shape"),
        ({"dtype": "U8", "shape": 1, "data_offsets": [0, 1]}, b"1", "has the shape"),
        ({"dtype": "U8"}, b"1", "no dtype, shape and data_offsets"),
        ({"dtype": "F32", "shape": [1 << 40, 1 << 40], "data_offsets": [0, 4]}, b"1234", "has 4 bytes"),
    ],
)
def test_a_bad_header_is_refused(row: Any, data: bytes, message: str, tmp_path: Path) -> None:
    path = safetensors_file(tmp_path / "w.safetensors", {"x": row}, data)

    with pytest.raises(SerializationError, match=message):
        net().load_weights(path)


def test_a_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = safetensors_file(tmp_path / "w.safetensors", {}, length=1 << 20)

    with pytest.raises(SerializationError, match="its header has 1,048,576 bytes"):
        net().load_weights(path)


def test_a_shard_size_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="must be positive"):
        net().save_weights(tmp_path / "w.weights.json", max_shard_size=0)
    with pytest.raises(InvalidArgumentError, match="must end in"):
        net().save_weights(tmp_path / "w.npz", max_shard_size=1)


def test_a_shard_ends_before_an_array_that_does_not_fit(tmp_path: Path) -> None:
    """Each array takes two thirds of a shard, so no two share one."""
    model = models.Sequential([layers.Input((6,)), *(layers.Dense(6, use_bias=False) for _ in range(3))])
    one = 6 * 6 * 4

    model.save_weights(tmp_path / "w.weights.json", max_shard_size=1.5 * one / 2**30)

    sizes = [file.stat().st_size for file in tmp_path.glob("w_*.weights.h5")]
    assert len(sizes) == 3
