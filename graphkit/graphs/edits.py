"""Replacing, inserting, removing and sharing layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from types import FunctionType
from typing import Any, TypeAlias

import numpy as np

from graphkit.core import names, nest
from graphkit.core.errors import GraphError, InvalidArgumentError, InvalidTypeError, ShapeError, UnknownNameError
from graphkit.core.registry import did_you_mean
from graphkit.graph.operation import Operation, OpNode
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.graphs.copies import Copier
from graphkit.graphs.patterns import Match, What, find, hosts
from graphkit.graphs.rewriting import Edit, Site, graph_of, rebuilt
from graphkit.layers.input_layer import InputLayer
from graphkit.layers.layer import Layer
from graphkit.models.functional import Functional

Replacement: TypeAlias = "Layer | type[Layer] | Callable[[Match], Any]"
_CALLED_ON_TENSORS = ("graphkit.ops", "graphkit.activations")  # functions of these modules take tensors, not matches
_Make: TypeAlias = Callable[[Match], Any]


def replace(
    model: Any,
    pattern: What,
    replacement: Replacement,
    *,
    nested: bool = True,
    keep_shapes: bool = True,
    copy: bool = False,
) -> Functional:
    """Return a model in which something else stands in the place of every match of a pattern.

    Args:
        model: A functional or sequential model; it stays as it is.
        pattern: What `find` takes.
        replacement: A layer or model, which is called as the matched layer was; a layer class, of which each place gets a new layer; or
            a function (match -> layer, tensor, or None to leave the place as it is). A function of `graphkit.ops` or
            `graphkit.activations` is called on the tensors that the matched layers read.
        nested: Whether to search nested models too.
        keep_shapes: Whether shapes and dtypes that other layers read must stay the same. If False, the following ones are computed
            anew, and layers whose weights do not fit raise. Those of the model's outputs may always change.
        copy: Whether the new model gets weights of its own; by default it has the same variables as the old one.

    Returns:
        A functional model, not compiled.

    Raises:
        UnknownNameError: Nothing matches.
        ShapeError, DTypeError: The replacement gives another shape or dtype.
        InvalidArgumentError: A layer with weights would be shared by several places, or does not take the inputs of a place.
        InvalidTypeError: The replacement is something else.

    Source: keras.models.clone_model with `clone_function` and `call_function`, which replace single layers.
    """
    places = _places(model, pattern, nested)
    make = _maker(replacement, places)
    return _edited(model, places, make, "the replacement of", copy, keep_shapes)


def insert_after(
    model: Any,
    where: What,
    layer: Any,
    *,
    nested: bool = True,
    keep_shapes: bool = True,
    copy: bool = False,
) -> Functional:
    """Return a model with a layer behind others: whatever read their output reads the new layer's instead.

    Args:
        model: A functional or sequential model; it stays as it is.
        where: What `find` takes, or "name:index" for one output of a layer that has several.
        layer: A layer, a layer class, a model, or a function (tensor -> tensor).
        nested, keep_shapes, copy: As for `replace`.

    Raises:
        UnknownNameError: Nothing matches.
        ShapeError, DTypeError: The layer gives another shape or dtype.
        InvalidArgumentError: A place has several outputs, or a layer with weights would be shared by several places.
    """
    where, index = _split_index(model, where)
    places = _places(model, where, nested)
    attach = _attacher(layer, places, "insert_after")

    def make(match: Match) -> Any:
        outputs = nest.flatten(match.output)
        slot = _slot(outputs, index, match, "outputs", "insert_after")
        outputs[slot] = attach(match, outputs[slot])
        return nest.pack(match.output, outputs)

    return _edited(model, places, make, "the insertion after", copy, keep_shapes)


def insert_before(
    model: Any,
    where: What,
    layer: Any,
    *,
    nested: bool = True,
    keep_shapes: bool = True,
    copy: bool = False,
) -> Functional:
    """Return a model with a layer in front of others: they read the new layer's output; other readers of their input do not.

    Args:
        model: A functional or sequential model; it stays as it is.
        where: What `find` takes, or "name:index" for one input of a layer that has several.
        layer: A layer, a layer class, a model, or a function (tensor -> tensor).
        nested, keep_shapes, copy: As for `replace`.

    Raises:
        UnknownNameError: Nothing matches.
        ShapeError, DTypeError: The layer gives another shape or dtype.
        InvalidArgumentError: A place has several inputs or none, or a layer with weights would be shared by several places.
    """
    where, index = _split_index(model, where)
    places = _places(model, where, nested)
    attach = _attacher(layer, places, "insert_before")

    def make(match: Match) -> Any:
        inputs = list(match.inputs)
        slot = _slot(inputs, index, match, "inputs", "insert_before")
        old, new = inputs[slot], attach(match, inputs[slot])
        if keep_shapes and (new.shape, new.dtype) != (old.shape, old.dtype):
            raise ShapeError(
                f"Inserting before {match.path!r} changes what it reads: expected {old.dtype} {old.shape}, got {new.dtype} "
                f"{new.shape}. Use a layer that keeps the shape, or pass keep_shapes=False."
            )
        inputs[slot] = new
        return match.call(*inputs)

    return _edited(model, places, make, "the insertion before", copy, keep_shapes)


def remove(
    model: Any,
    which: What,
    *,
    keep: int | None = None,
    nested: bool = True,
    keep_shapes: bool = True,
    copy: bool = False,
) -> Functional:
    """Return a model without some layers: whatever read their output reads their input instead.

    Args:
        model: A functional or sequential model; it stays as it is.
        which: What `find` takes.
        keep: The index of the input that takes the place of the output, for layers with several inputs.
        nested, copy: As for `replace`.
        keep_shapes: Whether the input must have the shape and dtype of the output; also where it becomes an output of the model.

    Raises:
        UnknownNameError: Nothing matches.
        ShapeError, DTypeError: The output has another shape or dtype than the input.
        InvalidArgumentError: A layer is an input of the model, has several inputs and no `keep`, or several outputs.
    """
    places = _places(model, which, nested)

    def make(match: Match) -> Any:
        slot = _slot(match.inputs, keep, match, "inputs", "remove", "keep=index")
        return match.inputs[slot]

    for match in places:
        if isinstance(match.layer, InputLayer):
            raise InvalidArgumentError(
                f"{match.path!r} is an input of the model and cannot be removed; use graphs.cut to begin elsewhere."
            )
    return _edited(model, places, make, "the removal of", copy, keep_shapes, at_results=keep_shapes)


def share(model: Any, layers: Iterable[Any], *, copy: bool = False) -> Functional:
    """Return a model in which one layer is called wherever one of several layers was: their weights are shared.

    Args:
        model: A functional or sequential model; it stays as it is.
        layers: Names of layers, or layers. All calls use the first one, with its weights; nested models keep theirs.
        copy: As for `replace`.

    Returns:
        The model, in which the first layer has several nodes.

    Raises:
        UnknownNameError: There is no layer of a name.
        InvalidArgumentError: Fewer than two layers are given, or they differ in class, config or shapes of weights.
    """
    graph = graph_of(model)
    found = [_layer_of(graph, item) for item in layers]
    chosen: list[Any] = list(dict.fromkeys(found))
    if len(chosen) < 2:
        raise InvalidArgumentError(f"graphs.share expects at least two layers, got {[o.name for o in chosen]}.")
    first = chosen[0]
    for other in chosen[1:]:
        _check_alike(first, other)
    copier = Copier(copy)
    one = copier(first)
    for other in chosen[1:]:
        copier.put(other, one)
    return rebuilt(graph, copier, (), {})


# ----- places -----


def _places(model: Any, pattern: What, nested: bool) -> list[Match]:
    """Return the matches of a pattern. Raises UnknownNameError if there are none."""
    found = find(model, pattern, nested)
    if not found:
        shown = getattr(pattern, "__name__", None) or (repr(pattern) if isinstance(pattern, (str, tuple, list)) else "")
        classes = sorted({type(o).__name__ for _, host in hosts(model, nested) for o in graph_of(host).operations})
        raise UnknownNameError(
            f"Nothing in model {model.name!r} matches the pattern{' ' + shown if shown else ''}; see graphs.find. The classes of its "
            f"layers are {', '.join(classes)}.{'' if nested else ' Nested models were not searched: pass nested=True.'}"
        )
    return found


def _split_index(model: Any, where: Any) -> tuple[Any, int | None]:
    """Split "name:index"; a name may itself contain a colon."""
    if not isinstance(where, str):
        return where, None
    name, colon, index = where.rpartition(":")
    whole = {path + o.name for path, host in hosts(model) for o in graph_of(host).operations}
    if not colon or not index.isdecimal() or where in whole or where in {w.rpartition("/")[2] for w in whole}:
        return where, None
    return name, int(index)


def _slot(tensors: Sequence[Any], index: int | None, match: Match, what: str, function: str, how: str = "") -> int:
    if index is None and len(tensors) == 1:
        return 0
    if index is not None and 0 <= index < len(tensors):
        return index
    raise InvalidArgumentError(
        f"graphs.{function} expects one of the {len(tensors)} {what} of {match.path!r}, got index {index}: "
        f"use {how or repr(match.path + ':0')}."
    )


def _edited(
    model: Any, places: Sequence[Match], make: _Make, what: str, copy: bool, keep_shapes: bool, at_results: bool = False
) -> Functional:
    """Return the model with an edit at each place."""
    by_host: dict[Any, list[Edit]] = {}
    for match in places:

        def at_site(site: Site, match: Match = match) -> Any:
            there = match.at(site)
            made = make(there)
            return there.output if made is None else made

        edit = Edit(match.nodes, at_site, f"{what} {match.path!r}", not keep_shapes, not at_results)
        by_host.setdefault(match.host, []).append(edit)
    for path, host in reversed(list(hosts(model))):  # a model around an edited one is edited too
        if path and host in by_host:
            for _, outer in hosts(model):
                if host in graph_of(outer).operations:
                    by_host.setdefault(outer, [])
    return rebuilt(graph_of(model), Copier(copy), by_host.get(model, []), by_host)


# ----- replacements -----


class _Chooser:
    """Chooses what stands at each place. All calls of one layer get the same layer, so what shares weights goes on to share them.

    Args:
        given: A layer, a layer class, or a function of a match.
        places: The places.
        function: The function that it was given to, for messages.

    Raises:
        InvalidTypeError: `given` is something else.
    """

    def __init__(self, given: Any, places: Sequence[Match], function: str) -> None:
        if not callable(given):
            raise InvalidTypeError(
                f"graphs.{function} expects a layer, a layer class or a function, got {given!r:.80}."
            )
        self.given, self.function = given, function
        self.count = len({_key(match) for match in places})
        self._chosen: dict[Any, Any] = {}
        self._taken = _names_left(places)

    def __call__(self, match: Match, argument: Any) -> Any:
        """Return the layer for a match, or what the function returns for the argument."""
        key = _key(match)
        if key not in self._chosen:
            made = self._new(argument)
            if not isinstance(made, Operation):
                return made
            self._chosen[key] = made
        return self._chosen[key]

    def _new(self, argument: Any) -> Any:
        if isinstance(self.given, Operation):
            return self._given_layer(self.given)
        if isinstance(self.given, type) and issubclass(self.given, Operation):
            return self.given()
        made = self.given(argument)
        return made() if isinstance(made, type) and issubclass(made, Operation) else made

    def _given_layer(self, layer: Operation) -> Any:
        if not self._chosen:
            prefix = names.to_snake_case(type(layer).__name__)
            if (
                layer.name in self._taken
                and re.fullmatch(rf"{prefix}(_\d+)?", layer.name)
                and not getattr(layer, "weights", None)
            ):
                layer.name = names.auto_name(prefix)  # it has its name by chance
            return layer
        made = Copier(True).fresh(layer)
        made.name = names.auto_name(names.to_snake_case(type(layer).__name__))
        return made

    def check(self, layer: Any) -> None:
        """Refuse a given layer for several places once its call has shown that it has weights. Raises InvalidArgumentError."""
        if layer is self.given and self.count > 1 and getattr(layer, "weights", None):
            raise InvalidArgumentError(
                f"graphs.{self.function} got one layer with weights, {layer.name!r} ({type(layer).__name__}), for {self.count} "
                "different layers. Pass its class, or a function that returns a new layer for each; or a function that always "
                "returns the same layer, if they shall share its weights."
            )


def _names_left(places: Sequence[Match]) -> set[str]:
    """Return the names of the layers that keep a call outside the places, or are in another graph."""
    inside = {call for match in places for call in match.nodes}
    calls = [call for host in {match.host for match in places} for call in graph_of(host).layer_graph.nodes]
    return {call.operation.name for call in calls if call not in inside}


def _key(match: Match) -> Any:
    return tuple(call.operation for call in match.nodes)


def _maker(replacement: Any, places: Sequence[Match]) -> _Make:
    """Return the function (match -> tensors) of a replacement."""
    if isinstance(replacement, FunctionType) and replacement.__module__.startswith(_CALLED_ON_TENSORS):
        return lambda match: replacement(*match.inputs)  # ops.gelu, activations.relu
    choose = _Chooser(replacement, places, "replace")

    def make(match: Match) -> Any:
        chosen = choose(match, match)
        if not isinstance(chosen, Operation):
            return chosen
        made = _called(chosen, match)
        choose.check(chosen)
        return made

    return make


def _called(layer: Any, match: Match) -> Any:
    """Call a layer in the place of a match: as the matched layer was called, or on the tensors that enter the matched part."""
    assert match.site is not None
    if not match.inputs:
        raise InvalidArgumentError(f"{match.path!r} reads no tensor, so {layer.name!r} cannot be called in its place.")
    if isinstance(layer, Functional):
        if len(layer.inputs) != len(match.inputs):
            raise InvalidArgumentError(
                f"Model {layer.name!r} has {len(layer.inputs)} inputs {layer.input_names}, but the part at {match.path!r} reads "
                f"{len(match.inputs)} tensors."
            )
        return layer(nest.pack(layer.input, match.inputs))
    if len(match.nodes) == 1 and not isinstance(match.nodes[0].operation, OpNode):
        return match.site.rewriting.repeat_call(match.nodes[0], match.site.rewriting.tensors, layer)
    return layer(match.inputs[0] if len(match.inputs) == 1 else list(match.inputs))


def _attacher(layer: Any, places: Sequence[Match], function: str) -> Callable[[Match, Any], Any]:
    """Return the function (match, tensor -> tensor) of a layer to insert."""
    choose = _Chooser(layer, places, function)

    def attach(match: Match, tensor: Any) -> Any:
        made = choose(match, tensor)
        if isinstance(made, Operation):
            chosen, made = made, made(tensor)
            choose.check(chosen)
        if not isinstance(made, SymbolicTensor):
            raise GraphError(f"graphs.{function} expects one tensor from the inserted layer, got {made!r:.80}.")
        return made

    return attach


# ----- sharing -----


def _layer_of(graph: Functional, item: Any) -> Any:
    known = {o.name: o for o in graph.operations}
    if isinstance(item, str):
        if item not in known:
            raise UnknownNameError(f"Model {graph.name!r} has no layer named {item!r}.{did_you_mean(item, known)}")
        return known[item]
    if item in graph.operations:
        return item
    raise UnknownNameError(f"{getattr(item, 'name', item)!r} is no layer of model {graph.name!r}.")


def _check_alike(first: Any, other: Any) -> None:
    """Raise InvalidArgumentError unless one layer can stand for the other."""
    pair = f"graphs.share: {first.name!r} and {other.name!r}"
    if type(first) is not type(other) or isinstance(first, InputLayer):
        raise InvalidArgumentError(
            f"{pair} are {type(first).__name__} and {type(other).__name__}; layers that share weights must be of one class."
        )
    one, two = _settings(first), _settings(other)
    different = [k for k in {**one, **two} if k != "name" and not _equal(one.get(k), two.get(k))]
    if different:
        shown = "; ".join(f"{k}: {one.get(k)!r:.60} and {two.get(k)!r:.60}" for k in different[:4])
        raise InvalidArgumentError(
            f"{pair} differ in their config ({shown}); layers that share weights must have one config."
        )
    shapes = [[v.shape for v in getattr(layer, "weights", [])] for layer in (first, other)]
    if shapes[0] != shapes[1]:
        raise InvalidArgumentError(f"{pair} have weights of different shapes: {shapes[0]} and {shapes[1]}.")


def _settings(operation: Any) -> dict[str, Any]:
    """Return what must be equal for one layer to stand for another; for a node of an ONNX graph, without the names in the file."""
    if isinstance(operation, OpNode):
        return {"op": operation.class_name, **operation.config}
    config: dict[str, Any] = operation.get_config()
    if not hasattr(operation, "op_type"):
        return config
    attributes = sorted(attribute.SerializeToString() for attribute in operation.node.attribute)
    own = {"op": operation.op_type, "domain": operation.node.domain, "attributes": attributes}
    return {**{k: v for k, v in config.items() if k not in ("node", "weights")}, **own}


def _equal(one: Any, two: Any) -> bool:
    if isinstance(one, np.ndarray) or isinstance(two, np.ndarray):
        return np.array_equal(one, two)
    return bool(one == two)
