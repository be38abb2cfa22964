"""What is changed most often before a model is trained further: what is trained, the head, the input size, the activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from graphkit import activations, ops
from graphkit.core import nest
from graphkit.core.dims import Dim
from graphkit.core.errors import GraphKitError, InvalidArgumentError, ShapeError, UnknownNameError, UnsupportedError
from graphkit.core.serialization import is_envelope
from graphkit.core.signatures import signature_of
from graphkit.core.stamps import tick
from graphkit.graph.node import Node
from graphkit.graph.operation import OpNode
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.graphs.copies import Copier
from graphkit.graphs.edits import replace
from graphkit.graphs.patterns import Match, What, chain, class_of, find, hosts
from graphkit.graphs.patterns import node as node_of
from graphkit.graphs.rewriting import Rewriting, call_of, finished, graph_of, naming, new_input, rebuilt
from graphkit.layers.core import Activation, Dense
from graphkit.layers.layer import Layer
from graphkit.models.functional import Functional
from graphkit.models.model import Model
from graphkit.models.sequential import Sequential

# ----- what is trained -----


def freeze(
    model: Any, which: What | None = None, *, until: str | None = None, nested: bool = True, copy: bool = False
) -> Functional:
    """Return a model in which some layers are not trained. The old model trains what it trained before.

    Args:
        model: A functional or sequential model; it stays as it is.
        which: What `find` takes; a nested model stands for all its layers. By default all layers.
        until: The name of a layer: it and all layers that it depends on are frozen, instead of `which`.
        nested: Whether to search nested models too.
        copy: Whether the new model gets weights of its own.

    Raises:
        UnknownNameError: Nothing matches.
        InvalidArgumentError: Both `which` and `until` are given.
    """
    if which is not None and until is not None:
        raise InvalidArgumentError("graphs.freeze expects either `which` or `until`, got both.")
    graph = graph_of(model)
    copier = _copies(graph, copy)
    for operation in _before(graph, until) if until is not None else _matched(graph, which, nested):
        if isinstance(operation, Layer):
            for layer in copier(operation)._walk_layers():
                layer._trainable = False  # the variables, which the old model may share, keep their settings
    tick()
    return rebuilt(graph, copier, (), {})


def unfreeze(model: Any, which: What | None = None, *, nested: bool = True, copy: bool = False) -> Functional:
    """Return a model in which layers are trained again.

    Args:
        model: A functional or sequential model; it stays as it is.
        which: What `find` takes. By default all layers.
        nested: Whether to search nested models too.
        copy: Whether the new model gets weights of its own.

    Raises:
        UnknownNameError: Nothing matches.
    """
    graph = graph_of(model)
    copier = _copies(graph, copy)
    chosen = set(_matched(graph, which, nested))
    for operation in chosen:
        if isinstance(operation, Layer):
            copier(operation).trainable = True
    for _, host in hosts(graph):  # the models around a layer must be trained, or it is not
        if any(operation in chosen for operation in graph_of(host).operations):
            made = graph if host is graph else copier(host)
            if made is not graph:
                made._trainable = True
    made = rebuilt(graph, copier, (), {})
    made._trainable = True
    tick()
    return made


def _copies(graph: Functional, copy: bool) -> Copier:
    """Return a copier that has copied all layers of a graph."""
    copier = Copier(copy)
    for operation in graph.operations:
        copier(operation)
    return copier


def _matched(graph: Functional, which: What | None, nested: bool) -> list[Any]:
    """Return the layers of the last calls of matches. Raises UnknownNameError if there are none."""
    if which is None:
        return list(graph.operations)
    found = list(dict.fromkeys(call.operation for match in find(graph, which, nested) for call in match.nodes))
    if not found:
        raise UnknownNameError(f"Nothing in model {graph.name!r} matches the pattern; see graphs.find.")
    return found


def _before(graph: Functional, name: str) -> list[Any]:
    """Return a layer of the model itself and all layers that it depends on."""
    found = list(find(graph, name, nested=False))
    if not found:
        raise UnknownNameError(f"Model {graph.name!r} has no layer named {name!r}.")
    seen: dict[Node, None] = {}
    waiting = [match.nodes[-1] for match in found]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen[node] = None
            waiting += node.parent_nodes
    return list(dict.fromkeys(node.operation for node in seen))


# ----- LoRA -----


def add_lora(
    model: Any,
    which: What,
    rank: int,
    *,
    alpha: float | None = None,
    freeze_others: bool = True,
    nested: bool = True,
    copy: bool = False,
) -> Functional:
    """Return a model in which updates of low rank are trained in the place of weights.

    Layers that have `enable_lora` (Dense, EinsumDense, Embedding, convolutions) get it enabled, also inside of others: the projections of
    an attention layer. For other layers that are linear in the last axis of their input, such as MatMul and Gemm of an ONNX graph, two
    Dense layers are put beside. Layers that match but have no weight of two axes or more, or one that is only added or multiplied
    element by element, stay as they are.

    Args:
        model: A functional or sequential model; it stays as it is.
        which: What `find` takes; a nested model stands for its layers, if `nested` is true.
        rank: The inner size of the update's two factors.
        alpha: The update is scaled by alpha / rank; `rank` by default.
        freeze_others: Whether nothing but the updates is trained. As in Keras, files do not hold that the bias of a layer with an update
            is frozen.
        nested: Whether to search nested models too.
        copy: Whether the new model gets weights of its own. Otherwise the weights that get an update are frozen in the old model too.

    Returns:
        The model. It computes what the old one computes until it is trained, since one factor is zero.

    Raises:
        UnknownNameError: Nothing matches.
        InvalidArgumentError: `rank` is not positive, or LoRA is enabled already.
        UnsupportedError: No layer that matches has such a weight, or one has no `enable_lora` and is not linear in the last axis.

    Source: keras Layer.enable_lora.
    """
    if not isinstance(rank, int) or rank < 1:
        raise InvalidArgumentError(f"graphs.add_lora expects rank to be a positive integer, got {rank!r}.")
    graph = graph_of(model)
    matched = _matched(graph, which, nested)
    matched = _with_inner(graph, matched) if nested else matched
    chosen = [o for o in matched if _has_matrix(o)]
    if not chosen:
        raise UnsupportedError(
            f"graphs.add_lora expects layers with a weight of two axes or more; {[o.name for o in matched[:5]]} have none."
        )
    others = {o for o in chosen if not any(True for _ in _adaptable(o))}
    frozen = freeze(graph, copy=copy) if freeze_others else rebuilt(graph, Copier(copy), (), {})
    if others:
        paths = [m.path for m in find(graph, lambda layer: layer in others, nested)]
        beside = _Beside(rank, alpha)
        frozen = replace(frozen, list(dict.fromkeys(paths)), beside, nested=nested)
    names = {
        path + o.name for path, host in hosts(graph) for o in graph_of(host).operations if o in set(chosen) - others
    }
    for path, host in hosts(frozen):
        for operation in graph_of(host).operations:
            for layer in _adaptable(operation) if path + operation.name in names else ():
                layer._trainable = True
                layer.enable_lora(rank, alpha)
                updates = {id(v) for v in layer.lora_weights}
                for variable in layer._own_variables:
                    variable.trainable = id(variable) in updates or (variable.trainable and not freeze_others)
                _train_through(operation, layer)
    if freeze_others:
        frozen._trainable = True
        for _, host in hosts(frozen):
            host._trainable = True
    tick()
    return frozen


def _has_matrix(operation: Any) -> bool:
    """Return whether a layer has a weight of two axes or more that is no bias or scale."""
    if isinstance(operation, Model) or class_of(operation) in ("Add", "Sub", "Mul", "Div"):
        return False
    return any(v.ndim > 1 for v in getattr(operation, "weights", ()))


def _with_inner(graph: Functional, operations: Sequence[Any]) -> list[Any]:
    """Return operations, with those inside of nested models among them."""
    found = dict.fromkeys(operations)
    for _, host in hosts(graph):  # outer models come first
        if host in found:
            found.update(dict.fromkeys(graph_of(host).operations))
    return list(found)


def _adaptable(operation: Any) -> Iterator[Any]:
    """Yield the layers in an operation that have `enable_lora`."""
    if isinstance(operation, Layer) and not isinstance(operation, (Functional, Sequential)):
        yield from (layer for layer in operation._walk_layers() if hasattr(layer, "enable_lora"))


def _train_through(operation: Any, layer: Any) -> None:
    """Mark the layers around an inner layer as trained, so that it is; their own weights are not."""
    for outer in operation._walk_layers():
        if outer is not layer and layer in set(outer._walk_layers()):
            outer._trainable = True
            for variable in outer._own_variables:
                variable.trainable = False


class _Beside:
    """Puts two Dense layers without bias beside a layer: y + (x a) b alpha / rank."""

    def __init__(self, rank: int, alpha: float | None) -> None:
        self.rank, self.scale = rank, 1.0 if alpha is None else float(alpha) / rank
        self._made: dict[Any, tuple[Any, Any]] = {}

    def __call__(self, match: Match) -> Any:
        if not _is_linear(match.nodes[0]):
            raise UnsupportedError(
                f"graphs.add_lora expects layers that map the last axis of one tensor linearly; {match.path!r} ({class_of(match.layer)}) "
                f"maps {[t.shape for t in match.inputs]} to {match.shape} otherwise."
            )
        layer, x, y = match.layer, match.inputs[0], match.output
        if layer not in self._made:
            down = Dense(self.rank, use_bias=False, kernel_initializer="he_uniform", name=f"{layer.name}_lora_a")
            up = Dense(int(y.shape[-1]), use_bias=False, kernel_initializer="zeros", name=f"{layer.name}_lora_b")
            self._made[layer] = down, up
        down, up = self._made[layer]
        update = up(down(x))
        return ops.add(y, update if self.scale == 1.0 else ops.multiply(update, self.scale))


def _is_linear(node: Node) -> bool:
    """Return whether a call maps the last axis of one tensor linearly, alike at all other places: it is tried on numbers."""
    if len(node.input_tensors) != 1 or len(node.output_tensors) != 1:
        return False
    given, made = node.input_tensors[0], node.output_tensors[0]
    if given.ndim < 2 or given.shape[:-1] != made.shape[:-1] or made.shape[-1] is None or given.shape[-1] is None:
        return False
    rng = np.random.default_rng(0)
    shape = tuple(3 if size is None else size for size in given.shape)
    one, two = (rng.normal(size=shape).astype(given.dtype) for _ in range(2))

    def call(x: Any) -> Any:
        return np.asarray(node.operation(*nest.map_structure(lambda a: x if a is given else a, list(node.args))))

    first, none = call(one), call(np.zeros_like(one))
    sums = np.allclose(
        call(one + two) - none, first + call(two) - 2 * none, rtol=1e-3, atol=1e-3 * (1 + np.abs(first).max())
    )
    return bool(sums) and all(
        np.allclose(call(np.flip(one, axis)), np.flip(first, axis), rtol=1e-3, atol=1e-4)
        for axis in range(one.ndim - 1)
    )


# ----- activations -----


def replace_activation(model: Any, old: Any, new: Any, *, nested: bool = True, copy: bool = False) -> Functional:
    """Return a model with another activation function wherever one is computed: by layers, by ops, and as an argument of layers.

    Args:
        model: A functional or sequential model; it stays as it is.
        old: The activation to replace: a name ("relu") or function. Found are arguments `activation` of this name, except those of
            recurrent layers, and layers, ops and ONNX operators without weights that compute the same: ReLU(), Activation("relu"), Relu.
        new: The activation to put there: a name or function.
        nested: Whether to search nested models too.
        copy: Whether the new model gets weights of its own.

    Raises:
        UnknownNameError: The activation does not occur.
        InvalidArgumentError: There is no activation of a name.
    """
    graph = graph_of(model)
    before, after = activations.get(old), activations.get(new)
    copier = _copies(graph, copy)
    searched = [o for _, host in hosts(graph, nested) for o in graph_of(host).operations]
    count = 0
    for operation in searched:
        if isinstance(operation, Layer) and not isinstance(operation, (Functional, Sequential)):
            for layer in copier(operation)._walk_layers():
                if _has_activation(layer, before):
                    layer.activation = after
                    count += 1
    computing = {o for o in searched if _computes(o, before)} if before is not activations.linear else set()
    if not count and not computing:
        raise UnknownNameError(f"No layer of model {graph.name!r} has or computes the activation {old!r}.")
    if not computing:
        return rebuilt(graph, copier, (), {})
    paths = list(dict.fromkeys(match.path for match in find(graph, lambda layer: layer in computing, nested)))
    made = rebuilt(graph, copier, (), {})
    return replace(made, paths, lambda match: Activation(after, name=match.layer.name), nested=nested)


def _has_activation(layer: Any, wanted: Any) -> bool:
    if hasattr(layer, "cell") or hasattr(layer, "recurrent_activation") or not hasattr(layer, "activation"):
        return False
    held = layer.activation
    return held is wanted or (held is None and wanted is activations.linear)


def _computes(operation: Any, activation: Callable[[Any], Any]) -> bool:
    """Return whether a layer or op without weights computes an activation of its only input: it is tried on numbers."""
    if hasattr(operation, "activation") or isinstance(operation, (Functional, Sequential)):
        return False
    nodes = [n for n in operation.nodes if not n.is_copy]
    if not nodes or getattr(operation, "variables", None) or not all(_is_elementwise(n) for n in nodes):
        return False
    takes_training = "training" in signature_of(type(operation).call).parameters and not hasattr(operation, "op_type")
    if takes_training or getattr(operation, "op_type", "") == "Dropout":
        return False
    try:
        return all(_agree(nodes[0], activation, scale) for scale in (0.5, 4.0, 40.0))
    except GraphKitError:
        return False


def _agree(node: Node, activation: Callable[[Any], Any], scale: float) -> bool:
    """Return whether a call and an activation give the same for random numbers of this scale."""
    tensor = node.input_tensors[0]
    sizes = [16 if size is None else min(size, 16) for size in tensor.shape[1:]]
    shape = (max(2, 4096 // max(1, int(np.prod(sizes)))), *sizes) if tensor.shape else ()
    sample = np.random.default_rng(0).normal(scale=scale, size=shape).astype(tensor.dtype)
    args = [sample if a is tensor else a for a in node.args]
    operation = node.operation
    given = operation.call(*args) if isinstance(operation, OpNode) else operation(*args)
    wanted = np.asarray(activation(sample))
    return np.shape(given) == wanted.shape and bool(np.allclose(np.asarray(given), wanted, rtol=1e-5, atol=1e-6))


def _is_elementwise(node: Node) -> bool:
    if (
        len(node.input_tensors) != 1
        or len(node.output_tensors) != 1
        or not any(a is node.input_tensors[0] for a in node.args)
    ):
        return False
    given, made = node.input_tensors[0], node.output_tensors[0]
    return given.shape == made.shape and given.dtype == made.dtype and given.dtype.startswith("float")


# ----- head and input size -----


def replace_head(model: Any, units: int, *, layer: str | None = None, copy: bool = False) -> Functional:
    """Return a model whose last layer with weights has another number of outputs, and new weights.

    Args:
        model: A functional or sequential model with one output; it stays as it is.
        units: The number of outputs, such as classes.
        layer: The name of the layer, if it is not the last one with weights; only layers that keep the shape may follow.
        copy: Whether the new model gets weights of its own.

    Returns:
        The model; the new layer has the name and the other settings of the old one: a Dense or a convolution. A Gemm of an ONNX graph,
        or a MatMul and the Add of its bias, becomes a Dense.

    Raises:
        InvalidArgumentError: `units` is not positive, or the model has several outputs.
        UnsupportedError: The last layer with weights is of another class, or other layers follow it.
    """
    graph = graph_of(model)
    if not isinstance(units, int) or units < 1:
        raise InvalidArgumentError(f"graphs.replace_head expects units to be a positive integer, got {units!r}.")
    if len(graph.outputs) != 1:
        raise InvalidArgumentError(
            f"graphs.replace_head expects a model with one output; {graph.name!r} has {graph.output_names}. Use graphs.replace."
        )
    node = _head(graph, layer)
    product = _product_before(node)
    if product is not None:  # a product and a sum with the bias
        both = chain(node_of(where=lambda o: o is product.operation), node_of(where=lambda o: o is node.operation))
        return replace(graph, both, Dense(units, name=node.operation.name), nested=False, keep_shapes=False, copy=copy)
    place = (node.operation.name, graph.layer_graph.index_in_graph()[node])
    return replace(graph, place, _with_units(node, units), nested=False, keep_shapes=False, copy=copy)


def _product_before(node: Node) -> Node | None:
    """Return the MatMul of an ONNX graph whose result a bias is added to, or None."""
    if class_of(node.operation) != "Add" or len(node.input_tensors) != 1:
        return None
    before = call_of(node.input_tensors[0])
    is_bias = all(v.ndim == 1 for v in node.operation.weights) if isinstance(node.operation, Layer) else False
    return before if is_bias and class_of(before.operation) == "MatMul" and _is_linear(before) else None


def _head(graph: Functional, name: str | None) -> Node:
    """Return the call of the last layer with weights. Raises UnsupportedError if others than activations follow it."""
    tensor = graph.outputs[0]
    while True:
        node = call_of(tensor)
        found = node.operation.name == name if name is not None else bool(getattr(node.operation, "weights", None))
        if found:
            return node
        if not _is_elementwise(node) or getattr(node.operation, "weights", None):
            raise UnsupportedError(
                f"graphs.replace_head expects {name or 'a layer with weights'!r} at the end of model {graph.name!r}, with nothing but "
                f"activations after it; found {node.operation.name!r} ({class_of(node.operation)}). Use graphs.cut and a new head."
            )
        tensor = node.input_tensors[0]


def _with_units(node: Node, units: int) -> Any:
    """Return a new layer like that of a call, of another number of outputs."""
    operation = node.operation
    if class_of(operation) in ("Gemm", "MatMul") and _is_linear(node):
        return Dense(units, use_bias=class_of(operation) == "Gemm", name=operation.name)
    config = operation.get_config() if isinstance(operation, Layer) else {}
    key = next((k for k in ("units", "filters") if isinstance(config.get(k), int)), None)
    if key is None or hasattr(operation, "cell"):
        raise UnsupportedError(
            f"graphs.replace_head can change Dense layers, convolutions, Gemm and MatMul; {operation.name!r} is a {class_of(operation)}. "
            "Use graphs.replace."
        )
    seeds = {k: _without_seed(v) for k, v in config.items()}
    return type(operation).from_config({**seeds, key: units})


def _without_seed(value: Any) -> Any:
    """Return the config of an initializer without its seed: the new weights have another shape."""
    return (
        value
        if not is_envelope(value)
        else {**value, "config": {k: v for k, v in value["config"].items() if k != "seed"}}
    )


def resize_input(model: Any, shape: Any, *, copy: bool = False) -> Functional:
    """Return a model of the same layers and weights for inputs of another size; all following shapes are computed anew.

    Args:
        model: A functional or sequential model; it stays as it is.
        shape: The shape of the input without the batch axis, None for free sizes; a dict by the names of inputs, or a list, for several.
        copy: Whether the new model gets weights of its own.

    Raises:
        InvalidArgumentError: The shapes do not match the inputs in number or rank.
        UnknownNameError: There is no input of a name.
        ShapeError: A layer cannot have inputs of that size: its weights depend on it (Flatten before Dense, position embeddings), or it
            reshapes to fixed sizes.
    """
    graph = graph_of(model)
    shapes = _shapes(graph, shape)
    copier = Copier(copy)
    with naming(graph):
        return _resized(graph, shapes, copier)


def _shapes(graph: Functional, shape: Any) -> list[tuple[Any, ...]]:
    known = {name: t.shape[1:] for name, t in zip(graph.input_names, graph.inputs, strict=True)}
    if isinstance(shape, dict):
        unknown = next((name for name in shape if name not in known), None)
        if unknown is not None:
            raise UnknownNameError(f"Model {graph.name!r} has no input {unknown!r}; its inputs are {list(known)}.")
        wanted = {**known, **shape}
    else:
        several = isinstance(shape, list) or (len(known) > 1 and all(isinstance(s, (list, tuple)) for s in shape))
        given = list(shape) if several else [shape]
        if len(given) != len(known):
            raise InvalidArgumentError(
                f"graphs.resize_input expects {len(known)} shapes, for {list(known)}, got {len(given)}."
            )
        wanted = dict(zip(known, given, strict=True))
    for name, sizes in wanted.items():
        if not isinstance(sizes, (list, tuple)) or len(sizes) != len(known[name]):
            raise InvalidArgumentError(
                f"graphs.resize_input expects a shape of {len(known[name])} sizes for input {name!r}, like {known[name]}, got {sizes!r}."
            )
    return [tuple(wanted[name]) for name in known]


class _Resizing(Rewriting):
    """A rewriting in which nested models are built for the shapes that they are called on."""

    def repeat_call(self, node: Node, tensors: MutableMapping[Any, Any], operation: Any = None) -> Any:
        """Repeat a call, and check that it keeps the rank and the batch axis."""
        if isinstance(node.operation, (Functional, Sequential)) and operation is None:
            self._resize_nested(node, tensors)
        try:
            outputs = super().repeat_call(node, tensors, operation)
        except GraphKitError as error:
            raise ShapeError(f"Layer {node.operation.name!r} cannot have an input of the new size: {error}") from error
        for old in node.output_tensors:
            new = tensors[old]
            batch = old.spec.shape[0] if old.ndim else None
            if new.ndim != old.ndim or (batch in self._batches() and new.spec.shape[0] != batch):
                raise ShapeError(
                    f"Layer {node.operation.name!r} does not keep the batch axis for an input of the new size: expected a shape like "
                    f"{old.shape}, got {new.spec.shape}. It reshapes to fixed sizes; replace it first."
                )
        return outputs

    def _batches(self) -> set[Any]:
        """Return the free sizes of the first axes of the inputs."""
        return {t.spec.shape[0] for t in self.graph.inputs if t.ndim and isinstance(t.spec.shape[0], Dim)}

    def _resize_nested(self, node: Node, tensors: Mapping[Any, Any]) -> None:
        inner = graph_of(node.operation)
        given = [tensors[t].shape[1:] for t in inputs_in_order(node)]
        if len(given) == len(inner.inputs) and not self.copier.has(node.operation):
            self.copier.put(node.operation, _resized(inner, given, self.copier))


def inputs_in_order(node: Node) -> Sequence[Any]:
    """Return the tensors that a nested model is called on, in the order of its inputs, without masks."""
    return [
        t for t in nest.flatten(node.args[0] if node.args else node.kwargs["inputs"]) if isinstance(t, SymbolicTensor)
    ]


def _resized(graph: Functional, shapes: Sequence[Sequence[Any]], copier: Copier) -> Functional:
    rewriting = _Resizing(graph.layer_graph, copier)
    for tensor, shape, name in zip(graph.inputs, shapes, graph.input_names, strict=True):
        optional = bool(getattr(call_of(tensor).operation, "optional", False))
        rewriting.tensors[tensor] = new_input((tensor.spec.shape[0], *shape), tensor.dtype, name, optional)
    rewriting.affected.update(graph.inputs)
    rewriting.run()
    new = [nest.map_structure(rewriting.tensors.__getitem__, s) for s in (graph.input, graph.output)]
    return finished(graph, new[0], new[1])
