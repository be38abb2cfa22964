"""TensorBoard: records as TensorFlow writes them, with the results of training."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import callbacks, layers
from graphkit.callbacks.events import event, histogram_content, record, scalar_content
from graphkit.errors import InvalidArgumentError

# tf.io.TFRecordWriter on tf.compat.v1.Event(wall_time=1.5, step=300, summary=Summary(value=[Value(tag="epoch_loss", simple_value=0.25)]))
TENSORFLOW = bytes.fromhex(
    "2100000000000000017becf609000000000000f83f10ac022a130a110a0a65706f63685f6c6f7373150000803ed2f16c2f"
)


def test_a_record_has_tensorflows_bytes() -> None:
    assert record(event(1.5, 300, scalar_content("epoch_loss", 0.25))) == TENSORFLOW


def fields(data: bytes) -> dict[int, list[Any]]:
    """Return the fields of a protocol buffer, by number."""
    found: dict[int, list[Any]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            value: Any = varint()
        elif key & 7 == 2:
            size = varint()
            value, at = data[at : at + size], at + size
        else:
            size = 8 if key & 7 == 1 else 4
            value, at = struct.unpack("<d" if size == 8 else "<f", data[at : at + size])[0], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the scalars of a folder's event file: name -> (step, value)."""
    found: dict[str, list[tuple[int, float]]] = {}
    for file in folder.iterdir():
        data = file.read_bytes()
        while data:
            size = struct.unpack("<Q", data[:8])[0]
            assert record(data[12 : 12 + size]) == data[: size + 16]
            one = fields(data[12 : 12 + size])
            data = data[size + 16 :]
            for summary in one.get(5, []):
                for value in fields(summary)[1]:
                    parts = fields(value)
                    if 2 in parts:
                        found.setdefault(parts[1][0].decode(), []).append((one.get(2, [0])[0], parts[2][0]))
    return found


def test_results_of_training_are_written(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    model: Any = graphkit.Sequential([graphkit.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    board = callbacks.TensorBoard(tmp_path, histogram_freq=1, write_steps_per_second=True, update_freq=3)

    history = model.fit(
        x, x[:, :1], batch_size=5, epochs=2, validation_data=(x, x[:, :1]), callbacks=[board], verbose=0
    )

    trained, validated = scalars(tmp_path / "train"), scalars(tmp_path / "validation")
    for name, results in history.history.items():
        found = (validated if name.startswith("val_") else trained)[f"epoch_{name.removeprefix('val_')}"]
        assert [step for step, _ in found] == [0, 1]
        np.testing.assert_allclose([value for _, value in found], results, rtol=1e-6)
    assert [step for step, _ in trained["batch_loss"]] == [3, 6]
    assert [step for step, _ in validated["evaluation_loss_vs_iterations"]] == [4, 8]
    np.testing.assert_allclose([v for _, v in trained["epoch_learning_rate"]], 0.01, rtol=1e-6)
    assert "epoch_steps_per_second" in trained


def test_a_histogram_counts_all_values() -> None:
    numbers = np.random.default_rng(1).normal(size=500)

    value = fields(fields(fields(histogram_content("w", numbers))[5][0])[1][0])
    proto = fields(value[5][0])

    np.testing.assert_allclose(
        [proto[i][0] for i in range(1, 6)], [numbers.min(), numbers.max(), 500, numbers.sum(), (numbers**2).sum()]
    )
    assert sum(struct.unpack("<30d", proto[7][0])) == 500


def test_what_is_not_written_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="embeddings_freq=1 is not supported"):
        callbacks.TensorBoard(embeddings_freq=1)
    with pytest.raises(InvalidArgumentError, match="JAX"):
        callbacks.OrbaxCheckpoint("folder")
