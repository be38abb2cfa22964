"""The functional API, as in Keras: shared layers, nodes, nesting, submodels, structures, errors."""

from __future__ import annotations

import json
from typing import Any

import networkx as nx
import numpy as np
import pytest

from graphkit import layers, models, ops
from graphkit.errors import (
    DisconnectedGraphError,
    GraphKitError,
    InvalidArgumentError,
    InvalidTypeError,
    NameConflictError,
    NodeAccessError,
    ShapeError,
    UnknownNameError,
)

RNG = np.random.default_rng(0)


def batch(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.normal(size=shape).astype("float32")


# ----- nodes of shared layers -----


def test_the_output_of_a_layer_that_was_called_once() -> None:
    a = layers.Input((8, 3))
    dense = layers.Dense(4)
    encoded = dense(a)

    assert dense.output is encoded
    assert dense.input is a
    assert dense.output_shape == (None, 8, 4)


def test_the_output_of_a_layer_that_was_called_twice_is_ill_defined() -> None:
    a, b = layers.Input((8, 3)), layers.Input((8, 3))
    dense = layers.Dense(4, name="lstm_1")
    first, second = dense(a), dense(b)

    with pytest.raises(
        AttributeError,
        match='Layer lstm_1 has multiple inbound nodes, hence the notion of "layer output" is ill-defined',
    ):
        dense.output  # noqa: B018
    assert dense.get_output_at(0) is first
    assert dense.get_output_at(1) is second
    assert dense.get_input_at(1) is b


def test_shapes_of_calls_that_differ_need_an_index() -> None:
    dense = layers.Dense(4)
    dense(layers.Input((32, 3)))
    assert dense.input_shape == (None, 32, 3)

    dense(layers.Input((64, 3)))
    with pytest.raises(NodeAccessError, match="different"):
        dense.input_shape  # noqa: B018
    assert dense.get_input_shape_at(0) == (None, 32, 3)
    assert dense.get_input_shape_at(1) == (None, 64, 3)
    assert dense.get_output_shape_at(1) == (None, 64, 4)


@pytest.mark.parametrize("index", [2, -1])
def test_a_node_that_is_not_there_is_said(index: int) -> None:
    dense = layers.Dense(4)
    dense(layers.Input((3,)))

    with pytest.raises(NodeAccessError, match=f"at node {index}.*only 1 inbound nodes"):
        dense.get_output_at(index)


def test_a_layer_without_calls_has_no_output() -> None:
    with pytest.raises(AttributeError, match="has never been called"):
        layers.Dense(4).output  # noqa: B018


def test_calls_of_a_shared_layer_share_its_weights() -> None:
    a, b = layers.Input((3,)), layers.Input((3,))
    shared = layers.Dense(2)
    model: Any = models.Model([a, b], shared(a) + shared(b))
    x, y = batch(4, 3), batch(4, 3)
    kernel, bias = model.get_weights()

    assert len(model.weights) == 2
    np.testing.assert_allclose(model([x, y]), (x + y) @ kernel + 2 * bias, rtol=1e-4, atol=1e-5)


# ----- the graph -----


def test_the_graph_is_a_frozen_networkx_graph_keyed_by_name_and_node() -> None:
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    shared = layers.Dense(2, name="shared")
    model: Any = models.Model([a, b], layers.Concatenate(name="join")([shared(a), shared(b)]))

    assert set(model.graph.nodes) == {("a", 0), ("b", 0), ("shared", 0), ("shared", 1), ("join", 0)}
    assert nx.shortest_path(model.graph, ("b", 0), ("join", 0)) == [("b", 0), ("shared", 1), ("join", 0)]
    with pytest.raises(nx.NetworkXError, match="Frozen"):
        model.graph.add_node("x")


def test_a_tensor_used_twice_has_two_edges() -> None:
    a = layers.Input((3,), name="a")
    model: Any = models.Model(a, layers.Add(name="sum")([a, a]))

    assert model.graph.number_of_edges(("a", 0), ("sum", 0)) == 2
    assert sorted(d["slot"] for _, _, d in model.graph.edges(data=True)) == [0, 1]


def test_layers_stand_in_order_of_depth() -> None:
    x = layers.Input((3,), name="x")
    deep = layers.Dense(3, name="second")(layers.Dense(3, name="first")(x))
    side = layers.Dense(3, name="side")(x)

    model: Any = models.Model(x, layers.Add(name="sum")([side, deep]))

    assert [layer.name for layer in model.layers] == ["x", "first", "side", "second", "sum"]


def test_two_depths_of_two_shared_layers() -> None:
    x = layers.Input((4,), name="x")
    a, b = layers.Dense(4, name="a", activation="tanh"), layers.Dense(4, name="b")
    model: Any = models.Model(x, a(b(a(b(x)))))
    again: Any = models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    data = batch(2, 4)

    assert set(model.graph.nodes) == {("x", 0), ("a", 0), ("a", 1), ("b", 0), ("b", 1)}
    np.testing.assert_array_equal(again(data), model(data))
    assert json.loads(again.to_json()) == json.loads(model.to_json())


def test_a_chain_of_five_thousand_layers_needs_no_deep_stack() -> None:
    x = out = layers.Input((2,))
    for _ in range(5000):
        out = layers.Activation("relu")(out)
    model: Any = models.Model(x, out)

    assert len(model.layers) == 5001
    assert nx.dag_longest_path_length(model.graph) == 5000


# ----- nesting -----


def encoder() -> Any:
    x = layers.Input((4,), name="encoder_in")
    return models.Model(x, layers.Dense(3, activation="tanh")(layers.Dense(5, activation="relu")(x)), name="encoder")


def test_a_model_is_a_layer() -> None:
    inner = encoder()
    x, y = layers.Input((4,)), layers.Input((4,))
    model: Any = models.Model([x, y], layers.Subtract()([inner(x), inner(y)]))
    a, b = batch(2, 4), batch(2, 4)

    np.testing.assert_allclose(model([a, b]), inner(a) - inner(b), rtol=1e-5, atol=1e-6)
    assert len(model.weights) == 4


def test_nesting_to_three_levels_comes_back_from_json() -> None:
    x, y = layers.Input((4,)), layers.Input((4,))
    inner = encoder()
    middle: Any = models.Model(x, layers.Concatenate()([inner(x), inner(layers.Dense(4)(x))]), name="middle")
    model: Any = models.Model(y, middle(y), name="outer")
    again: Any = models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    data = batch(3, 4)

    np.testing.assert_array_equal(again(data), model(data))
    assert json.loads(model.to_json())["config"]["output_layers"] == ["middle", 1, 0]


def test_a_model_is_called_on_the_outputs_of_itself() -> None:
    x = layers.Input((3,))
    inner: Any = models.Model(x, layers.Dense(3)(x), name="step")
    y = layers.Input((3,))
    model: Any = models.Model(y, inner(inner(inner(y))))
    data = batch(2, 3)

    np.testing.assert_allclose(model(data), inner(inner(inner(data))), rtol=1e-5)


# ----- submodels -----


def test_a_model_may_end_at_an_inner_layer() -> None:
    model = encoder()
    features: Any = models.Model(model.input, model.layers[1].output)
    data = batch(2, 4)

    assert features.layers[1] is model.layers[1]
    np.testing.assert_allclose(features(data), np.maximum(data @ model.get_weights()[0], 0), rtol=1e-5, atol=1e-6)


def test_a_model_may_begin_at_an_inner_layer() -> None:
    model = encoder()
    head: Any = models.Model(model.layers[2].input, model.output)
    hidden = batch(2, 5)
    kernel, bias = model.layers[2].get_weights()

    np.testing.assert_allclose(head(hidden), np.tanh(hidden @ kernel + bias), rtol=1e-5, atol=1e-6)


def test_several_outputs_of_inner_layers() -> None:
    model = encoder()
    probe: Any = models.Model(model.input, [layer.output for layer in model.layers[1:]])

    assert [y.shape for y in probe(batch(2, 4))] == [(2, 5), (2, 3)]


# ----- structures of inputs and outputs -----


def test_inputs_and_outputs_in_dicts() -> None:
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    model: Any = models.Model({"left": a, "right": b}, {"sum": a + b, "pair": [a, b]})
    x, y = batch(2, 3), batch(2, 3)

    out = model({"right": y, "left": x})

    np.testing.assert_array_equal(out["sum"], x + y)
    np.testing.assert_array_equal(out["pair"][1], y)
    again: Any = models.model_from_json(model.to_json())
    np.testing.assert_array_equal(again({"left": x, "right": y})["sum"], x + y)


def test_inputs_are_found_by_the_names_of_their_layers() -> None:
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    model: Any = models.Model([a, b], a - b)
    x, y = batch(2, 3), batch(2, 3)

    np.testing.assert_array_equal(model({"b": y, "a": x}), x - y)


def test_a_list_of_one_output_stays_a_list() -> None:
    a = layers.Input((3,))
    model: Any = models.Model([a], [layers.Dense(2)(a)])

    assert isinstance(model(batch(2, 3)), list)
    assert isinstance(models.model_from_json(model.to_json())(batch(2, 3)), list)  # type: ignore[operator]


def test_an_input_may_be_an_output() -> None:
    a = layers.Input((3,))
    model: Any = models.Model(a, [a, layers.Dense(2)(a)])
    x = batch(2, 3)

    np.testing.assert_array_equal(model(x)[0], x)


def test_output_names_of_a_layer_with_several_calls_are_told_apart() -> None:
    a, b = layers.Input((3,)), layers.Input((3,))
    head = layers.Dense(2, name="head")

    assert models.Model([a, b], [head(a), head(b)]).output_names == ["head", "head_1"]  # type: ignore[attr-defined]


def test_a_last_axis_of_one_is_added_or_dropped() -> None:
    a = layers.Input((1,))
    model: Any = models.Model(a, a * 2.0)

    assert model(np.ones(3, "float32")).shape == (3, 1)


# ----- operators and ops -----


def test_operators_on_symbolic_tensors_are_nodes() -> None:
    x = layers.Input((4,), name="x")
    model: Any = models.Model(x, ops.mean(2.0 * x[:, 1:] + 1.0, axis=-1, keepdims=True))
    data = batch(2, 4)

    np.testing.assert_allclose(model(data), (2 * data[:, 1:] + 1).mean(-1, keepdims=True), rtol=1e-6)
    assert [o.class_name for o in model.operations if hasattr(o, "class_name")] == [
        "GetItem",
        "Multiply",
        "Add",
        "Mean",
    ]
    again: Any = models.model_from_json(model.to_json())
    np.testing.assert_array_equal(again(data), model(data))


def test_einsum_takes_any_number_of_tensors_through_json() -> None:
    a, b = layers.Input((2, 3)), layers.Input((4, 3))
    model: Any = models.Model([a, b], ops.einsum("bij,bkj->bik", a, b))
    x, y = batch(2, 2, 3), batch(2, 4, 3)

    again: Any = models.model_from_json(model.to_json())
    np.testing.assert_allclose(again([x, y]), np.einsum("bij,bkj->bik", x, y), rtol=1e-4, atol=1e-5)


# ----- errors -----


def test_an_input_that_is_not_given_is_named_with_its_user() -> None:
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    joined = layers.Add(name="join")([a, b])

    with pytest.raises(DisconnectedGraphError, match=r"need the input 'b'.*\['a'\].*needed by 'join'"):
        models.Model(a, joined)


def test_two_layers_of_one_name_are_refused() -> None:
    x = layers.Input((3,))

    with pytest.raises(NameConflictError, match="'same' is used 2 times"):
        models.Model(x, layers.Dense(3, name="same")(layers.Dense(3, name="same")(x)))


WRONG: list[tuple[Any, type[GraphKitError], str]] = [
    (lambda x: models.Model(np.ones(3), x), InvalidTypeError, "must be symbolic tensors"),
    (lambda x: models.Model(x, None), InvalidArgumentError, "at least one tensor in `outputs`"),
    (lambda x: models.Model([x, x], x), InvalidArgumentError, "same input multiple times"),
    (lambda x: models.Model(x, x, name="a/b"), InvalidArgumentError, "cannot contain character `/`"),
    (lambda x: layers.Dense(3)(layers.Dense(3)), InvalidTypeError, "not a tensor"),
    (lambda x: bool(x), InvalidTypeError, "no truth value"),
    (lambda x: np.asarray(x), InvalidTypeError, "given to NumPy"),
]


@pytest.mark.parametrize(("make", "kind", "message"), WRONG)
def test_what_cannot_be_a_model_is_said(make: Any, kind: type[GraphKitError], message: str) -> None:
    with pytest.raises(kind, match=message):
        make(layers.Input((3,)))


def test_inputs_of_a_wrong_shape_are_named() -> None:
    x = layers.Input((3,), name="x")
    model: Any = models.Model(x, layers.Dense(2)(x), name="net")

    with pytest.raises(ShapeError, match=r"Input 'x' of model 'net' expects shape \(None, 3\), got \(2, 4\)"):
        model(batch(2, 4))


def test_too_few_inputs_are_counted() -> None:
    a, b = layers.Input((3,), name="a"), layers.Input((3,), name="b")
    model: Any = models.Model([a, b], a + b, name="net")

    with pytest.raises(InvalidArgumentError, match=r"Model 'net' expects 2 inputs \(a, b\), but 1 was given"):
        model([batch(2, 3)])
    with pytest.raises(InvalidArgumentError, match=r"Input 'b' of model 'net' is missing: the given dict has \['a'\]"):
        model({"a": batch(2, 3)})


def test_a_layer_that_is_not_there_comes_with_a_hint() -> None:
    model = encoder()

    with pytest.raises(UnknownNameError, match=r"No such layer: encoder_im.*Did you mean 'encoder_in'"):
        model.get_layer("encoder_im")
    with pytest.raises(ValueError, match="only has 3 layers"):
        model.get_layer(index=3)
    with pytest.raises(InvalidArgumentError, match="either a name or an index"):
        model.get_layer()


def test_calls_of_a_layer_keep_their_order_wherever_the_file_lists_it() -> None:
    """The second call of `shared` could be made before the first, whose input is listed later."""
    x = layers.Input((2,), name="x")
    shared, scale = layers.Dense(2, name="shared"), layers.Rescaling(3.0, name="scale")
    model = models.Model(x, [shared(scale(x)), shared(x)])
    config = json.loads(model.to_json())
    config["config"]["layers"].sort(key=lambda entry: ["x", "shared", "scale"].index(entry["config"]["name"]))

    again = models.model_from_json(json.dumps(config))
    again.set_weights(model.get_weights())

    for ours, theirs in zip(again(np.ones((1, 2))), model(np.ones((1, 2))), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [node.index for node in again.get_layer("shared").nodes] == [0, 1]
    assert again.get_layer("shared").get_output_at(0) is again.outputs[0]
