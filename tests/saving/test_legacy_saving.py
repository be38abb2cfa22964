"""keras.legacy.saving: configs of a class name and a config."""

from __future__ import annotations

import pytest

from graphkit import layers, optimizers
from graphkit.errors import InvalidArgumentError, UnknownClassError
from graphkit.legacy.saving import deserialize_keras_object, serialize_keras_object


def test_a_config_comes_back() -> None:
    config = serialize_keras_object(layers.Dense(3, activation="relu", name="d"))

    assert config["class_name"] == "Dense"
    again = deserialize_keras_object(config, module_objects=vars(layers) | {"Dense": layers.Dense})
    assert (again.units, again.name) == (3, "d")


def test_names_and_objects_are_looked_up() -> None:
    def own() -> None:
        """A function."""

    optimizer = optimizers.SGD()

    assert serialize_keras_object(None) is None
    assert deserialize_keras_object("own", custom_objects={"own": own}) is own
    assert deserialize_keras_object(optimizer) is optimizer


def test_what_is_unknown_is_named() -> None:
    with pytest.raises(UnknownClassError, match="Unknown layer: 'Nope'"):
        deserialize_keras_object({"class_name": "Nope", "config": {}}, printable_module_name="layer")
    with pytest.raises(InvalidArgumentError, match="Improper config format"):
        deserialize_keras_object({"class": "Dense"})
    with pytest.raises(InvalidArgumentError, match="Could not interpret"):
        deserialize_keras_object(3)
