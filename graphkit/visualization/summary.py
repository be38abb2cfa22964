"""`model.summary()`: Keras 3's table of layers, shapes, parameters and connections."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from graphkit.core import dtypes
from graphkit.core.errors import InvalidArgumentError
from graphkit.graph.node import Node
from graphkit.visualization.labels import class_name, count

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_NUMBER, _UNKNOWN, _TYPE = "color(34)", "color(45)", "color(33)"
_YES, _NO = "bold color(34)", "bold color(9)"


class Column(NamedTuple):
    """A column of the table: header, position of its right end (0..1 of the line), alignment."""

    header: str
    position: float
    align: str


_CHAIN = (Column("Layer (type)", 0.45, "left"), Column("Output Shape", 0.80, "left"), Column("Param #", 1.0, "right"))
_GRAPH = (
    Column("Layer (type)", 0.30, "left"),
    Column("Output Shape", 0.56, "left"),
    Column("Param #", 0.74, "right"),
    Column("Connected to", 1.0, "left"),
)


def summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[..., Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
    expand: Any = None,
) -> None:
    """Print a table of the model's layers.

    Args:
        model: the model.
        line_length: width in characters; 88 (108 with connections) by default, less on a narrow terminal.
        positions: where the columns end, relative to the line: [0.45, 0.80, 1.0] or [0.3, 0.56, 0.74, 1.0].
        print_fn: called once with the table as plain text, instead of printing it in colour.
        expand_nested: also list the layers of nested models.
        show_trainable: add a column with Y or N.
        layer_range: two names or regular expressions, of the first and the last layer to list.
        expand: list groups of layers, as `plot_model` draws them: those with a common name scope. True opens all groups, False none, a
            number the groups of that many levels, a list of names those groups. By default every layer is listed.

    Raises:
        InvalidArgumentError: `positions` or `layer_range` is invalid, or the line is too short.

    Source: keras.Model.summary.
    """
    table = _Table(model, expand_nested, show_trainable, layer_range, expand)
    text = table.render(line_length, positions, colour=print_fn is None)
    if print_fn is not None:
        print_fn(text)


def connections(model: Any) -> dict[Any, list[tuple[str, int, int]]]:
    """Return, for each layer and op of a graph, the (name, node index, tensor index) of the inputs of all its calls."""
    found: dict[Any, list[tuple[str, int, int]]] = {}
    for node in sorted(graph_nodes(model), key=lambda n: n.index):
        sources = found.setdefault(node.operation, [])
        for tensor in node.input_tensors:
            if tensor.history is not None:
                sources.append((tensor.history.operation.name, tensor.history.node_index, tensor.history.tensor_index))
    return found


def graph_nodes(model: Any) -> list[Node]:
    """Return the calls of a functional or sequential model that is built; otherwise none."""
    if not getattr(model, "built", False) or not hasattr(model, "layer_graph"):
        return []
    nodes: list[Node] = model.layer_graph.nodes
    return nodes


def is_chain(nodes: Sequence[Node]) -> bool:
    """Return whether the calls form a chain with one input each, and no layer is called twice."""
    if len({n.operation for n in nodes}) != len(nodes) or any(len(n.input_tensors) > 1 for n in nodes):
        return False
    return all(after.parent_nodes == [before] for before, after in pairwise(nodes))


def is_functional(model: Any) -> bool:
    """Return whether the model is functional; a Sequential is listed as a stack."""
    from graphkit.models import Functional

    return isinstance(model, Functional)


def readable_size(size: float) -> str:
    """Format a number of bytes as Keras does: `2.50 KB`."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} {_UNITS[-1]}"


def size_in_bytes(variables: Iterable[Any]) -> float:
    """Return the size of variables in bytes; duplicates count once."""
    unique = {id(v): v for v in variables}.values()
    return float(sum(math.prod(v.shape) * dtypes.to_numpy(v.dtype).itemsize for v in unique))


class _Table:
    """The rows of a summary, and how they are printed."""

    def __init__(
        self,
        model: Any,
        expand_nested: bool,
        show_trainable: bool,
        layer_range: Sequence[str] | None,
        expand: Any = None,
    ) -> None:
        self.model = model
        self.expand_nested, self.show_trainable = expand_nested, show_trainable
        self.nodes = graph_nodes(model) if is_functional(model) else []
        self.chain = not self.nodes or is_chain(self.nodes)
        self.sources = {} if self.chain else connections(model)
        self.last_node = {n.operation: n for n in sorted(self.nodes, key=lambda n: n.index)}
        listed = list(model.operations) if self.nodes else list(model.layers)
        first, last = bounds(listed, layer_range)
        self.listed = listed[first:last]
        self.expand = expand if self.nodes else None

    def columns(self, positions: Sequence[float] | None) -> list[Column]:
        columns = list(_CHAIN if self.chain else _GRAPH)
        if positions is not None:
            wanted = len(columns)
            if len(positions) != wanted:
                raise InvalidArgumentError(
                    f"summary: `positions` must have {wanted} numbers, one per column, got {list(positions)}."
                )
            columns = [c._replace(position=float(p)) for c, p in zip(columns, positions, strict=True)]
        if self.show_trainable:
            columns = [c._replace(position=c.position * 0.9) for c in columns] + [Column("Trainable", 1.0, "center")]
        return columns

    def render(self, line_length: int | None, positions: Sequence[float] | None, colour: bool) -> str:
        """Print to the terminal, or return the text."""
        from rich.console import Console

        console = (
            Console(highlight=False) if colour else Console(highlight=False, force_terminal=False, color_system=None)
        )
        columns = self.columns(positions)
        default = (88 if self.chain else 108) + (12 if self.show_trainable else 0)
        width = line_length or min(default, shutil.get_terminal_size().columns - 4)
        if not colour:
            console.width = max(console.width, width)
            console.begin_capture()
        self._print(console, columns, width)
        return "" if colour else console.end_capture()

    def _print(self, console: Any, columns: Sequence[Column], width: int) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(width=width, show_lines=True)
        for column, size in zip(columns, column_widths(columns, width), strict=True):
            table.add_column(column.header, justify=column.align, width=size)  # type: ignore[arg-type]
        for row in self.rows():
            table.add_row(*row)
        console.print(Text(f'Model: "{self.model.name}"', style="bold"))
        console.print(table)
        for label, number, bytes_taken in self.totals():
            console.print(
                Text.assemble((f" {label}: ", "bold"), (f"{number:,}", _NUMBER), f" ({readable_size(bytes_taken)})")
            )

    def rows(self) -> Iterator[list[Any]]:
        """Yield the cells of the table, layer by layer."""
        if self.expand is not None:
            from graphkit.visualization.groups import outline

            for name, level, members in outline(self.model, self.expand):
                chosen = [layer for layer in members if layer in self.listed]
                prefix = "   " * level + "└ " if level else ""
                if chosen:
                    yield self._group_cells(prefix + name, chosen) if name else self._cells(chosen[0], prefix)
            return
        for layer in self.listed:
            yield from self._rows_of(layer, 0)

    def _rows_of(self, layer: Any, level: int) -> Iterator[list[Any]]:
        yield self._cells(layer, "   " * level + "└ " if level else "")
        if self.expand_nested:
            for inner in getattr(layer, "layers", None) or ():
                yield from self._rows_of(inner, level + 1)

    def _cells(self, layer: Any, prefix: str) -> list[Any]:
        from rich.text import Text

        cells: list[Any] = [
            Text.assemble(f"{prefix}{layer.name} (", (class_name(layer), _TYPE), ")"),
            self._shape_cell(layer),
            _params_cell(layer),
        ]
        if not self.chain:
            cells.append(self._sources_cell(layer))
        if self.show_trainable:
            has_weights = bool(getattr(layer, "weights", None))
            cells.append(
                Text("-", "bold") if not has_weights else Text("Y", _YES) if layer.trainable else Text("N", _NO)
            )
        return cells

    def _group_cells(self, name: str, members: list[Any]) -> list[Any]:
        """Return the cells of a group: the shape of its last layer, its parameters, and the layers outside that it reads."""
        from rich.text import Text

        weights = {id(w): w for layer in members for w in getattr(layer, "weights", ())}
        cells: list[Any] = [
            Text.assemble(f"{name} (", (f"{len(members)} layers", _TYPE), ")"),
            self._shape_cell(members[-1]),
            Text(f"{count(weights.values()):,}", _NUMBER),
        ]
        if not self.chain:
            inside = {layer.name for layer in members}
            read = dict.fromkeys(s for layer in members for s in self.sources.get(layer, ()) if s[0] not in inside)
            cells.append(Text(", ".join(f"{n}[{node}][{tensor}]" for n, node, tensor in read) or "-"))
        if self.show_trainable:
            kinds = {bool(layer.trainable) for layer in members if getattr(layer, "weights", None)}
            cells.append(
                Text("-" if not kinds else "Y" if kinds == {True} else "N" if kinds == {False} else "Y/N", "bold")
            )
        return cells

    def _shape_cell(self, layer: Any) -> Any:
        from rich.text import Text

        shapes = output_shapes(layer, self.last_node.get(layer))
        if not shapes:
            return Text("?")
        cell = Text()
        for number, shape in enumerate(shapes):
            cell.append(", " if number else "[" if len(shapes) > 1 else "")
            cell.append_text(_shape_text(shape))
        return cell.append("]" if len(shapes) > 1 else "")

    def _sources_cell(self, layer: Any) -> Any:
        from rich.text import Text

        cell = Text()
        for number, (name, node_index, tensor_index) in enumerate(self.sources.get(layer, ())):
            cell.append(", " if number else "").append(f"{name}[")
            cell.append(str(node_index), _NUMBER).append("][").append(str(tensor_index), _NUMBER).append("]")
        return cell if cell.plain else Text("-")

    def totals(self) -> Iterator[tuple[str, int, float]]:
        """Yield label, number of parameters and bytes: in total, trainable, non-trainable, of the optimizer."""
        trainable, others = self.model.trainable_weights, self.model.non_trainable_weights
        optimizer = getattr(self.model, "optimizer", None)
        built = optimizer is not None and getattr(optimizer, "built", False)
        slots = list(optimizer.variables) if built and optimizer is not None else []
        yield "Total params", count([*trainable, *others, *slots]), sum(map(size_in_bytes, (trainable, others, slots)))
        yield "Trainable params", count(trainable), size_in_bytes(trainable)
        yield "Non-trainable params", count(others), size_in_bytes(others)
        if built:
            yield "Optimizer params", count(slots), size_in_bytes(slots)


def _params_cell(layer: Any) -> Any:
    from rich.text import Text

    if not getattr(layer, "built", True):
        return Text.assemble(("0", _NUMBER), " (unbuilt)")
    return Text(f"{count(getattr(layer, 'weights', ())):,}", _NUMBER)


def _shape_text(shape: Sequence[int | None]) -> Any:
    from rich.text import Text

    text = Text("(")
    for number, size in enumerate(shape):
        text.append(", " if number else "").append(str(size), _UNKNOWN if size is None else _NUMBER)
    return text.append(")")


def output_shapes(layer: Any, node: Node | None = None) -> list[tuple[int | None, ...]]:
    """Return the output shapes of a call (by default the last), or those that the build shapes imply; empty if unknown."""
    nodes = getattr(layer, "nodes", ())
    node = node or (nodes[-1] if nodes else None)
    if node is not None:
        return [t.shape for t in node.output_tensors]
    if hasattr(layer, "outputs") and getattr(layer, "built", False):
        return [t.shape for t in layer.outputs]
    shapes = getattr(layer, "_build_shapes", None)
    if not shapes:
        return []
    try:
        made = layer.compute_output_shape(*shapes.values())
    except (ValueError, TypeError, NotImplementedError):
        return []
    return (
        [made]
        if isinstance(made, tuple)
        else [tuple(shape) for shape in (made.values() if isinstance(made, dict) else made)]
    )


def column_widths(columns: Sequence[Column], line_length: int) -> list[int]:
    """Return the width of each column in characters.

    Raises:
        InvalidArgumentError: a column would be narrower than 4 characters.
    """
    widths, used = [], 0
    for column in columns:
        width = int(column.position * line_length) - used
        if width < 4:
            raise InvalidArgumentError(
                f"Insufficient console width to print summary: column {column.header!r} would get {width} characters of {line_length}. "
                "Pass a larger `line_length`, or other `positions`."
            )
        widths.append(width)
        used += width
    return widths


def bounds(layers: Sequence[Any], layer_range: Sequence[str] | None) -> tuple[int, int]:
    """Return the start and stop index of the layers between two names.

    Args:
        layers: the layers in order.
        layer_range: two names or regular expressions, in either order; None for all layers.

    Raises:
        InvalidArgumentError: it is not a pair of strings, or a name matches no layer.
    """
    if layer_range is None:
        return 0, len(layers)
    if isinstance(layer_range, str) or len(layer_range) != 2 or not all(isinstance(r, str) for r in layer_range):
        raise InvalidArgumentError(
            f"layer_range should be two strings, the first and the last layer. Received: {layer_range!r}"
        )
    lower, upper = ([i for i, layer in enumerate(layers) if re.match(pattern, layer.name)] for pattern in layer_range)
    if not lower or not upper:
        raise InvalidArgumentError(
            f"Passed layer_names do not match the layer names in the model. Received: {list(layer_range)}. "
            f"The layers are {[layer.name for layer in layers][:40]}."
        )
    if min(lower) > max(upper):
        return min(upper), max(lower) + 1
    return min(lower), max(upper) + 1
