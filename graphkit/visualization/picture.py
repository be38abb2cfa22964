"""The content of a drawing: boxes, arrows and frames, from which SVG, HTML and DOT are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphkit.core.errors import InvalidArgumentError, NotBuiltError
from graphkit.graph.node import Node
from graphkit.visualization.labels import class_name, count
from graphkit.visualization.palette import family_of
from graphkit.visualization.scopes import scope_of

Port = tuple[int, int]  # (call, tensor index) of an output, (call, slot) of an input


@dataclass(frozen=True)
class Options:
    """What to draw: the arguments of `plot_model`.

    Raises:
        InvalidArgumentError: an unknown `rankdir`.
    """

    show_shapes: bool = False
    show_dtype: bool = False
    show_layer_names: bool = False
    show_layer_activations: bool = False
    show_trainable: bool = False
    expand_nested: bool = False
    show_nodes: bool = False
    rankdir: str = "TB"

    def __post_init__(self) -> None:
        if self.rankdir not in ("TB", "LR", "BT", "RL"):
            raise InvalidArgumentError(f"rankdir must be 'TB', 'LR', 'BT' or 'RL', got {self.rankdir!r}.")


@dataclass
class Box:
    """One box: a layer with all its calls or, with `show_nodes`, one call.

    Attributes:
        key: unique in the drawing.
        title: the class of the layer.
        name: the name of the layer.
        family: the key of its colours.
        rows: further lines of text.
        calls: the number of calls that the box represents.
        call: the index of the call that it represents; None for all of them.
        facts: details that are shown on hovering.
        inside: the picture of a nested model that is expanded.
        entries: for each input, the (box, port) pairs inside that read it; empty unless expanded.
        exits: for each output, the (box, port) inside that computes it.
        show_name: whether the name is drawn.
        scope: the name scopes around the layer, outermost first.
        is_group: whether the box is a group of layers rather than a model.
        is_op: whether it is an op rather than a layer.
    """

    key: str
    title: str
    name: str
    family: str
    rows: list[str] = field(default_factory=list)
    calls: int = 1
    call: int | None = None
    facts: dict[str, str] = field(default_factory=dict)
    inside: Picture | None = None
    entries: list[list[tuple[str, Port]]] = field(default_factory=list)
    exits: list[tuple[str, Port]] = field(default_factory=list)
    show_name: bool = False
    scope: tuple[str, ...] = ()
    is_group: bool = False
    is_op: bool = False


@dataclass(frozen=True)
class Arrow:
    """A tensor from one box to another.

    Attributes:
        source: the key of the box that computes it.
        target: the key of the box that reads it.
        source_port: (call, tensor index).
        target_port: (call, slot).
        source_call: the call of a shared box that it leaves; None if there is only one.
        target_call: the call of a shared box that it enters; None if there is only one.
        shape: shape and dtype, as text.
    """

    source: str
    target: str
    source_port: Port
    target_port: Port
    source_call: int | None
    target_call: int | None
    shape: str


@dataclass
class Picture:
    """Boxes and arrows of one model."""

    name: str
    options: Options
    boxes: dict[str, Box] = field(default_factory=dict)
    arrows: list[Arrow] = field(default_factory=list)


def picture_of(model: Any, options: Options) -> Picture:
    """Return the picture of a model; a model without a graph is one box.

    Raises:
        NotBuiltError: the model is not built.
    """
    if not getattr(model, "built", False):
        raise NotBuiltError(
            f"This model has not yet been built: {model.name!r} has no graph to draw. Build it first by calling `build()` or by "
            "calling it on a batch of data."
        )
    if not is_graph(model):
        picture = Picture(model.name, options)
        picture.boxes["0"] = _box("0", model, [], None, options)
        return picture
    return _Drawer(model, options, "", inner=False).picture


def is_graph(model: Any) -> bool:
    """Return whether the calls inside the model are known."""
    return bool(getattr(model, "built", False)) and hasattr(model, "layer_graph")


def is_model(operation: Any) -> bool:
    """Return whether the operation is a model."""
    from graphkit.models import Model

    return isinstance(operation, Model)


class _Drawer:
    """Builds the picture of one graph, and recursively of the models inside."""

    def __init__(self, model: Any, options: Options, prefix: str, inner: bool) -> None:
        self.model, self.options, self.prefix = model, options, prefix
        self.picture = Picture(model.name, options)
        graph = model.layer_graph
        self.hidden = _hidden_inputs(model) if inner else set()
        self.numbers: dict[Node, int] = graph.index_in_graph()
        self.calls: dict[Any, list[Node]] = {}
        for node in sorted(graph.nodes, key=lambda n: n.index):
            self.calls.setdefault(node.operation, []).append(node)
        self.order = {operation: number for number, operation in enumerate(graph.operations)}
        self._add_boxes()
        for node in graph.nodes:
            if not _starts(node, graph.inputs):
                self._add_arrows(node)

    def _add_boxes(self) -> None:
        for operation in self.model.layer_graph.operations:
            nodes = self.calls.get(operation, [])
            if operation in self.hidden or not nodes:
                continue
            groups = [[n] for n in nodes] if self.options.show_nodes else [nodes]
            for group in groups:
                self._add_box(operation, group, self.numbers[group[0]] if len(groups) > 1 else None)

    def _add_box(self, operation: Any, nodes: list[Node], call: int | None) -> None:
        key = self.key(nodes[0])
        box = _box(key, operation, nodes, call, self.options)
        if self.options.expand_nested and is_model(operation) and is_graph(operation):
            inner = _Drawer(operation, self.options, f"{key}.", inner=True)
            box.inside, box.entries, box.exits = inner.picture, inner.entries(), inner.exits()
        self.picture.boxes[key] = box

    def key(self, node: Node) -> str:
        """Return the key of the box that represents a call."""
        number = self.order[node.operation]
        return f"{self.prefix}{number}_{self.numbers[node]}" if self.options.show_nodes else f"{self.prefix}{number}"

    def _shared(self, node: Node) -> int | None:
        """Return the index of the call, if the layer has several."""
        return self.numbers[node] if len(self.calls[node.operation]) > 1 else None

    def _add_arrows(self, node: Node) -> None:
        for slot, tensor in enumerate(node.input_tensors):
            operation, index, tensor_index = tensor.history  # type: ignore[misc]
            source = operation.nodes[index]
            if operation in self.hidden:
                continue
            self.picture.arrows.append(
                Arrow(
                    self.key(source),
                    self.key(node),
                    (self.numbers[source], tensor_index),
                    (self.numbers[node], slot),
                    self._shared(source),
                    self._shared(node),
                    f"{show_shape(tensor.shape)} {tensor.dtype}",
                )
            )

    def entries(self) -> list[list[tuple[str, Port]]]:
        """Return, for each input of the model, the boxes inside that read it."""
        found: list[list[tuple[str, Port]]] = []
        for tensor in self.model.inputs:
            operation, index, _ = tensor.history
            if operation not in self.hidden:
                found.append([(self.key(operation.nodes[index]), (0, -1))])
                continue
            users = []
            for node in self.model.layer_graph.nodes:
                users += [
                    (self.key(node), (self.numbers[node], slot))
                    for slot, t in enumerate(node.input_tensors)
                    if t is tensor
                ]
            found.append(users)
        return found

    def exits(self) -> list[tuple[str, Port]]:
        """Return, for each output of the model, the box inside that computes it."""
        found = []
        for tensor in self.model.outputs:
            operation, index, tensor_index = tensor.history
            node = operation.nodes[index]
            if operation not in self.hidden:
                found.append((self.key(node), (self.numbers[node], tensor_index)))
        return found


def _starts(node: Node, inputs: list[Any]) -> bool:
    return all(any(t is i for i in inputs) for t in node.output_tensors)


def _hidden_inputs(model: Any) -> set[Any]:
    """Return the input layers of a nested Sequential, which are not drawn."""
    from graphkit.models import Sequential

    if not isinstance(model, Sequential) or _operations(model.inputs) & _operations(model.outputs):
        return set()
    return _operations(model.inputs)


def _operations(tensors: Any) -> set[Any]:
    return {t.history.operation for t in tensors}


def _box(key: str, operation: Any, nodes: list[Node], call: int | None, options: Options) -> Box:
    from graphkit.layers.layer import Layer

    kind = class_name(operation)
    box = Box(key, kind, operation.name, family_of(kind, isinstance(operation, Layer), is_model(operation)))
    box.calls, box.call, box.show_name = len(nodes), call, options.show_layer_names
    box.scope, box.is_op = scope_of(operation), not isinstance(operation, Layer)
    wanted = (
        (options.show_layer_activations, activation_name(operation).removesuffix("linear")),
        (options.show_shapes, _shapes_row(nodes, kind)),
        (options.show_dtype, ", ".join(dict.fromkeys(t.dtype for n in nodes for t in n.output_tensors))),
        (options.show_trainable, trainable_row(operation)),
    )
    box.rows = [text for shown, text in wanted if shown and text]
    box.facts = _facts(operation, nodes)
    return box


def activation_name(operation: Any) -> str:
    """Return the name of the layer's activation; empty if it has none."""
    activation = getattr(operation, "activation", None)
    return (
        ""
        if activation is None
        else str(getattr(activation, "__name__", None) or getattr(activation, "name", activation))
    )


def trainable_row(operation: Any) -> str:
    """Return "trainable" or "frozen" for a layer with weights, else an empty string."""
    if not getattr(operation, "weights", None):
        return ""
    return "trainable" if operation.trainable else "frozen"


def show_shape(shape: Any) -> str:
    """Format `(None, 64)` as `(?, 64)`."""
    return f"({', '.join('?' if s is None else str(s) for s in shape)})"


def _shapes_row(nodes: list[Node], kind: str) -> str:
    """Return the input and output shapes of the calls, each distinct pair once."""
    lines = []
    for node in nodes:
        taken = " ".join(_shapes(node.input_tensors))
        made = " ".join(_shapes(node.output_tensors))
        lines.append(made if kind == "InputLayer" or not taken else f"{taken} → {made}")
    return " | ".join(dict.fromkeys(lines))


def _shapes(tensors: list[Any]) -> list[str]:
    """Format the shapes of tensors; equal ones once, with their number."""
    shapes = [show_shape(t.shape) for t in tensors]
    counted = {s: shapes.count(s) for s in dict.fromkeys(shapes)}
    return [f"{n} × {s}" if n > 1 else s for s, n in counted.items()]


def _facts(operation: Any, nodes: list[Node]) -> dict[str, str]:
    """Return the number of calls, shapes, dtype, parameters and config of a layer."""
    facts = {"calls": str(len(nodes))} if len(nodes) > 1 else {}
    facts.update({"shapes": _shapes_row(nodes, class_name(operation))})
    facts["dtype"] = ", ".join(dict.fromkeys(t.dtype for n in nodes for t in n.output_tensors))
    weights = getattr(operation, "weights", None)
    if weights:
        facts["parameters"] = f"{count(weights):,}" + ("" if operation.trainable else " (frozen)")
        if not is_model(operation):
            facts["weights"] = ", ".join(f"{v.name} {show_shape(v.shape)}" for v in weights)
    if not is_model(operation):
        facts.update(_config_facts(operation))
    return {k: v for k, v in facts.items() if v}


def _config_facts(operation: Any) -> dict[str, str]:
    node = getattr(operation, "node", None)
    if node is not None and hasattr(node, "attribute"):  # an imported ONNX node
        return {"node": str(node.name), **{a.name: _plain_attribute(a) for a in node.attribute}}
    try:
        config = operation.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a custom layer without a config is drawn all the same
        return {}
    return {k: shown for k, v in config.items() if k not in ("name", "trainable", "dtype") and (shown := _plain(v))}


def _plain_attribute(attribute: Any) -> str:
    from onnx.helper import get_attribute_value

    value = get_attribute_value(attribute)
    if isinstance(value, bytes):
        return _plain(value.decode(errors="replace"))
    if hasattr(value, "dims"):
        return f"tensor of shape {show_shape(value.dims)}"
    return f"graph of {len(value.node)} nodes" if hasattr(value, "node") else str(value)[:120]


def _plain(value: Any) -> str:
    """Format a config value in at most 120 characters; None and False are empty."""
    if value is None or value is False:
        return ""
    if isinstance(value, Mapping):
        name = value.get("class_name")
        inner = value.get("config")
        if name == "function" and isinstance(inner, str):
            return inner
        if name and isinstance(inner, Mapping):
            arguments = ", ".join(f"{k}={_plain(v)}" for k, v in inner.items() if v is not None and _plain(v))
            return f"{name}({arguments})"[:120]
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def all_boxes(picture: Picture) -> list[Box]:
    """Return the boxes of a picture and of its nested pictures, outer ones first."""
    found = []
    for box in picture.boxes.values():
        found.append(box)
        if box.inside is not None:
            found += all_boxes(box.inside)
    return found
