"""Pattern matching on graphs of operations: patterns are data, and one matcher finds them.

A pattern is a term: `P("add", P("matmul", "x", Weight("kernel")), Weight("bias"))` matches an addition of a weight to the product
of anything, which becomes `match["x"]`, and a weight. The matcher works on anything that a `Graph` describes: programs
(`ProgramGraph`), layer graphs, and others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np

from graphkit.core.errors import InvalidArgumentError
from graphkit.ir.program import Equation, Literal, Program, Value
from graphkit.ir.tracing import params_unknown

COMMUTATIVE = frozenset(
    {
        "add", "multiply", "maximum", "minimum", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or",
        "bitwise_xor", "equal", "not_equal", "Add", "Multiply", "Maximum", "Minimum", "Average",
    }
)  # fmt: skip


class Graph(Protocol):
    """What the matcher asks of a graph. Nodes and values are any hashable objects."""

    def nodes(self) -> Sequence[Any]:
        """Return the nodes, each after those that it reads."""

    def operator(self, node: Any) -> str:
        """Return the name of a node's operation."""

    def params(self, node: Any) -> Mapping[str, Any]:
        """Return the arguments of a node that are not tensors."""

    def inputs(self, node: Any) -> Sequence[Any]:
        """Return the values that a node reads, in the order of its arguments."""

    def outputs(self, node: Any) -> Sequence[Any]:
        """Return the values that a node computes."""

    def producer(self, value: Any) -> Any | None:
        """Return the node that computes a value, or None for inputs, weights and constants."""

    def readers(self, value: Any) -> Sequence[Any]:
        """Return the nodes that read a value."""

    def is_result(self, value: Any) -> bool:
        """Return whether a value is an output of the graph."""

    def is_weight(self, value: Any) -> bool:
        """Return whether a value is computed from weights and constants alone."""

    def number(self, value: Any) -> Any | None:
        """Return the array of a constant, or None if the value is not known."""

    def spec(self, value: Any) -> Any:
        """Return an object with the value's `shape` and `dtype`."""


@dataclass(frozen=True)
class Site:
    """A node as predicates see it.

    Attributes:
        graph: the graph.
        node: the node.
    """

    graph: Any
    node: Any

    @property
    def params(self) -> Mapping[str, Any]:
        """The arguments that are not tensors."""
        return self.graph.params(self.node)  # type: ignore[no-any-return]

    @property
    def inputs(self) -> list[Any]:
        """The specs of the inputs."""
        return [self.graph.spec(v) for v in self.graph.inputs(self.node)]

    @property
    def outputs(self) -> list[Any]:
        """The specs of the outputs."""
        return [self.graph.spec(v) for v in self.graph.outputs(self.node)]


class P:
    """A node: its operation, what it reads, and conditions on it.

    Args:
        operator: the name of the operation, or several names; "*" for any.
        inputs: the terms of its inputs, in order; a string binds any value to that name, and binds it only once: repeated
            names match the same value. The last term may be a `Rest`.
        params: arguments that must have these values; a value may be a predicate on the argument.
        where: a predicate on the `Site`.
        output: which of the node's outputs the term stands for; None for any.
        name: the name by which the match gives the node.
        commutative: whether two inputs may be exchanged; by default those of sums, products, maxima and the like.
    """

    def __init__(
        self,
        operator: str | Sequence[str],
        *inputs: Term,
        params: Mapping[str, Any] | None = None,
        where: Callable[[Site], bool] | None = None,
        output: int | None = 0,
        name: str = "",
        commutative: bool | None = None,
    ) -> None:
        self.operators = frozenset([operator] if isinstance(operator, str) else operator)
        self.inputs = inputs
        self.params = dict(params or {})
        self.where = where
        self.output = output
        self.name = name
        self.commutative = bool(self.operators & COMMUTATIVE) if commutative is None else commutative

    def orders(self) -> Iterator[Sequence[Term]]:
        """Yield the orders of the inputs to try."""
        yield self.inputs
        if self.commutative and len(self.inputs) == 2:
            yield self.inputs[::-1]

    def accepts(self, site: Site) -> bool:
        """Return whether a node has the operation and the arguments."""
        if "*" not in self.operators and site.graph.operator(site.node) not in self.operators:
            return False
        for key, wanted in self.params.items():
            given = site.params.get(key)
            if not (wanted(given) if callable(wanted) else given == wanted):
                return False
        return self.where is None or self.where(site)


@dataclass(frozen=True)
class Weight:
    """A value that is computed from weights and constants alone; the nodes that compute it are not part of the match.

    Attributes:
        name: the name by which the match gives it.
        where: a predicate on its spec.
    """

    name: str
    where: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Number:
    """A constant of one element, or of equal elements.

    Attributes:
        value: the number, compared with a relative tolerance of 1e-6; or a name, by which the match gives the value.
    """

    value: float | str


@dataclass(frozen=True)
class Bound:
    """A value with a condition.

    Attributes:
        name: the name by which the match gives it.
        where: a predicate on its spec.
    """

    name: str
    where: Callable[[Any], bool]


@dataclass(frozen=True)
class Rest:
    """All further inputs of a node; the match gives them as a tuple."""

    name: str


class OneOf:
    """The first of several terms that matches."""

    def __init__(self, *terms: Term) -> None:
        self.terms = terms


class Maybe:
    """A node that may be missing: its first input then stands in its place. The arguments are those of `P`."""

    def __init__(self, operator: str | Sequence[str], inner: Term, *others: Term, **conditions: Any) -> None:
        self.terms: tuple[Term, ...] = (P(operator, inner, *others, **conditions), inner)


class Through:
    """Any number of nodes of these operations, one after the other by their first inputs, before a term."""

    def __init__(self, operators: str | Sequence[str], inner: Term) -> None:
        self.operators = frozenset([operators] if isinstance(operators, str) else operators)
        self.inner = inner


Term: TypeAlias = "P | Weight | Number | Bound | Rest | OneOf | Maybe | Through | str"


@dataclass(frozen=True)
class Match:
    """A place where a pattern was found.

    Attributes:
        pattern: the pattern.
        graph: the graph.
        nodes: the nodes that the match covers, in the graph's order.
        values: the values that names in the pattern stand for.
        named: the nodes that names in the pattern stand for.
        outputs: the values of the pattern's roots; the other values of the nodes are read by these nodes alone.
    """

    pattern: Any
    graph: Any
    nodes: tuple[Any, ...]
    values: Mapping[str, Any]
    named: Mapping[str, Any]
    outputs: tuple[Any, ...]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str) -> Any | None:
        """Return the value of a name, or None if it stands in a part that is missing."""
        return self.values.get(name)

    def params(self, name: str) -> Mapping[str, Any]:
        """Return the arguments of a named node."""
        return self.graph.params(self.named[name])  # type: ignore[no-any-return]

    def spec(self, name: str) -> Any:
        """Return shape and dtype of a named value."""
        return self.graph.spec(self.values[name])


class Pattern:
    """A named pattern with one or several outputs.

    Args:
        name: what it stands for, for reports.
        roots: the terms of its outputs. The first is searched for; the others must be near: they read what is matched already.
        where: a predicate on the whole match.
    """

    def __init__(self, name: str, *roots: Term, where: Callable[[Match], bool] | None = None) -> None:
        if not roots:
            raise InvalidArgumentError(f"Pattern {name!r} expects at least one term.")
        self.name = name
        self.roots = roots
        self.where = where

    @cached_property
    def operators(self) -> frozenset[str]:
        """The operations that the first root may have; "*" if any."""
        return _first_operators(self.roots[0])

    def __repr__(self) -> str:
        return f"Pattern({self.name!r})"


def _first_operators(term: Term) -> frozenset[str]:
    if isinstance(term, P):
        return term.operators
    if isinstance(term, (OneOf, Maybe)):
        return frozenset().union(*map(_first_operators, term.terms))
    if isinstance(term, Through):
        return term.operators | _first_operators(term.inner)
    return frozenset({"*"})


@dataclass(frozen=True)
class _State:
    """What is bound so far; never changed, so that the search can go back."""

    values: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, Any] = field(default_factory=dict)
    nodes: tuple[Any, ...] = ()

    def bind(self, name: str, value: Any) -> _State | None:
        if name in self.values:
            return self if self.values[name] == value else None
        return _State({**self.values, name: value}, self.named, self.nodes)

    def cover(self, node: Any, name: str) -> _State:
        named = {**self.named, name: node} if name else self.named
        return _State(self.values, named, self.nodes if node in self.nodes else (*self.nodes, node))


class Matcher:
    """Searches one graph.

    Args:
        graph: the graph.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._order = {node: i for i, node in enumerate(graph.nodes())}
        self._by_operator: dict[str, list[Any]] = {}
        for node in self._order:
            self._by_operator.setdefault(graph.operator(node), []).append(node)

    def find(self, patterns: Iterable[Pattern], claimed: Iterable[Any] = ()) -> list[Match]:
        """Return matches that share no node; earlier patterns are preferred, and of one pattern later places in the graph.

        Args:
            patterns: the patterns, the preferred ones first.
            claimed: nodes that no match may cover.
        """
        taken = set(claimed)
        found: list[Match] = []
        for pattern in patterns:
            for match in self.each(pattern, taken):
                found.append(match)
                taken.update(match.nodes)
        return sorted(found, key=lambda m: self._order[m.nodes[-1]])

    def each(self, pattern: Pattern, taken: set[Any]) -> Iterator[Match]:
        """Yield the matches of a pattern that cover no node in `taken`, which the caller may extend meanwhile."""
        for node in self._candidates(pattern):
            for match in self.at(pattern, node):
                if node in taken:
                    break
                if not taken.intersection(match.nodes):
                    yield match

    def at(self, pattern: Pattern, node: Any) -> Iterator[Match]:
        """Yield the matches whose first root is a node."""
        for state, root in self._roots(pattern.roots[0], node, _State()):
            for final, outputs in self._others(pattern.roots[1:], state, (root,)):
                match = self._match(pattern, final, outputs)
                if match is not None and (pattern.where is None or pattern.where(match)):
                    yield match

    def _candidates(self, pattern: Pattern) -> list[Any]:
        if "*" in pattern.operators:
            return list(self._order)[::-1]
        found = [n for name in pattern.operators for n in self._by_operator.get(name, ())]
        return sorted(found, key=self._order.__getitem__, reverse=True)

    def _roots(self, term: Term, node: Any, state: _State) -> Iterator[tuple[_State, Any]]:
        for value in self.graph.outputs(node):
            for found in self._value(term, value, state):
                if node in found.nodes:
                    yield found, value

    def _others(
        self, roots: Sequence[Term], state: _State, outputs: tuple[Any, ...]
    ) -> Iterator[tuple[_State, tuple[Any, ...]]]:
        if not roots:
            yield state, outputs
            return
        near = {n: None for v in self._known(state) for n in [*self.graph.readers(v), self.graph.producer(v)]}
        for node in near:
            if node is None:
                continue
            for found, value in self._roots(roots[0], node, state):
                if value not in outputs:
                    yield from self._others(roots[1:], found, (*outputs, value))

    def _known(self, state: _State) -> Iterator[Any]:
        for value in state.values.values():
            yield from value if isinstance(value, tuple) else (value,)
        for node in state.nodes:
            yield from self.graph.outputs(node)

    def _value(self, term: Term, value: Any, state: _State) -> Iterator[_State]:
        """Yield the states in which a term matches a value."""
        if isinstance(term, (str, Weight, Bound)):
            yield from self._named(term, value, state)
        elif isinstance(term, Number):
            yield from self._number(term, value, state)
        elif isinstance(term, (OneOf, Maybe)):
            for option in term.terms:
                yield from self._value(option, value, state)
        elif isinstance(term, Through):
            yield from self._through(term, value, state)
        elif isinstance(term, P):
            yield from self._node(term, value, state)
        else:
            raise InvalidArgumentError(f"A pattern expects {term!r} as the last input of a node only.")

    def _named(self, term: str | Weight | Bound, value: Any, state: _State) -> Iterator[_State]:
        name = term if isinstance(term, str) else term.name
        if isinstance(term, Weight) and not self.graph.is_weight(value):
            return
        if not isinstance(term, str) and term.where is not None and not term.where(self.graph.spec(value)):
            return
        bound = state.bind(name, value)
        if bound is not None:
            yield bound

    def _number(self, term: Number, value: Any, state: _State) -> Iterator[_State]:
        array = self.graph.number(value)
        if array is None or array.size == 0 or array.dtype.kind not in "biuf" or not (array == array.flat[0]).all():
            return
        if isinstance(term.value, str):
            bound = state.bind(term.value, value)
            if bound is not None:
                yield bound
        elif np.isclose(float(array.flat[0]), term.value, rtol=1e-6, atol=0.0):
            yield state

    def _through(self, term: Through, value: Any, state: _State) -> Iterator[_State]:
        yield from self._value(term.inner, value, state)
        node = self.graph.producer(value)
        if node is not None and self.graph.operator(node) in term.operators:
            yield from self._value(term, self.graph.inputs(node)[0], state.cover(node, ""))

    def _node(self, term: P, value: Any, state: _State) -> Iterator[_State]:
        node = self.graph.producer(value)
        if node is None or not term.accepts(Site(self.graph, node)):
            return
        if term.output is not None and self.graph.outputs(node)[term.output] != value:
            return
        if term.name and state.named.get(term.name, node) != node:
            return
        covered = state.cover(node, term.name)
        for terms in term.orders():
            yield from self._inputs(terms, self.graph.inputs(node), covered)

    def _inputs(self, terms: Sequence[Term], values: Sequence[Any], state: _State) -> Iterator[_State]:
        if terms and isinstance(terms[0], Rest):
            bound = state.bind(terms[0].name, tuple(values))
            if bound is not None:
                yield bound
        elif not terms or not values:
            if not terms and not values:
                yield state
        else:
            for found in self._value(terms[0], values[0], state):
                yield from self._inputs(terms[1:], values[1:], found)

    def _match(self, pattern: Pattern, state: _State, outputs: tuple[Any, ...]) -> Match | None:
        """Return the match, unless an inner value is read from outside, or an input depends on an output."""
        inside = set(state.nodes)
        for node in state.nodes:
            for value in self.graph.outputs(node):
                if value in outputs:
                    continue
                if self.graph.is_result(value) or any(r not in inside for r in self.graph.readers(value)):
                    return None
        nodes = tuple(sorted(state.nodes, key=self._order.__getitem__))
        if len(outputs) > 1 and self._depends_on_itself(inside, nodes):
            return None
        return Match(pattern, self.graph, nodes, state.values, state.named, outputs)

    def _depends_on_itself(self, inside: set[Any], nodes: Sequence[Any]) -> bool:
        """Return whether a path leaves the nodes and comes back."""
        last = self._order[nodes[-1]]
        waiting = [r for n in nodes for v in self.graph.outputs(n) for r in self.graph.readers(v) if r not in inside]
        seen: set[Any] = set()
        while waiting:
            node = waiting.pop()
            if node in inside:
                return True
            if node in seen or self._order[node] > last:
                continue
            seen.add(node)
            waiting += [r for v in self.graph.outputs(node) for r in self.graph.readers(v)]
        return False


class ProgramGraph:
    """A program as the matcher sees it: nodes are equations, values are atoms.

    Weights are values that depend on the state and on literals alone.

    Args:
        program: the program.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._producers = {v: e for e in program.equations for v in e.outputs}
        self._readers: dict[Any, list[Equation]] = {}
        for equation in program.equations:
            for atom in equation.inputs:
                self._readers.setdefault(atom, []).append(equation)
        self._results = set(program.results())
        self._weights = {s.before for s in program.state}
        for equation in program.equations:
            known = all(isinstance(a, Literal) or a in self._weights for a in equation.inputs)
            if equation.inputs and known and not params_unknown(equation.params):
                self._weights.update(equation.outputs)

    def nodes(self) -> Sequence[Equation]:
        """Return the equations."""
        return self.program.equations

    def operator(self, node: Equation) -> str:
        """Return the name of the primitive."""
        return node.primitive.name

    def params(self, node: Equation) -> Mapping[str, Any]:
        """Return the params of the equation."""
        return node.params

    def inputs(self, node: Equation) -> Sequence[Any]:
        """Return the atoms that the equation reads."""
        return node.inputs

    def outputs(self, node: Equation) -> Sequence[Value]:
        """Return the values that the equation computes."""
        return node.outputs

    def producer(self, value: Any) -> Equation | None:
        """Return the equation that computes a value, or None."""
        return self._producers.get(value)

    def readers(self, value: Any) -> Sequence[Equation]:
        """Return the equations that read a value."""
        return self._readers.get(value, ())

    def is_result(self, value: Any) -> bool:
        """Return whether a value is an output of the program or a new value of its state."""
        return value in self._results

    def is_weight(self, value: Any) -> bool:
        """Return whether a value depends on the state and on literals alone."""
        return isinstance(value, Literal) or value in self._weights

    def number(self, value: Any) -> Any | None:
        """Return the array of a literal, or None."""
        return value.array if isinstance(value, Literal) else None

    def spec(self, value: Any) -> Any:
        """Return the spec of an atom."""
        return value.spec
