"""Replacing, inserting, removing and sharing layers: the numbers are those of the net built directly, or NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphkit import Input, Model, Sequential, activations, graphs, layers, ops
from graphkit.errors import (
    DTypeError,
    GraphError,
    InvalidArgumentError,
    InvalidTypeError,
    ShapeError,
    UnknownNameError,
    UnsupportedError,
)

X = np.random.default_rng(0).normal(size=(5, 8)).astype("float32")


def net(activation: Any = layers.ReLU) -> Any:
    """Two towers of one shared layer, a nested model, a sum and a head."""
    pixels = Input((8,), name="pixels")
    x = layers.Dense(4, name="first")(pixels)
    x = activation(name="act")(x)
    shared = layers.Dense(4, name="shared")
    inside = Input((4,), name="inside")
    encoder = Model(inside, activation(name="act")(layers.Dense(4, name="dense")(inside)), name="encoder")
    total = layers.Add(name="total")([shared(x), shared(encoder(x))])
    return Model(pixels, layers.Dense(2, name="head")(total), name="net")


def with_weights_of(model: Any, other: Any) -> Any:
    model.set_weights(other.get_weights())
    return model


def assert_same(made: Any, wanted: Any) -> None:
    np.testing.assert_array_equal(np.asarray(made(X)), np.asarray(wanted(X)))


# ----- replace -----


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (layers.ReLU, layers.ELU),
        ("ReLU", layers.ELU()),
        (lambda layer: "act" in layer.name, lambda match: layers.ELU()),
        (graphs.node("ReLU"), lambda match: layers.ELU()(match.input)),
        (graphs.node(layers.Layer, name="it", where=lambda layer: layer.name == "act"), lambda match: layers.ELU),
        (["act", "encoder/act"], lambda match: ops.elu(match.input)),
        ("ReLU", ops.elu),
        ("ReLU", activations.elu),
    ],
    ids=[
        "class",
        "name of class, layer",
        "predicate",
        "node, tensor",
        "named node, class",
        "paths, op",
        "op",
        "activation",
    ],
)
def test_every_match_is_replaced_also_in_nested_models(pattern: Any, replacement: Any) -> None:
    model = net()
    before = model(X)

    made = graphs.replace(model, pattern, replacement)

    assert_same(made, with_weights_of(net(layers.ELU), model))
    np.testing.assert_array_equal(model(X), before)
    assert not graphs.find(made, "ReLU")


def models_in_models() -> Any:
    """A layer two models deep, whose output is that of both."""
    inmost_input, inner_input, inputs = Input((4,)), Input((4,)), Input((4,), name="x")
    inmost = Model(inmost_input, layers.Dense(4, name="deep")(inmost_input), name="inmost")
    inner = Model(inner_input, inmost(inner_input), name="inner")
    return Model(inputs, layers.Add(name="sum")([inner(inputs), inner(layers.ReLU()(inputs))]))


def test_a_layer_deep_inside_is_replaced_in_all_calls_of_its_model() -> None:
    model = models_in_models()
    data = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")

    made = graphs.replace(model, "inner/inmost/deep", lambda match: match.output * 2.0)

    np.testing.assert_allclose(made(data), 2 * np.asarray(model(data)), rtol=1e-6)
    assert len(made.get_layer("inner").nodes) == 2


def test_a_size_that_changes_deep_inside_is_noticed_outside() -> None:
    with pytest.raises(ShapeError, match="inside 'inner'"):
        graphs.replace(models_in_models(), "inner/inmost/deep", layers.Dense(1))

    made = graphs.replace(models_in_models(), "inner/inmost/deep", layers.Dense(1), keep_shapes=False)
    assert made.output_shape == (None, 1)


def test_nested_models_are_left_alone_if_asked() -> None:
    made = graphs.replace(net(), "ReLU", layers.ELU, nested=False)

    assert [match.path for match in graphs.find(made, "ReLU")] == ["encoder/act"]


def test_weights_are_the_same_variables_or_copies() -> None:
    model = net()

    shared = graphs.replace(model, "ReLU", layers.ELU)
    copied = graphs.replace(model, "ReLU", layers.ELU, copy=True)
    shared.get_layer("first").bias.assign(np.full(4, 2.0))

    np.testing.assert_array_equal(model.get_layer("first").bias, np.full(4, 2.0))
    np.testing.assert_array_equal(copied.get_layer("first").bias, np.zeros(4))


def test_the_old_model_gets_no_calls_and_both_can_be_cut_by_layer() -> None:
    model = net()

    made = graphs.replace(model, "ReLU", layers.ELU)

    assert [len(layer.nodes) for layer in model.layers] == [1, 1, 1, 1, 2, 1, 1]
    for each in (model, made):
        part = Model(each.input, each.get_layer("first").output)
        np.testing.assert_array_equal(part(X), X @ each.get_layer("first").kernel.numpy() + 0)


def test_a_shared_layer_is_replaced_by_a_shared_layer() -> None:
    made = graphs.replace(net(), "shared", lambda match: layers.Dense(4, use_bias=False, name="instead"))

    instead = made.get_layer("instead")
    assert len(instead.nodes) == 2
    assert made.count_params() == net().count_params() - 4


def test_none_leaves_a_place_as_it_is() -> None:
    model = net()

    made = graphs.replace(model, layers.Dense, lambda match: None)

    assert made.to_json() == model.to_json()
    assert_same(made, model)


def test_a_replacement_may_use_what_it_replaces() -> None:
    model = net()

    made = graphs.replace(model, "first", lambda match: match.output + 2.0 * match.layer(match.input * 0.5))

    first = model.get_layer("first")
    hidden = np.maximum(2 * X @ first.kernel.numpy(), 0)
    np.testing.assert_allclose(graphs.cut(made, outputs="act")(X), hidden, rtol=1e-5, atol=1e-6)


def test_several_calls_are_replaced_by_one_layer() -> None:
    """A batch normalization is folded into the layer before it."""
    inputs = Input((8,), name="x")
    x = layers.Dense(4, name="dense")(inputs)
    model = Model(inputs, layers.ReLU()(layers.BatchNormalization(name="bn")(x)))
    model.get_layer("bn").set_weights([np.random.default_rng(i).uniform(0.5, 2, 4) for i in range(4)])

    def folded(match: graphs.Match) -> Any:
        dense, bn = match["dense"], match["bn"]
        factor = bn.gamma.numpy() / np.sqrt(bn.moving_variance.numpy() + bn.epsilon)
        made = layers.Dense(4, name=dense.name)
        made.build((None, 8))
        made.set_weights(
            [dense.kernel.numpy() * factor, (dense.bias.numpy() - bn.moving_mean.numpy()) * factor + bn.beta.numpy()]
        )
        return made

    pattern = graphs.node("BatchNormalization", graphs.node("Dense", "x", name="dense"), name="bn")
    made = graphs.replace(model, pattern, folded)

    assert [type(layer).__name__ for layer in made.layers] == ["InputLayer", "Dense", "ReLU"]
    np.testing.assert_allclose(made(X), model(X), rtol=1e-5, atol=1e-6)


def test_a_model_is_called_on_the_tensors_that_enter_the_matched_part() -> None:
    model = net()
    inside = Input((4,))
    block = Model(inside, ops.tanh(inside) * 3.0, name="block")

    made = graphs.replace(model, "act", block)

    hidden = np.tanh(X @ model.get_layer("first").kernel.numpy()) * 3
    np.testing.assert_allclose(graphs.cut(made, outputs="block")(X), hidden, rtol=1e-5, atol=1e-6)


def test_arguments_of_the_call_are_kept() -> None:
    query, value = Input((3, 4), name="q"), Input((5, 4), name="v")
    model = Model([query, value], layers.MultiHeadAttention(2, 4, name="attention")(query, value=value))

    made = graphs.replace(model, "attention", layers.MultiHeadAttention(2, 4, name="other"))

    made.set_weights(model.get_weights())
    q, v = np.ones((1, 3, 4), "float32"), np.random.default_rng(0).normal(size=(1, 5, 4)).astype("float32")
    np.testing.assert_array_equal(made([q, v]), model([q, v]))


def test_the_head_may_have_another_shape_and_dtype() -> None:
    made = graphs.replace(net(), "head", layers.Dense(7, name="classes"))

    assert made.output_shape == (None, 7)
    assert made.output_names == ["classes"]


def test_shapes_that_are_read_may_change_if_asked() -> None:
    model = graphs.dissolve(net())

    made = graphs.replace(model, "act", layers.Reshape((1, 4)), keep_shapes=False)

    assert made.output_shape == (None, 1, 2)


def test_a_sequential_model_becomes_a_functional_one() -> None:
    model = Sequential([Input((8,)), layers.Dense(3), layers.ReLU()])

    made = graphs.replace(model, "ReLU", layers.ELU)

    assert_same(made, with_weights_of(Sequential([Input((8,)), layers.Dense(3), layers.ELU()]), model))


def test_training_and_explicit_arguments_are_kept() -> None:
    """A dropout that was called with training=True stays on."""
    inputs = Input((8,))
    model = Model(inputs, layers.Dense(2)(layers.Dropout(0.9, name="drop")(inputs, training=True)))

    made = graphs.replace(model, "drop", layers.Dropout(0.9999))

    assert not np.asarray(made.predict(X, verbose=0)).any()


def test_towers_that_call_two_layers_in_opposite_order_are_replaced() -> None:
    """No order of the pairs keeps the calls of both layers in order."""
    left, right = Input((4,)), Input((4,))
    first, second = layers.Dense(4, name="first"), layers.Dense(4, name="second")
    a, b = first(left), second(right)
    model = Model([left, right], [second(a), first(b)])
    data = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")

    made = graphs.replace(model, graphs.chain("Dense", "Dense"), lambda match: match.output * 2.0)

    for mine, theirs in zip(made(list(data)), model(list(data)), strict=True):
        np.testing.assert_allclose(mine, 2 * np.asarray(theirs), rtol=1e-6)


# ----- masks -----


def recurrent(mask_value: Any = 0.0) -> Any:
    steps = Input((4, 3), name="steps")
    x = layers.Masking(mask_value, name="masking")(steps)
    return Model(steps, layers.Dense(1)(layers.LSTM(5, name="lstm")(x)))


@pytest.mark.parametrize("loaded", [False, True])
def test_what_a_removed_layer_masked_is_not_masked_any_more(loaded: bool) -> None:
    model: Any = recurrent()
    if loaded:
        weights, model = model.get_weights(), Model.from_config(model.get_config())
        model.set_weights(weights)
    data = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    data[:, 2:] = 0
    steps = Input((4, 3))
    plain = Model(steps, layers.Dense(1)(layers.LSTM(5)(steps)))
    plain.set_weights(model.get_weights())

    made = graphs.remove(model, "masking")

    np.testing.assert_array_equal(made(data), plain(data))
    assert np.abs(np.asarray(made(data)) - np.asarray(model(data))).max() > 1e-3


def test_what_is_put_behind_a_mask_gets_it() -> None:
    data = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    data[:, 2:] = 0
    model = recurrent()

    made = graphs.replace(model, "lstm", layers.LSTM(5, name="new"))
    made.set_weights(model.get_weights())

    np.testing.assert_array_equal(made(data), model(data))


def masked() -> Any:
    ids = Input((4,), dtype="int32", name="ids")
    x = layers.Embedding(9, 5, mask_zero=True, name="embedding")(ids)
    x = layers.BatchNormalization(name="norm")(x)  # its call takes the mask
    return Model(ids, layers.GRU(3, name="gru")(x))


IDS = np.array([[1, 2, 0, 0], [3, 4, 5, 0]])


def test_masks_are_no_inputs() -> None:
    model = masked()
    ids = Input((4,), dtype="int32")
    wanted = Model(ids, layers.GRU(3)(layers.Embedding(9, 5, mask_zero=True)(ids)))
    wanted.set_weights([*model.get_weights()[:1], *model.get_weights()[5:]])

    made = graphs.remove(model, "norm")

    assert len(graphs.find(model, "gru")[0].inputs) == 1
    np.testing.assert_array_equal(made(IDS), wanted(IDS))


@pytest.mark.parametrize("insert", [graphs.insert_before, graphs.insert_after])
def test_a_layer_that_drops_the_mask_does_so_for_what_follows(insert: Any) -> None:
    """As in the same net built directly."""
    where = "gru" if insert is graphs.insert_before else "norm"
    model = masked()
    ids = Input((4,), dtype="int32")
    x = layers.BatchNormalization()(layers.Embedding(9, 5, mask_zero=True)(ids))
    wanted = Model(ids, layers.GRU(3)(layers.Permute((1, 2))(x)))
    wanted.set_weights(model.get_weights())

    made = insert(model, where, layers.Permute((1, 2)))

    np.testing.assert_array_equal(made(IDS), wanted(IDS))
    assert np.abs(np.asarray(made(IDS)) - np.asarray(model(IDS))).max() > 1e-3


# ----- insert -----


def test_a_layer_is_inserted_after_another() -> None:
    model = net()

    made = graphs.insert_after(model, "act", layers.Rescaling(2.0), nested=False)

    hidden = 2 * np.maximum(X @ model.get_layer("first").kernel.numpy(), 0)
    part = graphs.cut(made, outputs=graphs.find(made, layers.Rescaling)[0].layer)
    np.testing.assert_allclose(part(X), hidden, rtol=1e-5, atol=1e-6)


def test_a_layer_is_inserted_before_one_input_only() -> None:
    model = net()

    made = graphs.insert_before(model, "total:1", lambda tensor: tensor * 0.0)

    first, shared, head = (model.get_layer(n) for n in ("first", "shared", "head"))
    hidden = np.maximum(X @ first.kernel.numpy(), 0) @ shared.kernel.numpy()
    np.testing.assert_allclose(made(X), hidden @ head.kernel.numpy(), rtol=1e-4, atol=1e-6)


def test_a_layer_after_an_input_changes_what_is_read_not_the_input() -> None:
    model = net()

    made = graphs.insert_after(model, "pixels", layers.Rescaling(3.0))

    np.testing.assert_allclose(made(X), model(3 * X), rtol=1e-5, atol=1e-6)
    assert made.input_names == ["pixels"]


def test_a_softmax_is_put_behind_the_output() -> None:
    made = graphs.insert_after(net(), "head", layers.Softmax())

    np.testing.assert_allclose(np.asarray(made(X)).sum(axis=-1), np.ones(5), rtol=1e-6)


def test_one_of_several_outputs_is_chosen_by_its_index() -> None:
    steps = Input((4, 3))
    outputs = layers.LSTM(5, return_state=True, name="lstm")(steps)
    model = Model(steps, outputs)

    made = graphs.insert_after(model, "lstm:2", layers.Rescaling(2.0))

    data = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    for mine, theirs, factor in zip(made(data), model(data), (1, 1, 2), strict=True):
        np.testing.assert_array_equal(np.asarray(mine), factor * np.asarray(theirs))


# ----- remove -----


def test_a_removed_layer_hands_its_input_on() -> None:
    model = net()

    made = graphs.remove(model, "ReLU")

    assert_same(made, with_weights_of(net(layers.Identity), model))


def test_one_input_takes_the_place_of_a_sum() -> None:
    model = net()

    made = graphs.remove(model, "total", keep=0)

    first, shared, head = (model.get_layer(n) for n in ("first", "shared", "head"))
    hidden = np.maximum(X @ first.kernel.numpy(), 0) @ shared.kernel.numpy()
    np.testing.assert_allclose(made(X), hidden @ head.kernel.numpy(), rtol=1e-4, atol=1e-6)
    assert made.get_layer("shared").output.shape == (None, 4)  # its only call


# ----- share -----


def test_shared_layers_have_one_set_of_weights() -> None:
    inputs = Input((8,), name="x")
    left, right = layers.Dense(4, name="left")(inputs), layers.Dense(4, name="right")(layers.ReLU()(inputs))
    model = Model(inputs, layers.Add()([left, right]))

    made = graphs.share(model, ["left", "right"])

    kernel = model.get_layer("left").kernel.numpy()
    np.testing.assert_allclose(made(X), X @ kernel + np.maximum(X, 0) @ kernel, rtol=1e-5, atol=1e-5)
    assert ("left", 1) in made.graph
    assert made.count_params() == model.count_params() // 2
    assert "right" in [layer.name for layer in model.layers]


# ----- user-defined layers -----


class Scaled(layers.Layer):
    """A layer with inner layers in a list, and with an object that is its own."""

    def __init__(self, held: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.held, self.inner = held, [layers.Dense(4)]

    def build(self, shape: Any) -> None:
        self.scale: Any = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")
        self.inner[0].build(shape)

    def call(self, x: Any) -> Any:
        return self.inner[0](x * self.scale)


def test_a_user_defined_layer_keeps_its_code_and_shares_its_weights() -> None:
    inputs = Input((8,))
    model = Model(inputs, layers.ReLU()(Scaled({"any": object()}, name="own")(inputs)))

    made = graphs.replace(model, "ReLU", layers.ELU)

    own, old = made.get_layer("own"), model.get_layer("own")
    assert own is not old
    assert own.scale is old.scale
    assert own.inner[0].kernel is old.inner[0].kernel
    np.testing.assert_array_equal(graphs.cut(made, outputs="own")(X), graphs.cut(model, outputs="own")(X))


def test_a_layer_that_cannot_be_copied_is_named() -> None:
    import threading

    inputs = Input((8,))
    model = Model(inputs, layers.ReLU()(Scaled(threading.Lock(), name="own")(inputs)))

    with pytest.raises(UnsupportedError, match="'own'"):
        graphs.remove(model, "ReLU")


# ----- errors -----


def split_net() -> Any:
    inputs = Input((8,), name="x")
    return Model(inputs, ops.split(inputs, 2, axis=-1))


def with_states() -> Any:
    steps = Input((4, 3), name="steps")
    _, *states = layers.LSTM(5, return_state=True, name="encoder")(steps)
    return Model(steps, layers.LSTM(5, name="decoder")(steps, initial_state=states))


WRONG: dict[str, tuple[Any, Any, str]] = {
    "no such layer": (lambda: graphs.replace(net(), "frist", layers.ELU), UnknownNameError, "Did you mean 'first'"),
    "no such class": (lambda: graphs.replace(net(), "RelU", layers.ELU), UnknownNameError, "Did you mean 'ReLU'"),
    "nothing matches": (lambda: graphs.replace(net(), "LSTM", layers.GRU(4)), UnknownNameError, "Dense"),
    "not nested": (lambda: graphs.remove(net(), lambda o: False, nested=False), UnknownNameError, "nested=True"),
    "another shape": (lambda: graphs.replace(net(), "first", layers.Dense(5)), ShapeError, r"\(None, 4\), got \(None, 5\)"),
    "another shape inside": (
        lambda: graphs.replace(net(), "encoder/dense", layers.Dense(5)), ShapeError, r"\(None, 4\), got \(None, 5\)",
    ),
    "another size of a nested output": (
        lambda: graphs.replace(net(), "encoder/act", layers.Dense(5)), ShapeError, "inside 'encoder'",
    ),
    "weights do not fit": (
        lambda: graphs.replace(net(), "total", layers.Concatenate(), keep_shapes=False), InvalidArgumentError, 'layer "head"',
    ),
    "another dtype": (lambda: graphs.replace(net(), "act", lambda m: ops.cast(m.input, "int32")), DTypeError, "int32"),
    "several places for one layer": (
        lambda: graphs.replace(net(), ["first", "encoder/dense"], layers.Dense(4)), InvalidArgumentError, "function",
    ),
    "tensors that it does not take": (
        lambda: graphs.replace(with_states(), "decoder", layers.Dense(5), keep_shapes=False), InvalidArgumentError, "initial_state",
    ),
    "not a replacement": (lambda: graphs.replace(net(), "act", 3), InvalidTypeError, "got 3"),
    "not a pattern": (lambda: graphs.replace(net(), 3, layers.ELU), InvalidTypeError, "got 3"),
    "not a tensor": (lambda: graphs.replace(net(), "act", lambda m: np.ones(4)), InvalidTypeError, "symbolic"),
    "too few tensors": (lambda: graphs.replace(split_net(), "Split", lambda m: m.input), GraphError, "gives 1 tensors"),
    "model of two inputs": (
        lambda: graphs.replace(net(), "act", Model([a := Input((4,)), b := Input((4,))], a + b)), InvalidArgumentError, "2 inputs",
    ),
    "removal changes the shape": (lambda: graphs.remove(net(), "first"), ShapeError, r"\(None, 4\), got \(None, 8\)"),
    "removal changes the output": (lambda: graphs.remove(net(), "head"), ShapeError, r"\(None, 2\), got \(None, 4\)"),
    "removal of several inputs": (lambda: graphs.remove(net(), "total"), InvalidArgumentError, "keep=index"),
    "removal of an input": (lambda: graphs.remove(net(), "pixels"), InvalidArgumentError, "graphs.cut"),
    "insertion changes the shape": (
        lambda: graphs.insert_after(net(), "first", layers.Dense(5)), ShapeError, r"\(None, 4\), got \(None, 5\)",
    ),
    "insertion before changes the shape": (
        lambda: graphs.insert_before(net(), "act", layers.Dense(5)), ShapeError, r"\(None, 4\), got float32 \(None, 5\)",
    ),
    "insertion at several outputs": (
        lambda: graphs.insert_after(split_net(), "Split", layers.ELU()), InvalidArgumentError, "2 outputs",
    ),
    "insertion before several inputs": (lambda: graphs.insert_before(net(), "total", layers.ELU()), InvalidArgumentError, "total:0"),
    "sharing of one": (lambda: graphs.share(net(), ["first"]), InvalidArgumentError, "two layers"),
    "sharing of unlike classes": (lambda: graphs.share(net(), ["first", "act"]), InvalidArgumentError, "Dense and ReLU"),
    "sharing of unlike configs": (lambda: graphs.share(net(), ["first", "head"]), InvalidArgumentError, "units: 4 and 2"),
    "sharing of unlike weights": (lambda: graphs.share(net(), ["first", "shared"]), InvalidArgumentError, "shapes"),
    "sharing of unknown layers": (lambda: graphs.share(net(), ["first", "shard"]), UnknownNameError, "'shared'"),
    "a subclassed model": (lambda: graphs.find(layers.Dense(3), "Dense"), InvalidTypeError, "functional_form"),
    "a model without a graph": (
        lambda: graphs.find(Sequential([layers.Dense(3)]), "Dense"), InvalidArgumentError, "build",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_raise_typed_errors_that_say_what_to_do(case: str) -> None:
    call, error, words = WRONG[case]

    with pytest.raises(error, match=words):
        call()
