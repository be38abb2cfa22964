"""Every optimizer with every argument makes real Keras' updates, eagerly and as a compiled program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.engine import compile_program
from graphkit.ir.spec import TensorSpec
from graphkit.ir.tracing import trace
from tests.optimizers.step_scenarios import scales, scenarios

with np.load(Path(__file__).resolve().parents[2] / "fixtures" / "optimizer_steps.npz", allow_pickle=False) as file:
    ANSWERS = dict(file)


def compiled(optimizer: Any, weights: list[Any]) -> Callable[[list[Any]], None]:
    """Update with a compiled program, in which small weights are updated together, as in `fit`."""
    plans: dict[Any, Any] = {}

    def apply(gradients: list[Any]) -> None:
        given = [g for g in gradients if g is not None]
        key = tuple(g is None for g in gradients)
        if key not in plans:

            def update(*arrays: Any) -> Any:
                left = iter(arrays)
                optimizer.apply([None if missing else next(left) for missing in key], weights)
                return arrays[0]

            with optimizer.packed():
                plans[key] = compile_program(trace(update, *(TensorSpec.of(g) for g in given)))
        plans[key](*given)
        optimizer.touch()

    return apply


WAYS = {"at once": scenarios(graphkit), "compiled": scenarios(graphkit, compiled)}
SCALES = scales(graphkit)


def assert_answers(name: str, found: dict[str, Any]) -> None:
    wanted, start = ANSWERS[name], 0
    for part, array in found.items():
        theirs = wanted[start : start + array.size].reshape(array.shape)
        start += array.size
        np.testing.assert_allclose(array, theirs, rtol=3e-5, atol=3e-6, err_msg=part)
    assert start == wanted.size


def test_every_scenario_has_an_answer() -> None:
    assert set(ANSWERS) == {*WAYS["at once"], *SCALES}


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", WAYS["at once"])
def test_the_steps_are_those_of_keras(name: str, way: str) -> None:
    assert_answers(name, WAYS[way][name]())


@pytest.mark.parametrize("name", SCALES)
def test_loss_scales_are_those_of_keras(name: str) -> None:
    assert_answers(name, SCALES[name]())
