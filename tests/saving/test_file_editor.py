"""KerasFileEditor: its edits compared with Keras', and its errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest

from graphkit import layers, models
from graphkit.errors import InvalidArgumentError, SerializationError
from graphkit.saving import KerasFileEditor
from tests.saving.editor_case import edit

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
FILE = FIXTURES / "editor.weights.h5"
ANSWERS: dict[str, Any] = json.loads((FIXTURES / "editor.json").read_text(encoding="utf-8"))


def net(units: int = 3) -> Any:
    x = layers.Input((4,))
    return models.Model(x, layers.Dense(2, name="last")(layers.Dense(units, name="first")(x)))


def datasets(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(lambda n, d: found.update({n: d[()]}) if isinstance(d, h5py.Dataset) else None)
    return found


def test_an_edited_file_holds_what_keras_editor_writes(tmp_path: Path) -> None:
    editor = KerasFileEditor(FILE)
    edit(editor)
    editor.save(tmp_path / "w.weights.h5")

    found = {
        name: {"dtype": str(array.dtype), "values": array.tolist()}
        for name, array in datasets(tmp_path / "w.weights.h5").items()
    }
    assert found == ANSWERS["after"]


def test_compare_counts_what_keras_editor_counts() -> None:
    editor = KerasFileEditor(FILE)
    edit(editor)

    assert editor.compare(net()) == ANSWERS["compared"]


def test_compare_counts_each_weight_once_and_names_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    editor = KerasFileEditor(FILE)

    assert editor.compare(net()) == {"status": "success", "error_count": 0, "match_count": 4}
    assert editor.compare(net(units=5)) == {"status": "error", "error_count": 3, "match_count": 1}
    assert "/layers/dense/0: (4, 3) in the saved file, (4, 5) in the reference model" in capsys.readouterr().out


def test_a_renamed_layer_makes_old_weights_fit_a_changed_model(tmp_path: Path) -> None:
    editor = KerasFileEditor(FILE)
    x = layers.Input((4,))
    changed: Any = models.Model(x, layers.Dense(2)(layers.Dense(3)(layers.Dense(4)(x))))
    editor.rename_object("dense_1", "dense_2")
    editor.rename_object("dense", "dense_1")
    editor.add_object("layers/dense", {"0": np.eye(4, dtype="float32"), "1": np.zeros(4, "float32")})
    editor.resave_weights(tmp_path / "w.weights.h5")

    changed.load_weights(tmp_path / "w.weights.h5")
    same = net()
    same.load_weights(FILE)
    data = np.arange(8, dtype="float32").reshape(2, 4)
    np.testing.assert_array_equal(changed.predict(data, verbose=0), same.predict(data, verbose=0))


def nested() -> Any:
    class Own(models.Model):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.Bidirectional(layers.LSTM(2))
            self.drop = layers.Dropout(0.5, seed=1)
            self.scale = self.add_weight(shape=(4,), name="scale")

        def call(self, x: Any) -> Any:
            return self.drop(self.inner(x) * self.scale)

    model = Own()
    model(np.ones((1, 3, 4), "float32"))
    return model


def test_weights_of_the_model_and_of_layers_inside_layers_are_kept(tmp_path: Path) -> None:
    model = nested()
    model.save_weights(tmp_path / "a.weights.h5")
    editor = KerasFileEditor(tmp_path / "a.weights.h5")
    editor.save(tmp_path / "b.weights.h5")

    before, after = datasets(tmp_path / "a.weights.h5"), datasets(tmp_path / "b.weights.h5")
    assert list(after) == list(before)
    assert "vars/0" in after
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)
    assert editor.compare(model) == {"status": "success", "error_count": 0, "match_count": len(model.weights)}


def test_an_archive_gives_config_metadata_and_optimizer_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = net()
    model.compile("sgd", "mse")
    model.save(tmp_path / "m.keras")
    editor = KerasFileEditor(str(tmp_path / "m.keras"))

    assert editor.config is not None
    assert editor.config["class_name"] == "Functional"
    assert editor.metadata is not None
    assert editor.metadata["keras_version"] in capsys.readouterr().out
    assert sorted(editor.weights_dict) == ["layers", "optimizer"]
    assert editor.compare(model)["status"] == "success"


def test_summary_shows_objects_names_and_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    editor = KerasFileEditor(FILE)
    editor.rename_object("dense_1", "dense_2")
    capsys.readouterr()
    editor.summary()

    assert capsys.readouterr().out.splitlines() == [
        "Weights structure",
        "  └─ layers",
        "      ├─ dense ('first')",
        "      │   ├─ 0: shape=(4, 3), dtype=float32",
        "      │   └─ 1: shape=(3,), dtype=float32",
        "      └─ dense_2 ('last')",
        "          ├─ 0: shape=(3, 2), dtype=float32",
        "          └─ 1: shape=(2,), dtype=float32",
    ]


def test_a_new_object_does_not_get_the_name_of_the_one_before_it(tmp_path: Path) -> None:
    editor = KerasFileEditor(FILE)
    editor.add_object("layers/dense", {"0": np.ones(2, ml_dtypes.bfloat16)})
    editor.save(tmp_path / "w.weights.h5")

    again = KerasFileEditor(tmp_path / "w.weights.h5")
    assert again.object_metadata == {"/layers/dense_1": {"name": "last"}}
    assert again.weights_dict["layers"]["dense"]["0"].dtype == ml_dtypes.bfloat16


def test_paths_may_be_given_as_compare_prints_them() -> None:
    editor = KerasFileEditor(FILE)
    editor.rename_object("/layers/dense", "other")
    editor.add_object("/layers/dense", {"0": [1.0]})

    assert list(editor.weights_dict["layers"]) == ["dense_1", "other", "dense"]
    assert editor.object_metadata["/layers/other"] == {"name": "first"}
    assert "/layers/dense" not in editor.object_metadata


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "w.weights.h5"
    target.write_bytes(FILE.read_bytes())
    editor = KerasFileEditor(target)
    editor.weights_dict["layers"]["dense_1"]["1"] = None

    with pytest.raises(InvalidArgumentError, match="/layers/dense_1/1"):
        editor.save(target)
    assert target.read_bytes() == FILE.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["w.weights.h5"]


def test_the_file_that_was_opened_may_be_written_over(tmp_path: Path) -> None:
    target = tmp_path / "w.weights.h5"
    target.write_bytes(FILE.read_bytes())
    editor = KerasFileEditor(target)
    editor.delete_object("layers/dense_1")
    editor.save(target)

    assert sorted(datasets(target)) == ["layers/dense/vars/0", "layers/dense/vars/1"]
    assert [p.name for p in tmp_path.iterdir()] == ["w.weights.h5"]


@pytest.mark.parametrize(
    ("method", "arguments", "said"),
    [
        ("rename_object", ("dense", "layers/new"), "without '/'"),
        ("rename_object", ("dense", "vars"), "'vars'"),
        ("rename_object", ("dense", "dense_1"), "already exists"),
        ("rename_object", ("missing", "new"), "no 'missing'"),
        ("rename_object", ("layers/missing", "new"), "no 'layers/missing'"),
        ("delete_object", ("0",), "2 times"),
        ("delete_object", ("other/dense",), "'other' does not exist"),
        ("delete_object", ("layers/dense/0/1",), "'0' is a weight"),
        ("delete_weight", ("dense", "5"), r"it has \['0', '1'\]"),
        ("delete_weight", ("layers", "dense"), "no weight 'dense'"),
        ("delete_weight", ("layers/dense/0", "5"), "'0' is a weight"),
        ("add_weights", ("dense", [1.0]), "got list"),
        ("add_weights", ("dense", {"2": "text"}), "array of numbers"),
        ("add_weights", ("dense", {"2": [[1], [2, 3]]}), "not an array"),
        ("add_weights", ("dense", {2: [1]}), "got 2"),
        ("add_object", ("other/new", {"0": [1.0]}), "'other' does not exist"),
        ("add_object", ("layers/", {"0": [1.0]}), "got ''"),
        ("save", ("w.h5",), ".weights.h5"),
    ],
)
def test_a_refused_change_leaves_everything_as_it_was(method: str, arguments: tuple[Any, ...], said: str) -> None:
    editor, same = KerasFileEditor(FILE), KerasFileEditor(FILE)

    with pytest.raises(InvalidArgumentError, match=said):
        getattr(editor, method)(*arguments)
    np.testing.assert_equal(editor.weights_dict, same.weights_dict)
    assert editor.object_metadata == same.object_metadata


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="end in"):
        KerasFileEditor("model.h5")
    with pytest.raises(SerializationError, match="not found"):
        KerasFileEditor(tmp_path / "none.weights.h5")
    with h5py.File(tmp_path / "old.weights.h5", "w") as file:
        file["dense/dense/kernel:0"] = np.ones(2)
    with pytest.raises(SerializationError, match="not a weights file of Keras 3"):
        KerasFileEditor(tmp_path / "old.weights.h5")
    with h5py.File(tmp_path / "link.weights.h5", "w") as file:
        file["layers/vars/0"] = h5py.SoftLink("/elsewhere")
    with pytest.raises(SerializationError, match="SoftLink"):
        KerasFileEditor(tmp_path / "link.weights.h5")
    with h5py.File(tmp_path / "both.weights.h5", "w") as file:
        file["a/vars/0"], file["a/0/vars/0"] = np.ones(2), np.ones(2)
    with pytest.raises(SerializationError, match="an object and a weight"):
        KerasFileEditor(tmp_path / "both.weights.h5")
