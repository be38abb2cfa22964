"""The Predictor and `load` report what kind of file it is, if it is not an ONNX model."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import pytest

import graphkit
from graphkit import layers, models
from graphkit.core.errors import (
    ExportError,
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    NotBuiltError,
    RuntimeSessionError,
    SerializationError,
)
from graphkit.runtime import Predictor

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"


def hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["x"] = 1
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "a")
    return buffer.getvalue()


OTHERS = {
    "pointer of Git LFS": (POINTER, "a Git LFS pointer, not the file itself"),
    "pointer of git-annex": (b"/annex/objects/MD5E-s1--0.onnx\n", "a git-annex pointer"),
    "nothing": (b"", "an empty file"),
    "zeros": (bytes(5000), "a file that begins with zero bytes"),
    "HTML": (b"\n <!DOCTYPE html><html>Not found</html>", "an HTML page, such as a download page"),
    "XML": (b"<?xml version='1.0'?><Error/>", "an XML file"),
    "HDF5": (hdf5(), "an HDF5 file"),
    "zip": (zipped(), "a zip file"),
    "gzip": (b"\x1f\x8b\x08", "a gzip file; unpack it first"),
    "pickle": (b"\x80\x04\x95", "a Python pickle"),
    "JSON": (b'{"error": 1}', "text in JSON"),
    "NumPy": (b"\x93NUMPY\x01\x00", "a NumPy array"),
    "TensorFlow Lite": (b"\x1c\0\0\0TFL3", "a TensorFlow Lite file"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_the_predictor_says_what_a_file_is(name: str, tmp_path: Path) -> None:
    content, words = OTHERS[name]
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    for given in (path, content):
        with pytest.raises(RuntimeSessionError, match=f"is not an ONNX model but {words}"):
            Predictor(given)


@pytest.mark.parametrize("name", [name for name in OTHERS if name not in ("HDF5", "zip", "JSON")])
@pytest.mark.parametrize("suffix", [".onnx", ".keras", ".h5"])
def test_load_says_what_a_file_is(name: str, suffix: str, tmp_path: Path) -> None:
    content, words = OTHERS[name]
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    with pytest.raises(SerializationError, match=words):
        graphkit.load(path)


def model() -> Any:
    x = layers.Input((3,), name="x")
    return models.Model(x, layers.Dense(400)(layers.Dense(300)(x)))


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_file_without_its_end_is_said_to_be_that(kept: float, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    model().export(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(RuntimeSessionError, match="starts like an ONNX model, but is truncated or damaged"):
        Predictor(path)
    with pytest.raises(SerializationError, match="not an ONNX model, or is truncated"):
        graphkit.load(path)


def front_doors(tmp_path: Path) -> dict[str, Any]:
    return {
        "export": lambda **options: model().export(tmp_path / "m.onnx", **options),
        "save": lambda **options: model().save(tmp_path / "m.onnx", **options),
        "convert": lambda **options: graphkit.convert(model(), tmp_path / "m.onnx", **options),
    }


@pytest.mark.parametrize("door", ["export", "save", "convert"])
def test_an_option_that_the_export_does_not_have_is_named(door: str, tmp_path: Path) -> None:
    with pytest.raises(GraphKitError, match="no option 'opsett'"):
        front_doors(tmp_path)[door](opsett=17)
    assert not (tmp_path / "m.onnx").exists()
    front_doors(tmp_path)[door](opset=17)


def test_the_export_offers_the_option_that_may_be_meant(tmp_path: Path) -> None:
    with pytest.raises(InvalidTypeError, match=r"its options are \['opset', 'training', .*Did you mean 'opset'"):
        model().export(tmp_path / "m.onnx", opsett=17)


def test_keras_arguments_of_export_are_understood(tmp_path: Path) -> None:
    model().export(tmp_path / "m.onnx", format="onnx", verbose=False, opset_version=18)
    assert onnx.load(tmp_path / "m.onnx").opset_import[0].version == 18
    with pytest.raises(InvalidArgumentError, match="input_signature expects objects with a shape"):
        model().export(tmp_path / "m.onnx", input_signature=[1])


def test_what_has_no_graph_is_no_file_and_no_predictor(tmp_path: Path) -> None:
    class Own(models.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ExportError, match=r"'own' .* has no graph of layers to write as ONNX"):
        Predictor(layers.Dense(2, name="own"))
    for use in (Predictor, lambda model: model.export(tmp_path / "m.onnx")):
        with pytest.raises(NotBuiltError, match="'own' has not been called"):
            use(Own(name="own"))


def test_a_predictor_runs_a_model_with_its_own_call() -> None:
    class Own(models.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    made, x = Own(), np.ones((3, 4), np.float32)
    wanted = made(x)

    np.testing.assert_allclose(Predictor(made)(x[:2]), wanted[:2], rtol=1e-6)


def test_bfloat16_is_float32_at_the_border_of_a_file(tmp_path: Path) -> None:
    import onnxruntime

    x = layers.Input((3,), name="x", dtype="bfloat16")
    rounded = models.Model(x, {"a": layers.Dense(2, dtype="bfloat16")(x), "b": x + x})
    given = np.array([[1.0, 2.0, 3.003]], "float32")
    wanted = rounded(given)
    rounded.export(tmp_path / "m.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    for name, made in zip(("a", "b"), session.run(["a", "b"], {"x": given}), strict=True):
        assert made.dtype == np.float32
        np.testing.assert_array_equal(made, np.asarray(wanted[name]).astype("float32"))
    for predictor in (Predictor(tmp_path / "m.onnx"), Predictor(rounded)):
        answer = predictor(given)
        assert [info.dtype for info in predictor.outputs] == ["bfloat16", "bfloat16"]
        assert answer["a"].dtype.name == answer["b"].dtype.name == "bfloat16"
        assert (answer["b"] == np.asarray(wanted["b"])).all()
    assert rounded.predict(given, verbose=0)["b"].dtype.name == "bfloat16"
    rounded.export(tmp_path / "kept.onnx", keep_bfloat16=True)
    kept = Predictor(tmp_path / "kept.onnx")
    assert kept.inputs[0].dtype == "bfloat16"
    assert (kept(given)["b"] == np.asarray(wanted["b"])).all()
    np.testing.assert_array_equal(np.asarray(graphkit.load(tmp_path / "m.onnx")(given)["a"]), np.asarray(wanted["a"]))
