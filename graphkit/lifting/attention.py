"""Multi-head, multi-query and grouped-query attention with its projections, in whatever order a file keeps heads and time.

Between the projections and the products of attention, files reshape, transpose, slice and repeat. These steps are not matched one by
one: they are run on the numbers of the elements, which shows for each head which columns of a projection it uses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from graphkit.core.dims import Dim
from graphkit.ir.matching import Match, Number, OneOf, P, Through
from graphkit.ir.program import Equation, Literal, Value
from graphkit.lifting.calls import Array, LiftedCall, LiftGraph, NotExactError, WeightFunction
from graphkit.lifting.recipes import call, recipe

_MOVES = {"transpose", "reshape", "slice", "take", "broadcast_to", "identity"}
_SIZES = (2, 3, 5, 7, 11, 13)  # what free sizes are while element numbers are followed


def _scaled(term: Any) -> Any:
    """Return the term of scores that may be multiplied or divided by a number."""
    return OneOf(P("multiply", term, Number("factor")), P("divide", term, Number("divisor"), commutative=False), term)


_SCORES = Through("reshape", _scaled(Through("reshape", P("matmul", "q", "k", name="scores"))))
_MASKED = OneOf(
    P("select", "kept", _SCORES, Number("fill")),
    P("select", "hidden", Number("fill"), _SCORES),
    P("add", _SCORES, "mask"),
    _SCORES,
)
_WEIGHTS = P("softmax", _MASKED, name="softmax")
_CORE = P("matmul", Through("reshape", _WEIGHTS), "v", name="mix")


class _Projection(NamedTuple):
    """A projection, and which of its columns each head uses.

    Attributes:
        source: its input, (batch, time, features).
        kernel: (features, columns).
        bias: as many numbers as columns, or None.
        columns: (heads, size), for each element of a head the column that it is.
        batches: for each product of attention, the place in the batch.
        factor: what the elements are multiplied by.
        equations: those that it covers.
    """

    source: Any
    kernel: Any
    bias: Any | None
    columns: Array
    batches: Array
    factor: float
    equations: list[Equation]


class _Sizes:
    """Numbers in place of a program's free sizes."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, size: Any) -> Any:
        """Return a size as an int."""
        if not isinstance(size, Dim):
            return size
        for name in sorted(size.names()):
            if name not in self._known:
                if len(self._known) == len(_SIZES):
                    raise NotExactError("there are too many free sizes.")
                self._known[name] = _SIZES[len(self._known)]
        return size.evaluate(self._known)

    def shape(self, value: Any) -> tuple[int, ...]:
        """Return a value's shape in ints."""
        return tuple(self.of(n) for n in value.spec.shape)

    def run(self, equation: Equation, array: Array) -> Array:
        """Return what an equation that only moves elements makes of an array."""
        params = {k: self._param(v) for k, v in equation.params.items()}
        others = [a.array for a in equation.inputs[1:] if isinstance(a, Literal)]
        if len(others) != len(equation.inputs) - 1:
            raise NotExactError("elements are selected by computed indices.")
        return np.asarray(equation.primitive.evaluate([array, *others], params))

    def _param(self, param: Any) -> Any:
        return tuple(self.of(n) for n in param) if isinstance(param, tuple) else param


def _back(graph: LiftGraph, value: Any) -> tuple[Any, list[Equation], float]:
    """Follow moves and numbers that multiply back from a value; return where they begin, the equations, and the factor."""
    equations: list[Equation] = []
    factor = 1.0
    while True:
        equation = graph.producer(value)
        if equation is None:
            return value, equations, factor
        name = equation.primitive.name
        if name in ("multiply", "divide"):
            number = graph.number(equation.inputs[1])
            if number is None or number.size != 1:
                return value, equations, factor
            given = float(number.reshape(-1)[0])
            factor *= given if name == "multiply" else 1 / given
        elif name not in _MOVES:
            return value, equations, factor
        equations.append(equation)
        value = equation.inputs[0]


def _product(graph: LiftGraph, value: Any) -> tuple[Any, Any, Any | None, list[Equation]] | None:
    """Return input, kernel, bias and equations of the product with a weight that computes a value, or None."""
    equation = graph.producer(value)
    if equation is None:
        return None
    name = equation.primitive.name
    if name == "add":
        for value_, bias in (equation.inputs, equation.inputs[::-1]):
            if graph.is_weight(bias):
                begin, moves, factor = _back(graph, value_)
                inner = _product(graph, begin) if factor == 1.0 else None
                if inner is not None and inner[2] is None and all(m.primitive.name == "reshape" for m in moves):
                    return inner[0], inner[1], bias, [equation, *moves, *inner[3]]
        return None
    if name == "matmul" and graph.is_weight(equation.inputs[1]) and len(equation.inputs[1].spec.shape) == 2:
        return equation.inputs[0], equation.inputs[1], None, [equation]
    return None


def _projection(graph: LiftGraph, sizes: _Sizes, value: Any, swapped: bool = False) -> _Projection:
    """Return the projection that an operand (..., time, size) of attention comes from.

    Raises:
        NotExactError: it comes from none, or heads and time are mixed.
    """
    begin, moves, factor = _back(graph, value)
    found = _product(graph, begin)
    if found is None:
        raise NotExactError("the operands of attention are not projected.")
    rows, kernel, bias, product = found
    source, before, one = _back(graph, rows)
    if one != 1.0:
        source, before = rows, []
    columns = kernel.spec.shape[1]
    while len(source.spec.shape) != 3 and before:
        source = before.pop().outputs[0]
    while True:  # from the farthest value to the nearest one that is (batch, time, features)
        made = _columns(graph, sizes, source, before, begin, moves, columns, swapped)
        if made is not None:
            return _Projection(source, kernel, bias, *made, factor, [*moves, *product, *before])
        if not before:
            raise NotExactError("heads and time are mixed in another way than in Keras.")
        source = before.pop().outputs[0]


def _columns(
    graph: LiftGraph,
    sizes: _Sizes,
    source: Any,
    before: Sequence[Equation],
    begin: Any,
    moves: Sequence[Equation],
    columns: int,
    swapped: bool,
) -> tuple[Array, Array] | None:
    """Return for each head its columns, and for each product its place in the batch; None if the order is not Keras'."""
    shape = sizes.shape(source)
    if len(shape) != 3:
        return None
    batch, time, features = shape
    numbers = np.arange(batch * time * features).reshape(shape)
    for equation in reversed(before):
        numbers = sizes.run(equation, numbers)
    rows = numbers // features
    if (
        numbers.shape[-1] != features
        or not (rows == rows[..., :1]).all()
        or not (numbers % features == np.arange(features)).all()
    ):
        return None
    followed = (rows[..., :1] * columns + np.arange(columns)).reshape(sizes.shape(begin))
    for equation in reversed(moves):
        if equation.primitive.name in _MOVES:
            followed = sizes.run(equation, followed)
    if swapped:
        followed = np.swapaxes(followed, -1, -2)
    followed = followed.reshape(-1, *followed.shape[-2:])
    place, column = followed // columns, followed % columns
    batches, times = place // time, place % time
    if (
        followed.shape[1] != time
        or not (times == np.arange(time)[:, None]).all()
        or not (batches == batches[:, :1, :1]).all()
    ):
        return None
    if not (column == column[:, :1]).all():
        return None
    first, by_batch = batches[:, 0, 0], [column[batches[:, 0, 0] == b, 0] for b in range(batch)]
    if any(len(c) != len(by_batch[0]) or not (c == by_batch[0]).all() for c in by_batch):
        return None
    return by_batch[0], first


def _groups(columns: Array) -> int:
    """Return how many heads of keys or values there are, each used by as many consecutive heads."""
    heads = len(columns)
    for count in range(1, heads + 1):
        if heads % count == 0 and (columns == np.repeat(columns[:: heads // count], heads // count, axis=0)).all():
            return count
    return heads


class _Output(NamedTuple):
    """The projection of the results: its kernel, bias, rows of the kernel for each head, the value and the equations."""

    kernel: Any
    bias: Any | None
    rows: Array
    value: Any
    equations: list[Equation]


def _output(graph: LiftGraph, sizes: _Sizes, mixed: Any, batches: Array, heads: int) -> _Output:
    """Return the projection of the results of attention, up to where they are (batch, time, features).

    Raises:
        NotExactError: there is none, or the order is not Keras'.
    """
    shape = sizes.shape(mixed)
    time, size = shape[-2:]
    numbers = np.arange(math.prod(shape)).reshape(shape)
    value, equations = mixed, []
    while True:
        equation = _only_reader(graph, value)
        equations.append(equation)
        if equation.primitive.name == "matmul" and graph.is_weight(equation.inputs[1]) and equation.inputs[0] is value:
            break
        if equation.primitive.name not in _MOVES or equation.inputs[0] is not value:
            raise NotExactError("the results of attention are not projected.")
        numbers, value = sizes.run(equation, numbers), equation.outputs[0]
    kernel, value = equation.inputs[1], equation.outputs[0]
    product, place, element = numbers // (time * size), numbers // size % time, numbers % size
    batch = batches[product]
    head = (product[..., None] > np.arange(len(batches))).__and__(batches == batch[..., None]).sum(-1)
    flat = (head * size + element).reshape(-1, numbers.shape[-1])
    ordered = (batch * time + place).reshape(-1, numbers.shape[-1])
    if numbers.shape[-1] != heads * size or not (flat == flat[0]).all() or not (ordered == ordered[:, :1]).all():
        raise NotExactError("heads and time are mixed in another way than in Keras.")
    order = ordered[:, 0].reshape(numbers.shape[:-1])
    bias = None
    while True:
        if bias is None:
            reader = next((e for e in graph.readers(value) if e.primitive.name == "add"), None)
            if reader is not None and len(graph.readers(value)) == 1:
                other = reader.inputs[1] if reader.inputs[0] is value else reader.inputs[0]
                if (
                    graph.is_weight(other)
                    and other.spec.shape[-1:] == kernel.spec.shape[1:]
                    and math.prod(sizes.shape(other)) == kernel.spec.shape[1]
                ):
                    bias, value = other, reader.outputs[0]
                    equations.append(reader)
                    continue
        wanted = np.arange(order.size).reshape(-1, time)
        if order.shape == wanted.shape and (order == wanted).all() and len(value.spec.shape) == 3:
            break
        reader = _only_reader(graph, value)
        if reader.primitive.name not in ("transpose", "reshape"):
            raise NotExactError("the results of attention are not (batch, time, features).")
        full = sizes.run(reader, np.repeat(order[..., None], sizes.of(kernel.spec.shape[1]), axis=-1))
        if full.shape[-1] != kernel.spec.shape[1] or not (full == full[..., :1]).all():
            raise NotExactError("the results of attention are not (batch, time, features).")
        order, value = full[..., 0], reader.outputs[0]
        equations.append(reader)
    rows = np.empty((heads, size), np.int64)
    rows.reshape(-1)[flat[0]] = np.arange(heads * size)
    return _Output(kernel, bias, rows, value, equations)


def _only_reader(graph: LiftGraph, value: Any) -> Equation:
    readers = graph.readers(value)
    if len(readers) != 1 or graph.is_result(value):
        raise NotExactError("an inner value of attention is read elsewhere.")
    return readers[0]


def _mask(match: Match) -> Any | None:
    """Return which places may be attended to, from a constant; None if all may.

    Raises:
        NotExactError: it is computed, or it hides all places from one: the file then gives NaN, and Keras does not.
    """
    name = next((n for n in ("mask", "kept", "hidden") if n in match), None)
    if name is None:
        return None
    array = match.graph.number(match[name]) if isinstance(match[name], Literal) else None
    if array is None or array.ndim < 2:
        raise NotExactError("scores are masked by something else than a constant.")
    kept = array == 0 if name == "mask" else array.astype(bool) ^ (name == "hidden")
    hidden = array[~kept] if name == "mask" else match.graph.number(match["fill"])
    if not (hidden < -1e8).all() or not kept.any(axis=-1).all():
        raise NotExactError("what is added to the scores is no mask.")
    return kept


def _head_weights(p: _Projection, groups: int) -> list[WeightFunction]:
    heads = p.columns[:: len(p.columns) // groups]
    made = [WeightFunction((p.kernel,), lambda k: k[:, heads.reshape(-1)].reshape(k.shape[0], *heads.shape))]
    if p.bias is not None:
        made.append(WeightFunction((p.bias,), lambda b: b.reshape(-1)[heads.reshape(-1)].reshape(heads.shape)))
    return made


def _with_mask(mask: Any) -> Any:
    def arguments(layer: Any, tensors: Sequence[Any]) -> Any:
        query, value, key = tensors
        return layer(query, value, key=key, **({} if mask is None else mask))

    return arguments


@recipe("attention", _CORE)
def _attention(match: Match) -> LiftedCall:
    graph, sizes = match.graph, _Sizes()
    query = _projection(graph, sizes, match["q"])
    key = _projection(graph, sizes, match["k"], swapped=True)
    value = _projection(graph, sizes, match["v"])
    heads, size = query.columns.shape
    if not (query.batches == key.batches).all() or not (query.batches == value.batches).all():
        raise NotExactError("the operands of attention belong to different places in the batch.")
    factor = query.factor * key.factor * value.factor
    for name, power in (("factor", 1), ("divisor", -1)):
        if name in match:
            factor *= float(graph.number(match[name]).reshape(-1)[0]) ** power
    if not math.isclose(factor, 1 / math.sqrt(size), rel_tol=1e-5) or value.factor != 1.0:
        raise NotExactError(f"scores are multiplied by {factor:.6g}, not by 1 / sqrt({size}).")
    if match.params("softmax")["axes"] != (len(graph.spec(graph.outputs(match.named["softmax"])[0]).shape) - 1,):
        raise NotExactError("the softmax is not over the keys.")
    out = _output(graph, sizes, match.outputs[0], query.batches, heads)
    mask = _mask(match)
    biases = [p.bias is not None for p in (query, key, value, out)]
    if any(biases) != all(biases):
        raise NotExactError("some projections have a bias and others do not.")
    groups = max(_groups(key.columns), _groups(value.columns))
    weights = [*_head_weights(query, heads), *_head_weights(key, groups), *_head_weights(value, groups)]
    rows = out.rows
    weights.append(WeightFunction((out.kernel,), lambda k: k[rows.reshape(-1)].reshape(*rows.shape, k.shape[1])))
    if out.bias is not None:
        weights.append(WeightFunction((out.bias,), lambda b: b.reshape(-1)))
    equations = {*match.nodes, *query.equations, *key.equations, *value.equations, *out.equations}
    _check_inside(graph, equations, out.value)
    arguments: Mapping[str, Any] | None = None
    if mask is not None:
        causal = np.tril(np.ones(mask.shape[-2:], bool))
        is_causal = mask.shape[-2] == mask.shape[-1] and bool((mask == causal).all())
        arguments = {"use_causal_mask": True} if is_causal else {"attention_mask": mask}
    made = _layer(match, heads, groups, size, value.columns.shape[1], out, any(biases), query.source)
    lifted = call(
        match, *made, *weights, inputs=(query.source, value.source, key.source), arguments=_with_mask(arguments)
    )
    return replace(lifted, outputs=(out.value,), equations=tuple(e for e in graph.program.equations if e in equations))


def _layer(
    match: Match, heads: int, groups: int, size: int, value_size: int, out: _Output, use_bias: bool, source: Any
) -> tuple[str, dict[str, Any]]:
    """Return class and config of the layer."""
    width = out.kernel.spec.shape[1]
    if groups == heads:
        config = {"num_heads": heads, "key_dim": size, "value_dim": value_size, "use_bias": use_bias}
        return "MultiHeadAttention", config if width == source.spec.shape[-1] else {**config, "output_shape": width}
    if value_size != size or width != source.spec.shape[-1]:
        raise NotExactError("keys and values of shared heads have different sizes.")
    config = {"head_dim": size, "num_query_heads": heads, "num_key_value_heads": groups, "use_bias": use_bias}
    return "GroupQueryAttention", config


def _check_inside(graph: LiftGraph, equations: set[Equation], result: Value) -> None:
    """Raise NotExactError if a value inside is read from outside."""
    for equation in equations:
        for value in equation.outputs:
            inner = value is not result and not graph.is_weight(value)
            if inner and (graph.is_result(value) or any(r not in equations for r in graph.readers(value))):
                raise NotExactError("an inner value of attention is read elsewhere.")
