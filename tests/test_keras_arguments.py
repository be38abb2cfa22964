"""Arguments and names of Keras that no other test file covers: settings, specs, scopes, cloning."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

import graphkit
from graphkit import backend, config, layers, mixed_precision, models, optimizers, saving, tree
from graphkit.core.messages import write_message
from graphkit.errors import InvalidArgumentError, InvalidTypeError, ShapeError
from graphkit.optimizers import legacy

X = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")


def nested() -> Any:
    inner = models.Sequential([graphkit.Input((3,)), layers.Dense(4, name="inner_dense")], name="inner")
    x = graphkit.Input((3,))
    return models.Model(x, layers.Dense(2, name="outer_dense")(inner(x)))


def test_clone_calls_layers_by_a_function_of_yours() -> None:
    called: list[str] = []

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(layer.name)
        return layers.Activation("relu")(layer(*args, **kwargs))

    clone = models.clone_model(nested(), call_function=call)

    assert called == ["inner", "outer_dense"]
    assert [type(layer).__name__ for layer in clone.layers].count("Activation") == 2
    assert (np.asarray(clone(X)) >= 0).all()


def test_clone_goes_into_models_if_asked_to() -> None:
    def widened(layer: Any) -> Any:
        if not isinstance(layer, layers.Dense):
            return type(layer).from_config(layer.get_config())
        return layers.Dense(7, name=layer.name)

    flat = models.clone_model(nested(), clone_function=lambda layer: layer)
    deep = models.clone_model(nested(), clone_function=widened, recursive=True)

    assert flat.get_layer("inner").get_layer("inner_dense").units == 4
    assert deep.get_layer("inner").get_layer("inner_dense").units == 7
    assert deep(X).shape == (20, 7)
    with pytest.raises(InvalidArgumentError, match="not supported with Sequential"):
        models.clone_model(models.Sequential([layers.Dense(1)]), call_function=lambda layer, x: layer(x))
    with pytest.raises(InvalidTypeError, match="cloned"):
        models.clone_model(nested(), cloned=1)


def test_epochs_and_steps_are_limited() -> None:
    model: Any = models.Sequential([graphkit.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    config.set_max_epochs(2)
    config.set_max_steps_per_epoch(3)
    try:
        assert (config.max_epochs(), config.max_steps_per_epoch()) == (2, 3)
        history = model.fit(X, X[:, :1], epochs=9, batch_size=2, verbose=0)
        assert history.epoch == [0, 1]
        assert int(model.optimizer.iterations.numpy()) == 6
        assert model.predict(X, batch_size=2, verbose=0).shape == (6, 1)
    finally:
        config.set_max_epochs(None)
        config.set_max_steps_per_epoch(None)
    assert model.predict(X, batch_size=2, verbose=0).shape == (20, 1)
    with pytest.raises(InvalidArgumentError, match="max_epochs"):
        config.set_max_epochs(0)


def test_what_other_backends_have_is_said_not_to_be_there() -> None:
    config.set_backend("numpy")
    with pytest.raises(InvalidArgumentError, match="no backend 'jax'"):
        config.set_backend("jax")
    assert not config.is_nnx_enabled()


def test_input_spec_allows_a_missing_last_axis() -> None:
    spec = graphkit.InputSpec(shape=(None, 4, 1), allow_last_axis_squeeze=True, name="x", optional=True)

    spec.check((2, 4), "layer")
    spec.check((2, 4, 1, 1), "layer")
    with pytest.raises(ShapeError, match="expected axis 1"):
        spec.check((2, 5), "layer")
    assert graphkit.InputSpec.from_config(spec.get_config()).shape == (None, 4, 1)


def test_numbers_of_a_prefix() -> None:
    backend.clear_session()

    assert [backend.get_uid("unheard"), backend.get_uid("unheard"), backend.get_uid("other")] == [1, 2, 1]


def test_structures_may_differ_in_type() -> None:
    tree.assert_same_structure([1, (2,)], (3, [4]), check_types=False)
    with pytest.raises(InvalidArgumentError):
        tree.assert_same_structure([1, (2,)], (3, [4]))
    with pytest.raises(InvalidArgumentError):
        tree.assert_same_structure([1], [1, 2], check_types=False)


def test_registered_objects_are_looked_for_in_all_tables() -> None:
    with saving.custom_object_scope(custom_objects={"Scoped": int}):
        assert saving.get_registered_object("Scoped") is int
    assert saving.get_registered_object("Scoped") is None
    assert saving.get_registered_object("Mine", module_objects={"Mine": float}) is float


def test_mixed_precision_by_its_older_names() -> None:
    mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        assert mixed_precision.global_policy().compute_dtype == "bfloat16"
    finally:
        mixed_precision.set_global_policy("float32")
    assert mixed_precision.LossScaleOptimizer is optimizers.LossScaleOptimizer
    with pytest.raises(InvalidArgumentError, match=r"Use graphkit\.optimizers\.Adam"):
        legacy.Adam()


def test_symbolic_tensors_are_dense() -> None:
    assert graphkit.KerasTensor((None, 3)).dtype == "float32"
    with pytest.raises(InvalidArgumentError, match="Sparse"):
        graphkit.KerasTensor((None, 3), sparse=True)


def test_a_loss_scale_falls_with_a_gradient_that_is_no_number() -> None:
    variable = graphkit.Variable(np.ones(2, "float32"))
    optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(1.0), initial_scale=8.0, dynamic_growth_steps=2)

    optimizer.apply([np.array([8.0, np.inf], "float32")], [variable])
    assert (variable.numpy().tolist(), float(optimizer.dynamic_scale.array)) == ([1.0, 1.0], 4.0)
    optimizer.apply([np.array([4.0, 8.0], "float32")], [variable])
    optimizer.apply([np.array([4.0, 8.0], "float32")], [variable])

    assert variable.numpy().tolist() == [-1.0, -3.0]
    assert float(optimizer.dynamic_scale.array) == 8.0
    with pytest.raises(InvalidArgumentError, match="clipnorm"):
        optimizers.LossScaleOptimizer(optimizers.SGD(1.0), clipnorm=1.0)


def test_parts_of_a_model_are_trained_by_optimizers_of_their_own() -> None:
    choice = optimizers.OptimizerMap(optimizers.SGD(0.0), {"outer.*": optimizers.Adam(0.1)})
    model = nested()
    before = [w.copy() for w in model.get_weights()]
    model.compile(optimizers.MultiOptimizer(choice), "mse")

    model.fit(X, X[:, :2], epochs=1, verbose=0)

    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, True, True]
    with pytest.raises(AttributeError, match="sub-optimizers"):
        model.optimizer.learning_rate  # noqa: B018
    with pytest.raises(InvalidTypeError, match="must be an Optimizer"):
        choice["inner.*"] = optimizers.MultiOptimizer(choice)
    with pytest.raises(InvalidArgumentError, match="already exists"):
        choice["outer.*"] = optimizers.SGD()


def test_messages_go_where_they_are_wanted(caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
    config.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, "graphkit"):
            write_message("one line")
    finally:
        config.enable_interactive_logging()
    assert (caplog.messages, capsys.readouterr().out) == (["one line"], "")
