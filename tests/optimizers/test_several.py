"""Several optimizers for the parts of one model: each updates its own part."""

from __future__ import annotations

from typing import Any

import numpy as np

import graphkit
from graphkit import layers, optimizers


def test_a_key_of_a_map_is_a_whole_path_or_a_pattern_for_one() -> None:
    rest, named, matched = (optimizers.SGD(rate) for rate in (0.1, 0.2, 0.3))
    table = optimizers.OptimizerMap(rest, {"a/kernel": named, "b/.*": matched})

    assert table["a/kernel"] is named
    assert table["b/bias"] is matched
    for path in ("a/kernel_2", "deep/a/kernel", "deep/b/bias", "kernel", "a/bias"):
        assert table[path] is rest, path


def test_each_optimizer_updates_its_variables_alone() -> None:
    made: Any = graphkit.Sequential([graphkit.Input((2,)), layers.Dense(2, name="a"), layers.Dense(1, name="b")])
    table = optimizers.OptimizerMap(optimizers.SGD(0.0), {f"{made.name}/b/kernel|b/kernel": optimizers.SGD(0.5)})
    made.compile(optimizers.MultiOptimizer(table), "mse")
    before = made.get_weights()
    made.train_on_batch(np.ones((3, 2)), np.full((3, 1), 9.0))

    moved = [not np.array_equal(old, new) for old, new in zip(before, made.get_weights(), strict=True)]
    assert moved == [False, False, True, False]
