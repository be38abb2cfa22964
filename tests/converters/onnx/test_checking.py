"""`check=True` runs the file beside the engine, and an export has the same bytes in each process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import Input, Model, layers
from graphkit.converters.onnx import export_model
from graphkit.converters.onnx.checking import check_numbers, generated
from graphkit.converters.onnx.export import model_to_document
from graphkit.converters.onnx.registry import LOWERINGS, Entry, Lowering
from graphkit.core.errors import ExportError
from graphkit.ir.spec import spec
from graphkit.saving.formats import ConverterWarning


def test_a_file_that_computes_something_else_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Activation("tanh", name="y")(x))
    export_model(model, tmp_path / "right.onnx", check=True)
    wrong = Entry()
    wrong.lowerings.append(Lowering(lambda b, x: b.op("Sin", x), 13, lambda e: True))
    monkeypatch.setitem(LOWERINGS._entries, "tanh", wrong)
    with pytest.raises(ExportError, match="output 'y': values differ by up to 0"):
        export_model(model, tmp_path / "wrong.onnx", check=True)
    assert not (tmp_path / "wrong.onnx").exists()


def test_random_numbers_are_excepted_with_a_word(tmp_path: Path) -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Dropout(0.5, seed=1)(x, training=True))
    with pytest.warns(ConverterWarning, match="since the model draws random numbers"):
        export_model(model, tmp_path / "m.onnx", check=True)


def test_states_are_what_they_were(tmp_path: Path) -> None:
    x = Input(batch_shape=(2, 3, 4), name="x")
    layer = layers.LSTM(5, stateful=True)
    model = Model(x, layer(x))
    model(np.ones((2, 3, 4), "float32"))
    before = [np.array(s) for s in layer.states]
    export_model(model, tmp_path / "m.onnx", check=True)
    assert all(np.array_equal(a, s) for a, s in zip(before, layer.states, strict=True))


def test_larger_unknown_sizes_are_tried(tmp_path: Path) -> None:
    x = Input((None, None, 1), name="x")
    y = x
    for _ in range(5):
        y = layers.Conv2D(2, 3, strides=2)(y)
    export_model(Model(x, y), tmp_path / "m.onnx", check=True)


def test_integers_strings_and_equal_sizes_are_generated() -> None:
    tokens, text, image, flags = generated(
        [spec("b", "t", dtype="int32"), spec("b", dtype="string"), spec("b", "t", 3), spec(2, dtype="bool")], 5, 4
    )
    assert (tokens.shape, text.shape, image.shape, flags.shape) == ((4, 5), (4,), (4, 5, 3), (2,))
    assert set(tokens.ravel().tolist()) <= {0, 1}


def test_a_difference_within_the_tolerance_passes() -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Dense(3)(x))
    document = model_to_document(model)
    assert check_numbers(document, model.program()) == ""
    with pytest.raises(ExportError, match="values differ by up to"):
        check_numbers(document, model.program(), tolerance=-1.0)


NETS = """
import sys, hashlib
import numpy as np
import graphkit
from graphkit import Input, Model, layers

image, words = Input((None, None, 3), name="image"), Input((None,), dtype="int32", name="words")
x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="gelu")(image))
x = layers.GroupNormalization(2)(layers.UpSampling2D(interpolation="bilinear")(x))
x = layers.GlobalAveragePooling2D()(x)
w = layers.Embedding(9, 8, mask_zero=True)(words)
w = layers.MultiHeadAttention(2, 4)(w, w)
w = layers.LSTM(4)(layers.LayerNormalization()(w))
model = Model({"b": image, "a": words}, {"y": layers.Dense(2)(layers.Concatenate()([x, w])), "x": x})
random = np.random.default_rng(0)
model.set_weights([random.uniform(0.1, 1.0, w.shape).astype(w.dtype) for w in model.get_weights()])
for i, options in enumerate([{}, {"opset": 13}, {"opset": 23, "optimize": True}, {"dtype": "float16"}, {"external_data": True}]):
    model.export(f"{sys.argv[1]}/{i}.onnx", **options)
for i, path in enumerate(sys.argv[2:]):
    graphkit.load(path, lift=bool(i % 2)).export(f"{sys.argv[1]}/imported{i}.onnx")
"""
IMPORTED = sorted((Path(__file__).resolve().parents[3] / "fixtures" / "onnx").rglob("*.onnx"))[::25]


def digests(folder: Path, seed: str) -> dict[str, str]:
    """Return the digest of each file that another process exports."""
    folder.mkdir()
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    subprocess.run([sys.executable, "-c", NETS, str(folder), *map(str, IMPORTED)], check=True, env=environment)
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_the_same_model_gives_the_same_bytes_in_each_process(tmp_path: Path) -> None:
    first: Any = digests(tmp_path / "first", "1")
    assert len(first) == 6 + len(IMPORTED)
    assert digests(tmp_path / "second", "2") == first
