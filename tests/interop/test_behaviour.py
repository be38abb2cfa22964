"""Cases of `fixtures/behaviour/` answered as real Keras answered them, apart from the differences listed here, each with its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fixtures import make_behaviour_answers as behaviour
from graphkit.cli.impersonate import impersonating

# What graphkit does otherwise than Keras 3.15.1. A row whose answers agree after all fails.
DIFFERENCES = {
    "subclassing.model_with_an_unknown_argument": "Keras recurses endlessly",
    "subclassing.model_of_the_same_input_twice": "Keras recurses endlessly",
    "subclassing.sequential_subclass_is_built_by_a_call": "the batch size of the first call stays open",
    "subclassing.sequential_adds_an_input_later": "Keras appends the input to the layers",
    "subclassing.sequential_pops_everything": "a typed error, in Keras an IndexError",
    "subclassing.sequential_build_without_a_shape": "Keras marks the model as built, without weights",
    "subclassing.subclass_built_for_a_shape": "Keras leaves the weights to the first call",
    "subclassing.subclass_built_for_a_list": "Keras leaves the weights to the first call",
    "subclassing.subclass_built_then_trained": "the weights exist, so that the case can set them",
    "subclassing.subclass_compiled_then_built_then_trained": "the weights exist, so that the case can set them",
    "subclassing.subclass_of_two_inputs_built_for_a_list": "Keras leaves the weights to the first call",
    "subclassing.subclass_of_a_dict_built_for_a_dict": "Keras leaves the weights to the first call",
    "subclassing.summary_of_a_subclass_built_for_a_shape": "Keras leaves the weights to the first call",
    "subclassing.summary_of_a_nested_subclass": "the output shape of a model inside is known",
    "subclassing.subclass_built_without_a_shape": "Keras requires a shape",
    "subclassing.layers_appended_later": "layers are listed in the order of the list, in Keras in that of assignment",
    "subclassing.layers_deleted": "Keras keeps layers that no attribute holds any more",
    "subclassing.layers_set_to_none": "Keras keeps layers that no attribute holds any more",
    "subclassing.call_of_a_list_of_numbers": "lists of numbers are accepted",
    "subclassing.input_of_a_layer_called_twice": "ambiguous, as in Keras 2; Keras 3 returns the first one",
    "subclassing.features_up_to_an_inner_layer_and_from_it_on": "works; Keras fails on the second model",
    "subclassing.compute_output_shape_of_a_subclass": "works; Keras asks for compute_output_shape()",
    "subclassing.weights_after_build_are_locked": "only layers of user-defined classes are locked",
    "subclassing.input_spec_may_not_be_anything": "refused by the missing call()",
    "saving.subclass_without_get_config_comes_back": "works; Keras loses the arguments",
    "saving.functional_subclass_without_get_config_comes_back": "works; Keras cannot revive it",
    "saving.config_of_a_functional_subclass_without_get_config": "arguments are recorded",
    "saving.from_config_of_a_subclass_without_get_config": "arguments are recorded; Keras loses them",
    "saving.clone_of_a_functional_subclass": "works; Keras fails",
    "saving.clone_of_a_layer": "a typed error; Keras fails while it formats its message",
    "saving.clone_of_a_sequential_with_inputs_that_are_no_inputs": "a typed error; Keras recurses endlessly",
    "saving.clone_with_a_function_sees_layers": "ops are copied, not passed to clone_function",
    "saving.own_loss_and_metric_come_back": "works; Keras refuses a result that is a Variable",
    "saving.overwrite_is_refused": "Keras asks on the terminal",
    "configs.own_schedule": "the type of a tensor",
    "configs.own_objects_without_get_config": "arguments are recorded",
    "configs.own_regularizer_without_get_config": "arguments are recorded",
    "configs.custom_objects_are_shared": "works; Keras finds no activation by this name",
    "configs.custom_object_scope_as_an_object": "works; Keras finds no activation by this name",
    "configs.scopes_nest": "outer scopes stay open",
    "configs.serialize_a_lambda": "no code is stored",
    "configs.serialize_a_generator": "Keras writes what it cannot read",
    "configs.deserialize_by_layers_deserialize": "configs of older versions are read",
    "configs.ops_of_a_graph_have_configs": "works; Keras cannot read its own file",
    "sharing.model_shapes_of_structures": "shapes in the structure of the tensors",
    "sharing.layers_of_a_nested_model": "inputs come first",
    "sharing.graph_of_a_sequential_after_pop": "works; Keras fails",
    "sharing.sequential_output_as_a_tensor_of_a_functional": "works; Keras fails",
    "sharing.functional_built_with_training": "predict keeps training=True of the graph (Monte Carlo dropout)",
    "sharing.keras_tensor_attributes": "the text of a symbolic tensor",
    "sharing.keras_tensor_is_not_iterated": "a typed error",
    "sharing.keras_tensor_of_a_known_size_is_iterated": "works; Keras refuses",
    "sharing.model_of_a_keras_tensor_without_history": "a typed error; Keras fails on None",
    "sharing.input_names": "a tensor has the name of its input layer",
    "sharing.build_twice": "only layers of user-defined classes are locked",
    "sharing.add_loss_outside_of_call": "numbers are accepted",
}

CASES = [
    (group, name)
    for group in behaviour.groups()
    for name in json.loads((behaviour.FOLDER / f"{group}.json").read_text())
]


@pytest.fixture(scope="module")
def answers() -> Any:
    """Return a function that runs a case with graphkit under Keras' names."""
    with impersonating():
        known = {group: behaviour.cases(group) for group in behaviour.groups()}

        def answer(group: str, name: str) -> Any:
            made = behaviour.answer(known[group][name])
            return json.loads(json.dumps(made))

        yield answer


@pytest.mark.parametrize(("group", "name"), CASES, ids=[".".join(case) for case in CASES])
def test_a_case_is_answered_as_by_keras(group: str, name: str, answers: Any) -> None:
    wanted = json.loads((behaviour.FOLDER / f"{group}.json").read_text())[name]
    made = answers(group, name)
    agrees = (
        wanted["raises"][0] in made.get("raises", ())
        if "raises" in wanted
        else made.get("returns") == wanted["returns"]
    )

    if f"{group}.{name}" in DIFFERENCES:
        assert not agrees, "the answers agree: remove the row from DIFFERENCES"
        raised = made.get("raises", [])
        assert not raised or "GraphKitError" in raised or "NotImplementedError" in raised
    else:
        assert agrees, f"Keras: {wanted}; graphkit: {made}"


def test_every_difference_is_a_case() -> None:
    assert set(DIFFERENCES) <= {f"{group}.{name}" for group, name in CASES}
