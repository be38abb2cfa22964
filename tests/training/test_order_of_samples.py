"""Which samples are in which batch, determined from the losses: each sample contributes a different power of two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import callbacks, layers, optimizers

ROWS = 10
X = np.zeros((ROWS, 1), "float32")
Y = np.sqrt(2.0 ** np.arange(ROWS)).astype("float32")[:, None]


class Batches(callbacks.Callback):
    """Records the samples of each batch, by epoch, and those of evaluations."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[list[set[int]]] = []
        self.evaluated: list[set[int]] = []
        self._seen: set[int] = set()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append([])
        self._seen = set()

    def on_test_begin(self, logs: Any = None) -> None:
        self._seen = set()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._note(logs["loss"], self.epochs[-1])

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._note(logs["loss"], self.evaluated)

    def _note(self, mean: float, batches: list[set[int]]) -> None:
        """Return the samples that have entered the running mean since the last batch."""
        for count in range(len(self._seen) + 1, ROWS + 1):
            total = round(mean * count)
            samples = {i for i in range(ROWS) if total >> i & 1}
            if len(samples) == count and abs(mean * count - total) < 1e-2 and samples > self._seen:
                batches.append(samples - self._seen)
                self._seen = samples
                return
        raise AssertionError(f"no set of samples has the mean {mean}, after {self._seen}")


def model() -> Any:
    """A layer that returns 0 and has no trainable weights."""
    made: Any = graphkit.Sequential([graphkit.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
    made.compile(optimizers.SGD(0.0), "mse")
    return made


def trained(*data: Any, seed: int = 3, **arguments: Any) -> Batches:
    graphkit.utils.set_random_seed(seed)
    seen = Batches()
    model().fit(*(data or (X, Y)), callbacks=[seen], verbose=0, **arguments)
    return seen


def orders(seen: Batches) -> list[list[int]]:
    """Return the samples of batches of size 1."""
    return [[sample for (sample,) in epoch] for epoch in seen.epochs]


def test_without_shuffle_the_samples_come_in_order_and_the_last_batch_is_smaller() -> None:
    seen = trained(batch_size=4, epochs=2, shuffle=False)

    assert seen.epochs == [[{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}]] * 2


def test_shuffle_gives_another_order_in_each_epoch_with_every_sample_once() -> None:
    first, second, third = orders(trained(batch_size=1, epochs=3))

    assert sorted(first) == sorted(second) == sorted(third) == list(range(ROWS))
    assert len({tuple(order) for order in (first, second, third, range(ROWS))}) == 4


def test_samples_are_shuffled_by_default_and_batches_are_mixed() -> None:
    (epoch,) = trained(batch_size=5).epochs

    assert [len(batch) for batch in epoch] == [5, 5]
    assert epoch[0] not in ({0, 1, 2, 3, 4}, {5, 6, 7, 8, 9})


def test_the_seed_alone_decides_the_order() -> None:
    assert orders(trained(batch_size=1, epochs=2)) == orders(trained(batch_size=1, epochs=2))
    assert orders(trained(batch_size=1)) != orders(trained(batch_size=1, seed=4))


def test_two_trainings_in_one_session_have_orders_of_their_own() -> None:
    graphkit.utils.set_random_seed(3)
    found = []
    for _ in range(2):
        seen = Batches()
        model().fit(X, Y, batch_size=1, callbacks=[seen], verbose=0)
        found.append(orders(seen))
    assert found[0] != found[1]


def test_shuffle_batch_keeps_batches_whole_and_changes_their_order() -> None:
    seen = trained(batch_size=2, epochs=4, shuffle="batch")

    whole = [{i, i + 1} for i in range(0, ROWS, 2)]
    for epoch in seen.epochs:
        assert sorted(map(sorted, epoch)) == sorted(map(sorted, whole))
    assert len({tuple(map(tuple, epoch)) for epoch in [*seen.epochs, whole]}) == 5


def test_shuffle_batch_includes_a_smaller_last_batch() -> None:
    for epoch in trained(batch_size=4, epochs=3, shuffle="batch").epochs:
        assert sorted(map(sorted, epoch)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_validation_takes_the_last_samples_before_shuffling_and_in_order() -> None:
    seen = trained(batch_size=1, epochs=2, validation_split=0.3)

    assert [sorted(order) for order in orders(seen)] == [[0, 1, 2, 3, 4, 5, 6]] * 2
    assert seen.evaluated == [{7}, {8}, {9}] * 2


def test_validation_has_a_batch_size_of_its_own() -> None:
    seen = trained(batch_size=5, validation_data=(X, Y), validation_batch_size=3)
    assert seen.evaluated == [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9}]
    assert trained(batch_size=6, validation_data=(X, Y)).evaluated == [{0, 1, 2, 3, 4, 5}, {6, 7, 8, 9}]


def test_validation_steps_limit_the_batches_from_the_start() -> None:
    seen = trained(batch_size=3, epochs=2, validation_data=(X, Y), validation_steps=2)
    assert seen.evaluated == [{0, 1, 2}, {3, 4, 5}] * 2


def test_steps_per_epoch_goes_on_where_the_epoch_before_ended() -> None:
    seen = trained(batch_size=2, epochs=3, steps_per_epoch=2, shuffle=False)
    assert seen.epochs == [[{0, 1}, {2, 3}], [{4, 5}, {6, 7}], [{8, 9}]]


def test_batches_are_of_32_by_default() -> None:
    x = np.zeros((70, 1), "float32")
    sizes: list[int] = []

    class Data(layers.Layer):
        def call(self, inputs: Any) -> Any:
            sizes.append(inputs.shape[0])
            return inputs

    made: Any = graphkit.Sequential([graphkit.Input((1,)), Data(), layers.Dense(1)])
    made.compile("sgd", "mse")
    made.fit(x, x, verbose=0)
    assert [s for s in sizes if s in (32, 6)] == [32, 6]


def test_evaluate_keeps_the_order_and_takes_the_last_batch() -> None:
    seen = Batches()
    total = model().evaluate(X, Y, batch_size=4, callbacks=[seen], verbose=0)

    assert seen.evaluated == [{0, 1, 2, 3}, {4, 5, 6, 7}, {8, 9}]
    assert total == pytest.approx((2**ROWS - 1) / ROWS)


def test_predict_keeps_the_order_and_takes_the_last_batch() -> None:
    x = np.arange(ROWS, dtype="float32")[:, None]
    same: Any = graphkit.Sequential([graphkit.Input((1,)), layers.Rescaling(2.0)])

    np.testing.assert_array_equal(same.predict(x, batch_size=4, verbose=0), 2 * x)
    np.testing.assert_array_equal(same.predict(x, batch_size=3, steps=2, verbose=0), 2 * x[:6])
    np.testing.assert_array_equal(same.predict(x, batch_size=100, verbose=0), 2 * x)


class Numbered(graphkit.utils.PyDataset):
    """Batches of one sample, by index."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = 0

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, index: int) -> Any:
        return X[index : index + 1], Y[index : index + 1]

    def on_epoch_end(self) -> None:
        self.ends += 1


def test_a_data_set_of_numbered_batches_is_shuffled_by_batches() -> None:
    data = Numbered()
    found = orders(trained(data, epochs=3))

    assert [sorted(order) for order in found] == [list(range(ROWS))] * 3
    assert len({tuple(order) for order in [*found, list(range(ROWS))]}) == 4
    assert data.ends == 3
    assert orders(trained(Numbered(), epochs=2, shuffle=False)) == [list(range(ROWS))] * 2


def test_a_generator_is_never_shuffled() -> None:
    def batches() -> Iterator[Any]:
        for _ in range(2):
            for i in range(0, ROWS, 2):
                yield X[i : i + 2], Y[i : i + 2]

    seen = trained(batches(), epochs=2, steps_per_epoch=5)
    assert seen.epochs == [[{i, i + 1} for i in range(0, ROWS, 2)]] * 2


def test_several_inputs_targets_and_weights_are_shuffled_together() -> None:
    a, b = graphkit.Input((1,), name="a"), graphkit.Input((1,), name="b")
    made: Any = graphkit.Model([a, b], layers.Subtract()([a, b]))
    made.compile("sgd", "mse")
    numbers = np.random.default_rng(0).normal(size=(50, 1)).astype("float32")
    weights = np.where(numbers[:, 0] > 0, 1.0, 0.0).astype("float32")
    targets = np.where(numbers > 0, -numbers, 9.0).astype("float32")

    with np.errstate(all="raise"):
        loss = made.evaluate([numbers, 2 * numbers], targets, sample_weight=weights, verbose=0)
    history = fitted(made, [numbers, 2 * numbers], targets, weights)

    assert loss == 0
    assert history == [0, 0]


def fitted(made: Any, x: Any, y: Any, weights: Any) -> list[float]:
    """Return the losses of two epochs of a model with a trainable layer on top, whose predictions are exact."""
    x0, x1 = made.inputs
    extra: Any = graphkit.Model([x0, x1], layers.Dense(1, kernel_initializer="ones")(made([x0, x1])))
    extra.compile("sgd", "mse")
    found: list[float] = extra.fit(x, y, sample_weight=weights, batch_size=7, epochs=2, verbose=0).history["loss"]
    return found
