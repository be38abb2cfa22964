"""Kinds of data for fit, evaluate, predict and adapt, which fixtures/make_data_answers.py runs with real Keras, and the tests here.

Each scenario takes Keras and `tf.data`, and returns numbers, or the name of an error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

X = np.random.default_rng(1).normal(size=(12, 3)).astype("float32")
Y = np.random.default_rng(2).normal(size=(12, 1)).astype("float32")
W = np.linspace(0.5, 1.5, 12).astype("float32")
CLASSES = np.array([0, 1, 2] * 4)


def regressor(keras: Any, **compiled: Any) -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[0.1], [-0.2], [0.3]]), np.zeros(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse", **compiled)
    return model


def classifier(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="softmax")])
    model.set_weights([np.arange(9).reshape(3, 3) / 10.0, np.zeros(3)])
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def two_inputs(keras: Any) -> Any:
    a, b = keras.Input((3,), name="a"), keras.Input((1,), name="b")
    first, second = keras.layers.Dense(1, name="first"), keras.layers.Dense(1, name="second")
    model = keras.Model({"a": a, "b": b}, {"first": first(a), "second": second(b)})
    first.set_weights([np.array([[0.1], [-0.2], [0.3]]), np.zeros(1)])
    second.set_weights([np.array([[0.5]]), np.zeros(1)])
    model.compile(keras.optimizers.SGD(0.1), {"first": "mse", "second": "mae"})
    return model


def trained(model: Any, *data: Any, **arguments: Any) -> dict[str, Any]:
    """Return the history and the weights after training, without shuffling."""
    history = model.fit(*data, **{"verbose": 0, "shuffle": False, **arguments}).history
    return {"history": history, "weights": [np.asarray(w).tolist() for w in model.get_weights()]}


def batches(size: int = 5, times: int | None = 1, weights: bool = False, start: int = 0) -> Iterator[Any]:
    """Yield batches of the data, `times` times, without end for None."""
    while times is None or times > 0:
        for k in range(start, 12, size):
            rows = slice(k, k + size)
            yield (X[rows], Y[rows], W[rows]) if weights else (X[rows], Y[rows])
        times = None if times is None else times - 1


class OnlyIterable:
    """Data with `__iter__` alone."""

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments

    def __iter__(self) -> Iterator[Any]:
        return batches(**self.arguments)


class NumberedBatches:
    """What py_dataset returns is a subclass of this and of PyDataset."""

    def setup(self, size: int = 5, weights: bool = False) -> Any:
        self.size, self.weights, self.calls = size, weights, []
        return self

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * self.size, (index + 1) * self.size)
        self.calls.append(int(index))
        return (X[rows], Y[rows], W[rows]) if self.weights else (X[rows], Y[rows])


def py_dataset(
    keras: Any, number: int | None = 3, by_property: bool = False, made: Any = None, **arguments: Any
) -> Any:
    """Return a PyDataset whose number of batches is given by `__len__` or by `num_batches`."""
    if by_property:

        class Data(NumberedBatches, keras.utils.PyDataset):  # type: ignore[misc, name-defined]
            num_batches = property(lambda self: number)

            def __getitem__(self, index: int) -> Any:
                return super().__getitem__(index % 2)

    else:

        class Data(NumberedBatches, keras.utils.PyDataset):  # type: ignore[misc, name-defined, no-redef]
            begun, ended = 0, 0

            def __len__(self) -> int:
                return number or 0

            def on_epoch_begin(self) -> None:
                self.begun += 1

            def on_epoch_end(self) -> None:
                self.ended += 1

    return Data(**(made or {})).setup(**arguments)


def warned(call: Callable[[], Any], part: str) -> Any:
    """Return a result, and whether a warning with this text came."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        made = call()
    return [made, any(part in str(w.message) for w in found)]


def refused(call: Callable[[], Any]) -> str:
    """Return the kind of error that a call raises."""
    try:
        call()
    except Exception as error:
        kinds = (ValueError, TypeError, RuntimeError)
        return next((k.__name__ for k in kinds if isinstance(error, k)), type(error).__name__)
    return "no error"


def predicted(model: Any, *data: Any, **arguments: Any) -> Any:
    made = model.predict(*data, verbose=0, **arguments)
    return {k: v.tolist() for k, v in made.items()} if isinstance(made, dict) else made.tolist()


RAN_OUT = "ran out of data"


def by_part(tf_data: Any) -> Any:
    return tf_data.Dataset.from_tensor_slices(({"a": X, "b": Y}, {"first": Y, "second": X[:, :1]})).batch(5)


def of_length(keras: Any) -> Any:
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)])
    model.set_weights([np.array([[0.1], [-0.2], [0.3]]), np.zeros(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")

    def data() -> Iterator[Any]:
        for steps in (2, 4, 3):
            yield np.stack([X[:steps], X[4 : 4 + steps]]), Y[:2]

    return trained(model, data()), [round(float(model.evaluate(data(), verbose=0)), 5), predicted(model, data())]


Scenario = Callable[[Any, Any], Any]
SCENARIOS: dict[str, Scenario] = {
    "arrays": lambda k, d: trained(regressor(k), X, Y, batch_size=5, epochs=2),
    "integers": lambda k, d: trained(regressor(k), (X * 3).astype("int64"), Y.astype("int32"), batch_size=5),
    "booleans": lambda k, d: trained(regressor(k), X > 0, Y > 0, batch_size=5),
    "doubles": lambda k, d: trained(regressor(k), X.astype("float64"), Y.astype("float64"), batch_size=5),
    "steps of arrays": lambda k, d: trained(regressor(k), X, Y, batch_size=5, epochs=2, steps_per_epoch=2),
    # generators
    "generator": lambda k, d: trained(regressor(k), batches(times=2), epochs=2, steps_per_epoch=3),
    "generator without steps": lambda k, d: trained(regressor(k), batches()),
    "generator of weights": lambda k, d: trained(regressor(k), batches(weights=True)),
    "endless generator": lambda k, d: trained(regressor(k), batches(times=None), epochs=3, steps_per_epoch=2),
    "generator with validation": lambda k, d: trained(
        regressor(k), batches(times=None), epochs=2, steps_per_epoch=3, validation_data=batches(4, None), validation_steps=2
    ),
    "generator that ends early": lambda k, d: warned(
        lambda: trained(regressor(k), batches(), epochs=3, steps_per_epoch=2), RAN_OUT
    ),
    "generator that ends in the second epoch": lambda k, d: warned(
        lambda: trained(regressor(k), batches(), epochs=2), RAN_OUT
    ),
    "generator for too many steps": lambda k, d: warned(
        lambda: trained(regressor(k), batches(), steps_per_epoch=8), RAN_OUT
    ),
    "evaluate a generator": lambda k, d: regressor(k).evaluate(batches(), verbose=0),
    "evaluate some steps": lambda k, d: regressor(k).evaluate(batches(), steps=2, verbose=0),
    "evaluate too many steps": lambda k, d: warned(lambda: regressor(k).evaluate(batches(), steps=9, verbose=0), RAN_OUT),
    "predict a generator": lambda k, d: predicted(regressor(k), batches()),
    "predict a generator of weights": lambda k, d: predicted(regressor(k), batches(weights=True)),
    "predict a generator of tuples": lambda k, d: predicted(regressor(k), ((x,) for x, _ in batches())),
    "predict some steps": lambda k, d: predicted(regressor(k), batches(), steps=2),
    # PyDataset
    "PyDataset": lambda k, d: trained(regressor(k), py_dataset(k), epochs=2),
    "PyDataset of weights": lambda k, d: trained(regressor(k), py_dataset(k, weights=True)),
    "PyDataset by a property": lambda k, d: trained(regressor(k), py_dataset(k, 2, by_property=True), epochs=2),
    "endless PyDataset": lambda k, d: trained(
        regressor(k), py_dataset(k, None, by_property=True), epochs=2, steps_per_epoch=3
    ),
    "PyDataset with workers": lambda k, d: trained(
        regressor(k), py_dataset(k, made={"workers": 2, "max_queue_size": 3}), epochs=2
    ),
    "PyDataset with steps": lambda k, d: trained(regressor(k), py_dataset(k), epochs=2, steps_per_epoch=2),
    "PyDataset for validation": lambda k, d: trained(regressor(k), X, Y, batch_size=5, validation_data=py_dataset(k)),
    "evaluate a PyDataset": lambda k, d: regressor(k).evaluate(py_dataset(k), verbose=0),
    "predict a PyDataset": lambda k, d: predicted(regressor(k), py_dataset(k)),
    "predict a PyDataset of weights": lambda k, d: predicted(regressor(k), py_dataset(k, weights=True)),
    # data sets
    "data set": lambda k, d: trained(regressor(k), d.Dataset.from_tensor_slices((X, Y)).batch(5), epochs=2),
    "data set of weights": lambda k, d: trained(regressor(k), d.Dataset.from_tensor_slices((X, Y, W)).batch(5)),
    "shuffled data set": lambda k, d: trained(
        regressor(k), d.Dataset.from_tensor_slices((X, Y)).shuffle(12, seed=3).batch(5), epochs=3
    ),
    "mapped data set": lambda k, d: trained(
        regressor(k), d.Dataset.from_tensor_slices((X, Y)).map(lambda x, y: (x * 2, y)).batch(5).prefetch(1), epochs=2
    ),
    "endless data set": lambda k, d: trained(
        regressor(k), d.Dataset.from_tensor_slices((X, Y)).repeat().batch(5), epochs=2, steps_per_epoch=2
    ),
    "data set of unknown length": lambda k, d: trained(
        regressor(k), d.Dataset.from_tensor_slices((X, Y)).filter(lambda x, y: y[0] > 0).batch(2), epochs=2
    ),
    "data set with steps": lambda k, d: trained(
        regressor(k), d.Dataset.from_tensor_slices((X, Y)).batch(3), epochs=3, steps_per_epoch=2
    ),
    "data set that ends early": lambda k, d: warned(
        lambda: trained(regressor(k), d.Dataset.from_tensor_slices((X, Y)).batch(5), epochs=2, steps_per_epoch=2), RAN_OUT
    ),
    "data set for validation": lambda k, d: trained(
        regressor(k), X, Y, batch_size=5, validation_data=d.Dataset.from_tensor_slices((X, Y)).batch(4), epochs=2
    ),
    "data set for validation, some steps": lambda k, d: trained(
        regressor(k), X, Y, batch_size=5, validation_data=d.Dataset.from_tensor_slices((X, Y)).batch(4), validation_steps=2
    ),
    # Only the total: on TensorFlow, Keras averages the losses of outputs over batches of unknown size without weights.
    "data set of dicts": lambda k, d: trained(two_inputs(k), by_part(d), epochs=2)["history"]["loss"],
    "predict a data set of dicts": lambda k, d: predicted(two_inputs(k), by_part(d)),
    "evaluate a data set": lambda k, d: regressor(k).evaluate(
        d.Dataset.from_tensor_slices((X, Y)).batch(5), return_dict=True, verbose=0
    ),
    "predict a data set": lambda k, d: predicted(regressor(k), d.Dataset.from_tensor_slices((X, Y)).batch(5)),
    "predict a data set of inputs": lambda k, d: predicted(regressor(k), d.Dataset.from_tensor_slices(X).batch(5)),
    "predict a data set, some steps": lambda k, d: predicted(
        regressor(k), d.Dataset.from_tensor_slices(X).batch(5), steps=1
    ),
    "classes of a data set": lambda k, d: trained(
        classifier(k), d.Dataset.from_tensor_slices((X, CLASSES)).batch(5), epochs=2
    ),
    "class weights of a data set": lambda k, d: trained(
        classifier(k), d.Dataset.from_tensor_slices((X, CLASSES)).batch(5), class_weight={0: 1.0, 1: 2.0, 2: 0.5}
    ),
    "shuffled windows": lambda k, d: [
        [np.asarray(x)[:, 0].tolist() for x, _ in data]
        for data in [k.utils.timeseries_dataset_from_array(np.arange(40.0), np.arange(40), 3, shuffle=True, seed=5, batch_size=4)] * 2
    ],
    "shapes that vary": lambda k, d: of_length(k),
    # validation data
    "validation on a pair": lambda k, d: trained(regressor(k), X, Y, batch_size=5, validation_data=(X[:7], Y[:7])),
    "validation on a list": lambda k, d: trained(regressor(k), X, Y, batch_size=5, validation_data=[X[:7], Y[:7]]),
    "validation with weights": lambda k, d: trained(regressor(k), X, Y, batch_size=5, validation_data=(X, Y, W)),
    "validation on a generator": lambda k, d: trained(
        regressor(k), X, Y, batch_size=5, validation_data=batches(times=None), validation_steps=2, epochs=2
    ),
    # refusals
    "targets beside a data set": lambda k, d: refused(
        lambda: regressor(k).fit(d.Dataset.from_tensor_slices((X, Y)).batch(5), Y, verbose=0)
    ),
    "weights beside a data set": lambda k, d: refused(
        lambda: regressor(k).fit(d.Dataset.from_tensor_slices((X, Y)).batch(5), sample_weight=W, verbose=0)
    ),
    "targets beside a generator": lambda k, d: refused(lambda: regressor(k).fit(batches(), Y, verbose=0)),
    "targets beside a PyDataset": lambda k, d: refused(lambda: regressor(k).fit(py_dataset(k), Y, verbose=0)),
    "a split of a data set": lambda k, d: refused(
        lambda: regressor(k).fit(d.Dataset.from_tensor_slices((X, Y)).batch(5), validation_split=0.5, verbose=0)
    ),
    "arrays of two lengths": lambda k, d: refused(lambda: regressor(k).fit(X, Y[:5], verbose=0)),
    "evaluate targets beside a data set": lambda k, d: refused(
        lambda: regressor(k).evaluate(d.Dataset.from_tensor_slices((X, Y)).batch(5), Y, verbose=0)
    ),
}  # fmt: skip
