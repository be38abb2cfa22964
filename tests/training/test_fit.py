"""fit, evaluate, predict: forms of data, options, results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models, utils

Array = np.ndarray


def dense(units: int = 1, activation: str | None = None, features: int = 3, loss: Any = "mse", **options: Any) -> Any:
    x = graphkit.Input((features,), name="x")
    model = models.Model(x, layers.Dense(units, activation=activation, name="out")(x))
    model.compile(options.pop("optimizer", "sgd"), loss, **options)
    return model


def two_outputs(**options: Any) -> Any:
    a, b = graphkit.Input((3,), name="a"), graphkit.Input((2,), name="b")
    both = layers.concatenate([a, b])
    model = models.Model([a, b], [layers.Dense(1, name="one")(both), layers.Dense(2, name="two")(both)])
    model.compile("sgd", "mse", **options)
    return model


def data(rows: int = 10, features: int = 3) -> tuple[Array, Array]:
    random = np.random.default_rng(0)
    return random.normal(size=(rows, features)).astype("float32"), random.normal(size=(rows, 1)).astype("float32")


def start(model: Any) -> Any:
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=w.shape) for w in model.get_weights()])
    return model


def losses(model: Any, *args: Any, **kwargs: Any) -> list[float]:
    return start(model).fit(*args, verbose=0, **kwargs).history["loss"]


# ----- what fit does -----


def test_sgd_on_a_line_is_what_numpy_computes() -> None:
    x, y = data(8)
    model = start(dense())
    kernel, bias = model.get_weights()
    expected = []
    for _ in range(3):
        error = x @ kernel + bias - y
        expected.append(float(np.mean(error**2)))
        kernel, bias = kernel - 0.01 * 2 * x.T @ error / 8, bias - 0.01 * 2 * error.mean(0)
    found = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], kernel, rtol=1e-5)


def test_the_same_seed_gives_the_same_bits() -> None:
    def train() -> list[Array]:
        utils.set_random_seed(7)
        model = dense(4, "relu", optimizer="adam")
        model.fit(data(50)[0], np.zeros((50, 4)), batch_size=8, epochs=2, verbose=0)
        return model.get_weights()

    for first, second in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_last_batch_may_be_smaller_and_counts_by_its_rows() -> None:
    x, y = data(10)
    model = start(dense(optimizer=graphkit.optimizers.SGD(0.0)))
    found = model.fit(x, y, batch_size=4, verbose=0).history["loss"][0]
    assert found == pytest.approx(float(np.mean((model(x) - y) ** 2)), rel=1e-5)


def test_history_holds_epochs_and_params() -> None:
    history = dense().fit(*data(10), batch_size=4, epochs=3, initial_epoch=1, verbose=0)
    assert history.epoch == [1, 2]
    assert history.params == {"verbose": 0, "epochs": 3, "steps": 3}


def test_a_changed_learning_rate_takes_effect_without_a_new_trace() -> None:
    x, y = data()
    model = dense()
    model.fit(x, y, verbose=0)
    plans = dict(model.train_function.steps)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    assert model.train_function.steps == plans
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_a_frozen_layer_keeps_its_weights_even_without_compiling_again() -> None:
    x = graphkit.Input((3,))
    hidden = layers.Dense(3, name="hidden")
    model = models.Model(x, layers.Dense(1)(hidden(x)))
    model.compile("sgd", "mse")
    model.fit(*data(), verbose=0)
    hidden.trainable = False
    before = hidden.get_weights()
    model.fit(*data(), verbose=0)
    np.testing.assert_array_equal(hidden.get_weights()[0], before[0])


def test_constraints_hold_after_each_step() -> None:
    x = graphkit.Input((3,))
    model = models.Model(x, layers.Dense(4, kernel_constraint="non_neg")(x))
    model.compile(graphkit.optimizers.SGD(1.0), "mse")
    model.fit(data()[0], -np.ones((10, 4)), verbose=0)
    assert model.get_weights()[0].min() >= 0


# ----- forms of data -----


def batches(x: Array, y: Array, size: int = 5) -> Iterator[tuple[Array, Array]]:
    while True:
        for start_ in range(0, len(x), size):
            yield x[start_ : start_ + size], y[start_ : start_ + size]


class Numbered(utils.PyDataset):
    def __init__(self, x: Array, y: Array) -> None:
        super().__init__()
        self.x, self.y, self.epochs = x, y, 0

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        return self.x[index * 5 : index * 5 + 5], self.y[index * 5 : index * 5 + 5]

    def on_epoch_end(self) -> None:
        self.epochs += 1


def test_generators_and_datasets_train_as_their_arrays_do() -> None:
    x, y = data(10)
    wanted = losses(dense(), x, y, batch_size=5, epochs=2, shuffle=False)
    assert losses(dense(), batches(x, y), steps_per_epoch=2, epochs=2) == wanted
    numbered = Numbered(x, y)
    assert losses(dense(), numbered, epochs=2, shuffle=False) == wanted
    assert numbered.epochs == 2
    listed = [(x[:5], y[:5]), (x[5:], y[5:])]

    class Iterable:
        def __iter__(self) -> Iterator[Any]:
            return iter(listed)

    assert losses(dense(), Iterable(), epochs=2) == wanted


def test_lists_dicts_float64_and_one_axis_targets_train_alike() -> None:
    x, y = data(10)
    wanted = losses(dense(), x, y, shuffle=False)
    for given_x, given_y in [
        ([x], [y]),
        ({"x": x}, {"out": y}),
        (x.astype("float64"), y.astype("float64")),
        (x, y[:, 0]),
        (x.tolist(), y.tolist()),
    ]:
        assert losses(dense(), given_x, given_y, shuffle=False) == pytest.approx(wanted, rel=1e-6)


def test_several_inputs_and_outputs_by_list_and_by_name() -> None:
    x, y = data(10)
    b, two = x[:, :2], np.concatenate([y, y], 1)
    wanted = losses(two_outputs(), [x, b], [y, two], shuffle=False)
    assert losses(two_outputs(), {"b": b, "a": x}, {"two": two, "one": y}, shuffle=False) == wanted


def test_a_target_may_be_left_out_where_an_output_has_no_loss() -> None:
    a = graphkit.Input((3,))
    model = models.Model(a, [layers.Dense(1, name="one")(a), layers.Dense(2, name="two")(a)])
    model.compile("sgd", {"one": "mse"})
    with pytest.warns(UserWarning, match="Gradients do not exist for variables .'two/kernel', 'two/bias'"):
        history = model.fit(data()[0], {"one": data()[1]}, verbose=0)
    assert list(history.history) == ["loss"]


def test_validation_split_takes_the_last_samples_before_shuffling() -> None:
    x, y = data(10)
    model = start(dense(optimizer=graphkit.optimizers.SGD(0.0)))
    history = model.fit(x, y, validation_split=0.3, verbose=0).history
    assert history["val_loss"][0] == pytest.approx(float(np.mean((model(x[7:]) - y[7:]) ** 2)), rel=1e-5)


def test_validation_data_may_be_weighted_and_less_frequent() -> None:
    x, y = data(10)
    weight = np.arange(10, dtype="float32")
    model = start(dense(optimizer=graphkit.optimizers.SGD(0.0)))
    history = model.fit(x, y, validation_data=(x, y, weight), validation_freq=2, epochs=4, verbose=0).history
    assert len(history["val_loss"]) == 2
    assert history["val_loss"][0] == pytest.approx(float(np.mean((model(x) - y)[:, 0] ** 2 * weight)), rel=1e-5)


def test_class_weights_are_sample_weights_by_class() -> None:
    x = data(10)[0]
    y = np.arange(10) % 3
    options = {"units": 3, "activation": "softmax", "loss": "sparse_categorical_crossentropy"}
    wanted = losses(dense(**options), x, y, sample_weight=np.array([1.0, 2.0, 3.0])[y], shuffle=False)
    assert losses(dense(**options), x, y, class_weight={1: 2.0, 2: 3.0}, shuffle=False) == pytest.approx(wanted)


# ----- evaluate, predict, single batches -----


def test_evaluate_gives_numbers_in_order_or_by_name() -> None:
    x, y = data(10)
    model = start(dense(metrics=["mae"]))
    loss, mae = model.evaluate(x, y, batch_size=4, verbose=0)
    assert model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True) == {"loss": loss, "mae": mae}
    assert mae == pytest.approx(float(np.mean(np.abs(model(x) - y))), rel=1e-5)


def test_predict_keeps_the_structure_of_the_outputs_and_joins_batches() -> None:
    x = graphkit.Input((3,), name="x")
    model = models.Model(x, {"sum": layers.Dense(2)(x), "same": layers.Dense(1)(x)})
    given = data(10)[0]
    found = model.predict(given, batch_size=4, verbose=0)
    assert set(found) == {"sum", "same"}
    for name, value in model(given).items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-6)


def test_predict_sees_new_weights_after_training() -> None:
    x, y = data(10)
    model = dense()
    before = model.predict(x, verbose=0)
    model.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x), rtol=1e-5, atol=1e-6)
    assert np.abs(model.predict_on_batch(x) - before).max() > 1e-4


def test_train_and_test_on_batch_speak_of_their_batch() -> None:
    x, y = data(10)
    model = start(dense(metrics=["mae"]))
    first = model.test_on_batch(x[:5], y[:5], return_dict=True)
    second = model.test_on_batch(x[5:], y[5:], return_dict=True)
    assert first["loss"] == pytest.approx(model.evaluate(x[:5], y[:5], verbose=0)[0], rel=1e-5)
    assert second["loss"] == pytest.approx(model.evaluate(x[5:], y[5:], verbose=0)[0], rel=1e-5)
    assert isinstance(model.train_on_batch(x, y), list)


def test_sequential_learns_its_input_shape_from_the_data() -> None:
    model = models.Sequential([layers.Dense(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(*data(), verbose=0)
    assert model.count_params() == 3 * 2 + 2 + 2 + 1
    assert model.predict(data()[0], verbose=0).shape == (10, 1)


def test_a_custom_loss_and_metric_are_traced() -> None:
    def twice(y_true: Any, y_pred: Any) -> Any:
        return 2 * graphkit.ops.mean(graphkit.ops.square(y_true - y_pred), axis=-1)

    history = start(dense(loss=twice, metrics=["mse", twice])).fit(*data(), verbose=0).history
    assert history["loss"][0] == pytest.approx(2 * history["mse"][0])
    assert history["twice"][0] == pytest.approx(history["loss"][0])


# ----- compile config -----


def test_the_compile_config_has_keras_form_and_compiles_again() -> None:
    model = dense(
        optimizer=graphkit.optimizers.Adam(0.5), loss={"out": "mse"}, metrics=["mae", graphkit.metrics.AUC(name="a")]
    )
    config = model.get_compile_config()
    assert config["optimizer"]["class_name"] == "Adam"
    assert config["loss"] == {"out": "mse"}
    assert config["metrics"][0] == "mae"
    again = dense()
    again.compile_from_config(config)
    assert again.optimizer.built
    assert float(again.optimizer.learning_rate.array) == 0.5
    assert again.get_compile_config()["metrics"] == config["metrics"]


# ----- errors -----

X, Y = data()
WRONG = [
    (lambda m: m.fit(X, Y[:5]), ValueError, "Data cardinality is ambiguous.*\n'x' sizes: 10\n'y' sizes: 5"),
    (lambda m: m.fit(X[:0], Y[:0]), ValueError, "the arrays have no samples"),
    (lambda m: m.fit(X, Y, batch_size=0), ValueError, "batch_size must be a positive integer, got 0"),
    (lambda m: m.fit(X, Y, epoch=2), TypeError, "'epoch'.*Did you mean 'epochs'"),
    (
        lambda m: m.fit(X, Y, validation_split=1.5),
        ValueError,
        "`validation_split` must be a float between 0 and 1, got 1.5",
    ),
    (
        lambda m: m.fit(X[:, :2], Y),
        ValueError,
        r"Input 'x' of model .* expects shape \(None, 3\), got \(10, 2\)",
    ),
    (lambda m: m.fit(X, [Y, Y]), ValueError, "one output, but y is a list of 2 arrays"),
    (
        lambda m: dense(3).fit(X, np.zeros((10, 4))),
        ValueError,
        r"Loss 'mse' of output 'out', target of shape \(10, 4\), output of shape \(10, 3\)",
    ),
    (lambda m: m.fit(X, Y, sample_weight=np.ones((10, 3, 2))), ValueError, "sample_weight has shape"),
    (lambda m: m.fit(X, Y, class_weight={0: 1.0}, sample_weight=np.ones(10)), ValueError, "at the same time"),
    (lambda m: m.fit(X), ValueError, "Output 'out' has a loss, but no target"),
    (lambda m: m.fit(None, Y), ValueError, "is not optional, but None was passed"),
    (lambda m: m.fit({"y": X}, Y), ValueError, "'x'"),
    (lambda m: m.compile("sdg", "mse"), ValueError, "Unknown optimizer: 'sdg'. Did you mean 'sgd'"),
    (lambda m: m.compile("sgd", "mean_square_error"), ValueError, "Did you mean 'mean_squared_error'"),
    (lambda m: m.compile("sgd", "mse", metrics=["acuracy"]), ValueError, "Did you mean 'accuracy'"),
    (
        lambda m: m.compile("sgd", {"aut": "mse"}) or m.fit(X, Y),
        ValueError,
        "loss names 'aut', but the model's outputs are .'out'",
    ),
    (lambda m: m.compile("sgd", "mse", metric=["mae"]), TypeError, "Did you mean 'metrics'"),
]


@pytest.mark.parametrize(("action", "kind", "message"), WRONG)
def test_errors_say_what_was_wanted(action: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        action(dense())


def test_class_numbers_for_a_one_hot_loss_get_a_hint() -> None:
    model = dense(3, "softmax", loss="categorical_crossentropy")
    with pytest.raises(ValueError, match="For class indices use sparse_categorical_crossentropy"):
        model.fit(X, np.zeros(10, "int32"), verbose=0)


def test_one_hot_targets_for_a_sparse_loss_get_a_hint() -> None:
    model = dense(3, "softmax", loss="sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="for one-hot targets use categorical_crossentropy"):
        model.fit(X, np.zeros((10, 3)), verbose=0)


def test_fit_before_compile_raises_an_error_and_without_trainable_weights_a_warning() -> None:
    x = graphkit.Input((3,))
    with pytest.raises(RuntimeError, match=r"You must call `compile\(\)` before using the model\. `fit\(\)`"):
        models.Model(x, layers.Dense(1)(x)).fit(X, Y)
    model = dense()
    model.trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match="The model does not have any trainable weights"):
        assert model.fit(X, Y, verbose=0).history["loss"][0] > 0
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_large_batches_are_copied_whole_on_several_threads() -> None:
    from graphkit.core.threads import num_threads, set_num_threads
    from graphkit.training.data import ArraySource, gather

    model = dense(features=30000)
    x = np.arange(50 * 30000, dtype="float32").reshape(50, 30000)
    before = num_threads()
    try:
        set_num_threads(3)
        for shuffle in (False, True):
            seen = []
            for batch in ArraySource(gather(model, x, np.zeros((50, 1))), 20, shuffle, seed=1).epoch():
                buffers = [np.empty((batch.rows, 30000), "float32"), np.empty((batch.rows, 1), "float32")]
                batch.load(buffers)
                seen.append(buffers[0])
            found = np.concatenate(seen)
            np.testing.assert_array_equal(found[np.argsort(found[:, 0])], x)
    finally:
        set_num_threads(before)
