"""The config of an operation of one's own creates it again."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphkit


class Scaled(graphkit.Operation):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.scale = factor

    def call(self, x: Any) -> Any:
        return self.scale * x


class Named(Scaled):
    def __init__(self, factor: float, *, name: str | None = None) -> None:
        graphkit.Operation.__init__(self, name=name)
        self.scale = factor


def test_the_name_is_part_of_the_config_if_the_constructor_takes_one() -> None:
    assert Scaled(0.5).get_config() == {"factor": 0.5}
    assert Named(0.5, name="half").get_config() == {"name": "half", "factor": 0.5}


def test_the_config_creates_the_operation_again() -> None:
    for operation in (Scaled(0.5), Named(0.5)):
        again = type(operation).from_config(operation.get_config())
        np.testing.assert_array_equal(again(np.ones(2, np.float32)), [0.5, 0.5])
