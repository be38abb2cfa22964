"""Callbacks have Keras' arguments and defaults."""

from __future__ import annotations

from tests.signatures import differing


def test_arguments_and_defaults_are_those_of_keras() -> None:
    assert differing("callbacks") == []
