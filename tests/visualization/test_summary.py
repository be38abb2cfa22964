"""model.summary(): exactly the table that Keras prints."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import graphkit
from graphkit import layers
from graphkit.errors import InvalidArgumentError

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "summaries"


def _cases() -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("summary_models", FOLDER / "models.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return dict(module.CASES)


CASES = _cases()


def text_of(model: Any, **arguments: Any) -> str:
    found: list[str] = []
    model.summary(print_fn=lambda text, **_: found.append(text), **arguments)
    return "".join(found)


@pytest.mark.parametrize("name", CASES)
def test_the_table_is_keras_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    build, arguments = CASES[name]
    wanted = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n", 1)[1]

    assert text_of(build(graphkit), **arguments) == wanted


def test_every_golden_file_has_a_case() -> None:
    assert {p.stem for p in FOLDER.glob("*.txt")} == set(CASES)


def test_the_terminal_gets_the_same_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "130")
    model = CASES["stack"][0](graphkit)
    model.summary()

    assert re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out) == text_of(model)


def test_print_fn_is_called_once_with_the_text() -> None:
    calls: list[tuple[Any, ...]] = []
    CASES["stack"][0](graphkit).summary(print_fn=lambda *a, **_: calls.append(a))

    assert len(calls) == 1
    assert 'Model: "stack"' in calls[0][0]


def test_the_optimizer_counts_once_it_has_slots() -> None:
    model = CASES["stack"][0](graphkit)
    model.compile("adam", "mse")
    before = text_of(model)
    model.train_on_batch([[1.0] * 8], [[0.0, 1.0]])

    assert "Optimizer params" not in before
    assert "Optimizer params: 94 " in text_of(model)  # two slots for each of 46 weights, the step and the rate


def test_a_stack_without_input_says_unbuilt() -> None:
    text = text_of(graphkit.Sequential([layers.Dense(3)]))

    assert "0 (unbuilt)" in text
    assert "│ ? " in text


def test_a_narrow_line_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="Insufficient console width to print summary: column 'Layer"):
        text_of(CASES["stack"][0](graphkit), line_length=6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("dense", "should be two strings"),
        (["dense"], "should be two strings"),
        (["nope", "dense"], "do not match the layer names"),
    ],
)
def test_a_layer_range_that_fits_nothing_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        text_of(CASES["stack"][0](graphkit), layer_range=given)


def test_positions_must_be_one_a_column() -> None:
    with pytest.raises(InvalidArgumentError, match="`positions` must have 3 numbers"):
        text_of(CASES["stack"][0](graphkit), positions=[0.5, 1.0])


def _printed(model: Any, **options: Any) -> str:
    lines: list[str] = []
    model.summary(print_fn=lambda line, **_: lines.append(str(line)), **options)
    return "\n".join(lines)


def test_a_shared_weight_counts_once() -> None:
    shared = layers.Dense(3, name="shared")
    inner = graphkit.Sequential([layers.Input((3,)), shared], name="inner")
    x = layers.Input((3,))
    model = graphkit.Model(x, shared(inner(x)))

    assert "Total params: 12 " in _printed(model)


def test_the_total_holds_the_optimizers_parameters() -> None:
    model = graphkit.Sequential([layers.Input((3,)), layers.Dense(2)])
    model.compile("adam", "mse")
    model.optimizer.build(
        model.trainable_weights
    )  # 8 weights, two slots of each, the count of steps, the learning rate

    text = _printed(model)

    assert "Total params: 26 " in text
    assert "Optimizer params: 18 " in text


def test_each_call_of_a_shared_layer_shows_its_own_shape() -> None:
    flatten = layers.Flatten(name="flat")
    a, b = layers.Input((2, 3), name="a"), layers.Input((2, 3, 4), name="b")
    model = graphkit.Model([a, b], layers.Concatenate()([flatten(a), flatten(b)]))

    text = _printed(model)

    assert re.search(r"flat \(Flatten\)\s*│ \(None, 24\)", text), text
