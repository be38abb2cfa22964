"""Finding: by name, class, predicate and config, and several calls with what they read."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from graphkit import Input, Model, activations, graphs, layers, ops
from graphkit.errors import InvalidArgumentError, InvalidTypeError, UnknownNameError
from tests.graphs.test_edits import net


def paths(found: list[graphs.Match]) -> list[str]:
    return [match.path for match in found]


def residual() -> Any:
    """Two residual blocks; in the first the shortcut comes first, and the second sum is read twice."""
    inputs = Input((8, 8, 4), name="x")
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv_1")(inputs)
    x = layers.Add(name="sum_1")([inputs, layers.BatchNormalization(name="norm_1")(x)])
    y = layers.Conv2D(4, (1, 1), name="conv_2", strides=(1, 1))(x)
    y = layers.BatchNormalization(name="norm_2")(y)
    total = layers.Add(name="sum_2")([y, x])
    return Model(inputs, [layers.ReLU(name="relu")(total), total * 2.0])


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("conv_1", ["conv_1"]),
        ("conv_*", ["conv_1", "conv_2"]),
        ("Conv2D", ["conv_1", "conv_2"]),
        (layers.Conv2D, ["conv_1", "conv_2"]),
        (layers.Layer, ["x", "conv_1", "norm_1", "sum_1", "conv_2", "norm_2", "sum_2", "relu"]),
        (re.compile("_2$"), ["conv_2", "norm_2", "sum_2"]),
        (lambda layer: layer.name == "relu", ["relu"]),
        (["relu", "norm_1", layers.Conv2D, "relu"], ["conv_1", "norm_1", "conv_2", "relu"]),
        (("conv_2", 0), ["conv_2"]),
        (("conv_2", 1), []),
        ("LSTM", []),
        (graphs.node("Conv2D", kernel_size=(1, 1)), ["conv_2"]),
        (graphs.node("Conv2D", activation="relu"), ["conv_1"]),
        (graphs.node("Conv2D", activation=activations.relu), ["conv_1"]),
        (graphs.node(kernel_size=lambda size: size[0] > 1), ["conv_1"]),
        (graphs.node(["ReLU", layers.Add]), ["sum_1", "sum_2", "relu"]),
        (graphs.node("Add", "a", "b"), ["sum_1", "sum_2"]),
        (graphs.node("Add", "a", "a"), []),
        (graphs.node("Add", graphs.node("BatchNormalization"), "x"), ["sum_1", "sum_2"]),
        (graphs.node(layers.Add, "x", graphs.node("BatchNormalization")), ["sum_1", "sum_2"]),
        (graphs.node("Add", graphs.chain("Conv2D", "BatchNormalization"), "x"), ["sum_1", "sum_2"]),
        (graphs.node("Add", graphs.node("BatchNormalization", graphs.node("Conv2D", "x")), "x"), ["sum_1", "sum_2"]),
        (graphs.chain("Conv2D", "BatchNormalization"), ["norm_1", "norm_2"]),
        (graphs.chain("Add", "ReLU"), []),  # the sum is read elsewhere as well
        (graphs.node("Multiply", "x", 2.0), ["multiply"]),
    ],
)  # fmt: skip
def test_what_a_pattern_finds(pattern: Any, wanted: list[str]) -> None:
    assert paths(graphs.find(residual(), pattern)) == wanted


def test_the_order_of_calls_in_a_sum_does_not_matter() -> None:
    inputs = Input((4,))
    scaled = layers.Rescaling(2.0, name="scaled")(inputs)
    for order in ([inputs, scaled], [scaled, inputs]):
        model = Model(inputs, layers.Add(name="sum")(order))
        found = graphs.find(model, graphs.node("Add", graphs.node("Rescaling", "x"), "x"))
        assert paths(found) == ["sum"]

    difference = Model(inputs, layers.Subtract(name="sum")([inputs, scaled]))
    assert not graphs.find(difference, graphs.node("Subtract", graphs.node("Rescaling", "x"), "x"))


def test_a_match_gives_layers_and_tensors_by_name() -> None:
    model = residual()
    (match, _) = graphs.find(
        model, graphs.node("Add", graphs.node("BatchNormalization", name="norm"), "short", name="sum")
    )

    assert match["norm"] is model.get_layer("norm_1")
    assert match["short"] is model.input
    assert match.layer is match["sum"]
    assert [layer.name for layer in match.layers] == ["norm_1", "sum_1"]
    assert match.output is model.get_layer("sum_1").output
    assert match.shape == (None, 8, 8, 4)
    assert "norm_1" in match.summary()
    with pytest.raises(UnknownNameError, match="'short'"):
        match["shrt"]


def test_matches_do_not_overlap() -> None:
    inputs = Input((4,))
    x = inputs
    for number in range(5):
        x = layers.Dense(4, name=f"d{number}")(x)

    found = graphs.find(Model(inputs, x), graphs.chain("Dense", "Dense"))

    assert paths(found) == ["d2", "d4"]


def test_layers_of_nested_models_have_paths() -> None:
    assert paths(graphs.find(net(), layers.Dense)) == ["first", "shared", "shared", "head", "encoder/dense"]
    assert paths(graphs.find(net(), layers.Dense, nested=False)) == ["first", "shared", "shared", "head"]
    assert paths(graphs.find(net(), "encoder/*")) == ["encoder/inside", "encoder/dense", "encoder/act"]


def test_a_layer_is_found_wherever_it_is_called() -> None:
    shared = layers.Dense(4, name="shared")
    inside, inputs = Input((4,)), Input((4,))
    model = Model(inputs, shared(Model(inside, shared(inside), name="inner")(inputs)))

    made = graphs.replace(model, "shared", lambda match: layers.Dense(4, use_bias=False))

    assert paths(graphs.find(model, "shared")) == ["shared", "inner/shared"]
    assert len(made.weights) == 1


def test_a_match_outside_of_a_replacement_cannot_be_called() -> None:
    (match,) = graphs.find(net(), "first")

    with pytest.raises(InvalidArgumentError, match="replacement"):
        match.call(match.input)


def named_like_its_class() -> Any:
    inputs = Input((4,))
    return Model(inputs, layers.ReLU(name="ReLU")(inputs))


WRONG: dict[str, tuple[Any, Any, str]] = {
    "a typing mistake": (lambda: graphs.find(net(), "Danse"), UnknownNameError, "Did you mean 'Dense'"),
    "a name and a class": (lambda: graphs.find(named_like_its_class(), "ReLU"), InvalidArgumentError, "graphs.node"),
    "no match of wildcards": (lambda: graphs.find(net(), "conv*"), UnknownNameError, "conv"),
    "no kind": (lambda: graphs.node(3), InvalidTypeError, "got 3"),
    "no chain": (lambda: graphs.chain(), InvalidArgumentError, "at least one"),
    "several inputs": (lambda: graphs.find(net(), "total")[0].input, InvalidArgumentError, "match.inputs"),
    "a wrong number of tensors": (
        lambda: graphs.replace(net(), "total", lambda match: match.call(match.inputs[0])), InvalidArgumentError, "got 1 tensors",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_raise_typed_errors_that_say_what_to_do(case: str) -> None:
    call, error, words = WRONG[case]

    with pytest.raises(error, match=words):
        call()


def test_an_op_is_replaced_by_a_layer_and_back() -> None:
    inputs = Input((4,))
    model = Model(inputs, ops.add(ops.relu(inputs), inputs))
    data = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")

    as_layers = graphs.replace(graphs.replace(model, "Relu", layers.ReLU), "Add", layers.Add)
    as_ops = graphs.replace(as_layers, "ReLU", lambda match: ops.relu(match.input))

    assert [type(layer).__name__ for layer in as_layers.layers] == ["InputLayer", "ReLU", "Add"]
    for made in (as_layers, as_ops):
        np.testing.assert_array_equal(made(data), model(data))
