"""`graphkit.diff`: what of two models differs, and where their numbers part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import graphkit
from graphkit import Input, Model, Sequential, layers, ops
from graphkit.core.errors import InvalidArgumentError, SerializationError


def net(activation: str = "relu", units: int = 3, prefix: str = "", extra: bool = False) -> Any:
    x = Input((6, 6, 2), name=f"{prefix}x")
    h = layers.Conv2D(4, 3, activation=activation, name=f"{prefix}conv")(x)
    h = layers.Dropout(0.5, name=f"{prefix}drop")(h) if extra else h
    h = layers.Flatten(name=f"{prefix}flat")(h)
    return Model(x, layers.Dense(units, name=f"{prefix}out")(h), name="net")


def twin(model: Any, **arguments: Any) -> Any:
    other = net(**arguments)
    other.set_weights(model.get_weights())
    return other


def test_a_model_agrees_with_itself_in_any_format(tmp_path: Path) -> None:
    model = net()
    paths = [tmp_path / f"m.{suffix}" for suffix in ("keras", "h5", "onnx")]
    for path in paths:
        model.save(path)
        report = graphkit.diff(model, path)
        assert not report, str(report)
        assert report.equal_weights == 4
        assert all(found.agree for found in report.numbers)
        assert len(report.numbers) == 4


def test_a_changed_weight_is_named_and_the_numbers_part_there() -> None:
    a = net()
    b = twin(a)
    b.get_layer("conv").bias.assign([0, 0, 0.25, 0])
    report = graphkit.diff(a, b)

    assert report.aspects == ["weights", "numbers"]
    assert [(w.layer, w.weight, w.what, w.largest) for w in report.different_weights] == [
        ("conv", "bias", "values", 0.25)
    ]
    assert [found.a for found in report.parts_at] == ["conv"]
    assert [found.a for found in report.numbers if not found.agree] == ["conv", "flat", "out"]
    assert "! conv, bias: values differ by up to 0.25" in str(report)
    assert "they part at\n! conv: (2, 4, 4, 4) differs by up to 0.25" in str(report)
    assert str(report).endswith("the models differ in weights and numbers")


def test_a_changed_argument_is_named() -> None:
    a = net()
    report = graphkit.diff(a, twin(a, activation="tanh"))

    assert report.changed_configs == [("conv", "activation", "relu", "tanh")]
    assert "! conv: activation 'relu' -> 'tanh'" in str(report)
    assert [found.a for found in report.parts_at] == ["conv"]


def test_a_difference_far_from_the_end_of_one_branch_is_where_it_begins() -> None:
    def two(rate: float) -> Any:
        x = Input((5,), name="x")
        left = layers.Activation("tanh", name="left")(layers.Rescaling(2.0, name="double")(x))
        right = layers.Activation("tanh", name="right")(layers.Rescaling(rate, name="scale")(x))
        return Model(x, layers.Add(name="sum")([left, right]))

    report = graphkit.diff(two(3.0), two(3.5))

    assert [found.a for found in report.parts_at] == ["scale"]
    assert {found.a: found.agree for found in report.numbers} == {
        "x": True, "double": True, "left": True, "scale": False, "right": False, "sum": False,
    }  # fmt: skip


def test_layers_of_one_model_only() -> None:
    a = net()
    report = graphkit.diff(a, twin(a, extra=True))

    assert report.only_b == [("drop", "Dropout")]
    assert report.aspects == ["structure"]
    assert "+ drop (Dropout)" in str(report)
    assert [(w, v) for w, v in [(a, b) for a, b in graphkit.diff(twin(a, extra=True), a).only_a]] == [
        ("drop", "Dropout")
    ]


def test_changed_shapes() -> None:
    report = graphkit.diff(net(), net(units=5))

    assert report.changed_shapes == [("out", (None, 3), (None, 5))]
    assert [w.what for w in report.different_weights if w.layer == "out"] == [
        "shape (64, 3) -> (64, 5)",
        "shape (3,) -> (5,)",
    ]
    assert "the other has the shape (2, 5)" in str(report)


def test_other_names_are_no_difference() -> None:
    a = net()
    report = graphkit.diff(a, twin(a, prefix="my_"))

    assert not report
    assert report.renamed == [("x", "my_x"), ("conv", "my_conv"), ("flat", "my_flat"), ("out", "my_out")]
    assert "  conv is called my_conv" in str(report)


def test_layers_numbered_in_another_order_correspond_by_place() -> None:
    def numbered(first: int) -> Any:
        x = Input((3,), name="x")
        h = layers.Dense(3, name=f"dense_{first}")(x)
        return Model(x, layers.Dense(3, name=f"dense_{first + 1}")(h))

    a, b = numbered(0), numbered(1)
    b.set_weights(a.get_weights())

    assert not graphkit.diff(a, b)


def test_nested_and_shared_layers_are_compared_inside() -> None:
    def pair(value: float) -> Any:
        x = Input((4,), name="x")
        encoder = Model(
            x,
            layers.Dense(
                3, kernel_initializer="ones", bias_initializer=graphkit.initializers.Constant(value), name="d"
            )(x),
            name="enc",
        )
        a, b = Input((4,), name="a"), Input((4,), name="b")
        return Model(
            [a, b], layers.Subtract(name="minus")([encoder(a), layers.Activation("relu", name="act")(encoder(b))])
        )

    report = graphkit.diff(pair(0.0), pair(1.0))

    assert [found.a for found in report.parts_at] == ["enc/d"]
    assert [(w.layer, w.weight) for w in report.different_weights] == [("enc/d", "bias")]


def without_layers(model: Any, path: Path) -> Path:
    """Export a model without its layers in the metadata, as another program would."""
    model.export(path)
    message = onnx.load(path)
    del message.metadata_props[:]
    onnx.save(message, path)
    return path


def test_models_of_other_layers_are_compared_by_what_they_compute(tmp_path: Path) -> None:
    a = net()
    path = without_layers(a, tmp_path / "m.onnx")
    report = graphkit.diff(a, path)

    assert report.aspects == ["structure"]
    assert [found.agree for found in report.outputs] == [True]
    assert any("found by its values" in found.note for found in report.numbers)
    a.get_layer("out").bias.assign([1, 2, 3])
    changed = graphkit.diff(a, path)
    assert "numbers" in changed.aspects
    assert [found.a for found in changed.parts_after] == ["flat"]
    assert "they part after\n  flat = " in str(changed)


def test_an_onnx_file_and_the_layers_that_it_became_agree(tmp_path: Path) -> None:
    path = without_layers(net(), tmp_path / "m.onnx")
    lifted = graphkit.load(path)
    assert {type(layer).__name__ for layer in lifted.layers} >= {"Conv2D", "Dense"}
    report = graphkit.diff(path, lifted)

    assert "numbers" not in report.aspects, str(report)
    assert report.outputs[0].agree
    assert report.equal_weights == 4  # in another layout, and the biases of other nodes
    assert report.different_weights == []
    lifted.get_layer(lifted.layers[-1].name).bias.assign([1, 2, 3])
    changed = graphkit.diff(path, lifted)
    assert changed.aspects == ["structure", "weights", "numbers"]
    assert [(w.what, w.largest) for w in changed.different_weights] == [("values", 3.0)]


def test_channels_at_the_other_end_are_moved() -> None:
    x, y = Input((6, 5, 2), name="x"), Input((2, 6, 5), name="x")
    a = Model(x, layers.Conv2D(4, 3, name="conv")(x))
    b = Model(y, layers.Conv2D(4, 3, data_format="channels_first", name="conv")(y))
    b.set_weights(a.get_weights())
    report = graphkit.diff(a, b)

    assert not report.numbers_differ
    assert report.outputs[0].note == "channels moved"


def test_inputs_can_be_given() -> None:
    a, b = Input((2,), name="a"), Input((2,), name="b")
    first = Model([a, b], layers.Activation("relu", name="r")(ops.subtract(a, b)))
    second = Model([a, b], layers.Activation("leaky_relu", name="r")(ops.subtract(a, b)))
    positive = {"b": np.zeros((1, 2)), "a": np.ones((1, 2))}

    assert graphkit.diff(first, second, positive).numbers_differ is False
    assert graphkit.diff(first, second, [positive["b"], positive["a"]]).numbers_differ is True


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"z": np.ones(3)}, r"expects arrays for \['x'\], got \['z'\]"),
        (np.ones((2, 3)), r"the input 'x' expects the shape \(None, 6, 6, 2\), got \(2, 3\)"),
        ([np.ones(1), np.ones(1)], "expects 1 arrays"),
    ],
)
def test_inputs_that_do_not_fit(inputs: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        graphkit.diff(net(), net(), inputs)


def test_inputs_of_strings_must_be_given() -> None:
    x = Input((1,), dtype="string", name="words")
    model = Model(x, layers.StringLookup(vocabulary=["a", "b"])(x))

    with pytest.raises(InvalidArgumentError, match="'words' is of strings"):
        graphkit.diff(model, model)
    assert not graphkit.diff(model, model, np.array([["a"], ["z"]]))


def test_inputs_of_other_shapes_are_not_compared() -> None:
    x, y = Input((3,)), Input((4,))
    report = graphkit.diff(Model(x, layers.Dense(2)(x)), Model(y, layers.Dense(2)(y)))

    assert report.not_compared == "the inputs have different shapes, (None, 3) and (None, 4)"
    assert "numbers: not compared, the inputs have different shapes" in str(report)


def test_a_value_that_is_not_finite_differs() -> None:
    x = Input((2,), name="x")
    a, b = Model(x, layers.Rescaling(1.0, name="s")(x)), Model(x, layers.Rescaling(np.nan, name="s")(x))
    report = graphkit.diff(a, b)

    assert report.numbers_differ
    assert report.outputs[0].largest == float("inf")


def test_a_tolerance_and_no_numbers() -> None:
    a = net()
    b = twin(a)
    b.get_layer("out").bias.assign(a.get_layer("out").bias + 1e-3)

    assert graphkit.diff(a, b).numbers_differ
    assert not graphkit.diff(a, b, tolerance=0.1).numbers_differ
    assert graphkit.diff(a, b, numbers=False).not_compared == "as asked"


def test_a_sequential_model_and_one_without_a_graph() -> None:
    class Own(graphkit.Model):
        def __init__(self) -> None:
            super().__init__()
            self.d = layers.Dense(2, kernel_initializer="ones", name="d")

        def call(self, x: Any) -> Any:
            return self.d(x)

    own, stack = Own(), Sequential([Input((3,)), layers.Dense(2, kernel_initializer="ones", name="d")])
    own(np.ones((1, 3), "float32"))

    report = graphkit.diff(own, stack)
    assert report.equal_weights == 2
    assert report.not_compared == "the models have 0 and 1 inputs"
    assert not graphkit.diff(stack, stack)


def test_a_damaged_file_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08nothing")

    with pytest.raises(SerializationError, match=r"m\.onnx"):
        graphkit.diff(net(), tmp_path / "m.onnx")
