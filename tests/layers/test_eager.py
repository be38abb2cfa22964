"""Layers called one by one on arrays compute what the graph of them computes: outputs, masks, losses, state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphkit as gk
from graphkit import layers, models, ops
from graphkit.core import nest
from graphkit.ir.eager_tensor import EagerTensor
from tests import goldens

# Half floats are rounded after each layer in both cases, but a plan may keep sums in a wider dtype.
_CASES = [case for case in goldens.cases() if not goldens.policy_unit(case)]
_ALWAYS = 7  # one case in this many runs by default; all run with the slow tests


def _by_hand(model: Any, x: Any, training: bool | None = None) -> Any:
    """Call the model's layers one by one on arrays."""
    args, kwargs = model.fed((x,), {}) if hasattr(model, "fed") else ((x,), {})
    return model.compute(args, kwargs if training is None else {**kwargs, "training": training})


def _reset_states(model: Any) -> None:
    for layer in model._walk_layers():
        if getattr(layer, "stateful", False):
            layer.reset_state()


@pytest.mark.parametrize(
    "case", [case if i % _ALWAYS == 0 else pytest.param(case, marks=pytest.mark.slow) for i, case in enumerate(_CASES)]
)
def test_layer_by_layer_is_the_whole_model(case: str) -> None:
    model: Any = gk.load(goldens.model_file(case))
    x = goldens.inputs_of(case)
    whole = model(x)
    _reset_states(model)
    apart = _by_hand(model, x)

    for one, other in zip(nest.flatten(whole), nest.flatten(apart), strict=True):
        assert one.dtype == other.dtype
        if one.dtype == object:
            assert one.tolist() == other.tolist()
        else:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        masks = [getattr(o, "mask", None) for o in (one, other)]
        assert (masks[0] is None) == (masks[1] is None)
        if masks[0] is not None:
            np.testing.assert_array_equal(masks[0], masks[1])
    losses = [float(loss) for loss in model.losses]
    _by_hand(model, x)
    np.testing.assert_allclose([float(loss) for loss in model.losses], losses, rtol=1e-5)


def _masked() -> tuple[Any, Any, Any]:
    embedding, lstm = layers.Embedding(10, 4, mask_zero=True), layers.LSTM(3)
    ids = gk.Input((6,), dtype="int32")
    return embedding, lstm, models.Model(ids, lstm(embedding(ids)))


IDS = np.array([[1, 2, 3, 0, 0, 0], [4, 0, 0, 0, 0, 0]])


def test_masks_go_from_layer_to_layer() -> None:
    embedding, lstm, model = _masked()

    made = embedding(IDS)

    np.testing.assert_array_equal(made._keras_mask, IDS != 0)
    np.testing.assert_allclose(lstm(made), model(IDS), atol=1e-6)
    np.testing.assert_allclose(lstm(made), model.predict(IDS, verbose=0), atol=1e-5)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda: layers.TimeDistributed(layers.Dense(2)),
        lambda: layers.Bidirectional(layers.GRU(2, return_sequences=True)),
        lambda: layers.Dropout(0.5),
        lambda: layers.Activation("tanh"),
        lambda: layers.LayerNormalization(),
        lambda: layers.Lambda(lambda x: x * 2),
    ],
    ids=["TimeDistributed", "Bidirectional", "Dropout", "Activation", "LayerNormalization", "Lambda"],
)
def test_masks_go_through_layers_between(wrap: Any) -> None:
    embedding, between, last = layers.Embedding(10, 4, mask_zero=True), wrap(), layers.LSTM(3)
    ids = gk.Input((6,), dtype="int32")
    model = models.Model(ids, last(between(embedding(ids))))

    np.testing.assert_allclose(last(between(embedding(IDS))), model(IDS), atol=1e-6)


def test_two_masks_meet_in_merging_layers() -> None:
    one, two = layers.Embedding(10, 4, mask_zero=True), layers.Embedding(10, 4, mask_zero=True)
    add, last = layers.Add(), layers.LSTM(3)
    a, b = gk.Input((6,), dtype="int32"), gk.Input((6,), dtype="int32")
    model = models.Model([a, b], last(add([one(a), two(b)])))
    others = IDS[::-1].copy()

    np.testing.assert_allclose(last(add([one(IDS), two(others)])), model([IDS, others]), atol=1e-6)


def test_an_own_layer_gets_the_mask() -> None:
    class Counts(layers.Layer):
        def call(self, x: Any, mask: Any = None) -> Any:
            return ops.sum(ops.cast(mask, "float32"), axis=1)

    assert np.asarray(Counts()(layers.Embedding(10, 4, mask_zero=True)(IDS))).tolist() == [3.0, 1.0]


def test_losses_hold_what_the_last_call_added() -> None:
    class Adds(layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(0.1 * ops.sum(x))
            return x

    layer = Adds()
    for rows in (2, 3):
        layer(np.ones((rows, 3), "float32"))
    assert [float(loss) for loss in layer.losses] == pytest.approx([0.9])

    model = models.Sequential(
        [gk.Input((3,)), Adds(), layers.Dense(2, activity_regularizer="l2", kernel_initializer="ones")]
    )
    model(np.ones((4, 3), "float32"))
    assert [float(loss) for loss in model.losses] == pytest.approx([1.2, 0.01 * 4 * 2 * 9 / 4])


def test_losses_stand_in_a_hand_written_step() -> None:
    model = models.Sequential(
        [gk.Input((3,)), layers.Dense(2, activity_regularizer="l2", kernel_regularizer="l2", kernel_initializer="ones")]
    )
    x = np.ones((4, 3), "float32")

    def loss() -> Any:
        model(x)
        return sum(model.losses)

    value, gradients = gk.value_and_grad(loss, model.trainable_variables)()
    assert float(value) == pytest.approx(0.18 + 0.06)
    # by hand: activity 0.01 * 2 * y per element and row, y = 3; weights 0.01 * 2 * w
    np.testing.assert_allclose(gradients[0], np.full((3, 2), 0.01 * 2 * 3 + 0.02), rtol=1e-5)


def test_a_loss_must_be_a_tensor() -> None:
    layer = layers.Dense(2)
    for wrong in (gk.Input((2,)), lambda: 0.0, "mse"):
        with pytest.raises(TypeError, match="on a tensor"):
            layer.add_loss(wrong)


def test_training_may_be_said_to_any_layer() -> None:
    class Own(layers.Layer):
        def call(self, x: Any) -> Any:
            return x

    x = np.ones((2, 2), "float32")
    assert layers.Embedding(5, 4)(np.array([1, 2]), training=False).shape == (2, 4)
    assert layers.Dense(3)(x, training=True).shape == (2, 3)
    assert Own()(x, training=True).shape == (2, 2)
    assert Own()(gk.Input((2,)), training=True).shape == (None, 2)


def test_training_said_to_an_outer_layer_reaches_the_inner_ones() -> None:
    class Outer(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.drop = layers.Dropout(0.5)

        def call(self, x: Any) -> Any:
            return self.drop(x)

    x = np.ones((1, 1000), "float32")
    assert (np.asarray(Outer()(x, training=True)) == 0).any()
    assert not (np.asarray(Outer()(x)) == 0).any()


@pytest.mark.parametrize("way", ["predict", "call", "program"])
def test_training_said_when_the_graph_was_drawn_stays(way: str) -> None:
    x = gk.Input((256,))
    model = models.Model(
        x, [layers.Dropout(0.5)(x, training=True), layers.Dropout(0.5)(x), layers.Dropout(0.5)(x, training=False)]
    )
    ones = np.ones((4, 256), "float32")
    kept = model.predict(ones, verbose=0) if way == "predict" else model(ones)
    if way == "program":
        kept = gk.runtime.Predictor(model)(ones)

    shares = [float((np.asarray(k) == 0).mean()) for k in kept]
    assert 0.3 < shares[0] < 0.7
    assert shares[1:] == [0.0, 0.0]


def test_training_given_to_the_model_goes_before_the_graphs_word() -> None:
    x = gk.Input((256,))
    model = models.Model(x, layers.Dropout(0.5)(x, training=True))

    assert not (np.asarray(model(np.ones((1, 256)), training=False)) == 0).any()  # as in Keras 3


def test_tuples_stay_tuples() -> None:
    a = gk.Input((2,))
    model = models.Model(a, (layers.Dense(2)(a), [layers.Dense(1)(a)]))
    x = np.ones((1, 2), "float32")
    for made in (model(x), model.predict(x, verbose=0), models.clone_model(model)(x)):
        assert type(made) is tuple
        assert type(made[1]) is list


def test_arithmetic_on_results_is_that_of_the_graph() -> None:
    ids = np.array([1, 2, 3], "int32")
    eager = ops.add(ids, 0)

    assert isinstance(eager, EagerTensor)
    for made in (eager / 2, eager * 0.5, eager + 1.5, (eager > 1) * 2.0):
        assert made.dtype == "float32"  # NumPy would give float64
    assert (eager & 1).tolist() == [1, 0, 1]
    assert isinstance(eager.numpy(), np.ndarray)
    assert type(eager.numpy()) is np.ndarray
    assert type(np.exp(eager)) is np.ndarray


def test_a_results_copy_and_view_have_no_mask() -> None:
    made = layers.Embedding(10, 4, mask_zero=True)(IDS)

    assert made[0].mask is None
    assert made.copy().mask is None


def test_the_first_parameter_may_have_any_name() -> None:
    class Double(layers.Layer):
        def build(this, shape: Any) -> None:  # noqa: N805
            this.scale = this.add_weight(shape=(shape[-1],), initializer="ones")

        def call(this, x: Any) -> Any:  # noqa: N805
            return x * 2 * this.scale

    assert np.asarray(Double()(np.ones((2, 3), "float32"))).tolist() == [[2.0] * 3] * 2
    assert Double()(gk.Input((3,))).shape == (None, 3)


def test_a_model_may_be_cut_out_again_and_again() -> None:
    i = gk.Input((4,))
    model = models.Model(i, layers.Dense(2, name="b")(layers.Dense(3, name="a")(i)))
    for _ in range(3):
        tail = models.Model(model.get_layer("b").input, model.output)
        assert tail.predict(np.ones((1, 3)), verbose=0).shape == (1, 2)
        assert len(tail.weights) == 2


def test_a_mask_that_is_given_travels_on() -> None:
    x, mask = np.ones((2, 3, 4), "float32"), np.array([[True, True, False], [True, False, False]])
    made = layers.LSTM(2, return_sequences=True)(x, mask=mask)

    np.testing.assert_array_equal(made.mask, mask)
    symbolic = layers.LSTM(2, return_sequences=True)(gk.Input((3, 4)), mask=gk.Input((3,), dtype="bool"))
    assert symbolic.mask is not None


def test_training_may_be_any_truth() -> None:
    x = np.ones((1, 1000), "float32")
    for training in (1, np.True_):
        assert (np.asarray(layers.Dropout(0.5)(x, training=training)) == 0).any()
        assert (np.asarray(models.Sequential([layers.Dropout(0.5)])(x, training=training)) == 0).any()


class _Returns(layers.Layer):
    """Returns the result of `pick`: a weight, a view of one, or its own input."""

    def __init__(self, pick: Any) -> None:
        super().__init__()
        self.pick = pick
        self.w = self.add_weight(shape=(2, 2), initializer="ones", name="w")

    def call(self, x: Any) -> Any:
        return self.pick(self, x)


@pytest.mark.parametrize(
    "pick",
    [
        lambda layer, x: layer.w,
        lambda layer, x: layer.w.value,
        lambda layer, x: ops.reshape(layer.w, (4,)),
        lambda layer, x: ops.transpose(layer.w),
        lambda layer, x: layer.w[0],
        lambda layer, x: x,
        lambda layer, x: x[:, 0],
    ],
    ids=["weight", "value", "reshape", "transpose", "item", "input", "view of the input"],
)
def test_a_result_does_not_change_with_what_it_was_made_from(pick: Any) -> None:
    layer, x = _Returns(pick), np.ones((2, 2), "float32")
    made = layer(x)

    layer.w.assign(np.zeros((2, 2)))
    x[:] = 0

    assert np.asarray(made).tolist() == np.ones(np.shape(made)).tolist()


@pytest.mark.parametrize(
    "op",
    [
        lambda v: ops.reshape(v, (4,)),
        ops.transpose,
        ops.convert_to_tensor,
        lambda v: ops.expand_dims(v, 0),
        lambda v: v[0],
        ops.copy,
        lambda v: ops.split(v, 2)[0],
    ],
    ids=["reshape", "transpose", "convert_to_tensor", "expand_dims", "item", "copy", "split"],
)
def test_an_op_on_a_variable_gives_its_numbers_of_now(op: Any) -> None:
    variable = gk.Variable(np.ones((2, 2), "float32"))
    made = op(variable)

    variable.assign(np.zeros((2, 2)))

    assert np.asarray(made).tolist() == np.ones(np.shape(made)).tolist()
