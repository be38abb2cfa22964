"""The nets of keras.applications are real Keras', by the counts and hashes in fixtures/applications.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import graphkit
from tests.applications.builds import CASES, NETS, built, fingerprint

ANSWERS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "applications.json").read_text(encoding="utf-8")
)["cases"]


def test_all_nets_of_keras_are_there() -> None:
    names = json.loads((Path(__file__).parents[2] / "fixtures" / "keras_names.json").read_text(encoding="utf-8"))

    assert len(NETS) == 40
    assert sorted(names["modules"]["applications"]) == list(NETS)
    assert [name for name in graphkit.applications.__all__ if name in NETS] == list(NETS)


@pytest.mark.parametrize("case", CASES)
def test_a_net_has_keras_layers_weights_and_order(case: str) -> None:
    """Names, classes, arguments and calls of the layers are hashed, and names and shapes of the weights."""
    assert fingerprint(built(graphkit, case)) == ANSWERS[case]
