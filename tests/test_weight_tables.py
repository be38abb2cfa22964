"""Regularizers, constraints and deterministic initializers return Keras' values, and write Keras' configs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from graphkit import constraints, initializers, ops, regularizers
from graphkit.differentiate import value_and_grad
from graphkit.errors import InvalidArgumentError, ShapeError
from graphkit.ir.variable import Variable
from tests.goldens import FOLDER

ROWS = [r for r in json.loads((FOLDER / "index.json").read_text())["tables"] if r["table"] == "weights"]
TABLE = dict(np.load(FOLDER / "table.weights.npz"))
MODULES: dict[str, Any] = {"regularizers": regularizers, "constraints": constraints, "initializers": initializers}


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['kind']}.{r['id']}" for r in ROWS])
def test_numbers_and_config_are_those_of_keras(row: dict[str, Any]) -> None:
    module, key = MODULES[row["kind"]], f"{row['kind']}/{row['id']}"
    made = module.deserialize(row["object"])
    wanted = TABLE[key]

    found = made(wanted.shape) if row["kind"] == "initializers" else made(TABLE["w"])

    np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-5, atol=1e-6)
    assert module.serialize(made) == row["object"]


@pytest.mark.parametrize("row", [r for r in ROWS if r["kind"] == "regularizers"], ids=lambda r: r["id"])
def test_gradients_of_penalties_are_those_of_keras(row: dict[str, Any]) -> None:
    penalty, weight = regularizers.deserialize(row["object"]), Variable(TABLE["w"])

    _, (gradient,) = value_and_grad(lambda: ops.sum(penalty(weight)), [weight])()

    np.testing.assert_allclose(gradient, TABLE[f"regularizers/{row['id']}/gradient"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("initializer", "mean", "deviation", "limits"),
    [
        (initializers.RandomNormal(0.5, 2.0, seed=1), 0.5, 2.0, None),
        (initializers.TruncatedNormal(0.0, 1.0, seed=1), 0.0, 0.8796, (-2, 2)),
        (initializers.RandomUniform(-1.0, 3.0, seed=1), 1.0, 4 / 12**0.5, (-1, 3)),
        (initializers.GlorotUniform(seed=1), 0.0, (2 / 500) ** 0.5, (-((6 / 500) ** 0.5), (6 / 500) ** 0.5)),
        (initializers.HeNormal(seed=1), 0.0, (2 / 300) ** 0.5, None),
        (initializers.LecunUniform(seed=1), 0.0, (1 / 300) ** 0.5, (-((3 / 300) ** 0.5), (3 / 300) ** 0.5)),
        (initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal", seed=1), 0.0, (3 / 200) ** 0.5, None),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, initializers.Initializer) else "",
)
def test_drawn_numbers_have_their_distribution(initializer: Any, mean: float, deviation: float, limits: Any) -> None:
    drawn = initializer((300, 200))

    assert abs(drawn.mean() - mean) < 5 * deviation / drawn.size**0.5
    assert abs(drawn.std() / deviation - 1) < 0.02
    if limits is not None:
        assert drawn.min() >= limits[0]
        assert drawn.max() <= limits[1]
    np.testing.assert_array_equal(drawn, initializer.clone()((300, 200)))


def test_orthogonal_rows() -> None:
    drawn = initializers.Orthogonal(gain=2.0, seed=1)((3, 4, 20))

    flat = drawn.reshape(12, 20)
    np.testing.assert_allclose(flat @ flat.T, 4 * np.eye(12), atol=1e-5)


def test_stft_wants_a_kernel_and_known_names() -> None:
    with pytest.raises(ShapeError, match="frame_length"):
        initializers.STFT()((3, 4))
    for wrong in ({"side": "left"}, {"scaling": "loud"}, {"window": "door"}):
        with pytest.raises(InvalidArgumentError):
            initializers.STFT(**wrong)
