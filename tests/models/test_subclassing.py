"""Models of user-defined classes: export to ONNX, copies, and what Sequential models do with their layers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import graphkit
from graphkit import InputSpec, KerasTensor, layers, models, ops, tree
from graphkit.errors import InvalidArgumentError, NotBuiltError, ShapeError

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
IDS = np.array([[1, 2], [3, 4]])


class Plain(models.Model):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(3, activation="relu"), layers.Dense(2)

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.second(self.first(x))


class TwoArguments(Plain):
    def call(self, x: Any, y: Any) -> Any:
        return self.second(self.first(x)) - y


class Named(Plain):
    def call(self, inputs: Any) -> Any:
        return {"difference": self.second(self.first(inputs["x"])) - inputs["y"], "same": inputs["x"]}


class Listed(Plain):
    def call(self, inputs: Any) -> Any:
        x, y = inputs
        return [self.second(self.first(x)) - y, y]


class Tokens(models.Model):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.reader = layers.Embedding(9, 3), layers.LSTM(2)

    def call(self, ids: Any) -> Any:
        return self.reader(self.table(ids))


class Tripled(models.Model):
    def __init__(self) -> None:
        x = layers.Input((4,), name="x")
        super().__init__(x, layers.Dense(2)(x))

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs) * 3.0


class Raised(models.Sequential):
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return {"more": super().call(inputs) + 1.0, "inputs": inputs}


def raised() -> Any:
    return Raised([layers.Input((4,), name="x"), layers.Dense(2)])


ROWS: list[tuple[str, Callable[[], Any], Callable[[Any], Any], list[Any], list[str]]] = [
    ("plain", Plain, lambda m: m(X), [X], ["x"]),
    ("predicted", Plain, lambda m: m.predict(X, verbose=0), [X], ["x"]),
    ("two arguments", TwoArguments, lambda m: m(X, X[:, :2]), [X, X[:, :2]], ["x", "y"]),
    ("dict", Named, lambda m: m({"x": X, "y": X[:, :2]}), [X, X[:, :2]], ["x", "y"]),
    ("list", Listed, lambda m: m([X, X[:, :2]]), [X, X[:, :2]], ["inputs_0", "inputs_1"]),
    ("integers", Tokens, lambda m: m(IDS), [IDS], ["ids"]),
    ("functional with a call", Tripled, lambda m: m(X), [X], ["x"]),
    ("sequential with a call", raised, lambda m: m(X), [X], ["x"]),
]


def outputs_of(path: Path, feeds: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the inputs of an ONNX file, and its outputs for arrays."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    return inputs, session.run(None, {i.name: feed for i, feed in zip(inputs, feeds, strict=True)})


@pytest.mark.parametrize(("make", "call", "feeds", "names"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_it_is_exported_as_it_was_called(
    tmp_path: Path, make: Callable[[], Any], call: Callable[[Any], Any], feeds: list[Any], names: list[str]
) -> None:
    model = make()
    expected = tree.flatten(call(model))
    model.export(tmp_path / "m.onnx")
    inputs, made = outputs_of(tmp_path / "m.onnx", feeds)

    assert [i.name for i in inputs] == names
    assert all(i.shape[0] == "batch" for i in inputs)
    for ours, theirs in zip(expected, made, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "signature",
    [[InputSpec(shape=(None, 4), dtype="float32")], [KerasTensor((None, 4))], KerasTensor((None, 4))],
    ids=["specs", "tensors", "one tensor"],
)
@pytest.mark.parametrize("make", [Plain, Tripled], ids=["subclass", "functional"])
def test_it_is_exported_by_a_signature(tmp_path: Path, make: Callable[[], Any], signature: Any) -> None:
    model = make()
    model.export(tmp_path / "m.onnx", input_signature=signature)

    np.testing.assert_allclose(outputs_of(tmp_path / "m.onnx", [X])[1][0], model(X), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_exported_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotBuiltError, match=r"has not been called.*input_signature="):
        Plain().export(tmp_path / "m.onnx")
    with pytest.raises(InvalidArgumentError, match="input_signature expects objects with a shape"):
        Plain().export(tmp_path / "m.onnx", input_signature=3)
    with pytest.raises(ShapeError, match=r"expects shape \(None, 4\), got \(None, 5\)"):
        Tripled().export(tmp_path / "m.onnx", input_signature=[KerasTensor((None, 5))])


@pytest.mark.parametrize("make", [Plain, Tripled], ids=["subclass", "functional"])
def test_pickles_and_copies_compute_the_same(make: Callable[[], Any]) -> None:
    model = make()
    model.compile("adam", "mse")
    model.fit(X, np.ones((3, 2)), verbose=0)

    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert type(other) is make
        np.testing.assert_array_equal(other(X), model(X))
        assert int(other.optimizer.iterations) == 1


def test_predict_runs_the_call_of_the_class() -> None:
    model = raised()
    made = model.predict(X, verbose=0)

    np.testing.assert_allclose(made["more"], model(X)["more"], rtol=1e-6)
    np.testing.assert_array_equal(made["inputs"], X)


def test_other_subclasses_of_a_base_class_do_not_become_functional() -> None:
    class Base(models.Model):
        def twice(self, x: Any) -> Any:
            return 2 * self(x)

    class Graph(Base):
        pass

    class Code(Base):
        def call(self, x: Any) -> Any:
            return x

    x = layers.Input((4,))
    graph: Any = Graph(x, layers.ReLU()(x))
    code: Any = Code()

    assert isinstance(graph, models.Functional)
    assert not isinstance(code, models.Functional)
    np.testing.assert_array_equal(code.twice(X), 2 * X)
    np.testing.assert_array_equal(graph.twice(X), 2 * np.maximum(X, 0))


# ----- Sequential -----


def test_a_layer_added_one_by_one_has_one_output() -> None:
    model = models.Sequential()
    model.add(layers.Input((4,)))
    for units in (3, 2, 1):
        model.add(layers.Dense(units))
    features: Any = models.Model(model.inputs, [layer.output for layer in model.layers])

    assert [len(layer.nodes) for layer in model.layers] == [1, 1, 1]
    np.testing.assert_allclose(features(X)[-1], model(X), rtol=1e-6)


def test_sizes_may_change_where_the_layers_allow_it() -> None:
    model = models.Sequential([layers.Embedding(10, 3), layers.LSTM(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    for length in (5, 7, 6):
        model.train_on_batch(np.ones((2, length), "int32"), np.zeros((2, 1)))

    assert model.predict(np.ones((2, 9), "int32"), verbose=0).shape == (2, 1)
    assert model.input_shape == (None, None)
    assert model.layers[0].output.shape == (None, None, 3)


def test_sizes_that_a_layer_needs_may_not_change() -> None:
    model = models.Sequential([layers.Flatten(), layers.Dense(1)])
    model(np.ones((2, 3, 4)))
    with pytest.raises(ShapeError):
        model(np.ones((2, 5, 4)))

    assert model(np.ones((5, 3, 4))).shape == (5, 1)


# ----- state after build -----


def test_new_state_after_build_is_refused_and_adapters_are_not() -> None:
    class Own(layers.Dense):
        pass

    dense = Own(2)
    dense.build((None, 4))
    with pytest.raises(ValueError, match="cannot add new elements of state"):
        dense.more = layers.Dense(1)
    with pytest.raises(ValueError, match="cannot add new elements of state"):
        dense.add_weight(shape=(1,))
    dense.kernel = dense.kernel  # nothing new
    dense.enable_lora(1)

    assert [w.path for w in dense.trainable_weights] == ["own/bias", "own/lora_kernel_a", "own/lora_kernel_b"]


def test_a_forgotten_constructor_is_named() -> None:
    class Forgetful(layers.Layer):
        def __init__(self) -> None:
            self.units = 3

    with pytest.raises(RuntimeError, match=r"In layer 'Forgetful', you forgot to call `super\(\).__init__\(\)`"):
        Forgetful()(X)


def test_a_config_is_not_dumped_into_a_message() -> None:
    config = {"name": "m", "layers": ["x" * 50] * 200}
    with pytest.raises(TypeError) as error:
        Plain.from_config(config)

    assert len(str(error.value)) < 600
    with pytest.raises(ValueError, match="Unrecognized keyword arguments") as error:
        layers.Layer(**config)
    assert len(str(error.value)) < 900


def test_objects_in_configs_are_serialized() -> None:
    class Pair(layers.Layer):
        def __init__(self, inner: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.inner = inner

        def call(self, x: Any) -> Any:
            return self.inner(x)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "inner": self.inner}

        @classmethod
        def from_config(cls, config: Any) -> Any:
            return cls(**{**config, "inner": graphkit.saving.deserialize_keras_object(config["inner"])})

    x = layers.Input((4,))
    model: Any = models.Model(x, ops.relu(Pair(layers.Dense(2))(x)))
    again = models.model_from_json(model.to_json(), custom_objects={"Pair": Pair})
    again.set_weights(model.get_weights())

    np.testing.assert_array_equal(again(X), model(X))
