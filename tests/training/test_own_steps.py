"""Models with their own training methods: honoured by every way of training, and equal to the built-in steps where they do the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import graphkit
import graphkit.functions
from graphkit import GradientTape, Input, Model, Sequential, callbacks, layers, losses, metrics, ops, optimizers
from graphkit.utils import unpack_x_y_sample_weight

rng = np.random.default_rng(3)
X = rng.normal(size=(20, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
W = rng.random(20).astype("float32")


class Written:
    """`train_step` and `test_step` written out as Keras documents them."""

    traces = 0

    def train_step(self: Any, data: Any) -> Any:
        type(self).traces += 1
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return self._results(x, y, y_pred, sample_weight, loss)

    def test_step(self: Any, data: Any) -> Any:
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        return self._results(x, y, y_pred, sample_weight, self.compute_loss(x, y, y_pred, sample_weight))

    def _results(self: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any, loss: Any) -> Any:
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=ops.shape(x)[0])
            else:
                metric.update_state(y, y_pred, sample_weight=sample_weight)
        return {metric.name: metric.result() for metric in self.metrics}


class Net(Model):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first, self.second = layers.Dense(8, activation="tanh"), layers.Dense(1)

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))


class WrittenNet(Written, Net):
    pass


class WrittenSequential(Written, Sequential):
    pass


def with_weights(model: Any) -> Any:
    if not model.built:
        model(X)
    numbers = np.random.default_rng(0)
    model.set_weights([numbers.normal(size=w.shape) * 0.3 for w in model.weights])
    return model


def compiled(model: Any, **arguments: Any) -> Any:
    given = {"optimizer": optimizers.Adam(0.05), "loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mse"]}
    with_weights(model).compile(**{**given, **arguments})
    return model


def trained(model: Any, epochs: int = 3, **arguments: Any) -> dict[str, list[float]]:
    given = {"batch_size": 8, "shuffle": False, "verbose": 0}
    history: dict[str, list[float]] = model.fit(X, Y, epochs=epochs, **{**given, **arguments}).history
    return history


def assert_same(one: dict[str, Any], other: dict[str, Any], rtol: float = 1e-5) -> None:
    assert set(one) == set(other)
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], rtol=rtol, err_msg=name)


def layered() -> list[Any]:
    return [Input((4,)), layers.Dense(8, activation="tanh"), layers.Dense(1)]


# ----- the default steps, written out -----


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize("kind", ["subclassed", "sequential"])
def test_a_written_step_trains_like_the_built_in_one(kind: str, eagerly: bool) -> None:
    own, built_in = (
        (WrittenNet(), Net()) if kind == "subclassed" else (WrittenSequential(layered()), Sequential(layered()))
    )
    compiled(own, run_eagerly=eagerly)
    compiled(built_in)
    given = {"sample_weight": W, "validation_data": (X, Y)}
    assert_same(trained(own, **given), trained(built_in, **given))
    for a, b in zip(own.get_weights(), built_in.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(own.evaluate(X, Y, verbose=0), built_in.evaluate(X, Y, verbose=0), rtol=1e-4)


def test_a_step_is_traced_once_for_each_shape_of_batch_and_optimizer_state() -> None:
    class Counted(WrittenNet):
        traces = 0

    model = compiled(Counted())
    trained(model, epochs=5)
    assert Counted.traces <= 3  # the first run builds the optimizer; then one for 8 rows and one for 4
    before = Counted.traces
    trained(model, epochs=2)
    assert Counted.traces == before


def test_small_weights_are_updated_together_in_a_written_step_as_in_the_built_in_one() -> None:
    own, built_in = compiled(WrittenNet()), compiled(Net())
    counts = []
    for model in (own, built_in):
        trained(model)
        counts.append(len(next(reversed(model.train_function.steps.values())).plan.program.equations))
    assert counts[0] <= counts[1] * 1.1


def test_weights_that_a_step_reads_after_their_update_are_the_new_ones() -> None:
    class Averaged(Net):
        def __init__(self) -> None:
            super().__init__()
            self.average = layers.Dense(1, trainable=False)
            self.average.build((None, 8))

        def train_step(self, data: Any) -> Any:
            results = super().train_step(data)
            for old, new in zip(self.average.weights, self.second.weights, strict=True):
                old.assign(old * 0.9 + new * 0.1)
            for weight in self.first.weights:
                weight.assign(ops.clip(weight, -0.2, 0.2))
            return results

    traced, eager = compiled(Averaged()), compiled(Averaged(), run_eagerly=True)
    assert_same(trained(traced), trained(eager))
    for a, b in zip(traced.get_weights(), eager.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert np.abs(traced.first.kernel.numpy()).max() <= np.float32(0.2)


def test_two_updates_of_the_same_weights_in_one_step_follow_each_other() -> None:
    class Twice(Net):
        def train_step(self, data: Any) -> Any:
            super().train_step(data)
            return super().train_step(data)

    twice, once = compiled(Twice(), optimizer=optimizers.SGD(0.1)), compiled(Net(), optimizer=optimizers.SGD(0.1))
    twice.fit(X, Y, batch_size=20, epochs=2, shuffle=False, verbose=0)
    once.fit(X, Y, batch_size=20, epochs=4, shuffle=False, verbose=0)
    for a, b in zip(twice.get_weights(), once.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# ----- which methods are called -----


def test_every_way_of_training_and_predicting_runs_the_own_steps() -> None:
    class Own(Net):
        def train_step(self, data: Any) -> Any:
            return {**super().train_step(data), "mine": 1.0}

        def test_step(self, data: Any) -> Any:
            return {**super().test_step(data), "mine": ops.ones(()) * 2}

        def predict_step(self, data: Any) -> Any:
            return {"doubled": self(data[0] if isinstance(data, tuple) else data) * 2}

    model = compiled(Own())
    history = trained(model, epochs=1, validation_split=0.5)
    assert (history["mine"], history["val_mine"]) == ([1.0], [2.0])
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["mine"] == 2.0
    assert model.train_on_batch(X, Y, return_dict=True)["mine"] == 1.0
    assert model.test_on_batch(X, Y, return_dict=True)["mine"] == 2.0
    expected = model(X) * 2
    np.testing.assert_allclose(model.predict(X, batch_size=8, verbose=0)["doubled"], expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(X)["doubled"], expected, rtol=1e-5)


def test_compute_loss_and_compute_metrics_are_called_by_the_default_steps() -> None:
    class Own(Net):
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Any:
            return super().compute_loss(x, y, y_pred, sample_weight) + 100.0

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "largest": ops.max(y_pred)}

    model, plain = compiled(Own()), compiled(Net())
    mine, other = trained(model, epochs=1), trained(plain, epochs=1)
    assert mine["loss"][0] == pytest.approx(other["loss"][0] + 100, rel=1e-5)
    last = with_weights(Net())  # the last batch, before its update
    last.set_weights(plain.get_weights())
    assert "largest" in mine
    assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(plain.evaluate(X, Y, verbose=0)[0] + 100, rel=1e-5)


def test_compute_loss_replaces_the_loss_of_compile() -> None:
    class Own(Net):
        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, **_: Any
        ) -> Any:
            return ops.mean(ops.abs(y - y_pred))

    model, other = compiled(Own(), loss=None), compiled(Net(), loss="mae")
    np.testing.assert_allclose(trained(model)["loss"], trained(other)["loss"], rtol=1e-5)


def test_compute_loss_knows_whether_the_step_trains() -> None:
    class Own(Net):
        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
        ) -> Any:
            return ops.mean(y_pred) * 0 + (1.0 if training else 2.0)

    history = trained(compiled(Own()), epochs=1, validation_split=0.5)
    assert (history["loss"], history["val_loss"]) == ([1.0], [2.0])


def test_a_train_function_of_ones_own_is_called_with_an_iterator() -> None:
    class Own(Net):
        def make_train_function(self, force: bool = False) -> Any:
            self.train_function = lambda iterator: {"rows": ops.shape(next(iterator)[0])[0]}
            return self.train_function

    assert trained(compiled(Own()), epochs=1)["rows"] == [4.0]


def test_the_made_functions_run_steps_by_hand() -> None:
    model = compiled(Net())
    model.make_train_function()
    model.make_test_function()
    model.make_predict_function()
    before = float(model.train_function(iter([(X, Y)]))["loss"])
    assert float(model.test_function(iter([(X, Y)]))["loss"]) != before
    np.testing.assert_allclose(model.predict_function([(X,)]), model(X), rtol=1e-5)
    made = model.train_function
    model.make_train_function()
    assert model.train_function is made
    model.make_train_function(force=True)
    assert model.train_function is not made


def test_a_model_without_call_trains_by_its_step() -> None:
    class Pair(Model):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other = layers.Dense(2), layers.Dense(1)

        def compile(self, first: Any, second: Any) -> None:
            super().compile()
            self.first, self.second = first, second

        def train_step(self, x: Any) -> Any:
            for part, optimizer in ((self.one, self.first), (self.other, self.second)):
                with GradientTape() as tape:
                    loss = ops.mean(ops.square(self.other(self.one(x)) - 1.0))
                optimizer.apply_gradients(
                    zip(tape.gradient(loss, part.trainable_weights), part.trainable_weights, strict=True)
                )
            return {"last": loss}

    model = Pair()
    model.compile(optimizers.SGD(0.01), optimizers.Adam(0.01))
    history = model.fit(X, epochs=8, batch_size=20, verbose=0).history
    assert history["last"][-1] < history["last"][0]
    assert model.first.built
    assert len(model.first.trained) == len(model.second.trained) == 2


# ----- data -----


def shown(data: Any) -> Any:
    if isinstance(data, tuple):
        return tuple(shown(d) for d in data)
    if isinstance(data, dict):
        return {key: shown(value) for key, value in data.items()}
    return None if data is None else tuple(data.shape)


class Shown(Net):
    """Keeps the forms of the data that its steps receive. The expected ones are those of Keras 3.15.1 on TensorFlow."""

    def train_step(self, data: Any) -> Any:
        self.seen = shown(data)
        return {"a": 1.0}

    test_step = train_step


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ((X,), (20, 4)),
        (([X],), (((20, 4),),)),
        (([X, X],), (((20, 4), (20, 4)),)),
        (({"a": X},), {"a": (20, 4)}),
        ((X, Y), ((20, 4), (20, 1))),
        ((X, Y, W), ((20, 4), (20, 1), (20,))),
        ((X, None, W), (20, 4)),
    ],
)
def test_arrays_reach_a_step_in_keras_form(given: Any, form: Any) -> None:
    model = Shown()
    model.compile()
    x, y, weight = [*given, None, None][:3]
    model.fit(x, y, sample_weight=weight, batch_size=20, verbose=0)
    assert model.seen == form


@pytest.mark.parametrize(
    ("item", "form"),
    [
        ((X,), ((20, 4),)),
        ((X, Y), ((20, 4), (20, 1))),
        ((X, Y, W), ((20, 4), (20, 1), (20,))),
        (((X, X),), (((20, 4), (20, 4)),)),
        (({"a": X}, Y), ({"a": (20, 4)}, (20, 1))),
        ((np.stack([X, X]),), ((2, 20, 4),)),
    ],
)
def test_batches_of_a_generator_reach_a_step_as_they_are(item: Any, form: Any) -> None:
    model = Shown()
    model.compile()
    with pytest.warns(UserWarning, match="ran out of data"):  # as in Keras, whose generators have no length
        model.fit((item for _ in range(1)), verbose=0)
    assert model.seen == form


def test_one_batch_reaches_a_step_with_three_parts() -> None:
    model = Shown()
    model.compile()
    model.train_on_batch(X, Y)
    assert model.seen == ((20, 4), (20, 1), None)
    model.test_on_batch(X)
    assert model.seen == ((20, 4), None, None)


# ----- metrics -----


def test_metrics_lists_those_of_the_model_and_of_its_layers_but_not_of_models_inside() -> None:
    class Counting(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.of_layer = metrics.Mean(name="of_layer")

        def call(self, x: Any) -> Any:
            self.of_layer.update_state(ops.mean(x))
            return x

    class Own(Net):
        def __init__(self) -> None:
            super().__init__()
            self.own = [metrics.Mean(name="own")]
            self.counting = Counting()
            self.inner = compiled(Net())
            self.inner.mine = metrics.Mean(name="of_inner")
            self.inner.trainable = False

        def call(self, x: Any) -> Any:
            return super().call(self.counting(x))

    model = compiled(Own())
    assert model.metrics_names == ["loss", "compile_metrics", "own", "of_layer"]
    history = trained(model, epochs=1)
    assert history["of_layer"] == pytest.approx([np.mean([X[i : i + 8].mean() for i in (0, 8, 16)])], rel=1e-4)
    assert history["own"] == [0.0]
    model.reset_metrics()
    assert model.get_metrics_result()["of_layer"] == 0.0


def test_results_of_metrics_are_computed_when_they_are_read() -> None:
    model = compiled(WrittenNet(), metrics=[metrics.AUC(name="auc")], weighted_metrics=None)
    model.fit(X, (Y > 0).astype("float32"), batch_size=20, verbose=0)
    (step,) = model.train_function.steps.values()
    assert step.plan.outputs == []
    assert set(step.results()) == {"loss", "compile_metrics"}


def test_results_that_depend_on_weights_are_those_of_their_step() -> None:
    class Own(Net):
        def train_step(self, data: Any) -> Any:
            super().train_step(data)
            return {"norm": ops.sum(ops.square(self.second.kernel))}

    class Zeroed(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.second.kernel.assign(np.zeros((8, 1)))

    assert trained(compiled(Own()), epochs=1, callbacks=[Zeroed()])["norm"][0] > 0


def test_metrics_with_several_results_and_older_calls_are_accepted() -> None:
    class Two(metrics.Metric):
        def __init__(self) -> None:
            super().__init__(name="two")
            self.total = self.add_variable((), name="total")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.total.assign_add(ops.mean(y_true))

        def result(self) -> Any:
            return {"sum": self.total + 0.0, "double": self.total * 2}

    class Older(Net):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compiled_loss(y, y_pred, regularization_losses=self.losses)
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            self.compiled_metrics.update_state(y, y_pred)
            return {m.name: m.result() for m in self.metrics}

    with pytest.warns(UserWarning, match="deprecated"):
        history = trained(compiled(Older(), metrics=[Two()], weighted_metrics=None), epochs=1)
    assert history["double"] == pytest.approx([2 * v for v in history["sum"]])


# ----- what cannot be compiled, or is refused -----


def test_a_step_that_needs_numbers_runs_eagerly_after_one_warning_that_names_the_line() -> None:
    class Needs(Net):
        def train_step(self, data: Any) -> Any:
            results = super().train_step(data)
            if float(results["loss"]) > 1e9:  # this line needs a number
                raise AssertionError
            return results

    model = compiled(Needs())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = trained(model)
    (text,) = [str(w.message) for w in caught if "runs eagerly" in str(w.message)]
    assert "Needs.train_step" in text
    assert "in train_step(), line" in text
    assert "test_own_steps.py" in text
    assert "ops.cond" in text
    assert_same(history, trained(compiled(Net())), rtol=1e-4)


@pytest.mark.parametrize("kind", ["train", "test", "predict"])
def test_a_step_in_the_form_of_keras_on_jax_is_refused(kind: str) -> None:
    def step(self: Any, state: Any, data: Any) -> Any:
        return {}, state

    model = compiled(type("Own", (Net,), {f"{kind}_step": step})())
    run = {
        "train": model.fit,
        "test": model.evaluate,
        "predict": lambda x, y, verbose: model.predict(x, verbose=verbose),
    }[kind]
    with pytest.raises(
        ValueError, match=rf"{kind}_step\(state, data\) has the form of Keras on JAX.*{kind}_step\(self, data\)"
    ):
        run(X, Y, verbose=0)


def test_a_step_that_returns_no_dict_is_refused() -> None:
    class Own(Net):
        def train_step(self, data: Any) -> Any:
            return 1.0

    with pytest.raises(TypeError, match="must return a dict of results by name, got float"):
        trained(compiled(Own()))


# ----- compile -----


def test_compile_sets_the_attributes_that_keras_sets() -> None:
    model = with_weights(Net())
    assert (model.compiled, model.optimizer, model.loss) == (False, None, None)
    loss = losses.MeanSquaredError()
    model.compile("adam", loss, run_eagerly=True, steps_per_execution=2)
    assert model.compiled is True
    assert model.loss is loss
    assert (model.run_eagerly, model.jit_compile, model.steps_per_execution) == (True, False, 2)


def test_an_optimizer_that_is_set_is_the_one_that_trains() -> None:
    model, other = compiled(Net()), compiled(Net(), optimizer=optimizers.SGD(0.2))
    trained(model, epochs=1)
    with_weights(model).optimizer = optimizers.SGD(0.2)
    assert_same(trained(model), trained(other))


def test_own_compile_without_the_base_one_may_set_everything() -> None:
    class Own(Net):
        def compile(self, optimizer: Any) -> None:
            self.optimizer = optimizer
            self.compiled = True

        def train_step(self, data: Any) -> Any:
            x, y = data
            with GradientTape() as tape:
                loss = ops.mean(ops.square(self(x) - y))
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"mine": loss}

    model = with_weights(Own())
    model.compile(optimizers.SGD(0.1))
    history = trained(model)
    assert history["mine"][-1] < history["mine"][0]


def test_the_loss_of_mixed_float16_is_scaled_unless_it_is_turned_off() -> None:
    def net() -> Any:
        return Sequential([Input((4,)), layers.Dense(1, dtype="mixed_float16")])

    model = net()
    model._dtype_policy = graphkit.DTypePolicy("mixed_float16")
    model.compile("sgd", "mse")
    assert isinstance(model.optimizer, optimizers.LossScaleOptimizer)
    assert model.get_compile_config()["optimizer"]["class_name"] == "SGD"
    model.compile("sgd", "mse", auto_scale_loss=False)
    assert isinstance(model.optimizer, optimizers.SGD)


def test_several_losses_for_one_output_are_treated_as_in_keras_with_a_warning() -> None:
    model, first = compiled(Net(), loss=["mse", "mae"]), compiled(Net(), loss="mse")
    with pytest.warns(UserWarning, match="only the first is trained on"):
        history = trained(model)
    np.testing.assert_allclose(history["loss"], trained(first)["loss"], rtol=1e-6)


@pytest.mark.parametrize(
    ("per_call", "train", "test"),
    [  # (first batches, last batches) of the calls in an epoch of 7 batches, from Keras 3.15.1
        (1, [(i, i) for i in range(7)], [(i, i) for i in range(7)]),
        (3, [(0, 2), (3, 5), (6, 8)], [(0, 2), (3, 5), (6, 8)]),
        (20, [(0, 19)], [(0, 19)]),
    ],
)
def test_callbacks_for_batches_are_called_once_per_execution(per_call: int, train: Any, test: Any) -> None:
    class Seen(callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.begun: list[int] = []
            self.ended: list[int] = []

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.begun.append(batch)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.ended.append(batch)

        on_test_batch_begin = on_predict_batch_begin = on_train_batch_begin
        on_test_batch_end = on_predict_batch_end = on_train_batch_end

    model = compiled(Net(), steps_per_execution=per_call)
    seen = Seen()
    model.fit(X, Y, batch_size=3, verbose=0, callbacks=[seen])
    assert list(zip(seen.begun, seen.ended, strict=True)) == train
    for run in (
        lambda c: model.evaluate(X, Y, batch_size=3, verbose=0, callbacks=[c]),
        lambda c: model.predict(X, batch_size=3, verbose=0, callbacks=[c]),
    ):
        seen = Seen()
        run(seen)
        assert list(zip(seen.begun, seen.ended, strict=True)) == test


def test_losses_in_the_structure_of_the_outputs_are_named_by_their_paths() -> None:
    i = Input((4,))
    a, b = layers.Dense(1, name="a")(i), layers.Dense(1, name="b")(i)
    model = Model(i, {"p": {"q": a}, "r": [b]})
    model.compile("sgd", {"p": {"q": "mse"}, "r": ["mae"]})
    history = model.fit(X, {"p": {"q": Y}, "r": [Y]}, verbose=0).history
    assert set(history) == {"loss", "p/q_loss", "r/b_loss"}  # Keras 3.15.1


def test_a_loss_class_of_ones_own_decides_itself_which_shapes_fit() -> None:
    class Own(losses.Loss):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return losses.sparse_categorical_crossentropy(y_true, ops.softmax(y_pred))

    model = Sequential([Input((4,)), layers.Dense(3)])
    model.compile("sgd", Own())
    assert model.fit(X, np.arange(20) % 3, verbose=0).history["loss"][0] > 0


def test_a_compiled_function_may_be_the_step() -> None:
    class Own(WrittenNet):
        train_step = graphkit.functions.Function(WrittenNet.train_step)

    assert_same(trained(compiled(Own())), trained(compiled(Net())))


def test_a_progress_bar_does_not_make_a_step_be_looked_up_for_each_batch() -> None:
    def container(*given: Any) -> Any:
        return callbacks.CallbackList(list(given), add_progbar=True, model=compiled(Net()), verbose=1)

    assert not container(callbacks.EarlyStopping("loss")).runs_own_code(True)
    assert container(callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)).runs_own_code(True)


def test_callbacks_stop_evaluation_and_prediction_after_a_batch() -> None:
    class Stopping(callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seen = 0

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            self.seen += 1
            self.model.stop_evaluating = self.seen == 2

        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_predicting = batch == 1

    model = compiled(Net())
    stopping = Stopping()
    model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=[stopping])
    assert stopping.seen == 2
    assert model.predict(X, batch_size=4, verbose=0, callbacks=[stopping]).shape == (8, 1)
    assert model.predict(X, batch_size=4, verbose=0).shape == (20, 1)
