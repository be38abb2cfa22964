"""Models with separate weights are written as protobuf would have written them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from graphkit import Input, Model, layers
from graphkit.converters.onnx import document, export_model, model_to_onnx
from graphkit.converters.onnx.export import model_to_document


@pytest.fixture(scope="module")
def model() -> Any:
    x = Input((16, 16, 8), name="x")
    y = layers.Conv2D(24, 3, name="conv")(x)
    return Model(x, layers.Dense(40)(layers.Flatten()(layers.BatchNormalization()(y))))


def test_the_bytes_are_those_of_the_whole_message(model: Any) -> None:
    apart = model_to_document(model)
    assert sum(w.array.nbytes for w in apart.weights) > 1 << 14
    assert onnx.ModelProto.FromString(apart.serialized()) == model_to_onnx(model)


def test_nothing_of_a_weight_is_in_the_message_that_is_checked(model: Any) -> None:
    apart = model_to_document(model)
    checked = apart.for_checking()
    assert checked.ByteSize() < 1 << 15
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in checked.graph.input}
    assert shapes["conv/kernel"] == [24, 8, 3, 3]


def test_a_message_taken_apart_is_the_same_when_whole(model: Any) -> None:
    message = model_to_onnx(model)
    apart = document.document_of(message)
    assert len(apart.weights) >= 2
    assert onnx.ModelProto.FromString(apart.serialized()) == message


def test_weights_in_a_data_file_are_aligned(model: Any, tmp_path: Path) -> None:
    export_model(model, tmp_path / "m.onnx", external_data=True)
    entries = [
        {e.key: e.value for e in t.external_data}
        for t in onnx.load(tmp_path / "m.onnx", load_external_data=False).graph.initializer
    ]
    offsets = [int(e["offset"]) for e in entries if e]
    assert len(offsets) >= 2
    assert all(offset % 64 == 0 for offset in offsets)
    read = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "m.onnx").graph.initializer}
    np.testing.assert_array_equal(read["conv/kernel"], model.get_weights()[0].transpose(3, 2, 0, 1))
