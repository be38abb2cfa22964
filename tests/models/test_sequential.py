"""Sequential: a stack that becomes a functional graph once its input is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import layers, models
from graphkit.errors import InvalidArgumentError, InvalidTypeError, NameConflictError, NotBuiltError

X = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")


def test_layers_are_called_one_after_the_other() -> None:
    model: Any = models.Sequential([layers.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(2)])
    a, b, c, d = model.get_weights()

    np.testing.assert_allclose(model(X), np.maximum(X @ a + b, 0) @ c + d, rtol=1e-5, atol=1e-6)
    assert [layer.name for layer in model.layers] == ["dense", "dense_1"]


@pytest.mark.parametrize("argument", [{"input_shape": (4,)}, {"input_dim": 4}, {"batch_input_shape": (None, 4)}])
def test_the_first_layer_may_bear_the_input_shape(argument: dict[str, Any]) -> None:
    model: Any = models.Sequential()
    model.add(layers.Dense(3, **argument))

    assert model.built
    assert model.output_shape == (None, 3)


def test_without_a_shape_it_is_built_by_the_first_data() -> None:
    model: Any = models.Sequential([layers.Dense(3)])

    assert not model.built
    assert model(X).shape == (2, 3)
    assert model.input_shape[-1] == 4


def test_an_unbuilt_one_says_what_to_do() -> None:
    with pytest.raises(NotBuiltError, match="Call it on data, call build"):
        models.Sequential([layers.Dense(3)]).output  # noqa: B018


def test_it_comes_back_from_json_with_its_weights() -> None:
    model: Any = models.Sequential([layers.Input((4,)), layers.Dense(3), layers.BatchNormalization()], name="stack")
    again: Any = models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())

    assert isinstance(again, models.Sequential)
    assert again.name == "stack"
    np.testing.assert_array_equal(again(X), model(X))


def test_an_unbuilt_one_comes_back_unbuilt() -> None:
    again: Any = models.model_from_json(models.Sequential([layers.Dense(3)]).to_json())

    assert not again.built
    assert again(X).shape == (2, 3)


def test_it_nests_in_a_functional_model_and_is_used_twice() -> None:
    inner = models.Sequential([layers.Input((4,)), layers.Dense(4)], name="inner")
    x = layers.Input((4,))
    model: Any = models.Model(x, inner(inner(x)))
    again: Any = models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())

    np.testing.assert_allclose(again(X), inner(inner(X)), rtol=1e-5)


def test_the_top_layer_comes_off() -> None:
    model: Any = models.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(2, name="head")])

    assert model.pop().name == "head"
    assert model(X).shape == (2, 3)


@pytest.mark.parametrize(
    ("stack", "kind", "message"),
    [
        ([np.ones(3)], InvalidTypeError, "Only instances of Layer"),
        ([layers.Dense], InvalidTypeError, "Only instances of Layer"),
        ([layers.Dense(1, name="a"), layers.Dense(1, name="a")], NameConflictError, "'a' is already the name"),
        ([layers.Dense(1), layers.Input((3,))], InvalidArgumentError, "cannot be added"),
    ],
)
def test_what_cannot_be_stacked_is_said(stack: list[Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        models.Sequential(stack)


def test_nothing_to_pop() -> None:
    with pytest.raises(InvalidArgumentError, match="no layers"):
        models.Sequential().pop()


def test_a_model_built_from_data_takes_any_number_of_samples() -> None:
    x = np.ones((22, 3), "float32")
    model: Any = models.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")

    model.fit(x, x[:, :1], batch_size=5, verbose=0)

    assert model.input_shape == (None, 3)
    assert model.predict(x, verbose=0).shape == (22, 1)


def test_a_model_for_one_number_of_samples_predicts_others_too() -> None:
    model: Any = models.Sequential([layers.Input(batch_shape=(4, 3)), layers.Dense(1)])

    assert model.predict(np.ones((22, 3)), batch_size=10, verbose=0).shape == (22, 1)


def test_a_model_in_front_gives_its_input_dtype() -> None:
    inner = models.Sequential([layers.Input((3,), dtype="int32"), layers.Embedding(5, 2)])

    assert models.Sequential([inner, layers.Flatten()]).inputs[0].dtype == "int32"
