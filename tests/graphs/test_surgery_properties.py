"""Properties of surgery on random models: edits that cancel, parts that fit together, and results that run everywhere."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import graphkit
from graphkit import graphs, layers
from graphkit.core import nest
from graphkit.models import clone_model
from tests.strategies import Drawn, functional_models

pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # random graphs may do that
SETTINGS = settings(
    max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def values(model: Any, data: Any) -> list[Any]:
    return [np.asarray(y) for y in nest.flatten(model(data))]


def assert_same(made: Any, model: Any, data: Any, tolerance: float = 0.0) -> None:
    for mine, theirs in zip(values(made, data), values(model, data), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance / 10)


def calls_of(model: Any) -> list[int]:
    """The number of calls of each layer: a model that is left alone gets no further ones."""
    return [len(operation.nodes) for _, host in graphs.patterns.hosts(model) for operation in host.operations]


def layers_with_float_output(model: Any) -> list[str]:
    return [
        o.name
        for o in model.operations
        if all(len(n.output_tensors) == 1 and n.output_tensors[0].dtype == "float32" for n in o.nodes)
        and not (isinstance(o, layers.InputLayer) and o.nodes[0].output_tensors[0] in model.outputs)
    ]


def layers_that_are_read(model: Any) -> list[str]:
    read = {t for n in model.layer_graph.nodes for t in n.input_tensors} | set(model.outputs)
    return [n for n in layers_with_float_output(model) if graphs.find(model, n)[0].nodes[-1].output_tensors[0] in read]


@SETTINGS
@given(functional_models(), st.booleans())
def test_a_rewriting_without_edits_gives_the_same_model(drawn: Drawn, copy: bool) -> None:
    before = calls_of(drawn.model)

    made = graphs.rename(drawn.model, {}, copy=copy)

    assert json.loads(made.to_json()) == json.loads(drawn.model.to_json())
    assert set(made.graph.edges(data="tensor_index")) == set(drawn.model.graph.edges(data="tensor_index"))
    assert all((a is b) is not copy for a, b in zip(made.weights, drawn.model.weights, strict=True))
    assert calls_of(drawn.model) == before
    assert_same(made, drawn.model, drawn.inputs())


@SETTINGS
@given(functional_models(), st.integers(0, 2**31))
def test_what_is_inserted_and_removed_again_leaves_the_same_model(drawn: Drawn, seed: int) -> None:
    choose = random.Random(seed)
    assume(layers_that_are_read(drawn.model))
    where = choose.choice(layers_that_are_read(drawn.model))
    insert = choose.choice([graphs.insert_after, graphs.insert_before])
    calls = graphs.find(drawn.model, where)
    if insert is graphs.insert_before and any(len(match.inputs) != 1 for match in calls):
        insert = graphs.insert_after

    larger = insert(drawn.model, where, layers.Identity(name="inserted"), keep_shapes=False)
    made = graphs.remove(larger, "inserted")

    assume(
        "inserted" in [layer.name for layer in larger.layers]
    )  # not where only masks are computed: layers make them anew
    assert_same(larger, drawn.model, drawn.inputs())
    assert [layer.name for layer in made.layers] == [layer.name for layer in drawn.model.layers]
    if not any(t.mask is not None for n in drawn.model.layer_graph.nodes for t in n.output_tensors):
        assert set(made.graph.edges(data="tensor_index")) == set(drawn.model.graph.edges(data="tensor_index"))
    assert_same(made, drawn.model, drawn.inputs())


@SETTINGS
@given(functional_models(max_steps=8), functional_models(max_steps=8))
def test_models_side_by_side_compute_what_each_computes_alone(first: Drawn, second: Drawn) -> None:
    made = graphs.merge({"one": first.model, "two": second.model}, unify=False)
    data = [*nest.flatten(first.inputs()), *nest.flatten(second.inputs())]

    outputs = values(made, data)

    alone = [*values(first.model, first.inputs()), *values(second.model, second.inputs())]
    for mine, theirs in zip(outputs, alone, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@SETTINGS
@given(functional_models(), st.integers(0, 2**31))
def test_two_parts_of_a_model_joined_again_are_the_model(drawn: Drawn, seed: int) -> None:
    names = drawn.model.input_names
    inner = [
        n for n in layers_with_float_output(drawn.model) if n not in names and len(graphs.find(drawn.model, n)) == 1
    ]
    if not inner:
        return
    name = random.Random(seed).choice(inner)
    lower = graphs.cut(drawn.model, names, name)
    upper = graphs.cut(drawn.model, [*names, name])
    data = nest.flatten(drawn.inputs())

    outputs = values(upper, [*data, lower(data)])

    for mine, theirs in zip(outputs, values(drawn.model, drawn.inputs()), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@SETTINGS
@given(functional_models())
def test_a_dissolved_model_computes_the_same_and_has_no_models_inside(drawn: Drawn) -> None:
    made = graphs.dissolve(drawn.model)

    assert not any(isinstance(layer, graphkit.Model) for layer in made.layers)
    assert_same(made, drawn.model, drawn.inputs(), 1e-5)


@SETTINGS
@given(functional_models())
def test_replacing_agrees_with_clone_model(drawn: Drawn) -> None:
    """clone_function of keras.models.clone_model replaces layers too; it leaves weights to be set."""

    def as_elu(layer: Any) -> Any:
        return layers.ELU(name=layer.name) if isinstance(layer, layers.Activation) else _copied(layer)

    cloned = clone_model(drawn.model, clone_function=as_elu, recursive=True)
    cloned.set_weights(drawn.model.get_weights())
    if not graphs.find(drawn.model, layers.Activation):
        return

    made = graphs.replace(drawn.model, layers.Activation, lambda match: layers.ELU(name=match.layer.name))

    def operations(model: Any) -> Any:  # clone_model numbers the calls of shared layers anew, in Keras as well
        return [(type(o).__name__, o.name, len(o.nodes), getattr(o, "output_shape", None)) for o in model.operations]

    assert operations(made) == operations(cloned)
    assert_same(made, cloned, drawn.inputs())


def _copied(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


@SETTINGS
@given(functional_models(), st.integers(0, 2**31))
def test_results_run_in_onnxruntime_and_are_saved_and_opened(drawn: Drawn, seed: int) -> None:
    import onnxruntime

    assume(layers_that_are_read(drawn.model))
    where = random.Random(seed).choice(layers_that_are_read(drawn.model))
    made = graphs.insert_after(drawn.model, where, layers.Activation("tanh"))
    wanted = values(made, drawn.inputs())

    with tempfile.TemporaryDirectory() as folder:
        made.save(Path(folder) / "m.keras")
        again = graphkit.load(Path(folder) / "m.keras")
        made.export(Path(folder) / "m.onnx")
        session = onnxruntime.InferenceSession(str(Path(folder) / "m.onnx"), providers=["CPUExecutionProvider"])
    feeds = dict(zip([i.name for i in session.get_inputs()], nest.flatten(drawn.inputs()), strict=True))

    for mine, theirs in zip(values(again, drawn.inputs()), wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(session.run(None, feeds), wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)
