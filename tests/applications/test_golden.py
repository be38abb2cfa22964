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
# One net of each builder and all other arguments; the larger ones differ in numbers only.
QUICK = {
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionV3", "MobileNet", "MobileNetV2",
    "MobileNetV3Small", "NASNetMobile.features", "ResNet50", "ResNet50V2", "VGG16", "Xception",
    *(case for case in CASES if "." in case and not case.startswith(("NASNet", "InceptionResNet"))),
}  # fmt: skip


def test_all_nets_of_keras_are_there() -> None:
    names = json.loads((Path(__file__).parents[2] / "fixtures" / "keras_names.json").read_text(encoding="utf-8"))

    assert len(NETS) == 40
    assert sorted(names["modules"]["applications"]) == list(NETS)
    assert [name for name in graphkit.applications.__all__ if name in NETS] == list(NETS)


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_a_net_has_keras_layers_weights_and_order(case: str) -> None:
    """Names, classes, arguments and calls of the layers are hashed, and names and shapes of the weights."""
    assert fingerprint(built(graphkit, case)) == ANSWERS[case]
