"""Layers take the arguments of Keras' layers, with the same defaults."""

from __future__ import annotations

from tests.signatures import differing


def test_arguments_and_defaults_are_those_of_keras() -> None:
    assert differing("layers", "activations") == []
