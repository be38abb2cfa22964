"""Files: written completely or not at all, with external data where needed, and read back as the same layers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from graphkit import layers
from graphkit.converters.onnx import document, export_model, files, load_model, model_to_onnx, recognizes
from graphkit.converters.onnx.export import CONFIG_KEY, WEIGHTS_KEY
from graphkit.converters.onnx.relayout import apply_steps, undo_steps
from graphkit.core.errors import ExportError, FileWriteError, SerializationError, UnknownNameError
from graphkit.models import Model
from graphkit.models import load_model as open_any
from graphkit.runtime import Predictor


def small_model() -> Any:
    x = layers.Input((6, 6, 2), name="image")
    y = layers.Conv2D(3, 3, activation="relu", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(y)
    y = layers.Flatten(name="flatten")(y)
    dense = layers.Dense(4, name="dense")
    return Model(x, [dense(y), layers.Activation("softmax", name="softmax")(dense(y))], name="small")


@pytest.fixture
def model() -> Any:
    made = small_model()
    rng = np.random.default_rng(0)
    made.set_weights([np.abs(rng.normal(size=w.shape)).astype("float32") for w in made.get_weights()])
    return made


IMAGES = np.random.default_rng(1).normal(size=(3, 6, 6, 2)).astype(np.float32)


def assert_same(got: Any, want: Any) -> None:
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(np.asarray(g), np.asarray(w), rtol=1e-4, atol=1e-5)


def test_a_model_keeps_its_names_in_the_file(model: Any, tmp_path: Path) -> None:
    predictor = Predictor(export_model(model, tmp_path / "m.onnx"))
    assert [i.name for i in predictor.inputs] == ["image"]
    assert [o.name for o in predictor.outputs] == ["dense", "softmax"]
    assert predictor.inputs[0].shape == (None, 6, 6, 2)
    assert_same(predictor(IMAGES), model(IMAGES))


def test_an_export_loads_back_as_the_same_layers(model: Any, tmp_path: Path) -> None:
    again = load_model(export_model(model, tmp_path / "m.onnx"))
    assert json.loads(again.to_json()) == json.loads(model.to_json())
    assert all((a == b).all() for a, b in zip(again.get_weights(), model.get_weights(), strict=True))
    assert_same(again(IMAGES), model(IMAGES))


def test_weights_go_beside_the_file_on_request(model: Any, tmp_path: Path) -> None:
    path = export_model(model, tmp_path / "m.onnx", external_data=True)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) == 2
    assert names[1].startswith("m.onnx.")
    assert names[1].endswith(".data")
    assert_same(Predictor(path)(IMAGES), model(IMAGES))
    assert_same(load_model(path)(IMAGES), model(IMAGES))


def test_weights_over_the_limit_go_beside_the_file(model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "PROTOBUF_LIMIT", 100)
    export_model(model, tmp_path / "m.onnx")
    assert len(list(tmp_path.glob("m.onnx.*.data"))) == 1


def test_a_session_takes_a_model_over_the_limit(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "PROTOBUF_LIMIT", 100)
    assert_same(Predictor(model)(IMAGES), model(IMAGES))


def test_writing_again_leaves_one_data_file(model: Any, tmp_path: Path) -> None:
    export_model(model, tmp_path / "m.onnx", external_data=True)
    model.set_weights([w * 2 for w in model.get_weights()])
    export_model(model, tmp_path / "m.onnx", external_data=True)
    assert len(list(tmp_path.iterdir())) == 2
    export_model(model, tmp_path / "m.onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_a_failed_export_leaves_the_old_file_and_nothing_else(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")

    def crash(*args: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="disk full"):
        export_model(model, path)
    assert [p.name for p in tmp_path.iterdir()] == ["m.onnx"]
    assert path.read_bytes() == b"old"


def test_a_missing_folder_is_named(model: Any, tmp_path: Path) -> None:
    with pytest.raises(FileWriteError, match=r"the folder '.*nowhere' does not exist"):
        export_model(model, tmp_path / "nowhere" / "m.onnx")


def test_the_checker_is_asked(model: Any, tmp_path: Path) -> None:
    message = model_to_onnx(model)
    message.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ExportError, match=r"onnx.checker rejects the exported model.*NoSuchOperator"):
        files.write_model(message, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


# ----- reading -----


def foreign(tmp_path: Path, **metadata: str) -> Path:
    node = helper.make_node("Exp", ["x"], ["y"])
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in ("x", "y")]
    message = helper.make_model(helper.make_graph([node], "g", info[:1], info[1:]), producer_name="pytorch")
    helper.set_model_props(message, metadata)
    onnx.save(message, tmp_path / "foreign.onnx")
    return tmp_path / "foreign.onnx"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"There is no file '.*gone\.onnx'"):
        load_model(tmp_path / "gone.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x00" * 64, b"\xff" * 64])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(SerializationError, match="is not an ONNX model"):
        load_model(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[]", "must be a JSON object, got list"),
        ("{", "is not JSON"),
        ('{"conv/kernel": 3}', "entry of weight 'conv/kernel' does not fit"),
        (
            '{"conv/kernel": {"path": "conv/kernel", "shape": [1]}}',
            r"the initializer has shape \(3, 2, 3, 3\), the table gives \(1,\)",
        ),
        (
            '{"conv/kernel": {"path": "conv/kernel", "shape": [3, 3, 2, 3], "steps": [["evil", 1]]}}',
            "is not a step of a weight",
        ),
        ('{"gone": {"path": "conv/kernel", "shape": [1]}}', "names an initializer 'gone' that the graph does not have"),
        ("{}", "has no weight for 'conv/kernel'"),
    ],
)
def test_tables_that_do_not_fit_the_graph_are_refused(table: str, message: str, model: Any, tmp_path: Path) -> None:
    proto = model_to_onnx(model)
    for entry in proto.metadata_props:
        if entry.key == WEIGHTS_KEY:
            entry.value = table
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(SerializationError, match=message):
        load_model(tmp_path / "m.onnx")


def test_the_config_rides_in_the_metadata(model: Any) -> None:
    entries = {p.key: p.value for p in model_to_onnx(model).metadata_props}
    assert json.loads(entries[CONFIG_KEY])["class_name"] == "Functional"
    assert CONFIG_KEY not in {p.key for p in model_to_onnx(model, config=False).metadata_props}


@pytest.mark.parametrize(
    "steps",
    [
        [("transpose", (3, 2, 0, 1))],
        [("transpose", (1, 0, 2, 3)), ("reshape", (3, 40)), ("take", 0, (2, 0, 1))],
        [("reshape", (120,)), ("pad", 0, 2, 3), ("reshape", (5, 25))],
    ],
)
def test_every_step_of_a_weight_can_be_undone(steps: list[Any]) -> None:
    array = np.arange(120).reshape(2, 3, 4, 5)
    assert (undo_steps(apply_steps(array, steps), array.shape, steps) == array).all()


def test_files_are_recognised_by_their_first_bytes(model: Any, tmp_path: Path) -> None:
    assert recognizes(export_model(model, tmp_path / "m.onnx").read_bytes()[:16])
    assert recognizes(foreign(tmp_path).read_bytes()[:16])
    assert not any(recognizes(head) for head in (b"", b"PK\x03\x04", b"\x89HDF", b'{"a": 1}', b"\x08"))


def test_the_front_door_opens_an_export(model: Any, tmp_path: Path) -> None:
    path = export_model(model, tmp_path / "renamed.model")
    assert_same(open_any(path)(IMAGES), model(IMAGES))
