"""Nets that PyTorch trained on five digits, trained on as imported graphs until they know ten; measured on held-out images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import graphs
from graphkit.converters.onnx.imports.layers import OnnxNode
from graphkit.datasets.digits import load_data
from graphkit.losses import SparseCategoricalCrossentropy
from graphkit.optimizers import Adam
from graphkit.runtime import Predictor

FILES = Path(__file__).parents[3] / "fixtures" / "onnx" / "pretrained"


def data() -> tuple[Any, Any, Any, Any]:
    """Training images and labels, held-out images and labels; channels first, as in the files."""
    (images, labels), (held_images, held_labels) = load_data()
    x, held = (array[:, None].astype("float32") / 16 for array in (images, held_images))
    return x, labels, held, held_labels


def accuracy(logits: Any, labels: Any) -> float:
    return float(np.mean(np.asarray(logits).argmax(1) == labels))


@pytest.mark.parametrize("name", ["convnet", "transformer"])
def test_the_imported_net_knows_its_digits(name: str) -> None:
    _, _, held, labels = data()
    few = labels < 5

    assert accuracy(graphkit.load(FILES / f"{name}.onnx")(held[few]), labels[few]) > 0.93


@pytest.mark.slow
@pytest.mark.parametrize("lift", [True, False], ids=["layers", "nodes"])
@pytest.mark.parametrize(("name", "epochs", "least"), [("convnet", 12, 0.91), ("transformer", 25, 0.83)])
def test_fine_tuning(name: str, epochs: int, least: float, lift: bool, tmp_path: Path) -> None:
    graphkit.utils.set_random_seed(0)
    x, labels, held, held_labels = data()
    pretrained = graphkit.load(FILES / f"{name}.onnx", lift=lift)
    assert any(isinstance(layer, OnnxNode) for layer in pretrained.layers) is not lift
    model = graphs.replace_head(pretrained, 10)
    before = [np.array(w) for w in model.get_weights()]

    model.compile(Adam(3e-3), SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, labels, batch_size=32, epochs=epochs, verbose=0)
    model.export(tmp_path / "tuned.onnx")
    logits = Predictor(str(tmp_path / "tuned.onnx"))(held)

    unchanged = [w.path for w, old in zip(model.weights, before, strict=True) if np.array_equal(w.numpy(), old)]
    assert unchanged == []  # moving statistics included
    np.testing.assert_allclose(logits, np.asarray(model(held)), rtol=0, atol=1e-4 * np.abs(logits).max())
    assert accuracy(logits, held_labels) > least
