"""User-defined classes and functions in files, by Keras' methods: weights, assets, compile settings and graphs are restored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, losses, metrics, models, ops
from graphkit.errors import InvalidArgumentError, SerializationError
from graphkit.saving.keras3_differences import NotInKerasWarning, missing_layers
from tests.converters.keras_legacy.test_legacy_h5 import write_h5

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
registered = graphkit.saving.register_keras_serializable("own_classes")


# ----- subclassed models -----


@registered
class Blocks(models.Model):
    """Layers in an attribute, a dict and a list; no `build`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first, self.blocks = layers.Dense(3), {"x": [layers.Dense(2), layers.BatchNormalization()]}

    def call(self, x: Any, training: bool = False) -> Any:
        dense, norm = self.blocks["x"]
        return norm(dense(self.first(x)), training=training)


@registered
class TwoInputs(models.Model):
    """A `call` that takes two tensors."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.left, self.right = layers.Dense(2), layers.Dense(2)

    def call(self, a: Any, b: Any) -> Any:
        return self.left(a) + self.right(b)


@registered
class NamedInputs(models.Model):
    """A `call` that takes a dict."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = layers.Dense(2)

    def call(self, inputs: Any) -> Any:
        return self.dense(ops.concatenate([inputs["a"], inputs["b"]], axis=-1))


@registered
class Tokens(models.Model):
    """A `call` that takes integers."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.table, self.dense = layers.Embedding(5, 3), layers.Dense(2)

    def call(self, ids: Any) -> Any:
        return self.dense(self.table(ops.bitwise_and(ids, 3)))


@registered
class Outer(models.Model):
    """A model that contains models."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner, self.stack = Blocks(), models.Sequential([layers.Dense(4), layers.Dense(1)])

    def call(self, x: Any) -> Any:
        return self.stack(self.inner(x))


CALLS: list[tuple[Any, tuple[Any, ...]]] = [
    (Blocks, (X,)),
    (TwoInputs, (X, X[:, :2])),
    (NamedInputs, ({"a": X, "b": X[:, :1]},)),
    (Tokens, (np.array([[1, 2], [3, 0]], "int32"),)),
    (Outer, (X,)),
]


@pytest.mark.parametrize("suffix", ["m.keras", "folder"])
@pytest.mark.parametrize(("cls", "inputs"), CALLS, ids=lambda v: getattr(v, "__name__", ""))
def test_a_subclassed_model_comes_back_with_its_weights(tmp_path: Path, cls: Any, inputs: Any, suffix: str) -> None:
    model = cls()
    wanted = np.asarray(model(*inputs))
    for weight in model.weights:
        weight.assign(weight + 0.5)
    wanted = np.asarray(model(*inputs))

    model.save(tmp_path / suffix, zipped=suffix != "folder")

    again = models.load_model(tmp_path / suffix)
    np.testing.assert_array_equal(np.asarray(again(*inputs)), wanted)


def test_a_model_that_cannot_be_built_alone_says_so(tmp_path: Path) -> None:
    @registered
    class Picky(models.Model):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.dense = layers.Dense(1)

        def call(self, x: Any) -> Any:
            if not isinstance(x, np.ndarray) and getattr(x, "history", None) is None and fail[0]:
                raise RuntimeError("needs numbers")
            return self.dense(x)

    fail = [False]
    model = Picky()
    model(X)
    model.save(tmp_path / "m.keras")
    fail[0] = True

    with (
        pytest.warns(UserWarning, match=r"Model 'picky.*' could not be built.*needs numbers"),
        pytest.raises(SerializationError, match=r"m\.keras.*has 0 weights"),
    ):
        models.load_model(tmp_path / "m.keras")


def test_layers_built_before_the_sequential_come_back(tmp_path: Path) -> None:
    table, dense = layers.Embedding(10, 4), layers.Dense(2)
    table.build()
    dense.build((None, 4))
    model: Any = models.Sequential([table, dense])
    ids = np.array([[1, 2, 3]])

    model.save(tmp_path / "m.keras")

    np.testing.assert_array_equal(models.load_model(tmp_path / "m.keras")(ids), model(ids))


# ----- arguments of compile -----


@registered
class Count(metrics.Metric):
    """A metric whose constructor passes its arguments on."""

    def __init__(self, name: str = "count", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        self.total.assign(self.total + 1.0)

    def result(self) -> Any:
        return self.total.value


class NamedCount(Count):
    """A metric whose constructor only takes a name."""

    def __init__(self, name: str = "named") -> None:
        super().__init__(name=name)


def test_a_metric_of_ones_own_has_a_config() -> None:
    assert Count(name="other").get_config() == {"name": "other", "dtype": "float32"}
    assert NamedCount("other").get_config() == {"name": "other"}
    assert Count.from_config(Count(name="other", dtype="float64").get_config()).dtype == "float64"
    assert NamedCount.from_config(NamedCount("other").get_config()).name == "other"


@registered
def own_loss(y_true: Any, y_pred: Any) -> Any:
    """A user-defined loss function."""
    return ops.mean((y_true - y_pred) ** 2, axis=-1)


@registered
class OwnLoss(losses.Loss):
    """A user-defined loss class."""

    def __init__(self, power: float = 2.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.power = power

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(ops.abs(y_true - y_pred) ** self.power, axis=-1)


@registered
class OwnCompile(models.Model):
    """A model with its own `compile`, whose settings are saved."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = layers.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)

    def compile(self, loss_fn: Any, rates: Any = (), **kwargs: Any) -> None:
        super().compile("sgd", loss_fn, **kwargs)
        self.loss_fn, self.rates = loss_fn, rates

    def get_compile_config(self) -> dict[str, Any]:
        return {"loss_fn": self.loss_fn, "rates": self.rates, "size": np.float32(2), "array": np.arange(3)}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        made = graphkit.saving.deserialize_keras_object(config)
        assert made["size"] == 2
        np.testing.assert_array_equal(made["array"], [0, 1, 2])
        self.compile(made["loss_fn"], made["rates"])


@pytest.mark.parametrize("loss", [own_loss, OwnLoss(3.0), losses.MeanSquaredError()])
def test_compile_settings_may_be_functions_and_objects(tmp_path: Path, loss: Any) -> None:
    model = OwnCompile()
    model.compile(loss, [0.1, 0.2])
    model(X)
    model.save(tmp_path / "m.keras")

    again = models.load_model(tmp_path / "m.keras")

    assert again.rates == [0.1, 0.2]
    assert again.loss_fn is own_loss if loss is own_loss else type(again.loss_fn) is type(loss)
    assert getattr(again.loss_fn, "power", None) == getattr(loss, "power", None)


def test_a_model_compiled_with_own_objects_comes_back(tmp_path: Path) -> None:
    model: Any = models.Sequential([layers.Input((4,)), layers.Dense(1)])
    model.compile("adam", OwnLoss(1.5), metrics=[Count(), "mae"])
    model.fit(X, X[:, :1], verbose=0)
    model.save(tmp_path / "m.keras")

    again = models.load_model(tmp_path / "m.keras")

    assert again.evaluate(X, X[:, :1], verbose=0) == pytest.approx(model.evaluate(X, X[:, :1], verbose=0))


# ----- custom state and assets -----


@registered
class More(layers.Dense):
    """A layer with an array in addition to its weights."""

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        store["more"] = np.arange(3)

    def load_own_variables(self, store: Any) -> None:
        self.more = store["more"][:]
        super().load_own_variables({key: store[key] for key in store.keys() if key != "more"})  # noqa: SIM118 (as people write it)


def test_own_variables_may_call_those_of_the_base(tmp_path: Path) -> None:
    model: Any = models.Sequential([layers.Input((4,)), More(2, name="more")])
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")

    again: Any = models.load_model(tmp_path / "m.keras")

    assert np.asarray(again.layers[0].more).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    again.load_weights(tmp_path / "m.weights.h5")


def test_the_base_methods_store_weights_by_number() -> None:
    layer, other = layers.Dense(2), layers.Dense(2)
    layer.build((None, 3))
    other.build((None, 3))
    store: dict[str, Any] = {}

    layer.save_own_variables(store)
    other.load_own_variables(store)

    assert list(store) == ["0", "1"]
    np.testing.assert_array_equal(other.get_weights()[0], layer.get_weights()[0])
    with pytest.raises(ValueError, match=r"has 2 weights \['kernel', 'bias'\], the file has 1: \['0'\]"):
        other.load_own_variables({"0": store["0"]})


@registered
class WithNotes(layers.Layer):
    """A layer that saves files."""

    def __init__(self, notes: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.notes: dict[str, str] = {}

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}

    def call(self, x: Any) -> Any:
        return x

    def save_assets(self, dir_path: str) -> None:
        for name, text in self.notes.items():
            path = Path(dir_path) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def load_assets(self, dir_path: str) -> None:
        found = (p for p in Path(dir_path).rglob("*") if p.is_file())
        self.notes = {p.relative_to(dir_path).as_posix(): p.read_text() for p in found}


@pytest.mark.parametrize("zipped", [True, False])
def test_own_assets_come_back(tmp_path: Path, zipped: bool) -> None:
    layer = WithNotes()
    layer.notes = {"a.txt": "one", "deep/b.txt": "two"}
    models.Sequential([layers.Input((4,)), layer]).save(tmp_path / "m.keras", zipped=zipped)

    assert models.load_model(tmp_path / "m.keras").layers[0].notes == layer.notes


# ----- configs of graphs -----


def test_model_from_config_makes_the_functional_model() -> None:
    x = layers.Input((3,))
    model = models.Model(x, layers.Dense(2)(x))

    again = models.Model.from_config(model.get_config())

    assert again.output_shape == (None, 2)
    assert type(again) is type(model)


# ----- warnings -----


def two_layers(units: int, first: str = "a", second: str = "b") -> Any:
    x = layers.Input((4,))
    return models.Model(x, layers.Dense(units, name=second)(layers.Dense(5, name=first)(x)))


@pytest.mark.parametrize("name", ["m.h5", "m.keras", "m.weights.h5", "m.npz", "m.weights.json", "m.safetensors"])
def test_what_skip_mismatch_leaves_is_told(tmp_path: Path, name: str) -> None:
    model, other = two_layers(10), two_layers(25)
    write = model.save if name in ("m.h5", "m.keras") else model.save_weights
    write(tmp_path / name)

    with pytest.warns(UserWarning, match=r"Skipping loading weights of .*Dense layer 'b'.*shape \(5, 25\)"):
        other.load_weights(tmp_path / name, skip_mismatch=True)

    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_names_that_match_nothing_are_told(tmp_path: Path) -> None:
    two_layers(3, "old", "older").save(tmp_path / "m.h5")

    with pytest.warns(UserWarning, match=r"No layer of the model .*\['old', 'older'\].*\['new', 'newer'\]"):
        two_layers(3, "new", "newer").load_weights(tmp_path / "m.h5", by_name=True)


@pytest.mark.parametrize("name", ["m.keras", "folder", "m.weights.h5", "m.npz", "m.weights.json", "m.safetensors"])
def test_names_are_not_ignored_where_a_file_has_places(tmp_path: Path, name: str) -> None:
    model, other = two_layers(3, "old"), two_layers(3, "mine")
    model.save(tmp_path / name, zipped=name != "folder") if name in ("m.keras", "folder") else model.save_weights(
        tmp_path / name
    )
    before = other.get_weights()

    with pytest.raises(InvalidArgumentError, match=r"by_name=True is for HDF5 files of older Keras.*by their place"):
        other.load_weights(tmp_path / name, by_name=True)

    for weight, old in zip(other.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


OLD = {
    "LocallyConnected1D": {"class_name": "LocallyConnected1D", "config": {"name": "old", "filters": 2, "kernel_size": [2]}},
    "time_major=True": {"class_name": "LSTM", "config": {"name": "old", "units": 2, "time_major": True, "return_sequences": True}},
}  # fmt: skip


@pytest.mark.parametrize("what", OLD)
def test_what_keras_cannot_open_is_told(tmp_path: Path, what: str) -> None:
    entry = {**OLD[what], "config": {**OLD[what]["config"], "batch_input_shape": [None, 5, 3]}}
    config = {"class_name": "Sequential", "config": {"name": "s", "layers": [entry]}, "keras_version": "2.3.1"}
    (tmp_path / "old.json").write_text(json.dumps(config))
    model = graphkit.load(tmp_path / "old.json")

    for name in ("m.keras", "m.h5", "m.json"):
        with pytest.warns(NotInKerasWarning, match=rf"Keras 3 cannot open .*layer 'old' .*{what}"):
            model.save(tmp_path / name)
    lost: list[str] = []
    graphkit.convert(tmp_path / "old.json", tmp_path / "c.keras", lost=lost)
    assert any(what in said for said in lost)
    with pytest.raises(SerializationError, match=what):
        graphkit.convert(tmp_path / "old.json", tmp_path / "d.keras", strict=True)
    model.export(tmp_path / "m.onnx")  # ONNX has no Keras names, so there is no warning


def test_layers_that_keras_3_lacks_are_known() -> None:
    """Expected values computed with Keras 3.15.1."""
    assert {
        "ThresholdedReLU",
        "MaxoutDense",
        "Highway",
        "SReLU",
        "LocallyConnected1D",
        "LocallyConnected2D",
    } <= missing_layers()
    assert not {"Dense", "LSTM", "Conv2DTranspose", "GroupQueryAttention", "ReLU"} & missing_layers()


def test_an_older_file_is_still_named(tmp_path: Path) -> None:
    path = write_h5(
        tmp_path / "m.h5",
        {"class_name": "Sequential", "config": [{"class_name": "Nonsense", "config": {"name": "n"}}]},
        {},
    )

    with pytest.raises(SerializationError, match=r"m\.h5.*'n'.*Nonsense"):
        graphkit.load(path)


def test_weights_of_words_must_fit_the_vocabulary(tmp_path: Path) -> None:
    """A single value would have been broadcast."""
    layer = layers.TextVectorization(output_mode="tf_idf", name="words")
    layer.adapt(["a b", "b c"])
    model: Any = models.Sequential([layers.Input((1,), dtype="string"), layer])
    model.save_weights(tmp_path / "w.npz")
    kept = dict(np.load(tmp_path / "w.npz"))
    assert {array.shape for array in kept.values()} == {(4,)}
    for wrong in (np.float32(3), np.ones(2, "float32"), np.ones((4, 1), "float32")):
        np.savez(tmp_path / "w.npz", **dict.fromkeys(kept, wrong))

        with pytest.raises(
            SerializationError, match=r"w\.npz.*'words'.*cannot load its own weights: `idf_weights`.*shape"
        ):
            model.load_weights(tmp_path / "w.npz")


def test_assets_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    import zipfile

    layer = layers.StringLookup(name="words")
    layer.adapt(np.array(["a", "b"], object))
    models.Sequential([layers.Input((1,), dtype="string"), layer]).save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "m.keras", "w") as made:
        for member in good.namelist():
            made.writestr(member, b"\xff\xfe" if member.startswith("assets") else good.read(member))

    with pytest.raises(SerializationError, match=r"m\.keras.*Layer 'words' \(StringLookup\) cannot load its assets"):
        models.load_model(tmp_path / "m.keras")
