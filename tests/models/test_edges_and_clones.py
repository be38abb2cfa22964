"""The tensors that edges carry, and what a clone keeps."""

from __future__ import annotations

from typing import Any

import graphkit
from graphkit import layers, ops


def test_an_edge_says_which_of_several_outputs_it_is() -> None:
    x = graphkit.Input((4,))
    left, right = ops.split(x, 2, axis=1)
    model: Any = graphkit.Model(x, layers.Subtract(name="minus")([right, left]))
    found = {data["slot"]: data["tensor_index"] for *_, data in model.graph.in_edges(("minus", 0), data=True)}
    assert found == {0: 1, 1: 0}


def test_a_cloned_lambda_stays_frozen() -> None:
    x = graphkit.Input((2,))
    frozen = layers.Lambda(lambda v: v * 2, name="twice", trainable=False)
    clone: Any = graphkit.models.clone_model(graphkit.Model(x, frozen(x)))
    assert clone.get_layer("twice").trainable is False


def test_a_cloned_sequential_keeps_the_dtype_of_its_input() -> None:
    model: Any = graphkit.Sequential([graphkit.Input((3,), dtype="int32"), layers.Embedding(5, 2)])
    clone: Any = graphkit.models.clone_model(model)
    assert clone.inputs[0].dtype == "int32"
