"""Training continues from files of older Keras: compared with the weights that the same Keras had two steps later."""

from __future__ import annotations

import json
import tarfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import layers, models, optimizers
from graphkit.converters.keras_legacy.compile_settings import optimizer_of, readers_for
from graphkit.core.errors import NotCompiledError
from graphkit.saving.compile_settings import compile_arguments

PACKED = Path(__file__).parents[2] / "fixtures" / "optimizers.tar.xz"


def _members() -> list[str]:
    with tarfile.open(PACKED) as archive:
        return [n for n in archive.getnames() if n.endswith((".h5", ".keras")) and ".after." not in n]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("optimizers")
    with tarfile.open(PACKED) as archive:
        archive.extractall(path, filter="data")
    return path


@pytest.mark.parametrize("name", _members())
def test_training_goes_on(name: str, folder: Path) -> None:
    path = folder / name
    data = np.load(path.parent / "data.npz")
    model = graphkit.load(path)
    wanted = graphkit.load(path, compile=False)
    wanted.load_weights(path.parent / f"{path.stem}.after.h5")

    for _ in range(2):
        model.train_on_batch(data["x"], data["y"])

    assert model.metrics_names == ["loss", "compile_metrics"]
    for variable, other in zip(model.weights, wanted.weights, strict=True):
        if name.startswith("keras-") and "variance" in variable.path:
            continue  # Keras up to 2.3 kept the unbiased variance
        np.testing.assert_allclose(variable.numpy(), other.numpy(), rtol=1e-5, atol=1e-6, err_msg=variable.path)


def compiled(optimizer: Any) -> Any:
    x = layers.Input((3,))
    model: Any = models.Model(x, layers.Dense(2, name="out")(layers.Dense(3, activation="tanh", name="in")(x)))
    model.compile(optimizer, "mse", metrics=["mae", "accuracy"])
    return model


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize(
    "name", ["SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam", "Ftrl", "Adafactor"]
)
def test_our_own_files_keep_the_state(name: str, suffix: str, tmp_path: Path) -> None:
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    model = compiled(name)
    for _ in range(3):
        model.train_on_batch(x, y)
    model.save(tmp_path / f"m.{suffix}")

    again = graphkit.load(tmp_path / f"m.{suffix}")

    for ours, theirs in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    for trained in (model, again):
        trained.train_on_batch(x, y)
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_include_optimizer_false_leaves_the_state_out(tmp_path: Path) -> None:
    model = compiled("adam")

    model.save(tmp_path / "m.h5", include_optimizer=False)

    assert graphkit.load(tmp_path / "m.h5").optimizer is None


def test_state_of_another_model_is_left_out_with_a_warning(tmp_path: Path) -> None:
    import h5py

    model = compiled("adam")
    model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file["optimizer_weights"].attrs["weight_names"] = file["optimizer_weights"].attrs["weight_names"][:-1]

    with pytest.warns(
        UserWarning, match="state was not loaded: the 9 arrays of the file are not those of Adam for 4 weights"
    ):
        again = graphkit.load(tmp_path / "m.h5")

    assert int(again.optimizer.iterations.numpy()) == 0


# ----- argument names of older Keras -----


def test_decay_is_a_schedule() -> None:
    made = optimizer_of(
        {"class_name": "SGD", "config": {"lr": 0.1, "decay": 0.5, "momentum": 0.0, "nesterov": False}}, "2.2.4"
    )

    made.build([])
    made.counter.assign(2)
    np.testing.assert_allclose(np.asarray(made.learning_rate), 0.1 / (1 + 0.5 * 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("2.2.4", "global_clipnorm"), ("", "global_clipnorm"), ("2.2.4-tf", "clipnorm"), ("2.9.0", "clipnorm")],
)
def test_clipnorm_was_of_all_gradients_before_tf_keras(version: str, expected: str) -> None:
    made = optimizer_of({"class_name": "Adam", "config": {"lr": 0.1, "clipnorm": 1.0, "epsilon": None}}, version)

    assert getattr(made, expected) == 1.0
    assert made.epsilon == 1e-7


def test_both_kinds_of_clipping_are_not_had() -> None:
    config = {"class_name": "SGD", "config": {"lr": 0.1, "clipnorm": 1.0, "clipvalue": 0.5}}

    with pytest.warns(UserWarning, match="clipvalue=0.5 of the file is left out"):
        assert optimizer_of(config, "2.2.4").clipvalue is None


def test_a_scaled_optimizer_is_the_one_inside() -> None:
    inner = {"class_name": "Adam", "config": {"name": "Adam", "learning_rate": 0.5}}
    config = {"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": inner, "dynamic": True}}

    assert isinstance(optimizer_of(config, "2.9.0"), optimizers.Adam)


def test_losses_and_metrics_in_older_words() -> None:
    training = {
        "optimizer_config": {"class_name": "SGD", "config": {"lr": 0.1}},
        "loss": {
            "a": "cosine_proximity",
            "b": {"class_name": "MeanSquaredError", "config": {"reduction": "auto", "name": "m"}},
        },
        "metrics": [
            [
                {
                    "class_name": "MeanMetricWrapper",
                    "config": {"name": "acc", "dtype": "float32", "fn": "categorical_accuracy"},
                }
            ],
            ["acc"],
        ],
        "sample_weight_mode": "temporal",
        "loss_weights": [0.5, 1.0],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = compile_arguments(training, readers_for("2.4.0"))

    assert made["loss"]["a"] == "cosine_similarity"
    assert made["loss"]["b"].reduction == "sum_over_batch_size"
    assert (made["metrics"][0][0].name, type(made["metrics"][0][0]).__name__) == ("acc", "CategoricalAccuracy")
    assert made["metrics"][1] == ["acc"]
    assert made["loss_weights"] == [0.5, 1.0]


def test_what_is_not_known_is_named_and_left_out(tmp_path: Path) -> None:
    import h5py

    compiled("adam").save(tmp_path / "m.h5")
    training = {
        "optimizer_config": {"class_name": "MyOptimizer", "config": {}},
        "loss": "my_loss",
        "metrics": ["my_metric", "mae"],
        "loss_weights": None,
    }
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        file.attrs["training_config"] = json.dumps(training)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = graphkit.load(tmp_path / "m.h5")

    said = " ".join(str(w.message) for w in caught)
    assert all(f"'{name}' of the file is left out" in said for name in ("MyOptimizer", "my_loss", "my_metric"))
    assert model.compile_state.user_metrics == ["mae"]


def test_a_custom_loss_does_not_stop_an_archive(tmp_path: Path) -> None:
    @graphkit.saving.register_keras_serializable("tests", "gone_loss")
    def gone_loss(y_true: Any, y_pred: Any) -> Any:
        return y_pred

    model = compiled("adam")
    model.compile("adam", gone_loss)
    model.save(tmp_path / "m.keras")
    graphkit.saving.get_custom_objects().pop("tests>gone_loss")

    with pytest.warns(UserWarning, match="The loss 'tests>gone_loss' of the file is left out"):
        again = graphkit.load(tmp_path / "m.keras")

    assert isinstance(again.optimizer, optimizers.Adam)
    x, y = np.ones((2, 3), "float32"), np.ones((2, 2), "float32")
    for train in (again.fit, again.evaluate, again.train_on_batch, again.test_on_batch):
        with pytest.raises(NotCompiledError, match=r"needs the loss 'tests>gone_loss' of the file"):
            train(x, y)
    again.compile("sgd", "mse")
    again.train_on_batch(x, y)
