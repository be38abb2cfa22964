"""Cutting models, joining them, dissolving nested ones, and renaming layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, count, pairwise
from typing import Any

from graphkit.core import nest
from graphkit.core.errors import (
    DTypeError,
    GraphError,
    InvalidArgumentError,
    InvalidTypeError,
    NameConflictError,
    ShapeError,
    UnknownNameError,
)
from graphkit.core.registry import did_you_mean
from graphkit.graph.layer_graph import LayerGraph
from graphkit.graph.node import Node
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.graphs.copies import Copier
from graphkit.graphs.patterns import hosts
from graphkit.graphs.rewriting import Edit, Rewriting, Site, finished, graph_of, naming, new_input, rebuilt
from graphkit.layers.input_layer import InputLayer
from graphkit.models.functional import Functional

# ----- cutting -----


def cut(model: Any, inputs: Any = None, outputs: Any = None, *, copy: bool = False) -> Functional:
    """Return the part of a model between tensors.

    Args:
        model: A functional or sequential model; it stays as it is.
        inputs: The tensors at which the part begins, by default the model's inputs, as far as the outputs need them. A reference is the
            name of a layer (its output), "name:index" (one of several outputs, those of all calls counted), the name of a tensor,
            a layer, or a symbolic tensor; a list or dict of references gives the structure.
        outputs: The tensors that the part computes, by default the model's outputs. "encoder/conv" is a layer inside of a nested
            model, which is dissolved then.
        copy: Whether the new model gets weights of its own.

    Returns:
        A functional model. A new input has the name of the layer whose output it replaces.

    Raises:
        UnknownNameError: There is no such layer or tensor.
        InvalidArgumentError: A layer with several outputs is given without an index.
        DisconnectedGraphError: The outputs need something that does not depend on the inputs.
    """
    graph, (inputs, outputs) = _with_dissolved(graph_of(model), [inputs, outputs])
    place = _Tensors(graph)
    ends = graph.output if outputs is None else nest.map_structure(place, outputs)
    starts = graph.input if inputs is None else nest.map_structure(place, inputs)
    if inputs is None:
        needed = _needed(graph, nest.flatten(ends))
        used = [t for t in graph.inputs if t in needed]
        if len(used) < len(graph.inputs):
            starts = used[0] if len(used) == 1 else used
    old = nest.flatten(starts)
    if len(set(old)) < len(old):
        raise InvalidArgumentError(f"graphs.cut expects different inputs, got {inputs!r:.200}.")
    part = LayerGraph(old, nest.flatten(ends), f"the part of model {graph.name!r}")
    copier = Copier(copy)
    rewriting = Rewriting(part, copier)
    remaining = {o.name for o in part.operations if any(n.operation is o for n in _computed(part))}
    with naming(graph):
        for tensor in old:
            rewriting.tensors[tensor] = _begin(tensor, copier, remaining)
        rewriting.run()
        new = [nest.map_structure(rewriting.tensors.__getitem__, s) for s in (starts, ends)]
        return finished(graph, new[0], new[1])


def _computed(graph: LayerGraph) -> list[Any]:
    stop = set(graph.inputs)
    return [n for n in graph.nodes if not all(t in stop for t in n.output_tensors)]


def _begin(tensor: Any, copier: Copier, taken: set[str]) -> Any:
    """Return the input that takes the place of a tensor."""
    operation = tensor.history.operation
    if isinstance(operation, InputLayer):
        return copier(operation).nodes[0].output_tensors[0]
    several = sum(len(n.output_tensors) for n in operation.nodes if not n.is_copy) > 1
    number = _output_number(tensor)
    name = f"{operation.name}_{number}" if several else operation.name
    while name in taken:
        name += "_input"
    taken.add(name)
    return new_input(tensor.spec.shape, tensor.dtype, name)


def _output_number(tensor: Any) -> int:
    operation, node_index, tensor_index = tensor.history
    earlier = [n for n in operation.nodes[:node_index] if not n.is_copy]
    return sum(len(n.output_tensors) for n in earlier) + int(tensor_index)


def _needed(graph: Functional, outputs: Sequence[Any]) -> set[Any]:
    """Return the tensors that outputs depend on, and the outputs."""
    found: set[Any] = set()
    waiting = list(outputs)
    stop = set(graph.inputs)
    while waiting:
        tensor = waiting.pop()
        if tensor in found:
            continue
        found.add(tensor)
        if tensor not in stop and tensor.history is not None:
            waiting += tensor.history.operation.nodes[tensor.history.node_index].input_tensors
    return found


class _Tensors:
    """Finds the tensors of a graph by references."""

    def __init__(self, graph: Functional) -> None:
        self.graph = graph
        self.by_layer: dict[str, list[Any]] = {}
        self.by_name: dict[str, Any] = {}
        for node in sorted(graph.layer_graph.nodes, key=lambda n: n.index):
            self.by_layer.setdefault(node.operation.name, []).extend(node.output_tensors)
            self.by_name.update({t.name: t for t in node.output_tensors})
            self.by_name.update(_names_in_file(node))

    def __call__(self, reference: Any) -> Any:
        """Return the tensor of a reference."""
        if isinstance(reference, SymbolicTensor):
            if not any(reference is t for tensors in self.by_layer.values() for t in tensors):
                raise UnknownNameError(f"{reference!r} is no tensor of model {self.graph.name!r}.")
            return reference
        if not isinstance(reference, str):
            if reference not in self.graph.operations:
                raise InvalidTypeError(
                    f"graphs.cut expects names, layers or symbolic tensors of model {self.graph.name!r}, got {reference!r:.80}."
                )
            reference = reference.name
        if reference in self.by_layer:
            return self._only(reference)
        name, colon, index = reference.rpartition(":")
        if colon and index.isdecimal() and name in self.by_layer:
            return self._at(name, int(index))
        if reference in self.by_name:
            return self.by_name[reference]
        known = [*self.by_layer, *self.by_name]
        raise UnknownNameError(
            f"Model {self.graph.name!r} has no layer or tensor named {reference!r}.{did_you_mean(reference, dict.fromkeys(known))}"
        )

    def has(self, reference: str) -> bool:
        """Return whether a string is the name of a layer or tensor."""
        return reference in self.by_layer or reference in self.by_name

    def _only(self, name: str) -> Any:
        found = self.by_layer[name]
        if len(found) != 1:
            raise InvalidArgumentError(
                f"Layer {name!r} of model {self.graph.name!r} has {len(found)} outputs of shapes {[t.shape for t in found]}: use "
                f"'{name}:0' to '{name}:{len(found) - 1}'."
            )
        return found[0]

    def _at(self, name: str, index: int) -> Any:
        found = self.by_layer[name]
        if index >= len(found):
            raise UnknownNameError(
                f"Layer {name!r} of model {self.graph.name!r} has {len(found)} outputs, no number {index}."
            )
        return found[index]


def _names_in_file(node: Node) -> dict[str, Any]:
    """Return the outputs of a node of an ONNX graph by their names in the file."""
    name = getattr(node.operation, "tensor_name", None)
    return {} if name is None else {n: t for i, t in enumerate(node.output_tensors) if (n := name(i)) is not None}


# ----- dissolving nested models -----


def dissolve(model: Any, which: Any = None, *, copy: bool = False) -> Functional:
    """Return a model with the layers of nested models in their place.

    Args:
        model: A functional or sequential model; it stays as it is.
        which: The name of a nested model ("encoder", "encoder/block"), or a list of names; all of them by default.
        copy: Whether the new model gets weights of its own.

    Returns:
        The model. Layers whose names are taken get the name of their model before their own: "encoder_dense".

    Raises:
        UnknownNameError: There is no nested model of a name.
    """
    graph = graph_of(model)
    known = {path.rstrip("/"): host for path, host in hosts(graph) if path}
    wanted = list(known) if which is None else [which] if isinstance(which, str) else list(which)
    chosen = set()
    for name in wanted:
        if name not in known:
            raise UnknownNameError(
                f"Model {graph.name!r} has no nested model {name!r}.{did_you_mean(name, known)} It has {list(known)}."
            )
        parts = name.split("/")
        chosen |= {known["/".join(parts[: i + 1])] for i in range(len(parts))}
    return _dissolved(graph, chosen, Copier(copy))[0]


def _dissolved(graph: Functional, chosen: set[Any], copier: Copier) -> tuple[Functional, dict[str, str]]:
    """Return the model without the chosen nested models, and the new names of their layers by path."""
    taken = {o.name for o in graph.operations if o not in chosen}
    dissolving = _Dissolving(chosen, taken, copier, "")
    return rebuilt(graph, copier, dissolving.edits(graph), {}), dissolving.new_names


class _Dissolving:
    """Repeats the calls inside of nested models in the place of their own calls.

    Attributes:
        new_names: The new names of the layers by path.
    """

    def __init__(self, chosen: set[Any], taken: set[str], copier: Copier, path: str) -> None:
        self.chosen, self.taken, self.copier, self.path = chosen, taken, copier, path
        self.new_names: dict[str, str] = {}

    def edits(self, graph: Functional) -> list[Edit]:
        """Return an edit for each call of a chosen model."""
        calls = [n for n in graph.layer_graph.nodes if n.operation in self.chosen]
        return [Edit((n,), self._inside, f"the dissolution of {n.operation.name!r}") for n in calls]

    def _inside(self, site: Site) -> Any:
        call = site.nodes[0]
        args, kwargs = nest.map_structure(
            lambda a: site.rewriting.tensors[a] if isinstance(a, SymbolicTensor) else a, [list(call.args), call.kwargs]
        )
        inner = graph_of(call.operation)
        path, self.path = self.path, f"{self.path}{call.operation.name}/"
        self._name(inner, call.operation.name)
        training = kwargs.get("training", site.rewriting.training)
        rewriting = Rewriting(inner.layer_graph, self.copier, self.edits(inner), training=training)
        leaves = inner.signature.conformed(args[0] if args else kwargs["inputs"])
        rewriting.tensors.update(zip(inner.inputs, leaves, strict=True))
        rewriting.run()
        self.path = path
        return nest.map_structure(rewriting.tensors.__getitem__, inner.output)

    def _name(self, inner: Functional, owner: str) -> None:
        """Give the layers names that are free in the outer model."""
        for operation in inner.operations:
            path = self.path + operation.name
            if path in self.new_names or operation in self.chosen or isinstance(operation, InputLayer):
                continue
            self.new_names[path] = free_name(operation.name, owner, self.taken)
            self.copier.named(operation, self.new_names[path])
            self.taken.add(self.new_names[path])


def _with_dissolved(graph: Functional, references: Any) -> tuple[Functional, Any]:
    """Dissolve the nested models that references name ("encoder/conv"). Returns the graph, and the references to it."""
    place = _Tensors(graph)
    known = {path: host for path, host in hosts(graph) if path}
    paths = [
        r for r in nest.flatten(references)
        if isinstance(r, str) and not place.has(r) and r.rpartition("/")[0] + "/" in known
    ]  # fmt: skip
    if not paths:
        return graph, references
    inside = {known[path[: i + 1]] for path in paths for i, letter in enumerate(path) if letter == "/"}
    made, new_names = _dissolved(graph, inside, Copier(False))

    def translated(reference: Any) -> Any:
        if isinstance(reference, SymbolicTensor):
            return f"{place(reference).history.operation.name}:{_output_number(reference)}"
        if not isinstance(reference, str):
            return getattr(reference, "name", reference)
        if reference not in paths:
            return reference
        name, colon, index = reference.rpartition(":")
        if reference not in new_names and colon and name in new_names:
            return f"{new_names[name]}:{index}"
        if reference not in new_names:
            raise UnknownNameError(
                f"Model {graph.name!r} has no layer {reference!r}.{did_you_mean(reference, new_names)}"
            )
        return new_names[reference]

    return made, nest.map_structure(translated, references)


def free_name(name: str, owner: str, taken: set[str]) -> str:
    """Return a name that is not taken: the name itself, with that of its model before it, or with a number too."""
    candidates = chain([name, f"{owner}_{name}"], (f"{owner}_{name}_{number}" for number in count(1)))
    return next(candidate for candidate in candidates if candidate not in taken)


# ----- renaming -----


def rename(
    model: Any, names: Mapping[str, str] | Callable[[str], str], *, name: str | None = None, copy: bool = False
) -> Functional:
    """Return a model with other names of layers, and so of its inputs and outputs.

    Args:
        model: A functional or sequential model; it stays as it is.
        names: New names by the old ones ("encoder/dense" for a layer of a nested model), or a function (name -> name), which is called
            for the layers and ops of the model itself.
        name: The name of the model; the old one by default.
        copy: Whether the new model gets weights of its own. Shared weights keep their paths.

    Raises:
        UnknownNameError: There is no layer of a name.
        NameConflictError: Two layers would have one name.
        InvalidArgumentError: A new name is not a string without "/".
    """
    graph = graph_of(model)
    by_path = {path + o.name: (host, o) for path, host in hosts(graph) for o in graph_of(host).operations}
    new_names = {o.name: names(o.name) for o in graph.operations} if callable(names) else dict(names)
    copier = Copier(copy)
    for operation in graph.operations:
        copier(operation)
    for path, new in new_names.items():
        if path not in by_path:
            raise UnknownNameError(f"Model {graph.name!r} has no layer named {path!r}.{did_you_mean(path, by_path)}")
        if not isinstance(new, str) or not new or "/" in new:
            raise InvalidArgumentError(f"The new name of layer {path!r} expects a string without '/', got {new!r}.")
        made = copier.named(by_path[path][1], new)
        if isinstance(made, InputLayer):
            made.nodes[0].output_tensors[0].name = new
        for tensor in graph.outputs:
            if (
                tensor.history is not None
                and tensor.history.operation is by_path[path][1]
                and hasattr(made, "name_tensor")
            ):
                number = tensor.history.tensor_index  # nodes of ONNX graphs name their outputs themselves
                made.name_tensor(number, f"{new}_{number}" if number else new)
    for host in dict.fromkeys(host for host, _ in by_path.values()):
        _check_unique([copier(o).name for o in graph_of(host).operations], host.name)
    made = rebuilt(graph, copier, (), {})
    if name is not None:
        made.name = name
    return made


def _check_unique(names: Sequence[str], model: str) -> None:
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise NameConflictError(
            f"Two layers of model {model!r} would have the name {twice!r}; give one of them another name."
        )


# ----- joining -----


def merge(
    models: Sequence[Any] | Mapping[str, Any],
    *,
    connect: str | Mapping[str, str] | None = None,
    unify: bool | Mapping[str, Sequence[str]] = True,
    name: str | None = None,
    copy: bool = False,
) -> Functional:
    """Return one model of the layers of several: side by side, or one behind the other.

    Args:
        models: Functional or sequential models; they stay as they are. A dict gives them names, and the outputs become a dict.
        connect: How outputs feed inputs of later models; they are then no inputs and outputs any more. None: not at all. "names": each
            input reads the output of the same name, of the latest model before that has one. "order": the outputs of each model
            feed the inputs of the next. A dict: the name of an output by that of an input, "decoder/z": "encoder/dense_2".
        unify: Whether inputs of the same name become one input; otherwise later ones get the name of their model before their own. A
            dict gives the inputs that become one by its name: {"image": ["left/pixels", "right/input"]}.
        name: The name of the model; by default the names of the models, joined.
        copy: Whether the new model gets weights of its own.

    Returns:
        The model. Outputs are a list of the remaining outputs, in order, or the only one; a dict if `models` is. Layers whose names are
        taken get the name of their model before their own: "encoder_dense". What models share, they go on to share.

    Raises:
        InvalidArgumentError: No model is given, or nothing is connected.
        UnknownNameError: There is no input or output of a name.
        ShapeError, DTypeError: Inputs that become one differ, or an output does not fit an input.

    Source: onnx.compose.merge_models.
    """
    given = dict(models) if isinstance(models, Mapping) else _named_models(models)
    if not given:
        raise InvalidArgumentError("graphs.merge expects at least one model, got none.")
    graphs = {key: graph_of(model) for key, model in given.items()}
    merging = _Merging(graphs, Copier(copy), _connections(graphs, connect), _unified(graphs, unify))
    with naming(*graphs.values()):
        for key in graphs:
            merging.add(key)
    outputs: Any = merging.remaining()
    if isinstance(models, Mapping):
        outputs = {k: v[0] if len(v) == 1 else v for k, v in outputs.items()}
    else:
        outputs = [t for v in outputs.values() for t in v]
        outputs = outputs[0] if len(outputs) == 1 else outputs
    inputs = list(merging.inputs.values())
    first = next(iter(graphs.values()))
    only = inputs[0] if len(inputs) == 1 else inputs
    return finished(first, only, outputs, name or "_".join(graphs), cls=Functional)


def _named_models(models: Sequence[Any]) -> dict[str, Any]:
    """Return models by name; models of one name get a number."""
    found: dict[str, Any] = {}
    for model in models:
        key = next(n for n in chain([model.name], (f"{model.name}_{i}" for i in count(1))) if n not in found)
        found[key] = model
    return found


class _Merging:
    """The models that are put together.

    Attributes:
        inputs: The inputs of the new model by name.
    """

    def __init__(
        self,
        graphs: Mapping[str, Functional],
        copier: Copier,
        connections: Mapping[tuple[str, int], tuple[str, int]],
        names: Mapping[tuple[str, int], str],
    ) -> None:
        self.graphs, self.copier, self.connections, self.names = graphs, copier, connections, names
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[tuple[str, int], Any] = {}
        self._taken = {name for place, name in names.items() if place not in connections}
        self._named: set[int] = set()

    def add(self, key: str) -> None:
        """Repeat the calls of a model."""
        graph = self.graphs[key]
        self._name(graph, key)
        rewriting = Rewriting(graph.layer_graph, self.copier)
        for number, tensor in enumerate(graph.inputs):
            rewriting.tensors[tensor] = self._input(key, number, tensor)
        rewriting.run()
        for number, tensor in enumerate(graph.outputs):
            self.outputs[key, number] = rewriting.tensors[tensor]

    def _name(self, graph: Functional, key: str) -> None:
        for operation in graph.operations:
            if isinstance(operation, InputLayer) or id(operation) in self._named:
                continue
            self._named.add(id(operation))
            made = self.copier.named(operation, free_name(operation.name, key, self._taken))
            self._taken.add(made.name)

    def _input(self, key: str, number: int, old: Any) -> Any:
        source = self.connections.get((key, number))
        if source is not None:
            made = self.outputs[source]
            _check_fits(made, old, f"output {self.graphs[source[0]].output_names[source[1]]!r} of {source[0]!r}", key)
            return made
        name = self.names[key, number]
        if name in self.inputs:
            known = self.inputs[name]
            if known.shape != old.shape:
                raise ShapeError(_differ(name, key, known.shape, old.shape))
            if known.dtype != old.dtype:
                raise DTypeError(_differ(name, key, known.dtype, old.dtype))
            return known
        operation = old.history.operation
        if operation.name == name and id(operation) not in self._named:
            self._named.add(id(operation))
            made = self.copier(operation).nodes[0].output_tensors[0]
        else:
            made = new_input(old.spec.shape, old.dtype, name, operation.optional)
        self.inputs[name] = made
        return made

    def remaining(self) -> dict[str, list[Any]]:
        """Return the outputs that feed no input, by model; those of the last model if there are none."""
        used = set(self.connections.values())
        found = {k: [t for (m, n), t in self.outputs.items() if m == k and (m, n) not in used] for k in self.graphs}
        return {k: v for k, v in found.items() if v}


def _differ(name: str, key: str, known: Any, given: Any) -> str:
    return (
        f"graphs.merge makes one input of those named {name!r}, which must be alike: expected {known}, got {given} in model {key!r}. "
        "Use graphs.rename for one of them, or pass unify=False."
    )


def _check_fits(made: Any, old: Any, what: str, key: str) -> None:
    name = old.history.operation.name
    fits = len(made.shape) == len(old.shape) and all(
        size is None or other is None or size == other for size, other in zip(old.shape, made.shape, strict=True)
    )
    if not fits:
        raise ShapeError(
            f"graphs.merge: input {name!r} of {key!r} expects shape {old.shape}, got {made.shape} from {what}."
        )
    if made.dtype != old.dtype:
        raise DTypeError(f"graphs.merge: input {name!r} of {key!r} expects {old.dtype}, got {made.dtype} from {what}.")


def _unified(graphs: Mapping[str, Functional], unify: bool | Mapping[str, Sequence[str]]) -> dict[tuple[str, int], str]:
    """Return the name of each input in the new model."""
    names: dict[tuple[str, int], str] = {}
    if isinstance(unify, Mapping):
        for new, members in unify.items():
            for member in [members] if isinstance(members, str) else members:
                names[_find(graphs, member, "input")] = new
    taken = set(names.values())
    for key, graph in graphs.items():
        for number, name in enumerate(graph.input_names):
            if (key, number) in names:
                continue
            names[key, number] = name if unify is True else free_name(name, key, taken)
            taken.add(names[key, number])
    return names


def _connections(
    graphs: Mapping[str, Functional], connect: str | Mapping[str, str] | None
) -> dict[tuple[str, int], tuple[str, int]]:
    """Return the output that feeds each connected input, as (model, number)."""
    if connect is None:
        return {}
    keys = list(graphs)
    made: dict[tuple[str, int], tuple[str, int]] = {}
    if isinstance(connect, Mapping):
        for target, source in connect.items():
            made[_find(graphs, target, "input")] = _find(graphs, source, "output")
    elif connect == "order":
        for before, key in pairwise(keys):
            counts = len(graphs[before].outputs), len(graphs[key].inputs)
            if counts[0] != counts[1]:
                raise InvalidArgumentError(
                    f"graphs.merge: {before!r} has {counts[0]} outputs, but {key!r} has {counts[1]} inputs: use connect={{input: output}}."
                )
            made.update({(key, number): (before, number) for number in range(counts[0])})
    elif connect == "names":
        for position, key in enumerate(keys):
            found = {n: _by_name(graphs, keys[:position], name) for n, name in enumerate(graphs[key].input_names)}
            made.update({(key, n): source for n, source in found.items() if source is not None})
            if position and not any(found.values()):
                raise InvalidArgumentError(
                    f"graphs.merge: no output before {key!r} has the name of one of its inputs {graphs[key].input_names}; the outputs "
                    f"are {[n for k in keys[:position] for n in _output_names(graphs[k])]}. Use graphs.rename, or "
                    "connect={input: output}."
                )
    else:
        raise InvalidArgumentError(f"graphs.merge: connect expects None, 'names', 'order' or a dict, got {connect!r}.")
    for (reader, _), (computer, _) in made.items():
        if keys.index(computer) >= keys.index(reader):
            raise GraphError(
                f"graphs.merge: an input of {reader!r} cannot read an output of {computer!r}, which does not come before it."
            )
    return made


def _by_name(graphs: Mapping[str, Functional], earlier: Sequence[str], name: str) -> tuple[str, int] | None:
    """Return the output of a name of the latest model before that has one."""
    for key in reversed(earlier):
        names = _output_names(graphs[key])
        if name in names:
            return key, names[name]
    return None


def _output_names(graph: Functional) -> dict[str, int]:
    """Return the numbers of the outputs by the names of layers, and by the keys of a dict of outputs."""
    found = {name: number for number, name in enumerate(graph.output_names)}
    if isinstance(graph.output, Mapping):
        found.update({str(key): number for number, key in enumerate(nest.keys_in_order(graph.output))})
    return found


def _find(graphs: Mapping[str, Functional], reference: str, kind: str) -> tuple[str, int]:
    """Return (model, number) of an input or output: "model/name", or a name that only one model has."""
    known = {
        f"{key}/{name}": (key, number)
        for key, graph in graphs.items()
        for name, number in (
            _output_names(graph) if kind == "output" else {n: i for i, n in enumerate(graph.input_names)}
        ).items()
    }
    if reference in known:
        return known[reference]
    found = {place for name, place in known.items() if name.rpartition("/")[2] == reference}
    if len(found) == 1:
        return found.pop()
    if found:
        raise InvalidArgumentError(
            f"graphs.merge: several models have an {kind} {reference!r}; use 'model/{reference}'."
        )
    raise UnknownNameError(
        f"graphs.merge: there is no {kind} {reference!r}.{did_you_mean(reference, known)} The {kind}s are {list(known)}."
    )
