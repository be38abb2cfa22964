"""What inspect reports about loading is what loading does."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, layers
from graphkit.errors import GraphKitError
from graphkit.saving import inspect_file
from graphkit.saving.inspection import report_as_text

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
FILES = [p for folder in ("legacy", "eras_files") for p in sorted((FIXTURES / folder).glob("*.gz"))]
AS_IT_IS = "loads as it is"


def loaded(path: Path) -> tuple[str | None, set[str]]:
    """Return why a file does not load, or None, and the warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            graphkit.load(path)
        except GraphKitError as error:
            return str(error), set()
    return None, {str(w.message) for w in said}


@pytest.mark.parametrize("packed", FILES[::6], ids=lambda p: p.name)
def test_inspect_says_what_load_does(packed: Path, tmp_path: Path) -> None:
    path = tmp_path / packed.name.removesuffix(".gz")
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    error, said = loaded(path)

    report = inspect_file(path)

    claims = not report["needs"] and not report["problems"]
    if path.suffix == ".json":
        assert (error is None) == (not report["problems"])
    else:
        assert (error is None) == claims
    assert (AS_IT_IS in report_as_text(report)) == (claims and not report["warnings"])
    if error is None:
        assert set(report["warnings"]) == said


def keras2_file(path: Path, *entries: dict[str, Any], **weights: dict[str, Any]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.2.4-tf", "tensorflow"
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": list(entries)}}
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [n.encode() for n in weights]
        for name, arrays in weights.items():
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}/{key}:0".encode() for key in arrays]
            for key, array in arrays.items():
                inner[f"{name}/{key}:0"] = np.asarray(array, "float32")
    return path


def entry(class_name: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, **config}}


DENSE = {"kernel": np.ones((2, 1)), "bias": np.zeros(1)}


def test_a_file_without_its_input_shape(tmp_path: Path) -> None:
    path = keras2_file(
        tmp_path / "m.h5",
        entry("Conv1D", "c", filters=2, kernel_size=[2]), entry("Flatten", "f"), entry("Dense", "d", units=1),
        c={"kernel": np.ones((2, 1, 2)), "bias": np.zeros(2)}, d={"kernel": np.ones((8, 1)), "bias": np.zeros(1)},
    )  # fmt: skip
    report = inspect_file(path)

    assert "does not give the input shape" in report["problems"][0]
    assert AS_IT_IS not in report_as_text(report)
    assert ".." not in report["problems"][0]


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = keras2_file(tmp_path / "m.h5", entry("Dense", "d", units=3, batch_input_shape=[None, 2]), d=DENSE)

    assert "do not fit the model" in inspect_file(path)["problems"][0]


def test_an_argument_that_is_left_out_and_a_regularizer_that_is_replaced(tmp_path: Path) -> None:
    dense = entry(
        "Dense",
        "d",
        units=1,
        batch_input_shape=[None, 2],
        W_regularizer={"name": "EigenvalueRegularizer", "k": 1},
        odd=3,
    )
    report = inspect_file(keras2_file(tmp_path / "m.h5", dense, d=DENSE))
    text = report_as_text(report)

    assert (report["needs"], report["problems"]) == ([], [])
    assert any("The regularizer 'EigenvalueRegularizer' of the file is unknown" in w for w in report["warnings"])
    assert any("odd=3 of its file" in w for w in report["warnings"])
    assert AS_IT_IS not in text
    assert "loads with warnings:" in text


def test_a_vocabulary_that_is_missing(tmp_path: Path) -> None:
    lookup = layers.StringLookup()
    lookup.adapt([["red"], ["blue"]])
    words = Input((1,), dtype="string")
    model = Model(words, lookup(words))
    model.save(tmp_path / "m.keras", zipped=False)
    next((tmp_path / "m.keras").rglob("vocabulary.txt")).unlink()

    (said,) = inspect_file(tmp_path / "m.keras")["warnings"]

    assert f"does not hold the vocabulary of '{lookup.name}'" in said
    assert AS_IT_IS not in report_as_text(inspect_file(tmp_path / "m.keras"))


def test_a_file_of_onnx_that_graphkit_did_not_write(tmp_path: Path) -> None:
    x = Input((2,))
    Model(x, layers.Dense(1)(x)).export(tmp_path / "m.onnx")
    assert AS_IT_IS in report_as_text(inspect_file(tmp_path / "m.onnx"))
    import onnx

    message = onnx.load(tmp_path / "m.onnx")
    del message.metadata_props[:]
    onnx.save(message, tmp_path / "m.onnx")

    assert AS_IT_IS in report_as_text(inspect_file(tmp_path / "m.onnx"))

    message.graph.node[0].op_type = "Magic"
    onnx.save(message, tmp_path / "m.onnx")

    assert "no operator 'Magic'" in inspect_file(tmp_path / "m.onnx")["problems"][0]


def test_a_class_of_the_authors_own_hides_no_other_fault(tmp_path: Path) -> None:
    path = keras2_file(
        tmp_path / "m.h5",
        entry("Mine", "x", batch_input_shape=[None, 2]),
        entry("Dense", "d", units=1, time=2),
        d=DENSE,
    )
    report = inspect_file(path)

    assert report["needs"] == ["the class Mine: custom_objects={'Mine': YourClass}"]
    assert any("time=2 of its file" in w for w in report["warnings"])


def test_no_numbers_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = Input((2,))
    model = Model(x, layers.Dense(1)(x))
    model.compile("adam", "mse")
    model.save(tmp_path / "m.h5")
    model.save(tmp_path / "m.keras")
    monkeypatch.setattr("graphkit.ir.variable.Variable.adopt", lambda *a: pytest.fail("a weight was read"))

    for name in ("m.h5", "m.keras"):
        assert AS_IT_IS in report_as_text(inspect_file(tmp_path / name))
