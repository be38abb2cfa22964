"""fit, evaluate and predict on all kinds of data, compared with real Keras (fixtures/make_data_answers.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit.errors import InvalidArgumentError
from graphkit.utils import dataset
from tests.training.data_scenarios import SCENARIOS, OnlyIterable, X, Y, batches, py_dataset, regressor

ANSWERS = json.loads((Path(__file__).resolve().parents[2] / "fixtures" / "data.json").read_text())


def rounded(value: Any) -> Any:
    """Return a structure with its numbers as approximations."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return pytest.approx(value, rel=1e-4, abs=1e-5) if isinstance(value, float) else value


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_data_give_keras_numbers(name: str) -> None:
    graphkit.utils.set_random_seed(1)

    made = json.loads(json.dumps(SCENARIOS[name](graphkit, dataset)))

    assert made == rounded(ANSWERS[name])


def test_hooks_of_a_data_set_are_called_once_per_epoch() -> None:
    data = py_dataset(graphkit)

    regressor(graphkit).fit(data, epochs=3, verbose=0)

    assert (data.begun, data.ended) == (3, 3)
    assert sorted(data.calls) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_an_iterable_of_unknown_length_is_read_again_in_each_epoch() -> None:
    data = OnlyIterable(size=4)

    history = regressor(graphkit).fit(data, epochs=3, verbose=0).history

    wanted = regressor(graphkit).fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx(wanted["loss"])


def test_a_loader_whose_batches_are_lists_of_torch_like_tensors_is_taken() -> None:
    class Tensor:
        def __init__(self, array: Any) -> None:
            self.array, self.shape = array, array.shape

        def detach(self) -> Tensor:
            return self

        cpu = detach

        def numpy(self) -> Any:
            return self.array

    class Loader:
        def __len__(self) -> int:
            return 3

        def __iter__(self) -> Any:
            return ([Tensor(x), Tensor(y)] for x, y in batches())

    wanted = regressor(graphkit).fit(X, Y, batch_size=5, shuffle=False, verbose=0).history
    assert regressor(graphkit).fit(Loader(), verbose=0).history["loss"] == pytest.approx(wanted["loss"])
    assert regressor(graphkit).predict(Loader(), verbose=0).shape == (12, 1)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_data_without_end_need_a_number_of_steps(method: str) -> None:
    endless = dataset.Dataset.from_tensor_slices((X, Y)).batch(5).repeat()

    with pytest.raises(InvalidArgumentError, match="you must specify the number of batches"):
        getattr(regressor(graphkit), method)(endless, verbose=0)


def test_targets_beside_a_data_set_are_refused_in_keras_words() -> None:
    data = dataset.Dataset.from_tensor_slices((X, Y)).batch(5)

    with pytest.raises(
        InvalidArgumentError, match=r"When providing `x` as a tf\.data\.Dataset, `y` should not be passed"
    ):
        regressor(graphkit).fit(data, Y)
    with pytest.raises(InvalidArgumentError, match="`sample_weight` should not be passed"):
        regressor(graphkit).fit(py_dataset(graphkit), sample_weight=X[:, 0])


def test_one_array_of_targets_belongs_to_the_only_output_with_a_loss() -> None:
    inputs = graphkit.Input((3,))
    hidden = graphkit.layers.Dense(4)(inputs)
    model = graphkit.Model(inputs, [graphkit.layers.Dense(1)(hidden), hidden])
    model.compile("sgd", loss=["mse", None])
    x = np.ones((4, 3), "float32")
    history = model.fit(x, np.zeros((4, 1)), verbose=0)

    assert np.isfinite(history.history["loss"]).all()
    assert np.isfinite(model.evaluate(x, np.zeros((4, 1)), verbose=0))
