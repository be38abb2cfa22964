"""Cutting, joining, dissolving and renaming: the numbers are those of the models that took part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import Input, Model, Sequential, graphs, layers, ops
from graphkit.errors import (
    DisconnectedGraphError,
    DTypeError,
    GraphError,
    InvalidArgumentError,
    InvalidTypeError,
    NameConflictError,
    ShapeError,
    UnknownNameError,
)
from tests.graphs.test_edits import X, assert_same, net


def equal(made: Any, wanted: Any, tolerance: float = 1e-6) -> None:
    np.testing.assert_allclose(np.asarray(made), np.asarray(wanted), rtol=tolerance, atol=tolerance)


# ----- cut -----


@pytest.mark.parametrize(
    "reference",
    [
        "act",
        "act:0",
        lambda m: m.get_layer("act"),
        lambda m: m.get_layer("act").output,
        lambda m: m.get_layer("act").output.name,
    ],
    ids=["layer name", "layer:index", "layer", "tensor", "tensor name"],
)
def test_a_part_begins_or_ends_at_any_tensor(reference: Any) -> None:
    model = net()
    chosen = reference(model) if callable(reference) else reference

    lower, upper = graphs.cut(model, outputs=chosen), graphs.cut(model, chosen)

    equal(upper(lower(X)), model(X))
    equal(lower(X), Model(model.input, model.get_layer("act").output)(X))
    assert upper.input_names == ["act"]


def test_a_layer_in_a_nested_model_is_reached_by_its_path() -> None:
    model = net()

    made = graphs.cut(model, outputs={"inner": "encoder/dense", "outer": "first"})

    encoder = model.get_layer("encoder")
    equal(
        made(X)["inner"], Model(encoder.input, encoder.get_layer("dense").output)(graphs.cut(model, outputs="act")(X))
    )
    equal(made(X)["outer"], X @ model.get_layer("first").kernel.numpy())


def test_the_calls_of_a_shared_layer_are_counted() -> None:
    model = net()

    made = graphs.cut(model, ["shared:0", "shared:1"])

    data = [np.ones((1, 4), "float32"), np.full((1, 4), 2, "float32")]
    equal(made(data), np.full((1, 4), 3) @ model.get_layer("head").kernel.numpy(), 1e-5)
    assert made.input_names == ["shared_0", "shared_1"]


def test_a_tensor_may_be_an_input_although_it_is_computed_too() -> None:
    """The sum needs both the tensor and what it was computed from."""
    inputs = Input((3,), name="x")
    doubled = layers.Rescaling(2.0, name="double")(inputs)
    tripled = layers.Rescaling(1.5, name="triple")(doubled)
    model = Model(inputs, layers.Add(name="sum")([doubled, tripled]))

    made = graphs.cut(model, ["x", "triple"])

    equal(made([np.ones((1, 3)), np.full((1, 3), 10.0)]), np.full((1, 3), 12.0))


def test_inputs_that_are_not_needed_are_left_out() -> None:
    left, right = Input((3,), name="left"), Input((3,), name="right")
    model = Model([left, right], [layers.ReLU(name="a")(left), layers.Add(name="b")([left, right])])

    assert graphs.cut(model, outputs="a").input_names == ["left"]
    assert graphs.cut(model, outputs="b").input_names == ["left", "right"]


def test_one_of_several_outputs_of_a_layer_is_named_by_its_index() -> None:
    steps = Input((4, 3), name="steps")
    model = Model(steps, layers.LSTM(5, return_state=True, name="lstm")(steps))

    made = graphs.cut(model, outputs="lstm:2")

    data = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    equal(made(data), model(data)[2])


# ----- merge -----


def small(name: str, input_name: str = "x", size: int = 8, units: int = 4) -> Any:
    inputs = Input((size,), name=input_name)
    return Model(inputs, layers.Dense(units, name="out")(inputs), name=name)


def test_models_side_by_side_read_the_inputs_of_one_name() -> None:
    left, right = small("left"), small("right")

    made = graphs.merge([left, right])

    assert (made.input_names, made.output_names, made.name) == (["x"], ["out", "right_out"], "left_right")
    for mine, model in zip(made(X), (left, right), strict=True):
        equal(mine, model(X))


def test_inputs_may_stay_apart_or_be_joined_by_a_list() -> None:
    left, right = small("left"), small("right", "y")

    apart = graphs.merge([left, small("other")], unify=False)
    joined = graphs.merge({"a": left, "b": right}, unify={"data": ["a/x", "y"]})

    assert apart.input_names == ["x", "other_x"]
    assert joined.input_names == ["data"]
    equal(joined(X)["a"], left(X))
    equal(joined(X)["b"], right(X))


@pytest.mark.parametrize("connect", ["names", "order", {"x": "first/code"}, {"last/x": "code"}])
def test_outputs_feed_inputs(connect: Any) -> None:
    first = graphs.rename(small("first", "pixels", units=8), {"out": "x" if connect == "names" else "code"})
    last = small("last")

    made = graphs.merge([first, last], connect=connect)

    equal(made(X), last(first(X)), 1e-5)
    assert made.input_names == ["pixels"]
    assert len(made.outputs) == 1


def test_keys_of_outputs_are_names_too() -> None:
    inputs = Input((8,), name="pixels")
    first = Model(inputs, {"x": layers.Dense(8)(inputs), "rest": layers.Dense(2, name="kept")(inputs)}, name="first")

    made = graphs.merge([first, small("last")], connect="names")

    assert made.output_names == ["kept", "out"]


def test_a_model_may_follow_itself() -> None:
    twice = small("square", units=8)

    made = graphs.merge([twice, twice], connect="order")

    equal(made(X), twice(twice(X)), 1e-5)
    assert made.count_params() == twice.count_params()


def test_merged_models_are_one_file(tmp_path: Path) -> None:
    """Weights of layers of one name stay apart, in every format."""
    left, right = small("left"), small("right")
    made = graphs.merge([left, right], copy=True)

    made.export(tmp_path / "both.onnx")
    made.save(tmp_path / "both.keras")

    outputs = graphkit.runtime.Predictor(tmp_path / "both.onnx")({"x": X})
    again = graphkit.load(tmp_path / "both.keras")(X)
    for mine, theirs, model in zip(outputs, again, (left, right), strict=True):
        equal(mine, model(X), 1e-5)
        equal(theirs, model(X))
    assert sorted(v.path for v in made.variables) == ["out/bias", "out/kernel", "right_out/bias", "right_out/kernel"]


# ----- dissolve, rename -----


@pytest.mark.parametrize("training", [None, False, True])
def test_nested_models_are_dissolved_with_the_mode_they_were_called_in(training: bool | None) -> None:
    inside = Input((8,))
    block = Sequential([inside, layers.Dropout(0.5), layers.BatchNormalization()], name="block")
    inputs = Input((8,))
    model = Model(inputs, block(inputs, training=training))

    made = graphs.dissolve(model)

    equal(made(X, training=False), model(X, training=False))
    assert np.allclose(np.asarray(made.predict(X, verbose=0)), X * 0.9995, atol=1e-3) is not (training is True)


def test_only_the_named_models_are_dissolved() -> None:
    inside = Input((4,))
    inner = Model(inside, layers.ReLU(name="relu")(inside), name="inner")
    around = Input((4,))
    outer = Model(around, layers.Dense(4, name="dense")(inner(around)), name="outer")
    inputs = Input((4,))
    model = Model(inputs, layers.Dense(1, name="dense")(outer(inputs)))

    assert [layer.name for layer in graphs.dissolve(model, "outer").layers][1:] == ["inner", "outer_dense", "dense"]
    assert [layer.name for layer in graphs.dissolve(model, "outer/inner").layers][1:] == [
        "relu",
        "outer_dense",
        "dense",
    ]


def test_layers_inputs_and_outputs_are_renamed() -> None:
    model = net()

    made = graphs.rename(
        model, {"pixels": "image", "head": "logits", "encoder/dense": "d", "first": "act", "act": "first"}, name="new"
    )

    assert (made.name, made.input_names, made.output_names) == ("new", ["image"], ["logits"])
    assert made.get_layer("encoder").layers[1].name == "d"
    assert_same(made, model)
    assert next(layer.name for layer in model.layers) == "pixels"


def test_copied_weights_get_the_new_names() -> None:
    made = graphs.rename(small("m"), lambda name: name.upper(), copy=True)

    assert [v.path for v in made.weights] == ["OUT/kernel", "OUT/bias"]


# ----- errors -----

WRONG: dict[str, tuple[Any, Any, str]] = {
    "no such layer": (lambda: graphs.cut(net(), outputs="haed"), UnknownNameError, "or 'head'"),
    "no such layer inside": (lambda: graphs.cut(net(), outputs="encoder/dens"), UnknownNameError, "encoder/dense"),
    "no such output": (lambda: graphs.cut(net(), outputs="head:1"), UnknownNameError, "has 1 outputs"),
    "several outputs": (lambda: graphs.cut(net(), outputs="shared"), InvalidArgumentError, "'shared:0' to 'shared:1'"),
    "behind the outputs": (lambda: graphs.cut(net(), "head", "first"), DisconnectedGraphError, "pixels"),
    "twice the same": (lambda: graphs.cut(net(), ["act", "act"]), InvalidArgumentError, "different inputs"),
    "a foreign tensor": (lambda: graphs.cut(net(), outputs=Input((3,))), UnknownNameError, "no tensor of model"),
    "a foreign layer": (lambda: graphs.cut(net(), outputs=layers.ReLU()), InvalidTypeError, "expects names"),
    "no models": (lambda: graphs.merge([]), InvalidArgumentError, "at least one"),
    "inputs of different shapes": (lambda: graphs.merge([small("a"), small("b", size=3)]), ShapeError, r"\(None, 8\), got \(None, 3\)"),
    "inputs of different dtypes": (
        lambda: graphs.merge([small("a"), Model(i := Input((8,), dtype="int32", name="x"), ops.abs(i))]), DTypeError, "int32",
    ),
    "an output that does not fit": (
        lambda: graphs.merge([small("a"), small("b")], connect="order"), ShapeError, r"\(None, 8\), got \(None, 4\)",
    ),
    "nothing to connect": (lambda: graphs.merge([small("a"), small("b")], connect="names"), InvalidArgumentError, "no output"),
    "numbers that differ": (
        lambda: graphs.merge([graphs.merge([small("a"), small("b")]), small("c")], connect="order"), InvalidArgumentError, "2 outputs",
    ),
    "no such input": (lambda: graphs.merge([small("a"), small("b")], connect={"b/z": "a/out"}), UnknownNameError, "b/x"),
    "an output of a later model": (
        lambda: graphs.merge([small("a", units=8), small("b", units=8)], connect={"a/x": "b/out"}), GraphError, "before",
    ),
    "an ambiguous name": (lambda: graphs.merge([small("a"), small("b")], connect={"x": "a/out"}), InvalidArgumentError, "model/x"),
    "an unknown way": (lambda: graphs.merge([small("a")], connect="all"), InvalidArgumentError, "'all'"),
    "no such model": (lambda: graphs.dissolve(net(), "encode"), UnknownNameError, "'encoder'"),
    "a name that is taken": (lambda: graphs.rename(net(), {"first": "head"}), NameConflictError, "'head'"),
    "a name that is taken inside": (lambda: graphs.rename(net(), {"encoder/act": "dense"}), NameConflictError, "'encoder'"),
    "no layer to rename": (lambda: graphs.rename(net(), {"frist": "a"}), UnknownNameError, "'first'"),
    "no name": (lambda: graphs.rename(net(), {"first": "a/b"}), InvalidArgumentError, "without '/'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_raise_typed_errors_that_say_what_to_do(case: str) -> None:
    call, error, words = WRONG[case]

    with pytest.raises(error, match=words):
        call()
