"""Every loss returns real Keras' values: all reductions, with and without sample weights, and the gradient."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import losses, ops
from graphkit.core.serialization import find_class
from tests.goldens import FOLDER

ROWS = [r for r in json.loads((FOLDER / "index.json").read_text())["tables"] if r["table"] == "losses"]
TABLE = dict(np.load(FOLDER / "table.losses.npz"))
REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"]


def made(row: dict[str, Any], **more: Any) -> losses.Loss:
    return find_class(row["object"])(**row["arguments"], **more)


def data(row: dict[str, Any]) -> tuple[Any, Any, Any]:
    return tuple(TABLE.get(f"{row['id']}/{name}") for name in ("y_true", "y_pred", "sample_weight"))  # type: ignore[return-value]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("row", ROWS, ids=[r["id"] for r in ROWS])
def test_the_reduced_loss_is_that_of_keras(row: dict[str, Any], reduction: str) -> None:
    y_true, y_pred, weight = data(row)
    loss = made(row, reduction=reduction)
    np.testing.assert_allclose(loss(y_true, y_pred), TABLE[f"{row['id']}/{reduction}"], rtol=3e-5, atol=3e-6)
    weighted = TABLE.get(f"{row['id']}/{reduction}/weighted")
    if weighted is not None:
        np.testing.assert_allclose(loss(y_true, y_pred, weight), weighted, rtol=3e-5, atol=3e-6)


@pytest.mark.parametrize("row", [r for r in ROWS if f"{r['id']}/gradient" in TABLE], ids=lambda r: r["id"])
def test_the_gradient_is_that_of_keras(row: dict[str, Any]) -> None:
    y_true, y_pred, weight = data(row)
    loss = made(row)
    output = graphkit.Variable(y_pred)
    for suffix, w in (("", None), ("/weighted", weight)):
        wanted = TABLE.get(f"{row['id']}/gradient{suffix}")
        if wanted is None:
            continue
        _, (gradient,) = graphkit.value_and_grad(
            lambda w=w: ops.sum(loss(y_true, ops.convert_to_tensor(output), w)), [output]
        )()
        np.testing.assert_allclose(gradient, wanted, rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("row", ROWS, ids=[r["id"] for r in ROWS])
def test_the_config_makes_the_same_loss_again(row: dict[str, Any]) -> None:
    loss = made(row)
    again = losses.deserialize(losses.serialize(loss))
    y_true, y_pred, _ = data(row)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    np.testing.assert_array_equal(again(y_true, y_pred), loss(y_true, y_pred))
