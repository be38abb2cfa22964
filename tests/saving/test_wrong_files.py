"""Every function that opens files reports what a file is, if it contains no model."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import pickle
from pathlib import Path
from typing import Any

import pytest

import graphkit
from graphkit.cli import main
from graphkit.core.errors import one_stop
from graphkit.errors import SerializationError
from graphkit.saving import inspect_file

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
WRONG: dict[str, tuple[bytes, str]] = {
    "lfs": (POINTER, "a Git LFS pointer, not the file itself; fetch the file itself with `git lfs pull`"),
    "annex": (b"/annex/objects/SHA256E-s123--abc.h5\n", "a git-annex pointer"),
    "page": (b"\n<!DOCTYPE html>\n<html></html>", "an HTML page, such as a download page or a server's error message"),
    "xml": (b"<?xml version='1.0'?><Error/>", "an XML file"),
    "gzip": (gzip.compress(b"x"), "a gzip file; unpack it first"),
    "bzip2": (bz2.compress(b"x"), "a bzip2 file"),
    "xz": (lzma.compress(b"x"), "an xz file"),
    "tar": (b"a" * 257 + b"ustar" + bytes(300), "a tar archive"),
    "pickle": (pickle.dumps({}), "a Python pickle"),
    "array": (b"\x93NUMPY\x01\0", r"a NumPy array \(\.npy\)"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(40), "a PNG image"),
    "zeros": (bytes(1000), "a file that begins with zero bytes"),
    "text": (b"hello world", "of no known format: it starts with b'hello world'"),
    "empty": (b"", "an empty file"),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".onnx", ".json"])
@pytest.mark.parametrize("kind", WRONG)
def test_load_and_inspect_name_the_kind(kind: str, suffix: str, tmp_path: Path) -> None:
    data, message = WRONG[kind]
    path = tmp_path / f"m{suffix}"
    path.write_bytes(data)

    for opening in (graphkit.load, inspect_file):
        with pytest.raises(SerializationError, match=message):
            opening(path)


@pytest.mark.parametrize("data", [b"hello world\n", POINTER, b"<html></html>", b""])
def test_a_predictor_does_not_speak_of_protobuf(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(data)

    with pytest.raises(graphkit.errors.GraphKitError, match="is not an ONNX model but") as caught:
        graphkit.runtime.Predictor(tmp_path / "m.onnx")
    assert "rotobuf" not in str(caught.value)


@pytest.mark.parametrize("kind", ["lfs", "page", "gzip"])
def test_load_weights_names_the_kind(kind: str, tmp_path: Path) -> None:
    data, message = WRONG[kind]
    (tmp_path / "w.weights.h5").write_bytes(data)
    model = graphkit.Sequential([graphkit.Input((2,)), graphkit.layers.Dense(1)])

    with pytest.raises(SerializationError, match=message):
        model.load_weights(tmp_path / "w.weights.h5")


def test_bytes_that_are_no_onnx_are_refused_whatever_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(b"\x08\x07\x12\x08graphkit:\xff\xff")

    with pytest.raises(SerializationError, match="is no ONNX model, or its end is missing"):
        graphkit.load(tmp_path / "m.json")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("It failed: the file is gone..", "It failed: the file is gone."),
        ("It failed: gone.. Try again.", "It failed: gone. Try again."),
        ("Did you mean 'x'?. Try again.", "Did you mean 'x'? Try again."),
        ("and so on ...", "and so on ..."),
        ("and so on... More.", "and so on... More."),
        ("'../w.bin' is outside.", "'../w.bin' is outside."),
    ],
)
def test_a_message_within_a_message_keeps_one_full_stop(said: str, kept: str) -> None:
    assert (one_stop(said), str(SerializationError(said))) == (kept, kept)


def unknown(class_name: str, **entry: Any) -> str:
    config = {
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [{"class_name": class_name, "config": {"name": "x"}, **entry}]},
    }
    with pytest.raises(graphkit.errors.UnknownClassError) as caught:
        graphkit.models.model_from_json(json.dumps(config))
    return str(caught.value)


@pytest.mark.parametrize("entry", [{}, {"module": "mine.nets", "registered_name": "Mine>R", "build_config": {}}])
def test_only_layers_are_offered_for_a_layer(entry: dict[str, Any]) -> None:
    for name in ("MeanAbsoluteErrors", "Accuracies", "Precisions", "Adams", "L1L2s"):
        said = unknown(name, **entry)
        offered = said.partition("Did you mean ")[2].partition("?")[0].split(" or ")
        assert all(hasattr(graphkit.layers, one.strip("'")) for one in offered if one), said
    assert "Did you mean 'Dense'" in unknown("Densee", **entry)


@pytest.mark.filterwarnings("default")
def test_the_command_line_warns_in_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 1, "sharpness": 2, "batch_input_shape": [None, 2]}}
    (tmp_path / "m.json").write_text(
        json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [dense]}, "keras_version": "2.4.0"})
    )

    assert main(["summary", str(tmp_path / "m.json")]) == 0

    said = capsys.readouterr().err
    assert said == "warning: Layer 'd' (Dense): sharpness=2 of its file is not known here and is left out.\n"


def test_a_graph_loads_as_often_as_wanted() -> None:
    """Ops that are created while loading (here those of masks) do not take names of layers in the file."""

    def layer(class_name: str, name: str, *inputs: str, **config: Any) -> dict[str, Any]:
        nodes = [[[tensor, 0, 0, {}] for tensor in inputs]] if inputs else []
        return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}

    layers = [
        layer("InputLayer", "ids", batch_input_shape=[None, 4], dtype="float32"),
        layer("Embedding", "e", "ids", input_dim=5, output_dim=3, mask_zero=True),
        *(layer("Concatenate", f"concatenate_{i}", f"concatenate_{i - 1}" if i > 1 else "e", "e") for i in range(1, 6)),
        layer("LSTM", "l", "concatenate_5", units=2),
    ]
    graph = {"name": "m", "layers": layers, "input_layers": [["ids", 0, 0]], "output_layers": [["l", 0, 0]]}
    text = json.dumps({"class_name": "Model", "config": graph, "keras_version": "2.2.4"})

    for _ in range(6):
        assert len(graphkit.models.model_from_json(text).weights) == 4
