"""Random nodes for each operator: inputs, attributes, and how many outputs are used.

A recipe gets the source of random numbers and the version of ai.onnx, and returns a `Node`. Values are such that small errors do not
change the result much (no ties, no arguments at a jump).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Recipe = Callable[["Draw", int], "Node | None"]
RECIPES: dict[str, Recipe] = {}


class Node(NamedTuple):
    """A node of a model.

    Attributes:
        operator: the operator.
        inputs: arrays, None for one that is left out.
        attributes: the attributes.
        outputs: the number of outputs.
        constants: the inputs (by position) that are sizes, axes and the like: known when the node is traced.
    """

    operator: str
    inputs: list[Any]
    attributes: dict[str, Any] = {}  # noqa: RUF012 - never changed
    outputs: int = 1
    constants: tuple[int, ...] = ()


class Draw:
    """A source of random choices, shapes and arrays."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one(self, *choices: Any) -> Any:
        """Return one of these."""
        return choices[int(self.rng.integers(len(choices)))]

    def maybe(self, share: float = 0.5) -> bool:
        """Return whether something happens."""
        return bool(self.rng.random() < share)

    def int(self, low: int, high: int) -> int:
        """Return an integer from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def ints(self, low: int, high: int, count: int) -> list[int]:
        """Return integers from low to high."""
        return [self.int(low, high) for _ in range(count)]

    def shape(self, least: int = 1, most: int = 4, largest: int = 5) -> tuple[int, ...]:
        """Return the sizes of `least` to `most` axes."""
        return tuple(self.ints(1, largest, self.int(least, most)))

    def floats(self, shape: Sequence[int], low: float = -3.0, high: float = 3.0, dtype: Any = np.float32) -> Any:
        """Return numbers of which no two are equal, in a random order."""
        count = int(np.prod(shape))
        steps = (np.arange(count) + 0.3 + 0.4 * self.rng.random(count)) / max(count, 1)
        return np.asarray((low + (high - low) * self.rng.permutation(steps)).reshape(shape), dtype)

    def integers(self, shape: Sequence[int], low: int = -9, high: int = 9, dtype: Any = np.int64) -> Any:
        """Return integers from low to high."""
        return np.asarray(self.rng.integers(low, high + 1, tuple(shape)), dtype)

    def bools(self, shape: Sequence[int]) -> Any:
        """Return bools."""
        return np.asarray(self.rng.random(tuple(shape)) < 0.5)

    def axis(self, rank: int) -> int:
        """Return an axis, counted from either end."""
        return self.int(-rank, rank - 1)

    def axes(self, rank: int, least: int = 1) -> list[int]:
        """Return different axes, counted from either end."""
        chosen = self.rng.permutation(rank)[: self.int(least, rank)].tolist()
        return [a - rank if self.maybe() else a for a in chosen]

    def part(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return a shape that broadcasts to this one."""
        kept = list(shape)[self.int(0, len(shape)) :]
        return tuple(1 if self.maybe(0.3) else n for n in kept)


def recipe(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a recipe; with several names, its first argument is the operator."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            RECIPES[name] = (lambda d, v, name=name: function(name, d, v)) if len(names) > 1 else function
        return function

    return add


def array(values: Any, dtype: Any = np.int64) -> Any:
    return np.array(values, dtype)


# ----- element by element -----

_DOMAINS = {
    "Acos": (-0.99, 0.99), "Asin": (-0.99, 0.99), "Atanh": (-0.9, 0.9), "Acosh": (1.05, 9.0), "Log": (0.05, 9.0), "Sqrt": (0.01, 9.0),
    "Tan": (-1.2, 1.2), "Reciprocal": (0.2, 4.0),
}  # fmt: skip
_DOUBLES = {
    "Abs",
    "Ceil",
    "Cos",
    "Exp",
    "Floor",
    "Log",
    "Neg",
    "Reciprocal",
    "Relu",
    "Round",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sqrt",
    "Tanh",
}


@recipe(
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "Identity", "IsNaN", "Log",
    "Neg", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Tan", "Tanh", "HardSwish",
    "Mish",
)  # fmt: skip
def unary(name: str, d: Draw, version: int) -> Node:
    shape = d.shape(0, 4)
    dtype = np.float64 if name in _DOUBLES and d.maybe(0.3) else np.float32
    if name in ("Abs", "Neg", "Sign") and d.maybe(0.4):
        return Node(name, [d.integers(shape, dtype=d.one(np.int8, np.int32, np.int64))])
    low, high = _DOMAINS.get(name, (-3.0, 3.0))
    return Node(name, [d.floats(shape, low, high, dtype)])


_PARAMETERS: dict[str, dict[str, tuple[float, float]]] = {
    "Elu": {"alpha": (0.2, 2.0)}, "Celu": {"alpha": (0.5, 2.0)}, "Selu": {"alpha": (0.5, 2.0), "gamma": (0.5, 2.0)},
    "LeakyRelu": {"alpha": (-0.5, 0.5)}, "ThresholdedRelu": {"alpha": (0.1, 2.0)}, "HardSigmoid": {"alpha": (0.1, 0.5), "beta": (0.1, 0.9)},
    "Shrink": {"bias": (-0.5, 0.5), "lambd": (0.1, 1.5)}, "Swish": {"alpha": (0.3, 2.0)},
}  # fmt: skip


@recipe(*_PARAMETERS)
def activation(name: str, d: Draw, version: int) -> Node:
    chosen = {k: float(d.rng.uniform(*bounds)) for k, bounds in _PARAMETERS[name].items() if d.maybe(0.7)}
    return Node(name, [d.floats(d.shape(0, 4))], chosen)


@recipe("Gelu")
def gelu(d: Draw, version: int) -> Node:
    return Node("Gelu", [d.floats(d.shape())], {"approximate": d.one("none", "tanh")})


@recipe("PRelu")
def prelu(d: Draw, version: int) -> Node:
    shape = d.shape(2)
    return Node("PRelu", [d.floats(shape), d.floats(d.part(shape))])


@recipe("Add", "Sub", "Mul", "Div", "Pow")
def arithmetic(name: str, d: Draw, version: int) -> Node:
    shape = d.shape(0, 4)
    pair = [shape, d.part(shape)]
    a, b = pair[:: d.one(1, -1)]
    if d.maybe(0.3) and (name != "Pow" or version >= 12):
        dtype = d.one(np.int32, np.int64)
        low = 1 if name in ("Div", "Pow") else -9
        return Node(name, [d.integers(a, 0 if name == "Pow" else -9, 4, dtype), d.integers(b, low, 4, dtype)])
    dtype = d.one(np.float32, np.float32, np.float64)
    low = 0.2 if name in ("Div", "Pow") else -3.0
    return Node(name, [d.floats(a, low if name == "Pow" else -3.0, 3.0, dtype), d.floats(b, low, 3.0, dtype)])


@recipe("Mod")
def mod(d: Draw, version: int) -> Node:
    shape = d.shape(0, 3)
    if d.maybe():
        dtype = d.one(np.int32, np.int64, np.uint8, np.int8)
        low = 0 if dtype is np.uint8 else -9
        divisor = d.integers(d.part(shape), 1, 5, dtype) * (1 if low == 0 else d.one(1, -1))
        return Node("Mod", [d.integers(shape, low, 9, dtype), np.asarray(divisor, dtype)], {"fmod": d.one(0, 1)})
    return Node("Mod", [d.floats(shape), d.floats(d.part(shape), 0.3, 2.0)], {"fmod": 1})


@recipe("Max", "Min", "Sum", "Mean")
def several(name: str, d: Draw, version: int) -> Node:
    shape = d.shape(0, 3)
    return Node(
        name, [d.floats(shape), *(d.floats(shape if version < 8 else d.part(shape)) for _ in range(d.int(0, 3)))]
    )


@recipe("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")
def comparison(name: str, d: Draw, version: int) -> Node:
    shape = d.shape(0, 3)
    if version >= 9 and d.maybe():
        dtype = d.one(np.int32, np.int64)
        return Node(name, [d.integers(shape, 0, 3, dtype), d.integers(d.part(shape), 0, 3, dtype)])
    dtype = np.int64 if name == "Equal" and version < 11 else np.float32
    make = d.integers if dtype is np.int64 else d.floats
    return Node(name, [make(shape), make(d.part(shape))])


@recipe("And", "Or", "Xor")
def logical(name: str, d: Draw, version: int) -> Node:
    shape = d.shape(0, 3)
    return Node(name, [d.bools(shape), d.bools(d.part(shape))])


@recipe("Not")
def negation(d: Draw, version: int) -> Node:
    return Node("Not", [d.bools(d.shape(0, 3))])


@recipe("BitwiseAnd", "BitwiseOr", "BitwiseXor")
def bitwise(name: str, d: Draw, version: int) -> Node:
    shape, dtype = d.shape(0, 3), d.one(np.int32, np.int64, np.uint8, np.int16)
    return Node(name, [d.integers(shape, 0, 99, dtype), d.integers(d.part(shape), 0, 99, dtype)])


@recipe("BitwiseNot")
def bitwise_not(d: Draw, version: int) -> Node:
    return Node("BitwiseNot", [d.integers(d.shape(), 0, 99, d.one(np.int32, np.int64, np.uint8))])


@recipe("BitShift")
def bit_shift(d: Draw, version: int) -> Node:
    shape, dtype = d.shape(0, 3), d.one(np.uint8, np.uint32, np.uint64)
    shifts = d.integers(d.part(shape), 0, 7, dtype)
    return Node("BitShift", [d.integers(shape, 0, 200, dtype), shifts], {"direction": d.one("LEFT", "RIGHT")})


@recipe("IsInf")
def is_inf(d: Draw, version: int) -> Node:
    x = np.where(d.bools((3, 4)), d.floats((3, 4)), d.one(np.inf, -np.inf)).astype(np.float32)
    return Node("IsInf", [x], {"detect_negative": d.one(0, 1), "detect_positive": d.one(0, 1)})


@recipe("Clip")
def clip(d: Draw, version: int) -> Node:
    x, low, high = d.floats(d.shape(0, 3)), float(d.rng.uniform(-2, 0)), float(d.rng.uniform(0, 2))
    if version < 11:
        return Node("Clip", [x], {k: v for k, v in (("min", low), ("max", high)) if d.maybe(0.7)})
    limits = [array(v, np.float32) if d.maybe(0.7) else None for v in (low, high)]
    return Node("Clip", [x, *limits])


@recipe("Where")
def where(d: Draw, version: int) -> Node:
    shape = d.shape(0, 3)
    make = d.one(d.floats, d.integers)
    return Node("Where", [d.bools(d.part(shape)), make(shape), make(d.part(shape))])


_KINDS = {1: np.float32, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16, 11: np.float64,
          12: np.uint32}  # fmt: skip


@recipe("Cast")
def cast(d: Draw, version: int) -> Node:
    source = d.one(np.float32, np.int32, np.int64, np.bool_, np.float64, np.uint8)
    shape = d.shape(0, 3)
    x = d.bools(shape) if source is np.bool_ else d.floats(shape, 0, 90, np.float64).astype(source)
    return Node("Cast", [x], {"to": d.one(*_KINDS)})


# ----- reductions -----


@recipe(
    "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum",
    "ReduceLogSumExp",
)  # fmt: skip
def reduction(name: str, d: Draw, version: int) -> Node:
    shape = d.shape(1, 4, 4)
    low = 0.3 if name == "ReduceLogSum" else -2.0
    x = d.floats(shape, low, 2.0, d.one(np.float32, np.float32, np.float64))
    if name in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd") and d.maybe(0.3):
        x = d.integers(shape, -3, 3, d.one(np.int32, np.int64))
    axes = d.axes(len(shape)) if d.maybe(0.7) else None
    settings: dict[str, Any] = {"keepdims": d.one(0, 1)}
    if version < (13 if name == "ReduceSum" else 18):
        axes = axes if version >= 11 or axes is None else [a % len(shape) for a in axes]
        return Node(name, [x], {**settings, "axes": axes})
    if axes is None and d.maybe(0.3):
        settings["noop_with_empty_axes"] = 1
    return Node(name, [x, None if axes is None else array(axes)], settings, constants=(1,))


@recipe("ArgMax", "ArgMin")
def argument(name: str, d: Draw, version: int) -> Node:
    shape = d.shape()
    axis = d.axis(len(shape)) if version >= 11 else d.int(0, len(shape) - 1)
    settings = {"axis": axis, "keepdims": d.one(0, 1)}
    if version >= 12:
        settings["select_last_index"] = d.one(0, 1)
    x = d.floats(shape) if d.maybe() else d.integers(shape, 0, 2, np.int32)
    return Node(name, [x], settings)


@recipe("TopK")
def top_k(d: Draw, version: int) -> Node:
    shape = d.shape()
    axis = d.axis(len(shape)) if version >= 11 else d.int(0, len(shape) - 1)
    k = d.int(1, shape[axis])
    if version < 10:
        return Node("TopK", [d.floats(shape)], {"axis": axis, "k": k}, 2)
    settings: dict[str, Any] = {"axis": axis} | ({"largest": d.one(0, 1)} if version >= 11 else {})
    x = d.floats(shape) if version < 11 or d.maybe(0.7) else d.integers(shape, 0, 3)
    return Node("TopK", [x, array([k])], settings, 2, (1,))


@recipe("CumSum", "CumProd")
def cumulative(name: str, d: Draw, version: int) -> Node:
    shape = d.shape()
    settings = {"exclusive": d.one(0, 1), "reverse": d.one(0, 1)}
    return Node(name, [d.floats(shape), array(d.axis(len(shape)), d.one(np.int32, np.int64))], settings, constants=(1,))


@recipe("Softmax", "LogSoftmax", "Hardmax")
def softmax(name: str, d: Draw, version: int) -> Node:
    shape = d.shape()
    axis = d.axis(len(shape)) if version >= 11 else d.int(0, len(shape) - 1)
    return Node(name, [d.floats(shape)], {"axis": axis} if d.maybe(0.8) or len(shape) == 1 else {})


@recipe("NonZero")
def non_zero(d: Draw, version: int) -> Node:
    return Node("NonZero", [d.integers(d.shape(1, 3), 0, 1, d.one(np.int32, np.int64, np.float32))], constants=(0,))


# ----- shapes -----


@recipe("Shape", "Size", "Flatten", "Transpose")
def of_shape(name: str, d: Draw, version: int) -> Node:
    shape = d.shape()
    settings: dict[str, Any] = {}
    if name == "Shape" and version >= 15 and d.maybe():
        settings = {"start": d.int(-5, 5), "end": d.int(-5, 5)}
    if name == "Flatten":
        settings = {"axis": d.int(-len(shape) if version >= 11 else 0, len(shape))}
    if name == "Transpose" and d.maybe(0.8):
        settings = {"perm": d.rng.permutation(len(shape)).tolist()}
    return Node(name, [d.floats(shape)], settings)


@recipe("Reshape")
def reshape(d: Draw, version: int) -> Node:
    shape = list(d.shape(1, 4))
    wanted = [n for n in d.rng.permutation(shape).tolist() if n > 1 or d.maybe()]
    wanted.insert(d.int(0, len(wanted)), 1)
    if d.maybe():
        wanted[d.int(0, len(wanted) - 1)] = -1
    elif wanted[0] == shape[0] and d.maybe():
        wanted[0] = 0
    return Node("Reshape", [d.floats(shape), array(wanted)], constants=(1,))


@recipe("Squeeze", "Unsqueeze")
def squeeze(name: str, d: Draw, version: int) -> Node:
    shape = list(d.shape(1, 3))
    count = d.int(1, 2)
    full = list(shape)
    for _ in range(count):
        full.insert(d.int(0, len(full)), 1)
    ones = [i for i, n in enumerate(full) if n == 1][:count]
    axes = [a - len(full) if version >= 11 and d.maybe() else a for a in ones]
    x = d.floats(full if name == "Squeeze" else [n for i, n in enumerate(full) if i not in ones])
    if version < 13:
        return Node(name, [x], {"axes": axes})
    return Node(name, [x, array(axes)], constants=(1,))


@recipe("Concat")
def concat(d: Draw, version: int) -> Node:
    shape = list(d.shape())
    axis = d.axis(len(shape)) if version >= 11 else d.int(0, len(shape) - 1)
    make = d.one(d.floats, d.integers)
    parts = [
        make([d.int(1, 4) if i == axis % len(shape) else n for i, n in enumerate(shape)]) for _ in range(d.int(1, 3))
    ]
    return Node("Concat", parts, {"axis": axis})


@recipe("Split")
def split(d: Draw, version: int) -> Node:
    shape, count = list(d.shape()), d.int(1, 3)
    axis = d.axis(len(shape)) if version >= 11 else d.int(0, len(shape) - 1)
    lengths = d.ints(1, 3, count)
    equal = d.maybe()
    shape[axis] = sum(lengths) if not equal else count * d.int(1, 3)
    if version >= 18 and equal and d.maybe():
        shape[axis] = max(shape[axis] - d.int(0, 1), 1)
        count = min(count, shape[axis])
        each = -(-shape[axis] // count)
        if each * (count - 1) >= shape[axis]:
            return None  # the last part would be empty
    settings: dict[str, Any] = {"axis": axis}
    if version < 13:
        return Node("Split", [d.floats(shape)], settings if equal else {**settings, "split": lengths}, count)
    if equal:
        return Node(
            "Split", [d.floats(shape)], {**settings, "num_outputs": count} if version >= 18 else settings, count
        )
    return Node("Split", [d.floats(shape), array(lengths)], settings, count, (1,))


@recipe("Slice")
def slices(d: Draw, version: int) -> Node:
    shape = d.shape(1, 4, 6)
    axes = d.axes(len(shape)) if version >= 10 else sorted({a % len(shape) for a in d.axes(len(shape))})
    starts, ends = d.ints(-7, 7, len(axes)), [d.one(d.int(-7, 7), 2**31 - 1) for _ in axes]
    x = d.floats(shape)
    if version < 10:
        return Node("Slice", [x], {"axes": axes, "starts": starts, "ends": ends})
    steps = [d.one(1, 1, 2, -1, -2) for _ in axes]
    return Node("Slice", [x, array(starts), array(ends), array(axes), array(steps)], constants=(1, 2, 3, 4))


@recipe("Expand")
def expand(d: Draw, version: int) -> Node:
    shape = d.shape()
    return Node("Expand", [d.floats(d.part(shape)), array(shape)], constants=(1,))


@recipe("Tile")
def tile(d: Draw, version: int) -> Node:
    shape = d.shape()
    return Node("Tile", [d.floats(shape), array(d.ints(0 if d.maybe(0.1) else 1, 3, len(shape)))], constants=(1,))


@recipe("Pad")
def pad(d: Draw, version: int) -> Node:
    shape = d.shape(1, 4)
    mode = d.one("constant", "reflect", "edge", *(["wrap"] if version >= 19 else []))
    rank = len(shape)
    places = d.axes(rank) if version >= 18 and d.maybe(0.4) else list(range(rank))
    most = {"constant": 3, "reflect": min(shape) - 1, "edge": 3, "wrap": min(shape)}[mode]
    widths = d.ints(0, most, 2 * len(places))
    if mode == "constant" and d.maybe(0.2):
        widths[0] = -min(shape[places[0]] - 1, 1)
    x, value = d.floats(shape), 1.5
    if version < 11:
        return Node("Pad", [x], {"pads": widths, "mode": mode, "value": value})
    inputs = [x, array(widths), array(value, np.float32) if mode == "constant" and d.maybe() else None]
    if len(places) != rank or places != list(range(rank)):
        inputs.append(array(places))
    return Node("Pad", inputs, {"mode": mode}, constants=(1, 2, 3))


@recipe("DepthToSpace", "SpaceToDepth")
def blocks(name: str, d: Draw, version: int) -> Node:
    size = d.int(1, 3)
    n, c, h, w = d.int(1, 2), d.int(1, 3), d.int(1, 3), d.int(1, 3)
    if name == "SpaceToDepth":
        return Node(name, [d.floats((n, c, h * size, w * size))], {"blocksize": size})
    settings: dict[str, Any] = {"blocksize": size} | ({"mode": d.one("DCR", "CRD")} if version >= 11 else {})
    return Node(name, [d.floats((n, c * size * size, h, w))], settings)


@recipe("Trilu")
def trilu(d: Draw, version: int) -> Node:
    k = array(d.int(-3, 3)) if d.maybe() else None
    return Node("Trilu", [d.floats(d.shape(2)), k], {"upper": d.one(0, 1)}, constants=(1,))


@recipe("EyeLike")
def eye_like(d: Draw, version: int) -> Node:
    return Node("EyeLike", [d.floats(d.shape(2, 2))], {"k": d.int(-2, 2), "dtype": d.one(1, 7, 11)})


@recipe("Range")
def ranges(d: Draw, version: int) -> Node:
    if d.maybe():
        values = [array(v) for v in (d.int(-5, 5), d.int(-9, 9), d.one(1, 2, -1, -3))]
    else:
        values = [array(v, np.float32) for v in (d.int(-5, 5) + 0.25, d.int(-9, 9) + 0.1, d.one(0.5, 1.0, -0.75))]
    return Node("Range", values, constants=(0, 1, 2))


@recipe("ConstantOfShape")
def constant_of_shape(d: Draw, version: int) -> Node:
    value = d.one(None, array([2], np.int64), array([1.5], np.float32), array([True], bool))
    return Node("ConstantOfShape", [array(d.shape(0, 3))], {"value": value}, constants=(0,))


@recipe("OneHot")
def one_hot(d: Draw, version: int) -> Node:
    shape, depth = d.shape(1, 3), d.int(1, 5)
    values = d.floats((2,)) if d.maybe() else d.integers((2,))
    indices = d.integers(shape, -depth - 1, depth)
    if version < 11:
        indices = d.integers(shape, 0, depth - 1)
    return Node("OneHot", [indices, array([depth]), values], {"axis": d.axis(len(shape) + 1)}, constants=(1,))


# ----- by index -----


@recipe("Gather")
def gather(d: Draw, version: int) -> Node:
    shape = d.shape()
    axis = d.axis(len(shape)) if version >= 11 else d.int(0, len(shape) - 1)
    size = shape[axis]
    indices = d.integers(d.shape(0, 2), -size if version >= 11 else 0, size - 1, d.one(np.int64, np.int32))
    return Node("Gather", [d.floats(shape), indices], {"axis": axis})


@recipe("GatherElements")
def gather_elements(d: Draw, version: int) -> Node:
    shape = d.shape()
    axis = d.axis(len(shape))
    wanted = [d.int(1, 4) if i == axis % len(shape) else d.int(1, n) for i, n in enumerate(shape)]
    return Node("GatherElements", [d.floats(shape), d.integers(wanted, -shape[axis], shape[axis] - 1)], {"axis": axis})


@recipe("GatherND")
def gather_nd(d: Draw, version: int) -> Node:
    shape = d.shape(2, 4)
    batch = d.int(0, 1) if version >= 12 else 0
    depth = d.int(1, len(shape) - batch)
    lead = (*shape[:batch], *d.shape(1, 2, 3))
    columns = [d.integers(lead, -n if version >= 12 else 0, n - 1) for n in shape[batch : batch + depth]]
    return Node("GatherND", [d.floats(shape), np.stack(columns, -1)], {"batch_dims": batch} if batch else {})


def _reduction(d: Draw, version: int) -> dict[str, Any]:
    if version < 16 or d.maybe():
        return {}
    return {"reduction": d.one("add", "mul", *(["min", "max"] if version >= 18 else []))}


@recipe("ScatterElements")
def scatter_elements(d: Draw, version: int) -> Node:
    shape = d.shape()
    axis, settings = d.axis(len(shape)), _reduction(d, version)
    wanted = [d.int(1, n) for n in shape]
    size = shape[axis]
    indices = d.integers(wanted, -size, size - 1)
    if not settings:  # no place twice
        order = np.argsort(
            d.rng.random((*wanted[: axis % len(shape)], size, *wanted[axis % len(shape) + 1 :])), axis=axis
        )
        indices = np.take(order, np.arange(wanted[axis]), axis=axis).astype(np.int64)
    return Node("ScatterElements", [d.floats(shape), indices, d.floats(wanted)], {"axis": axis, **settings})


@recipe("ScatterND")
def scatter_nd(d: Draw, version: int) -> Node:
    shape = d.shape(1, 3)
    depth, settings = d.int(1, len(shape)), _reduction(d, version)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in shape[:depth]), indexing="ij"), -1).reshape(-1, depth)
    chosen = d.rng.permutation(len(places))[: d.int(1, len(places))]
    if settings:
        chosen = d.integers((d.int(1, 5),), 0, len(places) - 1)
    return Node(
        "ScatterND",
        [d.floats(shape), places[chosen].astype(np.int64), d.floats((len(chosen), *shape[depth:]))],
        settings,
    )


@recipe("Compress")
def compress(d: Draw, version: int) -> Node:
    shape = d.shape()
    axis = d.axis(len(shape)) if version >= 11 else d.int(0, len(shape) - 1)
    size = int(np.prod(shape)) if d.maybe(0.4) else shape[axis]
    settings = {} if size == int(np.prod(shape)) and size != shape[axis] else {"axis": axis}
    return Node("Compress", [d.floats(shape), d.bools((d.int(1, size),))], settings, constants=(1,))


@recipe("ReverseSequence")
def reverse_sequence(d: Draw, version: int) -> Node:
    shape = d.shape(2, 4)
    time = d.one(0, 1)
    return Node(
        "ReverseSequence",
        [d.floats(shape), d.integers((shape[1 - time],), 1, shape[time])],
        {"time_axis": time, "batch_axis": 1 - time},
    )


@recipe("Unique")
def unique(d: Draw, version: int) -> Node:
    shape = d.shape(1, 3)
    settings: dict[str, Any] = {"sorted": d.one(0, 1)} | ({"axis": d.axis(len(shape))} if d.maybe() else {})
    return Node("Unique", [d.integers(shape, 0, 2, np.float32)], settings, 4, (0,))


# ----- products -----


@recipe("MatMul")
def mat_mul(d: Draw, version: int) -> Node:
    batch, m, k, n = d.shape(0, 2, 3), d.int(1, 4), d.int(1, 5), d.int(1, 4)
    a, b = (*batch, m, k), (*d.part(batch), k, n)
    if d.maybe(0.2):
        a = (k,)
    elif d.maybe(0.2):
        b = (k,)
    dtype = d.one(np.float32, np.float64)
    return Node("MatMul", [d.floats(a, dtype=dtype), d.floats(b, dtype=dtype)])


@recipe("Gemm")
def gemm(d: Draw, version: int) -> Node:
    m, k, n = d.int(1, 4), d.int(1, 5), d.int(1, 4)
    ta, tb = d.one(0, 1), d.one(0, 1)
    inputs = [d.floats((k, m) if ta else (m, k)), d.floats((n, k) if tb else (k, n))]
    if version < 11 or d.maybe(0.8):
        inputs.append(d.floats(d.one((m, n), (n,), (1, n), (m, 1), (1,))))
    settings = {k: float(d.rng.uniform(0.3, 2)) for k in ("alpha", "beta") if d.maybe()}
    return Node("Gemm", inputs, {"transA": ta, "transB": tb, **settings})


@recipe("Einsum")
def einsum(d: Draw, version: int) -> Node:
    equation, *shapes = d.one(
        ("ij,jk->ik", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 4)), ("bhid,bhjd->bhij", (1, 2, 3, 4), (1, 2, 5, 4)),
        ("ii->i", (3, 3)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("...ij,...jk->...ik", (2, 2, 3), (2, 3, 4)), ("i,j->ij", (3,), (4,)),
        ("ij,jk", (2, 3), (3, 4)), ("bij->bj", (2, 3, 4)),
    )  # fmt: skip
    return Node("Einsum", [d.floats(s) for s in shapes], {"equation": equation})


@recipe("Det")
def det(d: Draw, version: int) -> Node:
    n = d.int(1, 4)
    return Node("Det", [d.floats((*d.shape(0, 1), n, n))])


# ----- convolutions and pooling -----


def _window(d: Draw, count: int, version: int, dilates: bool = True) -> tuple[list[int], dict[str, Any]]:
    window = d.ints(1, 3, count)
    settings: dict[str, Any] = {"kernel_shape": window}
    if d.maybe():
        settings["strides"] = d.ints(1, 3, count)
    if dilates and d.maybe(0.3):
        settings["dilations"] = d.ints(1, 2, count)
    if d.maybe(0.2):
        settings["auto_pad"] = d.one("SAME_UPPER", "SAME_LOWER", "VALID")
        settings.pop("dilations", None)
    elif d.maybe(0.6):
        settings["pads"] = [min(p, w - 1) for p, w in zip(d.ints(0, 2, 2 * count), [*window, *window], strict=True)]
    return window, settings


@recipe("Conv", "ConvInteger", "QLinearConv")
def conv(name: str, d: Draw, version: int) -> Node:
    count, group = d.int(1, 3 if name == "Conv" else 2), d.int(1, 2)
    window, settings = _window(d, count, version)
    channels, filters = group * d.int(1, 3), group * d.int(1, 3)
    settings["group"] = group
    sizes = d.ints(5, 7, count)
    shapes = [(d.int(1, 2), channels, *sizes), (filters, channels // group, *window)]
    if name == "Conv":
        bias = [d.floats((filters,))] if d.maybe() else []
        return Node(name, [d.floats(s, -1, 1) for s in shapes] + bias, settings)
    x, w = d.integers(shapes[0], 0, 255, np.uint8), d.integers(shapes[1], 0, 255, np.uint8)
    if name == "ConvInteger":
        return Node(name, [x, w, array(d.int(0, 255), np.uint8) if d.maybe() else None], settings)
    scale = [array(v, np.float32) for v in (0.0213, 0.0117, 0.531)]
    zero = [array(v, np.uint8) for v in (120, 130, 100)]
    w_scale = d.floats((filters,), 0.005, 0.02) if d.maybe() else scale[1]
    w_zero = np.full((filters,), 130, np.uint8) if w_scale.ndim else zero[1]
    bias = [d.integers((filters,), -99, 99, np.int32)] if d.maybe() else []
    return Node(name, [x, scale[0], zero[0], w, w_scale, w_zero, scale[2], zero[2], *bias], settings)


@recipe("ConvTranspose")
def conv_transpose(d: Draw, version: int) -> Node:
    count, group = d.int(1, 2), d.int(1, 2)
    window, settings = _window(d, count, version)
    if settings.get("auto_pad", "NOTSET") != "NOTSET":
        del settings["auto_pad"]
    settings["group"] = group
    channels, filters = group * d.int(1, 2), d.int(1, 3)
    if d.maybe(0.3) and "strides" in settings:
        settings["output_padding"] = [d.int(0, s - 1) for s in settings["strides"]]
    bias = [d.floats((filters * group,))] if d.maybe() else []
    inputs = [
        d.floats((d.int(1, 2), channels, *d.ints(3, 5, count)), -1, 1),
        d.floats((channels, filters, *window), -1, 1),
    ]
    return Node("ConvTranspose", inputs + bias, settings)


@recipe("MaxPool", "AveragePool", "LpPool")
def pool(name: str, d: Draw, version: int) -> Node:
    count = d.int(1, 3)
    dilates = version >= {"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[name]
    _, settings = _window(d, count, version, dilates)
    if (
        version >= {"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[name]
        and d.maybe(0.4)
        and "auto_pad" not in settings
    ):
        settings["ceil_mode"] = 1
    if name == "AveragePool":
        settings["count_include_pad"] = d.one(0, 1)
    if name == "LpPool":
        settings["p"] = d.int(1, 3)
    outputs = d.int(1, 2) if name == "MaxPool" and version >= 8 else 1
    if outputs == 2 and version >= 8:
        settings["storage_order"] = d.one(0, 1)
    return Node(name, [d.floats((d.int(1, 2), d.int(1, 2), *d.ints(5, 7, count)))], settings, outputs)


@recipe("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def global_pool(name: str, d: Draw, version: int) -> Node:
    settings = {"p": d.int(1, 3)} if name == "GlobalLpPool" else {}
    return Node(name, [d.floats((d.int(1, 2), d.int(1, 3), *d.ints(1, 4, d.int(1, 3))))], settings)


@recipe("DeformConv")
def deform_conv(d: Draw, version: int) -> Node:
    group, offset_group = d.int(1, 2), d.int(1, 2)
    channels, filters, (h, w) = 4, 2 * group, (5, 6)
    window, stride, pad = d.ints(1, 3, 2), d.int(1, 2), d.int(0, 1)
    out = [(n + 2 * pad - k) // stride + 1 for n, k in zip((h, w), window, strict=True)]
    taps = window[0] * window[1] * offset_group
    inputs = [
        d.floats((2, channels, h, w)), d.floats((filters, channels // group, *window)), d.floats((2, 2 * taps, *out), -1.5, 1.5),
        d.floats((filters,)) if d.maybe() else None, d.floats((2, taps, *out), 0, 1) if d.maybe() else None,
    ]  # fmt: skip
    return Node(
        "DeformConv", inputs, {"group": group, "offset_group": offset_group, "strides": [stride] * 2, "pads": [pad] * 4}
    )


@recipe("Col2Im")
def col2im(d: Draw, version: int) -> Node:
    image, block = d.ints(4, 6, 2), d.ints(1, 3, 2)
    count = int(np.prod([n - k + 1 for n, k in zip(image, block, strict=True)]))
    return Node("Col2Im", [d.floats((1, 2 * block[0] * block[1], count)), array(image), array(block)], constants=(1, 2))


# ----- normalization -----


def _images(d: Draw) -> Any:
    return d.floats((d.int(1, 2), 4, *d.ints(1, 4, d.int(1, 3))))


@recipe("BatchNormalization")
def batch_normalization(d: Draw, version: int) -> Node:
    x = _images(d) if d.maybe(0.8) else d.floats((3, 4))
    statistics = [d.floats((4,)), d.floats((4,)), d.floats((4,)), d.floats((4,), 0.2, 2)]
    return Node("BatchNormalization", [x, *statistics], {"epsilon": 1e-3})


@recipe("InstanceNormalization")
def instance_normalization(d: Draw, version: int) -> Node:
    return Node("InstanceNormalization", [_images(d), d.floats((4,)), d.floats((4,))], {"epsilon": 0.02})


@recipe("LayerNormalization", "RMSNormalization")
def layer_normalization(name: str, d: Draw, version: int) -> Node:
    shape = d.shape(1, 4)
    axis = d.axis(len(shape))
    scale = [d.floats(shape[axis % len(shape) :]) for _ in range(2 if name[0] == "L" and d.maybe() else 1)]
    return Node(name, [d.floats(shape), *scale], {"axis": axis, "epsilon": 0.02})


@recipe("GroupNormalization")
def group_normalization(d: Draw, version: int) -> Node:
    groups = d.one(1, 2, 4)
    width = groups if version < 21 else 4
    return Node(
        "GroupNormalization",
        [_images(d), d.floats((width,)), d.floats((width,))],
        {"num_groups": groups, "epsilon": 0.02},
    )


@recipe("LRN")
def lrn(d: Draw, version: int) -> Node:
    return Node("LRN", [d.floats((2, 5, 3, 2))], {"size": d.one(1, 3, 5), "alpha": 0.1, "beta": 0.6, "bias": 1.5})


@recipe("LpNormalization")
def lp_normalization(d: Draw, version: int) -> Node:
    shape = d.shape()
    return Node("LpNormalization", [d.floats(shape)], {"axis": d.axis(len(shape)), "p": d.int(1, 2)})


@recipe("MeanVarianceNormalization")
def mean_variance_normalization(d: Draw, version: int) -> Node:
    return Node("MeanVarianceNormalization", [d.floats((2, 3, 4, 3))], {"axes": [0, 2, 3]} if d.maybe() else {})


@recipe("Dropout")
def dropout(d: Draw, version: int) -> Node:
    return Node("Dropout", [d.floats(d.shape())], {}, d.int(1, 2))


@recipe("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(name: str, d: Draw, version: int) -> Node:
    n, c, rest = d.int(1, 3), d.int(2, 4), d.shape(0, 2, 3)
    settings: dict[str, Any] = {"reduction": d.one("none", "mean", "sum")}
    if d.maybe(0.3):
        settings["ignore_index"] = 0
    labels = d.integers((n, *rest), 0, c - 1)
    labels.reshape(-1)[0] = 1  # at least one counts
    inputs = [d.floats((n, c, *rest)), labels] + ([d.floats((c,), 0.2, 2)] if d.maybe() else [])
    return Node(name, inputs, settings, d.int(1, 2) if name[0] == "S" else 1)


# ----- quantization -----


@recipe("QuantizeLinear", "DequantizeLinear")
def quantize(name: str, d: Draw, version: int) -> Node:
    shape = d.shape(2, 4)
    axis = d.axis(len(shape))
    per_axis = version >= 13 and d.maybe()
    many = (shape[axis],) if per_axis else ()
    dtype = d.one(np.uint8, np.int8)
    scale = d.floats(many, 0.0113, 0.0517)
    zero = d.integers(many, 0, 100, dtype)
    settings = {"axis": axis} if version >= 13 else {}
    if name == "QuantizeLinear":
        return Node(name, [d.floats(shape), scale, zero if d.maybe(0.7) else None], settings)
    return Node(name, [d.integers(shape, 0, 100, dtype), scale, zero if d.maybe(0.7) else None], settings)


@recipe("DynamicQuantizeLinear")
def dynamic_quantize(d: Draw, version: int) -> Node:
    return Node("DynamicQuantizeLinear", [d.floats(d.shape(), d.one(-3.1, 0.3), 2.7)], {}, 3)


@recipe("MatMulInteger", "QLinearMatMul")
def mat_mul_integer(name: str, d: Draw, version: int) -> Node:
    m, k, n = d.int(1, 4), d.int(1, 5), d.int(1, 4)
    lead = d.shape(0, 1, 2)
    a, b = d.integers((*lead, m, k), 0, 255, np.uint8), d.integers((*lead, k, n), 0, 255, np.uint8)
    za, zb = array(d.int(0, 255), np.uint8), array(d.int(0, 255), np.uint8)
    if name == "MatMulInteger":
        return Node(name, [a, b, za if d.maybe() else None, zb if d.maybe() else None])
    scales = [array(v, np.float32) for v in (0.0213, 0.0117, 0.0531)]
    return Node(name, [a, scales[0], za, b, scales[1], zb, scales[2], array(120, np.uint8)])


# ----- recurrent -----


@recipe("LSTM", "GRU", "RNN")
def recurrent(name: str, d: Draw, version: int) -> Node:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[name]
    direction = d.one("forward", "reverse", "bidirectional")
    n, time, batch, features, units = (
        (2 if direction == "bidirectional" else 1),
        d.int(1, 4),
        d.int(1, 3),
        d.int(1, 3),
        d.int(1, 3),
    )
    settings: dict[str, Any] = {"direction": direction, "hidden_size": units}
    inputs: list[Any] = [
        d.floats((time, batch, features), -1, 1), d.floats((n, gates * units, features), -1, 1), d.floats((n, gates * units, units), -1, 1),
        d.floats((n, 2 * gates * units), -1, 1) if d.maybe() else None,
        d.integers((batch,), 1, time, np.int32) if d.maybe(0.3) else None, d.floats((n, batch, units), -1, 1) if d.maybe() else None,
    ]  # fmt: skip
    if name == "LSTM":
        inputs += [
            d.floats((n, batch, units), -1, 1) if d.maybe() else None,
            d.floats((n, 3 * units), -1, 1) if d.maybe(0.3) else None,
        ]
        settings["input_forget"] = 1 if d.maybe(0.2) else 0
    if name == "GRU":
        settings["linear_before_reset"] = d.one(0, 1)
    if d.maybe(0.2):
        settings["clip"] = 0.7
    if d.maybe(0.3):
        count = {"LSTM": 3, "GRU": 2, "RNN": 1}[name] * n
        names = (
            "Sigmoid",
            "Tanh",
            "Relu",
            "Softsign",
            "HardSigmoid",
            "Elu",
            "LeakyRelu",
            "Affine",
            "ScaledTanh",
            "ThresholdedRelu",
            "Softplus",
        )
        settings["activations"] = [d.one(*names) for _ in range(count)]
        two = ("HardSigmoid", "Affine", "ScaledTanh")
        takes_one = [n in (*two, "Elu", "LeakyRelu", "ThresholdedRelu") for n in settings["activations"]]
        settings["activation_alpha"] = [float(d.rng.uniform(0.2, 0.8)) for taken in takes_one if taken] or None
        settings["activation_beta"] = [
            float(d.rng.uniform(0.2, 0.8)) for n in settings["activations"] if n in two
        ] or None
    return Node(name, inputs, settings, d.int(1, 3 if name == "LSTM" else 2))


# ----- resizing -----


@recipe("Resize")
def resize(d: Draw, version: int) -> Node:
    x = d.floats((1, d.int(1, 2), d.int(2, 5), d.int(2, 5)))
    if version < 11:
        scales = array([1, 1, d.one(1.0, 2.0, 3.0), d.one(1.0, 2.0)], np.float32)
        return (
            Node("Resize", [x, scales], {"mode": d.one("nearest", "linear")}, constants=(1,)) if version == 10 else None
        )
    mode = d.one("nearest", "linear", "cubic")
    ways = ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"] + (
        ["half_pixel_symmetric"] if version >= 19 else []
    )
    settings: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": d.one(*ways)}
    if mode == "nearest":
        settings["nearest_mode"] = d.one("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if mode == "cubic":
        settings["cubic_coeff_a"] = d.one(-0.5, -0.75)
        settings["exclude_outside"] = d.one(0, 1)
    if version >= 18 and mode != "nearest" and d.maybe(0.3):
        settings["antialias"] = 1
    roi = array([], np.float32)
    if d.maybe():
        scales = array([1, 1, d.one(0.5, 0.6, 1.0, 1.5, 2.0, 2.7), d.one(0.5, 0.8, 1.0, 1.3, 2.0)], np.float32)
        return Node("Resize", [x, roi, scales], settings, constants=(1, 2))
    empty = None if version >= 13 else array([], np.float32)
    return Node(
        "Resize", [x, roi, empty, array([1, x.shape[1], d.int(1, 8), d.int(1, 8)])], settings, constants=(1, 2, 3)
    )


@recipe("Upsample")
def upsample(d: Draw, version: int) -> Node:
    x, scales = d.floats((1, 2, d.int(2, 4), d.int(2, 4))), [1.0, 1.0, d.one(1.0, 2.0, 3.0), d.one(1.0, 2.0)]
    if version < 9:
        return Node("Upsample", [x], {"mode": d.one("nearest", "linear"), "scales": scales})
    if version >= 10:
        return None
    return Node("Upsample", [x, array(scales, np.float32)], {"mode": d.one("nearest", "linear")}, constants=(1,))


@recipe("GridSample")
def grid_sample(d: Draw, version: int) -> Node:
    modes = ("bilinear", "nearest", "bicubic") if version < 20 else ("linear", "nearest", "cubic")
    settings = {
        "mode": d.one(*modes), "padding_mode": d.one("zeros", "border", "reflection"), "align_corners": d.one(0, 1),
    }  # fmt: skip
    return Node("GridSample", [d.floats((2, 2, d.int(2, 5), d.int(2, 5))), d.floats((2, 3, 4, 2), -1.4, 1.4)], settings)


@recipe("AffineGrid")
def affine_grid(d: Draw, version: int) -> Node:
    n = d.int(1, 2)
    count = d.int(2, 3)
    size = array([n, 2, *d.ints(2, 4, count)])
    return Node("AffineGrid", [d.floats((n, count, count + 1)), size], {"align_corners": d.one(0, 1)}, constants=(1,))


@recipe("RoiAlign")
def roi_align(d: Draw, version: int) -> Node:
    corners = np.stack([d.floats((3,), 0, 3), d.floats((3,), 0, 3), d.floats((3,), 3.5, 7), d.floats((3,), 3.5, 7)], 1)
    settings: dict[str, Any] = {
        "output_height": d.int(1, 3), "output_width": d.int(1, 3), "sampling_ratio": d.int(0, 2), "spatial_scale": d.one(0.5, 1.0),
        "mode": "avg",
    }  # fmt: skip
    if version >= 16:
        settings["coordinate_transformation_mode"] = d.one("half_pixel", "output_half_pixel")
    constants = (1, 2) if settings["sampling_ratio"] == 0 else ()
    return Node("RoiAlign", [d.floats((2, 2, 6, 7)), corners, d.integers((3,), 0, 1)], settings, constants=constants)


# ----- signals -----


@recipe("DFT")
def dft(d: Draw, version: int) -> Node:
    shape = (d.int(1, 2), d.int(2, 6), d.int(2, 5), d.one(1, 2))
    onesided = d.one(0, 1) if shape[-1] == 1 else 0
    settings: dict[str, Any] = {"onesided": onesided, "inverse": d.one(0, 1) if not onesided else 0}
    length = array(d.int(2, 8)) if d.maybe(0.4) else None
    if version < 20:
        return Node("DFT", [d.floats(shape), length], {**settings, "axis": d.one(1, 2)}, constants=(1,))
    return Node("DFT", [d.floats(shape), length, array(d.one(1, 2, -2))], settings, constants=(1, 2))


@recipe("STFT")
def stft(d: Draw, version: int) -> Node:
    length = d.int(2, 5)
    window = d.floats((length,), 0.1, 1) if d.maybe() else None
    return Node(
        "STFT",
        [d.floats((2, 12, 1)), array(d.int(1, 3)), window, array(length)],
        {"onesided": d.one(0, 1)},
        constants=(1, 3),
    )


@recipe("HannWindow", "HammingWindow", "BlackmanWindow")
def window(name: str, d: Draw, version: int) -> Node:
    return Node(name, [array(d.int(2, 9))], {"periodic": d.one(0, 1), "output_datatype": d.one(1, 11)}, constants=(0,))


# ----- sequences and others -----


@recipe("NonMaxSuppression")
def non_max_suppression(d: Draw, version: int) -> Node:
    low = d.floats((1, 6, 2), 0, 3)
    boxes = np.concatenate([low, low + d.floats((1, 6, 2), 0.5, 2)], -1)
    inputs = [
        boxes,
        d.floats((1, 2, 6), 0, 1),
        array([d.int(1, 6)]),
        array([0.45], np.float32),
        array([0.3], np.float32),
    ]
    return Node(
        "NonMaxSuppression", inputs[: d.int(3, 5)], {"center_point_box": d.one(0, 1)}, constants=(0, 1, 2, 3, 4)
    )


@recipe("Attention")
def attention(d: Draw, version: int) -> Node:
    batch, heads, each = d.int(1, 2), d.one(1, 2), d.int(1, 2)
    queries, keys, size, width = d.int(1, 4), d.int(1, 5), d.int(2, 4), d.int(2, 4)
    query = (batch, heads * each, queries, size)
    key, value = (batch, heads, keys, size), (batch, heads, keys, width)
    settings: dict[str, Any] = {}
    if d.maybe(0.3):
        query, key, value = ((b, t, h * w) for b, h, t, w in (query, key, value))
        settings = {"q_num_heads": heads * each, "kv_num_heads": heads}
    if d.maybe(0.3):
        settings["scale"] = 0.4
    if d.maybe(0.2):
        settings["softcap"] = 1.5
    past = d.int(1, 3) if d.maybe(0.3) else 0
    if d.maybe(0.3):
        settings["is_causal"] = 1
    mask = None
    if d.maybe(0.4):
        shape = d.one((queries, keys + past), (batch, 1, queries, keys + past), (1, heads * each, queries, keys + past))
        mask = d.floats(shape)
        if d.maybe():
            mask = d.bools(shape)
            mask[..., 0] = True  # at least one key counts
    cache = [d.floats((batch, heads, past, n)) if past else None for n in (size, width)]
    return Node(
        "Attention", [d.floats(query), d.floats(key), d.floats(value), mask, *cache], settings, 3 if past else 1
    )


@recipe("RotaryEmbedding")
def rotary_embedding(d: Draw, version: int) -> Node:
    batch, heads, steps, size = d.int(1, 2), d.int(1, 3), d.int(1, 4), d.one(2, 4, 8)
    turning = d.one(*[n for n in (2, 4, 8) if n <= size])
    settings: dict[str, Any] = {"interleaved": d.one(0, 1)} | (
        {"rotary_embedding_dim": turning} if turning != size else {}
    )
    x = d.floats((batch, heads, steps, size))
    if d.maybe(0.4):
        x, settings["num_heads"] = d.floats((batch, steps, heads * size)), heads
    if d.maybe():
        tables = [d.floats((9, turning // 2)) for _ in range(2)]
        return Node("RotaryEmbedding", [x, *tables, d.integers((batch, steps), 0, 8)], settings)
    return Node("RotaryEmbedding", [x, *(d.floats((batch, steps, turning // 2)) for _ in range(2))], settings)


@recipe("CenterCropPad")
def center_crop_pad(d: Draw, version: int) -> Node:
    shape = d.shape()
    axes = d.axes(len(shape)) if d.maybe() else list(range(len(shape)))
    settings = {"axes": axes} if axes != list(range(len(shape))) else {}
    return Node("CenterCropPad", [d.floats(shape), array(d.ints(1, 7, len(axes)))], settings, constants=(1,))


@recipe("CastLike")
def cast_like(d: Draw, version: int) -> Node:
    like = d.one(d.floats, d.integers)((2,))
    return Node("CastLike", [d.floats(d.shape()), like])


@recipe("MaxUnpool")
def max_unpool(d: Draw, version: int) -> Node:
    h, w = d.int(1, 3), d.int(1, 3)
    taken = np.stack([d.rng.permutation(4 * h * w)[: h * w] for _ in range(2)]).reshape(1, 2, h, w)
    places = taken + np.arange(2).reshape(1, 2, 1, 1) * 4 * h * w
    return Node(
        "MaxUnpool", [d.floats((1, 2, h, w)), places.astype(np.int64)], {"kernel_shape": [2, 2], "strides": [2, 2]}
    )


@recipe("TensorScatter")
def tensor_scatter(d: Draw, version: int) -> Node:
    batch, size, steps = d.int(1, 2), d.int(3, 5), d.int(1, 3)
    places = d.integers((batch,), 0, size - steps) if d.maybe() else None
    settings = {"mode": d.one("linear", "circular")}
    return Node(
        "TensorScatter",
        [d.floats((batch, 2, size, 3)), d.floats((batch, 2, steps, 3)), places],
        settings,
        constants=(2,),
    )


@recipe("MelWeightMatrix")
def mel_weight_matrix(d: Draw, version: int) -> Node:
    values = [
        array(d.int(2, 6)),
        array(d.one(16, 32)),
        array(8000),
        array(d.one(0.0, 100.0), np.float32),
        array(3500.0, np.float32),
    ]
    return Node("MelWeightMatrix", values, constants=(0, 1, 2, 3, 4))


@recipe("Bernoulli", "RandomNormalLike", "RandomUniformLike")
def random(name: str, d: Draw, version: int) -> Node:
    return Node(name, [d.floats(d.shape(), 0, 1)], {"dtype": d.one(1, 11)} if d.maybe() else {})


RANDOM = {"Bernoulli", "RandomNormalLike", "RandomUniformLike"}  # only shapes and dtypes can be compared
