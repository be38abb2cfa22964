"""Models with unknown layers: an error by default, placeholders on request; what `inspect_file` reports."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models
from graphkit.cli import main
from graphkit.errors import SerializationError, UnknownClassError, UnsafeCodeError
from graphkit.saving import inspect_file

LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wEAAA==", "defaults": None, "closure": None}}


@graphkit.saving.register_keras_serializable("zoo")
class Halve(layers.Layer):
    """A layer that returns every second feature; it exists only here."""

    def call(self, inputs: Any) -> Any:
        return inputs[:, ::2]


def saved(folder: Path, change: Callable[[str], str] = lambda text: text) -> Path:
    """Return a model of a Dense, a custom layer and another Dense, with a changed config."""
    x = layers.Input((4,), name="x")
    y = layers.Dense(2, name="last")(Halve(name="odd")(layers.Dense(6, name="first")(x)))
    models.Model(x, y, name="net").save(folder / "whole.keras")
    with zipfile.ZipFile(folder / "whole.keras") as source, zipfile.ZipFile(folder / "m.keras", "w") as made:
        for name in source.namelist():
            data = source.read(name)
            made.writestr(name, change(data.decode()).encode() if name == "config.json" else data)
    return folder / "m.keras"


def unknown(text: str) -> str:
    """Replace the class and its registered name by unknown ones."""
    return text.replace("zoo>Halve", "Mine>Thirds").replace('"Halve"', '"Thirds"')


def code(text: str) -> str:
    """Replace the layer by a Lambda with bytecode."""
    config = json.loads(text)
    entry = next(e for e in config["config"]["layers"] if e["name"] == "odd")
    entry.update(module="keras.layers", class_name="Lambda", registered_name=None)
    entry["config"] = {"name": "odd", "trainable": True, "dtype": "float32", "function": LAMBDA, "arguments": {}}
    return json.dumps(config)


def test_by_default_the_class_and_its_layer_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownClassError, match=r"Layer 'odd' \(Thirds\).*custom_objects=\{'Thirds': YourClass\}"):
        graphkit.load(saved(tmp_path, unknown))


def test_a_placeholder_keeps_name_class_config_and_shape(tmp_path: Path) -> None:
    model = graphkit.load(saved(tmp_path, unknown), placeholders=True)
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(str(line)))

    odd = model.get_layer("odd")
    assert type(odd).__name__ == "Thirds"
    assert odd.original_config["name"] == "odd"
    assert odd.output_shape == (None, 3)  # reported by the layer that it feeds
    assert any("odd (Thirds)" in line for line in lines)


def test_the_weights_of_the_other_layers_are_there(tmp_path: Path) -> None:
    path = saved(tmp_path, unknown)
    whole = graphkit.load(tmp_path / "whole.keras")

    model = graphkit.load(path, placeholders=True)

    for name in ("first", "last"):
        np.testing.assert_array_equal(model.get_layer(name).get_weights()[0], whole.get_layer(name).get_weights()[0])


def test_calling_a_placeholder_names_it_and_says_what_to_do(tmp_path: Path) -> None:
    model = graphkit.load(saved(tmp_path, unknown), placeholders=True)

    with pytest.raises(UnknownClassError, match=r"Layer 'odd' \(Thirds\) is a placeholder.*custom_objects=\{'Thirds'"):
        model(np.zeros((1, 4), "float32"))


def test_a_model_with_placeholders_keeps_them_in_its_json(tmp_path: Path) -> None:
    text = graphkit.load(saved(tmp_path, unknown), placeholders=True).to_json()

    entry = next(e for e in json.loads(text)["config"]["layers"] if e["name"] == "odd")
    assert (entry["class_name"], entry["registered_name"]) == ("Thirds", "Mine>Thirds")
    with pytest.raises(UnknownClassError, match="'Thirds'"):
        models.model_from_json(text)


def test_a_lambda_of_code_can_be_a_placeholder(tmp_path: Path) -> None:
    path = saved(tmp_path, code)

    with pytest.raises(UnsafeCodeError, match="Lambda layer 'odd'"):
        graphkit.load(path)
    model = graphkit.load(path, placeholders=True)
    with pytest.raises(
        UnknownClassError, match=r"'odd' \(Lambda\) is a placeholder.*custom_objects=\{'odd': function\}"
    ):
        model(np.zeros((1, 4), "float32"))


def test_an_older_file_can_have_placeholders(tmp_path: Path) -> None:
    import h5py

    kernel = np.arange(12, dtype="float32").reshape(4, 3)
    dense = {
        "class_name": "Dense",
        "config": {"name": "d", "units": 3, "use_bias": False, "batch_input_shape": [None, 4]},
    }
    odd = {"class_name": "Capsule", "config": {"name": "odd", "routings": 3}}
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["keras_version"] = "2.1.6"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": [dense, odd]})
        place = file.create_group("model_weights")
        place.attrs["layer_names"] = [b"d", b"odd"]
        for name, array in (("d", kernel), ("odd", np.zeros(7, "float32"))):
            place.create_group(name).attrs["weight_names"] = [f"{name}/w:0".encode()]
            place[f"{name}/{name}/w:0"] = array

    model = graphkit.load(tmp_path / "m.h5", placeholders=True)

    np.testing.assert_array_equal(model.get_layer("d").get_weights()[0], kernel)
    assert model.get_layer("odd").original_config["routings"] == 3


# ----- inspect -----


def test_inspect_says_what_it_takes(tmp_path: Path) -> None:
    report = inspect_file(saved(tmp_path, unknown))

    assert report["format"] == "Keras 3 archive"
    assert report["custom_classes"] == ["Thirds"]
    assert report["needs"] == ["the class Thirds: custom_objects={'Thirds': YourClass}"]
    assert report["parameters"] == 4 * 6 + 6 + 3 * 2 + 2
    assert [layer["name"] for layer in report["layers"]] == ["x", "first", "odd", "last"]


def test_inspect_names_lambdas_of_code(tmp_path: Path) -> None:
    report = inspect_file(saved(tmp_path, code))

    assert report["lambdas"] == ["odd"]
    assert report["custom_classes"] == []


def test_inspect_counts_the_parameters_of_each_layer_of_an_hdf5_file(tmp_path: Path) -> None:
    x = layers.Input((4,), name="x")
    models.Model(x, layers.Dense(2, name="d")(x)).save(tmp_path / "m.h5")

    report = inspect_file(tmp_path / "m.h5")

    assert [(layer["name"], layer["parameters"]) for layer in report["layers"]] == [("x", 0), ("d", 10)]
    assert report["needs"] == []


def test_inspect_knows_weights_without_a_model(tmp_path: Path) -> None:
    x = layers.Input((4,))
    models.Model(x, layers.Dense(2)(x)).save_weights(tmp_path / "w.weights.h5")

    report = inspect_file(tmp_path / "w.weights.h5")

    assert report["format"] == "weights in HDF5"
    assert report["parameters"] == 10


def test_inspect_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(b"hello")

    with pytest.raises(SerializationError, match="no known format"):
        inspect_file(tmp_path / "m")
    with pytest.raises(SerializationError, match="File not found"):
        inspect_file(tmp_path / "nothing")


def test_the_command_prints_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, unknown)

    assert main(["inspect", str(path)]) == 0
    assert "the class Thirds" in capsys.readouterr().out
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.load(io.StringIO(capsys.readouterr().out))["custom_classes"] == ["Thirds"]


@pytest.mark.parametrize("command", ["summary", "plot"])
def test_commands_that_look_at_a_model_need_no_classes(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(saved(tmp_path, unknown))]) == 0
    shown = capsys.readouterr().out + "".join(p.read_text() for p in tmp_path.glob("*.svg"))
    assert "Thirds" in shown
