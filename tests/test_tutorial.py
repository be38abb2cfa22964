"""A tutorial of 2018 on the functional API, block by block, as `graphkit run` runs it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphkit import layers
from graphkit.cli import main
from graphkit.cli.impersonate import impersonating

BLOCKS = sorted((Path(__file__).resolve().parents[1] / "fixtures" / "tutorial").glob("*.py"))
PREAMBLE = """
import numpy as np
import keras
from keras import backend as K
from keras.layers import LSTM, Lambda, Merge
data = np.random.random((64, 784))
labels = np.eye(10)[np.random.randint(10, size=64)]
"""
SIDES = """
left_output, right_output = Input(shape=(50,)), Input(shape=(50,))
"""
BEFORE = {"merge_by_function": SIDES}
DISTANCES = """
sides = np.random.default_rng(0).normal(size=(2, 4, 50)).astype('float32')
distances = Model([left_output, right_output], malstm_distance)(list(sides))
"""
AFTER = {
    "merge_by_function": DISTANCES,
    "distance_of_list": DISTANCES,
}  # now: the name is bound to another function later
WARNING = (
    "The `Merge` layer is deprecated and will be removed after 08/2017. Use instead layers from `keras.layers.merge`, "
    "e.g. `add`, `concatenate`, etc."
)


def title(block: Path) -> str:
    return block.stem.split("_", 1)[1]


@pytest.fixture(scope="module")
def played() -> Iterator[dict[str, dict[str, Any]]]:
    """Return the names that each block defines, and its exception and warnings."""
    names: dict[str, Any] = {}
    after: dict[str, dict[str, Any]] = {}
    with impersonating():
        exec(PREAMBLE, names)
        for block in BLOCKS:
            raised = None
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                exec(BEFORE.get(title(block), ""), names)
                try:
                    exec(compile(block.read_text(), str(block), "exec"), names)
                except Exception as error:
                    raised = error
            exec(AFTER.get(title(block), ""), names)
            after[title(block)] = {**names, "raised": raised, "warned": [str(w.message) for w in warned]}
        yield after


@pytest.mark.parametrize("name", [title(b) for b in BLOCKS if title(b) != "two_nodes"])
def test_the_block_runs(name: str, played: dict[str, dict[str, Any]]) -> None:
    assert played[name]["raised"] is None


def test_there_are_13_blocks() -> None:
    assert len(BLOCKS) == 13


def test_the_chain_is_trained(played: dict[str, dict[str, Any]]) -> None:
    model = played["dense_chain"]["model"]

    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Dense", "Dense", "Dense"]
    assert model.count_params() == 784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10


def test_a_model_is_called_like_a_layer(played: dict[str, dict[str, Any]]) -> None:
    after = played["model_as_layer"]

    assert after["y"].shape == (None, 10)
    assert after["y"]._keras_history.operation is after["model"]


def test_two_inputs_give_two_outputs(played: dict[str, dict[str, Any]]) -> None:
    model = played["model_of_lists"]["model"]

    assert model.input_names == ["x_in", "y_in"]
    assert model.output_names == ["x_out", "y_out"]
    assert model.output_shape == [(None, 1), (None, 10)]


@pytest.mark.parametrize("block", ["losses_by_list", "losses_by_dict"])
def test_losses_are_weighted(block: str, played: dict[str, dict[str, Any]]) -> None:
    after = played[block]
    x, ys = after["data"], [after["xs"], after["to_categorical"](after["ys"], 10)]
    total, first, second = after["model"].evaluate([x, x], ys, verbose=0)

    np.testing.assert_allclose(total, first + 0.2 * second, rtol=1e-5)


def test_merge_warns_in_keras_words(played: dict[str, dict[str, Any]]) -> None:
    assert played["merge_by_function"]["warned"] == [WARNING]
    assert played["distance_of_list"]["warned"] == []


@pytest.mark.parametrize("block", ["merge_by_function", "distance_of_list"])
def test_the_distance_is_of_shape_one_and_right(block: str, played: dict[str, dict[str, Any]]) -> None:
    after = played[block]
    left, right = after["sides"]

    assert after["malstm_distance"].shape == (None, 1)
    np.testing.assert_allclose(
        after["distances"], np.exp(-np.abs(left - right).sum(axis=1, keepdims=True)), rtol=1e-4, atol=1e-12
    )


def test_the_shared_layer_has_two_nodes_and_one_set_of_weights(played: dict[str, dict[str, Any]]) -> None:
    after = played["shared_lstm"]
    shared = after["shared_lstm"]

    assert isinstance(shared, layers.LSTM)
    assert len(shared.nodes) == 2
    assert [n for n in after["model"].graph if n[0] == shared.name] == [(shared.name, 0), (shared.name, 1)]
    assert len(after["model"].weights) == 5


def test_the_output_of_two_nodes_is_ill_defined(played: dict[str, dict[str, Any]]) -> None:
    raised = played["two_nodes"]["raised"]

    assert isinstance(raised, AttributeError)
    assert str(raised) == (
        f'Layer {played["two_nodes"]["lstm"].name} has multiple inbound nodes, hence the notion of "layer output" is ill-defined. '
        "Use `get_output_at(node_index)` instead."
    )


def test_outputs_are_had_by_node(played: dict[str, dict[str, Any]]) -> None:
    after = played["output_at"]

    assert after["lstm"].get_output_at(0) is after["encoded_a"]
    assert after["lstm"].get_output_at(1) is after["encoded_b"]


def test_the_blocks_are_one_script(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """All blocks in sequence, as `graphkit run` runs them; the expected error is caught."""
    parts = [PREAMBLE.replace("\nimport numpy", "import warnings\nwarnings.simplefilter('ignore')\nimport numpy")]
    for block in BLOCKS:
        code = block.read_text()
        parts.append(BEFORE.get(title(block), ""))
        parts.append(
            code.replace(
                "\nlstm.output\n", "\ntry:\n    lstm.output\nexcept AttributeError as error:\n    print(error)\n"
            )
        )
    script = tmp_path / "tutorial.py"
    script.write_text("\n".join(parts))

    assert main(["run", str(script)]) == 0
    out = capfd.readouterr().out
    assert "x_out (Dense)" in out
    assert "has multiple inbound nodes" in out
