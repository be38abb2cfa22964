"""Random draws in ONNX depend on the seed state and have the right distribution; their values differ from the engine's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphkit.converters.onnx import program_to_onnx
from graphkit.ir.spec import spec
from graphkit.ir.tracing import trace
from graphkit.ops import random
from tests.converters.onnx.comparing import run_onnx

COUNT = 40_000
DRAWS: dict[str, tuple[Callable[[Any], Any], float, float]] = {  # draw, mean, deviation
    "uniform": (lambda s: random.uniform((COUNT,), seed=s), 0.5, 1 / np.sqrt(12)),
    "normal": (lambda s: random.normal((COUNT,), seed=s), 0.0, 1.0),
    "truncated_normal": (lambda s: random.truncated_normal((COUNT,), seed=s), 0.0, 0.8796),
    "dropout": (lambda s: random.dropout(np.ones(COUNT, np.float32), 0.3, seed=s), 1.0, np.sqrt(0.3 / 0.7)),
}


def draw(name: str, seed: int, counter: int, opset: int = 21) -> Any:
    message = program_to_onnx(trace(DRAWS[name][0], spec(2, dtype="uint32")), opset=opset)
    return run_onnx(message, [np.array([seed, counter], np.uint32)])["output"]


@pytest.mark.parametrize("name", DRAWS)
def test_mean_and_deviation_are_those_of_the_distribution(name: str) -> None:
    _, mean, deviation = DRAWS[name]
    made = draw(name, 7, 0)
    assert abs(made.mean() - mean) < 5 * deviation / np.sqrt(COUNT)
    assert abs(made.std() - deviation) < 0.02
    assert abs(np.corrcoef(made[1:], made[:-1])[0, 1]) < 5 / np.sqrt(COUNT)


@pytest.mark.parametrize("name", DRAWS)
def test_equal_seeds_draw_equal_numbers_and_a_new_count_draws_others(name: str) -> None:
    first = draw(name, 7, 0)
    assert (first == draw(name, 7, 0)).all()
    for other in (draw(name, 7, 1), draw(name, 8, 0)):
        assert abs(np.corrcoef(first, other)[0, 1]) < 5 / np.sqrt(COUNT)


def test_old_opsets_draw_the_same_numbers() -> None:
    assert (draw("normal", 7, 0, 17) == draw("normal", 7, 0)).all()


def test_a_free_batch_axis_is_drawn_for() -> None:
    program = trace(lambda x, s: random.dropout(x, 0.5, seed=s), spec("b", 3), spec(2, dtype="uint32"))
    made = run_onnx(program_to_onnx(program), [np.ones((4, 3), np.float32), np.array([1, 0], np.uint32)])["output"]
    assert made.shape == (4, 3)
    assert set(made.ravel().tolist()) <= {0.0, 2.0}


def test_a_generator_is_state_of_the_graph() -> None:
    generator = random.SeedGenerator(3, name="seed_generator")
    program = trace(lambda x: random.dropout(x, 0.5, seed=generator), spec("b", 3))
    message = program_to_onnx(program, ["x"], ["y"])
    assert [i.name for i in message.graph.input] == ["x", generator.state.path]
    made = run_onnx(message, [np.ones((2, 3), np.float32), np.array([3, 0], np.uint32)])
    assert made[f"{generator.state.path}:updated"].tolist() == [3, 1]
