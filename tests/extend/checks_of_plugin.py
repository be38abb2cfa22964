"""Run by `test_plugin.py` in a process where the package of `plugin/` is installed, which nothing here imports first."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, layers, ops
from graphkit.cli import main
from graphkit.errors import InvalidArgumentError, InvalidTypeError, SerializationError, UnknownClassError
from graphkit.models import load_model, model_from_json
from graphkit.saving import inspect_file
from graphkit.saving.conversion import LossyConversionError

X = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
Y = np.ones((8, 2), "float32")
SUFFIXES = [".acme", ".acme.json", ".acmezip", ".acmedir"]
NAMES = {
    ".acme": "Acme JSON",
    ".acme.json": "Acme JSON",
    ".acmezip": "Acme archive",
    ".acmedir": "Acme folder",
}


@pytest.fixture
def model() -> Any:
    x = Input((4,), name="x")
    made: Any = Model(x, layers.Dense(2, name="head")(layers.Dense(3, activation="tanh", name="in")(x)), name="net")
    made.compile("adam", "mse")
    made.train_on_batch(X, Y)
    return made


class Doubled(layers.Layer):
    """A layer of the user's, whose class no file can find."""

    def call(self, inputs: Any) -> Any:
        return inputs * 2.0


# ----- formats -----


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_format_is_written_by_suffix_and_recognized_by_content(suffix: str, model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / f"m{suffix}")
    (tmp_path / f"m{suffix}").rename(tmp_path / "renamed.bin")

    again = graphkit.load(tmp_path / "renamed.bin")

    np.testing.assert_array_equal(again(X), model(X))
    assert again.loss == "mse"
    assert inspect_file(tmp_path / "renamed.bin")["format"] == NAMES[suffix]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_training_goes_on_where_it_stopped_if_the_format_holds_the_state(
    suffix: str, model: Any, tmp_path: Path
) -> None:
    model.save(tmp_path / f"m{suffix}")
    again = load_model(tmp_path / f"m{suffix}")

    has_state = int(again.optimizer.iterations.numpy()) == 1
    again.train_on_batch(X, Y)
    model.train_on_batch(X, Y)

    assert has_state == ("state" in _format(suffix).holds)
    assert has_state == bool(np.array_equal(again(X), model(X)))


def _format(suffix: str) -> Any:
    from graphkit.saving.formats import format_named

    return format_named(NAMES[suffix])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_load_takes_compile_custom_objects_placeholders_and_options(suffix: str, tmp_path: Path) -> None:
    x = Input((4,))
    model = Model(x, Doubled(name="twice")(layers.Dense(2)(x)))
    model.compile("sgd", "mse")
    path = tmp_path / f"m{suffix}"
    model.save(path)

    with pytest.raises(UnknownClassError, match="Doubled"):
        graphkit.load(path)
    assert graphkit.load(path, {"Doubled": Doubled}, compile=False).compiled is False
    (kernel, _) = graphkit.load(path, {"Doubled": Doubled}, digits=1).get_weights()
    np.testing.assert_array_equal(kernel, model.get_weights()[0].round(1))
    assert graphkit.load(path, placeholders=True).get_layer("twice").name == "twice"
    with pytest.raises(InvalidArgumentError, match=f"{NAMES[suffix]} has no option 'digit'.*Did you mean 'digits'"):
        load_model(path, digit=1)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_load_weights(suffix: str, model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / f"m{suffix}")
    other = graphkit.models.clone_model(model)

    other.load_weights(tmp_path / f"m{suffix}")

    np.testing.assert_array_equal(other(X), model(X))
    x = Input((5,))
    wrong = Model(x, layers.Dense(2, name="head")(layers.Dense(3, name="in")(x)))
    before = [w.numpy().copy() for w in wrong.weights]
    with pytest.raises(SerializationError, match="'in'"):
        wrong.load_weights(tmp_path / f"m{suffix}")
    assert all(np.array_equal(a, b) for a, b in zip(before, wrong.get_weights(), strict=True))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_overwrite_false_refuses(suffix: str, model: Any, tmp_path: Path) -> None:
    target = tmp_path / f"m{suffix}"
    model.save(target)
    before = inspect_file(target)

    with pytest.raises(InvalidArgumentError):
        model.save(target, overwrite=False)
    with pytest.raises(InvalidArgumentError):
        graphkit.convert(model, target, overwrite=False)
    assert inspect_file(target) == before
    model.save(target)


def test_save_options(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "m.acme", indent=2)
    model.save(tmp_path / "m.acmezip", compressed=True)

    assert (tmp_path / "m.acme").read_text().count("\n") > 20
    with zipfile.ZipFile(tmp_path / "m.acmezip") as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_DEFLATED}
    with pytest.raises(InvalidTypeError, match=r"Acme archive has no option 'compresed'.*Did you mean 'compressed'"):
        model.save(tmp_path / "m.acmezip", compresed=True)


def test_export_by_name(model: Any, tmp_path: Path) -> None:
    model.export(tmp_path / "m.other", format="acme json", indent=1)

    assert json.loads((tmp_path / "m.other").read_text())["acme_version"] == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("other", [".keras", ".h5"])
def test_convert_from_and_to(suffix: str, other: str, model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / f"a{other}")
    lost: list[str] = []

    graphkit.convert(tmp_path / f"a{other}", tmp_path / f"b{suffix}", lost=lost)
    graphkit.convert(tmp_path / f"b{suffix}", tmp_path / f"c{other}", load_options={"digits": 1})

    again = graphkit.load(tmp_path / f"c{other}")
    for found, whole in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, whole.round(1))
    assert lost == ([] if "state" in _format(suffix).holds else ["the state of the optimizer 'adam'"])


def test_strict_refuses_what_the_format_says_it_loses(model: Any, tmp_path: Path) -> None:
    graphkit.convert(model, tmp_path / "m.acmezip", strict=True)
    lost: list[str] = []
    graphkit.convert(model, tmp_path / "m.acme", lost=lost, digits=2)

    assert lost == ["the state of the optimizer 'adam'", "decimals of the weights beyond 2"]
    with pytest.raises(LossyConversionError, match=r"was not written: .*decimals of the weights beyond 2"):
        graphkit.convert(model, tmp_path / "strict.acme", strict=True, digits=2)
    assert not (tmp_path / "strict.acme").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_inspect(suffix: str, model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / f"m{suffix}")

    report = inspect_file(tmp_path / f"m{suffix}")

    assert report["format"] == NAMES[suffix]
    assert report["parameters"] == model.count_params()
    assert report["classes"] == {"InputLayer": 1, "Dense": 2}
    assert report["problems"] == report["needs"] == []


def test_a_damaged_file_is_an_error_that_names_it(model: Any, tmp_path: Path) -> None:
    (tmp_path / "m.acme").write_text('{"acme_version": 1}')
    model.save(tmp_path / "m.acmezip")
    data = (tmp_path / "m.acmezip").read_bytes()
    (tmp_path / "m.acmezip").write_bytes(data.replace(b"class_name", b"class_mane", 1))

    for name in ("m.acme", "m.acmezip"):
        with pytest.raises(SerializationError, match=name):
            graphkit.load(tmp_path / name)


def test_messages_list_the_formats(tmp_path: Path, model: Any) -> None:
    (tmp_path / "m.txt").write_text("abc")

    with pytest.raises(SerializationError, match=r"Known formats: .*Acme folder \(\.acmedir\)"):
        graphkit.load(tmp_path / "m.txt")
    with pytest.raises(InvalidArgumentError, match=r"\.acmezip \(Acme archive\)"):
        model.save(tmp_path / "m.unknown")


# ----- the command line -----


def test_the_help_lists_suffixes_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["convert", "--help"])

    text = " ".join(capsys.readouterr().out.split())
    assert ".acmezip" in text
    assert "--compressed VALUE Acme archive: true deflates the members" in text
    assert "--load-digits VALUE Acme JSON: decimals to which the weights are rounded" in text


def test_the_commands(model: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.save(tmp_path / "m.keras")
    target = str(tmp_path / "m.acme")

    assert main(["convert", str(tmp_path / "m.keras"), target, "--digits", "3", "--indent", "1"]) == 0
    said = capsys.readouterr()
    assert "decimals of the weights beyond 3" in said.err
    assert main(["convert", str(tmp_path / "m.keras"), target, "--strict"]) == 2
    assert main(["convert", str(tmp_path / "m.keras"), target, "--no-overwrite"]) == 2
    assert main(["convert", target, str(tmp_path / "back.keras"), "--load-digits", "2"]) == 0
    assert graphkit.load(tmp_path / "back.keras").count_params() == model.count_params()
    capsys.readouterr()
    assert main(["inspect", target]) == 0
    assert "m.acme: Acme JSON" in capsys.readouterr().out
    assert main(["summary", target]) == 0
    assert "head (Dense)" in capsys.readouterr().out
    assert main(["doctor"]) == 0
    assert "Acme folder            read and written (acmenet.formats)" in capsys.readouterr().out


# ----- the op and the layer -----


def by_hand(x: Any, power: int = 2) -> Any:
    return x / (1 + np.abs(x) ** power) ** (1 / power)


def test_the_op_computes_and_differentiates() -> None:
    from acmenet import soft_limit

    np.testing.assert_allclose(soft_limit([3, -4]), by_hand(np.array([3, -4])), rtol=1e-6)
    x = np.linspace(-2, 2, 7)
    variable = graphkit.Variable(x, dtype="float64")
    step = 1e-6

    value, (gradient,) = graphkit.value_and_grad(lambda: ops.sum(soft_limit(variable, power=4) ** 2), [variable])()

    np.testing.assert_allclose(np.asarray(soft_limit(x, power=4)), by_hand(x, 4))
    assert float(value) == pytest.approx((by_hand(x, 4) ** 2).sum())
    differences = (by_hand(x + step, 4) ** 2 - by_hand(x - step, 4) ** 2) / (2 * step)
    np.testing.assert_allclose(np.asarray(gradient), differences, rtol=1e-8, atol=1e-8)


def test_the_op_passes_the_checks_of_graphkit_s_own() -> None:
    from tests.ops.case import case, real
    from tests.ops.walk import missing_parts, walk

    row = case("acmenet_soft_limit", real(3, 4, away=(0,)), power=4)

    assert missing_parts("acmenet_soft_limit", [row]) == []
    assert "onnxruntime_gives_the_engine_s_gradient" in walk(row)


@pytest.mark.parametrize("suffix", [".keras", ".json", ".acme", ".acmezip"])
def test_a_model_with_the_op_is_saved_loaded_and_exported(suffix: str, tmp_path: Path) -> None:
    from acmenet import soft_limit

    x = Input((4,))
    model = Model(x, soft_limit(layers.Rescaling(3.0)(x), power=4))
    model.save(tmp_path / f"m{suffix}")
    model.export(tmp_path / "m.onnx")

    again = graphkit.load(tmp_path / f"m{suffix}")

    assert inspect_file(tmp_path / f"m{suffix}")["problems"] == []
    np.testing.assert_allclose(again(X), by_hand(3 * X, 4), rtol=1e-5)
    np.testing.assert_allclose(graphkit.runtime.Predictor(tmp_path / "m.onnx")(X), model(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".onnx", *SUFFIXES])
def test_the_layer_trains_is_saved_and_loads(suffix: str, tmp_path: Path) -> None:
    from acmenet import SoftLimit

    x = Input((4,))
    model = Model(x, layers.Dense(2)(SoftLimit(power=4, name="limit")(x)))
    model.compile("sgd", "mse")
    before = model.get_layer("limit").limit.numpy().copy()
    history = model.fit(X, Y, epochs=5, verbose=0).history["loss"]
    model.save(tmp_path / f"m{suffix}")

    again = graphkit.load(tmp_path / f"m{suffix}")

    assert history[-1] < history[0]
    assert not np.array_equal(model.get_layer("limit").limit.numpy(), before)
    assert again.get_layer("limit").power == 4
    np.testing.assert_array_equal(again(X), model(X))
    np.testing.assert_allclose(again.predict(X, verbose=0), model(X), rtol=1e-5, atol=1e-6)


def test_the_layer_s_config_goes_through_json() -> None:
    from acmenet import SoftLimit

    x = Input((4,))
    text = Model(x, SoftLimit(power=6, name="limit")(x)).to_json()

    assert "acmenet>SoftLimit" in text
    assert model_from_json(text).get_layer("limit").power == 6
