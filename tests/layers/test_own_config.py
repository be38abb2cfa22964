"""Configs of user-defined classes: the whole config of the base class, and the recorded arguments."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers
from graphkit.core.serialization import classes_of
from graphkit.layers.declared import BuiltInLayer


class Hidden(layers.Layer):
    """A layer that passes its argument to an inner layer."""

    def __init__(self, units: int, scales: Any = (1, 2), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = layers.Dense(units)

    def call(self, x: Any) -> Any:
        """Return the inner layer's output."""
        return self.dense(x)


class Variadic(layers.Dense):
    """A layer that passes all its arguments to its base class."""

    def __init__(self, vocab: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.vocab = vocab


def test_arguments_are_recorded_with_their_defaults() -> None:
    made = Hidden(3, name="hidden", trainable=False)

    assert made.get_config() == {
        "name": "hidden",
        "trainable": False,
        "dtype": layers.Layer().get_config()["dtype"],
        "units": 3,
        "scales": (1, 2),
    }
    assert Hidden.from_config(made.get_config()).dense.units == 3


def test_what_is_recorded_is_a_copy() -> None:
    scales = [1, 2]
    made = Hidden(3, scales)
    scales.append(3)

    assert made.get_config()["scales"] == [1, 2]


def test_an_argument_named_as_one_of_the_base_is_recorded() -> None:
    class Sized(layers.Layer):
        def __init__(self, batch_size: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    assert Sized(4).get_config()["batch_size"] == 4
    assert Sized(4, autocast=False).get_config()["autocast"] is False


@pytest.mark.parametrize(
    "value", [np.ones(2), layers.Dense(1), len, object()], ids=["array", "layer", "function", "object"]
)
def test_an_argument_that_is_no_json_data_wants_a_get_config(value: Any) -> None:
    with pytest.raises(
        NotImplementedError, match=r"Hidden 'h' .* arguments \['scales'\] .* Define get_config\(\) in Hidden"
    ):
        Hidden(3, value, name="h").get_config()


def test_positional_arguments_without_names_want_a_get_config() -> None:
    class Several(layers.Layer):
        def __init__(self, *sizes: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    assert "sizes" not in Several().get_config()
    with pytest.raises(NotImplementedError, match=r"arguments \['sizes'\]"):
        Several(1, 2).get_config()


def test_a_class_with_a_get_config_adds_to_the_base_config_itself() -> None:
    class Own(layers.Layer):
        def __init__(self, units: int, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.kept = units

        def get_config(self) -> dict[str, Any]:
            return dict(units=self.kept, **super().get_config())

    class Derived(Own):
        def __init__(self, units: int, more: int = 1, **kwargs: Any) -> None:
            super().__init__(units, **kwargs)

    assert Own(16).get_config()["units"] == 16
    assert sorted(Derived(16).get_config()) == ["dtype", "name", "trainable", "units"]


def test_a_subclass_of_a_built_in_layer_keeps_what_its_base_was_given() -> None:
    made = Variadic(vocab="x", units=3, activation="relu")
    config = made.get_config()

    assert list(config) == [*layers.Dense(3).get_config(), "vocab"]
    back = Variadic.from_config(config)
    assert (back.units, back.activation, back.vocab) == (3, graphkit.activations.relu, "x")


def test_what_a_subclass_of_a_built_in_layer_cannot_save_is_told() -> None:
    with pytest.warns(UserWarning, match=r"Variadic does not define get_config\(\), so its arguments \['vocab'\]"):
        assert "vocab" not in Variadic(vocab=object(), units=3).get_config()


@pytest.mark.parametrize("name", sorted(classes_of("keras.layers")))
def test_a_subclass_that_hands_on_everything_has_the_config_of_its_base(name: str) -> None:
    """The base class takes the arguments it declares, whatever the constructor of the subclass takes."""
    base = classes_of("keras.layers")[name]
    if not issubclass(base, BuiltInLayer) or name in ("Wrapper", "Merge"):
        return
    from tests.layers.test_declared import REFUSED, WRITTEN

    if name in {*WRITTEN, *REFUSED}:
        return

    class Derived(base):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    assert Derived._saved_names(object.__new__(Derived)) == base._saved_names(object.__new__(base))


def test_copies_and_pickles_have_the_same_config() -> None:
    made = Hidden(3, name="hidden")

    assert copy.deepcopy(made).get_config() == made.get_config()
    assert pickle.loads(pickle.dumps(made)).get_config() == made.get_config()


# ----- the small objects -----


class Wide(graphkit.initializers.RandomNormal):
    """An initializer that passes on its arguments."""

    def __init__(self, width: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Weighted(graphkit.losses.Huber):
    """A loss that passes on its arguments."""

    def __init__(self, weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Counting(graphkit.metrics.MeanSquaredError):
    """A metric that passes on its arguments."""

    def __init__(self, limit: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Slow(graphkit.optimizers.SGD):
    """An optimizer that passes on its arguments."""

    def __init__(self, patience: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)


@pytest.mark.parametrize(
    ("cls", "base", "given", "own"),
    [
        (Wide, graphkit.initializers.RandomNormal, {"mean": 2.0, "stddev": 0.5, "seed": 3}, {"width": 4}),
        (Weighted, graphkit.losses.Huber, {"delta": 0.5, "name": "h"}, {"weight": 4.0}),
        (Counting, graphkit.metrics.MeanSquaredError, {"name": "m"}, {"limit": 4}),
        (Slow, graphkit.optimizers.SGD, {"momentum": 0.5, "name": "s"}, {"patience": 4}),
    ],
)
def test_subclasses_of_small_objects_keep_what_their_base_was_given(cls: Any, base: Any, given: Any, own: Any) -> None:
    config = cls(**given, **own).get_config()

    assert config == {**base(**given).get_config(), **own}
    assert cls.from_config(config).get_config() == config
