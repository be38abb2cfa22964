"""Custom classes and functions in files: by scope, by argument, by registration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models, ops, saving
from graphkit.errors import InvalidTypeError, UnknownClassError

X = np.arange(8, dtype="float32").reshape(2, 4)


class Scale(layers.Layer):
    """A layer that multiplies."""

    def __init__(self, factor: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: Any) -> None:
        """Create one weight per feature."""
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs: Any) -> Any:
        """Return the product."""
        return inputs * self.scale * self.factor


def net() -> Any:
    x = layers.Input((4,))
    model: Any = models.Model(x, Scale(3.0)(x))
    model.set_weights([np.array([1.0, 2.0, 3.0, 4.0], "float32")])
    return model


def test_a_class_is_found_by_argument(tmp_path: Path) -> None:
    net().save(tmp_path / "m.keras")

    again = graphkit.load(tmp_path / "m.keras", custom_objects={"Scale": Scale})

    np.testing.assert_array_equal(again(X), X * np.array([3.0, 6.0, 9.0, 12.0], "float32"))


def test_a_class_is_found_in_a_scope(tmp_path: Path) -> None:
    net().save(tmp_path / "m.keras")

    with saving.custom_object_scope({"Scale": Scale}):
        assert isinstance(graphkit.load(tmp_path / "m.keras").layers[1], Scale)


def test_without_them_the_error_says_what_to_do(tmp_path: Path) -> None:
    net().save(tmp_path / "m.keras")

    with pytest.raises(UnknownClassError, match=r"Layer 'scale' \(Scale\).*custom_objects=\{'Scale': YourClass\}"):
        graphkit.load(tmp_path / "m.keras")


def test_a_registered_function_is_an_activation(tmp_path: Path) -> None:
    @saving.register_keras_serializable("tests")
    def twice(x: Any) -> Any:
        return ops.multiply(x, 2.0)

    x = layers.Input((4,))
    models.Model(x, layers.Activation(twice)(x)).save(tmp_path / "m.keras")

    np.testing.assert_array_equal(graphkit.load(tmp_path / "m.keras")(X), 2 * X)
    assert saving.get_registered_name(twice) == "tests>twice"
    assert saving.get_registered_object("tests>twice") is twice
    del saving.get_custom_objects()["tests>twice"]


def test_a_registered_lambda_is_saved_by_name(tmp_path: Path) -> None:
    @saving.register_keras_serializable("tests")
    def thrice(x: Any) -> Any:
        return x * 3.0

    x = layers.Input((4,))
    models.Model(x, layers.Lambda(thrice, name="three")(x)).save(tmp_path / "m.keras")

    again = graphkit.load(tmp_path / "m.keras")
    assert isinstance(again.get_layer("three"), layers.Lambda)
    np.testing.assert_array_equal(again(X), 3 * X)
    del saving.get_custom_objects()["tests>thrice"]


def test_other_lambdas_are_saved_as_their_ops(tmp_path: Path) -> None:
    x = layers.Input((4,))
    inner = models.Model(x, layers.Dense(4)(x), name="inner")
    doubled = layers.Lambda(lambda t: ops.tanh(t) * 2.0, name="doubled")
    model: Any = models.Model(x, inner(doubled(inner(doubled(x)))))

    for name in ("m.keras", "m.h5"):
        model.save(tmp_path / name)
        np.testing.assert_allclose(graphkit.load(tmp_path / name)(X), model(X), rtol=1e-6)


def test_a_class_without_config_is_not_registered() -> None:
    class Bare:
        """A class without a config."""

    with pytest.raises(InvalidTypeError, match="get_config"):
        saving.register_keras_serializable()(Bare)


def test_a_layer_may_write_its_own_variables(tmp_path: Path) -> None:
    class Counted(Scale):
        """A layer that saves a number in addition to its weights."""

        seen = 0

        def save_own_variables(self, store: Any) -> None:
            store["scale"] = self.scale.numpy()
            store["seen"] = np.array(self.seen)

        def load_own_variables(self, store: Any) -> None:
            self.scale.assign(store["scale"])
            self.seen = int(store["seen"])

    x = layers.Input((4,))
    model: Any = models.Model(x, Counted(3.0)(x))
    model.layers[1].seen = 7
    model.save(tmp_path / "m.keras")

    assert graphkit.load(tmp_path / "m.keras", custom_objects={"Counted": Counted}).layers[1].seen == 7


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        "text",
        [1, [2, None]],
        {"a": {"b": 1}},
        slice(1, None, 2),
        Ellipsis,
        b"bytes",
        np.arange(6, dtype="int32").reshape(2, 3),
    ],
)
def test_values_come_back_from_their_config(value: Any) -> None:
    again = saving.deserialize_keras_object(saving.serialize_keras_object(value))

    np.testing.assert_equal(again, value)
