"""What a drawing of a model shows: boxes, arrows, frames. SVG, HTML and DOT are written from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphkit.core.errors import InvalidArgumentError, NotBuiltError
from graphkit.graph.node import Node
from graphkit.visualization.palette import family_of
from graphkit.visualization.summary import class_name, count

Port = tuple[int, int]  # (call, tensor) that leaves a box, (call, slot) that enters it


@dataclass(frozen=True)
class Options:
    """What the boxes say, and which boxes there are. Keras' arguments of plot_model, and `show_nodes`: one box a call."""

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
        title, name: class and name of the layer.
        rows: further lines of text.
        calls: how many calls the box stands for.
        call: which call of a shared layer it stands for, None if for all of them.
        facts: what a reader may ask about it, for hovering.
        inside: the picture in a frame, for a model that is expanded.
        entries: which boxes inside take the inputs: for each input a list of (box, port); empty for a plain box.
        exits: which box and port inside make each output.
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


@dataclass(frozen=True)
class Arrow:
    """A tensor from one box to another.

    `source_call`, `target_call`: the calls of shared boxes that it leaves and enters, None where there is only one.
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
    """The picture of a model. A model that is no graph is one box. Raises NotBuiltError before it is built."""
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
    """Whether the calls inside the model are known."""
    return bool(getattr(model, "built", False)) and hasattr(model, "layer_graph")


def is_model(operation: Any) -> bool:
    """Whether the operation is a model itself."""
    from graphkit.models import Model

    return isinstance(operation, Model)


class _Drawer:
    """Makes the picture of one graph; models inside by itself again."""

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
        """The key of the box that stands for this call."""
        number = self.order[node.operation]
        return f"{self.prefix}{number}_{self.numbers[node]}" if self.options.show_nodes else f"{self.prefix}{number}"

    def _shared(self, node: Node) -> int | None:
        """The number of the call, if the box stands for several."""
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
        """For each input of the model: the boxes inside that take it first."""
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
        """For each output of the model: the box inside that makes it."""
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
    """The input layers of a stack inside another model say nothing new."""
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
    """The name of the layer's activation, empty if it has none."""
    activation = getattr(operation, "activation", None)
    return (
        ""
        if activation is None
        else str(getattr(activation, "__name__", None) or getattr(activation, "name", activation))
    )


def trainable_row(operation: Any) -> str:
    """Whether a layer with weights is trained."""
    if not getattr(operation, "weights", None):
        return ""
    return "trainable" if operation.trainable else "frozen"


def show_shape(shape: Any) -> str:
    """`(None, 64)` as `(?, 64)`: a free size is a question."""
    return f"({', '.join('?' if s is None else str(s) for s in shape)})"


def _shapes_row(nodes: list[Node], kind: str) -> str:
    """Input and output shapes of the calls, each different pair once."""
    lines = []
    for node in nodes:
        taken = " ".join(_shapes(node.input_tensors))
        made = " ".join(_shapes(node.output_tensors))
        lines.append(made if kind == "InputLayer" or not taken else f"{taken} → {made}")
    return " | ".join(dict.fromkeys(lines))


def _shapes(tensors: list[Any]) -> list[str]:
    """Shapes of tensors; many equal ones as one with a factor."""
    shapes = [show_shape(t.shape) for t in tensors]
    counted = {s: shapes.count(s) for s in dict.fromkeys(shapes)}
    return [f"{n} × {s}" if n > 1 else s for s, n in counted.items()]


def _facts(operation: Any, nodes: list[Node]) -> dict[str, str]:
    """Class, shapes, dtype, parameters, then the config."""
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
    try:
        config = operation.get_config()
    except (NotImplementedError, TypeError, ValueError):  # a custom layer that cannot say; the drawing goes on
        return {}
    return {k: shown for k, v in config.items() if k not in ("name", "trainable", "dtype") and (shown := _plain(v))}


def _plain(value: Any) -> str:
    """A config value in few words; empty for None and for what is too long to read."""
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
    """The boxes of a picture and of those inside, outer ones first."""
    found = []
    for box in picture.boxes.values():
        found.append(box)
        if box.inside is not None:
            found += all_boxes(box.inside)
    return found
