"""Patterns over the graph of layers, found by the matcher of `graphkit.ir.matching`."""

from __future__ import annotations

import fnmatch
import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from graphkit.core import nest
from graphkit.core.errors import InvalidArgumentError, InvalidTypeError, UnknownNameError
from graphkit.core.registry import did_you_mean
from graphkit.core.serialization import classes_of
from graphkit.graph.layer_graph import LayerGraph
from graphkit.graph.node import Node
from graphkit.graph.operation import Operation, OpNode
from graphkit.graph.symbolic import SymbolicTensor
from graphkit.graphs.rewriting import Site, graph_of, inputs_of
from graphkit.ir import matching
from graphkit.ir.matching import P, Pattern, Rest
from graphkit.ir.spec import TensorSpec
from graphkit.ir.variable import Variable
from graphkit.models.functional import Functional
from graphkit.models.sequential import Sequential
from graphkit.ops._dispatch import OPERATIONS

What: TypeAlias = (
    "str | re.Pattern[str] | type | Operation | P | tuple[str, int] | Callable[[Any], bool] | Sequence[Any]"
)
_numbers = itertools.count()


def class_of(operation: Any) -> str:
    """Return the class of a layer or op as patterns name it; for a node of an ONNX graph, its operator."""
    named = getattr(operation, "op_type", None) or getattr(operation, "class_name", None)
    return str(named or type(operation).__name__)


def node(
    kind: str | type | Sequence[str | type] | Callable[[Any], bool] = "*",
    *inputs: Any,
    name: str = "",
    where: Callable[[Any], bool] | None = None,
    **config: Any,
) -> P:
    """Return a pattern for one call of a layer, and for the calls that it reads.

    Args:
        kind: A layer class (subclasses match too), the name of a class, op or ONNX operator, several of these, or a predicate on the
            layer; "*" for any.
        *inputs: Patterns of the inputs, in order. A string names any tensor, and the same string the same tensor; a number is a
            constant; a list is a `chain`. None are given by default: then the inputs do not matter.
        name: The name by which `match[name]` gives the layer.
        where: A predicate on the layer.
        **config: Arguments of the layer that must have these values, or for which these predicates are true.

    Raises:
        InvalidTypeError: `kind` is something else.

    Example: `node("Add", node(layers.Conv2D, "x", name="conv"), "shortcut")`.
    """
    kinds = list(kind) if isinstance(kind, (list, tuple)) else [kind]
    tests = [_kind(k) for k in kinds]

    def accepts(site: matching.Site) -> bool:
        operation = site.node.operation
        if not any(test(operation) for test in tests):
            return False
        return _has_config(operation, config) and (where is None or bool(where(operation)))

    terms = [_term(term) for term in inputs] or [_rest()]
    named = {getattr(k, "__name__", k) if isinstance(k, (str, type)) else "" for k in kinds}
    commutative = named <= matching.COMMUTATIVE and bool(inputs)
    return P("*", *terms, where=accepts, name=name, output=None, commutative=commutative)


def _term(given: Any) -> Any:
    """Return the pattern of an input: numbers and lists may be given instead."""
    if isinstance(given, list):
        return chain(*given)
    return matching.Number(given) if isinstance(given, (int, float)) else given


def chain(*kinds: Any) -> P:
    """Return a pattern for calls that read each other: the second reads the first, and so on.

    Args:
        *kinds: What `node` takes as `kind`, or patterns that `node` returned; at least one.

    Raises:
        InvalidArgumentError: There is none.
    """
    if not kinds:
        raise InvalidArgumentError("A chain of layers expects at least one layer, got none.")
    made = _as_node(kinds[0])
    for kind in kinds[1:]:
        link = _as_node(kind)
        made = P("*", made, _rest(), where=link.where, name=link.name, output=None, commutative=False)
    return made


def _as_node(kind: Any) -> P:
    return kind if isinstance(kind, P) else node(kind)


def _rest() -> Rest:
    return Rest(f"inputs {next(_numbers)}")


def _kind(kind: Any) -> Callable[[Any], bool]:
    if kind == "*":
        return lambda operation: True
    if isinstance(kind, str):
        return lambda operation: kind in (class_of(operation), type(operation).__name__)
    if isinstance(kind, type):
        return lambda operation: isinstance(operation, kind)
    if callable(kind):
        return lambda operation: bool(kind(operation))
    raise InvalidTypeError(f"A pattern expects a class, the name of one, or a predicate, got {kind!r:.80}.")


def _has_config(operation: Any, wanted: Mapping[str, Any]) -> bool:
    if not wanted:
        return True
    config = _config(operation)
    for key, value in wanted.items():
        if key not in config and not hasattr(operation, key):
            return False
        given = [config[key]] if key in config else []
        given += [getattr(operation, key)] if hasattr(operation, key) else []
        if not any(_plain(g) == _plain(value) or (is_predicate(value) and bool(value(g))) for g in given):
            return False
    return True


def is_predicate(value: Any) -> bool:
    """Return whether a value is a function of the user's, and not an activation or the like of graphkit."""
    return inspect.isfunction(value) and not value.__module__.startswith("graphkit.")


def _config(operation: Any) -> Mapping[str, Any]:
    if isinstance(operation, OpNode):
        return operation.config
    try:
        found: Mapping[str, Any] = operation.get_config()
    except Exception:  # a layer without a config still has attributes
        return {}
    return found


def _plain(value: Any) -> Any:
    """Return a value as it is compared: lists for tuples, lists for arrays."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class _Constant:
    """An argument of a call that is no symbolic tensor."""

    node: Node
    number: int
    value: Any = field(compare=False)


class CallGraph:
    """The calls between inputs and outputs as the matcher sees them: nodes are calls, values are symbolic tensors and constants.

    Args:
        graph: The graph of a model.
    """

    def __init__(self, graph: LayerGraph) -> None:
        stop = set(graph.inputs)
        self._results = set(graph.outputs)
        self._nodes = [n for n in graph.nodes if n.is_input or not all(t in stop for t in n.output_tensors)]
        self._producers = {t: n for n in self._nodes for t in n.output_tensors if t not in stop}
        self._readers: dict[Any, list[Node]] = {}
        for call in self._nodes:
            for tensor in call.input_tensors:
                self._readers.setdefault(tensor, []).append(call)

    def nodes(self) -> Sequence[Node]:
        """Return the calls."""
        return self._nodes

    def operator(self, node: Node) -> str:
        """Return the class of the layer or op."""
        return class_of(node.operation)

    def params(self, node: Node) -> Mapping[str, Any]:
        """Return the config of the layer or op."""
        return _config(node.operation)

    def inputs(self, node: Node) -> Sequence[Any]:
        """Return the tensors and constants of the call, without masks."""
        masks = {id(m) for k, v in node.kwargs.items() if k.endswith("mask") for m in nest.flatten(v)}
        leaves = nest.flatten([list(node.args), {k: v for k, v in node.kwargs.items() if k != "training"}])
        return [
            leaf if isinstance(leaf, SymbolicTensor) else _Constant(node, number, leaf)
            for number, leaf in enumerate(leaves)
            if leaf is not None and id(leaf) not in masks
        ]

    def outputs(self, node: Node) -> Sequence[Any]:
        """Return the output tensors."""
        return node.output_tensors

    def producer(self, value: Any) -> Node | None:
        """Return the call that computes a tensor, or None for inputs and constants."""
        return None if isinstance(value, _Constant) else self._producers.get(value)

    def readers(self, value: Any) -> Sequence[Node]:
        """Return the calls that read a tensor."""
        return self._readers.get(value, ())

    def is_result(self, value: Any) -> bool:
        """Return whether a tensor is an output of the model."""
        return value in self._results

    def is_weight(self, value: Any) -> bool:
        """Return whether a value is a constant or a variable."""
        return isinstance(value, _Constant)

    def number(self, value: Any) -> Any | None:
        """Return the array of a constant."""
        plain = isinstance(value, _Constant) and isinstance(value.value, (bool, int, float, np.ndarray, np.generic))
        return np.asarray(value.value) if plain else None

    def spec(self, value: Any) -> Any:
        """Return the shape and dtype of a value."""
        if isinstance(value, SymbolicTensor):
            return value.spec
        held = value.value
        return held.spec if isinstance(held, Variable) else TensorSpec.of(np.asarray(held))


class _CallMatcher(matching.Matcher):
    """The matcher; a match gives all outputs of its last call."""

    def _match(self, pattern: Pattern, state: Any, outputs: tuple[Any, ...]) -> matching.Match | None:
        made = {self.graph.producer(value): None for value in outputs}
        all_outputs = [v for n in made if n is not None for v in self.graph.outputs(n)]
        rest = [v for v in all_outputs if v not in outputs]
        return super()._match(pattern, state, (*outputs, *rest) or outputs)


@dataclass(frozen=True)
class Match:
    """A place where a pattern was found.

    In a replacement function, `layer`, `inputs` and `output` belong to the new model; otherwise, to the model that was searched.

    Attributes:
        path: The name of the layer, after those of the nested models that it is in: "encoder/relu".
        nodes: The calls, in the order of the graph. The last one computes the outputs.
        names: The calls that names in the pattern stand for.
        values: The tensors that names in the pattern stand for.
    """

    path: str
    nodes: tuple[Node, ...]
    names: Mapping[str, Node] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    site: Site | None = field(default=None, repr=False)
    host: Any = field(default=None, repr=False)

    @property
    def layer(self) -> Any:
        """The layer or op of the last call."""
        return self._layer(self.nodes[-1].operation)

    @property
    def layers(self) -> list[Any]:
        """The layers and ops of the calls, in order."""
        return [self._layer(n.operation) for n in self.nodes]

    @property
    def inputs(self) -> list[Any]:
        """The tensors that the calls read from outside, each once, in order."""
        return inputs_of(self.nodes) if self.site is None else self.site.inputs

    @property
    def input(self) -> Any:
        """The only tensor that the calls read from outside.

        Raises:
            InvalidArgumentError: There are several, or none.
        """
        if len(self.inputs) != 1:
            raise InvalidArgumentError(
                f"The match at {self.path!r} has {len(self.inputs)} inputs; use match.inputs instead."
            )
        return self.inputs[0]

    @cached_property
    def output(self) -> Any:
        """What the matched calls compute: a tensor, or a structure of them. In a replacement, they are then part of the new model."""
        return self.nodes[-1].outputs if self.site is None else self.site.repeated()

    @property
    def shape(self) -> Any:
        """The shape of the output, or the structure of shapes."""
        return nest.map_structure(lambda t: t.shape, self.nodes[-1].outputs)

    def call(self, *inputs: Any) -> Any:
        """Call the matched layers on other tensors instead of `inputs`, and return the outputs.

        Args:
            *inputs: As many tensors as `inputs` has.

        Raises:
            InvalidArgumentError: Their number differs, or the match is not part of a replacement.
        """
        if self.site is None:
            raise InvalidArgumentError("Match.call is for replacement functions; call the layers themselves instead.")
        if len(inputs) != len(self.inputs):
            raise InvalidArgumentError(
                f"The match at {self.path!r} has {len(self.inputs)} inputs; call() got {len(inputs)} tensors."
            )
        return self.site.repeated(inputs)

    def summary(self) -> str:
        """Return a table of the calls: layer, class, output shapes, parameters, and what they read."""
        rows = [("layer", "class", "output shape", "params", "reads")]
        for call in self.nodes:
            operation = call.operation
            shapes = ", ".join(str(t.shape) for t in call.output_tensors)
            read = ", ".join(t.history.operation.name for t in call.input_tensors if t.history is not None)
            count = sum(int(np.prod(v.shape)) for v in getattr(operation, "weights", ()))
            rows.append((operation.name, class_of(operation), shapes, str(count), read or "-"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    def __getitem__(self, name: str) -> Any:
        if name in self.names:
            return self._layer(self.names[name].operation)
        if name in self.values:
            value = self.values[name]
            if isinstance(value, _Constant):
                return value.value
            return value if self.site is None else self.site.rewriting.tensors[value]
        known = [*self.names, *self.values]
        raise UnknownNameError(f"The pattern names {known}, not {name!r}.{did_you_mean(name, known)}")

    def _layer(self, operation: Any) -> Any:
        return operation if self.site is None else self.site.rewriting.layer(operation)

    def at(self, site: Site) -> Match:
        """Return the match in the new graph."""
        return Match(self.path, self.nodes, self.names, self.values, site, self.host)

    def __repr__(self) -> str:
        classes = " -> ".join(class_of(n.operation) for n in self.nodes)
        return f"<Match {self.path}: {classes}, output {self.shape}>"


def hosts(model: Any, nested: bool = True) -> Iterator[tuple[str, Functional]]:
    """Yield the graphs of a model and of the models nested in it, each once, with the path of each."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", model)]
    while waiting:
        path, outer = waiting.pop(0)
        graph = graph_of(outer)
        if id(graph) in seen:
            continue
        seen.add(id(graph))
        yield path, outer
        for operation in graph.operations if nested else ():
            if isinstance(operation, Functional) or (isinstance(operation, Sequential) and operation._functional):
                waiting.append((f"{path}{operation.name}/", operation))


def find(model: Any, pattern: What, nested: bool = True) -> list[Match]:
    """Return the places where a pattern is found, in the order of the graph; places do not overlap.

    Args:
        model: A functional or sequential model.
        pattern: One of these.
            A string: the name of a layer, also with wildcards ("block*_relu") or with the names of the nested models before it
            ("encoder/relu"); or the name of a class, op or ONNX operator ("ReLU").
            A class, a layer of the model, a predicate on layers, or a compiled regular expression, which is searched for in names.
            A pair (layer name, node index), as in `model.graph`: one call of a layer.
            What `node` or `chain` returns: several calls. The tensors between them must not be read elsewhere.
            A list of names, classes, predicates and layers: all of them.
        nested: Whether to search nested models too.

    Returns:
        The matches; an empty list if there is none.

    Raises:
        UnknownNameError: A string is neither the name of a layer nor that of a class.
        InvalidArgumentError: A string is both.
        InvalidTypeError: The pattern is something else.
    """
    searched = list(hosts(model, nested))
    if isinstance(pattern, str):
        pattern_test = _of_string(pattern, searched)
    elif isinstance(pattern, list):
        return _in_order(searched, [m for part in pattern for m in find(model, part, nested)])
    elif isinstance(pattern, P):
        return [m for path, host in searched for m in _found(pattern, path, host)]
    else:
        pattern_test = _of_object(pattern)
    found = []
    for path, host in searched:
        graph = graph_of(host)
        numbers = graph.layer_graph.index_in_graph()
        for call in graph.layer_graph.nodes:
            if pattern_test(path, call, numbers[call]):
                found.append(Match(f"{path}{call.operation.name}", (call,), host=host))
    return found


def _found(pattern: P, path: str, host: Any) -> list[Match]:
    calls = CallGraph(graph_of(host).layer_graph)
    found = _CallMatcher(calls).find([Pattern("", pattern)])
    return [
        Match(f"{path}{m.nodes[-1].operation.name}", m.nodes, m.named, _named_values(m.values), host=host)
        for m in found
    ]


def _named_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if not isinstance(v, tuple)}


def _in_order(searched: Sequence[tuple[str, Any]], found: Iterable[Match]) -> list[Match]:
    """Return the matches in the order of the graph, each call once."""
    position: dict[Any, int] = {}
    for _, host in searched:
        for call in graph_of(host).layer_graph.nodes:
            position[call] = len(position)
    unique = {match.nodes[-1]: match for match in found}
    return [unique[call] for call in sorted(unique, key=position.__getitem__)]


def _known_classes() -> set[str]:
    """Return the names of all classes of layers and ops: a model without them is no mistake."""
    return {c.__name__ for c in classes_of("keras.layers").values()} | {
        r.class_name for r in (record for _, record in OPERATIONS.items())
    }


_Test: TypeAlias = Callable[[str, Node, int], bool]


def _of_object(pattern: Any) -> _Test:
    if isinstance(pattern, re.Pattern):
        return lambda path, call, number: pattern.search(path + call.operation.name) is not None
    if isinstance(pattern, type):
        return lambda path, call, number: isinstance(call.operation, pattern)
    if isinstance(pattern, Operation):
        return lambda path, call, number: call.operation is pattern
    if isinstance(pattern, tuple) and len(pattern) == 2 and isinstance(pattern[0], str) and isinstance(pattern[1], int):
        return lambda path, call, number: (path + call.operation.name, number) == pattern
    if callable(pattern):
        return lambda path, call, number: bool(pattern(call.operation))
    raise InvalidTypeError(
        f"A pattern expects a name, a class, a layer, a predicate, (name, node index), or graphs.node(...), got {pattern!r:.80}."
    )


def _of_string(text: str, searched: Sequence[tuple[str, Any]]) -> _Test:
    """Return the test for a name of layers or of a class."""
    operations = [(path, o) for path, host in searched for o in graph_of(host).operations]
    by_name = [path + o.name for path, o in operations if text in (o.name, path + o.name)]
    classes = {class_of(o) for _, o in operations} | {type(o).__name__ for _, o in operations}
    if by_name and text in classes:
        raise InvalidArgumentError(
            f"{text!r} is the name of the layer {by_name[0]!r} and of a class: use graphs.node({text!r}) for the class, or "
            f"({by_name[0]!r}, 0) for the layer."
        )
    if by_name:
        named = {path + o.name: o for path, o in operations if path + o.name in by_name}
        at_top = [o for path, o in named.items() if "/" not in path]
        if not at_top and len({id(o) for o in named.values()}) > 1:
            raise InvalidArgumentError(f"Several nested models have a layer {text!r}; use one of {by_name}.")
        only = at_top[0] if at_top else named[by_name[0]]
        return lambda path, call, number: call.operation is only  # also where another model calls it
    if text in classes:
        return lambda path, call, number: text in (class_of(call.operation), type(call.operation).__name__)
    if text in _known_classes():
        return lambda path, call, number: False
    whole = [path + o.name for path, o in operations]
    if any(c in text for c in "*?[") and any(fnmatch.fnmatchcase(n, text) for n in whole):
        return lambda path, call, number: fnmatch.fnmatchcase(path + call.operation.name, text)
    known = [*whole, *(o.name for _, o in operations), *sorted(classes)]
    raise UnknownNameError(
        f"The model has no layer named {text!r}, and no layer of such a class.{did_you_mean(text, dict.fromkeys(known))} "
        f"Its classes are {', '.join(sorted({class_of(o) for _, o in operations}))}."
    )
