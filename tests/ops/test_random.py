"""Random numbers: the same for the same seed, of the right distribution, state of the program while tracing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit.ops as ops
from graphkit import random
from graphkit.core.seeds import set_session_seed
from graphkit.errors import InvalidArgumentError
from graphkit.ir.spec import spec
from graphkit.ir.tracing import replay, trace

DRAWS: dict[str, Any] = {
    "normal": lambda seed: random.normal((50,), seed=seed),
    "uniform": lambda seed: random.uniform((50,), seed=seed),
    "truncated_normal": lambda seed: random.truncated_normal((50,), seed=seed),
    "randint": lambda seed: random.randint((50,), 0, 1000, seed=seed),
    "categorical": lambda seed: random.categorical(np.zeros((2, 9)), 50, seed=seed),
    "shuffle": lambda seed: random.shuffle(np.arange(50), seed=seed),
    "dropout": lambda seed: random.dropout(np.ones(50), 0.5, seed=seed),
    "gamma": lambda seed: random.gamma((50,), 2.0, seed=seed),
    "beta": lambda seed: random.beta((50,), 2.0, 3.0, seed=seed),
    "binomial": lambda seed: random.binomial((50,), 100, 0.5, seed=seed),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_draws_the_same_numbers(name: str) -> None:
    np.testing.assert_array_equal(DRAWS[name](7), DRAWS[name](7))
    assert not np.array_equal(DRAWS[name](7), DRAWS[name](8))


@pytest.mark.parametrize("name", DRAWS)
def test_a_generator_draws_others_each_time_and_the_same_in_each_run(name: str) -> None:
    first, second = random.SeedGenerator(3), random.SeedGenerator(3)
    runs = [[DRAWS[name](generator) for _ in range(2)] for generator in (first, second)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0][0], runs[0][1])


def test_draws_without_a_seed_follow_from_the_session_seed() -> None:
    set_session_seed(5)
    first = [random.normal((3,)), random.normal((3,))]
    set_session_seed(5)
    np.testing.assert_array_equal(first, [random.normal((3,)), random.normal((3,))])
    assert not np.array_equal(first[0], first[1])


def test_normal_numbers_have_their_mean_and_deviation() -> None:
    x = random.normal((200_000,), mean=3.0, stddev=2.0, seed=1)
    assert x.dtype == np.float32
    np.testing.assert_allclose([x.mean(), x.std()], [3, 2], atol=0.02)


def test_truncated_numbers_stay_within_two_deviations() -> None:
    x = random.truncated_normal((100_000,), mean=1.0, stddev=0.5, seed=1)
    assert 0.0 <= x.min() < x.max() <= 2.0
    np.testing.assert_allclose(x.std(), 0.5 * 0.8796, atol=0.01)


def test_uniform_numbers_fill_their_range() -> None:
    x = random.uniform((100_000,), minval=-1, maxval=3, seed=1)
    assert -1 <= x.min() < -0.999 < 2.999 < x.max() <= 3
    np.testing.assert_allclose(x.mean(), 1, atol=0.02)


def test_integers_are_even_and_exclude_the_upper_end() -> None:
    x = random.randint((60_000,), 2, 5, seed=1)
    np.testing.assert_allclose(np.bincount(x) / 20_000, [0, 0, 1, 1, 1], atol=0.03)


def test_categories_come_as_often_as_their_probabilities_say() -> None:
    x = random.categorical(np.log([[0.1, 0.6, 0.3]]), 50_000, seed=1)
    assert x.shape == (1, 50_000)
    np.testing.assert_allclose(np.bincount(x[0]) / 50_000, [0.1, 0.6, 0.3], atol=0.01)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    x = random.dropout(np.ones(200_000, np.float32), 0.3, seed=1)
    np.testing.assert_allclose(np.unique(x), [0, 1 / 0.7], rtol=1e-6)
    np.testing.assert_allclose([(x == 0).mean(), x.mean()], [0.3, 1.0], atol=0.01)


def test_dropout_of_none_and_of_all() -> None:
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(random.dropout(x, 0.0), x)
    np.testing.assert_array_equal(random.dropout(x, 1.0), np.zeros((2, 3)))
    with pytest.raises(InvalidArgumentError, match=r"rate must be in \[0, 1\], got 1.5"):
        random.dropout(x, 1.5)


def test_a_noise_shape_drops_whole_lines() -> None:
    x = random.dropout(np.ones((100, 4), np.float32), 0.5, noise_shape=(None, 1), seed=1)
    assert all(len(set(row)) == 1 for row in x.tolist())


def test_shuffling_keeps_the_elements() -> None:
    np.testing.assert_array_equal(np.sort(random.shuffle(np.arange(20), seed=1)), np.arange(20))


def test_the_state_of_a_generator_is_state_of_a_traced_program() -> None:
    generator = random.SeedGenerator(3)
    program = trace(lambda x: random.dropout(random.dropout(x, 0.5, seed=generator), 0.5, seed=generator), spec(1000))
    assert [s.variable for s in program.state] == [generator.state]
    x = np.ones(1000, np.float32)
    first, second = replay(program, [x])[0], replay(program, [x])[0]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(generator.state.numpy(), [3, 4])
    eager = random.SeedGenerator(3)
    np.testing.assert_array_equal(first, random.dropout(random.dropout(x, 0.5, seed=eager), 0.5, seed=eager))


def test_the_shape_of_a_draw_may_be_unknown_while_tracing() -> None:
    program = trace(lambda x: random.normal(ops.shape(x), seed=1), spec("batch", 3))
    assert replay(program, [np.zeros((4, 3), np.float32)])[0].shape == (4, 3)


def test_a_generator_comes_back_from_its_config() -> None:
    config = random.SeedGenerator(3, name="noise").get_config()
    assert config == {"seed": 3, "name": "noise"}
    assert random.SeedGenerator.from_config(config).state.numpy().tolist() == [3, 0]


def test_what_is_no_seed_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="seed must be an int, a SeedGenerator or None, got 'x'"):
        random.normal((2,), seed="x")
    for seed in ("x", 1.5, -1):
        with pytest.raises(InvalidArgumentError, match="must be an integer that is not negative"):
            random.SeedGenerator(seed)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="cannot contain character `/`"):
        random.SeedGenerator(1, name="a/b")
